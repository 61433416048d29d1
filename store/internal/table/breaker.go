package table

import (
	"time"

	"github.com/drawbridge-id/drawbridge/account"
)

// A Breaker is a row; found is false when a source has none yet.
type Breaker struct {
	account.BreakerState
	CountedAt time.Time // when People were counted
}

// Breaker reads that of a source.
func (tx *Tx) Breaker(a account.AccountID, source string) (Breaker, bool, error) {
	return one(tx, func(s scanner) (b Breaker, err error) {
		var within, counted, paused, until int64
		err = s.Scan(&b.Off, &b.Share, &within, &b.Least, &b.People, &counted, &paused, &b.Removed, &b.AllowLeft, &until)
		b.Within, b.CountedAt, b.PausedAt, b.AllowUntil = time.Duration(within)*time.Microsecond, instant(counted), instant(paused), instant(until)
		return b, err
	}, `
		SELECT off, share, within, least, people, counted_at, paused_at, removed, allow_left, allow_until
		  FROM breakers WHERE account_id = $1 AND source_id = $2`, a, source)
}

// PutBreaker writes that of a source.
func (tx *Tx) PutBreaker(a account.AccountID, source string, b Breaker) error {
	_, err := tx.exec(`
		INSERT INTO breakers (account_id, source_id, off, share, within, least, people, counted_at, paused_at, removed, allow_left, allow_until)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)
		    ON CONFLICT (account_id, source_id) DO UPDATE
		   SET off = excluded.off, share = excluded.share, within = excluded.within, least = excluded.least, people = excluded.people,
		       counted_at = excluded.counted_at, paused_at = excluded.paused_at, removed = excluded.removed,
		       allow_left = excluded.allow_left, allow_until = excluded.allow_until`,
		a, source, b.Off, b.Share, b.Within.Microseconds(), b.Least, b.People, micros(b.CountedAt), micros(b.PausedAt), b.Removed, b.AllowLeft, micros(b.AllowUntil))
	return err
}

// PeopleOfConnection counts the people with an active place whom a connection has pushed or signed in.
func (tx *Tx) PeopleOfConnection(a account.AccountID, c account.ConnectionID) (int, error) {
	n, _, err := one(tx, scanInt, `
		SELECT count(*) FROM tenancies t
		 WHERE t.account_id = $1 AND t.status = 'active'
		   AND (EXISTS (SELECT 1 FROM scim_resources r WHERE r.account_id = t.account_id AND r.user_id = t.user_id AND r.connection_id = $2)
		     OR EXISTS (SELECT 1 FROM login_identities i WHERE i.account_id = t.account_id AND i.user_id = t.user_id AND i.connection_id = $2))`, a, c)
	return n, err
}

// PeopleOfAccount counts those with an active place.
func (tx *Tx) PeopleOfAccount(a account.AccountID) (int, error) {
	n, _, err := one(tx, scanInt, `SELECT count(*) FROM tenancies WHERE account_id = $1 AND status = 'active'`, a)
	return n, err
}

// Removed counts whom a source has removed since an instant.
func (tx *Tx) Removed(a account.AccountID, source string, since time.Time) (int, error) {
	n, _, err := one(tx, scanInt, `SELECT count(*) FROM breaker_removals WHERE account_id = $1 AND source_id = $2 AND at > $3`, a, source, micros(since))
	return n, err
}

// NoteRemoved notes that a source removes somebody.
func (tx *Tx) NoteRemoved(a account.AccountID, source string, u account.UserID, at time.Time) error {
	_, err := tx.exec(`
		INSERT INTO breaker_removals (account_id, source_id, user_id, at) VALUES ($1, $2, $3, $4)
		    ON CONFLICT (account_id, source_id, user_id) DO UPDATE SET at = excluded.at`, a, source, u, micros(at))
	return err
}

// ForgetRemoved forgets what a source removed before an instant.
func (tx *Tx) ForgetRemoved(a account.AccountID, source string, before time.Time) error {
	_, err := tx.exec(`DELETE FROM breaker_removals WHERE account_id = $1 AND source_id = $2 AND at <= $3`, a, source, micros(before))
	return err
}
