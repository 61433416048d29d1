package store

import (
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/drawbridge-id/drawbridge/account"
)

func (h *house) webhook(name string, events ...string) account.Feed {
	h.Helper()
	f, _, err := h.AddFeed(h.ctx(), theOperator, h.acme.ID, account.Feed{Name: name, Kind: account.Webhook, URL: "https://hooks.acme.example/" + name, Events: events}, account.Secret{})
	h.ok(err)
	return f
}

func (h *house) waiting(f account.Feed, s account.DeliveryState) []account.Delivery {
	h.Helper()
	all, err := h.Deliveries(h.ctx(), theOperator, h.acme.ID, f.ID, s, "", 1000)
	h.ok(err)
	return all
}

func TestWhatIsHeldTooLongIsGivenUpAndForgottenAMonthLater(t *testing.T) {
	each(t, func(h *house) {
		f := h.webhook("ops", account.WordAdded)
		_, err := h.AddPerson(h.ctx(), theOperator, h.acme.ID, "ana@acme.example", "Ana", account.Member)
		h.ok(err)
		h.clock.turn(6 * 24 * time.Hour)
		h.ok(h.tidyFeeds(h.ctx()))
		if n := len(h.waiting(f, account.DeliveryWaiting)); n != 1 {
			h.Fatalf("after six days %d wait", n)
		}
		h.clock.turn(2 * 24 * time.Hour)
		h.ok(h.tidyFeeds(h.ctx()))
		if dead := h.waiting(f, account.DeliveryDead); len(dead) != 1 || dead[0].Error != "held for seven days" {
			h.Fatalf("after eight days given up are %+v", dead)
		}
		h.clock.turn(31 * 24 * time.Hour)
		h.ok(h.tidyFeeds(h.ctx()))
		if all := h.waiting(f, ""); len(all) != 0 {
			h.Errorf("a month later there are %+v", all)
		}
	})
}

func TestTwoReplicasNeverHaveOneDeliveryAtOnceAndALostClaimIsTakenAgain(t *testing.T) {
	each(t, func(h *house) {
		f := h.webhook("ops", account.WordAdded)
		const people = 20
		for i := range people {
			_, err := h.AddPerson(h.ctx(), theOperator, h.acme.ID, fmt.Sprintf("p%d@acme.example", i), "", account.Member)
			h.ok(err)
		}
		ref := FeedRef{Account: h.acme.ID, Feed: f.ID}
		other := h.Ledger
		if h.url[:6] != "sqlite" {
			other = h.reopen()
		}
		var mu sync.Mutex
		claims := map[account.EventID]int{}
		var wg sync.WaitGroup
		for _, l := range []*Ledger{h.Ledger, other} {
			wg.Go(func() {
				for {
					p, err := l.ClaimDeliveries(h.ctx(), ref, 3)
					if err != nil {
						h.Error(err)
						return
					}
					mu.Lock()
					for _, d := range p.Deliveries {
						claims[d.ID]++
					}
					left := people - len(claims)
					mu.Unlock()
					if left == 0 {
						return
					}
				}
			})
		}
		wg.Wait()
		for id, n := range claims {
			if n != 1 {
				h.Errorf("%s was given out %d times", id, n)
			}
		}
		if due, err := h.FeedsDue(h.ctx(), 10); err != nil || len(due) != 0 {
			h.Errorf("due are %v, %v", due, err)
		}
		h.clock.turn(2 * time.Minute)
		p, err := h.ClaimDeliveries(h.ctx(), ref, 1)
		if err != nil || len(p.Deliveries) != 1 {
			h.Fatalf("taken again are %+v, %v", p.Deliveries, err)
		}
		late := p.Deliveries[0]
		h.clock.turn(2 * time.Minute)
		again, err := h.ClaimDeliveries(h.ctx(), ref, 50)
		if err != nil || len(again.Deliveries) != people {
			h.Fatalf("taken again are %d, %v", len(again.Deliveries), err)
		}
		if noted, err := h.Delivered(h.ctx(), h.acme.ID, late, Outcome{Verdict: GiveUp}); noted || err != nil {
			h.Errorf("who lost a claim has a say: %v, %v", noted, err)
		}
	})
}

func TestFeedsAreTheOwnersBusiness(t *testing.T) {
	each(t, func(h *house) {
		f := h.webhook("ops")
		member, err := h.AddPerson(h.ctx(), theOperator, h.acme.ID, "mia@acme.example", "", account.Admin)
		h.ok(err)
		by := account.Actor{Kind: account.ActorUser, User: member.ID, Account: h.acme.ID}
		_, err = h.Feeds(h.ctx(), by, h.acme.ID)
		h.refuses(err, account.Forbidden, "")
		_, _, err = h.AddFeed(h.ctx(), by, h.acme.ID, account.Feed{Name: "x", Kind: account.Webhook, URL: "https://x.example"}, account.Secret{})
		h.refuses(err, account.Forbidden, "")
		_, err = h.RotateFeedSecret(h.ctx(), by, h.acme.ID, f.ID)
		h.refuses(err, account.Forbidden, "")
		_, err = h.Replay(h.ctx(), by, h.acme.ID, f.ID, "")
		h.refuses(err, account.Forbidden, "")
		h.refuses(h.RemoveFeed(h.ctx(), by, h.acme.ID, f.ID), account.Forbidden, "")
		_, _, err = h.AddFeed(h.ctx(), theOperator, h.acme.ID, account.Feed{Name: "ops", Kind: account.Webhook, URL: "https://x.example"}, account.Secret{})
		h.refuses(err, account.Conflict, "name_taken")
		_, _, err = h.AddFeed(h.ctx(), theOperator, h.acme.ID, account.Feed{Name: "y", Kind: account.Webhook, URL: "https://x.example", Events: []string{"user.born"}}, account.Secret{})
		h.refuses(err, account.Invalid, "")
		h.ok(h.RemoveFeed(h.ctx(), theOperator, h.acme.ID, f.ID))
		h.refuses(h.RemoveFeed(h.ctx(), theOperator, h.acme.ID, f.ID), account.NotFound, "")
	})
}
