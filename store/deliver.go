package store

import (
	"context"
	"time"

	"github.com/drawbridge-id/drawbridge/account"
	"github.com/drawbridge-id/drawbridge/store/internal/table"
)

const (
	deliveryLease = time.Minute         // longer than a try may take; after that another replica tries
	heldFor       = 7 * 24 * time.Hour  // what waits longer is given up
	heldMost      = 10_000              // and of what waits for one feed, the oldest beyond so many
	deadFor       = 30 * 24 * time.Hour // what was given up can be replayed for so long
	doneFor       = 7 * 24 * time.Hour
)

// A FeedRef names a feed.
type FeedRef = table.FeedRef

// A Parcel is what is to be sent to one feed now, with what it takes to send it. The deliveries are of different subjects.
type Parcel struct {
	Feed          account.Feed
	Secrets       []account.Secret   // of a webhook, the newest first
	Authorization account.Secret     // of a stream; may be empty
	Key           account.SigningKey // of a stream
	Deliveries    []account.Delivery
}

// FeedsDue lists the feeds, at most n, to which something is to be pushed now.
func (l *Ledger) FeedsDue(ctx context.Context, n int) (out []FeedRef, err error) {
	err = l.db.Look(ctx, func(tx *table.Tx) (err error) { out, err = tx.FeedsDue(l.now(), n); return err })
	return out, err
}

// ClaimDeliveries takes at most n deliveries that are due to a feed. Nobody else is given them for a minute; Delivered says what came of
// each. Whatever ends this process in between, they are due again after that: at least once.
func (l *Ledger) ClaimDeliveries(ctx context.Context, ref FeedRef, n int) (Parcel, error) {
	p, err := l.parcel(ctx, ref, n)
	if err != nil || len(p.Deliveries) == 0 {
		return p, err
	}
	until := l.now().Add(deliveryLease)
	var mine []account.Delivery
	err = l.db.Write(ctx, func(tx *table.Tx) error {
		mine = nil
		for _, d := range p.Deliveries {
			ok, err := tx.ClaimDelivery(table.Delivery{Account: ref.Account, Delivery: d}, until)
			if err != nil {
				return err
			}
			if ok {
				d.DueAt = until
				mine = append(mine, d)
			}
		}
		return nil
	})
	p.Deliveries = mine
	return p, err
}

func (l *Ledger) parcel(ctx context.Context, ref FeedRef, n int) (p Parcel, err error) {
	err = l.db.Read(ctx, func(tx *table.Tx) error {
		f, found, err := tx.Feed(ref.Account, ref.Feed)
		if err != nil || !found {
			return err
		}
		rows, err := tx.DeliveriesDue(f, l.now(), n)
		if err != nil || len(rows) == 0 {
			return err
		}
		p = Parcel{Feed: f.Feed}
		for _, r := range rows {
			p.Deliveries = append(p.Deliveries, r.Delivery)
		}
		if f.Kind == account.Webhook {
			p.Secrets, err = l.feedSecrets(tx, f)
			return err
		}
		if p.Key, err = l.signingKey(tx, f.Account); err != nil {
			return err
		}
		p.Authorization, err = l.feedAuthorization(tx, f)
		return err
	})
	return p, err
}

// A Verdict is what came of a try.
type Verdict string

// The verdicts.
const (
	Delivered   Verdict = "delivered"
	TryAgain    Verdict = "again"
	GiveUp      Verdict = "dead"     // trying again cannot help
	PauseFeed   Verdict = "paused"   // the receiver does not take us for who we are: somebody has to look
	DisableFeed Verdict = "disabled" // the receiver wants no more
)

// An Outcome is a verdict with what it takes to explain it.
type Outcome struct {
	Verdict Verdict
	After   time.Duration // TryAgain: not before
	Answer  int           // HTTP status; 0: none came
	Error   string        // what went wrong, for people
}

// Delivered notes what came of a delivery that ClaimDeliveries gave out. It is false when the claim had run out and somebody else has it.
func (l *Ledger) Delivered(ctx context.Context, a account.AccountID, d account.Delivery, o Outcome) (bool, error) {
	noted := false
	by := account.Actor{Kind: account.ActorSystem, Job: "feeds"}
	err := l.db.Write(ctx, func(tx *table.Tx) error {
		now := l.now()
		next := table.Delivery{Account: a, Delivery: d}
		next.Answer, next.Error = o.Answer, clip(o.Error, 500)
		switch {
		case o.Verdict == Delivered:
			next.State, next.EndedAt = account.DeliveryDone, now
		case o.Verdict == TryAgain:
			next.Attempts, next.DueAt = d.Attempts+1, now.Add(o.After)
		case o.Verdict == PauseFeed && !d.Control:
			next.DueAt = now // it is held with all others
		default:
			next.Attempts, next.State, next.EndedAt = d.Attempts+1, account.DeliveryDead, now
		}
		var err error
		if noted, err = tx.FinishDelivery(next, d.DueAt); err != nil || !noted || d.Control {
			return err
		}
		switch o.Verdict {
		case PauseFeed:
			return l.stopFeed(tx, by, a, d.Feed, account.FeedPaused, next.Error, now)
		case DisableFeed:
			return l.stopFeed(tx, by, a, d.Feed, account.FeedDisabled, next.Error, now)
		}
		return nil
	})
	return noted, err
}

// stopFeed pauses or disables a feed because of how it answers, and says so: in the log, the audit log, and to the other feeds.
func (l *Ledger) stopFeed(tx *table.Tx, by account.Actor, a account.AccountID, id account.FeedID, s account.FeedStatus, why string, now time.Time) error {
	house, found, err := tx.LockHouse(a)
	if err != nil || !found {
		return err
	}
	h, err := l.hand(tx, by, house, found, now)
	if err != nil {
		return err
	}
	f, found, err := h.Tx.Feed(a, id)
	if err != nil || !found || f.Status != account.FeedEnabled {
		return err
	}
	if err := h.setFeedStatus(&f, s, why, true); err != nil {
		return err
	}
	word := account.WordFeedPaused
	if s == account.FeedDisabled {
		word = account.WordFeedDisabled
	}
	if err := h.announce(account.Announcement{What: word, Feed: id, Reason: why}); err != nil {
		return err
	}
	if err := h.writeOwners("feed_stopped", map[string]string{"Org": h.Org.Name, "Feed": f.Name, "URL": f.URL, "Status": string(s), "Reason": why}); err != nil {
		return err
	}
	l.opt.Log.Warn("a feed was stopped", "account", a, "feed", id, "status", s, "reason", why)
	return h.audit(word, note{Target: string(id), Reason: why, Detail: map[string]any{"name": f.Name}})
}

// Deliveries lists what goes and went to a feed, newest first, from before one ("" from the newest), at most n (up to 1,000); in one state
// when s is not "". Owners and the operator may.
func (l *Ledger) Deliveries(ctx context.Context, by account.Actor, a account.AccountID, f account.FeedID, s account.DeliveryState, before account.EventID, n int) (out []account.Delivery, err error) {
	err = l.look(ctx, by, a, owners, func(h *hand) error {
		if _, err := h.feed(f); err != nil {
			return err
		}
		rows, err := h.Tx.Deliveries(a, f, s, before, min(max(n, 1), 1000))
		for _, r := range rows {
			out = append(out, r.Delivery)
		}
		return err
	})
	return out, err
}

// Replay sends again what was given up: one delivery, or all of a feed with "". They keep their identifiers, by which a receiver knows what it
// has, and come before what waits of the same subject. It says how many. Owners and the operator may.
func (l *Ledger) Replay(ctx context.Context, by account.Actor, a account.AccountID, id account.FeedID, d account.EventID) (int, error) {
	var n int64
	err := l.change(ctx, by, a, "feed.replayed", owners, func(h *hand) (*note, error) {
		f, err := h.feed(id)
		if err != nil {
			return nil, err
		}
		if n, err = h.ReviveDelivery(f, d, h.now); err != nil {
			return nil, err
		}
		if n == 0 {
			if d == "" {
				return nil, nil
			}
			return nil, account.Errorf(account.NotFound, "The feed has no such delivery that was given up.")
		}
		h.Settled(func(_, _ time.Time) { l.bell.ring(id) })
		return &note{Target: string(id), Detail: map[string]any{"deliveries": n}}, nil
	})
	return int(n), err
}

// Outbox says how many deliveries wait on this installation, and for how long the oldest has.
func (l *Ledger) Outbox(ctx context.Context) (depth int, oldest time.Duration, err error) {
	err = l.db.Look(ctx, func(tx *table.Tx) error {
		n, since, err := tx.Outbox()
		if depth = int(n); n > 0 {
			oldest = max(l.now().Sub(since), 0)
		}
		return err
	})
	return depth, oldest, err
}

// tidyFeeds gives up what has been held too long or is too much, and forgets what is over.
func (l *Ledger) tidyFeeds(ctx context.Context) error {
	for more := true; more; {
		err := l.db.Write(ctx, func(tx *table.Tx) error {
			now := l.now()
			held, err := tx.GiveUpHeld(now.Add(-heldFor), now, "held for seven days", purgeBatch)
			if err != nil {
				return err
			}
			dead, err := tx.PurgeDeliveries(account.DeliveryDead, now.Add(-deadFor), purgeBatch)
			if err != nil {
				return err
			}
			done, err := tx.PurgeDeliveries(account.DeliveryDone, now.Add(-doneFor), purgeBatch)
			more = max(held, dead, done) >= purgeBatch
			return err
		})
		if err != nil {
			return err
		}
	}
	var full []table.Feed
	err := l.db.Look(ctx, func(tx *table.Tx) (err error) { full, err = tx.FeedsHolding(heldMost); return err })
	for _, f := range full {
		if err != nil {
			return err
		}
		err = l.db.Write(ctx, func(tx *table.Tx) error {
			_, err := tx.GiveUpOldest(f, heldMost, l.now(), "more than 10,000 were held")
			return err
		})
	}
	return err
}
