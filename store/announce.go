package store

import (
	"cmp"
	"net/url"
	"strings"
	"sync"
	"time"

	"github.com/drawbridge-id/drawbridge/account"
	"github.com/drawbridge-id/drawbridge/rules"
	"github.com/drawbridge-id/drawbridge/store/internal/table"
)

// announce tells the feeds of the account that want to hear it that something happened, in the transaction in which it does. Without
// feeds it costs nothing. What came in from an issuer is not sent back to it.
func (h *hand) announce(e account.Announcement) error {
	return h.l.announce(h.Tx, h.House, h.by, h.now, e)
}

// announce is hand.announce for transactions that have no hand.
func (l *Ledger) announce(tx *table.Tx, house table.House, by account.Actor, now time.Time, e account.Announcement) error {
	if house.Feeds == 0 {
		return nil
	}
	feeds, err := tx.Feeds(house.Account.ID)
	if err != nil {
		return err
	}
	if e.User != "" && e.Email == "" {
		u, _, err := tx.User(e.User)
		if err != nil {
			return err
		}
		e.Email = u.Email
	}
	e.At, e.Account, e.By, e.Initiator = now, house.Account.ID, by.String(), account.InitiatorOf(by, e.User)
	e.Txn = cmp.Or(e.Txn, by.Txn, by.Request, string(e.Receipt), string(account.NewID[account.EventID](now, l.opt.Random)))
	for _, f := range feeds {
		if f.Status == account.FeedDisabled || by.Issuer != "" && speaksAs(f.Feed, by.Issuer) {
			continue
		}
		events := e.Words()
		if f.Kind == account.SSF {
			events = e.Signals()
			gone, err := tx.RemovedFromFeed(f.Account, f.ID, e.User)
			if err != nil {
				return err
			}
			if gone {
				continue
			}
		}
		for _, event := range events {
			if !f.Wants(event) {
				continue
			}
			if err := l.post(tx, f, event, e); err != nil {
				return err
			}
		}
	}
	return nil
}

// post puts one announcement on its way to one feed.
func (l *Ledger) post(tx *table.Tx, f table.Feed, event string, e account.Announcement) error {
	control := event == account.SignalVerification || event == account.SignalStreamUpdated
	subject := e.Subject()
	if control {
		subject = ""
	}
	tx.Settled(func(_, _ time.Time) { l.bell.ring(f.ID) })
	return tx.InsertDelivery(table.Delivery{Account: f.Account, Delivery: account.Delivery{
		ID: account.NewID[account.EventID](e.At, l.opt.Random), Feed: f.ID, Type: event, Subject: subject, Control: control, About: e, At: e.At, DueAt: e.At}})
}

// speaksAs reports whether the far side of a feed is an issuer: it says so, or speaks from the same host.
func speaksAs(f account.Feed, issuer string) bool {
	if f.Peer != "" {
		return strings.TrimSuffix(f.Peer, "/") == strings.TrimSuffix(issuer, "/")
	}
	there, err := url.Parse(f.URL)
	from, err2 := url.Parse(issuer)
	return err == nil && err2 == nil && from.Host != "" && strings.EqualFold(there.Host, from.Host)
}

// announceElsewhere tells the other accounts of somebody who was disabled everywhere, and not by whom: that is another company's business.
func (h *hand) announceElsewhere(r account.Receipt) error {
	if !r.Disabled {
		return nil
	}
	accounts, err := h.AccountsOf(r.User)
	for _, a := range accounts {
		if err != nil || a == h.Account.ID {
			continue
		}
		var house table.House
		if house, _, err = h.Tx.House(a); err == nil {
			by := account.Actor{Kind: account.ActorSystem, Job: "disabled", Issuer: h.by.Issuer}
			err = h.l.announce(h.Tx, house, by, h.now, account.Announcement{What: account.WordDeactivated, User: r.User, Email: r.Email, Everywhere: true,
				Reason: "disabled by the company that their address belongs to"})
		}
	}
	return err
}

// announceSessions tells that some sessions of a person ended, or all of them.
func (h *hand) announceSessions(u account.UserID, ended []account.SessionID, all bool, r account.Receipt) error {
	if all {
		return h.announceRemoval(account.WordSessionEnded, r)
	}
	for _, id := range ended {
		if err := h.announce(account.Announcement{What: account.WordSessionEnded, User: u, Session: id, Reason: r.Why, Receipt: r.ID, Txn: r.Txn}); err != nil {
			return err
		}
	}
	return nil
}

// announceLogout tells which sessions a provider's logout is about to end.
func (l *Ledger) announceLogout(tx *table.Tx, by account.Actor, a account.AccountID, now time.Time, c account.ConnectionID, subject, providerSession string) error {
	house, _, err := tx.House(a)
	if err != nil || house.Feeds == 0 {
		return err
	}
	meant, err := tx.SessionsMeant(c, subject, providerSession)
	for _, s := range meant {
		if err == nil {
			err = l.announce(tx, house, by, now, account.Announcement{What: account.WordSessionEnded, User: s.User, Session: s.ID, Connection: c, Reason: "signed out at the provider"})
		}
	}
	return err
}

// announceMove tells what rules or hands gave a person and took from them; after is all that they hold then.
func (l *Ledger) announceMove(tx *table.Tx, house table.House, by account.Actor, now time.Time, u account.UserID, before []account.Held, c rules.Change) error {
	if house.Feeds == 0 {
		return nil
	}
	after := c.After(before)
	gained, lost := missing(after, before), missing(before, after)
	if len(gained)+len(lost) == 0 { // another source for what was held anyway
		return nil
	}
	return l.announce(tx, house, by, now, account.Announcement{What: account.RolesChanged, User: u, Granted: gained, Withdrawn: lost, Holds: missing(after, nil)})
}

// announceMove is Ledger.announceMove.
func (h *hand) announceMove(u account.UserID, before []account.Held, c rules.Change) error {
	return h.l.announceMove(h.Tx, h.House, h.by, h.now, u, before, c)
}

// missing are the roles of some that are not among others.
func missing(some, others []account.Held) []account.RoleAt {
	var out []account.RoleAt
	for _, h := range some {
		if !account.HasRole(others, h.Scope, h.Role) {
			out = append(out, account.RoleAt{Role: h.Role, Org: h.Scope.Org, Team: h.Scope.Team})
		}
	}
	return out
}

// announceRemoval tells that somebody was shut out, as its receipt says.
func (h *hand) announceRemoval(what string, r account.Receipt) error {
	return h.announce(account.Announcement{What: what, User: r.User, Email: r.Email, Sessions: r.Sessions, Keys: r.Keys, Everywhere: r.Disabled,
		Reason: r.Why, Receipt: r.ID, Txn: r.Txn})
}

// A bell tells whoever waits in this process that something is to be delivered.
type bell struct {
	mu      sync.Mutex
	waiting map[account.FeedID]chan struct{}
}

// wait gives what is closed when the bell rings next for a feed; for any feed with "".
func (b *bell) wait(f account.FeedID) <-chan struct{} {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.waiting == nil {
		b.waiting = map[account.FeedID]chan struct{}{}
	}
	c, ok := b.waiting[f]
	if !ok {
		c = make(chan struct{})
		b.waiting[f] = c
	}
	return c
}

func (b *bell) ring(f account.FeedID) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, id := range []account.FeedID{f, ""} {
		if c, ok := b.waiting[id]; ok {
			close(c)
			delete(b.waiting, id)
		}
	}
}

// Posted gives what is closed when something is put on its way to a feed in this process, or to any with "".
func (l *Ledger) Posted(f account.FeedID) <-chan struct{} { return l.bell.wait(f) }
