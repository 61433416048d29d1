package test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/drawbridge-id/drawbridge/account"
	"github.com/drawbridge-id/drawbridge/test/world"
	"github.com/drawbridge-id/drawbridge/web/api"
)

// ticketed has a person set up a second connection in an org, and gives its ticket.
func ticketed(w *world.World, org string, u account.UserID) account.Ticket {
	w.Helper()
	acct, _ := w.Account(org)
	all, err := w.House.Ledger.Connections(w.Context(), world.Operator, acct.ID)
	ok(w, err)
	like, err := w.House.Ledger.Connection(w.Context(), all[0].ID)
	ok(w, err)
	c, err := w.House.Ledger.SaveDraft(w.Context(), account.Actor{Kind: account.ActorUser, User: u}, acct.ID, "", "second", *like.Live)
	ok(w, err)
	tickets, err := w.House.Ledger.Tickets(w.Context(), world.Operator, acct.ID, "", 10)
	ok(w, err)
	for _, t := range tickets {
		if t.Connection == c.ID {
			return t
		}
	}
	w.Fatalf("the connection has no ticket: %+v", tickets)
	return account.Ticket{}
}

// REQ K-16, K-17, K-18, K-19, T-16
func TestTheCustomerConfirmsAndTheOperatorFinalises(t *testing.T) {
	world.Each(t, func(w *world.World) {
		acme := w.Acme()
		l, ctx := w.House.Ledger, w.Context()
		acct, org := w.Account("acme")
		olga := acme.As("olga@acme.example")
		t := ticketed(w, "acme", olga.Session().User.ID)
		path := "/api/v1/tickets/" + string(t.ID)
		if got := read[api.Ticket](ask(w, olga, "GET", path, nil).is(200)); got.State != account.TicketRequested || got.Assignee != olga.Session().User.ID {
			w.Errorf("at first the ticket is %+v", got)
		}

		// A colleague takes it over; from then on it is read-only for Olga.
		ask(w, olga, "POST", path+"/reassign", map[string]string{"email": "ben@acme.example"}).refuses(409, "no_user_admin")
		ben := acme.As("ben@acme.example")
		ok(w, l.Grant(ctx, world.Operator, acct.ID, ben.Session().User.ID, account.Scope{Org: org.ID}, account.UserAdmin))
		ask(w, olga, "POST", path+"/reassign", map[string]string{"email": "ben@acme.example"}).is(200)
		at := linked(w, letter(w, "ben@acme.example", 1), "/ticket/")
		ask(w, olga, "GET", at, nil).is(404) // it is for Ben
		ask(w, ben, "GET", at, nil, "Accept", "text/html").is(200).says("Take it over", string(t.ID))
		press(w, ben, at).is(200).says("You configure second")
		press(w, ben, at).is(409)
		by := func(b *world.Browser) account.Actor {
			return account.Actor{Kind: account.ActorUser, User: b.Session().User.ID}
		}
		like, err := l.Connection(ctx, t.Connection)
		ok(w, err)
		next := *like.Draft
		next.MaxSession = time.Hour
		if _, err := l.SaveDraft(ctx, by(olga), acct.ID, t.Connection, "", next); account.KindOf(err) != account.Forbidden || !strings.Contains(err.Error(), "read-only") {
			w.Errorf("whoever handed it over still configures: %v", err)
		}
		_, err = l.SaveDraft(ctx, by(ben), acct.ID, t.Connection, "", next)
		ok(w, err)

		// Confirm needs the test and the company's decision, and does not make it live.
		f, err := l.StartFlow(ctx, account.Flow{Connection: t.Connection, Which: account.Draft, Test: true})
		ok(w, err)
		ok(w, l.FinishTest(ctx, world.Operator, f, account.Diagnosis{Outcome: account.OutcomePassed}))
		confirm := func() reply {
			return ask(w, ben, "POST", fmt.Sprintf("/api/v1/connections/%s/promote", t.Connection), nil)
		}
		confirm().refuses(409, "sync_decision_needed")
		_, err = l.FinaliseTicket(ctx, world.Operator, t.ID)
		if account.KindOf(err) != account.Conflict {
			w.Errorf("what is not confirmed is finalised: %v", err)
		}
		_, err = l.RecordSyncDecision(ctx, world.Operator, t.Connection, account.SyncDecision{Decision: account.SyncNone, AcknowledgedBy: "olga@acme.example", Evidence: "<1@acme.example>"})
		ok(w, err)
		confirm().is(200)
		if c, err := l.Connection(ctx, t.Connection); err != nil || c.Live != nil {
			w.Errorf("confirmed, the connection is live already: %v", err)
		}
		w.Clock.Turn(25 * time.Hour)
		olga = acme.As("olga@acme.example")
		if got := read[api.Ticket](ask(w, olga, "GET", path, nil).is(200)); got.State != account.TicketConfirmed || got.Age < 25*3600 || !got.Overdue {
			w.Errorf("confirmed, the ticket is %+v", got)
		}
		if _, err := l.FinaliseTicket(ctx, by(olga), t.ID); account.KindOf(err) != account.Forbidden {
			w.Errorf("a customer finalises: %v", err)
		}
		_, err = l.FinaliseTicket(ctx, world.Operator, t.ID)
		if account.KindOf(err) != account.Conflict || !strings.Contains(err.Error(), "No domain is tied") {
			w.Errorf("without a domain it is finalised: %v", err)
		}
		domains, err := l.Domains(ctx, world.Operator, acct.ID)
		ok(w, err)
		ok(w, l.TieDomain(ctx, world.Operator, domains[0].ID, t.Connection))
		done, err := l.FinaliseTicket(ctx, world.Operator, t.ID)
		ok(w, err)
		if c, err := l.Connection(ctx, t.Connection); err != nil || c.Live == nil || done.State != account.TicketFinalised {
			w.Errorf("finalised, the connection is not live: %+v, %v", done, err)
		}
		letter(w, "olga@acme.example", 1)
		letter(w, "ben@acme.example", 2)
		// Federating sends nobody to the provider: the domain is not cut over.
		if domains, err = l.Domains(ctx, world.Operator, acct.ID); err != nil || domains[0].CutOver {
			w.Errorf("finalising cut the domain over: %+v, %v", domains, err)
		}
	})
}
