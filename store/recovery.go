package store

import (
	"context"
	"slices"
	"strings"
	"time"

	"github.com/drawbridge-id/drawbridge/account"
	"github.com/drawbridge-id/drawbridge/store/internal/table"
)

// How long the links of recovery are good for, and how often what sends a letter may be done.
const (
	verifyFor  = 48 * time.Hour
	enterFor   = 30 * time.Minute
	addressFor = time.Hour
)

// Recovery is how an account's owner gets back in. Owners, account admins and the operator may read it.
func (l *Ledger) Recovery(ctx context.Context, by account.Actor, a account.AccountID) (r account.Recovery, err error) {
	err = l.look(ctx, by, a, keepers, func(h *hand) error { r, err = h.Tx.Recovery(a); return err })
	return r, err
}

// keepers lets org owners, account owners and admins, and the operator.
func keepers(h *hand) error {
	if mine, _ := accountRole(h.held); mine.Stronger(account.Member) {
		return nil
	}
	return owners(h)
}

// SetRecovery sets the recovery e-mail: a letter goes there, and it counts once its link was pressed (I-01); until then the one before goes
// on counting. Setting the one that waits sends the letter again. It is none of the owners' own addresses (Invalid, code same_address, I-02).
// All owners are told, and the address that counted so far. Owners and the operator may.
func (l *Ledger) SetRecovery(ctx context.Context, by account.Actor, a account.AccountID, email string) (account.Recovery, error) {
	email, err := account.NormalEmail(email)
	if err != nil {
		return account.Recovery{}, err
	}
	var r account.Recovery
	err = l.change(ctx, by, a, "recovery.set", owners, func(h *hand) (*note, error) {
		if r, err = h.Tx.Recovery(a); err != nil {
			return nil, err
		}
		if r.Email == email && r.Pending == "" {
			return nil, nil
		}
		if err := h.apartFromOwners(email); err != nil {
			return nil, err
		}
		h.Gain(table.OfAccount(a))
		again := r.Pending == email
		r.Pending, r.SetAt, r.SetBy = email, h.now, by.String()
		if r.Email == email { // back to what counts
			r.Pending = ""
		} else if err := h.recoveryLetter(account.RecoveryVerify, email, "", verifyFor, nil); err != nil {
			return nil, err
		}
		if !again {
			if err := h.tellOfRecovery(r.Email, "The recovery e-mail is to be "+email+". It counts once somebody there has verified it."); err != nil {
				return nil, err
			}
		}
		return &note{Target: string(a), Detail: map[string]any{"email": email, "before": r.Email, "again": again}}, h.PutRecovery(r)
	})
	return r, err
}

// apartFromOwners refuses an address of somebody who owns the account or its org (I-02): it would be lost together with theirs.
func (h *hand) apartFromOwners(email string) error {
	all, err := h.allOwners()
	if err != nil {
		return err
	}
	for _, o := range all {
		if strings.EqualFold(o.Email, email) {
			return account.Errorf(account.Invalid, "%s is an owner's own address, and a recovery e-mail is another one.", email).Coded("same_address").At("/email").
				Fix("Choose an address that somebody reads when the owners' mailboxes, or your identity provider, cannot be reached.")
		}
	}
	return nil
}

// allOwners are the owners of the account and of its org.
func (h *hand) allOwners() ([]account.User, error) {
	all, err := h.Holders(h.Account.ID, "", account.Owner)
	if err != nil {
		return nil, err
	}
	more, err := h.Holders(h.Account.ID, h.Org.ID, account.Owner)
	for _, o := range more {
		if !slices.ContainsFunc(all, func(u account.User) bool { return u.ID == o.ID }) {
			all = append(all, o)
		}
	}
	return all, err
}

// recoveryLetter sends a link of recovery, in place of the one of that purpose before. At most so many a day.
func (h *hand) recoveryLetter(p account.RecoveryPurpose, to string, about account.UserID, good time.Duration, data map[string]string) error {
	a := h.Account.ID
	if p != account.RecoveryEnter { // which counts by itself
		room, err := of(recoveryLetters, a).pour(h.Tx, 1, h.now)
		if err != nil {
			return err
		}
		if !room {
			return account.Errorf(account.TooMany, "%d letters of recovery went out within a day, which is the limit.", recoveryLetters.burst).Coded("rate_limited").Fix("Try again tomorrow.")
		}
	}
	token, link := h.l.newLink(good, h.now)
	if err := h.PutRecoveryLink(table.RecoveryLink{Account: a, Purpose: p, Email: to, User: about, Link: link}); err != nil {
		return err
	}
	all := map[string]string{"Org": h.Org.Name, "Token": token, "Good": account.PlainLength(good)}
	for k, v := range data {
		all[k] = v
	}
	return h.write(to, "recovery_"+string(p), all)
}

// tellOfRecovery tells every owner, and the recovery e-mail that counts when there is one, what became of it.
func (h *hand) tellOfRecovery(counts, what string) error {
	by, err := h.actorCalled()
	if err != nil {
		return err
	}
	data := map[string]string{"Org": h.Org.Name, "By": by, "What": what}
	all, err := h.allOwners()
	if err != nil {
		return err
	}
	for _, o := range all {
		if o.State == account.UserActive {
			if err := h.write(o.Email, "recovery_changed", data); err != nil {
				return err
			}
		}
	}
	if counts == "" {
		return nil
	}
	return h.write(counts, "recovery_changed", data)
}

// actorCalled is the actor for people: their address where they have one.
func (h *hand) actorCalled() (string, error) {
	if h.by.Kind != account.ActorUser {
		return h.by.String(), nil
	}
	u, _, err := h.User(h.by.User)
	return u.Email, err
}

// RemoveRecovery takes the recovery e-mail away, the one that waits too, and tells all owners and the address. Conflict with code
// recovery_needed while rules are active or a domain is cut over, unless doing without is waived (I-07). Owners and the operator may.
func (l *Ledger) RemoveRecovery(ctx context.Context, by account.Actor, a account.AccountID) error {
	return l.change(ctx, by, a, "recovery.removed", owners, func(h *hand) (*note, error) {
		r, err := h.Tx.Recovery(a)
		if err != nil || r.State() == account.RecoveryNone {
			return nil, err
		}
		depends, err := h.dependsOnProvider()
		if err != nil {
			return nil, err
		}
		if depends && r.Waived == nil && !h.master {
			return nil, recoveryNeeded("While rules are active or a domain is cut over, the account keeps a recovery e-mail.")
		}
		h.Gain(table.OfAccount(a))
		was, counted := r.Email+r.Pending, r.Email
		if r.Pending != "" {
			was = r.Pending
		}
		r.Email, r.VerifiedAt, r.Pending, r.RehearsedAt, r.SetAt, r.SetBy = "", time.Time{}, "", time.Time{}, h.now, by.String()
		if err := h.DropRecoveryLinks(a, ""); err != nil {
			return nil, err
		}
		if err := h.tellOfRecovery(counted, "The recovery e-mail "+was+" was removed. Nobody gets back in by it any more."); err != nil {
			return nil, err
		}
		return &note{Target: string(a), Detail: map[string]any{"email": was}}, h.PutRecovery(r)
	})
}

// dependsOnProvider reports whether active rules or a cut-over domain make the account depend on its identity provider.
func (h *hand) dependsOnProvider() (bool, error) {
	all, err := h.Rules(h.Account.ID)
	if err != nil {
		return false, err
	}
	for _, r := range all {
		if r.Active != nil {
			return true, nil
		}
	}
	domains, err := h.Domains(h.Account.ID)
	return slices.ContainsFunc(domains, func(d table.Domain) bool { return d.CutOver }), err
}

// WaiveRecovery records that an owner takes it upon them to do without a recovery e-mail, and why (I-07); all owners are told. Verifying one
// ends it. Owners and the operator may.
func (l *Ledger) WaiveRecovery(ctx context.Context, by account.Actor, a account.AccountID, why string) (account.Recovery, error) {
	if why = strings.TrimSpace(why); len(why) < 10 || len(why) > 500 {
		return account.Recovery{}, account.Errorf(account.Invalid, "A waiver says why, in 10 to 500 bytes.").At("/reason").Fix("Say how an owner gets in when the identity provider does not answer.")
	}
	var r account.Recovery
	err := l.change(ctx, by, a, "recovery.waived", owners, func(h *hand) (*note, error) {
		var err error
		if r, err = h.Tx.Recovery(a); err != nil || r.Waived != nil && r.Waived.Why == why {
			return nil, err
		}
		h.Gain(table.OfAccount(a))
		r.Waived = &account.Waiver{At: h.now, By: by.String(), Why: why}
		if err := h.tellOfRecovery(r.Email, "It was decided to do without a recovery e-mail: "+why); err != nil {
			return nil, err
		}
		return &note{Target: string(a), Reason: why}, h.PutRecovery(r)
	})
	return r, err
}

// RetractWaiver ends a waiver. What was activated or cut over meanwhile stays. Owners and the operator may.
func (l *Ledger) RetractWaiver(ctx context.Context, by account.Actor, a account.AccountID) error {
	return l.change(ctx, by, a, "recovery.waiver_retracted", owners, func(h *hand) (*note, error) {
		r, err := h.Tx.Recovery(a)
		if err != nil || r.Waived == nil {
			return nil, err
		}
		h.Gain(table.OfAccount(a))
		r.Waived = nil
		return &note{Target: string(a)}, h.PutRecovery(r)
	})
}

// recoverable asks for a verified recovery e-mail or a waiver before the account is made to depend on its identity provider (I-07). What the
// operator does goes through: whoever runs the installation can let an owner in. It says what the audit line tells of it.
func (h *hand) recoverable() (string, error) {
	r, err := h.Tx.Recovery(h.Account.ID)
	switch {
	case err != nil:
		return "", err
	case r.Email != "":
		return "recovery e-mail", nil
	case r.Waived != nil:
		return "waived by " + r.Waived.By, nil
	case h.master:
		return "waived by the operator", nil
	}
	return "", recoveryNeeded("If the identity provider fails, nobody can let an owner of " + h.Org.Name + " in again.")
}

func recoveryNeeded(message string) *account.Error {
	return account.Errorf(account.Conflict, "%s", message).Coded("recovery_needed").
		Fix("Set a recovery e-mail and have it verified (PUT /api/v1/orgs/{org}/recovery), or record that you do without one, and why (PUT /api/v1/orgs/{org}/recovery/waiver).")
}

// RehearseRecovery sends a link to the verified recovery e-mail that does all but let somebody in, so that it is known to work before it is
// needed. Conflict with code no_recovery when none is verified. Owners and the operator may.
func (l *Ledger) RehearseRecovery(ctx context.Context, by account.Actor, a account.AccountID) error {
	return l.change(ctx, by, a, "recovery.rehearsal_started", owners, func(h *hand) (*note, error) {
		r, err := h.Tx.Recovery(a)
		if err != nil {
			return nil, err
		}
		if r.Email == "" {
			return nil, account.Errorf(account.Conflict, "No recovery e-mail is verified yet.").Coded("no_recovery").Fix("Set one, and press the link in the letter that goes there.")
		}
		h.Gain(table.OfAccount(a))
		called, err := h.actorCalled()
		if err != nil {
			return nil, err
		}
		return &note{Target: string(a), Detail: map[string]any{"email": r.Email}},
			h.recoveryLetter(account.RecoveryRehearse, r.Email, "", enterFor, map[string]string{"By": called})
	})
}

// RecoveryLink says what a link in a letter is about; looking uses nothing up. NotFound for a token that nobody knows, Conflict with codes
// link_used and link_expired.
func (l *Ledger) RecoveryLink(ctx context.Context, token account.Secret) (out account.RecoveryLink, err error) {
	now := l.now()
	err = l.db.Read(ctx, func(tx *table.Tx) error {
		row, found, err := tx.RecoveryLink(digest(token.Reveal()))
		if err != nil {
			return err
		}
		if !found {
			return noLink()
		}
		house, found, err := tx.House(row.Account)
		if err != nil {
			return err
		}
		if !found {
			return noLink()
		}
		out = account.RecoveryLink{Purpose: row.Purpose, Account: house.Account, Org: house.Org, Email: row.Email, User: row.User, Link: row.Link.Link}
		return openLink(row.Link.Link, now)
	})
	return out, err
}

// byLink is the frame of what a link of recovery does: it uses the link up and locks the account, in the transaction of what follows. by
// says from where; its kind is the house's, since whoever holds the link proves no more than that.
func (l *Ledger) byLink(ctx context.Context, by account.Actor, token account.Secret, p account.RecoveryPurpose, verb string, do func(*hand, table.RecoveryLink) (*note, error)) error {
	by.Kind, by.Job = account.ActorSystem, "recovery"
	now, d := l.now(), digest(token.Reveal())
	return l.db.Write(ctx, func(tx *table.Tx) error {
		row, found, err := tx.RecoveryLink(d)
		if err != nil {
			return err
		}
		if !found || row.Purpose != p {
			return noLink()
		}
		house, found, err := tx.LockHouse(row.Account)
		if err != nil || !found {
			return orNoLink(err)
		}
		used, err := tx.UseRecoveryLink(d, now)
		if err != nil {
			return err
		}
		if !used {
			again, found, err := tx.RecoveryLink(d) // as it is under the lock
			if err != nil || !found {
				return orNoLink(err)
			}
			return openLink(again.Link.Link, now)
		}
		h := &hand{Tx: tx, House: house, l: l, by: by, now: now, master: true}
		n, err := do(h, row)
		if err != nil {
			return err
		}
		return h.audit(verb, *n)
	})
}

func orNoLink(err error) error {
	if err != nil {
		return err
	}
	return noLink()
}

// VerifyRecovery is the button of the letter that SetRecovery sent: the address counts from now on (I-03), in place of the one before, and
// ends a waiver.
func (l *Ledger) VerifyRecovery(ctx context.Context, by account.Actor, token account.Secret) error {
	return l.byLink(ctx, by, token, account.RecoveryVerify, "recovery.verified", func(h *hand, row table.RecoveryLink) (*note, error) {
		r, err := h.Tx.Recovery(row.Account)
		if err != nil {
			return nil, err
		}
		if r.Pending != row.Email {
			return nil, noLink()
		}
		h.Gain(table.OfAccount(row.Account))
		before := r.Email
		r.Email, r.VerifiedAt, r.Pending, r.RehearsedAt, r.Waived = row.Email, h.now, "", time.Time{}, nil
		if err := h.tellOfRecovery(before, row.Email+" is verified: it is the recovery e-mail from now on."); err != nil {
			return nil, err
		}
		return &note{Target: string(row.Account), Detail: map[string]any{"email": row.Email, "before": before}}, h.PutRecovery(r)
	})
}

// FinishRehearsal is the button of the letter that RehearseRecovery sent. It lets nobody in, and refuses what emergency access would refuse.
func (l *Ledger) FinishRehearsal(ctx context.Context, by account.Actor, token account.Secret) error {
	return l.byLink(ctx, by, token, account.RecoveryRehearse, "recovery.rehearsed", func(h *hand, row table.RecoveryLink) (*note, error) {
		r, err := h.Tx.Recovery(row.Account)
		if err != nil {
			return nil, err
		}
		if r.Email != row.Email {
			return nil, noLink()
		}
		owner, err := h.whomToRecover()
		if err != nil {
			return nil, err
		}
		h.Gain(table.OfAccount(row.Account))
		r.RehearsedAt = h.now
		return &note{Target: string(owner.ID), Detail: map[string]any{"email": row.Email}}, h.PutRecovery(r)
	})
}

// AccountOwner is the address of the account's owner; empty when it has none. Owners, account admins and the operator may.
func (l *Ledger) AccountOwner(ctx context.Context, by account.Actor, a account.AccountID) (email string, err error) {
	err = l.look(ctx, by, a, keepers, func(h *hand) error {
		all, err := h.Holders(a, "", account.Owner)
		if len(all) > 0 {
			email = all[0].Email
		}
		return err
	})
	return email, err
}
