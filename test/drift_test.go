package test

import (
	"slices"
	"testing"

	"github.com/drawbridge-id/drawbridge/account"
	"github.com/drawbridge-id/drawbridge/test/world"
	"github.com/drawbridge-id/drawbridge/web/api"
)

// drift is the whole report, read in pages of a few rows: kind and address of each row.
func drift(w *world.World, b *world.Browser) (rows []api.Drift, spelled []string) {
	w.Helper()
	type page struct {
		Drift []api.Drift `json:"drift"`
		Next  string      `json:"next"`
	}
	for next, pages := "", 0; ; pages++ {
		if pages > 50 {
			w.Fatal("the report does not end")
		}
		p := read[page](ask(w, b, "GET", "/api/v1/orgs/acme/drift?limit=2&after="+next, nil).is(200))
		for _, d := range p.Drift {
			rows, spelled = append(rows, d), append(spelled, string(d.Kind)+" "+d.Email)
		}
		if next = p.Next; next == "" {
			slices.Sort(spelled)
			return rows, spelled
		}
	}
}

func TestTheDriftReportNamesWhatIsNotAgreedAndMendsIt(t *testing.T) {
	world.Each(t, func(w *world.World) {
		acme := w.Acme()
		p := pusherOf(w, acme.Connection)
		olga := acme.As("olga@acme.example")
		if _, all := drift(w, olga); len(all) != 0 {
			w.Errorf("before anything was pushed: %v", all)
		}
		a, org := w.Account("acme")
		id := map[string]string{}
		user := map[string]account.UserID{}
		for _, who := range []string{"ana", "ben", "dora", "eve", "finn"} {
			id[who] = p.send("POST", "/Users", aUser(who+"@acme.example", "ext-"+who)).is(201).text("id")
			person, err := w.House.Ledger.PersonByEmail(w.Context(), world.Operator, a.ID, who+"@acme.example")
			if err != nil {
				w.Fatal(err)
			}
			user[who] = person.User.ID
		}
		p.send("POST", "/Users", aUser("guest@elsewhere.example", "ext-guest")).is(201) // of no domain of ours
		p.send("POST", "/Groups", aGroup("eng", id["ben"], id["dora"])).is(201)
		acme.As("ana@acme.example") // in eng, says the sign-in, and the push does not
		acme.As("cleo@acme.example")

		// Somebody was let in by hand whom the provider had deactivated, and somebody removed by hand whom it still pushes.
		off(p, id["eve"]).is(200, 204)
		ask(w, olga, "POST", "/api/v1/orgs/acme/people/"+string(user["eve"])+"/enable", nil).is(204)
		ask(w, olga, "DELETE", "/api/v1/orgs/acme/people/"+string(user["finn"])+"?scope=account", nil).is(200)
		// And a role went missing: a rule would give it, by hand it was taken out of the org.
		ask(w, olga, "DELETE", "/api/v1/orgs/acme/people/"+string(user["dora"]), nil).is(200)

		rows, got := drift(w, olga)
		want := []string{"groups_differ ana@acme.example", "inactive_there eve@acme.example", "no_place finn@acme.example", "nobody guest@elsewhere.example",
			"roles_differ dora@acme.example", "unknown_there cleo@acme.example", "unknown_there olga@acme.example"}
		if !slices.Equal(got, want) {
			w.Fatalf("drift:\n got %q\nwant %q", got, want)
		}
		for _, d := range rows {
			if d.Detail == "" || d.Kind != account.DriftRoles && d.Connection != acme.Connection.ID {
				w.Errorf("a row says %+v", d)
			}
			switch d.Kind {
			case account.DriftGroups:
				if !slices.Equal(d.Claimed, []string{"eng"}) || len(d.Pushed) != 0 || d.Repair != "" {
					w.Errorf("ana's row is %+v", d)
				}
			case account.DriftRoles:
				if len(d.Gain) != 3 || len(d.Lose) != 0 {
					w.Errorf("dora's row is %+v", d)
				}
			}
		}
		// Members of the org do not see it, and who manages people mends it.
		ask(w, acme.As("ana@acme.example"), "GET", "/api/v1/orgs/acme/drift", nil).is(403)
		for _, d := range rows {
			body := map[string]string{"user": string(d.User), "connection": string(d.Connection), "resource": d.Resource}
			if d.User == "" {
				delete(body, "user")
			}
			done := read[[]api.Drift](ask(w, olga, "POST", "/api/v1/orgs/acme/drift/repair", body).is(200))
			if mended := len(done) == 1 && done[0].Kind == d.Kind; mended != (d.Repair != "" && d.Kind != account.DriftNobody) {
				w.Errorf("repairing %s %s did %+v", d.Kind, d.Email, done)
			}
		}
		if _, got := drift(w, olga); !slices.Equal(got, []string{want[0], want[3], want[5], want[6]}) {
			w.Errorf("after the repair: %q", got)
		}
		if r := w.Audit("acme", "user.deactivated"); r.Target != string(user["eve"]) || r.Reason != "inactive at the provider" {
			w.Errorf("the audit line is %+v", r)
		}
		// What the provider closed it opens again, without anybody's help.
		p.send("PATCH", "/Users/"+id["eve"], patch(op("replace", "active", true))).is(200, 204)
		if person, err := w.House.Ledger.Person(w.Context(), world.Operator, a.ID, user["eve"]); err != nil || person.Tenancy.Status != account.TenancyActive {
			w.Errorf("eve: %+v %v", person.Tenancy, err)
		}
		person, err := w.House.Ledger.Person(w.Context(), world.Operator, a.ID, user["dora"])
		if err != nil || !account.HasRole(person.Roles, account.Scope{Org: org.ID}, "registry:writer") {
			w.Errorf("dora holds %+v (%v)", person.Roles, err)
		}
	})
}

// The last owner is not shut out by a click, whatever the provider says.
func TestRepairingDriftLeavesTheLastOwner(t *testing.T) {
	world.Each(t, func(w *world.World) {
		acme := w.Acme()
		p := pusherOf(w, acme.Connection)
		olga := acme.As("olga@acme.example")
		u := olga.Session().User.ID
		id := p.send("POST", "/Users", aUser("olga@acme.example", "ext-olga")).is(201).text("id")
		off(p, id).is(200, 204)
		a, _ := w.Account("acme")
		if err := w.House.Ledger.Enable(w.Context(), world.Operator, a.ID, u); err != nil {
			w.Fatal(err)
		}
		olga = acme.As("olga@acme.example")
		if _, got := drift(w, olga); !slices.Equal(got, []string{"inactive_there olga@acme.example"}) {
			w.Errorf("drift is %q", got)
		}
		ask(w, olga, "POST", "/api/v1/orgs/acme/drift/repair", map[string]string{"user": string(u)}).refuses(409, "last_owner")
	})
}
