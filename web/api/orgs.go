package api

import (
	"context"
	"net/http"

	"github.com/danielgtaylor/huma/v2"

	"github.com/drawbridge-id/drawbridge/account"
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

// Team is a namespace in an org.
type Team struct {
	ID          account.TeamID `json:"id"`
	Name        string         `json:"name"`
	Description string         `json:"description,omitempty"`
}

func (a *API) orgs(h huma.API) {
	huma.Register(h, op(http.MethodGet, "/orgs/{org}", "get-org", "An org: type, number, services"),
		func(ctx context.Context, in *OrgPath) (*body[Org], error) {
			_, org, err := a.in(ctx, in.Org)
			return answer(ctx, Org{org.ID, org.Name, org.Title, org.Type, org.Number, org.Account, org.Services}, err)
		})
	huma.Register(h, op(http.MethodGet, "/orgs/{org}/teams", "list-teams", "The teams of an org"),
		func(ctx context.Context, in *OrgPath) (*body[[]Team], error) {
			acct, _, err := a.in(ctx, in.Org)
			if err != nil {
				return nil, problem(ctx, err)
			}
			all, err := a.opt.Ledger.Teams(ctx, caller(ctx), acct.ID)
			out := make([]Team, len(all))
			for i, t := range all {
				out[i] = Team{t.ID, t.Name, t.Description}
			}
			return answer(ctx, out, err)
		})
	create := op(http.MethodPost, "/orgs/{org}/teams", "create-team", "Create a team")
	create.DefaultStatus = http.StatusCreated
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
		return answer(ctx, Team{t.ID, t.Name, t.Description}, err)
	})
}
