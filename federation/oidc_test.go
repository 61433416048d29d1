package federation_test

import (
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/drawbridge-id/drawbridge/account"
	"github.com/drawbridge-id/drawbridge/federation/session"
	"github.com/drawbridge-id/drawbridge/test/sim"
)

func TestAPersonSignsInOverOpenIDConnect(t *testing.T) {
	w := newWorld(t)
	for name, c := range map[string]*company{
		"entra":     w.oidc("acme", sim.Entra),
		"okta":      w.oidc("globex", sim.Okta, func(s *account.Settings) { s.OIDC.Scopes = []string{"profile", "email", "groups"} }),
		"form_post": w.oidc("initech", sim.Entra, func(s *account.Settings) { s.OIDC.ResponseMode = "form_post" }),
	} {
		b, end := c.signIn("ana")
		id, ok := b.whoami()
		if !ok || id.User.Email != c.mail("ana") || end.Status != http.StatusOK {
			t.Errorf("%s: ended at %s with %d as %+v", name, end.URL, end.Status, id.User)
		}
		if id.Groups.State != account.GroupsComplete || len(id.Groups.Values) != 2 {
			t.Errorf("%s: groups are %+v", name, id.Groups)
		}
	}
}

// THREAT OIDC-F2, OIDC-F3, OIDC-F5: what is wrong with a callback is refused before the code goes anywhere.
func TestACallbackThatIsNotTheAnswerIsRefused(t *testing.T) {
	w := newWorld(t)
	acme := w.oidc("acme", sim.Entra)
	for name, change := range map[string]func(q url.Values){
		"no state":       func(q url.Values) { q.Del("state") },
		"another state":  func(q url.Values) { q.Set("state", "AAAAAAAAAAAAAAAAAAAAAA") },
		"two states":     func(q url.Values) { q.Add("state", q.Get("state")) },
		"two codes":      func(q url.Values) { q.Add("code", "x") },
		"another issuer": func(q url.Values) { q.Set("iss", "https://evil.example") },
		"two issuers":    func(q url.Values) { q["iss"] = []string{acme.idp.Issuer(), acme.idp.Issuer()} },
		"a token":        func(q url.Values) { q.Set("id_token", "x.y.z") },
		"an error":       func(q url.Values) { q.Set("error", "access_denied") },
		"no code":        func(q url.Values) { q.Del("code") },
		"another code":   func(q url.Values) { q.Set("code", "guessed") },
		"long state":     func(q url.Values) { q.Set("state", strings.Repeat("x", 10_000)) },
	} {
		b := acme.browser("ana")
		answer := acme.upTo(b, "/login/"+string(acme.con.ID), acme.urls.Callback)
		u, err := url.Parse(answer.URL)
		w.must(err)
		q := u.Query()
		change(q)
		u.RawQuery = q.Encode()
		answer.URL = u.String()
		before := len(exchanges(acme))
		end := b.resume(answer)
		if _, in := b.whoami(); in || end.Status < 400 || end.Status > 499 {
			t.Errorf("%s: ended with %d, signed in %t", name, end.Status, in)
		}
		if strings.Contains(end.Body, "evil") || strings.Contains(end.Body, "guessed") {
			t.Errorf("%s: the page reflects what came in", name)
		}
		if after := len(exchanges(acme)); name != "another code" && after != before {
			t.Errorf("%s: the code was sent to the provider", name)
		}
	}
}

// exchanges are the calls of a provider's token endpoint.
func exchanges(c *company) []sim.Event {
	return slices.DeleteFunc(c.idp.Log(), func(e sim.Event) bool { return !strings.Contains(e.What, "token") })
}

// THREAT OIDC-F3
func TestACallbackCountsOnlyInTheBrowserThatAsked(t *testing.T) {
	w := newWorld(t)
	for _, mode := range []string{"query", "form_post"} {
		c := w.oidc(map[string]string{"query": "acme", "form_post": "globex"}[mode], sim.Entra, func(s *account.Settings) { s.OIDC.ResponseMode = mode })
		attacker := c.browser("ben")
		stolen := c.upTo(attacker, "/login/"+string(c.con.ID), c.urls.Callback)
		victim := c.browser("ana")
		c.upTo(victim, "/login/"+string(c.con.ID), c.urls.Callback)
		c.isRefused(victim, victim.resume(stolen), account.StepRequest, "")
		stranger := c.browser("ana")
		c.isRefused(stranger, stranger.resume(stolen), account.StepRequest, "unknown_request")
		attacker.resume(stolen)
		if id, in := attacker.whoami(); !in || id.User.Email != c.mail("ben") {
			t.Errorf("%s: the browser that asked was refused", mode)
		}
	}
}

// THREAT OIDC-F3
func TestTwoTabsSignInSideBySideOverOpenIDConnect(t *testing.T) {
	w := newWorld(t)
	acme := w.oidc("acme", sim.Entra)
	b := acme.browser("ana")
	login := "/login/" + string(acme.con.ID)
	first, second := acme.upTo(b, login, acme.urls.Callback), acme.upTo(b, login, acme.urls.Callback)
	for _, p := range []*struct {
		name string
		end  int
	}{{"second", b.resume(second).Status}, {"first", b.resume(first).Status}} {
		if p.end != http.StatusOK {
			t.Errorf("the %s tab ended with %d", p.name, p.end)
		}
	}
}

// THREAT OIDC-F7
func TestEightCopiesOfACallbackGiveOneSession(t *testing.T) {
	w := newWorld(t)
	acme := w.oidc("acme", sim.Entra)
	b := acme.browser("ana")
	answer := acme.upTo(b, "/login/"+string(acme.con.ID), acme.urls.Callback)
	cookie, _ := b.Cookie(w.url, session.FlowCookie)
	var wait sync.WaitGroup
	results := make([]*http.Response, 8)
	for i := range results {
		wait.Go(func() { results[i] = w.send("GET", answer.URL, "", nil, session.FlowCookie+"="+cookie) })
	}
	wait.Wait()
	sessions := 0
	for _, res := range results {
		if madeSession(res) {
			sessions++
		} else if res.StatusCode != http.StatusForbidden {
			t.Errorf("a copy got %d", res.StatusCode)
		}
	}
	if sent := len(exchanges(acme)); sessions != 1 || sent != 1 {
		t.Errorf("%d sessions, %d calls of the token endpoint", sessions, sent)
	}
}

// THREAT OIDC-F5, OIDC-X1
func TestACallbackIsForItsOwnConnection(t *testing.T) {
	w := newWorld(t)
	acme, globex := w.oidc("acme", sim.Entra), w.oidc("globex", sim.Entra)
	b := acme.browser("ana")
	answer := acme.upTo(b, "/login/"+string(acme.con.ID), acme.urls.Callback)
	crossed := *answer
	crossed.URL = strings.Replace(answer.URL, acme.urls.Callback, globex.urls.Callback, 1)
	globex.isRefused(b, b.resume(&crossed), account.StepRequest, "")
	if len(exchanges(globex))+len(exchanges(acme)) != 0 {
		t.Error("a code was sent to a provider")
	}
	if end := b.resume(answer); end.Status != http.StatusOK {
		t.Errorf("at its own connection: %d", end.Status)
	}
}

// THREAT OIDC-X2
func TestAnOpenIDProviderHasNoSayOverOthersPeople(t *testing.T) {
	w := newWorld(t)
	acme := w.oidc("acme", sim.Okta)
	w.must(acme.idp.PutUser(sim.User{Email: "gus@globex.example"}))
	b, end := acme.signIn("gus@globex.example")
	acme.isRefused(b, end, account.StepDomains, "")
	if len(acme.people()) != 1 {
		t.Error("a refused person got a place in the account")
	}
}

func TestAProviderThatIsDownIsSaidToBeDown(t *testing.T) {
	w := newWorld(t)
	acme := w.oidc("acme", sim.Okta)
	w.must(acme.idp.Break(sim.DiscoveryDown))
	b, end := acme.signIn("ana")
	if end.Status != http.StatusServiceUnavailable || !strings.Contains(end.Body, "could not be asked") {
		t.Errorf("status %d:\n%s", end.Status, end.Body)
	}
	acme.idp.Mend(sim.DiscoveryDown)
	w.restart()
	if end := b.open("/login/" + string(acme.con.ID)); end.Status != http.StatusOK {
		t.Errorf("once it is up again: %d", end.Status)
	}
}

// OpenID Connect Core §4: the provider's own page asks us to start.
func TestAProvidersTileStartsASignInHere(t *testing.T) {
	w := newWorld(t)
	acme := w.oidc("acme", sim.Okta)
	b := acme.browser("ana")
	tile := acme.urls.Initiate + "?login_hint=ana@acme.example&target_link_uri=" + url.QueryEscape(w.url+"/o/x") + "&iss="
	if p := b.open(tile + url.QueryEscape("https://evil.example")); p.Status != http.StatusNotFound {
		t.Errorf("another issuer: %d", p.Status)
	}
	if p := b.open(tile + url.QueryEscape(acme.idp.Issuer())); p.Status != http.StatusOK {
		t.Errorf("its own issuer: %d at %s", p.Status, p.URL)
	}
	if _, in := b.whoami(); !in {
		t.Error("nobody is signed in")
	}
}
