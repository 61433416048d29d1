package test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/drawbridge-id/drawbridge/account"
	"github.com/drawbridge-id/drawbridge/test/world"
	"github.com/drawbridge-id/drawbridge/web/api"
)

// minted is a key that somebody makes for themselves in the session of b.
func minted(w *world.World, b *world.Browser, org, name string) api.MintedKey {
	w.Helper()
	return read[api.MintedKey](ask(w, b, "POST", "/api/v1/orgs/"+org+"/keys", map[string]any{"name": name}).is(201))
}

// keyOf is a key of somebody who is signed in elsewhere.
func keyOf(w *world.World, org string, u account.UserID) string {
	w.Helper()
	a, _ := w.Account(org)
	_, secret, err := w.House.Ledger.MintKey(w.Context(), account.Actor{Kind: account.ActorUser, User: u}, a.ID, "elsewhere", 0)
	if err != nil {
		w.Fatal(err)
	}
	return secret.Reveal()
}

// with calls the house with a key.
func with(w *world.World, key, method, path string, body any) reply {
	w.Helper()
	return ask(w, nil, method, path, body, "Authorization", "Bearer "+key)
}

// REQ N-49, T-12
// THREAT KEY-3, KEY-4, KEY-5
func TestAKeyActsForItsHolderInItsOrgAlone(t *testing.T) {
	world.Each(t, func(w *world.World) {
		acme := w.Acme()
		w.Globex()
		olga, ben := acme.As("olga@acme.example"), acme.As("ben@acme.example")
		k := minted(w, olga, "acme", "laptop")
		if !strings.HasPrefix(k.Secret, "dbp_") || len(k.Secret) != 42 || k.Last4 != k.Secret[38:] || k.State != account.KeyActive {
			w.Fatalf("minted %+v", k)
		}
		with(w, k.Secret, "GET", "/api/v1/orgs/acme/people", nil).is(200).says("olga@acme.example")
		with(w, k.Secret, "GET", "/api/v1/orgs/globex", nil).refuses(404, "no_account")
		with(w, k.Secret, "POST", "/api/v1/orgs/acme/keys", map[string]any{"name": "child"}).refuses(403, "session_needed")
		if line := w.Audit("acme", "key.minted"); line.Actor != "user:"+string(k.User) || line.Target != string(k.ID) {
			w.Errorf("the audit line is %+v", line)
		}
		// What its holder may not do, it may not either.
		mine := minted(w, ben, "acme", "script")
		with(w, mine.Secret, "GET", "/api/v1/orgs/acme", nil).is(200)
		with(w, mine.Secret, "GET", "/api/v1/orgs/acme/people", nil).is(403)
		// Unknown, mistyped, of another kind: all alike, and no session behind it helps.
		for _, wrong := range []string{"dbp_" + strings.Repeat("a", 38), strings.ToUpper(k.Secret), k.Secret[:41], "", "x", "dbc_" + k.Secret[4:]} {
			p := ask(w, olga, "GET", "/api/v1/orgs/acme", nil, "Authorization", "Bearer "+wrong).refuses(401, "bad_key")
			if p.Detail != "The key is not a valid one." {
				w.Errorf("%q is refused with %q", wrong, p.Detail)
			}
		}
		ask(w, olga, "GET", "/api/v1/orgs/acme", nil, "Authorization", "Basic b2xnYTpvbGdh").refuses(401, "bad_key")
		// A browser that another site sends here brings its cookie and is refused; a key comes from a script.
		ask(w, olga, "POST", "/api/v1/orgs/acme/keys", map[string]any{"name": "forged"}, "Sec-Fetch-Site", "cross-site").is(403)

		// Everybody sees their own; those who manage people see anybody's, and nobody sees a secret.
		if all := read[[]api.Key](ask(w, ben, "GET", "/api/v1/orgs/acme/keys", nil).is(200)); len(all) != 1 || all[0].ID != mine.ID {
			w.Errorf("ben's keys are %+v", all)
		}
		ask(w, ben, "GET", "/api/v1/orgs/acme/keys?user="+string(k.User), nil).is(403)
		if list := ask(w, olga, "GET", "/api/v1/orgs/acme/keys?user="+string(mine.User), nil).is(200).says("script", mine.Last4); strings.Contains(list.body, mine.Secret) {
			w.Error("the list shows the key")
		}
		ask(w, ben, "POST", "/api/v1/orgs/acme/keys/"+string(k.ID)+"/revoke", nil).refuses(404, "not_found")
		revoked := read[api.Key](ask(w, olga, "POST", "/api/v1/orgs/acme/keys/"+string(mine.ID)+"/revoke", nil).is(200))
		if revoked.State != account.KeyRevoked || revoked.Reason != "revoked by hand" || revoked.Ended == nil {
			w.Errorf("revoked %+v", revoked)
		}
		with(w, mine.Secret, "GET", "/api/v1/orgs/acme", nil).refuses(401, "bad_key")

		// Eight at a time, of each person in each org.
		for i := range 8 {
			minted(w, ben, "acme", fmt.Sprint("key ", i))
		}
		ask(w, ben, "POST", "/api/v1/orgs/acme/keys", map[string]any{"name": "one more"}).refuses(409, "key_limit")
		// A key that ends by itself makes room, and does nothing any more.
		short := read[api.MintedKey](ask(w, olga, "POST", "/api/v1/orgs/acme/keys", map[string]any{"name": "short", "days": 1}).is(201))
		with(w, short.Secret, "GET", "/api/v1/orgs/acme", nil).is(200)
		w.Clock.Turn(25 * time.Hour)
		with(w, short.Secret, "GET", "/api/v1/orgs/acme", nil).refuses(401, "bad_key")
		olga = acme.As("olga@acme.example")
		w.Clock.Turn(time.Hour)
		ask(w, olga, "POST", "/api/v1/orgs/acme/keys", map[string]any{"name": "late"}).refuses(403, "sign_in_again")
		for _, key := range read[[]api.Key](ask(w, olga, "GET", "/api/v1/orgs/acme/keys", nil).is(200)) {
			if want := map[string]account.KeyState{"laptop": "active", "short": "expired"}[key.Name]; key.State != want {
				w.Errorf("%s is %s, want %s", key.Name, key.State, want)
			}
		}
	})
}

// REQ M-04, M-05, M-06
func TestRemovalFromAnOrgEndsItsKeysAndLeavesThePlace(t *testing.T) {
	world.Each(t, func(w *world.World) {
		acme := w.Acme()
		w.Globex()
		olga, ana := acme.As("olga@acme.example"), acme.As("ana@acme.example")
		u := ana.Session().User.ID
		k := minted(w, ana, "acme", "laptop")
		someone(w, "globex", "ana@acme.example", account.Member)
		other := keyOf(w, "globex", u)
		byHand(w, "acme", u, team(w, "acme", "sales"), "registry:admin")

		at := "/api/v1/orgs/acme/people/" + string(u)
		got := read[api.Removal](ask(w, olga, "DELETE", at, nil).is(200))
		r := got.Receipt
		if r == nil || r.Keys != 1 || r.Sessions != 0 || r.Suspended || r.Disabled || r.Committed == nil || r.Everywhere == nil || r.Received.After(*r.Everywhere) ||
			r.Source != account.FromAPI || r.Why != "removed from the org" {
			w.Errorf("the receipt is %+v", r)
		}
		with(w, k.Secret, "GET", "/api/v1/orgs/acme", nil).refuses(401, "bad_key")
		with(w, other, "GET", "/api/v1/orgs/globex", nil).refuses(404, "no_account") // a good key of somebody without a role there
		wantRoles(w, ana.Session())
		if p := read[api.Person](ask(w, olga, "GET", at, nil).is(200)); p.Place != "active" || p.State != "active" || p.AccountRole != account.Member {
			w.Errorf("the place is gone: %+v", p)
		}
		// What is left is said: here by name, elsewhere without.
		if len(got.Active) != 2 || got.Active[0] != (api.Remains{Org: "acme", Role: account.Member, Sessions: 1}) || got.Active[1] != (api.Remains{Keys: 1}) {
			w.Errorf("still active: %+v", got.Active)
		}
		if len(got.Again) != 1 || got.Again[0].Name != "okta" || got.Again[0].By != "sign-in" || len(got.Again[0].Roles) != 4 {
			w.Errorf("comes back: %+v", got.Again)
		}
		if !strings.Contains(strings.Join(got.Notes, " "), "The provider still lets them in: okta") {
			w.Errorf("the notes are %q", got.Notes)
		}
		if got.Next == nil || got.Next.Title != "Remove from account" || got.Next.Path != at+"?scope=account" {
			w.Errorf("next is %+v", got.Next)
		}
		// Again there is nothing to do.
		if again := read[api.Removal](ask(w, olga, "DELETE", at, nil).is(200)); again.Receipt != nil {
			w.Errorf("the second removal: %+v", again.Receipt)
		}
		wantRoles(w, acme.As("ana@acme.example").Session(), "catalog:reader", "registry:writer", "functions:developer@research")
		if line := w.Audit("acme", "user.removed_from_org"); line.Target != string(u) || fmt.Sprint(line.Detail["keys"]) != "1" || line.Detail["receipt"] != string(r.ID) {
			w.Errorf("the audit line is %+v", line)
		}
	})
}

// REQ M-07, A-01, D-07
func TestRemovalFromTheAccountEndsEverything(t *testing.T) {
	world.Each(t, func(w *world.World) {
		acme := w.Acme()
		w.Globex()
		olga, ana, ben := acme.As("olga@acme.example"), acme.As("ana@acme.example"), acme.As("ben@acme.example")
		u, a := ana.Session().User.ID, ana.Session().Account.ID
		k := minted(w, ana, "acme", "laptop")
		someone(w, "globex", "ana@acme.example", account.Member)
		other := keyOf(w, "globex", u)
		at := "/api/v1/orgs/acme/people/" + string(u) + "?scope=account"
		ask(w, ben, "DELETE", at, nil).is(403)

		got := read[api.Removal](ask(w, olga, "DELETE", at, nil).is(200))
		if got.Receipt == nil || got.Receipt.Sessions != 1 || got.Receipt.Keys != 2 || got.Receipt.Why != "removed from the account" || len(got.Active) != 0 || got.Next != nil {
			w.Errorf("removed: %+v %+v", got, got.Receipt)
		}
		with(w, k.Secret, "GET", "/api/v1/orgs/acme", nil).refuses(401, "bad_key")
		with(w, other, "GET", "/api/v1/orgs/globex", nil).refuses(401, "bad_key") // acme has a say over the address
		if s := ana.Session(); s.Status != 401 {
			w.Errorf("the session answers %d", s.Status)
		}
		for _, role := range []account.Role{"registry:writer", "catalog:reader"} {
			if may, err := w.House.Ledger.May(w.Context(), a, u, "", role); may || err != nil {
				w.Errorf("%s still resolves (%v)", role, err)
			}
		}
		ask(w, olga, "GET", strings.TrimSuffix(at, "?scope=account"), nil).is(404)
		ask(w, olga, "DELETE", at, nil).is(404)
		// The provider still lets her in, as was said; she is the same person.
		if len(got.Again) != 1 || got.Again[0].By != "sign-in" {
			w.Errorf("comes back: %+v", got.Again)
		}
		if back := acme.As("ana@acme.example").Session(); back.User.ID != u {
			w.Errorf("came back as %s", back.User.ID)
		}
	})
}

// A place that the provider has closed stays closed when an administrator clears up after it.
func TestRemovalFromTheAccountOpensNothing(t *testing.T) {
	world.Each(t, func(w *world.World) {
		acme := w.Acme()
		p := pusherOf(w, acme.Connection)
		olga, ana := acme.As("olga@acme.example"), acme.As("ana@acme.example")
		u := ana.Session().User.ID
		id := p.send("POST", "/Users", aUser("ana@acme.example", "ext-ana")).is(201).text("id")
		p.send("PATCH", "/Users/"+id, patch(op("replace", "active", false))).is(200, 204)
		got := read[api.Removal](ask(w, olga, "DELETE", "/api/v1/orgs/acme/people/"+string(u)+"?scope=account", nil).is(200))
		if len(got.Again) != 0 {
			w.Errorf("comes back: %+v", got.Again)
		}
		if page := w.Browser("ana@acme.example").SignIn(acme.Connection); page.Status != 403 {
			w.Errorf("a sign-in answers %d", page.Status)
		}
		p.send("PATCH", "/Users/"+id, patch(op("replace", "active", true))).is(200, 204)
		acme.As("ana@acme.example")
	})
}

// REQ M-08
// THREAT SES-6
func TestDisablingRevokesKeysForGood(t *testing.T) {
	world.Each(t, func(w *world.World) {
		acme := w.Acme()
		olga, ana := acme.As("olga@acme.example"), acme.As("ana@acme.example")
		u := ana.Session().User.ID
		k := minted(w, ana, "acme", "laptop")
		at := "/api/v1/orgs/acme/people/" + string(u)
		got := read[api.Removal](ask(w, olga, "POST", at+"/disable", nil).is(200))
		if got.Receipt == nil || got.Receipt.Sessions != 1 || got.Receipt.Keys != 1 || !got.Receipt.Disabled || got.Receipt.Everywhere == nil {
			w.Errorf("disabled: %+v", got.Receipt)
		}
		if s := ana.Session(); s.Status != 401 {
			w.Errorf("the session answers %d", s.Status)
		}
		with(w, k.Secret, "GET", "/api/v1/orgs/acme", nil).refuses(401, "bad_key")
		all := read[[]api.Key](ask(w, olga, "GET", "/api/v1/orgs/acme/keys?user="+string(u), nil).is(200))
		if len(all) != 1 || all[0].State != account.KeyRevoked || all[0].Reason != "user disabled" || all[0].Ended == nil {
			w.Errorf("the keys are %+v", all)
		}
		if page := w.Browser("ana@acme.example").SignIn(acme.Connection); page.Status != 403 {
			w.Errorf("a sign-in answers %d", page.Status)
		}
		if again := read[api.Removal](ask(w, olga, "POST", at+"/disable", nil).is(200)); again.Receipt != nil {
			w.Errorf("disabling twice: %+v", again.Receipt)
		}
		ask(w, olga, "POST", at+"/enable", nil).is(204)
		wantRoles(w, acme.As("ana@acme.example").Session(), "catalog:reader", "registry:writer", "functions:developer@research")
		with(w, k.Secret, "GET", "/api/v1/orgs/acme", nil).refuses(401, "bad_key")
	})
}

// A company shuts its guests out of its own account, and of no other; what their own company has closed it cannot open.
func TestAGuestIsDisabledHereAlone(t *testing.T) {
	world.Each(t, func(w *world.World) {
		acme, globex := w.Acme(), w.Globex()
		olga, gus := acme.As("olga@acme.example"), globex.As("gus@globex.example")
		u := someone(w, "acme", "gus@globex.example", account.Member)
		here, there := keyOf(w, "acme", u), keyOf(w, "globex", u)
		at := "/api/v1/orgs/acme/people/" + string(u)
		got := read[api.Removal](ask(w, olga, "POST", at+"/disable", nil).is(200))
		if got.Receipt == nil || got.Receipt.Keys != 1 || !got.Receipt.Suspended || got.Receipt.Disabled || len(got.Active) != 0 {
			w.Errorf("disabled: %+v", got)
		}
		with(w, here, "GET", "/api/v1/orgs/acme", nil).refuses(401, "bad_key")
		with(w, there, "GET", "/api/v1/orgs/globex", nil).is(200)
		if s := gus.Session(); s.Status != 200 {
			w.Errorf("the session at globex answers %d", s.Status)
		}
		if p := read[api.Person](ask(w, olga, "GET", at, nil).is(200)); p.Place != "suspended" || p.State != "active" {
			w.Errorf("he shows as %+v", p)
		}
		ask(w, olga, "POST", at+"/enable", nil).is(204)
		again := keyOf(w, "acme", u)
		with(w, again, "GET", "/api/v1/orgs/acme", nil).refuses(404, "no_account") // a good key of somebody without a role there
		with(w, here, "GET", "/api/v1/orgs/acme", nil).refuses(401, "bad_key")

		ask(w, globex.As("olaf@globex.example"), "POST", "/api/v1/orgs/globex/people/"+string(u)+"/disable", nil).is(200)
		with(w, again, "GET", "/api/v1/orgs/acme", nil).refuses(401, "bad_key")
		ask(w, olga, "POST", at+"/enable", nil).refuses(409, "disabled_elsewhere")
	})
}

// REQ T-06, D-07
// THREAT ADM-1, ADM-2
func TestTheLastOwnerStaysAndOwnersAnswerToOwners(t *testing.T) {
	world.Each(t, func(w *world.World) {
		acme, globex := w.Acme(), w.Globex()
		olga, ben := acme.As("olga@acme.example"), acme.As("ben@acme.example")
		byHand(w, "acme", ben.Session().User.ID, "", account.UserAdmin)
		at := "/api/v1/orgs/acme/people/" + string(olga.Session().User.ID)
		for _, call := range [][2]string{{"DELETE", at}, {"DELETE", at + "?scope=account"}, {"POST", at + "/disable"}} {
			ask(w, olga, call[0], call[1], nil).refuses(409, "last_owner")
			ask(w, ben, call[0], call[1], nil).refuses(403, "forbidden")
			ask(w, globex.As("olaf@globex.example"), call[0], call[1], nil).refuses(404, "no_account")
		}
		if s := olga.Session(); s.Status != 200 {
			w.Errorf("olga's session answers %d", s.Status)
		}
		// A second owner takes her place, and user admins manage everybody who is none.
		ana := acme.As("ana@acme.example").Session().User.ID
		ask(w, ben, "POST", "/api/v1/orgs/acme/people/"+string(ana)+"/disable", nil).is(200)
		two := someone(w, "acme", "two@acme.example", account.Admin)
		byHand(w, "acme", two, "", account.Owner)
		ask(w, olga, "DELETE", "/api/v1/orgs/acme/people/"+string(two), nil).is(200)
		ask(w, ben, "DELETE", "/api/v1/orgs/acme/people/"+string(two)+"?scope=account", nil).refuses(403, "forbidden") // an account admin
		if line := w.Audit("acme", "user.removed_from_account"); line.Outcome != "refused" {
			w.Errorf("the audit line is %+v", line)
		}
	})
}

// REQ M-10
func TestEveryRemovalLeavesAReceipt(t *testing.T) {
	world.Each(t, func(w *world.World) {
		acme := w.Acme()
		p := pusherOf(w, acme.Connection)
		olga := acme.As("olga@acme.example")
		for _, who := range []string{"ana", "ben", "cleo"} {
			acme.As(who + "@acme.example")
			id := p.send("POST", "/Users", aUser(who+"@acme.example", "ext-"+who)).is(201).text("id")
			w.Clock.Turn(time.Second)
			p.send("PATCH", "/Users/"+id, patch(op("replace", "active", false))).is(200, 204)
		}
		type page struct {
			Receipts []api.Receipt     `json:"receipts"`
			Next     account.ReceiptID `json:"next"`
		}
		first := read[page](ask(w, olga, "GET", "/api/v1/orgs/acme/receipts?limit=2", nil).is(200))
		if len(first.Receipts) != 2 || first.Receipts[0].Email != "cleo@acme.example" || first.Receipts[1].Email != "ben@acme.example" || first.Next == "" {
			w.Fatalf("the newest are %+v", first)
		}
		for _, r := range first.Receipts {
			if r.Source != account.FromSCIM || r.Sessions != 1 || !r.Suspended || !r.Disabled || r.Everywhere == nil || r.Committed == nil || r.Took < 0 ||
				r.Committed.Before(r.Received) || r.Everywhere.Before(*r.Committed) {
				w.Errorf("a receipt is %+v", r)
			}
		}
		last := read[page](ask(w, olga, "GET", "/api/v1/orgs/acme/receipts?limit=2&before="+string(first.Next), nil).is(200))
		if len(last.Receipts) != 1 || last.Receipts[0].Email != "ana@acme.example" || last.Next != "" {
			w.Errorf("the oldest are %+v", last)
		}
		one := read[page](ask(w, olga, "GET", "/api/v1/orgs/acme/receipts?user="+string(last.Receipts[0].User), nil).is(200))
		if len(one.Receipts) != 1 || one.Receipts[0].ID != last.Receipts[0].ID {
			w.Errorf("ana's are %+v", one)
		}
	})
}
