package store

import (
	"context"

	"github.com/drawbridge-id/drawbridge/account"
	"github.com/drawbridge-id/drawbridge/store/internal/table"
)

// AskReset writes a letter with a link by which whoever reads it chooses a new password, or a first one. Nobody learns whether the address is
// known: unknown ones are answered alike, and get no letter. Forbidden with code cut_over.
func (l *Ledger) AskReset(ctx context.Context, by account.Actor, email string) error {
	email, err := account.NormalEmail(email)
	if err != nil {
		return err
	}
	if err := l.attempt(ctx, lettersFrom.network(by.IP), lettersTo.address(email)); err != nil {
		return err
	}
	return l.writeReset(ctx, by, email)
}

func (l *Ledger) writeReset(ctx context.Context, by account.Actor, email string) error {
	now := l.now()
	return l.db.Write(ctx, func(tx *table.Tx) error {
		if err := nativeWay(tx, email); err != nil {
			return err
		}
		u, found, err := tx.UserByEmail(email)
		if err != nil {
			return err
		}
		token, link := l.newLink(resetValidity, now)
		if !found || u.State != account.UserActive {
			u = account.User{} // a row that leads nowhere, so that the answer takes as long
		} else if err := l.writeLetter(tx, "", u.Email, "reset_password", map[string]string{"Email": u.Email, "Token": token, "Within": account.PlainLength(resetValidity)}, now); err != nil {
			return err
		}
		if err := tx.InsertReset(u.ID, link); err != nil {
			return err
		}
		return l.audit(tx, by, "", "password.reset_asked", note{Target: string(u.ID), Detail: map[string]any{"email": email}}, now)
	})
}

// SendReset is AskReset for the operator, who is told when nobody can use it: NotFound.
func (l *Ledger) SendReset(ctx context.Context, by account.Actor, id account.UserID) error {
	if by.Kind != account.ActorOperator {
		return account.Errorf(account.Forbidden, "Only the operator of this installation may do this.")
	}
	var u account.User
	err := l.db.Look(ctx, func(tx *table.Tx) (err error) { u, _, err = tx.User(id); return err })
	switch {
	case err != nil:
		return err
	case u.ID == "":
		return account.Errorf(account.NotFound, "No such person.")
	case u.State != account.UserActive:
		return account.Errorf(account.Conflict, "%s is disabled.", u.Email).Coded("user_disabled").Fix("Enable them first.")
	}
	return l.writeReset(ctx, by, u.Email)
}

// ResetLink is whose password a link changes. Looking uses nothing up. NotFound with code no_link; Conflict with code link_used or link_expired.
func (l *Ledger) ResetLink(ctx context.Context, token account.Secret) (email string, err error) {
	err = l.db.Read(ctx, func(tx *table.Tx) error {
		u, err := l.resetOf(tx, token)
		email = u.Email
		return err
	})
	return email, err
}

func (l *Ledger) resetOf(tx *table.Tx, token account.Secret) (account.User, error) {
	k, id, found, err := tx.Reset(digest(token.Reveal()))
	if err != nil {
		return account.User{}, err
	}
	u, known, err := tx.User(id)
	switch {
	case err != nil:
		return u, err
	case !found, !known, u.State != account.UserActive:
		return account.User{}, noLink()
	}
	return u, openLink(k.Link, l.now())
}

// ResetPassword uses a link up: the person has the new password, and all of their sessions end. It signs nobody in, so that a second factor
// is still asked for. Errors as of ResetLink, and as of a new password.
func (l *Ledger) ResetPassword(ctx context.Context, by account.Actor, token, password, confirmation account.Secret) error {
	email, err := l.ResetLink(ctx, token)
	if err != nil {
		return err
	}
	normal, err := l.newPassword(password, confirmation, email)
	if err != nil {
		return err
	}
	phc, err := l.hasher.hash(ctx, normal)
	if err != nil {
		return err
	}
	now := l.now()
	return l.db.Write(ctx, func(tx *table.Tx) error {
		u, err := l.resetOf(tx, token)
		if err != nil {
			return err
		}
		if err := nativeWay(tx, u.Email); err != nil {
			return err
		}
		used, err := tx.UseReset(u.ID, digest(token.Reveal()))
		if err != nil {
			return err
		}
		if !used {
			return noLink()
		}
		made, err := tx.InsertLocalIdentity(u.ID, phc, now)
		if err == nil && !made {
			_, err = tx.SetPassword(u.ID, phc, now)
		}
		if err != nil {
			return err
		}
		by := by
		by.Kind, by.User = account.ActorUser, u.ID
		ended, err := l.passwordChanged(tx, by, u, nil, now)
		if err != nil {
			return err
		}
		here := passwordsHere.both(u.Email, by.IP)
		if err := tx.Forgive(here.what, here.whom); err != nil {
			return err
		}
		return l.audit(tx, by, "", "password.reset", note{Target: string(u.ID), Detail: map[string]any{"sessions": ended}}, now)
	})
}
