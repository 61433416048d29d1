package api

import (
	"context"
	"net/http"

	"github.com/danielgtaylor/huma/v2"

	"github.com/drawbridge-id/drawbridge/account"
)

// Connection is a configured identity provider, without its secrets.
type Connection struct {
	ID           account.ConnectionID `json:"id"`
	Name         string               `json:"name"`
	Enabled      bool                 `json:"enabled"`
	LiveRevision int                  `json:"live_revision"`
	Live         string               `json:"live,omitempty" doc:"Protocol of the live version; absent when there is none."`
	Draft        string               `json:"draft,omitempty" doc:"Protocol of the draft."`
}

// Domain is an e-mail domain of the account.
type Domain struct {
	ID         account.DomainID     `json:"id"`
	Name       string               `json:"name"`
	State      account.DomainState  `json:"state"`
	Connection account.ConnectionID `json:"connection,omitempty"`
	CutOver    bool                 `json:"cut_over"`
	TXTName    string               `json:"txt_name" doc:"Where the TXT record is expected."`
	TXTValue   string               `json:"txt_value" doc:"What it has to say."`
	LastAnswer string               `json:"last_answer,omitempty"`
}

func domain(d account.Domain) Domain {
	return Domain{d.ID, d.Name, d.State, d.Connection, d.CutOver, d.ChallengeName(), d.ChallengeValue(), d.LastAnswer}
}

// Group is a group value of an identity provider.
type Group struct {
	Connection  account.ConnectionID `json:"connection" maxLength:"64"`
	Value       string               `json:"value" maxLength:"1024" doc:"As the identity provider spells it."`
	Alias       string               `json:"alias,omitempty" maxLength:"200" doc:"What people call it; never compared."`
	AccountRole account.Role         `json:"account_role,omitempty" doc:"Absent: only seen, not added to the account."`
}

// Test is a login test that waits for somebody to sign in.
type Test struct {
	Diagnosis account.DiagnosisID `json:"diagnosis"`
	URL       string              `json:"url" doc:"Open it to sign in; it works for people without an account here."`
}

type diagnosisPath struct {
	Diagnosis account.DiagnosisID `path:"diagnosis" maxLength:"64"`
}

func (a *API) connections(h huma.API) {
	huma.Register(h, op(http.MethodGet, "/orgs/{org}/connections", "list-connections", "Connections to identity providers"),
		func(ctx context.Context, in *orgPath) (*body[[]Connection], error) {
			acct, _, err := a.in(ctx, in.Org)
			if err != nil {
				return nil, problem(ctx, err)
			}
			all, err := a.opt.Ledger.Connections(ctx, caller(ctx), acct.ID)
			out := make([]Connection, len(all))
			for i, c := range all {
				out[i] = Connection{ID: c.ID, Name: c.Name, Enabled: c.Enabled, LiveRevision: c.LiveRevision}
				if c.Live != nil {
					out[i].Live = string(c.Live.Protocol)
				}
				if c.Draft != nil {
					out[i].Draft = string(c.Draft.Protocol)
				}
			}
			return answer(ctx, out, err)
		})
	test := op(http.MethodPost, "/connections/{connection}/login-tests", "start-login-test", "Start a login test, which creates nothing")
	test.DefaultStatus = http.StatusCreated
	huma.Register(h, test, func(ctx context.Context, in *struct {
		Connection account.ConnectionID `path:"connection" maxLength:"64"`
		Body       struct {
			Version account.Which `json:"version,omitempty" enum:"live,draft" default:"draft"`
		}
	}) (*body[Test], error) {
		url, d, err := a.opt.StartTest(ctx, caller(ctx), in.Connection, in.Body.Version)
		return answer(ctx, Test{d, url}, err)
	})
	huma.Register(h, op(http.MethodGet, "/login-tests/{diagnosis}", "get-login-test", "The result of a login test, or what is known of a refused sign-in"),
		func(ctx context.Context, in *diagnosisPath) (*body[account.Diagnosis], error) {
			d, err := a.opt.Ledger.Diagnosis(ctx, caller(ctx), in.Diagnosis)
			return answer(ctx, d, err)
		})
	huma.Register(h, op(http.MethodGet, "/orgs/{org}/domains", "list-domains", "E-mail domains of the account"),
		func(ctx context.Context, in *orgPath) (*body[[]Domain], error) {
			acct, _, err := a.in(ctx, in.Org)
			if err != nil {
				return nil, problem(ctx, err)
			}
			all, err := a.opt.Ledger.Domains(ctx, caller(ctx), acct.ID)
			out := make([]Domain, len(all))
			for i, d := range all {
				out[i] = domain(d)
			}
			return answer(ctx, out, err)
		})
	claim := op(http.MethodPost, "/orgs/{org}/domains", "claim-domain", "Claim a domain; the answer says which TXT record proves it")
	claim.DefaultStatus = http.StatusCreated
	huma.Register(h, claim, func(ctx context.Context, in *struct {
		orgPath
		Body struct {
			Name string `json:"name" maxLength:"253"`
		}
	}) (*body[Domain], error) {
		acct, _, err := a.in(ctx, in.Org)
		if err != nil {
			return nil, problem(ctx, err)
		}
		d, err := a.opt.Ledger.ClaimDomain(ctx, caller(ctx), acct.ID, in.Body.Name)
		if err != nil {
			return nil, problem(ctx, err)
		}
		return answer(ctx, domain(d), nil)
	})
	huma.Register(h, op(http.MethodGet, "/orgs/{org}/groups", "list-groups", "Group values that were added or seen"),
		func(ctx context.Context, in *orgPath) (*body[[]Group], error) {
			acct, _, err := a.in(ctx, in.Org)
			if err != nil {
				return nil, problem(ctx, err)
			}
			all, err := a.opt.Ledger.IdPGroups(ctx, caller(ctx), acct.ID)
			out := make([]Group, len(all))
			for i, g := range all {
				out[i] = Group{g.Connection, g.Value, g.Alias, g.AccountRole}
			}
			return answer(ctx, out, err)
		})
	huma.Register(h, op(http.MethodPut, "/orgs/{org}/groups", "add-group", "Add a group value to the account, with an alias and an account role"),
		func(ctx context.Context, in *struct {
			orgPath
			Body Group
		}) (*struct{}, error) {
			acct, _, err := a.in(ctx, in.Org)
			if err == nil {
				err = a.opt.Ledger.AddIdPGroup(ctx, caller(ctx), account.IdPGroup{Account: acct.ID, Connection: in.Body.Connection,
					Value: in.Body.Value, Alias: in.Body.Alias, AccountRole: in.Body.AccountRole})
			}
			return nothing(ctx, err)
		})
}
