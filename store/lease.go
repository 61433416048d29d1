package store

import (
	"context"
	"sync/atomic"
	"time"

	"github.com/drawbridge-id/drawbridge/account"
	"github.com/drawbridge-id/drawbridge/store/internal/table"
)

const (
	minLease   = 250 * time.Millisecond
	maxLease   = 10 * time.Second // the answer of a removal may take as long
	refreshAll = 4                // refreshes to a lease
	shutAge    = 7 * 24 * time.Hour
	// suspended is how far the clock on the wall may run ahead of the one that stands still while a machine sleeps.
	suspended = time.Second
)

// A lease is the right of this process to answer from memory: the database was asked a moment ago what has been shut, and whoever shuts
// something waits for the answer, or for the lease to run out. It goes by the process's own clock (time.Now), which nobody turns, because
// it is a span and no date. docs/decisions/lease.md has the rules and why they hold.
type lease struct {
	deaf    bool // see table.Replica
	length  time.Duration
	window  time.Duration // how long after a beat this process is waited for
	current atomic.Pointer[held]
	serving atomic.Bool // it has been granted once, or something keeps it from being granted
	anchor  time.Time   // before the last beat was sent that has been acknowledged; zero: none
}

// held is a lease once granted.
type held struct{ from, until time.Time }

// at reports whether the lease holds at a time that was read from time.Now. While a machine sleeps its clock stands still, and the one on
// the wall tells.
func (h *held) at(now time.Time) bool {
	return h != nil && now.Before(h.until) && now.Round(0).Sub(h.until.Round(0)) < suspended
}

// answered takes over what came of a refresh that was sent at an instant. The lease counts from before it was sent, so that memory holds
// all that had been shut by then. It is granted only by a process that was being waited for all the while: whoever shut something and did
// not see this beat has seen the one before, as long as this answer arrived within its window. So the first beat, at the start and
// after a lapse, only registers.
func (l *lease) answered(sent, now time.Time, n table.News) {
	if n.Missed { // what the beats said so far was about another history
		l.drop()
		return
	}
	waitedFor := !l.anchor.IsZero() && (&held{until: l.anchor.Add(l.window)}).at(now)
	if n.Beat {
		l.anchor = sent
	}
	if !waitedFor {
		l.current.Store(nil)
		return
	}
	until := sent.Add(l.length)
	if latest := l.anchor.Add(l.window); latest.Before(until) {
		until = latest
	}
	l.current.Store(&held{sent, until})
}

// drop ends the lease.
func (l *lease) drop() {
	l.anchor = time.Time{}
	l.current.Store(nil)
}

// Lease says whether checks are answered from memory at this moment, and how long ago it was that the database was last asked.
func (l *Ledger) Lease() (isHeld bool, age time.Duration) {
	h, now := l.lease.current.Load(), time.Now()
	if h == nil {
		return false, 0
	}
	return h.at(now), now.Sub(h.from)
}

// keepLease makes this process one that answers checks from memory, until ctx ends.
func (l *Ledger) keepLease(ctx context.Context) {
	r := l.db.Replica(string(account.NewID[account.ReplicaID](l.now(), l.opt.Random)), l.opt.Lease)
	r.Deaf = l.lease.deaf
	l.lease.length, l.lease.window = l.opt.Lease, r.Window()
	ok, woken := true, false
	for ctx.Err() == nil {
		more, err := l.refresh(ctx, r, !woken)
		if err != nil || l.lease.current.Load() != nil {
			l.lease.serving.Store(true)
		}
		if (err == nil) != ok && ctx.Err() == nil {
			if ok = err == nil; ok {
				l.opt.Log.InfoContext(ctx, "the revocation log is read again")
			} else {
				l.opt.Log.ErrorContext(ctx, "the revocation log could not be read; checks will ask the database when the lease has run out", "error", err)
			}
		}
		woken = false
		if err != nil || !more {
			woken = r.Wait(ctx, l.opt.Lease/refreshAll)
		}
	}
	l.lease.serving.Store(false)
	l.lease.drop()
	last, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Second)
	defer cancel()
	if err := r.Leave(last); err != nil {
		l.opt.Log.WarnContext(ctx, "others will wait for this replica a little longer than they have to", "error", err)
	}
}

// refresh reads the revocation log once, and says whether it should be read again at once: to tell others what has been applied.
func (l *Ledger) refresh(ctx context.Context, r *table.Replica, beat bool) (more bool, err error) {
	bounded, cancel := context.WithTimeout(ctx, l.opt.Lease)
	defer cancel()
	sent := time.Now()
	news, err := r.Refresh(bounded, beat)
	if err != nil {
		return false, err
	}
	for _, t := range news.Shut {
		if t.Kind == table.TargetAll { // another catalogue, for one
			if err := l.loadCatalogue(bounded); err != nil {
				r.Forget()
				l.lease.drop()
				return false, err
			}
		}
	}
	if news.Missed {
		l.db.Marks().Forget()
	}
	l.db.Marks().Hit(news.Shut...)
	l.lease.answered(sent, time.Now(), news)
	return news.More, nil
}
