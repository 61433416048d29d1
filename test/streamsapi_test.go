package test

import (
	"strings"
	"testing"
	"time"

	"github.com/drawbridge-id/drawbridge/account"
	"github.com/drawbridge-id/drawbridge/test/world"
	"github.com/drawbridge-id/drawbridge/web/api"
)

func aStream(name string) api.StreamSettings {
	return api.StreamSettings{Name: name, Enabled: true, Issuer: "https://idp.acme.example", Audience: []string{"https://drawbridge.example"}, Keys: `{"keys":[]}`}
}

// THREAT KEY-5, ADM-3
func TestStreamsAreManagedByAPI(t *testing.T) {
	world.Each(t, func(w *world.World) {
		acme := w.Acme()
		olga, ana := acme.As("olga@acme.example"), acme.As("ana@acme.example")
		of := aStream("okta events")
		of.Connection = acme.Connection.ID
		s := read[api.Stream](ask(w, olga, "POST", "/api/v1/orgs/acme/streams", of).is(201))
		if s.PushPath != "/events/"+string(s.ID) || s.GTRKeys != account.GTRKeep || s.Method != account.StreamPush {
			w.Errorf("added %+v", s)
		}
		ask(w, olga, "POST", "/api/v1/orgs/acme/streams", of).refuses(409, "name_taken")
		at := "/api/v1/streams/" + string(s.ID)
		if d := read[api.ConnectionDetail](ask(w, olga, "GET", "/api/v1/connections/"+string(acme.Connection.ID), nil).is(200)).Removals; d.Streams != 1 || d.Detected {
			w.Errorf("the connection says %+v", d)
		}

		c := read[api.MintedPushCredential](ask(w, olga, "POST", at+"/credentials", map[string]bool{}).is(201))
		if !strings.HasPrefix(c.Secret, "dbe_") {
			w.Errorf("minted %+v", c)
		}
		if list := ask(w, olga, "GET", at+"/credentials", nil).is(200).says(string(c.ID), c.Last4); strings.Contains(list.body, c.Secret) {
			w.Error("the list shows a credential")
		}
		if _, err := w.House.Ledger.StreamFor(w.Context(), s.ID, account.NewSecret(c.Secret), false); err != nil {
			w.Error(err)
		}
		k := minted(w, olga, "acme", "script").Secret
		with(w, k, "POST", at+"/credentials", map[string]bool{}).refuses(403, "session_needed")

		// What happened, and what it did: an event about somebody, and one about nobody.
		now := w.Clock.Now()
		for jti, email := range map[string]string{"one": "ana@acme.example", "two": "nobody@acme.example"} {
			_, err := w.House.Ledger.Receive(w.Context(), account.Actor{}, s.ID, account.SET{Issuer: of.Issuer, JTI: jti, IssuedAt: now, Claims: []byte(`{}`), Events: []account.SETEvent{{
				Type:    "https://schemas.openid.net/secevent/caep/event-type/session-revoked",
				Subject: &account.SubjectID{Format: account.SubjectEmail, Values: map[string]string{"email": email}}, Body: map[string]any{"event_timestamp": float64(now.Unix())}}}})
			if err != nil {
				w.Fatal(err)
			}
		}
		if session := ana.Session(); session.Status != 401 {
			w.Errorf("ana's session answers %d", session.Status)
		}
		type page struct {
			Events []api.StreamEvent `json:"events"`
		}
		all := read[page](ask(w, olga, "GET", at+"/events", nil).is(200)).Events
		lost := read[page](ask(w, olga, "GET", at+"/events?outcome=no_subject", nil).is(200)).Events
		if len(all) != 2 || len(lost) != 1 || lost[0].JTI != "two" {
			w.Fatalf("the events are %+v and %+v", all, lost)
		}
		for _, e := range all {
			if e.JTI == "one" && (e.Outcome != account.EventApplied || e.Sessions != 1) {
				w.Errorf("an event is %+v", e)
			}
		}
		if again := read[api.StreamEvent](ask(w, olga, "POST", at+"/events/"+string(lost[0].ID)+"/replay", nil).is(200)); again.Outcome != account.EventNoSubject {
			w.Errorf("replayed: %+v", again)
		}
		detail := read[api.StreamDetail](ask(w, olga, "GET", at, nil).is(200))
		if detail.Outcomes[account.EventApplied] != 1 || detail.LastEvent == nil || detail.Breaker.Share != 30 {
			w.Errorf("it fares %+v", detail)
		}

		of.Enabled, of.KeysFollow = false, true
		if s = read[api.Stream](ask(w, olga, "PUT", at, of).is(200)); s.Enabled || !s.KeysFollow || s.Connection != acme.Connection.ID {
			w.Errorf("saved %+v", s)
		}
		ask(w, olga, "POST", at+"/credentials/"+string(c.ID)+"/revoke", nil).is(204)
		ask(w, olga, "POST", at+"/credentials/"+string(c.ID)+"/revoke", nil).refuses(404, "not_found")
		ask(w, olga, "DELETE", at, nil).is(204)
		ask(w, olga, "GET", at, nil).is(404)
	})
}

// The breaker counts what events remove with what is pushed, and a stream that belongs to no connection by itself.
func TestEventsThatRemoveTooManyAreNotAcknowledged(t *testing.T) {
	world.Each(t, func(w *world.World) {
		acme := w.Acme()
		olga := acme.As("olga@acme.example")
		p := pusherOf(w, acme.Connection)
		ids := crowd(p, 24)
		mine, tool := aStream("okta events"), aStream("tool")
		mine.Connection = acme.Connection.ID
		s := read[api.Stream](ask(w, olga, "POST", "/api/v1/orgs/acme/streams", mine).is(201))
		other := read[api.Stream](ask(w, olga, "POST", "/api/v1/orgs/acme/streams", tool).is(201))
		disable := func(stream account.StreamID, who string) error {
			w.Clock.Turn(time.Second)
			_, err := w.House.Ledger.Receive(w.Context(), account.Actor{}, stream, account.SET{Issuer: mine.Issuer, JTI: string(stream) + who, IssuedAt: w.Clock.Now(), Claims: []byte(`{}`),
				Events: []account.SETEvent{{Type: "https://schemas.openid.net/secevent/risc/event-type/account-disabled",
					Subject: &account.SubjectID{Format: account.SubjectEmail, Values: map[string]string{"email": who + "@acme.example"}}, Body: map[string]any{}}}})
			return err
		}
		for _, id := range ids[:4] {
			off(p, id).is(200, 204)
		}
		for _, who := range []string{"p04", "p05", "p06"} {
			if err := disable(s.ID, who); err != nil {
				w.Fatal(err)
			}
		}
		if err := disable(s.ID, "p07"); account.KindOf(err) != account.Unavailable {
			w.Errorf("the eighth of 25 went: %v", err)
		}
		off(p, ids[8]).is(503)
		// The tool is another source: it goes on.
		if err := disable(other.ID, "p09"); err != nil {
			w.Error(err)
		}
		ask(w, olga, "POST", "/api/v1/streams/"+string(other.ID)+"/breaker/resume", api.Allowance{}).refuses(409, "not_paused")
		ask(w, olga, "POST", "/api/v1/connections/"+string(acme.Connection.ID)+"/breaker/resume", api.Allowance{Removals: 2}).is(200)
		// The same token comes again, and counts.
		if err := disable(s.ID, "p07"); err != nil {
			w.Error(err)
		}
		off(p, ids[8]).is(200, 204)
	})
}

func TestFeedsAreManagedByAPI(t *testing.T) {
	world.Each(t, func(w *world.World) {
		acme := w.Acme()
		olga, ana := acme.As("olga@acme.example"), acme.As("ana@acme.example")
		f := read[api.AddedFeed](ask(w, olga, "POST", "/api/v1/orgs/acme/feeds", api.FeedSettings{Name: "ops", Kind: account.Webhook, URL: w.URL + "/nowhere", Events: []string{account.WordDeactivated}}).is(201))
		if !strings.HasPrefix(f.Secret, "whsec_") || f.Status != account.FeedEnabled {
			w.Errorf("added %+v", f)
		}
		at := "/api/v1/orgs/acme/feeds/" + string(f.ID)
		if list := ask(w, olga, "GET", "/api/v1/orgs/acme/feeds", nil).is(200).says("ops"); strings.Contains(list.body, f.Secret) {
			w.Error("the list shows a secret")
		}
		if got := read[api.Feed](ask(w, olga, "PATCH", at, map[string]string{"status": "paused"}).is(200)); got.Status != account.FeedPaused || got.Name != "ops" || len(got.Events) != 1 {
			w.Errorf("changed to %+v", got)
		}
		ask(w, olga, "POST", "/api/v1/orgs/acme/people/"+string(ana.Session().User.ID)+"/disable", nil).is(200)
		type page struct {
			Deliveries []api.Delivery `json:"deliveries"`
		}
		all := read[page](ask(w, olga, "GET", at+"/deliveries", nil).is(200)).Deliveries
		if len(all) != 1 || all[0].Type != account.WordDeactivated || all[0].State != account.DeliveryWaiting {
			w.Errorf("the deliveries are %+v", all)
		}
		if got := read[api.Replayed](ask(w, olga, "POST", at+"/replay", map[string]string{}).is(200)); got.Deliveries != 0 {
			w.Errorf("replayed %+v", got)
		}
		if got := read[api.MintedSecret](ask(w, olga, "POST", at+"/rotate", nil).is(200)); !strings.HasPrefix(got.Secret, "whsec_") || got.Secret == f.Secret {
			w.Error("the secret was not rotated")
		}
		ask(w, olga, "DELETE", at, nil).is(204)
		ask(w, olga, "DELETE", at, nil).is(404)
	})
}
