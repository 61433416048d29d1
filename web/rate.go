package web

import (
	"net/netip"
	"sync"
	"time"

	lru "github.com/hashicorp/golang-lru/v2"
	"golang.org/x/time/rate"
)

// A Rate is how often one client address may come: PerMinute in the long run, Burst at once.
// A negative PerMinute means no limit.
type Rate struct {
	PerMinute float64
	Burst     int
}

// A limiter holds one token bucket per client address, in memory of this replica. Guesses at
// accounts are counted in the ledger as well; this one keeps floods from its door.
type limiter struct {
	rate Rate
	now  func() time.Time

	mu      sync.Mutex
	buckets *lru.Cache[netip.Prefix, *rate.Limiter]
}

func newLimiter(r Rate, size int, now func() time.Time) *limiter {
	buckets, err := lru.New[netip.Prefix, *rate.Limiter](size)
	if err != nil {
		panic("web: " + err.Error()) // size is positive
	}
	return &limiter{rate: r, now: now, buckets: buckets}
}

// wait is zero when the client may come in, otherwise how long it has to stay away.
func (l *limiter) wait(ip netip.Addr) time.Duration {
	if l.rate.PerMinute < 0 {
		return 0
	}
	now := l.now()
	reservation := l.bucket(block(ip)).ReserveN(now, 1)
	if !reservation.OK() {
		return time.Minute // a burst of zero lets nobody in
	}
	delay := reservation.DelayFrom(now)
	if delay > 0 {
		reservation.CancelAt(now) // a refused knock does not push the next one back
	}
	return delay
}

func (l *limiter) bucket(from netip.Prefix) *rate.Limiter {
	l.mu.Lock()
	defer l.mu.Unlock()
	b, ok := l.buckets.Get(from)
	if !ok {
		b = rate.NewLimiter(rate.Limit(l.rate.PerMinute/60), l.rate.Burst)
		l.buckets.Add(from, b)
	}
	return b
}

// block is what one subscriber holds: an IPv4 address, or 64 bits of IPv6.
func block(ip netip.Addr) netip.Prefix {
	bits := 64
	if ip.Is4() {
		bits = 32
	}
	p, err := ip.Prefix(bits)
	if err != nil {
		return netip.Prefix{} // no address: all such share one bucket
	}
	return p
}
