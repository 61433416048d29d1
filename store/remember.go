package store

import (
	"context"
	"crypto/sha256"
	"errors"
	"time"

	lru "github.com/hashicorp/golang-lru/v2"

	"github.com/drawbridge-id/drawbridge/account"
	"github.com/drawbridge-id/drawbridge/store/internal/table"
)

// What a process remembers of sessions and keys. docs/decisions/lease.md says why it may.
const (
	sessionsRemembered = 20_000
	keysRemembered     = 200_000
	// rememberAtMost bounds what a verb costs that took power from somebody and did not say so (Shut).
	rememberAtMost = 10 * time.Second
	// askAtMost is how long a check waits for the database before it answers that it cannot know.
	askAtMost = 3 * time.Second
)

// A digested token or key; what is remembered is found by it, and never by the secret.
type digested = [sha256.Size]byte

// A memo is what one token or key was good for when the database was last asked.
type memo[V any] struct {
	value V
	since uint64       // the generation before the read
	marks []table.Mark // whatever it hangs on
	read  time.Time
}

// memos are the most recently used ones of a kind. There are several of them so that checks seldom wait for each other.
type memos[V any] [16]*lru.Cache[digested, *memo[V]]

func newMemos[V any](size int) (m memos[V]) {
	for i := range m {
		m[i], _ = lru.New[digested, *memo[V]](size / len(m)) // an error means a size below 1
	}
	return m
}

func (m *memos[V]) shelf(d digested) *lru.Cache[digested, *memo[V]] { return m[d[0]%byte(len(m))] }

// recall is what is remembered under d, if it may be gone by at this moment. The order matters: first the lease as it is, then whether
// the memo stands, then the time. Whoever is stopped in between finds that the lease has ended.
func recall[V any](l *Ledger, m *memos[V], d digested) (*memo[V], bool) {
	e, ok := m.shelf(d).Get(d)
	if !ok {
		return nil, false
	}
	held := l.lease.current.Load()
	if !l.db.Marks().Stand(e.since, e.marks) {
		m.shelf(d).Remove(d)
		return nil, false
	}
	now := time.Now()
	return e, held.at(now) && now.Sub(e.read) < rememberAtMost
}

// learn asks the database and remembers the answer. read gives what it hangs on as well.
func learn[V any](ctx context.Context, l *Ledger, m *memos[V], d digested, read func(*table.Tx) (V, []table.Target, error)) (*memo[V], error) {
	e := &memo[V]{since: l.db.Marks().Generation(), read: time.Now()}
	kept := false // what a transaction is about to write may never be committed
	bounded, cancel := context.WithTimeout(ctx, askAtMost)
	defer cancel()
	err := l.db.Read(bounded, func(tx *table.Tx) error {
		v, on, err := read(tx)
		if err != nil {
			return err
		}
		kept = tx.Committed()
		e.value, e.marks = v, make([]table.Mark, len(on))
		for i, t := range on {
			e.marks[i] = table.MarkOf(t)
		}
		return nil
	})
	switch {
	case err == nil && kept:
		m.shelf(d).Add(d, e)
		return e, nil
	case err == nil:
		return e, nil
	case ctx.Err() == nil && errors.Is(err, context.DeadlineExceeded):
		return nil, account.Errorf(account.Unavailable, "The database does not answer.").Fix("Try again in a moment.").Because(err)
	}
	return nil, err
}
