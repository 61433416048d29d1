package test

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/drawbridge-id/drawbridge/account"
	"github.com/drawbridge-id/drawbridge/audit"
	"github.com/drawbridge-id/drawbridge/store"
	"github.com/drawbridge-id/drawbridge/test/fresh"
	"github.com/drawbridge-id/drawbridge/test/world"
	"github.com/drawbridge-id/drawbridge/web/api"
)

// teamsOf counts acme's teams of a name.
func teamsOf(w *world.World, b *world.Browser, name string) (n int) {
	w.Helper()
	for _, t := range read[struct{ Teams []api.Team }](ask(w, b, "GET", "/api/v1/orgs/acme/teams", nil).is(200)).Teams {
		if t.Name == name {
			n++
		}
	}
	return n
}

func TestAChangeThatIsSentTwiceIsMadeOnce(t *testing.T) {
	world.Each(t, func(w *world.World) {
		olga := w.Acme().As("olga@acme.example")
		const teams = "/api/v1/orgs/acme/teams"
		blue := map[string]string{"name": "blue"}
		first := ask(w, olga, "POST", teams, blue, "Idempotency-Key", `"k-1"`).is(201)
		again := ask(w, olga, "POST", teams, blue, "Idempotency-Key", "k-1").is(201)
		if again.body != first.body || again.header.Get("Idempotency-Replayed") != "true" || first.header.Get("Idempotency-Replayed") != "" {
			w.Errorf("first %s %v, then %s %v", first.body, first.header, again.body, again.header)
		}
		ask(w, olga, "POST", teams, map[string]string{"name": "red"}, "Idempotency-Key", "k-1").refuses(422, "idempotency_key_reused")
		ask(w, olga, "POST", teams, blue, "Idempotency-Key", "not one").refuses(422, "idempotency_key_invalid")
		// What was refused is refused again, in the same words.
		no := ask(w, olga, "POST", teams, blue, "Idempotency-Key", "k-2").is(409)
		if same := ask(w, olga, "POST", teams, blue, "Idempotency-Key", "k-2").is(409); same.body != no.body {
			w.Errorf("%s, then %s", no.body, same.body)
		}
		// A secret that is shown once is shown again to who made it, and kept sealed.
		key := map[string]any{"name": "lost answer"}
		one := read[api.MintedKey](ask(w, olga, "POST", "/api/v1/orgs/acme/keys", key, "Idempotency-Key", "k-3").is(201))
		two := read[api.MintedKey](ask(w, olga, "POST", "/api/v1/orgs/acme/keys", key, "Idempotency-Key", "k-3").is(201))
		if one.Secret == "" || one.Secret != two.Secret || one.ID != two.ID {
			w.Errorf("%v and %v", one.ID, two.ID)
		}
		ask(w, nil, "POST", teams, blue, "Idempotency-Key", "k-1", "Authorization", "Bearer "+one.Secret).refuses(409, "name_taken") // another caller
		// Ten at once, one team.
		var wg sync.WaitGroup
		for range 10 {
			wg.Go(func() { ask(w, olga, "POST", teams, map[string]string{"name": "green"}, "Idempotency-Key", "k-4") })
		}
		wg.Wait()
		if n := teamsOf(w, olga, "green"); n != 1 {
			w.Errorf("there are %d green teams", n)
		}
		// The process ended between the change and its end: it is not made again.
		call := &store.Call{Caller: "user:" + string(olga.Session().User.ID) + "@" + string(olga.Session().Account.ID), Key: "k-5", Request: []byte("POST\n" + teams + "\n\n" + `{"name":"grey"}`)}
		if _, err := w.House.Ledger.BeginCall(w.Context(), call); err != nil {
			w.Fatal(err)
		}
		ask(w, olga, "POST", teams, `{"name":"grey"}`, "Idempotency-Key", "k-5", "Content-Type", "application/json").refuses(409, "idempotency_running")
		w.Clock.Turn(2 * time.Minute)
		ask(w, olga, "POST", teams, `{"name":"grey"}`, "Idempotency-Key", "k-5", "Content-Type", "application/json").refuses(409, "idempotency_unknown")
		if n := teamsOf(w, olga, "grey"); n != 0 {
			w.Errorf("there are %d grey teams", n)
		}
	})
}

func TestAChangeIsMadeOnlyOfWhatItsCallerHasSeen(t *testing.T) {
	world.Each(t, func(w *world.World) {
		acme := w.Acme()
		olga := acme.As("olga@acme.example")
		breaker := "/api/v1/connections/" + string(acme.Connection.ID) + "/breaker"
		seen := ask(w, olga, "GET", breaker, nil).is(200)
		tag := seen.header.Get("ETag")
		if !strings.HasPrefix(tag, `"`) {
			w.Fatalf("the ETag is %s", tag)
		}
		if r := ask(w, olga, "GET", breaker, nil, "If-None-Match", "W/"+tag).is(304); r.body != "" || r.header.Get("ETag") != tag {
			w.Errorf("%v %s", r.header, r.body)
		}
		set := func(share int, headers ...string) reply {
			return ask(w, olga, "PUT", breaker, api.BreakerSettings{Share: share, Within: 60, Least: 5}, headers...)
		}
		set(30, "If-Match", tag).is(200)
		stale := set(40, "If-Match", tag)
		stale.refuses(412, "stale")
		set(40, "If-Match", "W/"+stale.header.Get("ETag")).refuses(412, "stale") // RFC 9110 section 13.1.1: strongly
		if b := read[api.Breaker](ask(w, olga, "GET", breaker, nil).is(200)); b.Share != 30 {
			w.Errorf("%+v", b)
		}
		set(40, "If-Match", stale.header.Get("ETag")).is(200)
		set(41, "If-Match", "*").is(200)
		// Of ten who have seen the same, one is first.
		tag = ask(w, olga, "GET", breaker, nil).is(200).header.Get("ETag")
		var wg sync.WaitGroup
		var mu sync.Mutex
		made := 0
		for i := range 10 {
			wg.Go(func() {
				if set(50+i, "If-Match", tag).status == 200 {
					mu.Lock()
					made++
					mu.Unlock()
				}
			})
		}
		wg.Wait()
		if made != 1 {
			w.Errorf("%d were made", made)
		}
		// A change to a person goes by what was seen of the person.
		ben := someone(w, "acme", "benno@acme.example", account.Member)
		at := "/api/v1/orgs/acme/people/" + string(ben)
		tag = ask(w, olga, "GET", at, nil).is(200).header.Get("ETag")
		ask(w, olga, "POST", at+"/roles", grant{Role: "registry:reader"}, "If-Match", tag).is(200)
		ask(w, olga, "POST", at+"/roles", grant{Role: "registry:writer"}, "If-Match", tag).refuses(412, "stale")
		ask(w, w.Globex().As("olaf@globex.example"), "POST", at+"/roles", grant{Role: "registry:writer"}, "If-Match", tag).is(404)
	})
}

func TestAChangeCanBeRehearsedAtTheDoor(t *testing.T) {
	world.Each(t, func(w *world.World) {
		acme := w.Acme()
		olga := acme.As("olga@acme.example")
		ben := someone(w, "acme", "benno@acme.example", account.Member)
		at := "/api/v1/orgs/acme/people/" + string(ben)
		r := ask(w, olga, "DELETE", at+"?scope=account&dry_run=true", nil).is(200)
		said := read[api.Rehearsed](r)
		if r.header.Get("Content-Type") != "application/vnd.drawbridge.rehearsal+json" || said.Status != 200 || len(said.Audit) == 0 || !strings.Contains(string(said.Answer), "benno@acme.example") {
			w.Errorf("%s %s", r.header.Get("Content-Type"), r.body)
		}
		ask(w, olga, "GET", at, nil).is(200)
		if lines := read[struct{ Lines []api.AuditLine }](ask(w, olga, "GET", "/api/v1/orgs/acme/audit?target="+string(ben), nil).is(200)).Lines; len(lines) != 1 || lines[0].Verb != "person.added" {
			w.Errorf("the log says %+v", lines)
		}
		ask(w, olga, "POST", "/api/v1/connections/"+string(acme.Connection.ID)+"/login-tests?dry_run=true", map[string]string{}).refuses(422, "no_dry_run")
		// Who could take the counting of guesses back could guess without end.
		ask(w, olga, "POST", "/api/v1/me/codes/check?dry_run=true", map[string]string{"codes": "B2"}).refuses(422, "no_dry_run")
		ask(w, olga, "DELETE", at+"?dry_run=perhaps", nil).refuses(422, "invalid")
		// Who may not make it may not rehearse it, and it is on record that they tried.
		member := acme.As("ben@acme.example")
		ask(w, member, "POST", "/api/v1/orgs/acme/teams?dry_run=true", map[string]string{"name": "mine"}).is(403)
		if lines := read[struct{ Lines []api.AuditLine }](ask(w, olga, "GET", "/api/v1/orgs/acme/audit?outcome=refused&verb=team.", nil).is(200)).Lines; len(lines) != 1 {
			w.Errorf("the log says %+v", lines)
		}
	})
}

// THREAT AUD-2
func TestTheAuditLogIsReadAndExportedByTheAPI(t *testing.T) {
	world.Each(t, func(w *world.World) {
		acme := w.Acme()
		olga := acme.As("olga@acme.example")
		made := ask(w, olga, "POST", "/api/v1/orgs/acme/teams", map[string]string{"name": "blue"}).is(201)
		id := read[api.Team](made).ID
		type page struct {
			Lines []api.AuditLine
			Next  account.AuditID
		}
		get := func(query string) page {
			return read[page](ask(w, olga, "GET", "/api/v1/orgs/acme/audit?"+query, nil).is(200))
		}
		for _, query := range []string{"verb=team.created&limit=1", "target=" + string(id), "request=" + made.header.Get("X-Request-Id"),
			"actor=user:" + string(olga.Session().User.ID) + "&verb=team.&outcome=done"} {
			if p := get(query); len(p.Lines) != 1 || p.Lines[0].Target != string(id) || p.Lines[0].At.IsZero() {
				w.Errorf("%s: %+v", query, p)
			}
		}
		now := w.Clock.Now().UTC().Format(time.RFC3339)
		later := w.Clock.Now().Add(time.Hour).UTC().Format(time.RFC3339)
		if before, after := get("to="+now[:10]+"T00:00:00Z"), get("from="+later); len(before.Lines)+len(after.Lines) != 0 {
			w.Errorf("%+v, %+v", before, after)
		}
		var all []account.AuditID
		for p := get("limit=3"); ; p = get("limit=3&after=" + string(p.Next)) {
			for _, l := range p.Lines {
				all = append(all, l.ID)
			}
			if p.Next == "" {
				break
			}
		}
		if whole := get("limit=1000"); len(all) != len(whole.Lines) {
			w.Errorf("%d lines in pages, %d at once", len(all), len(whole.Lines))
		}
		export := ask(w, olga, "GET", "/api/v1/orgs/acme/audit/export", nil).is(200)
		report, err := audit.Verify(strings.NewReader(export.body), "")
		if err != nil || report.Lines < len(all) || export.header.Get("Content-Type") != "application/jsonl" {
			w.Errorf("%+v, %v", report, err)
		}
		if _, err := audit.Verify(strings.NewReader(strings.Replace(export.body, "team.created", "team.creator", 1)), ""); err == nil {
			w.Error("a changed line passes")
		}
		ask(w, acme.As("ben@acme.example"), "GET", "/api/v1/orgs/acme/audit/export", nil).is(403)
	})
}

// REQ A-15
func TestAnOperatorsTokenRunsTheHouseAndManagesNobodysUsers(t *testing.T) {
	world.Each(t, func(w *world.World) {
		olga := w.Acme().As("olga@acme.example")
		_, secret, err := w.House.Ledger.MintOperatorToken(w.Context(), world.Operator, "billing", 0)
		if err != nil {
			w.Fatal(err)
		}
		as := func(method, path string, body any) reply {
			return ask(w, nil, method, path, body, "Authorization", "Bearer "+secret.Reveal())
		}
		if page := read[struct{ Accounts []api.Tenant }](as("GET", "/api/v1/operator/accounts?q=acme", nil).is(200)); len(page.Accounts) != 1 || page.Accounts[0].Org.Name != "acme" {
			w.Errorf("%+v", page)
		}
		as("POST", "/api/v1/operator/accounts", map[string]string{"name": "initech", "org": "initech", "type": "enterprise"}).is(201)
		as("PUT", "/api/v1/orgs/initech/services/registry", map[string]bool{"enabled": true}).is(200).says("registry")
		ask(w, olga, "GET", "/api/v1/operator/accounts", nil).is(403)
		ask(w, olga, "PUT", "/api/v1/orgs/acme/services/registry", map[string]bool{"enabled": false}).is(403)
		ben := someone(w, "acme", "benno@acme.example", account.Member)
		at := "/api/v1/orgs/acme/people"
		refused := []reply{as("GET", at, nil), as("GET", at+"/"+string(ben), nil), as("POST", at+"/"+string(ben)+"/roles", grant{Role: "registry:reader"}), as("DELETE", at+"/"+string(ben), nil)}
		for _, r := range refused {
			r.is(403)
		}
		lines := read[struct{ Lines []api.AuditLine }](ask(w, olga, "GET", "/api/v1/orgs/acme/audit?outcome=refused&limit=1000", nil).is(200)).Lines
		n := 0
		for _, l := range lines {
			if strings.HasPrefix(l.Actor, "operator:opt_") {
				n++
			}
		}
		if n != len(refused) {
			w.Errorf("%d refusals are on record: %+v", n, lines)
		}
		as("GET", "/api/v1/me", nil).is(200).says("opt_")
	})
}

func TestAProblemSaysWhatIsWrongWhereAndWhatHelps(t *testing.T) {
	w := world.New(t, fresh.SQLite(t))
	acme := w.Acme()
	olga := acme.As("olga@acme.example")
	ben := acme.As("ben@acme.example")
	p := ask(w, olga, "POST", "/api/v1/orgs/acme/teams", map[string]any{"nam": "x", "description": 5}).refuses(422, "invalid")
	if len(p.Errors) != 3 {
		w.Errorf("%+v", p)
	}
	for _, f := range p.Errors {
		if f.Pointer == "" || f.Message == "" || f.Fix == "" {
			w.Errorf("%+v", f)
		}
	}
	p = ask(w, ben, "POST", "/api/v1/orgs/acme/teams", map[string]string{"name": "x"}).refuses(403, "forbidden")
	if len(p.Missing) != 1 || p.Missing[0] != "role:user_admin" {
		w.Errorf("%+v", p)
	}
	ask(w, olga, "POST", "/api/v1/orgs/acme/teams", "{", "Content-Type", "application/json").is(400)
	ask(w, olga, "POST", "/api/v1/orgs/acme/teams", strings.Repeat("x", 70<<10), "Content-Type", "application/json", "Idempotency-Key", "k").refuses(413, "too_large")
	ask(w, olga, "PURGE", "/api/v1/orgs/acme/teams", nil).is(405)
}

// The description that is checked in is the one that is served.
func TestTheDescriptionOfTheAPIIsCurrentAndWhole(t *testing.T) {
	kept, err := os.ReadFile(filepath.Join("..", "docs", "api", "openapi.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	doc := api.Document()
	made, err := doc.YAML()
	if err != nil {
		t.Fatal(err)
	}
	if string(kept) != string(made) {
		t.Error("docs/api/openapi.yaml is not what the handlers say: make openapi")
	}
	text, err := json.Marshal(doc)
	if err != nil {
		t.Fatal(err)
	}
	var read struct {
		Paths map[string]map[string]struct {
			OperationID string
			Callers     []string `json:"x-drawbridge-callers"`
			Tags        []string
			Description string
			Responses   map[string]any
		}
	}
	if err := json.Unmarshal(text, &read); err != nil || len(read.Paths) == 0 {
		t.Fatal(err)
	}
	for path, methods := range read.Paths {
		for method, o := range methods {
			if len(o.Callers) == 0 {
				t.Errorf("%s %s: say in web/api/callers.go who may call %s", method, path, o.OperationID)
			}
			if len(o.Tags) != 1 || o.Responses["403"] == nil || o.Responses["503"] == nil || method != "get" && o.Responses["412"] == nil {
				t.Errorf("%s %s: %+v", method, path, o)
			}
		}
	}
}
