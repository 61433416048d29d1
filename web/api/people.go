package api

import (
	"context"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/drawbridge-id/drawbridge/account"
	"github.com/drawbridge-id/drawbridge/store"
)

// Person is somebody with a place in the account.
type Person struct {
	ID          account.UserID `json:"id"`
	Email       string         `json:"email"`
	Name        string         `json:"name,omitempty"`
	State       string         `json:"state" enum:"active,disabled"`
	Place       string         `json:"place" enum:"active,suspended" doc:"Their place in the account; a suspended one lets nobody in."`
	AccountRole account.Role   `json:"account_role"`
	Roles       []Held         `json:"roles"`
}

// Held is a role with all reasons for which it is held.
type Held struct {
	Team    account.TeamID `json:"team,omitempty" doc:"Empty: the whole org."`
	Account bool           `json:"account,omitempty" doc:"The role holds in the account itself."`
	Role    account.Role   `json:"role"`
	Label   string         `json:"label"`
	Sources []Source       `json:"sources"`
}

// Source is one reason for which a role is held.
type Source struct {
	Kind       account.SourceKind   `json:"kind"`
	Rule       account.RuleID       `json:"rule,omitempty"`
	Group      string               `json:"group,omitempty"`
	Connection account.ConnectionID `json:"connection,omitempty"`
	By         string               `json:"by,omitempty"`
	At         time.Time            `json:"at"`
}

func (a *API) person(p store.Person) Person {
	out := Person{ID: p.User.ID, Email: p.User.Email, Name: p.User.Name, State: string(p.User.State), Place: string(p.Tenancy.Status), AccountRole: p.Tenancy.Role, Roles: []Held{}}
	for _, h := range p.Roles {
		out.Roles = append(out.Roles, a.held(h))
	}
	return out
}

func (a *API) held(h account.Held) Held {
	out := Held{Team: h.Scope.Team, Account: h.Scope.Org == "", Role: h.Role, Label: a.opt.Ledger.Catalogue().Label(h.Role), Sources: []Source{}}
	for _, s := range h.Sources {
		out.Sources = append(out.Sources, Source{s.Kind, s.Rule, s.Group, s.Connection, s.By, s.At})
	}
	return out
}

// A page of people; Next is the cursor of the following one, empty on the last.
type peoplePage struct {
	People []Person       `json:"people"`
	Next   account.UserID `json:"next,omitempty"`
}

type grant struct {
	OrgPath
	User account.UserID `path:"user" maxLength:"64"`
	Body struct {
		Role account.Role   `json:"role" maxLength:"200" doc:"owner, user_admin, or service:role."`
		Team account.TeamID `json:"team,omitempty" maxLength:"64" doc:"Empty: the whole org."`
	}
}

func (a *API) people(h huma.API) {
	huma.Register(h, op(http.MethodGet, "/orgs/{org}/people", "list-people", "People with their roles and the sources of each"),
		func(ctx context.Context, in *struct {
			OrgPath
			After account.UserID `query:"after" maxLength:"64" doc:"Cursor: \"next\" of the page before."`
			Limit int            `query:"limit" default:"100" minimum:"1" maximum:"500"`
		}) (*body[peoplePage], error) {
			acct, _, err := a.in(ctx, in.Org)
			if err != nil {
				return nil, problem(ctx, err)
			}
			people, err := a.opt.Ledger.People(ctx, caller(ctx), acct.ID, in.After, in.Limit)
			page := peoplePage{People: []Person{}}
			for _, p := range people {
				page.People = append(page.People, a.person(p))
			}
			if len(people) == in.Limit {
				page.Next = people[len(people)-1].User.ID
			}
			return answer(ctx, page, err)
		})
	huma.Register(h, op(http.MethodPost, "/orgs/{org}/people/{user}/roles", "grant-role", "Give a role by hand"),
		func(ctx context.Context, in *grant) (*struct{}, error) {
			return a.change(ctx, in, a.opt.Ledger.Grant)
		})
	huma.Register(h, op(http.MethodPost, "/orgs/{org}/people/{user}/roles/withdraw", "withdraw-role", "Take back a role that was given by hand; other sources stay"),
		func(ctx context.Context, in *grant) (*struct{}, error) {
			return a.change(ctx, in, a.opt.Ledger.Withdraw)
		})
}

// change answers without a body: whoever manages one team may give its roles, and may not read what else somebody holds (C-05).
func (a *API) change(ctx context.Context, in *grant, verb func(context.Context, account.Actor, account.AccountID, account.UserID, account.Scope, account.Role) error) (*struct{}, error) {
	acct, org, err := a.in(ctx, in.Org)
	if err == nil {
		err = verb(ctx, caller(ctx), acct.ID, in.User, account.Scope{Org: org.ID, Team: in.Body.Team}, in.Body.Role)
	}
	return nothing(ctx, err)
}
