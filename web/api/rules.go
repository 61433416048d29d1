package api

import (
	"context"
	"net/http"

	"github.com/danielgtaylor/huma/v2"

	"github.com/drawbridge-id/drawbridge/account"
	"github.com/drawbridge-id/drawbridge/rules"
)

// Rule is a membership rule with its draft and its active version.
type Rule struct {
	ID     account.RuleID `json:"id"`
	State  string         `json:"state" enum:"draft,active,changed,removed"`
	Draft  *Definition    `json:"draft,omitempty" doc:"Absent: goes away at the next activation."`
	Active *Definition    `json:"active,omitempty" doc:"Absent: never activated."`
	// LookAlikes is told when a rule is saved.
	LookAlikes []LookAlike `json:"look_alikes,omitempty" doc:"Groups of the rule that were never seen, and are close to one that was."`
}

// Definition is what a rule says.
type Definition struct {
	Name        string               `json:"name" maxLength:"200"`
	Connection  account.ConnectionID `json:"connection" maxLength:"64"`
	Groups      []string             `json:"groups" maxItems:"500" doc:"Any of them matches, byte for byte as the identity provider sends it."`
	AccountRole account.Role         `json:"account_role,omitempty" enum:"admin,member"`
	Targets     []Target             `json:"targets" maxItems:"500"`
}

// Target is where a rule gives which roles.
type Target struct {
	Team  account.TeamID `json:"team,omitempty" maxLength:"64" doc:"Empty: the whole org."`
	Roles []account.Role `json:"roles" maxItems:"100"`
}

func definition(d *rules.Definition) *Definition {
	if d == nil {
		return nil
	}
	out := &Definition{Name: d.Name, Connection: d.Connection, Groups: d.Groups, AccountRole: d.AccountRole, Targets: []Target{}}
	for _, t := range d.Targets {
		out.Targets = append(out.Targets, Target{t.Team, t.Roles})
	}
	return out
}

func (d Definition) word() rules.Definition {
	out := rules.Definition{Name: d.Name, Connection: d.Connection, Groups: d.Groups, AccountRole: d.AccountRole}
	for _, t := range d.Targets {
		out.Targets = append(out.Targets, rules.Target{Team: t.Team, Roles: t.Roles})
	}
	return out
}

func asRule(r rules.Rule) Rule {
	return Rule{ID: r.ID, State: string(r.State()), Draft: definition(r.Draft), Active: definition(r.Active)}
}

func (a *API) rules(h huma.API) {
	huma.Register(h, op(http.MethodGet, "/orgs/{org}/rules", "list-rules", "Membership rules, drafts included"),
		func(ctx context.Context, in *OrgPath) (*body[[]Rule], error) {
			acct, _, err := a.in(ctx, in.Org)
			if err != nil {
				return nil, problem(ctx, err)
			}
			all, err := a.opt.Ledger.Rules(ctx, caller(ctx), acct.ID)
			out := make([]Rule, len(all))
			for i, r := range all {
				out[i] = asRule(r)
			}
			return answer(ctx, out, err)
		})
	create := op(http.MethodPost, "/orgs/{org}/rules", "create-rule", "Write a rule as a draft; nothing is applied")
	create.DefaultStatus = http.StatusCreated
	huma.Register(h, create, func(ctx context.Context, in *struct {
		OrgPath
		Body Definition
	}) (*body[Rule], error) {
		return a.saveRule(ctx, in.Org, "", in.Body)
	})
	huma.Register(h, op(http.MethodPut, "/orgs/{org}/rules/{rule}", "save-rule", "Change the draft of a rule"),
		func(ctx context.Context, in *struct {
			OrgPath
			Rule account.RuleID `path:"rule" maxLength:"64"`
			Body Definition
		}) (*body[Rule], error) {
			return a.saveRule(ctx, in.Org, in.Rule, in.Body)
		})
	huma.Register(h, op(http.MethodDelete, "/orgs/{org}/rules/{rule}", "delete-rule", "Remove a rule; an active one goes at the next activation"),
		func(ctx context.Context, in *struct {
			OrgPath
			Rule account.RuleID `path:"rule" maxLength:"64"`
		}) (*struct{}, error) {
			acct, _, err := a.in(ctx, in.Org)
			if err == nil {
				err = a.opt.Ledger.DeleteRule(ctx, caller(ctx), acct.ID, in.Rule)
			}
			return nothing(ctx, err)
		})
	huma.Register(h, op(http.MethodGet, "/orgs/{org}/rules/plan", "plan-rules", "Dry run: who would gain, lose or keep what if the drafts were activated now"),
		func(ctx context.Context, in *OrgPath) (*body[Plan], error) {
			acct, _, err := a.in(ctx, in.Org)
			if err != nil {
				return nil, problem(ctx, err)
			}
			p, err := a.opt.Ledger.PlanRules(ctx, caller(ctx), acct.ID)
			return answer(ctx, a.plan(p), err)
		})
	huma.Register(h, op(http.MethodPost, "/orgs/{org}/rules/activate", "activate-rules", "Make the drafts active and apply them"),
		func(ctx context.Context, in *struct {
			OrgPath
			Body struct {
				Confirm string `json:"confirm,omitempty" maxLength:"64" doc:"The org's name, when more people lose roles than the limit allows without it."`
			}
		}) (*body[Plan], error) {
			acct, org, err := a.in(ctx, in.Org)
			if err != nil {
				return nil, problem(ctx, err)
			}
			p, err := a.opt.Ledger.ActivateRules(ctx, caller(ctx), acct.ID, in.Body.Confirm == org.Name)
			return answer(ctx, a.plan(p), err)
		})
}

func (a *API) saveRule(ctx context.Context, org string, id account.RuleID, d Definition) (*body[Rule], error) {
	acct, _, err := a.in(ctx, org)
	if err != nil {
		return nil, problem(ctx, err)
	}
	r, err := a.opt.Ledger.SaveRule(ctx, caller(ctx), acct.ID, id, d.word())
	if err != nil {
		return nil, problem(ctx, err)
	}
	out := asRule(r)
	out.LookAlikes, err = a.lookAlikes(ctx, acct.ID, d.Connection, d.Groups...)
	return answer(ctx, out, err)
}

// Plan is the dry run of an activation; the counts add up to all people.
type Plan struct {
	All       int          `json:"all"`
	Gained    int          `json:"gained"`
	Lost      int          `json:"lost"`
	Unchanged int          `json:"unchanged"`
	Unknown   int          `json:"unknown"`
	Owners    int          `json:"owners"`
	People    []PersonPlan `json:"people"`
}

// PersonPlan is what an activation means for one person.
type PersonPlan struct {
	User     account.UserID `json:"user"`
	Email    string         `json:"email"`
	Outcome  rules.Outcome  `json:"outcome"`
	Before   []Held         `json:"before"`
	After    []Held         `json:"after"`
	Unmapped bool           `json:"unmapped,omitempty" doc:"Maps to no rule and stays as they are."`
	Reasons  []string       `json:"reasons"`
}

func (a *API) plan(p rules.Plan) Plan {
	c := p.Counts
	out := Plan{All: c.All, Gained: c.Gained, Lost: c.Lost, Unchanged: c.Unchanged, Unknown: c.Unknown, Owners: c.Owners, People: []PersonPlan{}}
	list := func(held []account.Held) []Held {
		hs := []Held{}
		for _, h := range held {
			hs = append(hs, a.held(h))
		}
		return hs
	}
	for _, r := range p.People {
		out.People = append(out.People, PersonPlan{r.User, r.Email, r.Outcome, list(r.Before), list(r.After), r.Unmapped, append([]string{}, r.Reasons...)})
	}
	return out
}
