package federation_test

import (
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/drawbridge-id/drawbridge/account"
	"github.com/drawbridge-id/drawbridge/federation/session"
	"github.com/drawbridge-id/drawbridge/test/sim"
)

// REQ K-01, K-19: federating sends nobody anywhere by itself; the page says which provider comes next.
func TestAnAddressFindsItsConnectionAndIsAskedBeforeCutOver(t *testing.T) {
	w := newWorld(t)
	acme := w.saml("acme", sim.Okta)
	for _, mail := range []string{"ana@acme.example", "Nobody.Here@ACME.example"} {
		res := w.post("/signin", url.Values{"email": {mail}, "next": {"/o/acme"}})
		body := text(res)
		if res.StatusCode != http.StatusOK || !strings.Contains(body, "Continue to idp") || !strings.Contains(body, "/login/"+string(acme.con.ID)) {
			t.Errorf("%s: %d\n%s", mail, res.StatusCode, body)
		}
		if res.Header.Get("Refresh") != "" || res.Header.Get("Location") != "" {
			t.Errorf("%s is led on before cut-over", mail)
		}
		if !strings.Contains(body, url.QueryEscape("/o/acme")) {
			t.Error("the return path is lost")
		}
	}
}

// REQ K-21
func TestAfterCutOverAnAddressGoesStraightToItsProvider(t *testing.T) {
	w := newWorld(t)
	for _, c := range []*company{w.saml("acme", sim.Okta), w.oidc("globex", sim.Entra)} {
		w.must(w.ledger.CutOver(t.Context(), operator, c.domain.ID, true))
		res := w.post("/signin", url.Values{"email": {c.mail("ana")}})
		to, led := strings.CutPrefix(res.Header.Get("Refresh"), "0; url=")
		if res.StatusCode != http.StatusOK || !led {
			t.Fatalf("not led on: %d, %v", res.StatusCode, res.Header)
		}
		res = w.send("GET", to, "", nil)
		idp, err := url.Parse(res.Header.Get("Location"))
		w.must(err)
		if res.StatusCode != http.StatusSeeOther || !strings.HasPrefix(idp.String(), c.idp.URL()) || idp.Query().Get("login_hint") != c.mail("ana") {
			t.Errorf("led to %s with %d", idp, res.StatusCode)
		}
	}
}

// THREAT RATE-2: whether somebody has an account does not show; neither does which domains are known beside
// those that sign in here.
func TestUnknownAddressesAreAllAnsweredAlike(t *testing.T) {
	w := newWorld(t)
	acme := w.saml("acme", sim.Okta)
	acme.signIn("ana")
	pending, err := w.ledger.ClaimDomain(t.Context(), operator, acme.account.ID, "pending.example")
	w.must(err)
	w.must(w.ledger.TieDomain(t.Context(), operator, pending.ID, acme.con.ID))
	var first string
	for _, mail := range []string{"x@nowhere.example", "x@pending.example", "x@sub.acme.example"} {
		res := w.post("/signin", url.Values{"email": {mail}})
		body := strings.NewReplacer(mail, "MAIL", url.QueryEscape(mail), "MAIL").Replace(text(res))
		if res.StatusCode != http.StatusOK {
			t.Errorf("%s: %d", mail, res.StatusCode)
		}
		if first == "" {
			first = body
		}
		if trim(body) != trim(first) {
			t.Errorf("%s is answered differently", mail)
		}
	}
	known := text(w.post("/signin", url.Values{"email": {"ana@acme.example"}}))
	other := text(w.post("/signin", url.Values{"email": {"zoe@acme.example"}}))
	if trim(strings.ReplaceAll(known, "ana", "")) != trim(strings.ReplaceAll(other, "zoe", "")) {
		t.Error("a person with an account can be told from one without")
	}
}

func TestAnAddressThatIsNoneIsExplained(t *testing.T) {
	w := newWorld(t)
	for _, mail := range []string{"", "ana", "a@b@c", "ana@acme.example, ben@acme.example", "<script>@x.example"} {
		res := w.post("/signin", url.Values{"email": {mail}})
		if body := text(res); res.StatusCode != http.StatusUnprocessableEntity || strings.Contains(body, "<script>@") {
			t.Errorf("%q: %d", mail, res.StatusCode)
		}
	}
}

// THREAT SAML-L1
func TestTheReturnPathStaysWithUsAndLeadsOnlyHome(t *testing.T) {
	w := newWorld(t)
	acme := w.saml("acme", sim.Okta)
	acme.rule("Everyone", "everyone", "registry:reader")
	acme.activate()
	for next, want := range map[string]string{
		"/o/acme?x=1": "/o/acme?x=1", "https://evil.example/": "/", "//evil.example": "/", `/\evil.example`: "/", "": "/",
	} {
		b := acme.browser("ana")
		answer := acme.upTo(b, "/login/"+string(acme.con.ID)+"?next="+url.QueryEscape(next), acme.urls.ACS)
		if relay := answer.Fields.Get("RelayState"); len(relay) > 80 || strings.Contains(relay, "o/acme") {
			t.Errorf("RelayState is %q", relay)
		}
		if end := b.resume(answer); w.at(end) != want {
			t.Errorf("next %q led to %s", next, end.URL)
		}
	}
	b := acme.browser("ana")
	answer := acme.upTo(b, "/login/"+string(acme.con.ID)+"?next="+url.QueryEscape("https://images.acme.example/tags"), acme.urls.ACS)
	flow, _ := b.Cookie(w.url, session.FlowCookie)
	if res := w.post(answer.URL, answer.Fields, session.FlowCookie+"="+flow); res.Header.Get("Location") != "https://images.acme.example/tags" {
		t.Errorf("a relying service's own page led to %q", res.Header.Get("Location"))
	}
}

// THREAT SES-4
func TestAForgedHostChangesNoAddress(t *testing.T) {
	w := newWorld(t)
	acme := w.oidc("acme", sim.Entra)
	r, err := http.NewRequestWithContext(t.Context(), "GET", w.url+"/login/"+string(acme.con.ID), nil)
	w.must(err)
	r.Host = "evil.example"
	r.Header.Set("X-Forwarded-Host", "evil.example")
	res, err := http.DefaultTransport.RoundTrip(r)
	w.must(err)
	defer res.Body.Close()
	if to, _ := url.Parse(res.Header.Get("Location")); to.Query().Get("redirect_uri") != acme.urls.Callback {
		t.Errorf("the redirect URI became %q", to.Query().Get("redirect_uri"))
	}
}

// REQ A-14
func TestSomebodyWithTwoAccountsChooses(t *testing.T) {
	w := newWorld(t)
	acme, globex := w.saml("acme", sim.Okta), w.saml("globex", sim.Okta)
	_, err := w.ledger.AddPerson(t.Context(), operator, globex.account.ID, "ana@acme.example", "Ana", account.Member)
	w.must(err)
	b := acme.browser("ana")
	end := b.open("/login/" + string(acme.con.ID) + "?next=/o/x")
	if w.at(end) != "/choose?next=%2Fo%2Fx" {
		t.Errorf("ended at %s", end.URL)
	}
}

// REQ L-14, L-19
func TestSomebodyWhomNoRuleMatchesComesInAndHoldsNothing(t *testing.T) {
	w := newWorld(t)
	acme := w.saml("acme", sim.Okta)
	acme.rule("Engineers", "eng", "registry:writer")
	acme.activate()
	b, end := acme.signIn("ben")
	if !strings.HasPrefix(w.at(end), "/no-access?diagnosis=dx_") {
		t.Errorf("ended at %s", end.URL)
	}
	if roles := b.roles(); len(roles) != 1 || roles["member@account"].Kind == "" {
		t.Errorf("holds %v", roles)
	}
}

// REQ L-12, L-13
func TestRolesFollowTheGroupsAtTheNextSignIn(t *testing.T) {
	w := newWorld(t)
	for _, c := range []*company{w.saml("acme", sim.Okta), w.oidc("globex", sim.Okta, func(s *account.Settings) { s.OIDC.Scopes = []string{"profile", "email", "groups"} })} {
		writers := c.rule("Engineers", "eng", "registry:writer")
		c.rule("Everybody", "everyone", "registry:reader")
		c.activate()
		b, _ := c.signIn("ana")
		roles := b.roles()
		why := roles["registry:writer@"+c.org.Name]
		if len(roles) != 3 || why.Rule != writers || why.RuleName != "Engineers" || why.Group != "eng" || why.Connection != c.con.ID {
			t.Errorf("holds %+v", roles)
		}
		w.must(c.idp.SetGroups(c.mail("ana"), "everyone"))
		b, _ = c.signIn("ana")
		roles = b.roles()
		if _, still := roles["registry:writer@"+c.org.Name]; still || roles["registry:reader@"+c.org.Name].RuleName != "Everybody" {
			t.Errorf("after leaving the group: %+v", roles)
		}
	}
}

// REQ L-15
func TestAnOwnerStaysOwnerWhateverTheGroupsSay(t *testing.T) {
	w := newWorld(t)
	acme := w.saml("acme", sim.Okta)
	acme.rule("Viewers", "viewers", "registry:reader")
	acme.activate()
	b, _ := acme.signIn("olga")
	roles := b.roles()
	if roles["owner@acme"].Kind != account.SourceManual || roles["registry:admin@acme"].Kind == "" {
		t.Errorf("holds %+v", roles)
	}
	if _, viewer := roles["registry:reader@acme"]; viewer {
		t.Error("a rule gave an owner a role")
	}
}

// REQ T-05, L-21
func TestGroupsThatAreNotAllThereTakeNothingAway(t *testing.T) {
	w := newWorld(t)
	acme := w.oidc("acme", sim.Entra)
	var eng string
	for _, g := range acme.idp.Groups() {
		if g.Name == "eng" {
			eng = g.ID
		}
	}
	acme.rule("Engineers", eng, "registry:writer")
	acme.activate()
	acme.signIn("ana")
	w.must(acme.idp.Break(sim.ManyGroups))
	b, _ := acme.signIn("ana")
	if _, kept := b.roles()["registry:writer@acme"]; !kept {
		t.Error("a cut list of groups took a role away")
	}
	if id, _ := b.whoami(); id.Groups.State == account.GroupsComplete && len(id.Groups.Values) == 0 {
		t.Errorf("groups are said to be %+v", id.Groups)
	}
}

func TestWhoIsNotSignedInGets401AsJSON(t *testing.T) {
	w := newWorld(t)
	res := w.send("GET", "/session", "", nil)
	if body := text(res); res.StatusCode != http.StatusUnauthorized || !strings.Contains(res.Header.Get("Content-Type"), "json") || !strings.Contains(body, "unauthorized") {
		t.Errorf("%d %s", res.StatusCode, body)
	}
}
