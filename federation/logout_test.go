package federation_test

import (
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/drawbridge-id/drawbridge/account"
	"github.com/drawbridge-id/drawbridge/federation/session"
	"github.com/drawbridge-id/drawbridge/test/drive"
	"github.com/drawbridge-id/drawbridge/test/sim"
)

// signOut presses the button, whose form carries the session's token.
func (b *browser) signOut() *drive.Page {
	b.w.Helper()
	token, _ := b.Cookie(b.w.url, session.Cookie)
	p, err := b.Post(b.w.Context(), b.w.url+"/signout", url.Values{session.FormField: {session.FormToken(account.NewSecret(token))}})
	b.w.must(err)
	return p
}

// led is where a page leads on by itself.
func led(p *drive.Page) string { return strings.TrimPrefix(p.Header.Get("Refresh"), "0; url=") }

func TestSigningOutEndsTheSessionHereAndAtTheProvider(t *testing.T) {
	w := newWorld(t)
	for name, c := range map[string]*company{
		"saml": w.saml("acme", sim.Okta),
		"saml by form": w.saml("globex", sim.Okta, func(s *account.Settings) {
			s.SAML.SLORedirect, s.SAML.SLOPost = "", s.SAML.SLORedirect
		}),
		"oidc": w.oidc("initech", sim.Okta),
	} {
		b, _ := c.signIn("ana")
		if len(c.idp.SignedIn()) != 1 {
			t.Fatalf("%s: at the provider: %v", name, c.idp.SignedIn())
		}
		p := b.signOut()
		if to := led(p); to != "" {
			p = b.open(to)
		}
		if _, in := b.whoami(); in {
			t.Errorf("%s: the session here lives on", name)
		}
		if left := c.idp.SignedIn(); len(left) != 0 {
			t.Errorf("%s: the session at the provider lives on: %v", name, left)
		}
		if w.at(p) != "/signed-out?state=provider" || !strings.Contains(p.Body, "signed out") {
			t.Errorf("%s: ended at %s with %d", name, p.URL, p.Status)
		}
	}
}

func TestAProviderWithoutLogoutLeavesTheSessionHereEnded(t *testing.T) {
	w := newWorld(t)
	acme := w.saml("acme", sim.Google, func(s *account.Settings) { s.SAML.SLORedirect = "" })
	b, _ := acme.signIn("ana")
	p := b.signOut()
	if _, in := b.whoami(); in || p.Status != http.StatusOK || led(p) != "" || !strings.Contains(p.Body, "idp") {
		t.Errorf("signed in %t, %d, led to %q", in, p.Status, led(p))
	}
	if p := b.signOut(); w.at(p) != "/signed-out" {
		t.Errorf("signing out twice ended at %s with %d", p.URL, p.Status)
	}
}

// THREAT SES-5
func TestNobodyIsSignedOutByAnotherSite(t *testing.T) {
	w := newWorld(t)
	acme := w.saml("acme", sim.Okta)
	b, _ := acme.signIn("ana")
	if p := b.open("/signout"); w.at(p) != "/" {
		t.Errorf("GET /signout led to %s", p.URL)
	}
	for _, form := range []url.Values{{}, {session.FormField: {"guessed"}}} {
		p, err := b.Post(t.Context(), w.url+"/signout", form)
		w.must(err)
		if p.Status != http.StatusForbidden {
			t.Errorf("form %v: %d", form, p.Status)
		}
	}
	if _, in := b.whoami(); !in {
		t.Error("the session has ended")
	}
}

// THREAT SAML-M3
func TestAProvidersSignedLogoutEndsTheSessionsItNames(t *testing.T) {
	w := newWorld(t)
	acme := w.saml("acme", sim.Okta)
	app := acme.urls.EntityID
	ana, _ := acme.signIn("ana")
	ben, _ := acme.signIn("ben")

	for _, fault := range []sim.Fault{sim.UnsignedLogout, sim.Tampered, sim.WrongKey, sim.WrongIssuer} {
		m, err := acme.idp.LogoutRequest("ana@acme.example", sim.Logout{App: app}, fault)
		w.must(err)
		res := w.post(acme.urls.SLO, url.Values{"SAMLRequest": {m.Base64}})
		if _, in := ana.whoami(); res.StatusCode != http.StatusForbidden || !in {
			t.Errorf("%s: %d, signed in %t", fault, res.StatusCode, in)
		}
	}
	m, err := acme.idp.LogoutRequest("ana@acme.example", sim.Logout{App: app, RelayState: "rs"})
	w.must(err)
	for range 2 { // providers repeat themselves
		res := w.send("GET", m.Redirect, "", nil)
		to, err := url.Parse(res.Header.Get("Location"))
		w.must(err)
		if res.StatusCode != http.StatusSeeOther || to.Query().Get("SAMLResponse") == "" || to.Query().Get("RelayState") != "rs" || to.Query().Get("Signature") == "" {
			t.Errorf("answered %d to %s", res.StatusCode, to)
		}
	}
	if _, in := ana.whoami(); in {
		t.Error("ana's session lives on")
	}
	if _, in := ben.whoami(); !in {
		t.Error("ben's session ended too")
	}
	again, _ := acme.signIn("ana")
	w.send("GET", m.Redirect, "", nil)
	if _, in := again.whoami(); !in {
		t.Error("a repeated message ended a later session")
	}
}

func TestSigningOutAtTheProviderSignsOutHere(t *testing.T) {
	w := newWorld(t)
	for _, dialect := range []sim.Dialect{sim.Okta, sim.Entra, sim.Keycloak} {
		c := w.saml("co-"+string(dialect), dialect, func(s *account.Settings) { s.SAML.SignRequests = true })
		b, _ := c.signIn("ana")
		if _, in := b.whoami(); !in {
			t.Fatalf("%s: not signed in", dialect)
		}
		b.open(c.idp.URL() + "/logout")
		if _, in := b.whoami(); in {
			t.Errorf("%s: the session here lives on", dialect)
		}
	}
}

func TestABackChannelLogoutEndsTheSessions(t *testing.T) {
	w := newWorld(t)
	acme := w.oidc("acme", sim.Okta)
	ana, _ := acme.signIn("ana")
	ben, _ := acme.signIn("ben")
	for _, fault := range []sim.Fault{sim.WrongKey, sim.WrongIssuer, sim.WrongAudience, sim.Expired, sim.AlgNone, sim.WrongNonce} {
		res := acme.idp.SendLogoutToken(t.Context(), "ana@acme.example", "client-1", "", fault)
		if _, in := ana.whoami(); res.Status != http.StatusBadRequest || !in {
			t.Errorf("%s: %+v, signed in %t", fault, res, in)
		}
	}
	token, err := acme.idp.LogoutToken("ana@acme.example", "client-1", "")
	w.must(err)
	for range 2 {
		res := w.post(acme.urls.BackchannelLogout, url.Values{"logout_token": {token}})
		if res.StatusCode != http.StatusOK || res.Header.Get("Cache-Control") != "no-store" {
			t.Errorf("answered %d", res.StatusCode)
		}
	}
	if _, in := ana.whoami(); in {
		t.Error("ana's session lives on")
	}
	if _, in := ben.whoami(); !in {
		t.Error("ben's session ended too")
	}
	for name, form := range map[string]url.Values{"none": {}, "two": {"logout_token": {token, token}}} {
		if res := w.post(acme.urls.BackchannelLogout, form); res.StatusCode != http.StatusBadRequest {
			t.Errorf("%s: %d", name, res.StatusCode)
		}
	}
	// By session: everything of one browser, told by the provider when somebody leaves there.
	if results, err := acme.idp.SignOutEverywhere(t.Context(), "ben@acme.example"); err != nil || len(results) != 1 || results[0].Status != http.StatusOK {
		t.Errorf("%v, %v", results, err)
	}
	if _, in := ben.whoami(); in {
		t.Error("ben's session lives on")
	}
}

// THREAT SES-6
func TestASessionEndsWithItsTime(t *testing.T) {
	w := newWorld(t)
	acme := w.saml("acme", sim.Okta, func(s *account.Settings) { s.MaxSession = time.Hour })
	b, _ := acme.signIn("ana")
	id, _ := b.whoami()
	if d := id.Expires.Sub(id.LoginTime); d != time.Hour {
		t.Errorf("lasts %s", d)
	}
	w.clock.turn(61 * time.Minute)
	if _, in := b.whoami(); in {
		t.Error("still signed in")
	}
}
