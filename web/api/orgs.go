package api

import (
	"context"
	"net/http"

	"github.com/danielgtaylor/huma/v2"

	"github.com/drawbridge-id/drawbridge/account"
	"github.com/drawbridge-id/drawbridge/store"
)

// Org is an org as its people see it.
type Org struct {
	ID       account.OrgID     `json:"id"`
	Name     string            `json:"name" doc:"Exact name."`
	Title    string            `json:"title,omitempty"`
	Type     account.OrgType   `json:"type" enum:"individual,enterprise"`
	Number   string            `json:"number" doc:"The number that org and account share."`
	Account  account.AccountID `json:"account"`
	Services []string          `json:"services"`
}

func orgView(o account.Org) Org {
	return Org{o.ID, o.Name, o.Title, o.Type, o.Number, o.Account, append([]string{}, o.Services...)}
}

// OrgProfile is an org with what its profile page shows beside.
type OrgProfile struct {
	Org
	Owners     int               `json:"owners" doc:"How many it has."`
	OwnerLimit int               `json:"owner_limit" doc:"How many it may have."`
	Warnings   []account.Warning `json:"warnings,omitempty"`
}

func orgProfile(p store.OrgProfile) OrgProfile {
	return OrgProfile{orgView(p.Org), p.Owners, p.OwnerLimit, onlyEnterprise(p.Org, "further users, teams and membership rules")}
}

// onlyEnterprise explains to who looks at an individual org what it does not have, and how it comes to have it (B-05).
func onlyEnterprise(o account.Org, what string) []account.Warning {
	if o.Type != account.Individual {
		return nil
	}
	return []account.Warning{{Code: "individual_org", Message: o.Name + " is an individual org: only enterprise orgs have " + what + ".", Fix: account.WayToConvert}}
}

// Team is a namespace in an org.
type Team struct {
	ID          account.TeamID `json:"id"`
	Name        string         `json:"name"`
	Description string         `json:"description,omitempty"`
}

func teamView(t account.Team) Team { return Team{t.ID, t.Name, t.Description} }

type teamsList struct {
	Teams    []Team            `json:"teams"`
	Warnings []account.Warning `json:"warnings,omitempty"`
}

// RemovedTeam is what went with a team.
type RemovedTeam struct {
	Team             Team     `json:"team"`
	People           int      `json:"people" doc:"Who held a role in it."`
	Roles            int      `json:"roles" doc:"That they held."`
	Rules            []string `json:"rules" doc:"Names of the membership rules that gave roles in it."`
	Invitations      int      `json:"invitations" doc:"That wait, and would have given roles in it."`
	GroupPermissions int      `json:"group_permissions" doc:"Of external user groups."`
}

// A TeamPath names a team of an org.
type TeamPath struct {
	OrgPath
	Team string `path:"team" maxLength:"64" doc:"Id or name of the team."`
}

// Access is what somebody may use.
type Access struct {
	Reaches bool   `json:"reaches" doc:"Whether something of the service that belongs to the team, or to the org as a whole, is theirs to use."`
	Roles   []Held `json:"roles" doc:"Those of the service that reach it, with the reasons for which they are held."`
}

func (a *API) orgs(h huma.API) {
	read := op(http.MethodGet, "/orgs/{org}", "get-org", "An org: type, number, services, owners")
	read.Description = "Whoever holds a role in the org may. To who has a place in its account and no role it does not exist."
	huma.Register(h, read, func(ctx context.Context, in *OrgPath) (*body[OrgProfile], error) {
		p, err := a.opt.Ledger.OrgProfile(ctx, caller(ctx), in.Org)
		return answer(ctx, orgProfile(p), err)
	})
	title := op(http.MethodPut, "/orgs/{org}/title", "set-org-title", "Change what people call an org")
	title.Description = "Owners of the org may. Its exact name, which stands in paths, stays."
	huma.Register(h, title, func(ctx context.Context, in *struct {
		OrgPath
		Body struct {
			Title string `json:"title" maxLength:"200"`
		}
	}) (*body[OrgProfile], error) {
		acct, _, err := a.in(ctx, in.Org)
		if err == nil {
			err = a.opt.Ledger.SetOrgTitle(ctx, caller(ctx), acct.ID, in.Body.Title)
		}
		if err != nil {
			return nil, problem(ctx, err)
		}
		p, err := a.opt.Ledger.OrgProfile(ctx, caller(ctx), in.Org)
		return answer(ctx, orgProfile(p), err)
	})
	convert := op(http.MethodPost, "/orgs/{org}/convert", "convert-org", "Make an individual org an enterprise org")
	convert.Description = "Only the operator may; people of the org activate a subscription for it. It keeps all that it has."
	huma.Register(h, convert, func(ctx context.Context, in *OrgPath) (*struct{}, error) {
		acct, _, err := a.in(ctx, in.Org)
		if err == nil {
			err = a.opt.Ledger.ConvertOrg(ctx, caller(ctx), acct.ID)
		}
		return nothing(ctx, err)
	})
	access := op(http.MethodGet, "/orgs/{org}/services/{service}/access", "get-access", "What the caller may use of a service")
	access.Description = "Everybody of the account may ask about themselves. A role in the whole org reaches everything in it, one in a team what is the team's."
	huma.Register(h, access, func(ctx context.Context, in *struct {
		OrgPath
		Service string         `path:"service" maxLength:"64"`
		Team    account.TeamID `query:"team" maxLength:"64" doc:"Whose something it is; empty: the org's."`
	}) (*body[Access], error) {
		acct, org, err := a.in(ctx, in.Org)
		if err != nil {
			return nil, problem(ctx, err)
		}
		out := Access{Roles: []Held{}}
		held, err := a.opt.Ledger.Reaching(ctx, caller(ctx), acct.ID, org.ID, in.Team, in.Service)
		for _, r := range held {
			out.Reaches = true
			out.Roles = append(out.Roles, a.held(r))
		}
		return answer(ctx, out, err)
	})
	a.teams(h)
}

func (a *API) teams(h huma.API) {
	list := op(http.MethodGet, "/orgs/{org}/teams", "list-teams", "The teams of an org")
	list.Description = "Whoever holds a role in the org may: those with one in the whole org see all teams, others those that they hold one in."
	huma.Register(h, list, func(ctx context.Context, in *OrgPath) (*body[teamsList], error) {
		acct, org, err := a.in(ctx, in.Org)
		if err != nil {
			return nil, problem(ctx, err)
		}
		all, err := a.opt.Ledger.Teams(ctx, caller(ctx), acct.ID)
		out := teamsList{Teams: []Team{}, Warnings: onlyEnterprise(org, "teams")}
		for _, t := range all {
			out.Teams = append(out.Teams, teamView(t))
		}
		return answer(ctx, out, err)
	})
	create := created("/orgs/{org}/teams", "create-team", "Create a team")
	create.Description = "Owners and user admins of the org may."
	huma.Register(h, create, func(ctx context.Context, in *struct {
		OrgPath
		Body struct {
			Name        string `json:"name" maxLength:"200" doc:"Lower-case letters, digits and hyphens."`
			Description string `json:"description,omitempty" maxLength:"1000"`
		}
	}) (*body[Team], error) {
		acct, _, err := a.in(ctx, in.Org)
		if err != nil {
			return nil, problem(ctx, err)
		}
		t, err := a.opt.Ledger.CreateTeam(ctx, caller(ctx), acct.ID, in.Body.Name, in.Body.Description)
		return answer(ctx, teamView(t), err)
	})
	get := op(http.MethodGet, "/orgs/{org}/teams/{team}", "get-team", "A team")
	get.Description = "Whoever sees it in the list of teams may. To others it does not exist."
	huma.Register(h, get, func(ctx context.Context, in *TeamPath) (*body[Team], error) {
		acct, _, err := a.in(ctx, in.Org)
		if err != nil {
			return nil, problem(ctx, err)
		}
		t, err := a.opt.Ledger.Team(ctx, caller(ctx), acct.ID, in.Team)
		return answer(ctx, teamView(t), err)
	})
	describe := op(http.MethodPut, "/orgs/{org}/teams/{team}", "describe-team", "Change what a team says about itself")
	describe.Description = "Owners and user admins of the org may. The team's name, which stands in paths, stays."
	huma.Register(h, describe, func(ctx context.Context, in *struct {
		TeamPath
		Body struct {
			Description string `json:"description" maxLength:"1000"`
		}
	}) (*body[Team], error) {
		acct, _, err := a.in(ctx, in.Org)
		if err != nil {
			return nil, problem(ctx, err)
		}
		t, err := a.opt.Ledger.DescribeTeam(ctx, caller(ctx), acct.ID, in.Team, in.Body.Description)
		return answer(ctx, teamView(t), err)
	})
	remove := op(http.MethodDelete, "/orgs/{org}/teams/{team}", "remove-team", "Remove a team, with every role in it")
	remove.Description = "Owners of the org may. Roles in the team end, and rules, invitations and external user groups name it no more; the answer says how many."
	huma.Register(h, remove, func(ctx context.Context, in *struct {
		TeamPath
		Confirm string `query:"confirm" maxLength:"64" doc:"The team's name, typed once more."`
	}) (*body[RemovedTeam], error) {
		acct, _, err := a.in(ctx, in.Org)
		if err != nil {
			return nil, problem(ctx, err)
		}
		r, err := a.opt.Ledger.DeleteTeam(ctx, caller(ctx), acct.ID, in.Team, in.Confirm)
		return answer(ctx, RemovedTeam{teamView(r.Team), r.People, r.Roles, append([]string{}, r.Rules...), r.Invitations, r.Groups}, err)
	})
	people := op(http.MethodGet, "/orgs/{org}/teams/{team}/people", "list-team-people", "Who holds a role in a team, with those roles")
	people.Description = "Owners and user admins of the org may, and the team's own user admins."
	huma.Register(h, people, func(ctx context.Context, in *struct {
		TeamPath
		After account.UserID `query:"after" maxLength:"64" doc:"Cursor: \"next\" of the page before."`
		Limit int            `query:"limit" default:"100" minimum:"1" maximum:"500"`
	}) (*body[teamPeoplePage], error) {
		acct, _, err := a.in(ctx, in.Org)
		if err != nil {
			return nil, problem(ctx, err)
		}
		all, err := a.opt.Ledger.TeamPeople(ctx, caller(ctx), acct.ID, in.Team, in.After, in.Limit)
		page := teamPeoplePage{People: []Person{}}
		for _, p := range all {
			page.People = append(page.People, a.person(p))
		}
		if len(all) == in.Limit {
			page.Next = all[len(all)-1].User.ID
		}
		return answer(ctx, page, err)
	})
}

type teamPeoplePage struct {
	People []Person       `json:"people"`
	Next   account.UserID `json:"next,omitempty"`
}
