package test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/drawbridge-id/drawbridge/test/world"
)

// Okta and JumpCloud push groups before their members: who is nobody yet is set aside, fails nothing, is shown as no member, and joins
// when pushed, with what the group earns.
func TestMembersThatAreNobodyYetJoinWhenTheyArePushed(t *testing.T) {
	world.Each(t, func(w *world.World) {
		acme := w.Acme()
		p := pusherOf(w, acme.Connection)
		b := acme.As("cleo@acme.example")
		real := p.send("POST", "/Users", aUser("amy@acme.example", "ext-amy")).is(201).text("id")
		g := p.send("POST", "/Groups", aGroup("eng", "ext-cleo", real, "00u-nobody")).is(201)
		if list, _ := g.at("members").([]any); len(list) != 1 || g.text("members.0.value") != real {
			w.Fatalf("the members are %s", g.raw)
		}
		version := g.text("meta.version")
		id := g.text("id")
		// One more, and one that is there already under the provider's own name for it.
		p.send("PATCH", "/Groups/"+id, patch(op("Add", "members", []any{map[string]any{"value": "ben@acme.example"}, map[string]any{"value": "ext-amy"}}))).is(204)
		if got := p.send("GET", "/Groups/"+id, nil).is(200); got.text("meta.version") != version {
			w.Errorf("the version moved without a member: %s", got.raw)
		}
		log, err := w.House.Ledger.SCIMRequests(w.Context(), world.Operator, acme.Connection.ID, "", 100)
		if err != nil {
			w.Fatal(err)
		}
		if said := fmt.Sprintf("%+v", log); !strings.Contains(said, "00u-nobody") || !strings.Contains(said, "ext-cleo") || !strings.Contains(said, "nobody of this connection yet") {
			w.Errorf("the administrator is not told: %s", said)
		}
		wantRoles(w, b.Session())

		cleo := p.send("POST", "/Users", aUser("cleo@acme.example", "ext-cleo")).is(201)
		if cleo.text("groups.0.value") != id {
			w.Errorf("the new user is answered without the group: %s", cleo.raw)
		}
		wantRoles(w, b.Session(), "catalog:reader", "registry:writer", "functions:developer@research")
		ben := p.send("POST", "/Users", aUser("Ben@acme.example", "ext-ben")).is(201).text("id")
		got := p.send("GET", "/Groups/"+id, nil).is(200)
		if list, _ := got.at("members").([]any); len(list) != 3 || got.text("meta.version") == version {
			w.Errorf("after their push the group is %s", got.raw)
		}
		// Who is taken out of the group before they are pushed does not join, and names of theirs lead to the same person.
		p.send("PATCH", "/Groups/"+id, patch(op("add", "members", []any{map[string]any{"value": "ext-dan"}, map[string]any{"value": "ext-eve"}}))).is(204)
		p.send("PATCH", "/Groups/"+id, patch(op("remove", `members[value eq "ext-dan"]`, nil), op("remove", `members[value eq "ext-ben"]`, nil))).is(204)
		p.send("POST", "/Users", aUser("dan@acme.example", "ext-dan")).is(201)
		if got := p.send("GET", "/Groups/"+id, nil).is(200); strings.Contains(got.raw, ben) || strings.Contains(got.raw, "dan") {
			w.Errorf("who was taken out is in: %s", got.raw)
		}
		p.send("PATCH", "/Groups/"+id, patch(op("replace", "members", []any{map[string]any{"value": "ext-cleo"}}))).is(204)
		p.send("POST", "/Users", aUser("eve@acme.example", "ext-eve")).is(201)
		got = p.send("GET", "/Groups/"+id, nil).is(200)
		if list, _ := got.at("members").([]any); len(list) != 1 || got.text("members.0.value") != cleo.text("id") {
			w.Errorf("after the replacement the group is %s", got.raw)
		}
		// A rename of a user's externalId is an appearance too.
		late := p.send("POST", "/Users", aUser("late@acme.example", "wrong")).is(201).text("id")
		p.send("PATCH", "/Groups/"+id, patch(op("add", "members", []any{map[string]any{"value": "right"}}))).is(204)
		p.send("PATCH", "/Users/"+late, patch(op("replace", "externalId", "right"))).is(200)
		if got := p.send("GET", "/Groups/"+id, nil).is(200); !strings.Contains(got.raw, late) {
			w.Errorf("the renamed user did not join: %s", got.raw)
		}
	})
}

// Of many groups that name somebody while that somebody is pushed, each has them in the end.
func TestAPushedGroupAndItsMemberMeetInAnyOrder(t *testing.T) {
	world.Each(t, func(w *world.World) {
		p := pusherOf(w, w.Acme().Connection)
		const n = 6
		done := make(chan pushed, n+1)
		for i := range n {
			go func() { done <- p.send("POST", "/Groups", aGroup(fmt.Sprint("g", i), "ext-x")) }()
		}
		go func() { done <- p.send("POST", "/Users", aUser("x@acme.example", "ext-x")) }()
		for range n + 1 {
			(<-done).is(201)
		}
		if found := p.send("GET", `/Users?filter=externalId eq "ext-x"`, nil).is(200); len(found.at("Resources.0.groups").([]any)) != n {
			w.Errorf("in some groups only: %s", found.raw)
		}
	})
}

// A provider may call two of its people the same by mistake: both are kept, the administrator is told, and a sign-in is taken for neither
// by that name.
func TestASharedExternalIDTellsNobodyApart(t *testing.T) {
	world.Each(t, func(w *world.World) {
		globex := w.Globex()
		p := pusherOf(w, globex.Connection)
		gus, _ := globex.IdP.User("gus@globex.example")
		p.send("POST", "/Users", aUser("impostor@globex.example", gus.ID)).is(201)
		p.send("POST", "/Users", aUser("hana@globex.example", gus.ID)).is(201)
		log, err := w.House.Ledger.SCIMRequests(w.Context(), world.Operator, globex.Connection.ID, "", 10)
		if err != nil || !strings.Contains(fmt.Sprintf("%+v", log), "has the externalId") {
			w.Errorf("the log says %+v, %v", log, err)
		}
		if got := globex.As("gus@globex.example").Session(); got.User.Email != "gus@globex.example" {
			w.Errorf("signed in as %s", got.User.Email)
		}
	})
}
