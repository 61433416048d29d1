package federation_test

import (
	"strings"
	"testing"

	"github.com/drawbridge-id/drawbridge/account"
	chromium "github.com/drawbridge-id/drawbridge/test/browser"
	"github.com/drawbridge-id/drawbridge/test/sim"
)

// THREAT SES-1, SES-3, SAML-R3: cookies, content security policy and the pages that lead on by themselves do
// what they should in a browser that enforces all of it.
func TestARealBrowserSignsInAndOut(t *testing.T) {
	w := newWorld(t)
	b := chromium.New(t)
	post := func(s *account.Settings) { s.SAML.SSORedirect, s.SAML.SSOPost = "", s.SAML.SSORedirect }
	for _, c := range []*company{
		w.saml("acme", sim.Okta), w.saml("globex", sim.Generic, post), w.oidc("initech", sim.Entra),
		w.oidc("umbrella", sim.Okta, func(s *account.Settings) { s.OIDC.ResponseMode = "form_post" }),
	} {
		w.must(w.ledger.CutOver(t.Context(), operator, c.domain.ID, true))
		c.idp.Auto(c.mail("ana"))
		b.Open(w.url + "/signin?next=/o/x")
		b.Type("#email", c.mail("ana"))
		b.Click("button.primary")
		b.WaitFor("form[action='/signout']")
		if at := b.URL(); !strings.HasPrefix(at, w.url+"/no-access") {
			t.Errorf("%s: signed in, it stands at %s", c.account.Name, at)
		}
		if cookies := chromium.Eval[string](b, "document.cookie"); cookies != "" {
			t.Errorf("%s: scripts see %q", c.account.Name, cookies)
		}
		b.Click("form[action='/signout'] button")
		b.WaitFor("a[href='/signin']")
		if who := c.idp.SignedIn(); c.con.Live.SAML == nil && len(who) != 0 {
			t.Errorf("%s: at the provider there is still %v", c.account.Name, who)
		}
		b.Open(w.url + "/session")
		if body := b.Text("body"); !strings.Contains(body, "unauthorized") {
			t.Errorf("%s: after signing out: %s", c.account.Name, body)
		}
	}
	for _, complaint := range b.Complaints() {
		if !strings.Contains(complaint, "401") && !strings.Contains(complaint, "favicon.ico") {
			t.Errorf("the browser complains: %s", complaint)
		}
	}
}
