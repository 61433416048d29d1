package test

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/drawbridge-id/drawbridge/account"
	"github.com/drawbridge-id/drawbridge/test/world"
	"github.com/drawbridge-id/drawbridge/web"
	"github.com/drawbridge-id/drawbridge/web/api"
)

// A walker is somebody who tries every operation of the API.
type walker struct {
	is      []api.Caller // nothing: another company's owner, to whom nothing of acme exists
	browser *world.Browser
	bearer  string         // instead of a browser
	user    account.UserID // empty: an operator's program
	key     account.KeyID  // of the user's own
	team    account.TeamID // all that they manage is in it
}

func (k walker) stranger() bool { return len(k.is) == 0 }

// may reports whether they are among those whom an operation says it serves.
func (k walker) may(callers []api.Caller) bool {
	person := k.user != "" && slices.Contains(callers, api.ByPerson)
	return person || slices.ContainsFunc(k.is, func(c api.Caller) bool { return slices.Contains(callers, c) })
}

// reach is what of acme they ask for: where everybody may have their own, that; where they manage a team, in that.
func (k walker) reach(v visitors, id string, body any) (visitors, any) {
	switch {
	case id == "get-person" && k.user != "":
		v.user = k.user
	case id == "revoke-key" && k.user != "":
		v.key = k.key
	}
	switch in := body.(type) {
	case grant:
		in.Team = k.team
		body = in
	case api.RolesIn:
		in.Team = k.team
		body = in
	case map[string]any:
		if id == "assign-roles" {
			in = maps.Clone(in)
			in["team"] = k.team
			body = in
		}
	}
	return v, body
}

func (k walker) ask(w *world.World, method, path string, body any) reply {
	w.Helper()
	if k.bearer == "" {
		return ask(w, k.browser, method, path, body)
	}
	return ask(w, nil, method, path, body, "Authorization", "Bearer "+k.bearer)
}

func (k walker) name() string {
	name := "another company's owner"
	if !k.stranger() {
		name = fmt.Sprint(k.is)
	}
	if k.bearer != "" {
		name += ", by a bearer token"
	}
	return name
}

// walkers are everybody who may be declared, each in a browser and with a key.
func walkers(w *world.World, v visitors) []walker {
	w.Helper()
	as := func(email string, groups []string, give func(account.UserID)) *world.Browser {
		if err := v.acme.IdP.PutUser(simUser(email, "viewers")); err != nil {
			w.Fatal(err)
		}
		b := v.acme.As(email)
		give(b.Session().User.ID)
		if err := v.acme.IdP.PutUser(simUser(email, groups...)); err != nil {
			w.Fatal(err)
		}
		return v.acme.As(email)
	}
	administer := func(u account.UserID) {
		a, _ := w.Account("acme")
		if err := w.House.Ledger.Grant(w.Context(), world.Operator, a.ID, u, account.Scope{}, account.Admin); err != nil {
			w.Fatal(err)
		}
	}
	viewer := []string{"viewers"}
	all := []walker{
		{browser: v.stranger},
		{is: []api.Caller{api.ByMember}, browser: v.member},
		{is: []api.Caller{api.ByOwner, api.ByAccountOwner, api.ByGroupAdmin}, browser: v.owner}, // the account is hers, and she made the group
		{is: []api.Caller{api.ByOwner}, browser: as("otis@acme.example", viewer, func(u account.UserID) {
			administer(u)
			byHand(w, "acme", u, "", account.Owner)
		})},
		{is: []api.Caller{api.ByUserAdmin}, browser: as("uma@acme.example", viewer, func(u account.UserID) { byHand(w, "acme", u, "", account.UserAdmin) })},
		{is: []api.Caller{api.ByTeamUserAdmin}, team: v.team, browser: as("tom@acme.example", viewer, func(u account.UserID) { byHand(w, "acme", u, v.team, account.UserAdmin) })},
		{is: []api.Caller{api.ByAccountAdmin}, browser: as("ada@acme.example", nil, administer)},
	}
	for i, k := range all {
		org := "acme"
		if k.stranger() {
			org = "globex"
		}
		key := minted(w, k.browser, org, "walks")
		k.user, k.key = k.browser.Session().User.ID, key.ID
		all[i] = k
		k.bearer = key.Secret
		k.is = slices.DeleteFunc(slices.Clone(k.is), func(c api.Caller) bool { return c == api.ByGroupAdmin }) // a key speaks for its org, and for no group
		all = append(all, k)
	}
	_, token, err := w.House.Ledger.MintOperatorToken(w.Context(), world.Operator, "walks", 0)
	if err != nil {
		w.Fatal(err)
	}
	return append(all, walker{is: []api.Caller{api.ByOperator}, bearer: token.Reveal()})
}

// Operations about something that the walk has not, and as what whoever may is told so.
var lacking = map[string][]string{
	"replay-scim-request": {"not_found"}, "replay-event": {"not_found"}, "withdraw-role": {"not_found"}, "start-login-test": {"not_found"},
	"drop-invited-roles": {"not_found"}, "expel-external-member": {"not_found"}, "remove-external-member": {"not_found"},
	"resend-external-invitation": {"not_found"}, "revoke-external-invitation": {"not_found"}, "set-external-role": {"not_found"},
	"accept-invitation": {"no_link"}, "get-my-entitlement": {"no_link"}, "activate-entitlement": {"no_link"}, "transfer-entitlement": {"no_link"},
	"check-certificate": {"no_certificate"}, "register-certificate": {"no_certificate"},
	"confirm-factor": {"not_found"}, "list-my-external-keys": {"no_account"}, "mint-external-key": {"no_account", "not_in_group", "home_needed"},
	"revoke-external-key": {"not_found"},
	"set-owner-address":   {"not_in_emergency"}, // an owner in emergency access alone
}

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
				rehearsed := ""
				if slices.ContainsFunc(o.Inputs, func(p struct {
					Ref string `json:"$ref"`
				}) bool {
					return strings.HasSuffix(p.Ref, "/DryRun")
				}) {
					rehearsed = "?dry_run=true"
				}
				if !slices.Contains(o.Callers, api.ByAnybody) {
					ask(w, nil, method, at+rehearsed, bodies[o.ID].body).is(401)
				}
				inPerson := len(o.Security) == 1 && o.Security[0]["session"] != nil
				for _, k := range everybody {
					things, body := k.reach(v, o.ID, bodies[o.ID].body)
					r := k.ask(w, method, things.fill(path)+rehearsed, body)
					may := k.may(o.Callers)
					if inPerson && k.bearer != "" {
						may = false
					}
					if o.ID == "reassign-ticket" && !slices.Contains(k.is, api.ByOwner) {
						may = false // of the user admins, only whom it is assigned to
					}
					refused := r.status == 401 || r.status == 403 || r.status == 404
					switch {
					case r.status >= 500:
						w.Errorf("%s as %s fails: %d %s", o.ID, k.name(), r.status, r.brief())
					case may && refused && slices.Contains(lacking[o.ID], read[web.Problem](r).Code):
					case may && refused:
						w.Errorf("%s does not serve %s, as it says: %d %s", o.ID, k.name(), r.status, r.brief())
					case !may && r.status != 403 && r.status != 404:
						w.Errorf("%s serves %s: %d %s", o.ID, k.name(), r.status, r.brief())
					case !may && k.stranger() && r.status != 404 && strings.HasPrefix(path, "/api/v1/orgs/{org}") && !inPerson:
						w.Errorf("%s tells %s that there is something: %d %s", o.ID, k.name(), r.status, r.brief())
					}
				}
			}
		}
	})
}
