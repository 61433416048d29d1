package api

import (
	"context"
	"net/http"

	"github.com/danielgtaylor/huma/v2"

	"github.com/drawbridge-id/drawbridge/account"
)

// Tenant is an account and its org, as the operator sees them.
type Tenant struct {
	Account account.AccountID `json:"account"`
	Name    string            `json:"name" doc:"Of the account."`
	Org     Org               `json:"org"`
}

type tenantsPage struct {
	Accounts []Tenant `json:"accounts"`
	Next     string   `json:"next,omitempty"`
}

func tenant(a account.Account, o account.Org) Tenant {
	return Tenant{a.ID, a.Name, Org{o.ID, o.Name, o.Title, o.Type, o.Number, o.Account, append([]string{}, o.Services...)}}
}

// byToken marks an operation of the operator's programs.
func byToken(o huma.Operation) huma.Operation {
	o.Security = []map[string][]string{{"operator": {}}}
	return o
}

func (a *API) operator(h huma.API) {
	huma.Register(h, byToken(op(http.MethodGet, "/operator/accounts", "list-accounts", "All accounts of the installation, by name")),
		func(ctx context.Context, in *struct {
			Q     string `query:"q" maxLength:"200" doc:"A part of the name of the account or of its org."`
			After string `query:"after" maxLength:"200" doc:"Cursor: \"next\" of the page before."`
			Limit int    `query:"limit" default:"100" minimum:"1" maximum:"500"`
		}) (*body[tenantsPage], error) {
			all, err := a.opt.Ledger.Accounts(ctx, caller(ctx), in.Q, in.After, in.Limit)
			page := tenantsPage{Accounts: []Tenant{}}
			for _, p := range all {
				page.Accounts = append(page.Accounts, tenant(p.Account, p.Org))
			}
			if len(all) == in.Limit {
				page.Next = all[len(all)-1].Account.Name
			}
			return answer(ctx, page, err)
		})
	huma.Register(h, byToken(created("/operator/accounts", "create-account", "Make an account and its org for a customer")),
		func(ctx context.Context, in *struct {
			Body struct {
				Name  string          `json:"name" maxLength:"200" doc:"Of the account."`
				Org   string          `json:"org" maxLength:"64" doc:"Exact name of the org."`
				Title string          `json:"title,omitempty" maxLength:"200"`
				Type  account.OrgType `json:"type" enum:"individual,enterprise"`
			}
		}) (*body[Tenant], error) {
			acct, org, err := a.opt.Ledger.CreateAccount(ctx, caller(ctx), in.Body.Name, in.Body.Org, in.Body.Title, in.Body.Type)
			return answer(ctx, tenant(acct, org), err)
		})
	huma.Register(h, byToken(op(http.MethodPut, "/orgs/{org}/services/{service}", "set-service", "Turn a service of the catalogue on or off for an org")),
		func(ctx context.Context, in *struct {
			OrgPath
			Service string `path:"service" maxLength:"64"`
			Body    struct {
				Enabled bool `json:"enabled"`
			}
		}) (*body[Tenant], error) {
			acct, _, err := a.in(ctx, in.Org)
			if err == nil {
				err = a.opt.Ledger.EnableService(ctx, caller(ctx), acct.ID, in.Service, in.Body.Enabled)
			}
			if err != nil {
				return nil, problem(ctx, err)
			}
			acct, org, err := a.in(ctx, in.Org)
			return answer(ctx, tenant(acct, org), err)
		})
}
