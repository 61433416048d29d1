package scim

import (
	"sync"
	"time"

	"github.com/drawbridge-id/drawbridge/account"
)

// A bucket holds what one connection may still ask at once.
type bucket struct {
	mu   sync.Mutex
	left float64
	at   time.Time
}

// take takes one request out of a connection's bucket and says how long to wait when it is empty.
func (d *Door) take(c account.ConnectionID) time.Duration {
	now := d.opt.Now()
	b, ok := d.buckets.Get(c)
	if !ok {
		b = &bucket{left: d.opt.Burst, at: now}
		if old, loaded, _ := d.buckets.PeekOrAdd(c, b); loaded {
			b = old
		}
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if passed := now.Sub(b.at).Seconds(); passed > 0 {
		b.left = min(d.opt.Burst, b.left+passed*d.opt.Rate)
	}
	b.at = now
	if b.left < 1 {
		return time.Duration((1 - b.left) / d.opt.Rate * float64(time.Second))
	}
	b.left--
	return 0
}

// spend takes n more requests out of a connection's bucket, below nothing if need be: the operations of a bulk request count like
// requests, and those that follow wait for it.
func (d *Door) spend(c account.ConnectionID, n int) {
	if b, ok := d.buckets.Get(c); ok {
		b.mu.Lock()
		defer b.mu.Unlock()
		b.left -= float64(n)
	}
}
