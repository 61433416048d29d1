package table

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"runtime/debug"
	"sync"

	"github.com/drawbridge-id/drawbridge/account"
)

// A writer is SQLite's one writing connection with a queue in front. Everything that has queued up
// while the last commit was being synced goes into the next transaction, so that concurrent sign-ins share one
// fsync and still succeed or fail alone.
//
// A batch is first tried as it is. When one of its changes fails, all of it is rolled back and made again with a savepoint around
// each: savepoints make SQLite copy every page aside, which costs a fifth of a sign-in, and few changes fail. While
// they do, batches begin with savepoints.
type writer struct {
	db    *sql.DB
	stmts *prepared
	queue chan *job
	done  chan struct{}
	mu    sync.RWMutex // held for reading while enqueueing, so that stop never closes under a sender
	shut  bool
	wary  int // so many batches still begin with savepoints
}

type job struct {
	ctx  context.Context
	db   *DB
	do   func(*Tx) error
	err  error
	done chan struct{}
}

const maxBatch = 128

func startWriter(db *sql.DB) *writer {
	w := &writer{db: db, stmts: &prepared{pool: db}, queue: make(chan *job, maxBatch), done: make(chan struct{})}
	go w.run()
	return w
}

func (w *writer) stop() {
	w.mu.Lock()
	if !w.shut {
		w.shut = true
		close(w.queue)
	}
	w.mu.Unlock()
	<-w.done
}

// write queues do and waits for the commit. A caller that gives up before its turn is skipped; once
// its turn has come it waits, because only then does it know whether the change is durable.
func (w *writer) write(ctx context.Context, db *DB, do func(*Tx) error) error {
	j := &job{ctx: ctx, db: db, do: do, done: make(chan struct{})}
	w.mu.RLock()
	if w.shut {
		w.mu.RUnlock()
		return account.Errorf(account.Unavailable, "The database is closing.")
	}
	select {
	case w.queue <- j:
		w.mu.RUnlock()
	case <-ctx.Done():
		w.mu.RUnlock()
		return ctx.Err()
	}
	<-j.done
	return j.err
}

func (w *writer) run() {
	defer close(w.done)
	for first := range w.queue {
		batch := []*job{first}
	fill:
		for len(batch) < maxBatch {
			select {
			case j, ok := <-w.queue:
				if !ok {
					break fill
				}
				batch = append(batch, j)
			default:
				break fill
			}
		}
		w.commit(batch)
		for _, j := range batch {
			close(j.done)
		}
	}
}

// waryFor is how many batches go on with savepoints after a change has failed.
const waryFor = 32

// commit makes a batch durable, each change alone if need be.
func (w *writer) commit(batch []*job) {
	if w.wary > 0 || len(batch) == 1 {
		w.wary = max(w.wary-1, 0)
		w.transact(batch, len(batch) > 1)
		return
	}
	if !w.transact(batch, false) {
		w.wary = waryFor
		w.transact(batch, true)
	}
}

// transact runs a batch in one transaction. Without savepoints it is all or nothing: false means that a change failed and nothing was made,
// with no job told so, unless the batch was that change alone. Statements run under a context of their own: a caller's cancellation must not
// interrupt a transaction that it shares with others.
func (w *writer) transact(batch []*job, savepoints bool) bool {
	ctx := context.Background()
	fail := func(err error) bool {
		for _, j := range batch {
			if j.err == nil {
				j.err = account.Errorf(account.Unavailable, "The change could not be made durable.").Because(err)
			}
		}
		return true
	}
	t, err := w.db.BeginTx(ctx, nil)
	if err != nil {
		return fail(err)
	}
	defer t.Rollback()
	wrote := false
	for _, j := range batch {
		if j.err = j.ctx.Err(); j.err != nil {
			continue
		}
		if savepoints {
			if _, err := t.ExecContext(ctx, "SAVEPOINT verb"); err != nil {
				return fail(err)
			}
		}
		err := guarded(&Tx{db: j.db, ctx: ctx, sql: t, stmt: w.stmts.in(ctx, t)}, j.do)
		switch {
		case err == nil:
			wrote = true
		case len(batch) == 1:
			j.err = err
			return true
		case !savepoints:
			return false
		default:
			j.err = err
			if _, err := t.ExecContext(ctx, "ROLLBACK TO verb"); err != nil {
				return fail(errors.Join(err, j.err))
			}
		}
		if savepoints {
			if _, err := t.ExecContext(ctx, "RELEASE verb"); err != nil {
				return fail(err)
			}
		}
	}
	if !wrote {
		return true
	}
	if err := t.Commit(); err != nil {
		return fail(err)
	}
	return true
}

// guarded turns a panic in a verb into an error, so that one bad change does not end the writer.
func guarded(tx *Tx, do func(*Tx) error) (err error) {
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("panic in a change: %v\n%s", r, debug.Stack())
		}
	}()
	return do(tx)
}
