package test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/drawbridge-id/drawbridge/account"
	"github.com/drawbridge-id/drawbridge/store"
	"github.com/drawbridge-id/drawbridge/test/world"
	"github.com/drawbridge-id/drawbridge/web/api"
)

// crowd pushes n people and gives their ids.
func crowd(p *pusher, n int) []string {
	ids := make([]string, n)
	for i := range ids {
		ids[i] = p.send("POST", "/Users", aUser(fmt.Sprintf("p%02d@acme.example", i), fmt.Sprintf("ext-p%02d", i))).is(201).text("id")
	}
	return ids
}

func off(p *pusher, id string) pushed {
	return p.send("PATCH", "/Users/"+id, patch(op("replace", "active", false)))
}

// THREAT SCIM-3
func TestAProviderThatRemovesTooManyIsPausedAndNothingIsLost(t *testing.T) {
	world.Each(t, func(w *world.World) {
		acme := w.Acme()
		p := pusherOf(w, acme.Connection)
		olga := acme.As("olga@acme.example") // the 25th person of this connection
		ids := crowd(p, 24)
		at := "/api/v1/connections/" + string(acme.Connection.ID)
		for _, id := range ids[:7] { // 28 %
			off(p, id).is(200, 204)
		}
		kept := off(p, ids[7]).is(503)
		if got := kept.header.Get("Retry-After"); got != "300" || !strings.Contains(kept.raw, "Removals are paused: 7 of 25") {
			w.Errorf("kept back with Retry-After %q: %s", got, kept.raw)
		}
		p.send("DELETE", "/Users/"+ids[8], nil).is(503)
		// What is no removal goes on, and so does what repeats one.
		off(p, ids[0]).is(200, 204)
		p.send("PATCH", "/Users/"+ids[0], patch(op("replace", "active", true))).is(200, 204)
		p.send("PATCH", "/Users/"+ids[9], patch(op("replace", "title", "Engineer"))).is(200, 204)
		p.send("POST", "/Users", aUser("new@acme.example", "ext-new")).is(201)
		off(p, ids[0]).is(503) // she came back, and leaving is a removal again
		if got := p.send("GET", "/Users/"+ids[7], nil).is(200); got.at("active") != true {
			w.Errorf("what was refused happened in part: %s", got.raw)
		}
		// Never silently.
		line := w.Audit("acme", "connection.removals_paused")
		if line.Target != string(acme.Connection.ID) || line.Actor != "connection:"+string(acme.Connection.ID) || fmt.Sprint(line.Detail["removed"]) != "7" || fmt.Sprint(line.Detail["people"]) != "25" {
			w.Errorf("the audit line is %+v", line)
		}
		state := read[api.Breaker](ask(w, olga, "GET", at+"/breaker", nil).is(200))
		if state.Paused == nil || state.Removed != 7 || state.People != 25 || state.Share != 30 {
			w.Errorf("the breaker is %+v", state)
		}
		// It stays so after the time, until an owner has looked.
		w.Clock.Turn(time.Hour)
		off(p, ids[7]).is(503)
		ask(w, acme.As("ben@acme.example"), "POST", at+"/breaker/resume", map[string]any{}).is(403)
		ask(w, olga, "POST", at+"/breaker/resume", map[string]any{"removals": 3, "minutes": 5}).is(422)
		if state = read[api.Breaker](ask(w, olga, "POST", at+"/breaker/resume", map[string]any{"removals": 10}).is(200)); state.Paused != nil || state.AllowLeft != 10 {
			w.Errorf("resumed: %+v", state)
		}
		for _, id := range ids[7:17] {
			off(p, id).is(200, 204)
		}
		// Then counting begins anew: of those who are left.
		allowed := 0
		for _, id := range ids[17:] {
			if off(p, id).is(200, 204, 503).status == 503 {
				break
			}
			allowed++
		}
		if state = read[api.Breaker](ask(w, olga, "GET", at+"/breaker", nil).is(200)); state.Paused != nil && allowed != 30*state.People/100 || allowed == 0 {
			w.Errorf("%d more were removed: %+v", allowed, state)
		}
		ask(w, olga, "POST", at+"/breaker/resume", map[string]any{"minutes": 10}).is(200)
		for _, id := range ids[17:] {
			off(p, id).is(200, 204)
		}
	})
}

// A small company may lose whom it wants; so may one that says so.
func TestTheBreakerIsOffForSmallCompaniesAndWhenToldSo(t *testing.T) {
	world.Each(t, func(w *world.World) {
		acme := w.Acme()
		p := pusherOf(w, acme.Connection)
		olga := acme.As("olga@acme.example")
		at := "/api/v1/connections/" + string(acme.Connection.ID)
		ids := crowd(p, 18)
		for _, id := range ids[:10] {
			off(p, id).is(200, 204)
		}
		w.Clock.Turn(time.Hour)
		for _, id := range ids[:10] {
			p.send("PATCH", "/Users/"+id, patch(op("replace", "active", true))).is(200, 204)
		}
		strict := map[string]any{"share": 10, "within_minutes": 60, "least": 5}
		ask(w, acme.As("ben@acme.example"), "PUT", at+"/breaker", strict).is(403)
		ask(w, olga, "PUT", at+"/breaker", map[string]any{"share": 0, "within_minutes": 60, "least": 5}).is(422)
		ask(w, olga, "PUT", at+"/breaker", strict).is(200)
		off(p, ids[0]).is(200, 204)
		off(p, ids[1]).is(200, 204) // of 20: with olga and ben
		off(p, ids[2]).is(503)
		w.Clock.Turn(time.Second)
		ask(w, olga, "PUT", at+"/breaker", map[string]any{"off": true, "share": 10, "within_minutes": 60, "least": 5}).is(200)
		for _, id := range ids {
			off(p, id).is(200, 204)
		}
		if line := w.Audit("acme", "connection.breaker_changed"); line.Detail["off"] != true {
			w.Errorf("the audit line is %+v", line)
		}
	})
}

// Two providers of one company are counted apart, and a removal by hand is nobody's.
func TestRemovalsByHandAreNotCounted(t *testing.T) {
	world.Each(t, func(w *world.World) {
		acme := w.Acme()
		p := pusherOf(w, acme.Connection)
		olga := acme.As("olga@acme.example")
		ids := crowd(p, 24)
		a, _ := w.Account("acme")
		people, err := w.House.Ledger.People(w.Context(), world.Operator, a.ID, "", 100)
		if err != nil {
			w.Fatal(err)
		}
		for _, q := range people[1:15] {
			if q.User.Email != "olga@acme.example" {
				ask(w, olga, "POST", "/api/v1/orgs/acme/people/"+string(q.User.ID)+"/disable", nil).is(200)
			}
		}
		state, err := w.House.Ledger.Breaker(w.Context(), world.Operator, string(acme.Connection.ID))
		if err != nil || state.Paused() || state.Removed != 0 || state.Breaker != account.DefaultBreaker {
			w.Errorf("%+v %v", state, err)
		}
		for _, id := range ids { // who is out already is not removed again
			_ = off(p, id)
		}
		if _, err := w.House.Ledger.ResumeRemovals(w.Context(), world.Operator, "con_01kkp3v8m2q7r4c9tdyz5x6w1n", store.Allowance{}); account.KindOf(err) != account.NotFound {
			w.Error(err)
		}
	})
}
