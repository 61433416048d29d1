package store

import (
	"context"
	"strings"
	"time"

	"github.com/drawbridge-id/drawbridge/account"
	"github.com/drawbridge-id/drawbridge/store/internal/table"
)

// How often emergency access may be asked for in an hour, and how long it lasts.
const (
	emergencyFor = time.Hour
)

// AskRecovery sends a link to the verified recovery e-mail of whatever account is meant: by its number, its name, or its owner's address. It
// says nothing about whether there is one. TooMany when too much was asked from one address (by.IP); what was asked about one account too
// often is passed over in silence.
func (l *Ledger) AskRecovery(ctx context.Context, by account.Actor, what string) error {
	by.Kind, by.Job = account.ActorSystem, "recovery"
	now := l.now()
	room := false
	err := l.db.Write(ctx, func(tx *table.Tx) (err error) { room, err = recoveriesFrom.network(by.IP).pour(tx, 1, now); return err })
	if err != nil {
		return err
	}
	if !room {
		return account.Errorf(account.TooMany, "Emergency access was asked for too often from your network.").Coded("rate_limited").Fix("Try again in an hour.")
	}
	accounts, err := l.accountsMeant(ctx, what)
	if err != nil {
		return err
	}
	for _, a := range accounts {
		if err := l.askRecovery(ctx, by, a); err != nil {
			return err
		}
	}
	return nil
}

// accountsMeant are those that somebody may mean, at most a few.
func (l *Ledger) accountsMeant(ctx context.Context, what string) (out []account.AccountID, err error) {
	what = strings.TrimSpace(what)
	email, _ := account.NormalEmail(what)
	err = l.db.Read(ctx, func(tx *table.Tx) (err error) { out, err = tx.AccountsMeant(what, email, 5); return err })
	return out, err
}

func (l *Ledger) askRecovery(ctx context.Context, by account.Actor, a account.AccountID) error {
	return l.change(ctx, by, a, "recovery.asked", operator, func(h *hand) (*note, error) {
		h.Gain(table.OfAccount(a))
		refused := func(why string) (*note, error) {
			line := l.line(by, a, "recovery.asked", note{Target: string(a), Reason: why}, h.now)
			line.Outcome = "refused"
			return nil, h.InsertAudit(line, h.now)
		}
		room, err := of(recoveriesOf, a).pour(h.Tx, 1, h.now)
		if err != nil {
			return nil, err
		}
		if !room {
			return refused("rate_limited")
		}
		r, err := h.Tx.Recovery(a)
		if err != nil {
			return nil, err
		}
		if r.Email == "" {
			return refused("no_recovery")
		}
		owner, err := h.whomToRecover()
		if account.KindOf(err) == account.Forbidden {
			return refused("owner_removed")
		}
		if err != nil {
			return nil, err
		}
		return &note{Target: string(owner.ID), Detail: map[string]any{"email": r.Email}},
			h.recoveryLetter(account.RecoveryEnter, r.Email, owner.ID, enterFor, map[string]string{"Email": owner.Email, "IP": by.IP})
	})
}

// whomToRecover is the person whom recovery lets in: the account's owner, or where it has none the only owner of its org. Whoever was shut out
// stays out as long as somebody else owns the org; the last owner's seat waits for them, unless they were shut out by hand or by another
// company (T-06, M-11). Forbidden with code owner_removed.
func (h *hand) whomToRecover() (account.User, error) {
	a := h.Account.ID
	all, err := h.Holders(a, "", account.Owner)
	if err != nil {
		return account.User{}, err
	}
	if len(all) == 0 {
		if all, err = h.Holders(a, h.Org.ID, account.Owner); err != nil {
			return account.User{}, err
		}
	}
	removed := account.Errorf(account.Forbidden, "The owner of %s was removed, and recovery lets nobody else in.", h.Org.Name).Coded("owner_removed").
		Fix("Ask another owner, or the operator of this installation.")
	if len(all) != 1 {
		return account.User{}, removed
	}
	owner := all[0]
	place, found, err := h.PlaceOf(a, owner.ID)
	if err != nil {
		return owner, err
	}
	if found && place.Status == account.TenancyActive && place.State == account.UserActive {
		return owner, nil
	}
	others, err := h.Holders(a, h.Org.ID, account.Owner)
	if err != nil {
		return owner, err
	}
	for _, o := range others {
		if o.ID == owner.ID || o.State != account.UserActive {
			continue
		}
		if t, found, err := h.Tenancy(a, o.ID); err != nil {
			return owner, err
		} else if found && t.Status == account.TenancyActive {
			return owner, removed
		}
	}
	if !found {
		return owner, removed
	}
	for _, closed := range []struct {
		is   bool
		seal string
	}{{place.Status != account.TenancyActive, place.SuspendedBy}, {place.State != account.UserActive, place.DisabledBy}} {
		if !closed.is {
			continue
		}
		if ours, err := h.ownSeal(closed.seal); err != nil {
			return owner, err
		} else if !ours {
			return owner, removed
		}
	}
	return owner, nil
}

// ownSeal reports whether a seal is that of a provider of this account: what was done by hand, or by another company, has none of those.
func (h *hand) ownSeal(seal string) (bool, error) {
	if id, is := strings.CutPrefix(seal, "connection:"); is {
		c, found, err := h.Outline(account.ConnectionID(id))
		return found && c.Account == h.Account.ID, err
	}
	if id, is := strings.CutPrefix(seal, "stream:"); is {
		s, found, err := h.Stream(account.StreamID(id))
		return found && s.Account == h.Account.ID, err
	}
	return false, nil
}

// wake lets a last owner in again whom a provider of the account shut out. It is false when they were not.
func (h *hand) wake(u account.UserID) (bool, error) {
	place, _, err := h.PlaceOf(h.Account.ID, u)
	if err != nil {
		return false, err
	}
	woken, err := h.WakePlace(h.Account.ID, u, h.now)
	if err != nil {
		return false, err
	}
	enabled := false
	if place.State != account.UserActive {
		if enabled, err = h.Enable(u, place.DisabledBy); err != nil {
			return false, err
		}
	}
	if !woken && !enabled {
		return false, nil
	}
	return true, h.announce(account.Announcement{What: account.WordReactivated, User: u, Everywhere: enabled})
}

// EnterByRecovery is the button of the letter that AskRecovery sent: the owner's seat wakes up if it has to, and they have a session for an
// hour that repairs sign-in and does nothing else (I-05, I-06). code is their second factor, asked for when they have set one: Unauthorized
// with code second_factor, which uses nothing up. All owners and account admins are told.
func (l *Ledger) EnterByRecovery(ctx context.Context, by account.Actor, token account.Secret, code string) (account.Session, error) {
	if err := l.passFactorOf(ctx, token, code); err != nil {
		return account.Session{}, err
	}
	var session table.Session
	cookie := l.random(32)
	err := l.byLink(ctx, by, token, account.RecoveryEnter, "recovery.used", func(h *hand, row table.RecoveryLink) (*note, error) {
		r, err := h.Tx.Recovery(row.Account)
		if err != nil {
			return nil, err
		}
		owner, err := h.whomToRecover()
		if err != nil {
			return nil, err
		}
		if r.Email != row.Email || owner.ID != row.User { // changed since the letter was sent
			return nil, noLink()
		}
		woken, err := h.wake(owner.ID)
		if err != nil {
			return nil, err
		}
		h.Gain(table.OfUser(owner.ID))
		session = table.Session{Digest: digest(cookie), Session: account.Session{
			ID: account.NewID[account.SessionID](h.now, l.opt.Random), User: owner.ID, Account: row.Account, Method: account.ByRecovery,
			CreatedAt: h.now, SeenAt: h.now, ExpiresAt: h.now.Add(emergencyFor), IdleUntil: h.now.Add(min(l.opt.Sessions.Idle, emergencyFor))}}
		if err := h.InsertSession(session); err != nil {
			return nil, err
		}
		h.by = account.Actor{Kind: account.ActorUser, User: owner.ID, Account: row.Account, BreakGlass: true, IP: by.IP, Request: by.Request, Received: by.Received}
		r.UsedAt = h.now
		if err := h.PutRecovery(r); err != nil {
			return nil, err
		}
		if err := h.tellOfEntry(owner, woken); err != nil {
			return nil, err
		}
		started := account.Announcement{What: account.WordSessionStarted, User: owner.ID, Email: owner.Email, Session: session.ID}
		return &note{Target: string(owner.ID), Detail: map[string]any{"session": session.ID, "email": row.Email, "woken": woken}}, h.announce(started)
	})
	session.Token = account.NewSecret(cookie)
	if err != nil {
		return account.Session{}, err
	}
	return session.Session, nil
}

// passFactorOf asks for the second factor of whom a link lets in; a link that is none is refused later.
func (l *Ledger) passFactorOf(ctx context.Context, token account.Secret, code string) error {
	var row table.RecoveryLink
	err := l.db.Look(ctx, func(tx *table.Tx) (err error) { row, _, err = tx.RecoveryLink(digest(token.Reveal())); return err })
	if err != nil || row.User == "" || openLink(row.Link.Link, l.now()) != nil {
		return err
	}
	return l.passFactor(ctx, row.User, code)
}

// tellOfEntry tells everybody who keeps the account, and the recovery e-mail's reader, that somebody came in by it.
func (h *hand) tellOfEntry(owner account.User, woken bool) error {
	data := map[string]string{"Org": h.Org.Name, "Email": owner.Email, "IP": h.by.IP, "At": h.now.Format("2 Jan 2006, 15:04 UTC"), "Woken": ""}
	if woken {
		data["Woken"] = "Their seat had been closed by a removal, and is open again."
	}
	all, err := h.Keepers(h.Account.ID)
	if err != nil {
		return err
	}
	for _, u := range all {
		if err := h.write(u.Email, "recovery_used", data); err != nil {
			return err
		}
	}
	return nil
}

// AskAddress begins to give the owner a new address, in a session of emergency access, because the mailbox of the one they have is gone
// (I-04): a letter goes there, and it counts once its link was pressed. Conflict with code email_taken or domain_held, Invalid with code
// same_address for the recovery e-mail, and for another domain than that of the other owners (D-03).
func (l *Ledger) AskAddress(ctx context.Context, by account.Actor, a account.AccountID, email string) error {
	email, err := account.NormalEmail(email)
	if err != nil {
		return err
	}
	return l.change(ctx, by, a, "recovery.address_asked", emergency, func(h *hand) (*note, error) {
		if err := h.newAddress(by.User, email); err != nil {
			return nil, err
		}
		h.Gain(table.OfAccount(a))
		return &note{Target: string(by.User), Detail: map[string]any{"email": email}}, h.recoveryLetter(account.RecoveryAddress, email, by.User, addressFor, nil)
	})
}

// emergency lets whoever is in by emergency access.
func emergency(h *hand) error {
	if h.by.BreakGlass {
		return nil
	}
	return account.Errorf(account.Forbidden, "This is for emergency access.").Coded("not_in_emergency").Fix("Your address follows your identity provider, or is changed in your profile.")
}

// newAddress asks whether an address may become the owner's.
func (h *hand) newAddress(owner account.UserID, email string) error {
	r, err := h.Tx.Recovery(h.Account.ID)
	if err != nil {
		return err
	}
	if strings.EqualFold(r.Email, email) || strings.EqualFold(r.Pending, email) {
		return account.Errorf(account.Invalid, "%s is the recovery e-mail, and an owner's address is another one.", email).Coded("same_address").At("/email").Fix("Choose another address.")
	}
	if _, taken, err := h.UserByEmail(email); err != nil {
		return err
	} else if taken {
		return account.Errorf(account.Conflict, "The address %s is somebody's here already.", email).Coded("email_taken").At("/email").Fix("Choose another address.")
	}
	domain := account.EmailDomain(email)
	if d, found, err := h.HeldDomain(domain); err != nil {
		return err
	} else if found && d.Account != h.Account.ID {
		return account.Errorf(account.Conflict, "Another account holds %s, and has the say over its addresses.", domain).Coded("domain_held").At("/email").Fix("Choose an address of your own domain.")
	}
	all, err := h.allOwners()
	if err != nil {
		return err
	}
	for _, o := range all {
		if o.ID != owner && o.State == account.UserActive && account.EmailDomain(o.Email) != domain {
			return account.Errorf(account.Invalid, "Owners of %s share one e-mail domain: %s has %s.", h.Org.Name, o.Email, account.EmailDomain(o.Email)).Coded("owner_domain").At("/email").
				Fix("Choose an address of that domain, not of %s.", domain)
		}
	}
	return nil
}

// ConfirmAddress is the button of the letter that AskAddress sent: the owner has that address from now on. Both addresses and all who keep
// the account are told.
func (l *Ledger) ConfirmAddress(ctx context.Context, by account.Actor, token account.Secret) error {
	return l.byLink(ctx, by, token, account.RecoveryAddress, "user.email_changed", func(h *hand, row table.RecoveryLink) (*note, error) {
		owner, err := h.whomToRecover()
		if err != nil {
			return nil, err
		}
		if owner.ID != row.User {
			return nil, noLink()
		}
		if err := h.newAddress(owner.ID, row.Email); err != nil {
			return nil, err
		}
		h.Shut(table.OfUser(owner.ID))
		if err := h.SetUser(owner.ID, row.Email, owner.Name); err != nil {
			return nil, err
		}
		all, err := h.Keepers(row.Account)
		if err != nil {
			return nil, err
		}
		data := map[string]string{"Org": h.Org.Name, "From": owner.Email, "Email": row.Email}
		told := map[string]bool{}
		for _, to := range append(addresses(all), owner.Email, row.Email) {
			if told[to] {
				continue
			}
			told[to] = true
			if err := h.write(to, "address_changed", data); err != nil {
				return nil, err
			}
		}
		return &note{Target: string(owner.ID), Detail: map[string]any{"from": owner.Email, "to": row.Email, "break_glass": true}}, nil
	})
}

func addresses(all []account.User) []string {
	out := make([]string, len(all))
	for i, u := range all {
		out[i] = u.Email
	}
	return out
}
