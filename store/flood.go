package store

import (
	"fmt"
	"time"

	"golang.org/x/time/rate"

	"github.com/drawbridge-id/drawbridge/account"
)

// What a stranger can make us keep. Anybody may send messages that no signature covers; each is remembered as a refused attempt, but
// only so much of them, and only of so many: an administrator who mends a connection needs a few, and a flood would fill the disk.
const (
	maxUnverified   = 64 << 10 // bytes of a message of which nothing is known to be true
	unverifiedEvery = time.Minute
	unverifiedBurst = 60 // at once, of one connection and replica
)

// bounded is a refused judgement as it is worth keeping.
func (l *Ledger) bounded(c account.ConnectionID, j account.Judgement, now time.Time) account.Judgement {
	if j.Login != nil || j.Raw == "" { // the provider's own word
		return j
	}
	budget := rate.NewLimiter(rate.Every(unverifiedEvery), unverifiedBurst)
	if known, ok, _ := l.unverified.PeekOrAdd(c, budget); ok {
		budget = known
	}
	if !budget.AllowN(now, 1) {
		j.Raw = fmt.Sprintf("… (not kept: more than %d messages were refused within a short time)", unverifiedBurst)
		return j
	}
	j.Raw = clip(j.Raw, maxUnverified)
	return j
}
