package table

import (
	"context"
	"errors"
	"slices"
	"sync/atomic"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/drawbridge-id/drawbridge/account"
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

// Together runs do in one durable transaction, of which everything becomes a part that is written or read through this database with the
// context that do is handed; each change in it that fails is undone alone. Once do has returned, the context means nothing any more. do may
// run more than once. An error from it rolls all back. Lines are what was written to the audit log.
func (db *DB) Together(ctx context.Context, do func(context.Context, *Tx) error) (lines []account.AuditLine, err error) {
	err = db.Write(ctx, func(tx *Tx) error {
		tx.heard = true
		inner := db.Within(tx)
		inner.steps, inner.outer, inner.over = true, db, new(atomic.Bool)
		defer inner.over.Store(true)
		err := do(context.WithValue(ctx, joinKey{}, inner), tx)
		lines = tx.audited
		return err
	})
	return lines, err
}

type joinKey struct{}

// joined is the database as it looks from inside of the transaction that ctx carries, if it carries one of db.
func (db *DB) joined(ctx context.Context) *DB {
	if inner, ok := ctx.Value(joinKey{}).(*DB); ok && inner.outer == db && !inner.over.Load() {
		return inner
	}
	return db
}

// step is one change of several in a transaction, which is undone when it fails. Another process may have been faster between its look and its
// insert: then looking again tells what to say.
func (tx *Tx) step(do func(*Tx) error) error {
	const tries = 3
	for try := 1; ; try++ {
		err := tx.stepOnce(do)
		var pg *pgconn.PgError
		if try == tries || !errors.As(err, &pg) || pg.Code != "23505" {
			return err
		}
	}
}

func (tx *Tx) stepOnce(do func(*Tx) error) error {
	if _, err := tx.sql.ExecContext(tx.ctx, "SAVEPOINT step"); err != nil {
		return err
	}
	before := *tx
	err := do(tx)
	if err != nil {
		tx.shut, tx.gained, tx.settled, tx.audited = before.shut, before.gained, before.settled, slices.Clone(before.audited)
		if _, undone := tx.sql.ExecContext(tx.ctx, "ROLLBACK TO SAVEPOINT step"); undone != nil {
			return errors.Join(undone, err)
		}
	}
	_, released := tx.sql.ExecContext(tx.ctx, "RELEASE SAVEPOINT step")
	return errors.Join(err, released)
}
