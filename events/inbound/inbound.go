// Package inbound is the door for transmitters of security events: tokens that are pushed (RFC 8935) or that we ask for
// (RFC 8936), global token revocations, and our side of the stream API (OpenID Shared Signals Framework 1.0). A token is
// judged by package set and handed to the ledger; what came of it goes back in the sender's words.
package inbound

import (
	"log/slog"
	"net/http"
	"net/netip"
	"strings"
	"time"

	lru "github.com/hashicorp/golang-lru/v2"
	"golang.org/x/time/rate"

	"github.com/drawbridge-id/drawbridge/account"
	"github.com/drawbridge-id/drawbridge/events/set"
	"github.com/drawbridge-id/drawbridge/store"
)

// Options are what the door needs.
type Options struct {
	Ledger    *store.Ledger
	Fetch     *http.Client // from package egress: keys, documents, stream API
	Poll      *http.Client // from package egress, patient enough for a long poll: PollTimeout, PollLimit
	PublicURL string       // of this installation, without a slash at the end
	Now       func() time.Time
	Log       *slog.Logger
	Rate      float64 // tokens a second of one stream, sustained (SET-6); zero: 100
	Burst     int     // and at once; zero: 1000
	Metrics   Metrics
}

// Metrics are told what happens; each may be nil.
type Metrics struct {
	Refused func(code string)        // a token, by its RFC 8935 code or the status it was answered with
	Applied func(took time.Duration) // a token, from its arrival to its effect everywhere
	Keys    func(outcome string)     // a fetch of a key set: done, failed
	Polled  func(outcome string)     // done, quiet, failed
}

// A Door takes security events. It is safe for concurrent use.
type Door struct {
	o       Options
	keys    *lru.Cache[string, set.Keys]                // by JWKS URL, or by the keys themselves
	buckets *lru.Cache[account.StreamID, *rate.Limiter] // what each stream may still send at once
	knocks  *lru.Cache[knock, *rate.Limiter]            // and what may still be judged before it is known who sends it
	tokens  *lru.Cache[account.StreamID, tokenSource]   // access to the stream API of its transmitter
}

// New makes a door. It fetches nothing before somebody comes.
func New(o Options) *Door {
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.Rate <= 0 {
		o.Rate = 100
	}
	if o.Burst <= 0 {
		o.Burst = 1000
	}
	o.Metrics = o.Metrics.withDefaults()
	o.PublicURL = strings.TrimSuffix(o.PublicURL, "/")
	return &Door{o: o, keys: newLRU[string, set.Keys](), buckets: newLRU[account.StreamID, *rate.Limiter](), knocks: newLRU[knock, *rate.Limiter](),
		tokens: newLRU[account.StreamID, tokenSource]()}
}

func (m Metrics) withDefaults() Metrics {
	if m.Refused == nil {
		m.Refused = func(string) {}
	}
	if m.Applied == nil {
		m.Applied = func(time.Duration) {}
	}
	if m.Keys == nil {
		m.Keys = func(string) {}
	}
	if m.Polled == nil {
		m.Polled = func(string) {}
	}
	return m
}

func newLRU[K comparable, V any]() *lru.Cache[K, V] {
	c, err := lru.New[K, V](4096)
	if err != nil {
		panic(err) // only for a size below 1
	}
	return c
}

// A knock is somebody who comes to a stream and may be anybody: strangers do not use up what the stream itself may send.
type knock struct {
	stream  account.StreamID
	network netip.Addr
}

// wait is how long a stream has to wait until it may send again; zero when it may.
func (d *Door) wait(id account.StreamID) time.Duration { return waitFor(d, d.buckets, id) }

// waitFor takes from a bucket, and says how long until that is possible.
func waitFor[K comparable](d *Door, buckets *lru.Cache[K, *rate.Limiter], k K) time.Duration {
	now := d.o.Now()
	b, ok := buckets.Get(k)
	if !ok {
		b = rate.NewLimiter(rate.Limit(d.o.Rate), d.o.Burst)
		if old, loaded, _ := buckets.PeekOrAdd(k, b); loaded {
			b = old
		}
	}
	r := b.ReserveN(now, 1)
	delay := r.DelayFrom(now)
	if delay > 0 {
		r.CancelAt(now) // a refused token does not push the next one back
	}
	return delay
}

// Address is where the transmitter of a stream pushes its tokens.
func (d *Door) Address(id account.StreamID) string { return d.o.PublicURL + "/events/" + string(id) }
