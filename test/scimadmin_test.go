package test

import (
	"strings"
	"testing"
	"time"

	"github.com/drawbridge-id/drawbridge/account"
	"github.com/drawbridge-id/drawbridge/test/world"
	"github.com/drawbridge-id/drawbridge/web/api"
)

// REQ M-01
func TestAConnectionSaysWhetherRemovalsAreDetected(t *testing.T) {
	world.Each(t, func(w *world.World) {
		acme := w.Acme()
		olga := acme.As("olga@acme.example")
		at := "/api/v1/connections/" + string(acme.Connection.ID)
		says := func(detected bool, words string) api.Detection {
			w.Helper()
			got := read[api.ConnectionDetail](ask(w, olga, "GET", at, nil).is(200)).Removals
			if got.Detected != detected || !strings.Contains(got.Words, words) {
				w.Errorf("it says %t: %s", got.Detected, got.Words)
			}
			return got
		}
		if d := says(false, "not detected: the provider pushes no people"); d.Decision != nil || d.SCIMTokens != 0 || d.SCIMPath != "/scim/"+string(acme.Connection.ID)+"/v2" {
			w.Errorf("%+v", d)
		}
		token := read[api.MintedSCIMToken](ask(w, olga, "POST", at+"/scim/tokens", map[string]int{}).is(201))
		if !strings.HasPrefix(token.Secret, "dbc_") || token.Expires.Sub(token.Created) != 365*24*time.Hour {
			w.Errorf("minted %+v", token)
		}
		says(false, "has not used it yet")
		p := &pusher{World: w, base: w.URL + token.Path, token: token.Secret}
		p.send("GET", "/Users", nil).is(200)
		if d := says(true, "are detected"); d.SCIMUsed == nil {
			w.Errorf("%+v", d)
		}
	})
}

// REQ N-49
// THREAT KEY-5, ADM-3
func TestTokensOfAProviderAreMintedInPersonAndShownOnce(t *testing.T) {
	world.Each(t, func(w *world.World) {
		acme := w.Acme()
		olga := acme.As("olga@acme.example")
		at := "/api/v1/connections/" + string(acme.Connection.ID) + "/scim"
		first := read[api.MintedSCIMToken](ask(w, olga, "POST", at+"/tokens", map[string]int{"days": 30}).is(201))
		read[api.MintedSCIMToken](ask(w, olga, "POST", at+"/tokens", map[string]int{"days": 30}).is(201))
		ask(w, olga, "POST", at+"/tokens", map[string]int{"days": 30}).refuses(409, "token_limit")
		list := ask(w, olga, "GET", at+"/tokens", nil).is(200).says(string(first.ID), first.Last4)
		if strings.Contains(list.body, first.Secret) {
			w.Error("the list shows a token")
		}
		p := &pusher{World: w, base: w.URL + first.Path, token: first.Secret}
		p.send("POST", "/Users", aUser("ana@acme.example", "ext-ana")).is(201)
		ask(w, olga, "POST", at+"/tokens/"+string(first.ID)+"/revoke", nil).is(204)
		p.send("GET", "/Users", nil).is(401)
		ask(w, olga, "POST", at+"/tokens/"+string(first.ID)+"/revoke", nil).refuses(404, "not_found")

		type page struct {
			Requests []api.SCIMRequest     `json:"requests"`
			Next     account.SCIMRequestID `json:"next"`
		}
		log := read[page](ask(w, olga, "GET", at+"/requests", nil).is(200))
		if len(log.Requests) != 1 || log.Requests[0].Method != "POST" || log.Requests[0].Status != 201 || log.Requests[0].Token != first.ID || !strings.Contains(log.Requests[0].Changed, "was made") {
			w.Errorf("the request log is %+v", log)
		}
		// The same again, and what it would do now: she is there already.
		again := read[api.Rehearsal](ask(w, olga, "POST", at+"/requests/"+string(log.Requests[0].ID)+"/replay", nil).is(200))
		if again.Status != 409 || len(again.Changes) != 0 {
			w.Errorf("replayed: %+v", again)
		}
		if unmet := read[[]api.Unmet](ask(w, olga, "GET", at+"/unmet", nil).is(200)); len(unmet) != 0 {
			w.Errorf("unmet: %+v", unmet)
		}
		want := api.SCIMOptions{Subject: account.SubjectUserName, Groups: account.GroupsReplace}
		ask(w, olga, "PUT", at+"/options", want).is(200)
		if got := read[api.SCIMOptions](ask(w, olga, "GET", at+"/options", nil).is(200)); got != want {
			w.Errorf("the options are %+v", got)
		}
		ask(w, olga, "PUT", at+"/options", map[string]string{"subject": "mail", "groups": "merge"}).is(422)

		// A script may list and revoke, and makes no other credential; nor does somebody who signed in long ago.
		k := minted(w, olga, "acme", "script").Secret
		with(w, k, "GET", at+"/tokens", nil).is(200)
		with(w, k, "POST", at+"/tokens", map[string]int{"days": 30}).refuses(403, "session_needed")
		w.Clock.Turn(31 * time.Minute)
		ask(w, olga, "POST", at+"/tokens", map[string]int{"days": 30}).refuses(403, "sign_in_again")
	})
}

// REQ K-18
func TestAConnectionGoesLiveOnceSomebodyDecidedAboutRemovals(t *testing.T) {
	world.Each(t, func(w *world.World) {
		acme := w.Acme()
		olga := acme.As("olga@acme.example")
		a, _ := w.Account("acme")
		live, err := w.House.Ledger.Connection(w.Context(), acme.Connection.ID)
		if err != nil {
			w.Fatal(err)
		}
		c, err := w.House.Ledger.SaveDraft(w.Context(), world.Operator, a.ID, "", "second", *live.Live)
		if err != nil {
			w.Fatal(err)
		}
		f, err := w.House.Ledger.StartFlow(w.Context(), account.Flow{Connection: c.ID, Which: account.Draft, Test: true})
		if err != nil {
			w.Fatal(err)
		}
		if err := w.House.Ledger.FinishTest(w.Context(), world.Operator, f, account.Diagnosis{Outcome: account.OutcomePassed}); err != nil {
			w.Fatal(err)
		}
		at := "/api/v1/connections/" + string(c.ID)
		if p := ask(w, olga, "POST", at+"/promote", nil).refuses(409, "sync_decision_needed"); !strings.Contains(p.Help, "sync-decision") {
			w.Errorf("refused with %+v", p)
		}
		decided := api.SyncDecided{Decision: account.SyncNone, AcknowledgedBy: "olga@acme.example", Evidence: "<1f2e@mail.acme.example>", Note: "SCIM next year"}
		for _, half := range []api.SyncDecided{{Decision: account.SyncNone, Evidence: "x"}, {Decision: account.SyncNone, AcknowledgedBy: "x"}, {AcknowledgedBy: "x", Evidence: "x"}} {
			ask(w, olga, "PUT", at+"/sync-decision", half).is(422)
		}
		ask(w, olga, "POST", at+"/promote", nil).refuses(409, "sync_decision_needed")
		got := read[api.SyncDecision](ask(w, olga, "PUT", at+"/sync-decision", decided).is(200))
		if got.SyncDecided != decided || got.RecordedAt.IsZero() || got.RecordedBy != "user:"+string(olga.Session().User.ID) {
			w.Errorf("recorded %+v", got)
		}
		if line := w.Audit("acme", "connection.sync_decided"); line.Target != string(c.ID) || line.Reason != "none" || line.Detail["evidence"] != decided.Evidence {
			w.Errorf("the audit line is %+v", line)
		}
		ask(w, olga, "POST", at+"/promote", nil).is(200)
		if d := read[api.ConnectionDetail](ask(w, olga, "GET", at, nil).is(200)).Removals; d.Decision == nil || d.Decision.Decision != account.SyncNone || d.Detected {
			w.Errorf("%+v", d)
		}
	})
}
