package test

import (
	"slices"
	"strings"
	"testing"

	"github.com/drawbridge-id/drawbridge/account"
	"github.com/drawbridge-id/drawbridge/test/world"
	"github.com/drawbridge-id/drawbridge/web/api"
)

// A walker is somebody who tries every operation of the API.
type walker struct {
	is      api.Caller // "": another company's owner, to whom nothing of acme exists
	browser *world.Browser
	bearer  string // instead of a browser
}

func (k walker) ask(w *world.World, method, path string, body any) reply {
	w.Helper()
	if k.bearer == "" {
		return ask(w, k.browser, method, path, body)
	}
	return ask(w, nil, method, path, body, "Authorization", "Bearer "+k.bearer)
}

func (k walker) name() string {
	name := string(k.is)
	if name == "" {
		name = "another company's owner"
	}
	if k.bearer != "" {
		name += ", by a bearer token"
	}
	return name
}

// walkers are everybody who may be declared, each in a browser and with a key.
func walkers(w *world.World, v visitors) []walker {
	w.Helper()
	acme := v.acme
	as := func(email string, give func(account.UserID)) *world.Browser {
		if err := acme.IdP.PutUser(simUser(email, "viewers")); err != nil {
			w.Fatal(err)
		}
		b := acme.As(email)
		give(b.Session().User.ID)
		return b
	}
	all := []walker{{is: "", browser: v.stranger}, {is: api.ByMember, browser: v.member}, {is: api.ByOwner, browser: v.owner},
		{is: api.ByUserAdmin, browser: as("uma@acme.example", func(u account.UserID) { byHand(w, "acme", u, "", account.UserAdmin) })},
		{is: api.ByTeamUserAdmin, browser: as("tom@acme.example", func(u account.UserID) { byHand(w, "acme", u, v.team, account.UserAdmin) })},
		{is: api.ByAccountAdmin, browser: as("ada@acme.example", func(u account.UserID) {
			a, _ := w.Account("acme")
			if err := w.House.Ledger.Grant(w.Context(), world.Operator, a.ID, u, account.Scope{}, account.Admin); err != nil {
				w.Fatal(err)
			}
		})},
	}
	for _, k := range slices.Clone(all) {
		org := "acme"
		if k.is == "" {
			org = "globex"
		}
		all = append(all, walker{is: k.is, bearer: minted(w, k.browser, org, "walks").Secret})
	}
	_, token, err := w.House.Ledger.MintOperatorToken(w.Context(), world.Operator, "walks", 0)
	if err != nil {
		w.Fatal(err)
	}
	return append(all, walker{is: api.ByOperator, bearer: token.Reveal()})
}

// Operations about something that the walk has not: whoever may is told so.
var nothingThere = []string{"replay-scim-request", "replay-event", "withdraw-role", "switch-account", "start-login-test"}

// REQ A-15, C-05
// THREAT ADM-1, ADM-2, ADM-3
func TestEveryOperationServesWhomItSays(t *testing.T) {
	world.Each(t, func(w *world.World) {
		v := gather(w)
		bodies, everybody := v.bodies(), walkers(w, v)
		doc := read[struct {
			Paths map[string]map[string]struct {
				ID       string       `json:"operationId"`
				Callers  []api.Caller `json:"x-drawbridge-callers"`
				Security []map[string][]string
				Inputs   []struct {
					Ref string `json:"$ref"`
				} `json:"parameters"`
			}
		}](ask(w, nil, "GET", "/api/v1/openapi.json", nil).is(200))
		for path, methods := range doc.Paths {
			for method, o := range methods {
				if len(o.Callers) == 0 {
					w.Errorf("%s is new: say in web/api/callers.go who may call it", o.ID)
					continue
				}
				method, at := strings.ToUpper(method), v.fill(path)
				if strings.Contains(at, "{") || o.ID == "switch-account" {
					continue // TestNoOperationServesSomebodyElse says what is missing
				}
				// Nothing is done, so that everybody finds the same.
				if slices.ContainsFunc(o.Inputs, func(p struct {
					Ref string `json:"$ref"`
				}) bool {
					return strings.HasSuffix(p.Ref, "/DryRun")
				}) {
					at += "?dry_run=true"
				}
				if !slices.Contains(o.Callers, api.ByAnybody) {
					ask(w, nil, method, at, bodies[o.ID].body).is(401)
				}
				inPerson := len(o.Security) == 1 && o.Security[0]["session"] != nil
				for _, k := range everybody {
					r := k.ask(w, method, at, bodies[o.ID].body)
					may := slices.Contains(o.Callers, k.is) || k.is != api.ByOperator && slices.Contains(o.Callers, api.ByPerson)
					if inPerson && k.bearer != "" {
						may = false
					}
					refused := r.status == 401 || r.status == 403 || r.status == 404
					switch {
					case r.status >= 500:
						w.Errorf("%s as %s fails: %d %s", o.ID, k.name(), r.status, r.brief())
					case may && r.status == 404 && slices.Contains(nothingThere, o.ID):
					case may && refused:
						w.Errorf("%s does not serve %s, as it says: %d %s", o.ID, k.name(), r.status, r.brief())
					case !may && r.status != 403 && r.status != 404:
						w.Errorf("%s serves %s: %d %s", o.ID, k.name(), r.status, r.brief())
					case !may && k.is == "" && r.status != 404 && strings.HasPrefix(path, "/api/v1/orgs/{org}") && !inPerson:
						w.Errorf("%s tells %s that there is something: %d %s", o.ID, k.name(), r.status, r.brief())
					}
				}
			}
		}
	})
}
