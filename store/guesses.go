package store

import (
	"context"
	"errors"
	"time"

	"github.com/drawbridge-id/drawbridge/account"
	"github.com/drawbridge-id/drawbridge/store/internal/table"
)

// guessing runs do with n codes, and counts as many of them as do says nobody knew. Who tried too many of late is refused before with TooMany, code
// too_many_guesses: by person, on all replicas together. All are counted before and the good ones given back, so that many requests at once guess
// no more than one.
func (l *Ledger) guessing(ctx context.Context, by account.Actor, n int, do func() (wrong int, err error)) error {
	k, room := of(guessesBy, by.User), false
	err := l.db.Write(ctx, func(tx *table.Tx) (err error) { room, err = k.pour(tx, n, l.now()); return err })
	if err != nil {
		return err
	}
	if !room {
		return account.Errorf(account.TooMany, "You have tried too many codes that nobody here knows.").Coded("too_many_guesses").Fix("Check the spelling, and try again in some minutes.")
	}
	wrong, failure := do()
	if wrong == n {
		return failure
	}
	err = l.db.Write(ctx, func(tx *table.Tx) error { return tx.Unpour(k.what, k.whom, time.Duration(n-wrong)*k.every) })
	return errors.Join(failure, err)
}
