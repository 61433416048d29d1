package store

import (
	"slices"
	"time"

	"github.com/drawbridge-id/drawbridge/account"
	"github.com/drawbridge-id/drawbridge/store/internal/table"
)

// localSession makes the session of somebody who signs in by themselves. It works in the account that they have a place in, with several
// in the first until they choose (several), and with none in no account. Their accounts are held meanwhile, so that a removal under way is
// seen either before, or finds the session. Forbidden with code user_disabled for who is disabled.
func (l *Ledger) localSession(tx *table.Tx, by account.Actor, u account.UserID, m account.Method, now time.Time) (s account.Session, several bool, err error) {
	held, err := tx.AccountsOf(u)
	if err != nil {
		return s, false, err
	}
	if err := tx.ShareUser(u, held); err != nil {
		return s, false, err
	}
	user, found, err := tx.User(u)
	switch {
	case err != nil:
		return s, false, err
	case !found || user.State != account.UserActive:
		return s, false, account.Errorf(account.Forbidden, "%s is disabled here.", user.Email).Coded("user_disabled").Fix("An owner or user admin of your company can enable you.")
	}
	places, err := tx.Places(u)
	if err != nil {
		return s, false, err
	}
	places = slices.DeleteFunc(places, func(p account.Place) bool { return !slices.Contains(held, p.Account.ID) })
	cookie := l.random(32)
	s = account.Session{ID: account.NewID[account.SessionID](now, l.opt.Random), User: u, Method: m, CreatedAt: now, SeenAt: now,
		ExpiresAt: now.Add(l.opt.Sessions.Absolute), IdleUntil: now.Add(min(l.opt.Sessions.Idle, l.opt.Sessions.Absolute))}
	if len(places) > 0 {
		s.Account = places[0].Account.ID
	}
	if err := tx.InsertSession(table.Session{Session: s, Digest: digest(cookie)}); err != nil {
		return s, false, err
	}
	s.Token = account.NewSecret(cookie)
	by.Kind, by.User = account.ActorUser, u
	return s, len(places) > 1, l.audit(tx, by, s.Account, "user.signed_in", note{Target: string(u), Detail: map[string]any{"session": s.ID, "method": m}}, now)
}
