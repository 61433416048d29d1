package store

import (
	"reflect"
	"testing"

	"github.com/drawbridge-id/drawbridge/account"
	"github.com/drawbridge-id/drawbridge/store/internal/table"
)

// What is compiled once for a connection serves the sign-ins after it. Nothing breaks when it is not kept: it only costs, so
// that no other test would notice.
func TestRulesAndSettingsAreKeptBetweenSignIns(t *testing.T) {
	each(t, func(h *house) {
		c := h.ruled()
		h.signedIn(h.who(c, 1))
		s, err := h.newSignIn(Entry{Login: h.who(c, 2)})
		h.ok(err)
		h.ok(h.db.Write(h.ctx(), func(tx *table.Tx) error { _, err := s.enter(tx); return err }))
		if s.cold {
			h.Error("the second sign-in finds neither rules nor settings in memory")
		}
	})
}

// Another replica may have changed the connection a moment ago: what this one keeps of it counts only as long as the row says so.
func TestAChangedConnectionCountsAtOnceInAnotherReplica(t *testing.T) {
	each(t, func(h *house) {
		c, other := h.connect("okta", oidcSettings()), h.reopen()
		seen := func(id account.ConnectionID) account.Connection {
			t.Helper()
			again, err := other.Connection(h.ctx(), id)
			h.ok(err)
			ours, err := h.Connection(h.ctx(), id)
			h.ok(err)
			if !reflect.DeepEqual(ours, again) {
				t.Fatalf("two replicas see\n%+v\n%+v", ours, again)
			}
			return again
		}
		for range 2 { // the second time from memory
			if got := seen(c.ID); got.Draft != nil || got.Live.OIDC.ClientSecret.Reveal() != "s3cret-client" || !got.Enabled || got.Name != "okta" {
				t.Fatalf("%+v", got)
			}
		}
		next := oidcSettings()
		for _, secret := range []string{"second", "third"} {
			next.OIDC.ClientSecret = account.NewSecret(secret)
			h.ok(last(h.SaveDraft(h.ctx(), theOperator, h.acme.ID, c.ID, "okta", next)))
			if got := seen(c.ID); got.Draft == nil || got.Draft.OIDC.ClientSecret.Reveal() != secret || got.Live.OIDC.ClientSecret.Reveal() != "s3cret-client" {
				t.Fatalf("after the secret of the draft became %q: %+v", secret, got)
			}
		}
		h.ok(last(h.Promote(h.ctx(), theOperator, c.ID, true)))
		if got := seen(c.ID); got.Draft != nil || got.Live.OIDC.ClientSecret.Reveal() != "third" || got.LiveRevision != 2 {
			t.Fatalf("after the promotion: %+v", got)
		}
		h.ok(h.EnableConnection(h.ctx(), theOperator, c.ID, false))
		if seen(c.ID).Enabled {
			t.Fatal("switched off, and still on in the other replica")
		}
		_, err := other.Connection(h.ctx(), "con_unknown")
		h.refuses(err, account.NotFound, "")
	})
}
