package test

import (
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/drawbridge-id/drawbridge/account"
	"github.com/drawbridge-id/drawbridge/test/sim"
	"github.com/drawbridge-id/drawbridge/test/world"
)

func wantRoles(t testing.TB, s world.Session, want ...string) {
	t.Helper()
	got := s.RoleNames()
	slices.Sort(got)
	slices.Sort(want)
	if !slices.Equal(got, want) {
		t.Errorf("%s holds %v, want %v", s.User.Email, got, want)
	}
}

// REQ K-01, L-09, L-12, L-13, H-07
func TestAPersonHoldsWhatTheirGroupsEarn(t *testing.T) {
	world.Each(t, func(w *world.World) {
		acme := w.Acme()
		ana := acme.As("ana@acme.example").Session()
		wantRoles(w, ana, "catalog:reader", "registry:writer", "functions:developer@research")
		for _, r := range ana.Roles {
			if r.Scope.Org != "" && (len(r.Sources) == 0 || r.Sources[0].Kind != account.SourceRule || r.Sources[0].Group != "eng") {
				w.Errorf("%s does not say that it comes from eng: %+v", r.Role, r.Sources)
			}
		}
		again := acme.As("ana@acme.example").Session()
		if again.User.ID != ana.User.ID {
			w.Errorf("the second sign-in is %s, the first was %s", again.User.ID, ana.User.ID)
		}
	})
}

// REQ T-10, L-04
func TestEntraGroupsAreMatchedByObjectID(t *testing.T) {
	world.Each(t, func(w *world.World) {
		globex := w.Globex()
		wantRoles(w, globex.As("gus@globex.example").Session(), "catalog:reader", "registry:writer")
		wantRoles(w, globex.As("hana@globex.example").Session(), "catalog:reader", "registry:writer", "user_admin@research", "registry:admin@research")
	})
}

// REQ L-12
func TestChangedGroupsChangeTheRolesAtTheNextSignIn(t *testing.T) {
	world.Each(t, func(w *world.World) {
		acme := w.Acme()
		before := acme.As("ana@acme.example")
		if err := acme.IdP.SetGroups("ana@acme.example", "viewers"); err != nil {
			w.Fatal(err)
		}
		wantRoles(w, before.Session(), "catalog:reader", "registry:writer", "functions:developer@research")
		wantRoles(w, acme.As("ana@acme.example").Session(), "catalog:reader")
		if err := acme.IdP.SetGroups("ana@acme.example", "viewers", "eng"); err != nil {
			w.Fatal(err)
		}
		after := acme.As("ana@acme.example").Session()
		wantRoles(w, after, "catalog:reader", "registry:writer", "functions:developer@research")
		for _, r := range after.Roles {
			if r.Role == "catalog:reader" && len(r.Sources) != 2 {
				w.Errorf("catalog:reader comes from %d rules, want both", len(r.Sources))
			}
		}
	})
}

// REQ L-14
func TestWhoMatchesNoRuleIsSignedInAndToldSo(t *testing.T) {
	world.Each(t, func(w *world.World) {
		acme := w.Acme()
		b := w.Browser("cleo@acme.example")
		p := b.SignIn(acme.Connection)
		if !strings.Contains(p.URL, "/no-access") || !strings.Contains(p.Body, "everyone") {
			w.Errorf("ended at %s:\n%s", p.URL, p.Body)
		}
		s := b.Session()
		if s.Status != http.StatusOK {
			w.Fatalf("not signed in: %d", s.Status)
		}
		wantRoles(w, s) // but what comes with a place in the account
	})
}

// THREAT SAML-T2, OIDC-X2
func TestAConnectionCannotNameAnotherTenantsPeople(t *testing.T) {
	world.Each(t, func(w *world.World) {
		acme := w.Acme()
		w.Globex()
		b := w.Browser("mallory@globex.example")
		p := b.SignIn(acme.Connection)
		if p.Status != http.StatusForbidden || strings.Contains(p.Body, "globex") {
			w.Errorf("answered %d with\n%s", p.Status, p.Body)
		}
		if s := b.Session(); s.Status != http.StatusUnauthorized {
			w.Errorf("session answered %d", s.Status)
		}
	})
}

// REQ L-15, T-06
func TestNoRuleTouchesAnOwner(t *testing.T) {
	world.Each(t, func(w *world.World) {
		acme := w.Acme()
		s := acme.As("olga@acme.example").Session()
		for _, r := range s.Roles {
			for _, source := range r.Sources {
				if source.Kind == account.SourceRule {
					w.Errorf("an owner holds %s by a rule", r.Role)
				}
			}
		}
		if !slices.Contains(s.RoleNames(), "owner") || !slices.Contains(s.RoleNames(), "registry:admin") {
			w.Errorf("the owner holds %v", s.RoleNames())
		}
	})
}

// REQ L-21, T-05
func TestAMissingGroupClaimStripsNobody(t *testing.T) {
	world.Each(t, func(w *world.World) {
		globex := w.Globex()
		globex.As("gus@globex.example")
		// More groups than fit in a token: Entra sends a marker instead. Roles stay, and the session says why.
		if err := globex.IdP.Break(sim.ManyGroups); err != nil {
			w.Fatal(err)
		}
		s := globex.As("gus@globex.example").Session()
		if line := w.Audit("globex", "user.signed_in"); line.Detail["groups"] == string(account.GroupsComplete) {
			w.Errorf("an overage marker was taken for a complete set: %+v", line.Detail)
		}
		wantRoles(w, s, "catalog:reader", "registry:writer")
		globex.IdP.Mend(sim.ManyGroups)
		// A claim that was seen before and is absent now means no groups.
		if err := globex.IdP.Break(sim.NoGroups); err != nil {
			w.Fatal(err)
		}
		b := w.Browser("gus@globex.example")
		b.SignIn(globex.Connection)
		wantRoles(w, b.Session())
	})
}

// REQ L-21, T-05
func TestAClaimNeverSeenLeavesRolesAlone(t *testing.T) {
	world.Each(t, func(w *world.World) {
		acme := w.Acme()
		if err := acme.IdP.Break(sim.NoGroups); err != nil {
			w.Fatal(err)
		}
		b := w.Browser("ana@acme.example")
		b.SignIn(acme.Connection)
		if s := b.Session(); s.Status != http.StatusOK || s.Groups.State != account.GroupsUnknown {
			w.Errorf("session %+v", s)
		}
	})
}

// THREAT SAML-R5
func TestAPendingSignInSurvivesARestart(t *testing.T) {
	world.Each(t, func(w *world.World) {
		acme := w.Acme()
		b := w.Browser("ana@acme.example")
		b.StopBefore = w.URL + "/saml/"
		stopped := b.SignIn(acme.Connection)
		if !stopped.Stopped {
			w.Fatalf("ended at %s", stopped.URL)
		}
		w.Stop()
		w.Start()
		b.StopBefore = ""
		if _, err := b.Resume(w.Context(), stopped); err != nil {
			w.Fatal(err)
		}
		if s := b.Session(); s.Status != http.StatusOK {
			w.Errorf("not signed in after the restart: %d", s.Status)
		}
	})
}

// THREAT SAML-R3, SAML-R4
func TestAnAnswerCountsOnceAndInTheBrowserThatAsked(t *testing.T) {
	world.Each(t, func(w *world.World) {
		acme := w.Acme()
		b := w.Browser("ana@acme.example")
		b.StopBefore = w.URL + "/saml/"
		stopped := b.SignIn(acme.Connection)
		thief := w.Browser("thief")
		if _, err := thief.Resume(w.Context(), stopped); err != nil {
			w.Fatal(err)
		}
		if s := thief.Session(); s.Status != http.StatusUnauthorized {
			w.Errorf("another browser got in: %d", s.Status)
		}
		var mu sync.Mutex
		won := 0
		var wg sync.WaitGroup
		copies := make([]*world.Browser, 8)
		for i := range copies {
			copies[i] = w.Copy(b)
			wg.Go(func() {
				if _, err := copies[i].Resume(w.Context(), stopped); err != nil {
					w.Error(err)
					return
				}
				if copies[i].Session().Status == http.StatusOK {
					mu.Lock()
					won++
					mu.Unlock()
				}
			})
		}
		wg.Wait()
		if won != 1 {
			w.Errorf("%d of 8 copies of one answer made a session, want 1", won)
		}
	})
}

// THREAT SES-1
func TestSessionsEndByTheClock(t *testing.T) {
	world.Each(t, func(w *world.World) {
		acme := w.Acme()
		b := acme.As("ana@acme.example")
		w.Clock.Turn(7 * time.Hour)
		if s := b.Session(); s.Status != http.StatusOK {
			w.Fatalf("ended after 7 hours: %d", s.Status)
		}
		w.Clock.Turn(7 * time.Hour)
		if s := b.Session(); s.Status != http.StatusOK {
			w.Fatalf("use does not keep it alive: %d", s.Status)
		}
		w.Clock.Turn(9 * time.Hour)
		if s := b.Session(); s.Status != http.StatusUnauthorized {
			w.Errorf("nine idle hours did not end it: %d", s.Status)
		}
	})
}

// REQ K-19, K-21
func TestCutOverSendsPeopleStraightToTheirProvider(t *testing.T) {
	world.Each(t, func(w *world.World) {
		acme, globex := w.Acme(), w.Globex()
		_ = acme
		b := w.Browser("")
		p, err := b.Post(w.Context(), w.URL+"/signin", map[string][]string{"email": {"ana@acme.example"}})
		if err != nil || !strings.HasPrefix(p.URL, w.URL) || !strings.Contains(p.Body, "/login/"+string(acme.Connection.ID)) {
			w.Errorf("before cut-over people choose: ended at %s (%v)", p.URL, err)
		}
		p, err = b.Post(w.Context(), w.URL+"/signin", map[string][]string{"email": {"gus@globex.example"}})
		onward := p.Header.Get("Refresh")
		if err != nil || !strings.Contains(onward, "/login/"+string(globex.Connection.ID)) || !strings.Contains(onward, "gus") {
			w.Errorf("after cut-over the provider opens with the address: at %s with %q (%v)", p.URL, onward, err)
		}
	})
}
