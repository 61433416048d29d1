package store

import (
	"context"
	"time"

	"github.com/drawbridge-id/drawbridge/account"
	"github.com/drawbridge-id/drawbridge/store/internal/table"
)

// A self is a change, or a look, of a person at what is their own and belongs to no account: the transaction and who they are. It lives
// as long as its transaction.
type self struct {
	*table.Tx
	User account.User
	l    *Ledger
	by   account.Actor
	now  time.Time
}

// personally is the frame of every verb of a person about themselves: what change is for those of an account. The audit line belongs to the
// installation. A key cannot make such changes: it speaks for its holder in one org alone (Forbidden with code session_needed).
func (l *Ledger) personally(ctx context.Context, by account.Actor, verb string, do func(*self) (*note, error)) error {
	if by.Key != "" {
		return account.Errorf(account.Forbidden, "A key does nothing outside of its org.").Coded("session_needed").Fix("Sign in with a browser, and do it there.")
	}
	if err := inEmergency(by, verb); err != nil {
		return err
	}
	now := l.now()
	return l.db.Write(ctx, func(tx *table.Tx) error {
		s, err := l.self(tx, by, now)
		if err != nil {
			return err
		}
		said := s.Said()
		n, err := do(s)
		if err != nil || n == nil {
			return err
		}
		if s.Said() == said {
			s.Shut(table.OfUser(s.User.ID))
		}
		return l.audit(tx, by, "", verb, *n, now)
	})
}

// lookPersonally is personally for verbs that only read.
func (l *Ledger) lookPersonally(ctx context.Context, by account.Actor, do func(*self) error) error {
	return l.db.Read(ctx, func(tx *table.Tx) error {
		s, err := l.self(tx, by, l.now())
		if err != nil {
			return err
		}
		return do(s)
	})
}

func (l *Ledger) self(tx *table.Tx, by account.Actor, now time.Time) (*self, error) {
	if by.Kind != account.ActorUser {
		return nil, nobody()
	}
	u, found, err := tx.User(by.User)
	if err != nil {
		return nil, err
	}
	if !found || u.State != account.UserActive {
		return nil, nobody()
	}
	return &self{Tx: tx, User: u, l: l, by: by, now: now}, nil
}

// enter locks an account for what somebody does there without a place in it, because an invitation or the like says that they may. The hand
// has no rights; the verb that enters has asked for them, and writes the account's audit line with it. found is false when there is no such account.
func (s *self) enter(a account.AccountID) (h *hand, found bool, err error) {
	house, found, err := s.LockHouse(a)
	if err != nil || !found {
		return nil, false, err
	}
	return &hand{Tx: s.Tx, House: house, l: s.l, by: s.by, now: s.now}, true, nil
}

// write puts a letter on its way that belongs to no account.
func (s *self) write(to, name string, data map[string]string) error {
	return s.l.writeLetter(s.Tx, "", to, name, data, s.now)
}
