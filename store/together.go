package store

import (
	"context"
	"errors"

	"github.com/drawbridge-id/drawbridge/account"
	"github.com/drawbridge-id/drawbridge/store/internal/table"
)

var errRehearsed = errors.New("store: a rehearsal ends without a change")

// Rehearse runs do with a context within which every verb works in one transaction, which is rolled back: nothing is changed, no letter written,
// nobody told. Lines are what the audit log would say. An error of do is given back. A refused attempt is audited as one that was meant.
// do may run more than once, and must not begin what outlives it.
func (l *Ledger) Rehearse(ctx context.Context, do func(context.Context) error) ([]account.AuditLine, error) {
	lines, err := l.db.Together(ctx, func(ctx context.Context, _ *table.Tx) error {
		if err := do(ctx); err != nil {
			return err
		}
		return errRehearsed
	})
	if errors.Is(err, errRehearsed) {
		err = nil
	}
	for _, line := range lines {
		if line.Outcome != "refused" {
			continue
		}
		if failed := l.db.Write(ctx, func(tx *table.Tx) error { return tx.InsertAudit(line, l.now()) }); failed != nil {
			l.opt.Log.ErrorContext(ctx, "a refused attempt could not be audited", "verb", line.Verb, "actor", line.Actor, "error", failed)
		}
	}
	return lines, err
}

// Together runs do with a context within which every verb works in one durable transaction: all of them or, when do gives an error, none. An
// account, when one is named, is locked first, so that nobody else changes it meanwhile. do may run more than once, and must not begin
// what outlives it. Verbs in it answer before what they took away is out of force everywhere; Together answers after that.
func (l *Ledger) Together(ctx context.Context, a account.AccountID, do func(context.Context) error) error {
	_, err := l.db.Together(ctx, func(ctx context.Context, tx *table.Tx) error {
		if a != "" && a != account.Nowhere {
			if _, _, err := tx.LockHouse(a); err != nil {
				return err
			}
		}
		return do(ctx)
	})
	return err
}
