package table

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

// A Replica is this process among those that answer checks from memory. It says how far it has read the revocation log (a beat), and reads
// on. Its methods are called by one goroutine. When it may answer from memory is not decided here.
type Replica struct {
	db      *DB
	id      string
	lease   time.Duration
	known   bool   // applied and nonce say where this process is in the log
	applied int64  // all up to here
	nonce   string // of applied
	written int64  // applied, as the last beat said
	beaten  time.Time

	// PostgreSQL: a connection of its own, so that checks and changes that fill the pool do not delay it.
	conn  *pgx.Conn
	heard bool // a notification has come since the last read
	Deaf  bool // does not listen, as behind a pooler that drops notifications
}

// News are what a look at the log brought.
type News struct {
	Shut   []Target
	Missed bool // the log does not go on where this process is: nothing that is remembered can be trusted
	Beat   bool // it was a beat, too, and has been acknowledged
	More   bool // there is more to say than the last beat said
}

const (
	channel    = "drawbridge_shut"
	manyRows   = 10_000                 // of the log at once; whoever is further behind begins anew
	sqliteBeat = 30 * time.Second       // a file has few replicas, mostly one: they need not say that they live four times a second
	sqliteSeen = 100 * time.Second      // and are waited for as long as this without a word
	margin     = 100 * time.Millisecond // for clocks that do not run alike
)

// Replica joins those who answer from memory, for leases of a length. It writes nothing yet.
func (db *DB) Replica(id string, lease time.Duration) *Replica {
	db.self.Store(&id)
	return &Replica{db: db, id: id, lease: lease}
}

// Forget makes the next refresh begin anew.
func (r *Replica) Forget() { r.known = false }

// Window is how long a beat keeps those who shut something waiting for this replica.
func (r *Replica) Window() time.Duration {
	if r.db.Dialect == SQLite {
		return sqliteSeen
	}
	return r.lease
}

// Refresh reads on in the log. With beat it says in the same statement how far it had come before; on SQLite, where a write costs a sync,
// only if that is news. What it answers with counts as applied from then on.
func (r *Replica) Refresh(ctx context.Context, beat bool) (News, error) {
	var rows []logRow
	var err error
	if r.db.Dialect == SQLite {
		beat = beat && (!r.known || r.beaten.IsZero() || r.applied > r.written || time.Since(r.beaten) >= sqliteBeat)
		rows, err = r.refreshFile(ctx, beat)
	} else {
		rows, err = r.refreshServer(ctx, beat)
	}
	if err != nil {
		return News{}, unavailable(err)
	}
	if beat {
		r.written, r.beaten = r.place(), time.Now()
	}
	n, err := r.follow(rows)
	n.Beat = beat
	return n, err
}

// place is how far this process has come, as a beat says it.
func (r *Replica) place() int64 {
	if !r.known {
		return -1
	}
	return r.applied
}

type logRow struct {
	head, rev int64
	by, nonce string
	kind      TargetKind
	id        string
}

func scanLogRow(s scanner) (l logRow, err error) {
	return l, s.Scan(&l.head, &l.rev, &l.by, &l.nonce, &l.kind, &l.id)
}

// follow takes rows over. They begin with the one this process knows last: another nonce there, or none, means another history, as after a
// failover that lost commits or the restore of a backup.
func (r *Replica) follow(rows []logRow) (n News, err error) {
	if len(rows) == 0 {
		return n, errors.New("table: the revocation log has no head")
	}
	last := rows[len(rows)-1]
	if !r.known || len(rows) > manyRows || !r.goesOn(rows) {
		n.Missed = true
		r.known, r.applied, r.nonce = len(rows) <= manyRows && last.rev == last.head, last.head, last.nonce
		n.More = true
		r.beaten = time.Time{} // what the last beat said was about the other history: the next refresh is one
		return n, nil
	}
	for _, l := range rows {
		if l.rev > r.applied {
			n.Shut = append(n.Shut, Target{l.kind, l.id})
			// On SQLite nobody waits for this process because of what it wrote itself.
			n.More = n.More || r.db.Dialect == Postgres || l.by != r.id
		}
	}
	r.applied, r.nonce = last.rev, last.nonce
	return n, nil
}

func (r *Replica) goesOn(rows []logRow) bool {
	if rows[0].rev != r.applied || rows[0].nonce != r.nonce || rows[len(rows)-1].rev != rows[0].head {
		return false
	}
	for i, l := range rows[1:] {
		if l.rev > rows[i].rev+1 {
			return false
		}
	}
	return true
}

// logTail reads the log from where a replica is ($1; -1: from its end), with the head beside each row.
const logTail = `
	SELECT h.rev, COALESCE(l.rev, -1), COALESCE(l.writer, ''), COALESCE(l.nonce, ''), COALESCE(l.kind, ''), COALESCE(l.target, '')
	  FROM revocation_head h
	  LEFT JOIN revocation_log l ON l.rev >= CASE WHEN CAST($1 AS BIGINT) < 0 THEN h.rev ELSE CAST($1 AS BIGINT) END
	 WHERE h.id = 1
	 ORDER BY l.rev LIMIT 10001`

const putReplica = `
	INSERT INTO replicas (id, applied, lease, seen_at) VALUES ($2, CAST($1 AS BIGINT), $3, %s)
	    ON CONFLICT (id) DO UPDATE SET applied = excluded.applied, lease = excluded.lease, seen_at = excluded.seen_at`

// The database's clock, in microseconds.
const (
	postgresNow = `CAST(extract(epoch FROM clock_timestamp()) * 1000000 AS BIGINT)`
	sqliteNow   = `CAST(unixepoch('now', 'subsec') * 1000000 AS INTEGER)`
)

func (db *DB) clock() string {
	if db.Dialect == SQLite {
		return sqliteNow
	}
	return postgresNow
}

func (r *Replica) refreshFile(ctx context.Context, beat bool) (rows []logRow, err error) {
	if beat {
		err := r.db.Write(ctx, func(tx *Tx) error {
			_, err := tx.exec(fmt.Sprintf(putReplica, sqliteNow), r.place(), r.id, r.lease.Microseconds())
			return err
		})
		if err != nil {
			return nil, err
		}
	}
	err = r.db.Look(ctx, func(tx *Tx) error { rows, err = list(tx, scanLogRow, logTail, r.place()); return err })
	return rows, err
}

func (r *Replica) refreshServer(ctx context.Context, beat bool) ([]logRow, error) {
	if err := r.connect(ctx); err != nil {
		return nil, err
	}
	r.heard = false // what is heard from now on may be about what the statement does not see
	query, args := logTail, []any{r.place()}
	if beat {
		query, args = `WITH beat AS (`+fmt.Sprintf(putReplica, postgresNow)+`)`+logTail, []any{r.place(), r.id, r.lease.Microseconds()}
	}
	found, err := r.conn.Query(ctx, query, args...)
	var rows []logRow
	if err == nil {
		rows, err = pgx.CollectRows(found, func(row pgx.CollectableRow) (logRow, error) { return scanLogRow(row) })
	}
	if err != nil {
		r.hangUp()
	}
	return rows, err
}

// connect makes sure that there is a connection that listens. An engine without LISTEN is read every few moments all the same.
func (r *Replica) connect(ctx context.Context) error {
	if r.conn != nil && !r.conn.IsClosed() {
		return nil
	}
	c, err := pgx.ParseConfig(r.db.url)
	if err != nil {
		return err
	}
	c.OnNotification = func(*pgconn.PgConn, *pgconn.Notification) { r.heard = true }
	if r.conn, err = pgx.ConnectConfig(ctx, c); err != nil {
		r.conn = nil
		return err
	}
	if r.Deaf {
		return nil
	}
	var refused *pgconn.PgError
	if _, err = r.conn.Exec(ctx, `LISTEN `+channel); err != nil && !errors.As(err, &refused) {
		r.hangUp()
		return err
	}
	return nil
}

func (r *Replica) hangUp() {
	if r.conn == nil {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), margin)
	defer cancel()
	_ = r.conn.Close(ctx) // it is of no use any more
	r.conn = nil
}

// Wait returns after d, or before that with true when something has been shut.
func (r *Replica) Wait(ctx context.Context, d time.Duration) bool {
	ctx, cancel := context.WithTimeout(ctx, d)
	defer cancel()
	if r.conn == nil {
		<-ctx.Done()
		return false
	}
	if !r.heard {
		if err := r.conn.PgConn().WaitForNotification(ctx); err != nil && ctx.Err() == nil {
			r.hangUp()
		}
	}
	return r.heard
}

// Leave says that nobody needs to wait for this replica. It must not answer from memory any more.
func (r *Replica) Leave(ctx context.Context) error {
	r.hangUp()
	return r.db.Write(ctx, func(tx *Tx) error { _, err := tx.exec(`DELETE FROM replicas WHERE id = $1`, r.id); return err })
}
