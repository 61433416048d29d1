// Package table is the only place where SQL is spelled: rows and statements, a file per table, one
// text for SQLite and PostgreSQL. Verbs in package store call it inside their one transaction.
package table

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
	_ "github.com/jackc/pgx/v5/stdlib" // driver "pgx"
	"golang.org/x/sync/semaphore"
	"modernc.org/sqlite" // driver "sqlite"

	"github.com/drawbridge-id/drawbridge/account"
)

// Dialect is which database is spoken to; the few spots that differ carry both spellings.
type Dialect string

// The dialects.
const (
	SQLite   Dialect = "sqlite"
	Postgres Dialect = "postgres"
)

// A DB is an open database. Write and Read are its two ways in.
type DB struct {
	Dialect Dialect
	pool    *sql.DB // PostgreSQL: everything; SQLite: readers
	writer  *writer // SQLite only
	reads   *prepared
	readers *semaphore.Weighted
	within  *Tx          // see Within
	steps   bool         // see Rehearse
	outer   *DB          // whose transaction this is, see Together
	over    *atomic.Bool // the transaction has ended
	now     func() time.Time
	marks   *Marks
	url     string
	self    atomic.Pointer[string] // this process as a replica; nil: it is none
	waits   waits
	waited  func(time.Duration)

	// Traced is told the text of each statement before it runs; nil: nobody is. Tests look at what the database plans for it. It has to be
	// set before the first one.
	Traced func(text string)
}

// Waited is told how long each change that took power away waited for the other replicas. It has to be set before the first change.
func (db *DB) Waited(f func(time.Duration)) { db.waited = f }

// Marks tell what of the things that were read from this database still is so.
func (db *DB) Marks() *Marks { return db.marks }

// Within is the database as it looks from inside of one of its transactions: what is written and read through it
// is part of tx, so that several changes become one. tx has to end with the first error that any of them returns.
func (db *DB) Within(tx *Tx) *DB { return &DB{Dialect: db.Dialect, within: tx} }

// Open connects to "sqlite:PATH" (a file, created when missing) or "postgres://…". It does not migrate. now is the clock of Settled.
func Open(ctx context.Context, rawURL string, now func() time.Time) (*DB, error) {
	db, err := open(ctx, rawURL)
	if err == nil {
		db.now, db.marks = now, new(Marks)
	}
	return db, err
}

func open(ctx context.Context, rawURL string) (*DB, error) {
	switch {
	case strings.HasPrefix(rawURL, "sqlite:"):
		return openSQLite(ctx, strings.TrimPrefix(rawURL, "sqlite:"))
	case strings.HasPrefix(rawURL, "postgres://"), strings.HasPrefix(rawURL, "postgresql://"):
		pool, err := sql.Open("pgx", rawURL)
		if err != nil {
			return nil, account.Errorf(account.Invalid, "The database URL does not parse.").Because(err)
		}
		pool.SetMaxOpenConns(8 * runtime.GOMAXPROCS(0))
		pool.SetMaxIdleConns(2 * runtime.GOMAXPROCS(0))
		pool.SetConnMaxIdleTime(5 * time.Minute)
		if err := pool.PingContext(ctx); err != nil {
			pool.Close()
			return nil, account.Errorf(account.Unavailable, "PostgreSQL does not answer.").Because(err)
		}
		return &DB{Dialect: Postgres, pool: pool, url: rawURL}, nil
	}
	return nil, account.Errorf(account.Invalid, "Expected a database URL that starts with sqlite: or postgres://.")
}

// SQLite: one connection writes, a few read. FULL makes each commit durable against power loss: a
// used-up assertion must stay used up.
func openSQLite(ctx context.Context, path string) (*DB, error) {
	abs, err := filepath.Abs(path)
	if err != nil {
		return nil, account.Errorf(account.Invalid, "The database path %q does not resolve.", path).Because(err)
	}
	// SQLite gives its -wal and -shm files the mode of the database.
	f, err := os.OpenFile(abs, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, account.Errorf(account.Unavailable, "The database file %s does not open.", abs).Because(err)
	}
	f.Close()
	dsn := func(more string) string {
		return (&url.URL{Scheme: "file", Path: abs}).String() + "?_pragma=busy_timeout(5000)&_pragma=journal_mode(WAL)" +
			"&_pragma=synchronous(FULL)&_pragma=foreign_keys(ON)&_pragma=cache_size(-8000)&_pragma=wal_autocheckpoint(4000)" + more
	}
	write, err := sql.Open("sqlite", dsn("&_txlock=immediate"))
	if err != nil {
		return nil, err
	}
	// One connection carries the transaction, the other prepares statements (and serves migrations and jobs).
	write.SetMaxOpenConns(2)
	if err := firstContact(ctx, write); err != nil {
		write.Close()
		return nil, account.Errorf(account.Unavailable, "The database file %s does not open.", abs).Because(err)
	}
	read, err := sql.Open("sqlite", dsn("&_pragma=query_only(ON)"))
	if err != nil {
		write.Close()
		return nil, err
	}
	// More readers than cores starve the writer (measured: 1,800 commits/s fall to 730). One more connection
	// prepares statements, which a reader waits for while it holds its own.
	readers := max(2, runtime.GOMAXPROCS(0))
	read.SetMaxOpenConns(readers + 1)
	db := &DB{Dialect: SQLite, pool: read, reads: &prepared{pool: read}, readers: semaphore.NewWeighted(int64(readers))}
	db.writer = startWriter(write)
	return db, nil
}

// firstContact opens the first connection. Two processes that open a new file at once both want to turn it into WAL mode, and
// there SQLite answers "locked" without waiting for busy_timeout, so the later one asks again.
func firstContact(ctx context.Context, db *sql.DB) error {
	const tries, pause = 100, 20 * time.Millisecond
	for try := 1; ; try++ {
		err := db.PingContext(ctx)
		var locked *sqlite.Error
		if err == nil || try == tries || !errors.As(err, &locked) || locked.Code()&0xff != sqliteBusy {
			return err
		}
		select {
		case <-time.After(pause):
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

const sqliteBusy = 5 // SQLITE_BUSY, the low byte of its extended codes too

// Close waits for the writes under way and closes.
func (db *DB) Close() error {
	if db.writer != nil {
		db.writer.stop()
		db.writer.db.Close()
	}
	return db.pool.Close()
}

// SQL is the pool for migrations and the job library; on SQLite the one that writes.
func (db *DB) SQL() *sql.DB {
	if db.writer != nil {
		return db.writer.db
	}
	return db.pool
}

// Ping answers whether the database can be reached.
func (db *DB) Ping(ctx context.Context) error { return db.pool.PingContext(ctx) }

// A Tx is one transaction. Statements run under its context.
type Tx struct {
	db       *DB
	ctx      context.Context
	sql      *sql.Tx // nil in a Look
	snapshot bool
	looked   bool // a Look has had its statement
	shut     []Target
	gained   []Target
	rev      int64 // in the revocation log; 0: nothing was shut
	settled  []func(committed, everywhere time.Time)
	audited  []account.AuditLine // what was written to the audit log, in a transaction of Together
	heard    bool                // whether audited is kept
	// stmt gives a prepared statement, nil where the driver keeps its own.
	stmt func(query string) (*sql.Stmt, error)
}

// SQL is the bare transaction, for the job library's transactional enqueue.
func (tx *Tx) SQL() *sql.Tx { return tx.sql }

// Committed reports whether all that the transaction reads has been committed, so that it may be remembered beyond it. In a
// transaction that writes, a row may be one that is about to be rolled back: its own, or on SQLite that of another change in the batch.
func (tx *Tx) Committed() bool { return tx.snapshot }

// Context is the transaction's context.
func (tx *Tx) Context() context.Context { return tx.ctx }

// Write runs do in one durable transaction. An error from do rolls all of it back. do may run
// more than once (see again), so it must not touch anything but tx. When do has shut something, Write answers once that is in force in
// every process.
func (db *DB) Write(ctx context.Context, do func(*Tx) error) error {
	db = db.joined(ctx)
	if db.within != nil && db.steps {
		return db.within.step(do)
	}
	if db.within != nil {
		return do(db.within)
	}
	var last *Tx
	err := db.write(ctx, func(tx *Tx) error {
		last = tx
		if err := do(tx); err != nil {
			return err
		}
		return tx.record()
	})
	if last != nil {
		// With an error too: the commit may have been made all the same.
		db.marks.Hit(slices.Concat(last.shut, last.gained)...)
	}
	if err != nil {
		return err
	}
	committed := db.now()
	if last.rev > 0 {
		began := time.Now()
		db.everywhere(last.rev)
		if db.waited != nil {
			db.waited(time.Since(began))
		}
	}
	if len(last.settled) > 0 {
		everywhere := db.now()
		for _, f := range last.settled {
			f(committed, everywhere)
		}
	}
	return nil
}

func (db *DB) write(ctx context.Context, do func(*Tx) error) error {
	if db.writer != nil {
		return db.writer.write(ctx, db, do)
	}
	const tries = 5
	for try := 1; ; try++ {
		err := db.postgres(ctx, &sql.TxOptions{}, do)
		if try < tries && again(err) {
			continue
		}
		return unavailable(err)
	}
}

// again reports whether a transaction that PostgreSQL ended is worth running once more: it could not be serialized, it met another
// one in a deadlock, or another one was faster between its look and its insert (unique violation); looking again then tells what to say.
func again(err error) bool {
	var pg *pgconn.PgError
	return errors.As(err, &pg) && (pg.Code == "40001" || pg.Code == "40P01" || pg.Code == "23505")
}

// Read runs do on one consistent snapshot.
func (db *DB) Read(ctx context.Context, do func(*Tx) error) error {
	db = db.joined(ctx)
	if db.within != nil {
		return do(db.within)
	}
	if db.Dialect == Postgres {
		return unavailable(db.postgres(ctx, &sql.TxOptions{Isolation: sql.LevelRepeatableRead, ReadOnly: true}, do))
	}
	if err := db.readers.Acquire(ctx, 1); err != nil {
		return account.Errorf(account.Unavailable, "The database does not answer.").Because(err)
	}
	defer db.readers.Release(1)
	return inTx(ctx, db.pool, &sql.TxOptions{ReadOnly: true}, func(t *sql.Tx) error {
		return do(&Tx{db: db, ctx: ctx, sql: t, snapshot: true, stmt: db.reads.in(ctx, t)})
	})
}

// Look is Read for one statement, which sees one snapshot by itself: PostgreSQL is asked once and not three times. do
// runs one statement; a second one is an error.
func (db *DB) Look(ctx context.Context, do func(*Tx) error) error {
	db = db.joined(ctx)
	if db.within != nil {
		return do(db.within)
	}
	tx := &Tx{db: db, ctx: ctx, snapshot: true}
	if db.Dialect == Postgres {
		return unavailable(do(tx))
	}
	if err := db.readers.Acquire(ctx, 1); err != nil {
		return account.Errorf(account.Unavailable, "The database does not answer.").Because(err)
	}
	defer db.readers.Release(1)
	tx.stmt = func(q string) (*sql.Stmt, error) { return db.reads.get(ctx, q) }
	return do(tx)
}

// prepared keeps statements of one pool; database/sql prepares each anew on every connection once.
type prepared struct {
	pool *sql.DB
	byQ  sync.Map // query → *sql.Stmt
}

func (p *prepared) get(ctx context.Context, q string) (*sql.Stmt, error) {
	if s, ok := p.byQ.Load(q); ok {
		return s.(*sql.Stmt), nil
	}
	s, err := p.pool.PrepareContext(ctx, q)
	if err != nil {
		return nil, err
	}
	if old, loaded := p.byQ.LoadOrStore(q, s); loaded {
		s.Close()
		s = old.(*sql.Stmt)
	}
	return s, nil
}

// in gives the statement for use in t.
func (p *prepared) in(ctx context.Context, t *sql.Tx) func(string) (*sql.Stmt, error) {
	return func(q string) (*sql.Stmt, error) {
		s, err := p.get(ctx, q)
		if err != nil {
			return nil, err
		}
		return t.StmtContext(ctx, s), nil
	}
}

func (db *DB) postgres(ctx context.Context, o *sql.TxOptions, do func(*Tx) error) error {
	return inTx(ctx, db.pool, o, func(t *sql.Tx) error { return do(&Tx{db: db, ctx: ctx, sql: t, snapshot: o.ReadOnly}) })
}

// unavailable tells a database that has gone away from one that refuses a statement.
func unavailable(err error) error {
	var pg *pgconn.PgError
	var net net.Error
	gone := errors.Is(err, driver.ErrBadConn) || errors.As(err, &net) && !errors.Is(err, context.DeadlineExceeded) ||
		errors.As(err, &pg) && (strings.HasPrefix(pg.Code, "08") || strings.HasPrefix(pg.Code, "57P") || strings.HasPrefix(pg.Code, "53"))
	if gone && account.KindOf(err) == "" {
		return account.Errorf(account.Unavailable, "The database does not answer.").Because(err)
	}
	return err
}

func inTx(ctx context.Context, pool *sql.DB, o *sql.TxOptions, do func(*sql.Tx) error) error {
	t, err := pool.BeginTx(ctx, o)
	if err != nil {
		return account.Errorf(account.Unavailable, "The database does not answer.").Because(err)
	}
	defer t.Rollback()
	if err := do(t); err != nil {
		return err
	}
	return t.Commit()
}

// exec runs a statement and says how many rows it touched.
func (tx *Tx) exec(query string, args ...any) (int64, error) {
	if tx.sql == nil {
		return 0, fmt.Errorf("a look changes nothing: %q", query)
	}
	tx.trace(query)
	var res sql.Result
	var err error
	if tx.stmt != nil {
		s, perr := tx.stmt(query)
		if perr != nil {
			return 0, fmt.Errorf("%w in %q", perr, query)
		}
		res, err = s.ExecContext(tx.ctx, args...)
	} else {
		res, err = tx.sql.ExecContext(tx.ctx, query, args...)
	}
	if err != nil {
		return 0, err
	}
	return res.RowsAffected()
}

func (tx *Tx) trace(text string) {
	if tx.db.Traced != nil {
		tx.db.Traced(text)
	}
}

func (tx *Tx) query(query string, args ...any) (*sql.Rows, error) {
	tx.trace(query)
	if tx.sql == nil {
		if tx.looked {
			return nil, fmt.Errorf("a look is one statement; the second is %q", query)
		}
		tx.looked = true
	}
	switch {
	case tx.stmt != nil:
	case tx.sql == nil:
		return tx.db.pool.QueryContext(tx.ctx, query, args...)
	default:
		return tx.sql.QueryContext(tx.ctx, query, args...)
	}
	s, err := tx.stmt(query)
	if err != nil {
		return nil, fmt.Errorf("%w in %q", err, query)
	}
	return s.QueryContext(tx.ctx, args...)
}

// A scanner is one row.
type scanner interface{ Scan(...any) error }

// list reads all rows.
func list[T any](tx *Tx, scan func(scanner) (T, error), query string, args ...any) ([]T, error) {
	rows, err := tx.query(query, args...)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var out []T
	for rows.Next() {
		v, err := scan(rows)
		if err != nil {
			return nil, err
		}
		out = append(out, v)
	}
	return out, rows.Err()
}

// one reads the first row; found is false when there is none.
func one[T any](tx *Tx, scan func(scanner) (T, error), query string, args ...any) (v T, found bool, err error) {
	rows, err := tx.query(query, args...)
	if err != nil {
		return v, false, err
	}
	defer rows.Close()
	if !rows.Next() {
		return v, false, rows.Err()
	}
	if v, err = scan(rows); err != nil {
		return v, false, err
	}
	return v, true, rows.Err()
}

// micros turns an instant into a column; the zero instant is 0.
func micros(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.UnixMicro()
}

// instant turns a column into an instant in UTC; 0 is the zero instant.
func instant(us int64) time.Time {
	if us == 0 {
		return time.Time{}
	}
	return time.UnixMicro(us).UTC()
}
