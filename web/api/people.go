package api

import (
	"context"
	"net/http"
	"slices"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/drawbridge-id/drawbridge/account"
	"github.com/drawbridge-id/drawbridge/store"
)

// Person is somebody with a place in the account.
type Person struct {
	ID          account.UserID       `json:"id,omitempty" doc:"Absent: somebody who is only invited."`
	Invitation  account.InvitationID `json:"invitation,omitempty" doc:"Of somebody who is only invited."`
	Email       string               `json:"email"`
	Name        string               `json:"name,omitempty"`
	State       string               `json:"state" enum:"active,disabled"`
	Place       string               `json:"place" enum:"active,suspended,invited" doc:"Their place in the account; a suspended one lets nobody in, and who is invited has none yet."`
	AccountRole account.Role         `json:"account_role"`
	Roles       []Held               `json:"roles"`
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
	out := Person{ID: p.User.ID, Invitation: p.Invitation, Email: p.User.Email, Name: p.User.Name, State: string(p.User.State), Place: string(p.Tenancy.Status), AccountRole: p.Tenancy.Role, Roles: []Held{}}
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
	People []Person `json:"people"`
	Next   string   `json:"next,omitempty"`
	Total  int      `json:"total" doc:"How many there are on all pages, up to 1,000."`
	More   bool     `json:"more,omitempty" doc:"There are more than total."`
}

// ServiceRole is a role that the catalogue has for a service.
type ServiceRole struct {
	Role    account.Role `json:"role"`
	Label   string       `json:"label"`
	Help    string       `json:"help,omitempty"`
	Docs    string       `json:"docs,omitempty" doc:"The product's own documentation of the role."`
	Actions []string     `json:"actions" doc:"What it lets somebody do."`
	Admin   bool         `json:"admin,omitempty" doc:"Owners of the org hold it."`
}

// ServiceRoles are the roles of one enabled service.
type ServiceRoles struct {
	Service string        `json:"service"`
	Label   string        `json:"label"`
	Roles   []ServiceRole `json:"roles"`
}

// Effect is what a bundle of roles lets somebody do.
type Effect struct {
	Actions []string `json:"actions"`
}

func (a *API) serviceRoles(org account.Org) []ServiceRoles {
	out := []ServiceRoles{}
	for _, s := range a.opt.Ledger.Catalogue().Services {
		if !slices.Contains(org.Services, s.ID) {
			continue
		}
		of := ServiceRoles{Service: s.ID, Label: s.Label, Roles: []ServiceRole{}}
		for _, r := range s.Roles {
			of.Roles = append(of.Roles, ServiceRole{account.Role(s.ID + ":" + r.ID), r.Label, r.Help, r.Docs, append([]string{}, r.Actions...), r.Admin})
		}
		out = append(out, of)
	}
	return out
}

type grant struct {
	OrgPath
	User account.UserID `path:"user" maxLength:"64"`
	Body struct {
		Role  account.Role   `json:"role,omitempty" maxLength:"200" doc:"owner, user_admin, or service:role."`
		Roles []account.Role `json:"roles,omitempty" maxItems:"100" doc:"Several at once, instead of role: all of them or none."`
		Team  account.TeamID `json:"team,omitempty" maxLength:"64" doc:"Empty: the whole org."`
		// Account is spelled out because an empty team means the org.
		Account bool `json:"account,omitempty" doc:"The roles are those of the account: admin or member."`
	}
}

// scope is where the roles hold.
func (g *grant) scope(org account.Org) account.Scope {
	if g.Body.Account {
		return account.Scope{Team: g.Body.Team} // with a team: no such scope
	}
	return account.Scope{Org: org.ID, Team: g.Body.Team}
}

func (g *grant) roles() []account.Role {
	if g.Body.Role != "" {
		return append([]account.Role{g.Body.Role}, g.Body.Roles...)
	}
	return g.Body.Roles
}

func (a *API) people(h huma.API) {
	list := op(http.MethodGet, "/orgs/{org}/people", "list-people", "People by name, those who are invited among them, with their roles and the sources of each")
	list.Description = "Owners, org user admins and the operator may."
	huma.Register(h, list, func(ctx context.Context, in *struct {
		OrgPath
		Part  string `query:"q" maxLength:"100" doc:"A part of their name or address, whatever its case and accents."`
		After string `query:"after" maxLength:"2048" doc:"Cursor: \"next\" of the page before."`
		Limit int    `query:"limit" default:"100" minimum:"1" maximum:"500"`
	}) (*body[peoplePage], error) {
		acct, _, err := a.in(ctx, in.Org)
		if err != nil {
			return nil, problem(ctx, err)
		}
		found, err := a.opt.Ledger.FindPeople(ctx, caller(ctx), acct.ID, store.PeopleQuery{Part: in.Part, After: in.After, Limit: in.Limit})
		page := peoplePage{People: []Person{}, Next: found.Next, Total: found.Total, More: found.More}
		for _, p := range found.People {
			page.People = append(page.People, a.person(p))
		}
		return answer(ctx, page, err)
	})
	give := op(http.MethodPost, "/orgs/{org}/people/{user}/roles", "grant-role", "Give roles by hand")
	give.Description = "Org owners and user admins may, and user admins of a team in their team; only owners make owners, and only who is an administrator of the account makes others."
	huma.Register(h, give, func(ctx context.Context, in *grant) (*body[Assigned], error) {
		acct, org, err := a.in(ctx, in.Org)
		if err != nil {
			return nil, problem(ctx, err)
		}
		out, err := a.opt.Ledger.GrantAll(ctx, caller(ctx), acct.ID, in.User, in.scope(org), in.roles())
		return a.assigned(ctx, out, err)
	})
	take := op(http.MethodPost, "/orgs/{org}/people/{user}/roles/withdraw", "withdraw-role", "Take back a role that somebody gave; other sources stay")
	take.Description = "Who may: as for grant-role."
	huma.Register(h, take, func(ctx context.Context, in *grant) (*struct{}, error) {
		acct, org, err := a.in(ctx, in.Org)
		if err == nil {
			err = a.opt.Ledger.WithdrawAll(ctx, caller(ctx), acct.ID, in.User, in.scope(org), in.roles())
		}
		return nothing(ctx, err)
	})
	roles := op(http.MethodGet, "/orgs/{org}/service-roles", "list-service-roles", "The roles of the services that are enabled, and what each lets somebody do")
	roles.Description = "They are the catalogue's: nobody's own are among them."
	huma.Register(h, roles, func(ctx context.Context, in *OrgPath) (*body[[]ServiceRoles], error) {
		_, org, err := a.in(ctx, in.Org)
		return answer(ctx, a.serviceRoles(org), err)
	})
	effect := op(http.MethodGet, "/orgs/{org}/service-roles/effect", "effect-of-roles", "What a bundle of roles lets somebody do")
	effect.Description = "It is the catalogue's word, whoever holds them."
	huma.Register(h, effect, func(ctx context.Context, in *struct {
		OrgPath
		Roles []account.Role `query:"role" maxItems:"100" doc:"service:role, parted by commas."`
	}) (*body[Effect], error) {
		_, org, err := a.in(ctx, in.Org)
		if err != nil {
			return nil, problem(ctx, err)
		}
		cat := a.opt.Ledger.Catalogue()
		for _, r := range in.Roles {
			if err := cat.CheckRole(account.Scope{Org: org.ID}, r); err != nil {
				return nil, problem(ctx, err)
			}
		}
		return answer(ctx, Effect{cat.Actions(in.Roles...)}, nil)
	})
}
