package test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/drawbridge-id/drawbridge/account"
	"github.com/drawbridge-id/drawbridge/scim"
	"github.com/drawbridge-id/drawbridge/test/world"
)

const groupSchema = "urn:ietf:params:scim:schemas:core:2.0:Group"

func bulk(operations ...map[string]any) map[string]any {
	return map[string]any{"schemas": []string{"urn:ietf:params:scim:api:messages:2.0:BulkRequest"}, "Operations": operations}
}

func bulkOp(method, path, bulkID string, data any) map[string]any {
	m := map[string]any{"method": method, "path": path}
	if bulkID != "" {
		m["bulkId"] = bulkID
	}
	if data != nil {
		m["data"] = data
	}
	return m
}

// statuses are those of a bulk answer, in order.
func statuses(a pushed) (out []string) {
	list, _ := a.at("Operations").([]any)
	for _, e := range list {
		out = append(out, fmt.Sprint(lookUp(e, "status")))
	}
	return out
}

func wantStatuses(w *world.World, a pushed, want ...string) {
	w.Helper()
	if got := statuses(a.is(200)); strings.Join(got, " ") != strings.Join(want, " ") {
		w.Fatalf("operations ended with %v, want %v: %s", got, want, a.raw)
	}
}

// What operations refer to is made first, wherever it stands; groups that list each other both come to be, or neither does.
func TestABulkRequestFollowsItsReferences(t *testing.T) {
	world.Each(t, func(w *world.World) {
		p := pusherOf(w, w.Acme().Connection)
		boss := aUser("boss@acme.example", "b")
		amy := aUser("amy@acme.example", "a")
		amy["urn:ietf:params:scim:schemas:extension:enterprise:2.0:User"] = map[string]any{"department": "R&D", "manager": map[string]any{"value": "bulkId:boss"}}
		a := p.send("POST", "/Bulk", bulk(
			bulkOp("POST", "/Groups", "g", aGroup("Crew", "bulkId:amy", "bulkId:boss")),
			bulkOp("POST", "/Users", "amy", amy),
			bulkOp("POST", "/Users", "boss", boss),
			bulkOp("PATCH", "/Groups/bulkId:g", "", patch(op("replace", "displayName", "Crew of one"), op("remove", `members`, []any{map[string]any{"value": "bulkId:boss"}}))),
		))
		wantStatuses(w, a, "201", "201", "201", "204")
		id := func(n int) string {
			s := a.text(fmt.Sprintf("Operations.%d.location", n))
			return s[strings.LastIndexByte(s, '/')+1:]
		}
		if a.text("Operations.0.bulkId") != "g" || a.text("Operations.0.method") != "POST" || a.text("Operations.1.version") != `W/"1"` || a.text("Operations.3.location") != p.base+"/Groups/"+id(0) {
			w.Errorf("answered %s", a.raw)
		}
		g := p.send("GET", "/Groups/"+id(0), nil).is(200)
		if members, _ := g.at("members").([]any); len(members) != 1 || g.text("members.0.value") != id(1) || g.text("displayName") != "Crew of one" {
			w.Errorf("the group is %s", g.raw)
		}
		if m := p.send("GET", "/Users/"+id(1), nil).is(200); m.text(`["urn:ietf:params:scim:schemas:extension:enterprise:2.0:User"].manager.value`) != id(2) {
			w.Errorf("the manager is not resolved: %s", m.raw)
		}

		// A circle.
		a = p.send("POST", "/Bulk", bulk(bulkOp("POST", "/Groups", "x", aGroup("X", "bulkId:y", id(1))), bulkOp("POST", "/Groups", "y", aGroup("Y", "bulkId:x", "bulkId:y"))))
		wantStatuses(w, a, "201", "201")
		x, y := id(0), id(1)
		if got := p.send("GET", "/Groups/"+x, nil).is(200); !strings.Contains(got.raw, y) || got.text("members.0.type") == "" {
			w.Errorf("x does not list y: %s", got.raw)
		}
		if got := p.send("GET", "/Groups/"+y, nil).is(200); got.text("members.0.value") != x || got.text("members.0.type") != "Group" || got.at("members.1") != nil {
			w.Errorf("y does not list x alone: %s", got.raw)
		}
		// One of a circle that cannot be made takes the other along.
		a = p.send("POST", "/Bulk", bulk(bulkOp("POST", "/Groups", "v", aGroup("x", "bulkId:w")), bulkOp("POST", "/Groups", "w", aGroup("W", "bulkId:v"))))
		wantStatuses(w, a, "409", "409")
		if a.text("Operations.0.response.scimType") != "uniqueness" || a.at("Operations.0.location") != nil || a.at("Operations.1.location") != nil {
			w.Errorf("answered %s", a.raw)
		}
		if found := p.send("GET", `/Groups?filter=displayName eq "W"`, nil).is(200); found.at("totalResults") != 0.0 {
			w.Errorf("something stray is left: %s", found.raw)
		}
		// Nor is anything made that refers to what failed, or to nothing.
		a = p.send("POST", "/Bulk", bulk(bulkOp("POST", "/Groups", "q", aGroup("Q", "bulkId:dup")), bulkOp("POST", "/Users", "dup", boss), bulkOp("POST", "/Groups", "r", aGroup("R", "bulkId:none"))))
		wantStatuses(w, a, "409", "409", "400")
		if found := p.send("GET", `/Groups?filter=displayName eq "Q" or displayName eq "R" or members.value sw "bulkId"`, nil).is(200); found.at("totalResults") != 0.0 {
			w.Errorf("something stray is left: %s", found.raw)
		}
	})
}

// Each operation fails or takes by itself, as it would alone, and stops nothing but what failOnErrors says.
// THREAT SCIM-1
func TestABulkRequestIsNotAtomic(t *testing.T) {
	world.Each(t, func(w *world.World) {
		acme := w.Acme()
		p, other := pusherOf(w, acme.Connection), pusherOf(w, w.Globex().Connection)
		theirs := other.send("POST", "/Users", aUser("gus@globex.example", "g")).is(201).text("id")
		b := acme.As("ana@acme.example")
		ana := p.send("POST", "/Users", aUser("ana@acme.example", "ext-ana")).is(201).text("id")
		twin := aUser("ANA@acme.example", "else")
		stale := bulkOp("PATCH", "/Users/"+ana, "", patch(op("replace", "title", "Stale")))
		stale["version"] = `W/"9"`
		fresh := bulkOp("PATCH", "/Users/"+ana, "", patch(op("replace", "title", "Fresh")))
		fresh["version"] = `W/"1"`
		a := p.send("POST", "/Bulk", bulk(
			bulkOp("POST", "/Users", "1", twin), bulkOp("DELETE", "/Users/"+theirs, "", nil), bulkOp("GET", "/Users/"+ana, "", nil), bulkOp("POST", "/Bulk", "b", map[string]any{}),
			bulkOp("POST", "/Users", "", aUser("x@acme.example", "x")), bulkOp("POST", "/Users", "1", aUser("y@acme.example", "y")), bulkOp("PATCH", "/Users/../Groups", "", patch()),
			bulkOp("PUT", p.base+"/Users/"+ana, "", twin), bulkOp("POST", "/Users/"+ana, "z", twin), bulkOp("PUT", "/Users", "", twin), bulkOp("PATCH", "/Users/"+ana, "", nil),
			stale, fresh, bulkOp("PATCH", "/Users/"+ana, "", patch(op("replace", "active", false)))))
		wantStatuses(w, a, "409", "404", "405", "404", "400", "400", "404", "404", "405", "405", "400", "412", "200", "200")
		if a.text("Operations.0.response.scimType") != "uniqueness" || a.text("Operations.0.response.status") != "409" || a.at("Operations.12.response") != nil || a.text("Operations.12.version") != `W/"2"` {
			w.Errorf("answered %s", a.raw)
		}
		if s := b.Session(); s.Status != 401 {
			w.Errorf("a session outlived a bulk deactivation: %d", s.Status)
		}
		other.send("GET", "/Users/"+theirs, nil).is(200)

		stop := bulk(bulkOp("POST", "/Users", "1", twin), bulkOp("DELETE", "/Users/"+ana, "", nil))
		stop["failOnErrors"] = 1
		wantStatuses(w, p.send("POST", "/Bulk", stop), "409")
		p.send("GET", "/Users/"+ana, nil).is(200)

		// The request log has each operation as if it had come alone.
		log, err := w.House.Ledger.SCIMRequests(w.Context(), world.Operator, acme.Connection.ID, "", 100)
		if err != nil {
			w.Fatal(err)
		}
		said := fmt.Sprintf("%+v", log)
		if !strings.Contains(said, "/Bulk") || !strings.Contains(said, "was shut out, 1 sessions ended") || strings.Count(said, "already") < 2 {
			w.Errorf("the log says %s", said)
		}
	})
}

// What is declared is enforced, and operations count like requests.
func TestABulkRequestIsBounded(t *testing.T) {
	world.Each(t, func(w *world.World) {
		p := pusherOf(w, w.Acme().Connection)
		c := p.send("GET", "/ServiceProviderConfig", nil).is(200)
		most, size := c.at("bulk.maxOperations").(float64), c.at("bulk.maxPayloadSize").(float64)
		if c.at("bulk.supported") != true || most < 100 || size < 1<<20 {
			w.Fatalf("declared %s", c.raw)
		}
		var many []map[string]any
		for range int(most) + 1 {
			many = append(many, bulkOp("DELETE", "/Users/nobody", "", nil))
		}
		p.send("POST", "/Bulk", bulk(many...)).is(413)
		big := aUser("big@acme.example", "big")
		big["title"] = strings.Repeat("a", int(size))
		p.send("POST", "/Bulk", bulk(bulkOp("POST", "/Users", "1", big))).is(413)
		for _, body := range []any{"{}", bulk(), map[string]any{"schemas": []string{userSchema}, "Operations": many[:1]}, `{"schemas":["urn:ietf:params:scim:api:messages:2.0:BulkRequest"],"failOnErrors":0,"Operations":[{}]}`} {
			p.send("POST", "/Bulk", body).is(400)
		}
		p.send("GET", "/Bulk", nil).is(405)
		if got := statuses(p.send("POST", "/Bulk", bulk(many[:int(most)]...)).is(200)); len(got) != int(most) || got[0] != "404" {
			w.Errorf("%d operations ended, the first with %s", len(got), got[0])
		}
		if a := p.send("GET", "/Users", nil).is(429); a.header.Get("Retry-After") == "" {
			w.Errorf("refused without saying how long: %v", a.header)
		}
		w.Clock.Turn(time.Minute)
		p.send("GET", "/Users", nil).is(200)
	})
}

// A bulk request may take long. What ends its token, or its connection, ends what is left of it, and leaves nothing half made.
//
// THREAT SCIM-4
func TestWhatEndsATokenEndsABulkRequest(t *testing.T) {
	world.Each(t, func(w *world.World) {
		c := w.Acme().Connection
		l, reader := w.House.Ledger, pusherOf(w, c)
		for name, tc := range map[string]struct {
			end    func(account.SCIMTokenID) error
			status string
		}{
			"revoked":  {func(id account.SCIMTokenID) error { return l.RevokeSCIMToken(w.Context(), world.Operator, c.ID, id) }, "401"},
			"disabled": {func(account.SCIMTokenID) error { return l.EnableConnection(w.Context(), world.Operator, c.ID, false) }, "403"},
		} {
			token, secret, err := l.MintSCIMToken(w.Context(), world.Operator, c.ID, time.Hour)
			if err != nil {
				w.Fatal(err)
			}
			answered := 0
			door := scim.New(scim.Options{Ledger: l, Now: w.Clock.Now, Rate: 1000, Burst: 1000, Answered: func(string, int, time.Duration) {
				if answered++; answered == 3 { // amy, and both of the circle: y lacks x yet
					if err := tc.end(token.ID); err != nil {
						w.Error(err)
					}
				}
			}})
			mux := http.NewServeMux()
			mux.HandleFunc("/scim/{connection}/v2/{rest...}", func(rw http.ResponseWriter, r *http.Request) { _ = door.Serve(rw, r) })
			served := httptest.NewServer(mux)
			p := &pusher{World: w, base: served.URL + "/scim/" + string(c.ID) + "/v2", token: secret.Reveal()}
			a := p.send("POST", "/Bulk", bulk(
				bulkOp("POST", "/Users", "amy", aUser("amy."+name+"@acme.example", "a-"+name)),
				bulkOp("POST", "/Groups", "x", aGroup("X "+name, "bulkId:y")),
				bulkOp("POST", "/Groups", "y", aGroup("Y "+name, "bulkId:x")),
				bulkOp("POST", "/Users", "bob", aUser("bob."+name+"@acme.example", "b-"+name)),
				bulkOp("DELETE", "/Users/scu_unknown", "", nil),
			))
			served.Close()
			wantStatuses(w, a, "201", "201", tc.status, tc.status, tc.status)
			if name == "disabled" {
				if err := l.EnableConnection(w.Context(), world.Operator, c.ID, true); err != nil {
					w.Fatal(err)
				}
			}
			for query, want := range map[string]string{`/Users?filter=userName ew "` + name + `@acme.example"`: `"totalResults":1}`, `/Groups?filter=displayName sw "Y"`: `"totalResults":0}`} {
				path, filter, _ := strings.Cut(query, "filter=")
				if got := reader.send("GET", path+"filter="+url.QueryEscape(filter), nil).is(200); !strings.HasSuffix(strings.TrimSpace(got.raw), want) {
					w.Errorf("%s: %s gives %s", name, query, got.raw)
				}
			}
		}
	})
}
