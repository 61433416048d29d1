package test

import (
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/drawbridge-id/drawbridge/test/sim"
	"github.com/drawbridge-id/drawbridge/test/world"
)

// The simulated providers push as the recordings in transcripts/ do; what they wanted is what is there afterwards.
func TestSimulatedProvidersProvisionOverSCIM(t *testing.T) {
	for _, dialect := range []sim.Dialect{sim.Okta, sim.Entra, sim.Generic} {
		t.Run(string(dialect), func(t *testing.T) {
			world.Each(t, func(w *world.World) {
				acme := w.Acme()
				direct := pusherOf(w, acme.Connection)
				p := &sim.Pusher{Dialect: dialect, BaseURL: direct.base, Token: direct.token}
				do := func(_ sim.Push, err error) {
					w.Helper()
					if err != nil {
						w.Fatal(err)
					}
				}
				must := func(err error) { w.Helper(); do(sim.Push{}, err) }
				people := []string{"ana@acme.example", "ben@acme.example", "cleo@acme.example"}
				for _, email := range people {
					do(p.User(t.Context(), sim.User{Email: email, ID: "ext-" + email, GivenName: "A", FamilyName: "Person", DisplayName: "A Person"}))
				}
				must(p.Group(t.Context(), sim.Group{ID: "ext-eng", Name: "eng"}))
				must(p.Join(t.Context(), "eng", people...))
				must(p.Leave(t.Context(), "eng", "cleo@acme.example"))
				members := func() int {
					list, _ := direct.send("GET", `/Groups?filter=displayName eq "eng"`, nil).is(200).at("Resources.0.members").([]any)
					return len(list)
				}
				if n := members(); n != 2 {
					w.Errorf("the group has %d members", n)
				}

				b := acme.As("ana@acme.example")
				do(p.SetActive(t.Context(), "ana@acme.example", false))
				if s := b.Session(); s.Status != http.StatusUnauthorized {
					w.Errorf("after the deactivation the session answers %d", s.Status)
				}
				// Another run of the provider, which has forgotten everything: it finds them, and brings them back.
				again := &sim.Pusher{Dialect: dialect, BaseURL: direct.base, Token: direct.token}
				do(again.User(t.Context(), sim.User{Email: "ana@acme.example", ID: "ext-ana@acme.example", DisplayName: "Ana Ruiz"}))
				found := direct.send("GET", `/Users?filter=userName eq "ana@acme.example"`, nil).is(200)
				if found.at("totalResults") != 1.0 || found.at("Resources.0.active") != true || found.text("Resources.0.displayName") != "Ana Ruiz" {
					w.Errorf("afterwards there is %s", found.raw)
				}
				if dialect != sim.Okta {
					must(again.Group(t.Context(), sim.Group{ID: "ext-eng", Name: "eng"}))
					do(again.Delete(t.Context(), "ben@acme.example"))
					if n := members(); n != 1 {
						w.Errorf("a deleted user is still a member: %d", n)
					}
				}
				if _, err := (&sim.Pusher{BaseURL: direct.base, Token: "dbc_wrong"}).User(t.Context(), sim.User{Email: "x@acme.example"}); err == nil {
					w.Error("a wrong token is no error")
				}
			})
		})
	}
}

// A provider that is told to slow down waits, and loses nothing.
func TestASimulatedProviderWaitsWhenItIsToldTo(t *testing.T) {
	asked := 0
	service := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		if asked++; asked == 1 {
			rw.Header().Set("Retry-After", "1")
			rw.WriteHeader(http.StatusTooManyRequests)
			return
		}
		rw.WriteHeader(http.StatusNoContent)
	}))
	defer service.Close()
	began := time.Now()
	got, err := (&sim.Pusher{BaseURL: service.URL}).Send(t.Context(), "DELETE", "/Users/1", nil)
	if err != nil || got.Status != http.StatusNoContent || asked != 2 || time.Since(began) < time.Second {
		t.Errorf("%+v, %v after %d requests and %s", got, err, asked, time.Since(began))
	}
}
