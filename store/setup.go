package store

import (
	"context"
	"crypto/subtle"
	"encoding/hex"
	"encoding/json"
	"time"

	"github.com/drawbridge-id/drawbridge/account"
	"github.com/drawbridge-id/drawbridge/store/internal/table"
)

// firstOwner is the one invitation that the installation itself gives out, kept as a value of it.
type firstOwner struct {
	Digest string    `json:"digest"` // hex of the token's SHA-256
	Until  time.Time `json:"until"`
}

const (
	metaFirstOwner  = "first_owner"
	firstOwnerValid = 24 * time.Hour
)

// InviteFirstOwner makes the token of the link by which the first account gets its owner. It works once, for 24
// hours; a later one replaces it. Only the operator may.
func (l *Ledger) InviteFirstOwner(ctx context.Context, by account.Actor) (account.Secret, error) {
	if !by.AtConsole() {
		return account.Secret{}, account.Errorf(account.Forbidden, "Only the operator of this installation may do this.")
	}
	token, now := l.random(32), l.now()
	text, err := json.Marshal(firstOwner{hex.EncodeToString(digest(token)), now.Add(firstOwnerValid)})
	if err != nil {
		return account.Secret{}, err
	}
	err = l.db.Write(ctx, func(tx *table.Tx) error {
		if err := tx.PutMeta(metaFirstOwner, string(text)); err != nil {
			return err
		}
		return l.audit(tx, by, "", "first_owner.invited", note{}, now)
	})
	return account.NewSecret(token), err
}

// FirstOwnerInvited reports whether token is the valid one. Looking does not use it up: mail scanners open links.
func (l *Ledger) FirstOwnerInvited(ctx context.Context, token account.Secret) error {
	return l.db.Read(ctx, func(tx *table.Tx) error { return l.firstOwnerToken(tx, token) })
}

func (l *Ledger) firstOwnerToken(tx *table.Tx, token account.Secret) error {
	var invited firstOwner
	text, found, err := tx.Meta(metaFirstOwner)
	if err != nil {
		return err
	}
	if found && text != "" {
		if err := json.Unmarshal([]byte(text), &invited); err != nil {
			return err
		}
	}
	given := hex.EncodeToString(digest(token.Reveal()))
	if invited.Digest == "" || subtle.ConstantTimeCompare([]byte(given), []byte(invited.Digest)) != 1 || !l.now().Before(invited.Until) {
		return account.Errorf(account.NotFound, "This link is not valid any more.").Fix("The operator gets a new one with \"drawbridge first-owner\".")
	}
	return nil
}

// BecomeFirstOwner uses the token up: it makes an account with an enterprise org, the person with that address as owner
// of both, and a session. Whoever holds the link speaks for the operator, so the address counts as proved.
func (l *Ledger) BecomeFirstOwner(ctx context.Context, by account.Actor, token account.Secret, name, email string) (account.Session, error) {
	email, err := account.NormalEmail(email)
	if err != nil {
		return account.Session{}, err
	}
	if err := account.CheckAccountName(name); err != nil {
		return account.Session{}, err
	}
	org := account.Slug(name)
	if err := account.CheckOrgName(org); err != nil {
		return account.Session{}, err
	}
	now, cookie := l.now(), l.random(32)
	var session table.Session
	err = l.db.Write(ctx, func(tx *table.Tx) error {
		if err := l.firstOwnerToken(tx, token); err != nil {
			return err
		}
		house, err := l.newHouse(tx, name, org, "", account.Enterprise, now)
		if err != nil {
			return err
		}
		h := &hand{Tx: tx, House: house, l: l, by: by, now: now, master: true}
		u, _, err := h.ownerOfBoth(email)
		if err != nil {
			return err
		}
		session = table.Session{Digest: digest(cookie), Session: account.Session{
			ID: account.NewID[account.SessionID](now, l.opt.Random), User: u.ID, Account: house.Account.ID,
			CreatedAt: now, SeenAt: now, ExpiresAt: now.Add(l.opt.Sessions.Absolute), IdleUntil: now.Add(min(l.opt.Sessions.Idle, l.opt.Sessions.Absolute)),
		}}
		if err := tx.InsertSession(session); err != nil {
			return err
		}
		if err := tx.PutMeta(metaFirstOwner, ""); err != nil {
			return err
		}
		return h.audit("first_owner.entered", note{Target: string(u.ID), Detail: map[string]any{"email": email, "account": name, "org": org}})
	})
	session.Token = account.NewSecret(cookie)
	return session.Session, err
}

// ownerOfBoth finds or makes the person with that address and makes them owner of the account and of its org.
func (h *hand) ownerOfBoth(email string) (account.User, bool, error) {
	u, found, err := h.UserByEmail(email)
	if err != nil {
		return u, false, err
	}
	if !found {
		u = account.User{ID: account.NewID[account.UserID](h.now, h.l.opt.Random), Email: email, State: account.UserActive, CreatedAt: h.now}
		if err := h.InsertUser(u); err != nil {
			return u, false, err
		}
	}
	if _, err := h.PutTenancy(h.Account.ID, u.ID, h.now); err != nil {
		return u, false, err
	}
	h.Gain(table.OfUser(u.ID))
	for _, scope := range []account.Scope{{}, {Org: h.Org.ID}} {
		if _, err := h.AddSource(h.Account.ID, u.ID, h.byHand(scope, account.Owner)); err != nil {
			return u, false, err
		}
	}
	return u, !found, nil
}
