package test

import (
	"fmt"
	"testing"

	"github.com/drawbridge-id/drawbridge/account"
	"github.com/drawbridge-id/drawbridge/test/world"
)

// REQ M-04, M-07
func TestPeopleAreTakenOutByCommand(t *testing.T) {
	world.Each(t, func(w *world.World) {
		acme := w.Acme()
		p := pusherOf(w, acme.Connection)
		sh := shellFor(w)
		ana := acme.As("ana@acme.example")
		u := ana.Session().User.ID
		k := minted(w, ana, "acme", "laptop")
		with(w, k.Secret, "GET", "/api/v1/orgs/acme", nil).is(200)
		sh.run("drawbridge user show acme ana@acme.example").exits(0).says(string(u), "Registry", "laptop", "…"+k.Last4, "active")
		sh.run("drawbridge user explain acme ana@acme.example").exits(0).says("By okta (sign-in)", `+ "Engineering": received "eng"`, `- "Viewers"`)
		sh.run("drawbridge user show acme nobody@acme.example").exits(1).complains("No such person")

		sh.run("drawbridge user remove acme ana@acme.example").exits(0).says("0 sessions ended, 1 keys revoked", "The provider still lets them in: okta", "--account")
		with(w, k.Secret, "GET", "/api/v1/orgs/acme", nil).refuses(401, "bad_key")
		wantRoles(w, ana.Session())
		sh.run("drawbridge user remove acme ana@acme.example --account").exits(0).says("1 sessions ended")
		if s := ana.Session(); s.Status != 401 {
			w.Errorf("the session answers %d", s.Status)
		}
		sh.run("drawbridge user remove acme olga@acme.example").exits(1).complains("last owner")

		ben := acme.As("ben@acme.example")
		key := minted(w, ben, "acme", "one")
		with(w, key.Secret, "GET", "/api/v1/orgs/acme", nil).is(200)
		sh.run("drawbridge key list acme ben@acme.example").exits(0).says(string(key.ID), "one", "never")
		sh.run("drawbridge key revoke acme " + string(key.ID)).exits(0).says("one (…" + key.Last4 + ") is revoked")
		with(w, key.Secret, "GET", "/api/v1/orgs/acme", nil).refuses(401, "bad_key")
		sh.run("drawbridge user disable acme ben@acme.example").exits(0).says("1 sessions ended, 0 keys revoked")
		if s := ben.Session(); s.Status != 401 {
			w.Errorf("the session answers %d", s.Status)
		}
		sh.run("drawbridge user enable acme ben@acme.example").exits(0).says("may come in again")
		acme.As("ben@acme.example")
		sh.run("drawbridge receipts acme").exits(0).says("removed from the org", "removed from the account", "user disabled", "operator")
		sh.run("drawbridge receipts acme --user ben@acme.example").exits(0).says("ben@acme.example")

		// What the provider pushes, and what it was not allowed to.
		id := p.send("POST", "/Users", aUser("cleo@acme.example", "ext-cleo")).is(201).text("id")
		off(p, id).is(200, 204)
		sh.run("drawbridge user enable acme cleo@acme.example").exits(0)
		sh.run("drawbridge drift acme").exits(0).says("inactive_there  cleo@acme.example", "0 repaired")
		sh.run("drawbridge drift acme --repair").exits(0).says("repaired: shut_out")
		if line := w.Audit("acme", "drift.repaired"); line.Actor != "operator" {
			w.Errorf("the audit line is %+v", line)
		}
		sh.run("drawbridge connection show acme/okta").exits(0).says("Removals at the provider are detected", "1 tokens")
		sh.run("drawbridge connection decide acme/okta scim --acknowledged-by=olga@acme.example --evidence=ticket-7").exits(0).says("okta: scim")
		sh.run("drawbridge connection decide acme/okta perhaps --acknowledged-by=olga@acme.example --evidence=ticket-7").exits(1).complains("scim, events or none")
		sh.run("drawbridge connection resume acme/okta").exits(1).complains("No removal is kept back")

		if _, err := w.House.Ledger.SetBreaker(w.Context(), world.Operator, string(acme.Connection.ID), account.Breaker{Share: 10, Within: account.DefaultBreaker.Within, Least: 1}); err != nil {
			w.Fatal(err)
		}
		other := p.send("POST", "/Users", aUser("dora@acme.example", "ext-dora")).is(201).text("id")
		off(p, other).is(503)
		sh.run("drawbridge connection show acme/okta").exits(0).says("paused", "PAUSED")
		sh.run("drawbridge connection resume acme/okta --removals 1").exits(0).says("removes people again")
		off(p, other).is(200, 204)
		if line := w.Audit("acme", "connection.removals_resumed"); fmt.Sprint(line.Detail["removals"]) != "1" {
			w.Errorf("the audit line is %+v", line)
		}
	})
}
