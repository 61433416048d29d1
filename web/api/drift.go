package api

import (
	"context"
	"net/http"

	"github.com/danielgtaylor/huma/v2"

	"github.com/drawbridge-id/drawbridge/account"
)

// Drift is something that an identity provider and this house do not agree about.
type Drift struct {
	Kind       account.DriftKind    `json:"kind" enum:"inactive_there,active_there,no_place,nobody,unknown_there,groups_differ,roles_differ,without_source"`
	User       account.UserID       `json:"user,omitempty" doc:"Absent: the pushed user stands for nobody."`
	Email      string               `json:"email"`
	Connection account.ConnectionID `json:"connection,omitempty"`
	Resource   string               `json:"resource,omitempty" doc:"The pushed user."`
	Detail     string               `json:"detail"`
	Gain       []RoleAt             `json:"gain,omitempty" doc:"What the active rules would give."`
	Lose       []RoleAt             `json:"lose,omitempty" doc:"And take."`
	Pushed     []string             `json:"pushed,omitempty" doc:"Groups that are pushed, and that no sign-in named."`
	Claimed    []string             `json:"claimed,omitempty" doc:"Groups of the last sign-in that are not pushed."`
	Repair     account.DriftRepair  `json:"repair,omitempty" enum:"shut_out,let_in,evaluate,meet,drop" doc:"What repairing does about it. Absent: somebody has to decide."`
}

func drift(d account.Drift) Drift {
	return Drift{d.Kind, d.User, d.Email, d.Connection, d.Resource, d.Detail, rolesAt(d.Gain), rolesAt(d.Lose), d.Pushed, d.Claimed, d.Repair}
}

func rolesAt(all []account.RoleAt) []RoleAt {
	out := make([]RoleAt, len(all))
	for i, at := range all {
		out[i] = RoleAt{at.Role, at.Org == "", at.Team}
	}
	return out
}

// A page of drift; Next is the cursor of the following one, empty on the last.
type driftPage struct {
	Drift []Drift `json:"drift"`
	Next  string  `json:"next,omitempty"`
}

func driftRows(all []account.Drift) []Drift {
	out := make([]Drift, len(all))
	for i, d := range all {
		out[i] = drift(d)
	}
	return out
}

func (a *API) drift(h huma.API) {
	huma.Register(h, op(http.MethodGet, "/orgs/{org}/drift", "list-drift", "What the identity providers and this house do not agree about"),
		func(ctx context.Context, in *struct {
			OrgPath
			After string `query:"after" maxLength:"200" doc:"Cursor: \"next\" of the page before."`
			Limit int    `query:"limit" default:"100" minimum:"1" maximum:"500" doc:"About so many rows; a page that is shorter, or empty, need not be the last."`
		}) (*body[driftPage], error) {
			acct, _, err := a.in(ctx, in.Org)
			if err != nil {
				return nil, problem(ctx, err)
			}
			rows, next, err := a.opt.Ledger.Drift(ctx, caller(ctx), acct.ID, in.After, in.Limit)
			return answer(ctx, driftPage{driftRows(rows), next}, err)
		})
	huma.Register(h, op(http.MethodPost, "/orgs/{org}/drift/repair", "repair-drift", "Do about a person, or about a pushed user without a place here, what the provider said; the answer is what was repaired"),
		func(ctx context.Context, in *struct {
			OrgPath
			Body struct {
				User       account.UserID       `json:"user,omitempty" maxLength:"64"`
				Connection account.ConnectionID `json:"connection,omitempty" maxLength:"64" doc:"Of the pushed user."`
				Resource   string               `json:"resource,omitempty" maxLength:"64" doc:"The pushed user."`
			}
		}) (*body[[]Drift], error) {
			acct, _, err := a.in(ctx, in.Org)
			if err != nil {
				return nil, problem(ctx, err)
			}
			rows, err := a.opt.Ledger.RepairDrift(ctx, caller(ctx), acct.ID, account.Drift{User: in.Body.User, Connection: in.Body.Connection, Resource: in.Body.Resource})
			return answer(ctx, driftRows(rows), err)
		})
}
