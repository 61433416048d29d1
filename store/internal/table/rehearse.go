package table

import (
	"context"
	"errors"
)

var errRehearsed = errors.New("table: a rehearsal ends without a change")

// Rehearse runs do on the database as it looks from inside of a transaction that is rolled back in any case. A change through it that
// fails is undone alone, as it would be outside. do may run more than once.
func (db *DB) Rehearse(ctx context.Context, do func(*DB) error) error {
	err := db.Write(ctx, func(tx *Tx) error {
		inner := db.Within(tx)
		inner.steps = true
		if err := do(inner); err != nil {
			return err
		}
		return errRehearsed
	})
	if errors.Is(err, errRehearsed) {
		return nil
	}
	return err
}

// step is one change of several in a transaction, which is undone when it fails.
func (tx *Tx) step(do func(*Tx) error) error {
	if _, err := tx.sql.ExecContext(tx.ctx, "SAVEPOINT step"); err != nil {
		return err
	}
	err := do(tx)
	if err != nil {
		if _, undone := tx.sql.ExecContext(tx.ctx, "ROLLBACK TO SAVEPOINT step"); undone != nil {
			return errors.Join(undone, err)
		}
	}
	_, released := tx.sql.ExecContext(tx.ctx, "RELEASE SAVEPOINT step")
	return errors.Join(err, released)
}
