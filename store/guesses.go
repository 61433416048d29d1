package store

import (
	"context"
	"time"

	"github.com/drawbridge-id/drawbridge/account"
	"github.com/drawbridge-id/drawbridge/store/internal/table"
)

// How many codes and numbers that nobody knows may be tried: so many at once, and one more each guessEvery. People mistype; a serial number
// can be short.
const (
	guessEvery = 3 * time.Minute
	guessBurst = 30
)

// guessing runs do, which says how many of the codes it was given nobody knew. Who tried too many of late is refused before with TooMany, code
// too_many_guesses: by person, on all replicas together.
func (l *Ledger) guessing(ctx context.Context, by account.Actor, do func() (wrong int, err error)) error {
	whom, now := string(by.User), l.now()
	var full bool
	err := l.db.Look(ctx, func(tx *table.Tx) error {
		drained, err := tx.Guessed(whom)
		full = drained.Sub(now) >= guessBurst*guessEvery
		return err
	})
	if err != nil {
		return err
	}
	if full {
		return account.Errorf(account.TooMany, "You have tried too many codes that nobody here knows.").Coded("too_many_guesses").Fix("Check the spelling, and try again in some minutes.")
	}
	wrong, failure := do()
	if wrong == 0 {
		return failure
	}
	if err := l.db.Write(ctx, func(tx *table.Tx) error { return tx.Guess(whom, now, time.Duration(wrong)*guessEvery) }); err != nil {
		return err
	}
	return failure
}
