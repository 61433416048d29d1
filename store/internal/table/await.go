package table

import (
	"cmp"
	"context"
	"crypto/rand"
	"math"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// manyTargets of one change are everything: the others forget all they remember instead of reading thousands of lines.
const manyTargets = 256

// record writes what the transaction shuts into the revocation log. It comes last, because the head is one row and whoever counts it up
// holds it until the commit: so lines are committed in the order of their numbers, none is seen before an earlier one, and nobody who
// waits for the head holds it.
func (tx *Tx) record() error {
	if len(tx.shut) == 0 {
		return nil
	}
	rev, _, err := one(tx, func(s scanner) (n int64, err error) { return n, s.Scan(&n) }, `
		UPDATE revocation_head SET rev = rev + 1 WHERE id = 1 RETURNING rev`)
	if err != nil {
		return err
	}
	nonce, at := rand.Text()[:12], micros(tx.db.now())
	for _, t := range fewer(tx.shut) {
		if _, err := tx.exec(`
			INSERT INTO revocation_log (rev, kind, target, nonce, at, writer) VALUES ($1, $2, $3, $4, $5, $6)`,
			rev, t.Kind, t.ID, nonce, at, tx.db.name()); err != nil {
			return err
		}
	}
	tx.rev = rev
	return nil
}

// fewer names each target once, and all of many by one.
func fewer(all []Target) []Target {
	var out []Target
	seen := make(map[Target]bool, len(all))
	for _, t := range all {
		if !seen[t] {
			seen[t], out = true, append(out, t)
		}
	}
	if len(out) > manyTargets {
		return []Target{{Kind: TargetAll}}
	}
	return out
}

// name is this process's as a replica; empty when it is none.
func (db *DB) name() string {
	if s := db.self.Load(); s != nil {
		return *s
	}
	return ""
}

// PurgeLog removes lines from before an instant, at most n, and never the last; a replica that had not read them begins anew. Replicas
// that have not been heard of for an hour go too.
func (tx *Tx) PurgeLog(before time.Time, n int) (int64, error) {
	gone, err := tx.exec(`
		DELETE FROM revocation_log WHERE rev IN
			(SELECT rev FROM revocation_log WHERE at < $1 AND rev < (SELECT rev FROM revocation_head WHERE id = 1) ORDER BY rev LIMIT $2)`, micros(before), n)
	if err != nil {
		return gone, err
	}
	_, err = tx.exec(`DELETE FROM replicas WHERE seen_at < `+tx.db.clock()+` - $1`, time.Hour.Microseconds())
	return gone, err
}

// waits are the changes that are committed and not yet in force everywhere.
type waits struct {
	mu      sync.Mutex
	waiting []*wait
	asking  bool
	longest atomic.Int64 // nanoseconds: the longest lease that this process knows of
}

type wait struct {
	rev  int64
	done chan struct{}
}

// defaultLease is what a replica is taken to have of which nothing can be learned.
const defaultLease = time.Second

// everywhere returns when no process answers any more by what it read before rev, which has just been committed: each replica has applied
// it, or its lease has run out. One asks for all who wait. Whoever cannot ask waits as long as the longest lease.
func (db *DB) everywhere(rev int64) {
	committed := time.Now()
	w := &wait{rev: rev, done: make(chan struct{})}
	db.waits.mu.Lock()
	db.waits.waiting = append(db.waits.waiting, w)
	if !db.waits.asking {
		db.waits.asking = true
		go db.askReplicas()
	}
	db.waits.mu.Unlock()
	for {
		left := max(time.Duration(db.waits.longest.Load()), defaultLease) + margin - time.Since(committed)
		if left <= 0 {
			db.waits.drop(w)
			return
		}
		timer := time.NewTimer(left)
		select {
		case <-w.done:
			timer.Stop()
			return
		case <-timer.C: // a longer lease may have come to light
		}
	}
}

func (s *waits) drop(w *wait) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.waiting = slices.DeleteFunc(s.waiting, func(o *wait) bool { return o == w })
}

// askReplicas asks again and again until nobody waits.
func (db *DB) askReplicas() {
	told := int64(-1)
	for pause := time.Millisecond; ; pause = min(2*pause, 20*time.Millisecond) {
		db.waits.mu.Lock()
		asked := slices.Clone(db.waits.waiting) // a change that is committed later is not in what the statement sees
		db.waits.asking = len(asked) > 0
		db.waits.mu.Unlock()
		if len(asked) == 0 {
			return
		}
		applied, lease, err := db.slowest()
		if err == nil {
			db.waits.longest.Store(int64(max(lease, time.Duration(db.waits.longest.Load()))))
			for _, w := range asked {
				if w.rev <= applied {
					db.waits.drop(w)
					close(w.done)
				}
			}
		}
		if newest := slices.MaxFunc(asked, func(a, b *wait) int { return cmp.Compare(a.rev, b.rev) }).rev; err == nil && newest > applied && newest != told {
			told, pause = newest, time.Millisecond
			db.tell()
		}
		time.Sleep(pause)
	}
}

// slowest is how far the slowest of the other replicas has come that may hold a lease, and the longest lease among them.
func (db *DB) slowest() (applied int64, lease time.Duration, err error) {
	ctx, cancel := context.WithTimeout(context.Background(), defaultLease)
	defer cancel()
	lives := `lease`
	if db.Dialect == SQLite {
		lives = `100000000` // sqliteSeen
	}
	err = db.Look(ctx, func(tx *Tx) error {
		_, _, err := one(tx, func(s scanner) (_ struct{}, err error) {
			var us int64
			err = s.Scan(&applied, &us)
			lease = time.Duration(us) * time.Microsecond
			return struct{}{}, err
		}, `SELECT COALESCE(min(applied), $2), COALESCE(max(lease), 0) FROM replicas WHERE id <> $1 AND seen_at > `+db.clock()+` - `+lives+` - $3`,
			db.name(), int64(math.MaxInt64), margin.Microseconds())
		return err
	})
	return applied, lease, err
}

// tell wakes the replicas. It is not part of the change: a full queue of notifications, or an engine that has none, must not keep
// anybody from being shut out. Who is not told asks within a quarter of a second.
func (db *DB) tell() {
	if db.Dialect != Postgres {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), defaultLease)
	defer cancel()
	_, _ = db.pool.ExecContext(ctx, `NOTIFY `+channel)
}
