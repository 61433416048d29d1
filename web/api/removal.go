package api

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/drawbridge-id/drawbridge/account"
	"github.com/drawbridge-id/drawbridge/store"
)

// Receipt says that somebody was shut out: when we heard of it, and when nothing of theirs was accepted any more.
type Receipt struct {
	ID         account.ReceiptID     `json:"id"`
	User       account.UserID        `json:"user"`
	Email      string                `json:"email"`
	Source     account.RemovalSource `json:"source" enum:"scim,event,logout,api,command,house"`
	By         string                `json:"by"`
	Why        string                `json:"why"`
	Txn        string                `json:"txn,omitempty" doc:"Correlates it with the event that caused it."`
	Received   time.Time             `json:"received_at" doc:"When the request reached the door."`
	Committed  *time.Time            `json:"committed_at,omitempty" doc:"When it was durable. Absent: the process ended before it could be noted."`
	Everywhere *time.Time            `json:"everywhere_at,omitempty" doc:"From then on no replica accepts any of what ended."`
	Took       float64               `json:"took_seconds" doc:"Between the first and the last of the three."`
	Sessions   int                   `json:"sessions" doc:"Ended."`
	Keys       int                   `json:"keys" doc:"Revoked."`
	Suspended  bool                  `json:"suspended" doc:"The place in the account was closed."`
	Disabled   bool                  `json:"disabled" doc:"The person was disabled everywhere."`
}

func receipt(r account.Receipt) Receipt {
	return Receipt{r.ID, r.User, r.Email, r.Source, r.By, r.Why, r.Txn, r.Received, when(r.Committed), when(r.Everywhere), r.Took().Seconds(),
		r.Sessions, r.Keys, r.Suspended, r.Disabled}
}

// Remains is a place that a removal did not end.
type Remains struct {
	Org      string       `json:"org,omitempty" doc:"Absent: accounts of others, whose names are not told."`
	Role     account.Role `json:"account_role,omitempty"`
	Sessions int          `json:"sessions"`
	Keys     int          `json:"keys"`
}

// Again is a provider that still lets somebody in.
type Again struct {
	Connection account.ConnectionID `json:"connection"`
	Name       string               `json:"name"`
	By         store.AgainBy        `json:"by" enum:"sign-in,scim" doc:"sign-in: they need only sign in. scim: the provider pushes them as active, and its next change counts too."`
	Roles      []RoleAt             `json:"roles" doc:"What active rules would give them, by the groups last heard of."`
}

// RoleAt is a role and where it holds.
type RoleAt struct {
	Role    account.Role   `json:"role"`
	Account bool           `json:"account,omitempty" doc:"In the account itself."`
	Team    account.TeamID `json:"team,omitempty" doc:"Absent: in the whole org."`
}

// Followup is a call that finishes what this one left.
type Followup struct {
	Title  string `json:"title"`
	Method string `json:"method"`
	Path   string `json:"path"`
}

// Removal is what came of taking somebody out by hand.
type Removal struct {
	Receipt *Receipt  `json:"receipt,omitempty" doc:"Absent: there was nothing left to end."`
	Active  []Remains `json:"still_active" doc:"What they may still use, as far as you may know it."`
	Again   []Again   `json:"comes_back" doc:"What a provider would give them again."`
	Notes   []string  `json:"notes" doc:"The same, in sentences."`
	Next    *Followup `json:"next,omitempty"`
}

func removal(r store.Removal) Removal {
	out := Removal{Active: []Remains{}, Again: []Again{}, Notes: r.Notes()}
	if r.Receipt.ID != "" {
		shown := receipt(r.Receipt)
		out.Receipt = &shown
	}
	for _, m := range r.Active {
		out.Active = append(out.Active, Remains(m))
	}
	for _, g := range r.Again {
		out.Again = append(out.Again, Again{g.Connection, g.Name, g.By, rolesAt(g.Roles)})
	}
	return out
}

// A PersonPath names somebody of an org's account.
type PersonPath struct {
	OrgPath
	User account.UserID `path:"user" maxLength:"64"`
}

// A page of receipts; Next is the cursor of the following one, empty on the last.
type receiptsPage struct {
	Receipts []Receipt         `json:"receipts"`
	Next     account.ReceiptID `json:"next,omitempty"`
}

func (a *API) removal(h huma.API) {
	huma.Register(h, op(http.MethodDelete, "/orgs/{org}/people/{user}", "remove-person", "Remove somebody from the org, or from the account with all they may use in it"),
		func(ctx context.Context, in *struct {
			PersonPath
			Scope string `query:"scope" enum:"org,account" default:"org" doc:"org: their place in the account stays. account: that ends too, and everything with it."`
		}) (*body[Removal], error) {
			verb := a.opt.Ledger.RemoveFromOrg
			if in.Scope == "account" {
				verb = a.opt.Ledger.RemoveFromAccount
			}
			out, err := a.takeOut(ctx, in.PersonPath, verb)
			if err == nil && in.Scope == "org" {
				out.Body.Next = &Followup{"Remove from account", http.MethodDelete,
					fmt.Sprintf("/api/v1/orgs/%s/people/%s?scope=account", url.PathEscape(in.Org), url.PathEscape(string(in.User)))}
			}
			return out, err
		})
	huma.Register(h, op(http.MethodPost, "/orgs/{org}/people/{user}/disable", "disable-person", "Shut somebody out until they are enabled by hand"),
		func(ctx context.Context, in *PersonPath) (*body[Removal], error) {
			return a.takeOut(ctx, *in, a.opt.Ledger.Disable)
		})
	huma.Register(h, op(http.MethodPost, "/orgs/{org}/people/{user}/enable", "enable-person", "Let somebody in again; what ended stays ended"),
		func(ctx context.Context, in *PersonPath) (*struct{}, error) {
			acct, _, err := a.in(ctx, in.Org)
			if err == nil {
				err = a.opt.Ledger.Enable(ctx, caller(ctx), acct.ID, in.User)
			}
			return nothing(ctx, err)
		})
	huma.Register(h, op(http.MethodGet, "/orgs/{org}/people/{user}", "get-person", "Somebody, with their roles and the sources of each"),
		func(ctx context.Context, in *PersonPath) (*body[Person], error) {
			acct, _, err := a.in(ctx, in.Org)
			if err != nil {
				return nil, problem(ctx, err)
			}
			p, err := a.opt.Ledger.Person(ctx, caller(ctx), acct.ID, in.User)
			return answer(ctx, a.person(p), err)
		})
	huma.Register(h, op(http.MethodGet, "/orgs/{org}/receipts", "list-receipts", "Who was shut out, newest first, and how long it took"),
		func(ctx context.Context, in *struct {
			OrgPath
			User   account.UserID    `query:"user" maxLength:"64" doc:"Of one person alone."`
			Before account.ReceiptID `query:"before" maxLength:"64" doc:"Cursor: \"next\" of the page before."`
			Limit  int               `query:"limit" default:"100" minimum:"1" maximum:"500"`
		}) (*body[receiptsPage], error) {
			acct, _, err := a.in(ctx, in.Org)
			if err != nil {
				return nil, problem(ctx, err)
			}
			all, err := a.opt.Ledger.Receipts(ctx, caller(ctx), acct.ID, in.User, in.Before, in.Limit)
			page := receiptsPage{Receipts: []Receipt{}}
			for _, r := range all {
				page.Receipts = append(page.Receipts, receipt(r))
			}
			if len(all) == in.Limit {
				page.Next = all[len(all)-1].ID
			}
			return answer(ctx, page, err)
		})
}

func (a *API) takeOut(ctx context.Context, in PersonPath, verb func(context.Context, account.Actor, account.AccountID, account.UserID) (store.Removal, error)) (*body[Removal], error) {
	acct, _, err := a.in(ctx, in.Org)
	if err != nil {
		return nil, problem(ctx, err)
	}
	out, err := verb(ctx, caller(ctx), acct.ID, in.User)
	return answer(ctx, removal(out), err)
}
