package store

import (
	"context"
	"time"

	"github.com/drawbridge-id/drawbridge/account"
	"github.com/drawbridge-id/drawbridge/store/internal/table"
)

// A HalfSignIn is somebody who has given the right password and owes a second factor: for ten minutes, in one browser.
type HalfSignIn struct {
	User      account.User
	Method    account.Method // what was proved
	Next      string
	TriesLeft int
	ExpiresAt time.Time
}

// halfSignIn begins one.
func (l *Ledger) halfSignIn(tx *table.Tx, u account.UserID, m account.Method, next string, now time.Time) (LocalEntrance, error) {
	token := l.random(32)
	return LocalEntrance{Half: account.NewSecret(token), Next: next}, tx.InsertHalfSignIn(table.HalfSignIn{
		Browser: digest(token), User: u, Method: m, Next: next, CreatedAt: now, ExpiresAt: now.Add(halfValidity)})
}

func noHalfSignIn() *account.Error {
	return account.Errorf(account.Unauthorized, "This sign-in is over.").Coded("signed_out").Fix("Start again with your password.")
}

// HalfSignIn is the one of the browser that holds the token. Unauthorized when there is none, or the person was disabled meanwhile.
func (l *Ledger) HalfSignIn(ctx context.Context, token account.Secret) (h HalfSignIn, err error) {
	err = l.db.Read(ctx, func(tx *table.Tx) error { h, err = l.halfOf(tx, token, l.now()); return err })
	return h, err
}

func (l *Ledger) halfOf(tx *table.Tx, token account.Secret, now time.Time) (HalfSignIn, error) {
	p, found, err := tx.HalfSignIn(digest(token.Reveal()), now)
	if err != nil {
		return HalfSignIn{}, err
	}
	if !found {
		return HalfSignIn{}, noHalfSignIn()
	}
	u, found, err := tx.User(p.User)
	if err == nil && (!found || u.State != account.UserActive) {
		err = noHalfSignIn()
	}
	return HalfSignIn{User: u, Method: p.Method, Next: p.Next, TriesLeft: max(0, factorTriesMost-p.Tries), ExpiresAt: p.ExpiresAt}, err
}

// FinishSignIn makes a half sign-in a whole one by a second factor. Each try is counted before it is looked at; after five the password has
// to be given again (Unauthorized with code signed_out). Otherwise its errors are those of passFactor.
func (l *Ledger) FinishSignIn(ctx context.Context, by account.Actor, token account.Secret, code string) (LocalEntrance, error) {
	h, err := l.HalfSignIn(ctx, token)
	if err != nil {
		return LocalEntrance{}, err
	}
	now, d := l.now(), digest(token.Reveal())
	err = l.db.Write(ctx, func(tx *table.Tx) error {
		tx.Gain(table.OfUser(h.User.ID))
		room, err := tx.TryHalfSignIn(d, factorTriesMost)
		if err == nil && !room {
			err = noHalfSignIn()
		}
		return err
	})
	if err != nil {
		return LocalEntrance{}, err
	}
	if err := l.passFactor(ctx, h.User.ID, code); err != nil {
		return LocalEntrance{}, err
	}
	var out LocalEntrance
	err = l.db.Write(ctx, func(tx *table.Tx) error {
		if h, err = l.halfOf(tx, token, now); err != nil { // it may have ended meanwhile
			return err
		}
		if err := nativeWay(tx, h.User.Email); err != nil {
			return err
		}
		taken, err := tx.TakeHalfSignIn(d)
		if err != nil {
			return err
		}
		if !taken {
			return noHalfSignIn()
		}
		out.Next = h.Next
		out.Session, out.Several, err = l.localSession(tx, by, h.User.ID, h.Method, now)
		return err
	})
	return out, err
}
