// Package published keeps what others publish at a URL and change when they like: documents, above all JSON Web
// Key Sets (RFC 7517). It decides when to fetch again, how often a stranger can make us knock, and how long an
// outage is lived through. What is fetched and how is the caller's.
package published

import (
	"context"
	"fmt"
	"math/rand/v2"
	"sync"
	"time"

	"golang.org/x/sync/singleflight"
	"golang.org/x/time/rate"

	"github.com/drawbridge-id/drawbridge/account"
)

// The bounds of fetching one document of a provider (OIDC-K4): ten a minute on average, five at once.
const (
	Every = 6 * time.Second
	Burst = 5
	// Spare is what a caller whom anybody may be cannot use up.
	Spare = 2
	// KeepLastGood bounds how long an outage of the provider leaves an old document in force.
	KeepLastGood = 24 * time.Hour
)

// Document is one thing of a provider that is fetched when first needed, again at an age, and at
// once when somebody shows that it is out of date. Concurrent callers share one fetch. After a failed
// fetch the last good value stays, for at most KeepLastGood.
type Document[T any] struct {
	load func(context.Context) (T, error)
	now  func() time.Time
	age  time.Duration

	flight singleflight.Group
	mu     sync.Mutex
	value  T
	gen    uint64    // counts good fetches; 0: none so far
	at     time.Time // of the last good fetch
	soon   time.Time // from here on a use fetches in the background, so that nobody waits
	failed error     // of the last fetch
	budget *rate.Limiter
}

// NewDocument makes one that load fetches, at the latest when it is age old.
func NewDocument[T any](now func() time.Time, age time.Duration, load func(context.Context) (T, error)) *Document[T] {
	return &Document[T]{load: load, now: now, age: age, budget: rate.NewLimiter(rate.Every(Every), Burst)}
}

// Get is the value with its generation, fetched first when there is none or it is too old.
func (d *Document[T]) Get(ctx context.Context) (T, uint64, error) {
	d.mu.Lock()
	value, gen, now := d.value, d.gen, d.now()
	old, ageing := now.Sub(d.at) >= d.age, now.After(d.soon)
	if ageing {
		d.soon = now.Add(Every) // one of those who come by is enough
	}
	d.mu.Unlock()
	switch {
	case gen == 0 || old:
		return d.Renew(ctx, gen, 0)
	case ageing:
		go func() { _, _, _ = d.Renew(context.WithoutCancel(ctx), gen, Spare) }()
	}
	return value, gen, nil
}

// Renew fetches unless somebody else already has since generation seen, and leaves spare fetches of
// the budget untouched. When it cannot fetch, the last good value is the answer as long as it holds.
func (d *Document[T]) Renew(ctx context.Context, seen uint64, spare float64) (T, uint64, error) {
	// One flight per generation: who saw the newest value must not be handed a flight that stops at
	// once because it started from an older one.
	result := d.flight.DoChan(fmt.Sprint(seen, spare), func() (any, error) {
		d.fetch(context.WithoutCancel(ctx), seen, spare)
		return nil, nil
	})
	select {
	case <-ctx.Done():
		var none T
		return none, 0, ctx.Err()
	case <-result:
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.gen == 0 || d.now().Sub(d.at) > max(KeepLastGood, d.age) {
		var none T
		return none, 0, d.failed
	}
	return d.value, d.gen, nil
}

func (d *Document[T]) fetch(ctx context.Context, seen uint64, spare float64) {
	d.mu.Lock()
	now := d.now()
	if d.gen > seen {
		d.mu.Unlock()
		return
	}
	if d.budget.TokensAt(now) < 1+spare || !d.budget.AllowN(now, 1) {
		if d.failed == nil {
			d.failed = account.Errorf(account.TooMany, "The provider was asked too often within a minute.").Fix("Try again in a few seconds.")
		}
		d.mu.Unlock()
		return
	}
	d.mu.Unlock()

	value, err := d.loadSafely(ctx)

	d.mu.Lock()
	defer d.mu.Unlock()
	d.failed = err
	if err == nil {
		d.value, d.at = value, now
		d.gen++
	}
	// Also after a failure: the next attempt in the background may wait, an expired value may not.
	d.soon = now.Add(d.age*3/4 + rand.N(d.age/8+1))
	if err != nil {
		d.soon = now.Add(min(d.age/4, time.Minute))
	}
}

// loadSafely turns a panic over a stranger's bytes into an error (G-3): here it would end the process.
func (d *Document[T]) loadSafely(ctx context.Context) (value T, err error) {
	defer func() {
		if p := recover(); p != nil {
			err = account.Errorf(account.Invalid, "The provider's document cannot be read.").Because(fmt.Errorf("panic: %v", p))
		}
	}()
	return d.load(ctx)
}
