package api

import (
	"context"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/drawbridge-id/drawbridge/account"
	"github.com/drawbridge-id/drawbridge/store"
)

// Ticket is the onboarding of a connection, quoted in support.
type Ticket struct {
	ID          account.TicketID     `json:"id"`
	Connection  account.ConnectionID `json:"connection"`
	State       account.TicketState  `json:"state" enum:"requested,confirmed,finalised"`
	OpenedAt    time.Time            `json:"opened_at"`
	OpenedBy    account.UserID       `json:"opened_by"`
	Assignee    account.UserID       `json:"assignee" doc:"Configures; for others the draft is read-only."`
	ConfirmedAt *time.Time           `json:"confirmed_at,omitempty"`
	FinalisedAt *time.Time           `json:"finalised_at,omitempty"`
	Age         float64              `json:"age_seconds" doc:"Since it was confirmed, until it was finalised."`
	Target      float64              `json:"target_seconds" doc:"How soon the operator finalises."`
	Overdue     bool                 `json:"overdue"`
}

func (a *API) ticket(t account.Ticket) Ticket {
	age, target := t.Age(a.opt.Now()), a.opt.Ledger.FinaliseTarget()
	return Ticket{t.ID, t.Connection, t.State, t.OpenedAt, t.OpenedBy, t.Assignee, when(t.ConfirmedAt), when(t.FinalisedAt), age.Seconds(), target.Seconds(), age > target}
}

// A TicketPath names a ticket.
type TicketPath struct {
	Ticket account.TicketID `path:"ticket" maxLength:"64"`
}

type ticketsPage struct {
	Tickets []Ticket         `json:"tickets"`
	Next    account.TicketID `json:"next,omitempty"`
}

type nativePage struct {
	Users []store.NativeUser `json:"users"`
	Next  account.UserID     `json:"next,omitempty"`
}

func (a *API) tickets(h huma.API) {
	list := op(http.MethodGet, "/orgs/{org}/tickets", "list-tickets", "Onboardings of connections, newest first")
	list.Description = "For owners and user admins."
	huma.Register(h, list, func(ctx context.Context, in *struct {
		OrgPath
		After account.TicketID `query:"after" maxLength:"64" doc:"Cursor: \"next\" of the page before."`
		Limit int              `query:"limit" default:"100" minimum:"1" maximum:"500"`
	}) (*body[ticketsPage], error) {
		acct, _, err := a.in(ctx, in.Org)
		if err != nil {
			return nil, problem(ctx, err)
		}
		all, err := a.opt.Ledger.Tickets(ctx, caller(ctx), acct.ID, in.After, in.Limit)
		page := ticketsPage{Tickets: []Ticket{}}
		for _, t := range all {
			page.Tickets = append(page.Tickets, a.ticket(t))
		}
		if len(all) == in.Limit {
			page.Next = all[len(all)-1].ID
		}
		return answer(ctx, page, err)
	})
	get := op(http.MethodGet, "/tickets/{ticket}", "get-ticket", "An onboarding, with its age against the target")
	get.Description = "For owners and user admins of its org."
	huma.Register(h, get, func(ctx context.Context, in *TicketPath) (*body[Ticket], error) {
		t, err := a.opt.Ledger.Ticket(ctx, caller(ctx), in.Ticket)
		return answer(ctx, a.ticket(t), err)
	})
	reassign := inPerson(op(http.MethodPost, "/tickets/{ticket}/reassign", "reassign-ticket", "Hand an onboarding to a colleague, who accepts by a link in a letter"))
	reassign.Description = "For whom it is assigned to, and every owner. The colleague owns the org or is a user admin of it. An owner who reassigns to themselves has it at once."
	huma.Register(h, reassign, func(ctx context.Context, in *struct {
		TicketPath
		Body struct {
			Email string `json:"email" maxLength:"320"`
		}
	}) (*body[Ticket], error) {
		t, err := a.opt.Ledger.ReassignTicket(ctx, caller(ctx), in.Ticket, in.Body.Email)
		return answer(ctx, a.ticket(t), err)
	})
	native := op(http.MethodGet, "/orgs/{org}/domains/{domain}/native-users", "list-native-users", "People of a domain who still sign in with a password, and what they hold")
	native.Description = "For owners of the org that holds the domain. What they hold in other companies' accounts is counted and not told."
	huma.Register(h, native, func(ctx context.Context, in *struct {
		DomainPath
		After account.UserID `query:"after" maxLength:"64"`
		Limit int            `query:"limit" default:"100" minimum:"1" maximum:"500"`
	}) (*body[nativePage], error) {
		if err := a.holds(ctx, in.DomainPath); err != nil {
			return nil, problem(ctx, err)
		}
		users, err := a.opt.Ledger.NativeUsers(ctx, caller(ctx), in.Domain, in.After, in.Limit)
		page := nativePage{Users: users}
		if users == nil {
			page.Users = []store.NativeUser{}
		}
		if len(users) == in.Limit {
			page.Next = users[len(users)-1].User
		}
		return answer(ctx, page, err)
	})
	tell := inPerson(op(http.MethodPost, "/orgs/{org}/domains/{domain}/native-users/tell", "tell-native-users", "Write to them what will change"))
	tell.Description = "For owners of the org that holds the domain, once a day."
	huma.Register(h, tell, func(ctx context.Context, in *struct {
		DomainPath
		Body struct {
			Message string `json:"message" maxLength:"10000"`
			Contact string `json:"contact" maxLength:"320" doc:"Whom they ask."`
		}
	}) (*body[told], error) {
		err := a.holds(ctx, in.DomainPath)
		out := told{}
		if err == nil {
			out.Told, err = a.opt.Ledger.TellNativeUsers(ctx, caller(ctx), in.Domain, in.Body.Message, in.Body.Contact)
		}
		return answer(ctx, out, err)
	})
}

type told struct {
	Told int `json:"told"`
}

// A DomainPath names a domain of an org.
type DomainPath struct {
	OrgPath
	Domain string `path:"domain" maxLength:"253" doc:"The domain's name."`
}

// holds asks that the org has claimed the domain.
func (a *API) holds(ctx context.Context, in DomainPath) error {
	acct, _, err := a.in(ctx, in.Org)
	if err != nil {
		return err
	}
	all, err := a.opt.Ledger.Domains(ctx, caller(ctx), acct.ID)
	if err != nil {
		return err
	}
	for _, d := range all {
		if d.Name == in.Domain && d.Counts() {
			return nil
		}
	}
	return account.Errorf(account.NotFound, "No such domain.").Fix("Claim it, and show that it is yours.")
}
