package test

import (
	"encoding/json"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/drawbridge-id/drawbridge/account"
	"github.com/drawbridge-id/drawbridge/federation/session"
	"github.com/drawbridge-id/drawbridge/rules"
	"github.com/drawbridge-id/drawbridge/test/world"
	"github.com/drawbridge-id/drawbridge/web"
	"github.com/drawbridge-id/drawbridge/web/api"
)

// A reply is what a script gets from the house.
type reply struct {
	w      *world.World
	call   string
	status int
	header http.Header
	body   string
}

// ask calls the house as a script does, with the session of b (nil: nobody's). A body that is not a string is sent
// as JSON; headers come in pairs.
func ask(w *world.World, b *world.Browser, method, path string, body any, headers ...string) reply {
	w.Helper()
	var in io.Reader
	switch body := body.(type) {
	case nil:
	case string:
		in = strings.NewReader(body)
	default:
		raw, err := json.Marshal(body)
		if err != nil {
			w.Fatal(err)
		}
		in = strings.NewReader(string(raw))
	}
	r, err := http.NewRequestWithContext(w.Context(), method, w.URL+path, in)
	if err != nil {
		w.Fatal(err)
	}
	r.Header.Set("Accept", "application/json")
	if body != nil {
		r.Header.Set("Content-Type", "application/json")
	}
	for i := 0; i+1 < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	return send(w, b, r)
}

// send sends a request with the session of b.
func send(w *world.World, b *world.Browser, r *http.Request) reply {
	w.Helper()
	if b != nil {
		token, _ := b.Cookie(w.URL, session.Cookie)
		r.AddCookie(&http.Cookie{Name: session.Cookie, Value: token})
	}
	res, err := http.DefaultTransport.RoundTrip(r)
	if err != nil {
		w.Fatal(err)
	}
	defer res.Body.Close()
	raw, err := io.ReadAll(res.Body)
	if err != nil {
		w.Fatal(err)
	}
	return reply{w, r.Method + " " + r.URL.Path, res.StatusCode, res.Header, string(raw)}
}

// brief is enough of the answer to know it by.
func (r reply) brief() string { return r.body[:min(len(r.body), 400)] }

// is checks the status.
func (r reply) is(status int) reply {
	r.w.Helper()
	if r.status != status {
		r.w.Errorf("%s is answered %d, want %d: %s", r.call, r.status, status, r.brief())
	}
	return r
}

// says checks that the answer holds each text.
func (r reply) says(all ...string) reply {
	r.w.Helper()
	for _, s := range all {
		if !strings.Contains(r.body, s) {
			r.w.Errorf("%s does not say %q: %s", r.call, s, r.brief())
		}
	}
	return r
}

// refuses checks status and code of a problem, and gives it.
func (r reply) refuses(status int, code string) web.Problem {
	r.w.Helper()
	r.is(status)
	if got := r.header.Get("Content-Type"); got != "application/problem+json" {
		r.w.Errorf("%s is refused as %s", r.call, got)
	}
	p := read[web.Problem](r)
	if p.Code != code || p.Status != status || p.Detail == "" || p.Title == "" || p.Type != "urn:drawbridge:problem:"+code || p.RequestID != r.header.Get("X-Request-Id") {
		r.w.Errorf("%s is refused with %+v, want code %s", r.call, p, code)
	}
	return p
}

// read is the answer as a value.
func read[T any](r reply) T {
	r.w.Helper()
	var v T
	if err := json.Unmarshal([]byte(r.body), &v); err != nil {
		r.w.Errorf("%s answered %d with what does not parse: %v\n%s", r.call, r.status, err, r.brief())
	}
	return v
}

// someone adds a person to an org's account, as an estate file would.
func someone(w *world.World, org, email string, r account.Role) account.UserID {
	w.Helper()
	a, _ := w.Account(org)
	u, err := w.House.Ledger.AddPerson(w.Context(), world.Operator, a.ID, email, "", r)
	if err != nil {
		w.Fatal(err)
	}
	return u.ID
}

// team is the id of a team.
func team(w *world.World, org, name string) account.TeamID {
	w.Helper()
	a, _ := w.Account(org)
	all, err := w.House.Ledger.Teams(w.Context(), world.Operator, a.ID)
	if err != nil {
		w.Fatal(err)
	}
	for _, t := range all {
		if t.Name == name {
			return t.ID
		}
	}
	w.Fatalf("%s has no team %s", org, name)
	return ""
}

// byHand gives a role as the operator.
func byHand(w *world.World, org string, u account.UserID, t account.TeamID, r account.Role) {
	w.Helper()
	a, o := w.Account(org)
	if err := w.House.Ledger.Grant(w.Context(), world.Operator, a.ID, u, account.Scope{Org: o.ID, Team: t}, r); err != nil {
		w.Fatal(err)
	}
}

// A grant is the body of grant-role and withdraw-role.
type grant struct {
	Role account.Role   `json:"role"`
	Team account.TeamID `json:"team,omitempty"`
}

// REQ A-02, B-01
func TestAnOrgSaysItsTypeAndTheOneNumber(t *testing.T) {
	world.Each(t, func(w *world.World) {
		olga := w.Acme().As("olga@acme.example")
		a, _ := w.Account("acme")
		org := read[api.Org](ask(w, olga, "GET", "/api/v1/orgs/acme", nil).is(200))
		if org.Type != account.Enterprise || org.Number == "" || org.Number != a.Number || org.Number != olga.Session().Account.Number {
			w.Errorf("the org shows %+v, its account %s, the session %+v", org, a.Number, olga.Session().Account)
		}
		if !slices.Equal(slices.Sorted(slices.Values(org.Services)), []string{"catalog", "functions", "registry"}) {
			w.Errorf("services are %v", org.Services)
		}
	})
}

// REQ B-04
func TestNobodyElseHoldsARoleInAnIndividualOrg(t *testing.T) {
	world.Each(t, func(w *world.World) {
		olga := w.Acme().As("olga@acme.example")
		w.Apply(`
accounts:
  - name: solo
    type: individual
    services: [catalog]
    owners: [olga@acme.example]
    people: [{email: ben@acme.example}]
`)
		// What is done in a session is done in the account that it works in (ADM-1): she is an owner of both and moves first.
		ask(w, olga, "GET", "/api/v1/orgs/solo", nil).refuses(404, "no_account")
		solo, _ := w.Account("solo")
		token, _ := olga.Cookie(w.URL, session.Cookie)
		chosen := url.Values{"account": {string(solo.ID)}, session.FormField: {session.FormToken(account.NewSecret(token))}}
		if p, err := olga.Post(w.Context(), w.URL+"/choose", chosen); err != nil || p.Status != 200 {
			w.Fatalf("%+v %v", p, err)
		}
		ask(w, olga, "GET", "/api/v1/orgs/acme", nil).refuses(404, "no_account")
		if org := read[api.Org](ask(w, olga, "GET", "/api/v1/orgs/solo", nil).is(200)); org.Type != account.Individual {
			w.Errorf("the org is %q", org.Type)
		}
		ben := someone(w, "solo", "ben@acme.example", account.Member)
		p := ask(w, olga, "POST", "/api/v1/orgs/solo/people/"+string(ben)+"/roles", grant{Role: "catalog:reader"}).refuses(409, "individual_org")
		if !strings.Contains(p.Detail, "individual org") || p.Help == "" {
			w.Errorf("refused with %+v", p)
		}
		ask(w, olga, "POST", "/api/v1/orgs/solo/rules", api.Definition{Name: "x", Connection: "con_x", Groups: []string{"eng"}, Targets: []api.Target{}}).refuses(409, "individual_org")
	})
}

// REQ C-02
func TestATeamNameIsRefusedWithASpellingThatWorks(t *testing.T) {
	world.Each(t, func(w *world.World) {
		olga := w.Acme().As("olga@acme.example")
		p := ask(w, olga, "POST", "/api/v1/orgs/acme/teams", map[string]string{"name": "Research"}).refuses(422, "invalid")
		if len(p.Errors) != 1 || p.Errors[0].Pointer != "/name" || !strings.Contains(p.Errors[0].Fix, `"research"`) {
			w.Errorf("refused with %+v", p)
		}
		made := read[api.Team](ask(w, olga, "POST", "/api/v1/orgs/acme/teams", map[string]string{"name": "build-2", "description": "Compilers"}).is(201))
		if made.ID == "" || made.Name != "build-2" {
			w.Errorf("made %+v", made)
		}
		ask(w, olga, "GET", "/api/v1/orgs/acme/teams", nil).is(200).says(string(made.ID), "Compilers")
	})
}

// REQ C-05
// THREAT ADM-2
func TestWhoManagesOneTeamDoesNotReachAnother(t *testing.T) {
	world.Each(t, func(w *world.World) {
		acme := w.Acme()
		ana := acme.As("ana@acme.example").Session().User.ID
		ben := acme.As("ben@acme.example")
		research, sales := team(w, "acme", "research"), team(w, "acme", "sales")
		byHand(w, "acme", ben.Session().User.ID, research, account.UserAdmin)
		roles := "/api/v1/orgs/acme/people/" + string(ana) + "/roles"
		ask(w, ben, "POST", roles, grant{"registry:writer", sales}).refuses(404, "not_found")
		ask(w, ben, "POST", roles, grant{"registry:writer", "team_01kkp3v8m2q7r4c9tdyz5x6w1n"}).refuses(404, "not_found")
		ask(w, ben, "POST", roles, grant{Role: "registry:writer"}).refuses(403, "forbidden")
		if answer := ask(w, ben, "POST", roles, grant{"registry:reader", research}).is(200); strings.Contains(answer.body, "catalog") {
			w.Errorf("somebody who manages one team reads all that a person holds: %s", answer.body)
		}
		if !slices.Contains(acme.As("ana@acme.example").Session().RoleNames(), "registry:reader@research") {
			w.Error("the role was not given")
		}
		ask(w, ben, "POST", roles+"/withdraw", grant{"registry:reader", sales}).refuses(404, "not_found")
		ask(w, ben, "POST", roles+"/withdraw", grant{"registry:reader", research}).is(204)
	})
}

// REQ C-06, C-07
func TestARoleReachesAsFarAsItsScope(t *testing.T) {
	world.Each(t, func(w *world.World) {
		acme := w.Acme()
		olga, cleo := acme.As("olga@acme.example"), acme.As("cleo@acme.example")
		who := cleo.Session().User.ID
		research, sales := team(w, "acme", "research"), team(w, "acme", "sales")
		third := read[api.Team](ask(w, olga, "POST", "/api/v1/orgs/acme/teams", map[string]string{"name": "legal"}).is(201)).ID
		roles := "/api/v1/orgs/acme/people/" + string(who) + "/roles"
		a, _ := w.Account("acme")
		reaches := func(want bool, at account.TeamID) {
			w.Helper()
			may, err := w.House.Ledger.May(w.Context(), a.ID, who, at, "registry:writer")
			if err != nil || may != want {
				w.Errorf("reaching %q is %t (%v), want %t", at, may, err, want)
			}
		}
		for _, at := range []account.TeamID{research, sales} {
			ask(w, olga, "POST", roles, grant{"registry:writer", at}).is(200)
		}
		wantRoles(w, cleo.Session(), "registry:writer@research", "registry:writer@sales")
		reaches(true, research)
		reaches(true, sales)
		reaches(false, third)
		reaches(false, "")
		ask(w, olga, "POST", roles, grant{Role: "registry:writer"}).is(200)
		reaches(true, third)
		reaches(true, "")
	})
}

// REQ D-01, D-02, D-03
func TestOwnersAreFewOfOneDomainAndMadeByOwners(t *testing.T) {
	world.Each(t, func(w *world.World) {
		acme := w.Acme()
		olga, ben := acme.As("olga@acme.example"), acme.As("ben@acme.example")
		owner := func(by *world.Browser, u account.UserID) reply {
			return ask(w, by, "POST", "/api/v1/orgs/acme/people/"+string(u)+"/roles", grant{Role: account.Owner})
		}
		two, three, four := someone(w, "acme", "two@acme.example", account.Admin), someone(w, "acme", "three@acme.example", account.Admin), someone(w, "acme", "four@acme.example", account.Admin)
		stranger := someone(w, "acme", "x@acme.example.org", account.Admin)
		byHand(w, "acme", ben.Session().User.ID, "", account.UserAdmin)
		owner(ben, two).refuses(403, "forbidden")

		p := owner(olga, stranger).refuses(422, "owner_domain")
		if !strings.Contains(p.Detail, "acme.example,") || !strings.Contains(p.Detail, "acme.example.org") {
			w.Errorf("refused with %+v", p)
		}
		owner(olga, two).is(200)
		owner(olga, three).is(200)
		owner(olga, three).is(200) // asking twice changes nothing
		if p := owner(olga, four).refuses(409, "owner_limit"); !strings.Contains(p.Detail, "limit of 3 owners") {
			w.Errorf("refused with %+v", p)
		}
	})
}

// REQ L-03
func TestAMemberManagesNoRules(t *testing.T) {
	world.Each(t, func(w *world.World) {
		acme := w.Acme()
		ben := acme.As("ben@acme.example")
		def := api.Definition{Name: "Mine", Connection: acme.Connection.ID, Groups: []string{"everyone"}, Targets: []api.Target{{Roles: []account.Role{"registry:admin"}}}}
		rule := read[[]api.Rule](ask(w, acme.As("olga@acme.example"), "GET", "/api/v1/orgs/acme/rules", nil).is(200))[0].ID
		for _, call := range []struct {
			method, path string
			body         any
		}{
			{"GET", "/rules", nil}, {"POST", "/rules", def}, {"PUT", "/rules/" + string(rule), def}, {"DELETE", "/rules/" + string(rule), nil},
			{"GET", "/rules/plan", nil}, {"POST", "/rules/activate", map[string]string{}},
			{"GET", "/groups", nil}, {"PUT", "/groups", api.Group{Connection: acme.Connection.ID, Value: "eng"}},
		} {
			ask(w, ben, call.method, "/api/v1/orgs/acme"+call.path, call.body).refuses(403, "forbidden")
		}
		if line := w.Audit("acme", "rule.saved"); line.Outcome != "refused" {
			w.Errorf("the attempt is not in the audit log: %+v", line)
		}
		// Somebody who manages users of the whole org does.
		byHand(w, "acme", ben.Session().User.ID, "", account.UserAdmin)
		ask(w, ben, "POST", "/api/v1/orgs/acme/rules", def).is(201)
	})
}

// REQ L-05, L-08, L-09, L-10, L-11, L-16
func TestARuleIsWrittenTriedAndActivated(t *testing.T) {
	world.Each(t, func(w *world.World) {
		acme := w.Acme()
		olga, cleo := acme.As("olga@acme.example"), acme.As("cleo@acme.example")
		byHand(w, "acme", cleo.Session().User.ID, "", "functions:user")
		rulesAt := "/api/v1/orgs/acme/rules"
		def := api.Definition{Connection: acme.Connection.ID, Groups: []string{"everyone"}, Targets: []api.Target{
			{Roles: []account.Role{"catalog:reader"}}, {Team: team(w, "acme", "research"), Roles: []account.Role{"registry:admin"}}}}
		if p := ask(w, olga, "POST", rulesAt, def).refuses(422, "invalid"); len(p.Errors) != 1 || p.Errors[0].Pointer != "/name" || p.Errors[0].Fix == "" {
			w.Errorf("a rule without a name is refused with %+v", p)
		}
		def.Name = "Everybody reads"
		rule := read[api.Rule](ask(w, olga, "POST", rulesAt, def).is(201))
		ask(w, olga, "POST", rulesAt, def).refuses(409, "name_taken")
		if rule.State != string(rules.Draft) || rule.Active != nil || rule.Draft == nil {
			w.Errorf("saved as %+v", rule)
		}
		ask(w, olga, "PUT", rulesAt+"/"+string(rule.ID), def).is(200) // saving again changes nothing

		wantRoles(w, acme.As("cleo@acme.example").Session(), "functions:user") // a draft gives nothing and takes nothing

		plan := read[api.Plan](ask(w, olga, "GET", rulesAt+"/plan", nil).is(200))
		if plan.Lost != 1 { // Cleo's role by hand would be replaced
			w.Errorf("the plan is %+v", plan)
		}
		waive(w, olga)
		p := ask(w, olga, "POST", rulesAt+"/activate", map[string]string{}).refuses(409, "loss_needs_confirmation")
		if !strings.Contains(p.Detail, "1 of ") {
			w.Errorf("refused with %+v", p)
		}
		ask(w, olga, "POST", rulesAt+"/activate", map[string]string{"confirm": "acne"}).refuses(409, "loss_needs_confirmation")
		for _, r := range read[[]api.Rule](ask(w, olga, "GET", rulesAt, nil).is(200)) {
			if r.ID == rule.ID && r.State != string(rules.Draft) {
				w.Errorf("an activation that was not confirmed left the rule %s", r.State)
			}
		}
		ask(w, olga, "POST", rulesAt+"/activate", map[string]string{"confirm": "acme"}).is(200)
		wantRoles(w, cleo.Session(), "catalog:reader", "registry:admin@research") // at once, and exactly these two
		wantRoles(w, acme.As("cleo@acme.example").Session(), "catalog:reader", "registry:admin@research")

		ask(w, olga, "DELETE", rulesAt+"/"+string(rule.ID), nil).is(204)
		wantRoles(w, acme.As("cleo@acme.example").Session(), "catalog:reader", "registry:admin@research") // until the next activation
		ask(w, olga, "POST", rulesAt+"/activate", map[string]string{"confirm": "acme"}).is(200)
		wantRoles(w, cleo.Session())
	})
}

// REQ L-06, L-07, T-10
func TestAGroupIsATenantAndANearMissIsPointedOut(t *testing.T) {
	world.Each(t, func(w *world.World) {
		acme := w.Acme()
		olga := acme.As("olga@acme.example")
		acme.As("ana@acme.example") // who came with eng
		groups := "/api/v1/orgs/acme/groups"
		near := read[api.AddedGroup](ask(w, olga, "PUT", groups, api.Group{Connection: acme.Connection.ID, Value: "eng ", Alias: "Engineering"}).is(200))
		if len(near.LookAlikes) != 1 || near.LookAlikes[0].Seen != "eng" || !strings.Contains(near.LookAlikes[0].Why, "blank") && !strings.Contains(near.LookAlikes[0].Why, "space") {
			w.Errorf("a blank at the end is answered %+v", near)
		}
		exact := read[api.AddedGroup](ask(w, olga, "PUT", groups, api.Group{Connection: acme.Connection.ID, Value: "eng", AccountRole: account.Admin}).is(200))
		if len(exact.LookAlikes) != 0 {
			w.Errorf("a value that was seen is answered %+v", exact)
		}
		roles := map[string]account.Role{}
		for _, g := range read[[]api.Group](ask(w, olga, "GET", groups, nil).is(200)) {
			roles[g.Value] = g.AccountRole
		}
		if roles["eng "] != account.Member || roles["eng"] != account.Admin || roles["everyone"] != "" {
			w.Errorf("tenants and seen values are %q", roles)
		}
		rule := read[api.Rule](ask(w, olga, "POST", "/api/v1/orgs/acme/rules", api.Definition{Name: "Typo", Connection: acme.Connection.ID,
			Groups: []string{"Eng"}, Targets: []api.Target{{Roles: []account.Role{"catalog:reader"}}}}).is(201))
		if len(rule.LookAlikes) != 1 || rule.LookAlikes[0].Seen != "eng" {
			w.Errorf("a rule for Eng is answered %+v", rule.LookAlikes)
		}
		ask(w, olga, "PUT", groups, api.Group{Connection: acme.Connection.ID, Value: "x", AccountRole: account.Owner}).is(422)
	})
}

// REQ L-17, L-18, L-20, T-03, T-04
func TestActivationSwapsWhatWasGivenByHandAndListsTheRest(t *testing.T) {
	world.Each(t, func(w *world.World) {
		acme := w.Acme()
		olga, ben, cleo := acme.As("olga@acme.example"), acme.As("ben@acme.example"), acme.As("cleo@acme.example")
		dora := someone(w, "acme", "dora@acme.example", account.Member) // whom nobody has seen yet
		for _, u := range []account.UserID{ben.Session().User.ID, cleo.Session().User.ID, dora} {
			byHand(w, "acme", u, "", "functions:user")
		}
		rulesAt := "/api/v1/orgs/acme/rules"
		ask(w, olga, "POST", rulesAt, api.Definition{Name: "Viewers call", Connection: acme.Connection.ID, Groups: []string{"viewers"},
			Targets: []api.Target{{Roles: []account.Role{"functions:developer"}}}}).is(201)

		plan := read[api.Plan](ask(w, olga, "GET", rulesAt+"/plan", nil).is(200))
		if plan.All != 4 || plan.Gained+plan.Lost+plan.Unchanged+plan.Unknown+plan.Owners != plan.All || len(plan.People) != plan.All {
			w.Errorf("the counts do not add up to 4 people: %+v", plan)
		}
		of := map[string]api.PersonPlan{}
		for _, p := range plan.People {
			of[p.Email] = p
			if len(p.Reasons) == 0 {
				w.Errorf("%s is planned without a reason: %+v", p.Email, p)
			}
		}
		names := func(held []api.Held) (out []string) {
			for _, h := range held {
				if !h.Account {
					out = append(out, string(h.Role))
				}
			}
			slices.Sort(out)
			return out
		}
		if p := of["ben@acme.example"]; p.Outcome != rules.Lost || !slices.Equal(names(p.Before), []string{"catalog:reader", "functions:user"}) ||
			!slices.Equal(names(p.After), []string{"catalog:reader", "functions:developer"}) {
			w.Errorf("Ben is planned as %+v", p)
		}
		if p := of["cleo@acme.example"]; !p.Unmapped || p.Outcome != rules.Unchanged || !slices.Equal(names(p.After), []string{"functions:user"}) {
			w.Errorf("Cleo, in no group of a rule, is planned as %+v", p)
		}
		if p := of["dora@acme.example"]; p.Outcome != rules.Unknown || !slices.Equal(names(p.After), []string{"functions:user"}) {
			w.Errorf("Dora, whom nobody has seen, is planned as %+v", p)
		}
		if p := of["olga@acme.example"]; p.Outcome != rules.OwnerKept {
			w.Errorf("the owner is planned as %+v", p)
		}

		waive(w, olga)
		done := read[api.Plan](ask(w, olga, "POST", rulesAt+"/activate", map[string]string{"confirm": "acme"}).is(200))
		if done.Lost != plan.Lost || done.All != plan.All {
			w.Errorf("planned %+v, done %+v", plan, done)
		}
		wantRoles(w, ben.Session(), "catalog:reader", "functions:developer") // in the session that he had
		wantRoles(w, cleo.Session(), "functions:user")
		for _, p := range people(w, olga, "acme") {
			for _, h := range p.Roles {
				for _, s := range h.Sources {
					if p.Email == "ben@acme.example" && s.Kind == account.SourceManual {
						w.Errorf("Ben still holds %s by hand", h.Role)
					}
				}
			}
		}
		// Dora is decided about when she comes.
		if err := acme.IdP.PutUser(simUser("dora@acme.example", "viewers")); err != nil {
			w.Fatal(err)
		}
		s := acme.As("dora@acme.example").Session()
		if s.User.ID != dora || !slices.Contains(s.RoleNames(), "functions:developer") {
			w.Errorf("Dora comes in as %s (was %s) with %v", s.User.ID, dora, s.RoleNames())
		}
	})
}

// people reads an org's people through the API, two at a time.
func people(w *world.World, b *world.Browser, org string) (all []api.Person) {
	w.Helper()
	type page struct {
		People []api.Person   `json:"people"`
		Next   account.UserID `json:"next"`
	}
	for after := account.UserID(""); ; {
		p := read[page](ask(w, b, "GET", "/api/v1/orgs/"+org+"/people?limit=2&after="+string(after), nil).is(200))
		all = append(all, p.People...)
		if after = p.Next; after == "" || len(p.People) == 0 {
			return all
		}
	}
}

// THREAT SES-5: a page of somebody else cannot make a signed-in browser change anything.
func TestAnotherSitesRequestIsRefused(t *testing.T) {
	world.Each(t, func(w *world.World) {
		olga := w.Acme().As("olga@acme.example")
		for _, headers := range [][]string{
			{"Origin", "https://evil.example"}, {"Sec-Fetch-Site", "cross-site"}, {"Origin", "null", "Sec-Fetch-Site", "cross-site"},
			{"Sec-Fetch-Site", "same-site"},
		} {
			ask(w, olga, "POST", "/api/v1/orgs/acme/teams", map[string]string{"name": "evil"}, headers...).refuses(403, "cross_origin")
		}
		if strings.Contains(ask(w, olga, "GET", "/api/v1/orgs/acme/teams", nil).is(200).body, "evil") {
			w.Error("the team was made")
		}
		ask(w, olga, "POST", "/api/v1/orgs/acme/teams", map[string]string{"name": "good"}, "Origin", w.URL, "Sec-Fetch-Site", "same-origin").is(201)
		// A form cannot pretend to be JSON.
		ask(w, olga, "POST", "/api/v1/orgs/acme/teams", "name=evil", "Content-Type", "text/plain").is(415)
	})
}

// Every refusal has one form, and names the field.
func TestWhatDoesNotFitIsRefusedInOneForm(t *testing.T) {
	world.Each(t, func(w *world.World) {
		olga := w.Acme().As("olga@acme.example")
		teams := "/api/v1/orgs/acme/teams"
		pointers := func(p web.Problem) (at []string) {
			for _, e := range p.Errors {
				at = append(at, e.Pointer)
			}
			return at
		}
		if p := ask(w, olga, "POST", teams, `{"name": "fine", "colour": "red"}`).refuses(422, "invalid"); !slices.Contains(pointers(p), "/colour") {
			w.Errorf("an unknown field is refused with %+v", p)
		}
		if p := ask(w, olga, "POST", teams, `{"name": 7}`).refuses(422, "invalid"); !slices.Contains(pointers(p), "/name") {
			w.Errorf("a wrong type is refused with %+v", p)
		}
		ask(w, olga, "POST", teams, `{}`).refuses(422, "invalid")
		ask(w, olga, "POST", teams, `{"name": "half`).refuses(400, "invalid")
		ask(w, olga, "POST", teams, ``).refuses(400, "invalid")
		ask(w, olga, "POST", teams, `{"name": "`+strings.Repeat("x", 65<<10)+`"}`).refuses(413, "too_large")
		ask(w, olga, "GET", "/api/v1/orgs/acme/people?limit=0", nil).is(422)
		ask(w, olga, "GET", "/api/v1/orgs/acme/people?limit=many", nil).is(422)
		ask(w, olga, "GET", "/api/v1/nothing", nil).refuses(404, "not_found")
		if got := ask(w, olga, "DELETE", teams, nil); got.header.Get("Allow") == "" {
			w.Errorf("a wrong method is answered without Allow: %+v", got.header)
		} else {
			got.refuses(405, "method_not_allowed")
		}
		if got := ask(w, nil, "GET", teams, nil); got.header.Get("WWW-Authenticate") == "" {
			w.Error("a 401 without WWW-Authenticate (RFC 9110 section 11.6.1)")
		} else {
			got.refuses(401, "signed_out")
		}
	})
}

// waive has acme do without a recovery e-mail, which activation asks for (I-07).
func waive(w *world.World, owner *world.Browser) {
	w.Helper()
	ask(w, owner, "PUT", "/api/v1/orgs/acme/recovery/waiver", map[string]string{"reason": "The operator sits next door."}).is(200)
}
