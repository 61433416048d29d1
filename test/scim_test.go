package test

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/drawbridge-id/drawbridge/account"
	"github.com/drawbridge-id/drawbridge/test/world"
)

const userSchema = "urn:ietf:params:scim:schemas:core:2.0:User"

func aUser(email, external string) map[string]any {
	return map[string]any{"schemas": []string{userSchema}, "userName": email, "externalId": external, "active": true, "displayName": "Somebody",
		"emails": []any{map[string]any{"value": email, "type": "work", "primary": true}}}
}

func aGroup(name string, members ...string) map[string]any {
	list := []any{}
	for _, id := range members {
		list = append(list, map[string]any{"value": id})
	}
	return map[string]any{"schemas": []string{"urn:ietf:params:scim:schemas:core:2.0:Group"}, "displayName": name, "members": list}
}

func patch(operations ...map[string]any) map[string]any {
	return map[string]any{"schemas": []string{"urn:ietf:params:scim:api:messages:2.0:PatchOp"}, "Operations": operations}
}

func op(name, path string, value any) map[string]any {
	m := map[string]any{"op": name}
	if path != "" {
		m["path"] = path
	}
	if value != nil {
		m["value"] = value
	}
	return m
}

// REQ M-02, M-03
// THREAT SCIM-3
func TestDeactivationEndsSessionsBeforeItIsAnswered(t *testing.T) {
	// As Okta sends it from the catalogue and from the wizard, as Entra sends it with and without its flag, and the end of all.
	ways := map[string]func(*pusher, string){
		"okta-oin": func(p *pusher, id string) {
			p.send("PATCH", "/Users/"+id, patch(op("replace", "", map[string]any{"active": false}))).is(200, 204)
		},
		"okta-aiw": func(p *pusher, id string) {
			u := aUser("ana@acme.example", "ext-ana")
			u["active"] = false
			p.send("PUT", "/Users/"+id, u).is(200)
		},
		"entra-default": func(p *pusher, id string) {
			p.send("PATCH", "/Users/"+id, patch(op("Replace", "active", "False"))).is(200, 204)
		},
		"entra-compliant": func(p *pusher, id string) {
			p.send("PATCH", "/Users/"+id+"?aadOptscim062020", patch(op("replace", "active", false))).is(200, 204)
		},
		"delete": func(p *pusher, id string) { p.send("DELETE", "/Users/"+id, nil).is(204) },
	}
	for way, deactivate := range ways {
		t.Run(way, func(t *testing.T) {
			world.Each(t, func(w *world.World) {
				acme := w.Acme()
				p := pusherOf(w, acme.Connection)
				b := acme.As("ana@acme.example")
				before := b.Session()
				id := p.send("POST", "/Users", aUser("ana@acme.example", "ext-ana")).is(201).text("id")
				deactivate(p, id)
				if s := b.Session(); s.Status != http.StatusUnauthorized {
					w.Errorf("the session answers %d after the deactivation", s.Status)
				}
				again := w.Browser("ana@acme.example")
				if page := again.SignIn(acme.Connection); page.Status != http.StatusForbidden {
					w.Errorf("a sign-in answers %d at %s", page.Status, page.URL)
				}
				line := w.Audit("acme", "user.deactivated")
				if line.Target != string(before.User.ID) || line.Actor != "connection:"+string(acme.Connection.ID) || fmt.Sprint(line.Detail["sessions"]) != "1" {
					w.Errorf("the audit line is %+v", line)
				}
				if way == "delete" {
					p.send("GET", "/Users/"+id, nil).is(404)
					p.send("DELETE", "/Users/"+id, nil).is(404)
					return
				}
				if found := p.send("GET", `/Users?filter=userName eq "ANA@acme.example"`, nil).is(200); found.at("totalResults") != 1.0 || found.at("Resources.0.active") != false {
					w.Errorf("an inactive user is not found: %s", found.raw)
				}
				p.send("PATCH", "/Users/"+id, patch(op("Replace", "active", "True"))).is(200)
				back := acme.As("ana@acme.example").Session()
				if back.User.ID != before.User.ID {
					w.Errorf("came back as %s, was %s", back.User.ID, before.User.ID)
				}
				wantRoles(w, back, "catalog:reader", "registry:writer", "functions:developer@research")
			})
		})
	}
}

// REQ A-01
// THREAT SCIM-1, KEY-4
func TestTwoTenantsNeverSeeEachOther(t *testing.T) {
	world.Each(t, func(w *world.World) {
		a, g := pusherOf(w, w.Acme().Connection), pusherOf(w, w.Globex().Connection)
		ana := a.send("POST", "/Users", aUser("ana@acme.example", "same")).is(201).text("id")
		// The same values are free for another tenant.
		theirs := g.send("POST", "/Users", aUser("ana@acme.example", "same")).is(201).text("id")
		staff := a.send("POST", "/Groups", aGroup("Staff", ana)).is(201).text("id")
		for _, try := range []struct {
			method, path string
			body         any
		}{
			{"GET", "/Users/" + ana, nil}, {"PUT", "/Users/" + ana, aUser("x@globex.example", "x")}, {"PATCH", "/Users/" + ana, patch(op("replace", "active", false))},
			{"DELETE", "/Users/" + ana, nil}, {"GET", "/Groups/" + staff, nil}, {"PATCH", "/Groups/" + staff, patch(op("remove", "members", nil))}, {"DELETE", "/Groups/" + staff, nil},
			{"GET", "/Groups/" + ana, nil}, {"GET", "/Users/" + staff, nil},
		} {
			if body := g.send(try.method, try.path, try.body).is(404).raw; strings.Contains(body, "acme") {
				w.Errorf("%s %s tells %s", try.method, try.path, body)
			}
		}
		for _, filter := range []string{`id eq "` + ana + `"`, `userName co "ana"`, `not (userName eq "nobody")`, `id pr or id eq "x"`} {
			for _, id := range ids(g.send("GET", "/Users?filter="+filter, nil).is(200)) {
				if id != theirs {
					w.Errorf("%s finds %s", filter, id)
				}
			}
		}
		// A member of another tenant is one that is not there.
		mixed := g.send("POST", "/Groups", aGroup("Mixed", ana, theirs)).is(201)
		if members, _ := mixed.at("members").([]any); len(members) != 1 || mixed.text("members.0.value") != theirs {
			w.Errorf("a foreign member shows: %s", mixed.raw)
		}
		// A token opens its own connection only.
		g.base = a.base
		g.send("GET", "/Users", nil).is(401)
		if got := a.send("GET", "/Groups/"+staff, nil).is(200); got.text("members.0.value") != ana || a.send("GET", "/Users/"+ana, nil).is(200).at("active") != true {
			w.Errorf("acme's people were touched: %s", got.raw)
		}
		// Acme's people are nobody at globex, whose domains do not cover them.
		if line := w.Audit("globex", "scim.user_created"); fmt.Sprint(line.Detail["user"]) != "" {
			w.Errorf("globex speaks for acme's people: %+v", line)
		}
	})
}

func ids(a pushed) (out []string) {
	list, _ := a.at("Resources").([]any)
	for _, e := range list {
		out = append(out, fmt.Sprint(lookUp(e, "id")))
	}
	return out
}

// REQ T-10
func TestPushedGroupsEarnRolesAtOnce(t *testing.T) {
	world.Each(t, func(w *world.World) {
		acme := w.Acme()
		p := pusherOf(w, acme.Connection)
		b := acme.As("cleo@acme.example") // in no group that a rule reads
		wantRoles(w, b.Session())
		cleo := p.send("POST", "/Users", aUser("cleo@acme.example", "ext-cleo")).is(201).text("id")
		viewers := p.send("POST", "/Groups", aGroup("viewers", cleo)).is(201).text("id")
		wantRoles(w, b.Session(), "catalog:reader")
		p.send("PATCH", "/Groups/"+viewers, patch(op("replace", "", map[string]any{"id": viewers, "displayName": "eng"}))).is(204)
		wantRoles(w, b.Session(), "catalog:reader", "registry:writer", "functions:developer@research")
		// The next sign-in, whose claim does not name the group, changes nothing of it.
		b = acme.As("cleo@acme.example")
		wantRoles(w, b.Session(), "catalog:reader", "registry:writer", "functions:developer@research")
		p.send("PATCH", "/Groups/"+viewers, patch(op("Remove", "members", []any{map[string]any{"value": cleo}}))).is(204)
		wantRoles(w, b.Session())
		p.send("PATCH", "/Groups/"+viewers, patch(op("add", "members", map[string]any{"value": cleo}))).is(204)
		wantRoles(w, b.Session(), "catalog:reader", "registry:writer", "functions:developer@research")
		p.send("DELETE", "/Groups/"+viewers, nil).is(204)
		wantRoles(w, b.Session())
		if got := p.send("GET", "/Users/"+cleo, nil).is(200).at("groups"); got != nil {
			w.Errorf("a group that is gone still shows: %v", got)
		}
	})
}

// A person who never signed in is known by their push: the first sign-in meets them by subject or address.
func TestAPushedPersonMeetsTheirFirstSignIn(t *testing.T) {
	world.Each(t, func(w *world.World) {
		acme, globex := w.Acme(), w.Globex()
		p := pusherOf(w, acme.Connection)
		p.send("POST", "/Users", aUser("ben@acme.example", "ext-ben")).is(201)
		line := w.Audit("acme", "scim.user_created")
		if got := acme.As("ben@acme.example").Session(); string(got.User.ID) != fmt.Sprint(line.Detail["user"]) {
			w.Errorf("signed in as %s, was pushed as %v", got.User.ID, line.Detail["user"])
		}
		// Entra's object id is the subject of SAML, OpenID Connect and SCIM, so a changed address does not matter.
		q := pusherOf(w, globex.Connection)
		gus, _ := globex.IdP.User("gus@globex.example")
		q.send("POST", "/Users", aUser("gustav@globex.example", gus.ID)).is(201)
		pushed := w.Audit("globex", "scim.user_created")
		if got := globex.As("gus@globex.example").Session(); string(got.User.ID) != fmt.Sprint(pushed.Detail["user"]) {
			w.Errorf("signed in as %s, was pushed as %v", got.User.ID, pushed.Detail["user"])
		}
	})
}

// REQ T-06, M-11
func TestTheLastOwnerIsShutOutAndTheirSeatIsKept(t *testing.T) {
	world.Each(t, func(w *world.World) {
		acme := w.Acme()
		p := pusherOf(w, acme.Connection)
		b := acme.As("olga@acme.example")
		olga := b.Session().User.ID
		id := p.send("POST", "/Users", aUser("olga@acme.example", "ext-olga")).is(201).text("id")
		p.send("DELETE", "/Users/"+id, nil).is(204)
		if s := b.Session(); s.Status != http.StatusUnauthorized {
			w.Errorf("the owner's session answers %d", s.Status)
		}
		acct, _ := w.Account("acme")
		person, err := w.House.Ledger.Person(w.Context(), world.Operator, acct.ID, olga)
		if err != nil {
			w.Fatal(err)
		}
		if person.Tenancy.Status != account.TenancySuspended || person.Tenancy.Role != account.Owner {
			w.Errorf("the seat is %+v", person.Tenancy)
		}
		if err := w.House.Ledger.SetUserState(w.Context(), world.Operator, olga, account.UserActive); err != nil {
			w.Fatal(err)
		}
		if s := acme.As("olga@acme.example").Session(); !slices.Contains(s.RoleNames(), "owner") {
			w.Errorf("the owner came back with %v", s.RoleNames())
		}
	})
}

// A provider lets in again whom it shut out, and nobody whom an administrator shut out.
func TestReactivationUndoesOnlyItsOwn(t *testing.T) {
	world.Each(t, func(w *world.World) {
		acme := w.Acme()
		p := pusherOf(w, acme.Connection)
		ana := acme.As("ana@acme.example").Session().User.ID
		id := p.send("POST", "/Users", aUser("ana@acme.example", "ext-ana")).is(201).text("id")
		if err := w.House.Ledger.SetUserState(w.Context(), world.Operator, ana, account.UserDisabled); err != nil {
			w.Fatal(err)
		}
		p.send("PATCH", "/Users/"+id, patch(op("replace", "active", false))).is(200)
		p.send("PATCH", "/Users/"+id, patch(op("replace", "active", true))).is(200)
		if page := w.Browser("ana@acme.example").SignIn(acme.Connection); page.Status != http.StatusForbidden {
			w.Errorf("a person disabled by hand came in: %d", page.Status)
		}
	})
}

// REQ N-49
// THREAT KEY-1, KEY-2, KEY-3
func TestTokensAreTwoAtMostAndWorthlessOnceRevoked(t *testing.T) {
	world.Each(t, func(w *world.World) {
		c := w.Acme().Connection
		p := pusherOf(w, c)
		l := w.House.Ledger
		p.send("GET", "/Users", nil).is(200)
		w.Clock.Turn(time.Second) // tokens are listed by when they were made
		_, token, err := l.MintSCIMToken(w.Context(), world.Operator, c.ID, time.Hour)
		if err != nil {
			w.Fatal(err)
		}
		if _, _, err := l.MintSCIMToken(w.Context(), world.Operator, c.ID, time.Hour); account.KindOf(err) != account.Conflict {
			w.Errorf("a third token: %v", err)
		}
		raw := token.Reveal()
		if !strings.HasPrefix(raw, "dbc_") || len(raw) != 42 {
			w.Errorf("a token is spelled %q", raw)
		}
		first := p.token
		for name, wrong := range map[string]string{"typo": flipped(raw), "short": raw[:len(raw)-1], "long": raw + "0", "twice": "Bearer " + raw, "made up": "dbc_" + strings.Repeat("0", 38)} {
			p.token = wrong
			if a := p.send("GET", "/Users", nil).is(401); a.text("status") != "401" || a.text("detail") == "" || a.header.Get("WWW-Authenticate") == "" {
				w.Errorf("%s: %s", name, a.raw)
			}
		}
		p.token = raw
		p.send("GET", "/Users", nil, "Authorization", "bEARER "+raw).is(200)
		all, err := l.SCIMTokens(w.Context(), world.Operator, c.ID)
		if err != nil || len(all) != 2 || all[1].UsedAt.IsZero() || all[1].Last4 != raw[len(raw)-4:] {
			w.Errorf("tokens %+v, %v", all, err)
		}
		w.Clock.Turn(2 * time.Hour)
		p.send("GET", "/Users", nil).is(401) // run out
		p.token = first
		p.send("GET", "/Users", nil).is(200)
		if err := l.RevokeSCIMToken(w.Context(), world.Operator, c.ID, all[0].ID); err != nil {
			w.Fatal(err)
		}
		p.send("GET", "/Users", nil).is(401)
		if err := l.RevokeSCIMToken(w.Context(), world.Operator, c.ID, all[0].ID); account.KindOf(err) != account.NotFound {
			w.Errorf("revoked twice: %v", err)
		}
	})
}

func flipped(s string) string {
	b := []byte(s)
	if b[10]++; b[10] > 'z' || b[10] == ':' || b[10] == '[' {
		b[10] = 'A'
	}
	return string(b)
}

// Of many at once each has its effect, or exactly one of them has.
func TestManyPushesAtOnce(t *testing.T) {
	world.Each(t, func(w *world.World) {
		p := pusherOf(w, w.Acme().Connection)
		const n = 8
		at := func(do func(i int) int) map[int]int {
			got, mu, wg := map[int]int{}, sync.Mutex{}, sync.WaitGroup{}
			for i := range n {
				wg.Go(func() {
					status := do(i)
					mu.Lock()
					defer mu.Unlock()
					got[status]++
				})
			}
			wg.Wait()
			return got
		}
		if got := at(func(i int) int {
			name := "same@acme.example"
			if i%2 == 0 {
				name = "SAME@acme.example"
			}
			return p.send("POST", "/Users", aUser(name, "")).status
		}); got[201] != 1 || got[409] != n-1 {
			w.Errorf("simultaneous creates: %v", got)
		}
		members := make([]string, n)
		for i := range members {
			members[i] = p.send("POST", "/Users", aUser(fmt.Sprintf("m%d@acme.example", i), fmt.Sprint("m", i))).is(201).text("id")
		}
		g := p.send("POST", "/Groups", aGroup("crowd")).is(201).text("id")
		if got := at(func(i int) int {
			return p.send("PATCH", "/Groups/"+g, patch(op("add", "members", []any{map[string]any{"value": members[i]}}))).status
		}); got[204] != n {
			w.Errorf("simultaneous adds: %v", got)
		}
		if list, _ := p.send("GET", "/Groups/"+g, nil).is(200).at("members").([]any); len(list) != n {
			w.Errorf("%d members after %d adds", len(list), n)
		}
		attributes := []string{"title", "nickName", "userType", "locale", "timezone", "preferredLanguage", "displayName", "profileUrl"}
		at(func(i int) int {
			return p.send("PATCH", "/Users/"+members[0], patch(op("replace", attributes[i], "set"))).is(200).status
		})
		u := p.send("GET", "/Users/"+members[0], nil).is(200)
		for _, a := range attributes {
			if u.text(a) != "set" {
				w.Errorf("%s was lost: %s", a, u.raw)
			}
		}
		version := u.header.Get("ETag")
		if got := at(func(i int) int {
			return p.send("PATCH", "/Users/"+members[0], patch(op("replace", "title", fmt.Sprint("t", i))), "If-Match", version).status
		}); got[200] != 1 || got[412] != n-1 {
			w.Errorf("one of many with one version: %v", got)
		}
		if got := at(func(int) int { return p.send("DELETE", "/Users/"+members[1], nil).status }); got[204] != 1 || got[404] != n-1 {
			w.Errorf("simultaneous deletes: %v", got)
		}
	})
}

// What a stranger with a token can send is refused in SCIM's words, and the house stands.
// THREAT SCIM-4
func TestHostileRequestsAreRefusedInWords(t *testing.T) {
	world.Each(t, func(w *world.World) {
		p := pusherOf(w, w.Acme().Connection)
		id := p.send("POST", "/Users", aUser("ana@acme.example", "x")).is(201).text("id")
		for _, c := range []struct {
			method, path string
			body         any
			status       []int
			scimType     string
		}{
			{"POST", "/Users", "{", []int{400}, "invalidSyntax"}, {"POST", "/Users", "[]", []int{400}, "invalidSyntax"}, {"POST", "/Users", "{} x", []int{400}, "invalidSyntax"},
			{"POST", "/Users", "", []int{400}, "invalidSyntax"}, {"POST", "/Users", strings.Repeat("[", 500_000), []int{400}, "invalidSyntax"},
			{"POST", "/Users", `{"schemas":["` + userSchema + `"]}`, []int{400}, "invalidValue"}, {"POST", "/Users", `{"userName":"a"}`, []int{400}, "invalidSyntax"},
			{"POST", "/Users", `{"schemas":["` + userSchema + `"],"userName":"a","USERNAME":"b"}`, []int{400}, "invalidSyntax"},
			{"POST", "/Users", `{"schemas":["` + userSchema + `"],"userName":"a","emails":"a@b.example"}`, []int{400}, "invalidValue"},
			{"POST", "/Users", `{"schemas":["` + userSchema + `"],"userName":7}`, []int{400}, "invalidValue"},
			{"POST", "/Users", `{"schemas":["` + userSchema + `"],"userName":"` + strings.Repeat("a", 3<<20) + `"}`, []int{413}, ""},
			{"POST", "/Groups", `{"schemas":["urn:ietf:params:scim:schemas:core:2.0:Group"],"displayName":"g","members":["x"]}`, []int{400}, "invalidValue"},
			{"PATCH", "/Users/nobody", patch(op("nonsense", "x", 1)), []int{404}, ""}, {"PATCH", "/Users/" + id, aUser("a", "b"), []int{400}, "invalidSyntax"},
			{"PATCH", "/Users/" + id, patch(op("replace", "nosuch", "x")), []int{400}, "invalidPath"}, {"PATCH", "/Users/" + id, patch(op("replace", "groups", []any{})), []int{400}, "mutability"},
			{"PATCH", "/Users/" + id, patch(op("replace", "meta.created", "x")), []int{400}, "mutability"}, {"PATCH", "/Users/" + id, patch(op("add", "", "x")), []int{400}, "invalidValue"},
			{"PATCH", "/Users/" + id, patch(op("replace", "active", "perhaps")), []int{400}, "invalidValue"}, {"PATCH", "/Users/" + id, patch(op("remove", "", nil)), []int{400}, "noTarget"},
			{"GET", "/Users?filter=" + strings.Repeat("(", 5000), nil, []int{400, 414}, "invalidFilter"}, {"GET", "/Users?filter=userName", nil, []int{400}, "invalidFilter"},
			{"GET", "/Users?filter=nosuch eq \"x\"", nil, []int{400}, "invalidFilter"}, {"GET", "/Users?filter=password eq \"x\"", nil, []int{400}, "invalidFilter"},
			{"GET", "/Users?filter=active gt true", nil, []int{400}, "invalidFilter"}, {"GET", "/Users?filter=userName eq \"a;b", nil, []int{400}, "invalidFilter"},
			{"GET", "/Users?filter=", nil, []int{400}, "invalidFilter"}, {"GET", "/Users?sortBy=nosuch", nil, []int{400}, "invalidValue"}, {"GET", "/Users?count=many", nil, []int{400}, "invalidValue"},
			{"GET", "/Users/%00", nil, []int{404}, ""}, {"GET", "/Users/%ff%00", nil, []int{404}, ""}, {"GET", "/Nothing%00%ff", nil, []int{404}, ""},
			{"GET", `/Users?filter=id eq "\u0000"`, nil, []int{400}, "invalidFilter"}, {"POST", "/Users", `{"schemas":["` + userSchema + `"],"userName":"a\u0000b"}`, []int{400}, "invalidValue"}, {"GET", "/Users/..%2fGroups", nil, []int{404}, ""}, {"GET", "/Nothing", nil, []int{404}, ""}, {"GET", "/Schemas/nothing", nil, []int{404}, ""},
			{"GET", "/Schemas?filter=id pr", nil, []int{403}, ""}, {"POST", "/Users/" + id, "{}", []int{405}, ""}, {"DELETE", "/Users", nil, []int{405}, ""}, {"GET", "/Me", nil, []int{501}, ""},
			{"GET", "/Users/.search", nil, []int{405}, ""}, {"POST", "/Users/.search", "{}", []int{400}, "invalidSyntax"}, {"POST", "/Bulk", "{}", []int{400}, "invalidSyntax"},
		} {
			a := p.send(c.method, c.path, c.body, "Accept", "text/html").is(c.status...)
			if got := a.text("scimType"); got != c.scimType || a.text("status") != fmt.Sprint(a.status) || a.text("detail") == "" {
				w.Errorf("%s %.60s: %s", c.method, c.path, a.raw)
			}
		}
		p.send("POST", "/Users", "<user/>", "Content-Type", "text/xml").is(415)
		for _, path := range []string{"/Users/?aadOptscim062020", "//Users", "/users"} {
			p.send("GET", path, nil).is(200)
		}
		if got := p.send("GET", "/Users/"+id, nil).is(200); got.text("userName") != "ana@acme.example" || got.header.Get("ETag") != `W/"1"` {
			w.Errorf("something took: %s", got.raw)
		}
	})
}

// A pushed password is kept nowhere, and the request log tells an administrator what happened.
func TestTheRequestLogTellsWithoutSecrets(t *testing.T) {
	world.Each(t, func(w *world.World) {
		c := w.Acme().Connection
		p := pusherOf(w, c)
		u := aUser("dora@elsewhere.example", "x")
		u["password"] = "hunter2hunter2"
		id := p.send("POST", "/Users", u).is(201).text("id")
		p.send("PATCH", "/Users/"+id, patch(op("replace", "password", "hunter2hunter2"), op("replace", "title", "Boss"))).is(200)
		p.send("PATCH", "/Users/"+id, patch(op("replace", "title", "Boss"))).is(200)
		p.send("GET", "/Users/nobody", nil).is(404)
		log, err := w.House.Ledger.SCIMRequests(w.Context(), world.Operator, c.ID, "", 100)
		if err != nil {
			w.Fatal(err)
		}
		if len(log) != 4 || log[0].Status+log[1].Status+log[2].Status+log[3].Status != 404+200+200+201 {
			w.Fatalf("the log holds %+v", log)
		}
		all := fmt.Sprintf("%+v", log)
		if strings.Contains(all, "hunter2") || !strings.Contains(all, "elsewhere.example is not proved") || !strings.Contains(all, "title") {
			w.Errorf("the log says %s", all)
		}
		got := p.send("GET", "/Users/"+id+"?attributes=password,title", nil).is(200)
		if strings.Contains(got.raw, "hunter2") || got.text("title") != "Boss" || got.header.Get("ETag") != `W/"2"` {
			w.Errorf("answered %s %s", got.header.Get("ETag"), got.raw)
		}
	})
}
