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

func connection(c account.Connection) Connection {
	out := Connection{ID: c.ID, Name: c.Name, Enabled: c.Enabled, LiveRevision: c.LiveRevision}
	if c.Live != nil {
		out.Live = string(c.Live.Protocol)
	}
	if c.Draft != nil {
		out.Draft = string(c.Draft.Protocol)
	}
	return out
}

// A ConnectionPath names a connection.
type ConnectionPath struct {
	Connection account.ConnectionID `path:"connection" maxLength:"64"`
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

// AddedGroup is a group value with what may be wrong with its spelling.
type AddedGroup struct {
	Group
	LookAlikes []LookAlike `json:"look_alikes,omitempty"`
}

// LookAlike says that a value was never seen, and one that is close to it was.
type LookAlike struct {
	Value string `json:"value" doc:"As it was written."`
	Seen  string `json:"seen" doc:"As the identity provider sends it."`
	Why   string `json:"why" doc:"How the two differ."`
}

func (a *API) lookAlikes(ctx context.Context, acct account.AccountID, c account.ConnectionID, values ...string) (out []LookAlike, err error) {
	found, err := a.opt.Ledger.LookAlikes(ctx, caller(ctx), acct, c, values)
	for _, n := range found {
		out = append(out, LookAlike(n))
	}
	return out, err
}

// Test is a login test that waits for somebody to sign in.
type Test struct {
	Diagnosis account.DiagnosisID `json:"diagnosis"`
	URL       string              `json:"url" doc:"Open it to sign in; it works for people without an account here."`
}

// A DiagnosisPath names a login test or a recorded sign-in.
type DiagnosisPath struct {
	Diagnosis account.DiagnosisID `path:"diagnosis" maxLength:"64"`
}

func (a *API) connections(h huma.API) {
	huma.Register(h, op(http.MethodGet, "/orgs/{org}/connections", "list-connections", "Connections to identity providers"),
		func(ctx context.Context, in *OrgPath) (*body[[]Connection], error) {
			acct, _, err := a.in(ctx, in.Org)
			if err != nil {
				return nil, problem(ctx, err)
			}
			all, err := a.opt.Ledger.Connections(ctx, caller(ctx), acct.ID)
			out := make([]Connection, len(all))
			for i, c := range all {
				out[i] = connection(c)
			}
			return answer(ctx, out, err)
		})
	huma.Register(h, op(http.MethodPost, "/connections/{connection}/promote", "promote-connection", "Make the draft live; it needs a passed login test"),
		func(ctx context.Context, in *ConnectionPath) (*body[Connection], error) {
			c, err := a.opt.Ledger.Promote(ctx, caller(ctx), in.Connection, false)
			return answer(ctx, connection(c), err)
		})
	huma.Register(h, op(http.MethodPost, "/connections/{connection}/restore", "restore-connection", "Bring back an earlier live version, under a new revision"),
		func(ctx context.Context, in *struct {
			ConnectionPath
			Body struct {
				Revision int `json:"revision" minimum:"1"`
			}
		}) (*body[Connection], error) {
			c, err := a.opt.Ledger.Restore(ctx, caller(ctx), in.Connection, in.Body.Revision)
			return answer(ctx, connection(c), err)
		})
	test := op(http.MethodPost, "/connections/{connection}/login-tests", "start-login-test", "Start a login test, which creates nothing")
	test.DefaultStatus = http.StatusCreated
	huma.Register(h, test, func(ctx context.Context, in *struct {
		ConnectionPath
		Body struct {
			Version account.Which `json:"version,omitempty" enum:"live,draft" default:"draft"`
		}
	}) (*body[Test], error) {
		url, d, err := a.opt.StartTest(ctx, caller(ctx), in.Connection, in.Body.Version)
		return answer(ctx, Test{d, url}, err)
	})
	huma.Register(h, op(http.MethodGet, "/login-tests/{diagnosis}", "get-login-test", "The result of a login test, or what is known of a refused sign-in"),
		func(ctx context.Context, in *DiagnosisPath) (*body[account.Diagnosis], error) {
			d, err := a.opt.Ledger.Diagnosis(ctx, caller(ctx), in.Diagnosis)
			return answer(ctx, d, err)
		})
	huma.Register(h, op(http.MethodGet, "/orgs/{org}/domains", "list-domains", "E-mail domains of the account"),
		func(ctx context.Context, in *OrgPath) (*body[[]Domain], error) {
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
		OrgPath
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
		func(ctx context.Context, in *OrgPath) (*body[[]Group], error) {
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
			OrgPath
			Body Group
		}) (*body[AddedGroup], error) {
			acct, _, err := a.in(ctx, in.Org)
			if err == nil {
				err = a.opt.Ledger.AddIdPGroup(ctx, caller(ctx), account.IdPGroup{Account: acct.ID, Connection: in.Body.Connection,
					Value: in.Body.Value, Alias: in.Body.Alias, AccountRole: in.Body.AccountRole})
			}
			if err != nil {
				return nil, problem(ctx, err)
			}
			near, err := a.lookAlikes(ctx, acct.ID, in.Body.Connection, in.Body.Value)
			return answer(ctx, AddedGroup{in.Body, near}, err)
		})
}
