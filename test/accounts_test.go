package test

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/drawbridge-id/drawbridge/account"
	"github.com/drawbridge-id/drawbridge/federation/session"
	"github.com/drawbridge-id/drawbridge/test/drive"
	"github.com/drawbridge-id/drawbridge/test/post"
	"github.com/drawbridge-id/drawbridge/test/world"
	"github.com/drawbridge-id/drawbridge/web/api"
)

type (
	teamsList struct {
		Teams    []api.Team        `json:"teams"`
		Warnings []account.Warning `json:"warnings"`
	}
	myAccounts struct {
		Accounts []api.MyAccount `json:"accounts"`
		Next     string          `json:"next"`
	}
	checklist struct {
		Tasks []api.Task `json:"tasks"`
	}
	accountPeople struct {
		People []api.AccountPerson `json:"people"`
		Next   account.UserID      `json:"next"`
	}
	teamPeople struct {
		People []api.Person   `json:"people"`
		Next   account.UserID `json:"next"`
	}
)

// posts fills in a form of a signed-in page.
func posts(w *world.World, b *world.Browser, path string, form url.Values) *drive.Page {
	w.Helper()
	token, _ := b.Cookie(w.URL, session.Cookie)
	form.Set(session.FormField, session.FormToken(account.NewSecret(token)))
	p, err := b.Post(w.Context(), w.URL+path, form)
	if err != nil {
		w.Fatal(err)
	}
	return p
}

// about waits for the letter to somebody whose subject says so.
func about(w *world.World, to, subject string) post.Letter {
	w.Helper()
	ctx, cancel := context.WithTimeout(w.Context(), 30*time.Second)
	defer cancel()
	for n := 1; ; n++ {
		l, err := w.Post.Wait(ctx, to, n)
		if err != nil {
			w.Fatalf("nobody wrote to %s about %q: %v", to, subject, err)
		}
		if strings.Contains(l.Subject, subject) {
			return l
		}
	}
}

// REQ, B-01, B-03, B-05
func TestSomebodyOpensAnAccountOfTheirOwn(t *testing.T) {
	world.Each(t, func(w *world.World) {
		ben := w.Acme().As("ben@acme.example")
		before, _ := ben.Cookie(w.URL, session.Cookie)
		wrong := url.Values{"name": {"Ben Labs"}, session.FormField: {session.FormToken(account.NewSecret(before))}}
		ask(w, ben, "POST", "/account/new", wrong.Encode(), "Content-Type", "application/x-www-form-urlencoded", "Accept", "text/html").is(422).says("Ben-Labs", `value="Ben Labs"`)
		if p := posts(w, ben, "/account/new", url.Values{"name": {"ben"}}); p.Status != 200 || !strings.Contains(p.Body, "Individual") {
			w.Errorf("%d %s", p.Status, p.Body)
		}
		s := ben.Session()
		if s.Account.Name != "ben" || s.Org.Name != "ben" || s.Org.Type != "individual" || len(s.Account.Number) != 10 {
			w.Errorf("the session works in %+v %+v", s.Account, s.Org)
		}
		if after, _ := ben.Cookie(w.URL, session.Cookie); after == before {
			w.Error("the session's token stayed")
		}
		acct, _ := w.Account("ben")
		profile := read[api.OrgProfile](ask(w, ben, "GET", "/api/v1/orgs/ben", nil).is(200))
		if !slices.Equal(profile.Services, []string{"catalog"}) || profile.Owners != 1 || profile.Number != acct.Number ||
			len(profile.Warnings) != 1 || profile.Warnings[0].Code != "individual_org" || !strings.Contains(profile.Warnings[0].Fix, "subscription") {
			w.Errorf("%+v", profile)
		}
		owned := map[string]bool{}
		for _, r := range s.Roles {
			if r.Role == account.Owner {
				owned[r.Scope.Org] = true
			}
		}
		if len(owned) != 2 {
			w.Errorf("he owns %v", owned)
		}
		welcome := about(w, "ben@acme.example", "Welcome")
		if !strings.Contains(welcome.HTML, ">Log in now</a>") || !strings.Contains(welcome.Text, w.URL+"/signin") || !strings.Contains(welcome.Text, acct.Number) {
			w.Errorf("the welcome:\n%s", welcome.Text)
		}
		if line := w.Audit("ben", "account.created"); line.Detail["way"] != "portal" {
			w.Errorf("%+v", line)
		}
		// Teams and users are for enterprise orgs, and it says how to become one.
		teams := read[teamsList](ask(w, ben, "GET", "/api/v1/orgs/ben/teams", nil).is(200))
		if len(teams.Warnings) != 1 || teams.Warnings[0].Fix == "" {
			w.Errorf("%+v", teams)
		}
		p := ask(w, ben, "POST", "/api/v1/orgs/ben/teams", map[string]string{"name": "research"}).refuses(409, "individual_org")
		if !strings.Contains(fmt.Sprint(p), "subscription") {
			w.Errorf("%+v", p)
		}
		// Both of his accounts are there to choose from, and only his own carries the tag.
		all := read[myAccounts](ask(w, ben, "GET", "/api/v1/me/accounts", nil).is(200)).Accounts
		if len(all) != 2 || all[0].Name != "acme" || all[0].Owner || all[0].Current || !all[0].Open || all[1].Name != "ben" || !all[1].Owner || !all[1].Current {
			w.Errorf("%+v", all)
		}
		ask(w, ben, "POST", "/api/v1/me/accounts", map[string]string{"name": "acme"}).refuses(409, "name_taken")
		ask(w, ben, "POST", "/api/v1/me/account", map[string]string{"account": "acc_01kkp3v8m2q7r4c9tdyz5x6w1n"}).refuses(404, "no_account")
		moved := ask(w, ben, "POST", "/api/v1/me/account", map[string]string{"account": string(all[0].Account)}).is(204)
		cookies := (&http.Response{Header: moved.header}).Cookies()
		if len(cookies) != 1 || cookies[0].Name != session.Cookie || !cookies[0].HttpOnly || !cookies[0].Secure {
			w.Fatalf("%v", moved.header)
		}
		ask(w, ben, "GET", "/session", nil).is(401) // the old token
		ben.Plant(w.URL, cookies[0])
		if s := ben.Session(); s.Account.Name != "acme" {
			w.Errorf("%+v", s.Account)
		}
		opened := read[api.Opened](ask(w, ben, "POST", "/api/v1/me/accounts", map[string]string{"name": "ben-2"}).is(201))
		if opened.Org.Name != "ben-2" || opened.Number != opened.Org.Number || ben.Session().Account.Name != "acme" {
			w.Errorf("%+v", opened)
		}
		key := minted(w, ben, "acme", "script").Secret
		ask(w, nil, "POST", "/api/v1/me/accounts", map[string]string{"name": "by-key"}, "Authorization", "Bearer "+key).refuses(403, "session_needed")
		ask(w, nil, "GET", "/api/v1/me/accounts", nil, "Authorization", "Bearer "+key).refuses(403, "session_needed")
		ask(w, nil, "POST", "/api/v1/me/account", map[string]string{"account": string(acct.ID)}, "Authorization", "Bearer "+key).refuses(403, "session_needed")
	})
}

// REQ Q-02~
func TestTwoHundredAccountsAreSearched(t *testing.T) {
	world.Each(t, func(w *world.World) {
		olga := w.Acme().As("olga@acme.example")
		for i := range 200 {
			name := fmt.Sprintf("org-%03d", i)
			a, _, err := w.House.Ledger.CreateAccount(w.Context(), world.Operator, name, name, "", account.Enterprise)
			if err == nil {
				_, err = w.House.Ledger.AddPerson(w.Context(), world.Operator, a.ID, "olga@acme.example", "", account.Member)
			}
			if err != nil {
				w.Fatal(err)
			}
		}
		found := read[myAccounts](ask(w, olga, "GET", "/api/v1/me/accounts?q=G-17", nil).is(200)).Accounts
		if len(found) != 10 || found[0].Name != "org-170" {
			w.Errorf("%+v", found)
		}
		seen, next := 0, ""
		for {
			page := read[myAccounts](ask(w, olga, "GET", "/api/v1/me/accounts?limit=64&after="+next, nil).is(200))
			seen, next = seen+len(page.Accounts), page.Next
			if next == "" {
				break
			}
		}
		if seen != 201 {
			w.Errorf("%d accounts on all pages", seen)
		}
	})
}

// REQ, T-15
func TestAnAccountIsRunFromItsConsole(t *testing.T) {
	world.Each(t, func(w *world.World) {
		acme := w.Acme()
		cleo, ana := acme.As("cleo@acme.example"), acme.As("ana@acme.example") // cleo is in no group
		olga := acme.As("olga@acme.example")
		acct, _ := w.Account("acme")
		at := "/api/v1/accounts/" + string(acct.ID)
		cleoID, anaID := cleo.Session().User.ID, ana.Session().User.ID

		// Roles of the account.
		ask(w, cleo, "PUT", at+"/people/"+string(anaID)+"/role", map[string]string{"role": "admin"}).refuses(403, "forbidden")
		ask(w, olga, "PUT", at+"/people/"+string(cleoID)+"/role", map[string]string{"role": "admin"}).is(204)
		refused := ask(w, olga, "PUT", at+"/people/"+string(cleoID)+"/role", map[string]string{"role": "owner"}).refuses(409, "owner_limit")
		if !strings.Contains(fmt.Sprint(refused), "admin") {
			w.Errorf("%+v", refused)
		}
		people := read[accountPeople](ask(w, cleo, "GET", at+"/people", nil).is(200)).People
		roles := map[string]account.Role{}
		for _, p := range people {
			roles[p.Email] = p.Role
		}
		if roles["olga@acme.example"] != account.Owner || roles["cleo@acme.example"] != account.Admin || roles["ana@acme.example"] != account.Member {
			w.Errorf("%v", roles)
		}
		// The console of the account is no way into the org.
		ask(w, cleo, "GET", "/api/v1/orgs/acme", nil).refuses(404, "no_account")
		ask(w, cleo, "GET", "/api/v1/orgs/acme/teams", nil).refuses(404, "no_account")
		for _, r := range []account.Role{"catalog:reader", account.UserAdmin, account.Owner} {
			ask(w, cleo, "POST", "/api/v1/orgs/acme/people/"+string(anaID)+"/roles", grant{Role: r}).is(403)
		}
		// But what every account member has, she has.
		access := read[api.Access](ask(w, cleo, "GET", "/api/v1/orgs/acme/services/catalog/access", nil).is(200))
		if !access.Reaches || len(access.Roles) != 1 || access.Roles[0].Sources[0].Kind != account.SourceMember {
			w.Errorf("%+v", access)
		}
		if access := read[api.Access](ask(w, cleo, "GET", "/api/v1/orgs/acme/services/registry/access", nil).is(200)); access.Reaches {
			w.Errorf("%+v", access)
		}

		// What is left to set up.
		tasks := func() map[account.TaskID]api.Task {
			out := map[account.TaskID]api.Task{}
			for _, t := range read[checklist](ask(w, olga, "GET", at+"/checklist", nil).is(200)).Tasks {
				out[t.ID] = t
			}
			return out
		}
		before := tasks()
		if len(before) != 4 || !before[account.TaskRecovery].Recommended || !before[account.TaskAdmins].Recommended || before[account.TaskCompany].Recommended ||
			before[account.TaskCompany].Done || !before[account.TaskAdmins].Done {
			w.Errorf("%+v", before)
		}
		company := api.Company{Name: "Acme Ltd", Country: "GB", Website: "https://www.acme.example"}
		ask(w, ana, "PUT", at, map[string]any{"company": company}).refuses(403, "forbidden")
		saved := read[api.AccountProfile](ask(w, cleo, "PUT", at, map[string]any{"description": "What we make", "company": company}).is(200))
		if saved.Company != company || saved.Owner != "olga@acme.example" || saved.Org != "acme" {
			w.Errorf("%+v", saved)
		}
		bad := ask(w, cleo, "PUT", at, map[string]any{"company": api.Company{Name: "Acme", Country: "gb"}}).is(422)
		bad.says("/company/country")
		if !tasks()[account.TaskCompany].Done {
			w.Error("company information is still to be given")
		}

		// Billing is the owner's.
		bill := api.Billing{Name: "Acme Ltd", Email: "invoices@acme.example", TaxID: "GB123456789"}
		ask(w, cleo, "PUT", at+"/billing", bill).refuses(403, "forbidden")
		ask(w, olga, "PUT", at+"/billing", bill).is(200)
		if got := read[api.Billing](ask(w, olga, "GET", at+"/billing", nil).is(200)); got != bill {
			w.Errorf("%+v", got)
		}
		ask(w, ana, "GET", at+"/billing", nil).refuses(403, "forbidden")
		bill.Address = "4111 1111 1111 1111"
		ask(w, olga, "PUT", at+"/billing", bill).refuses(422, "card_number")

		// Ownership moves by transfer alone, to somebody who runs account and org.
		ask(w, cleo, "POST", at+"/owner", map[string]string{"user": string(cleoID)}).refuses(403, "forbidden")
		ask(w, olga, "POST", at+"/owner", map[string]string{"user": string(cleoID)}).refuses(409, "org_owner_needed")
		byHand(w, "acme", cleoID, "", account.Owner)
		ask(w, olga, "POST", at+"/owner", map[string]string{"user": string(cleoID)}).is(204)
		for _, to := range []string{"olga@acme.example", "cleo@acme.example"} {
			if letter := about(w, to, "owns account"); !strings.Contains(letter.Text, "cleo@acme.example") {
				w.Errorf("%s is told:\n%s", to, letter.Text)
			}
		}
		ask(w, olga, "POST", at+"/owner", map[string]string{"user": string(cleoID)}).refuses(403, "forbidden")
		if p := read[api.AccountProfile](ask(w, olga, "GET", at, nil).is(200)); p.Owner != "cleo@acme.example" {
			w.Errorf("%+v", p)
		}
		sh := shellFor(w)
		sh.run("drawbridge account transfer acme olga@acme.example").exits(0).says("olga@acme.example owns account acme")
		sh.run("drawbridge account show acme").exits(0).says("owner    olga@acme.example", "Acme Ltd", "+ company information", "- a recovery e-mail, highly recommended", "cleo@acme.example")
		sh.run("drawbridge account list acm").exits(0).says("acme", acct.Number, "enterprise")
	})
}

// REQ C-01, C-02, C-03, C-04, C-06, C-07, C-08, B-09
func TestTeamsPartAnOrg(t *testing.T) {
	world.Each(t, func(w *world.World) {
		acme := w.Acme()
		olga, ben, ana := acme.As("olga@acme.example"), acme.As("ben@acme.example"), acme.As("ana@acme.example") // ana develops functions in research
		cleo := acme.As("cleo@acme.example")
		benID, cleoID := ben.Session().User.ID, cleo.Session().User.ID
		const at = "/api/v1/orgs/acme/teams"

		// Owners and user admins of the org make teams, nobody else does.
		ask(w, ben, "POST", at, map[string]string{"name": "legal"}).refuses(403, "forbidden")
		ask(w, olga, "POST", at, map[string]string{"name": "Legal"}).is(422).says("legal")
		ask(w, olga, "POST", at, map[string]string{"name": "legal", "description": "Contracts"}).is(201)
		byHand(w, "acme", benID, "", account.UserAdmin)
		finance := read[api.Team](ask(w, ben, "POST", at, map[string]string{"name": "finance"}).is(201))

		// Cleo is limited to two teams: the third does not exist for her, the org's own things are not hers.
		for _, name := range []string{"legal", "finance"} { // an org's user admin manages users of every team
			ask(w, ben, "POST", "/api/v1/orgs/acme/people/"+string(cleoID)+"/roles", grant{Role: "registry:reader", Team: team(w, "acme", name)}).is(200)
		}
		var names []string
		for _, t := range read[teamsList](ask(w, cleo, "GET", at, nil).is(200)).Teams {
			names = append(names, t.Name)
		}
		if !slices.Equal(names, []string{"finance", "legal"}) {
			w.Errorf("she sees %v", names)
		}
		ask(w, cleo, "GET", at+"/legal", nil).is(200).says("Contracts")
		ask(w, cleo, "GET", at+"/research", nil).refuses(404, "no_team")
		ask(w, cleo, "GET", at+"/"+string(team(w, "acme", "research")), nil).refuses(404, "no_team")
		reaches := func(b *world.Browser, service, team string) bool {
			w.Helper()
			return read[api.Access](ask(w, b, "GET", "/api/v1/orgs/acme/services/"+service+"/access?team="+team, nil).is(200)).Reaches
		}
		if !reaches(cleo, "registry", string(finance.ID)) || reaches(cleo, "registry", "") {
			w.Error("a role in a team reaches the team, and not the org")
		}
		ask(w, cleo, "GET", "/api/v1/orgs/acme/services/registry/access?team="+string(team(w, "acme", "research")), nil).refuses(404, "no_team")
		if !reaches(ana, "registry", "") || !reaches(ana, "registry", string(finance.ID)) {
			w.Error("a role in the whole org reaches all of it")
		}

		// The people of a team are shown to its own user admin, and no other's.
		byHand(w, "acme", cleoID, finance.ID, account.UserAdmin)
		in := read[teamPeople](ask(w, cleo, "GET", at+"/finance/people", nil).is(200)).People
		if len(in) != 1 || len(in[0].Roles) != 2 || in[0].Roles[0].Team != finance.ID {
			w.Errorf("%+v", in)
		}
		ask(w, cleo, "GET", at+"/legal/people", nil).refuses(403, "forbidden")
		ask(w, cleo, "GET", at+"/research/people", nil).refuses(404, "no_team")
		ask(w, ben, "PUT", at+"/finance", map[string]string{"description": "Money"}).is(200).says("Money")
		ask(w, cleo, "PUT", at+"/finance", map[string]string{"description": "Mine"}).refuses(403, "forbidden")
		ask(w, cleo, "PUT", at+"/research", map[string]string{"description": "Mine"}).refuses(404, "no_team")

		// A service that the org does not have is named.
		unknown := ask(w, olga, "POST", "/api/v1/orgs/acme/people/"+string(cleoID)+"/roles", grant{Role: "secrets:user"}).refuses(409, "service_not_enabled")
		if !strings.Contains(unknown.Detail, "secrets") {
			w.Errorf("%+v", unknown)
		}

		// A team goes with its roles and as a target of rules.
		ask(w, ben, "DELETE", at+"/research?confirm=research", nil).refuses(403, "forbidden")
		ask(w, olga, "DELETE", at+"/research", nil).refuses(422, "confirm_needed")
		w.Clock.Turn(time.Second) // so that the log keeps their order
		gone := read[api.RemovedTeam](ask(w, olga, "DELETE", at+"/research?confirm=research", nil).is(200))
		if gone.People != 1 || gone.Roles != 1 || !slices.Equal(gone.Rules, []string{"Engineering"}) {
			w.Errorf("%+v", gone)
		}
		if got := ana.Session().RoleNames(); !slices.Equal(got, []string{"catalog:reader", "registry:writer"}) {
			w.Errorf("she holds %v", got)
		}
		if again := acme.As("ana@acme.example").Session().RoleNames(); !slices.Equal(again, []string{"catalog:reader", "registry:writer"}) {
			w.Errorf("after another sign-in she holds %v", again)
		}
		line := fmt.Sprint(w.Audit("acme", "team.removed").Detail)
		if !strings.Contains(line, "Engineering") || !strings.Contains(line, string(ana.Session().User.ID)+" functions:developer") {
			w.Errorf("%s", line)
		}
		sh := shellFor(w)
		sh.run("drawbridge team add acme Ops").exits(1).complains(`"ops"`)
		sh.run("drawbridge team add acme ops --description Operations").exits(0).says("ops", "team_")
		sh.run("drawbridge team list acme").exits(0).says("finance", "ops", "Operations")
		sh.run("drawbridge team people acme finance").exits(0).says("cleo@acme.example", "User admin", "manual by operator")
		sh.run("drawbridge team describe acme ops Machines").exits(0).says("Machines")
		sh.run("drawbridge team remove acme finance --confirm legal").exits(1).complains("finance")
		sh.run("drawbridge team remove acme finance --confirm finance").exits(0).says("2 roles of 1 people")
	})
}

// REQ B-01, B-07~
func TestAnIndividualOrgIsConvertedAtTheConsole(t *testing.T) {
	world.Each(t, func(w *world.World) {
		acme := w.Acme()
		ben := acme.As("ben@acme.example")
		posts(w, ben, "/account/new", url.Values{"name": {"ben"}})
		ask(w, ben, "PUT", "/api/v1/orgs/ben/title", map[string]string{"title": "Ben & Co"}).is(200)
		before := ben.Session()
		ask(w, ben, "POST", "/api/v1/orgs/ben/convert", nil).refuses(403, "forbidden")
		sh := shellFor(w)
		sh.run("drawbridge org show ben").exits(0).says("ben (individual)")
		sh.run("drawbridge org convert ben").exits(0).says("enterprise")
		profile := sh.run("drawbridge org show ben").exits(0).says("ben (enterprise)")
		if !regexp.MustCompile(`(?m)^number +\d{10}$`).MatchString(profile.out) {
			w.Errorf("%s", profile.out)
		}
		sh.run("drawbridge org list ben").exits(0).says("Ben & Co")
		after := ben.Session()
		before.Org.Type = "enterprise"
		if fmt.Sprint(before) != fmt.Sprint(after) {
			w.Errorf("%+v became %+v", before, after)
		}
		ask(w, ben, "POST", "/api/v1/orgs/ben/teams", map[string]string{"name": "research"}).is(201)
	})
}
