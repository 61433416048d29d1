// Package outbound is where an account's announcements leave the house: pushed to webhooks (Standard Webhooks 1.0), pushed as security event
// tokens (RFC 8935), or fetched by their receiver (RFC 8936), who manages the stream for themselves (OpenID Shared Signals Framework 1.0).
//
// What is to be said is written by the ledger in the transaction of the change; here it is sent, at least once, in order per subject.
package outbound

import (
	"context"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"github.com/drawbridge-id/drawbridge/account"
	"github.com/drawbridge-id/drawbridge/store"
)

// Options say whose announcements are sent, and how.
type Options struct {
	Ledger    *store.Ledger
	Fetch     *http.Client // reaches public addresses only and follows no redirects: package egress
	PublicURL string       // issuers begin with it
	Now       func() time.Time
	Log       *slog.Logger
	Metrics   Metrics
}

// Metrics are told what happens; each may be nil.
type Metrics struct {
	Delivered func(kind account.FeedKind, outcome string) // each try
	Outbox    func(depth int, oldest time.Duration)       // every now and then
}

const (
	feedParallel = 4                // requests at once to one feed
	allParallel  = 256              // and to all of them
	claimAtOnce  = 16               // with feedParallel, so few that all are tried before their claims run out
	tryTimeout   = 10 * time.Second // one try, answer included
	lookEvery    = time.Second      // for what another replica has posted, and for what is due again
	countEvery   = 10 * time.Second
	mostFeeds    = 1000 // looked at in one round
)

// A Door sends announcements and answers receivers.
type Door struct {
	o      Options
	slots  chan struct{}
	mu     sync.Mutex
	busy   map[account.FeedID]bool
	polls  map[account.FeedID][]*context.CancelFunc // that wait, the oldest first
	ending atomic.Pointer[context.Context]          // of Run: polls under way end with it
}

// New makes one. Run sends; the other methods answer receivers.
func New(o Options) *Door {
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.Metrics.Delivered == nil {
		o.Metrics.Delivered = func(account.FeedKind, string) {}
	}
	if o.Metrics.Outbox == nil {
		o.Metrics.Outbox = func(int, time.Duration) {}
	}
	return &Door{o: o, slots: make(chan struct{}, allParallel), busy: map[account.FeedID]bool{}, polls: map[account.FeedID][]*context.CancelFunc{}}
}

// Run sends what is due until ctx ends, and answers when the last try under way is over. Several replicas share the work.
func (d *Door) Run(ctx context.Context) error {
	d.ending.Store(&ctx)
	var wg sync.WaitGroup
	defer wg.Wait()
	wg.Go(func() { d.count(ctx) })
	tick := time.NewTicker(lookEvery)
	defer tick.Stop()
	for ctx.Err() == nil {
		posted := d.o.Ledger.Posted("") // before looking, so that nothing falls between
		feeds, err := d.o.Ledger.FeedsDue(ctx, mostFeeds)
		if err != nil && ctx.Err() == nil {
			d.o.Log.ErrorContext(ctx, "what is to be delivered could not be read", "error", err)
		}
		for _, f := range feeds {
			if d.begin(f.Feed) {
				wg.Go(func() {
					defer d.end(f.Feed)
					d.serve(ctx, f)
				})
			}
		}
		select {
		case <-ctx.Done():
		case <-posted:
		case <-tick.C:
		}
	}
	return nil
}

// begin is true when nobody in this process serves a feed yet.
func (d *Door) begin(f account.FeedID) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.busy[f] {
		return false
	}
	d.busy[f] = true
	return true
}

func (d *Door) end(f account.FeedID) {
	d.mu.Lock()
	defer d.mu.Unlock()
	delete(d.busy, f)
}

// serve sends to one feed until nothing is due. A slow one holds up nobody but itself.
func (d *Door) serve(ctx context.Context, ref store.FeedRef) {
	for ctx.Err() == nil {
		posted := d.o.Ledger.Posted(ref.Feed)
		p, err := d.o.Ledger.ClaimDeliveries(ctx, ref, claimAtOnce)
		if err != nil {
			if ctx.Err() == nil {
				d.o.Log.ErrorContext(ctx, "deliveries could not be claimed", "feed", ref.Feed, "error", err)
			}
			return
		}
		if len(p.Deliveries) == 0 {
			select {
			case <-posted: // while it was looking; the feed is still marked as served
				continue
			default:
				return
			}
		}
		var wg sync.WaitGroup
		work := make(chan account.Delivery)
		for range min(feedParallel, len(p.Deliveries)) {
			wg.Go(func() {
				for one := range work {
					d.deliver(ctx, p, one)
				}
			})
		}
		for _, one := range p.Deliveries {
			work <- one
		}
		close(work)
		wg.Wait()
	}
}

// deliver makes one try and notes what came of it.
func (d *Door) deliver(ctx context.Context, p store.Parcel, one account.Delivery) {
	select {
	case d.slots <- struct{}{}:
		defer func() { <-d.slots }()
	case <-ctx.Done():
		return // due again when its claim runs out
	}
	began := time.Now()
	o := d.try(ctx, p, one)
	if ctx.Err() != nil && o.Answer == 0 {
		return // stopped, not failed
	}
	d.o.Metrics.Delivered(p.Feed.Kind, string(o.Verdict))
	level := slog.LevelDebug
	if o.Verdict != store.Delivered {
		level = slog.LevelInfo
	}
	d.o.Log.Log(ctx, level, "delivery", "feed", p.Feed.ID, "delivery", one.ID, "type", one.Type, "outcome", o.Verdict, "status", o.Answer,
		"tries", one.Attempts+1, "error", o.Error, "ms", time.Since(began).Milliseconds())
	// What was answered is noted even when the house is closing.
	if _, err := d.o.Ledger.Delivered(context.WithoutCancel(ctx), p.Feed.Account, one, o); err != nil {
		d.o.Log.ErrorContext(ctx, "what came of a delivery could not be noted; it will be sent again", "delivery", one.ID, "error", err)
	}
}

func (d *Door) try(ctx context.Context, p store.Parcel, one account.Delivery) store.Outcome {
	ctx, cancel := context.WithTimeout(ctx, tryTimeout)
	defer cancel()
	r, err := d.request(ctx, p, one)
	if err != nil {
		return store.Outcome{Verdict: store.GiveUp, Error: err.Error()}
	}
	a := d.send(r)
	return judge(p.Feed.Kind, a, one.Attempts, d.o.Now().Sub(one.At), d.o.Now(), rand.Float64)
}

func (d *Door) request(ctx context.Context, p store.Parcel, one account.Delivery) (*http.Request, error) {
	if p.Feed.Kind == account.Webhook {
		return webhookRequest(ctx, p, one, d.o.Now())
	}
	return d.tokenRequest(ctx, p, one)
}

// count tells the depth of the outbox every now and then.
func (d *Door) count(ctx context.Context) {
	tick := time.NewTicker(countEvery)
	defer tick.Stop()
	for {
		depth, oldest, err := d.o.Ledger.Outbox(ctx)
		if err == nil {
			d.o.Metrics.Outbox(depth, oldest)
		}
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}
