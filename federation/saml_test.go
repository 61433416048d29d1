package federation_test

import (
	"bytes"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/drawbridge-id/drawbridge/account"
	"github.com/drawbridge-id/drawbridge/federation/session"
	"github.com/drawbridge-id/drawbridge/test/drive"
	"github.com/drawbridge-id/drawbridge/test/sim"
)

// REQ H-07
func TestAPersonSignsInThroughTheirOwnProvider(t *testing.T) {
	w := newWorld(t)
	acme := w.saml("acme", sim.Okta)
	b, end := acme.signIn("ana")
	if w.at(end) == "/" || end.Status != http.StatusOK {
		t.Errorf("ended at %s with %d", end.URL, end.Status)
	}
	id, ok := b.whoami()
	if !ok || id.User.Email != "ana@acme.example" || id.User.Name != "Ana Ruiz" || id.Org.Name != "acme" || id.Account.Number == "" || id.Connection.Name != "idp" {
		t.Errorf("signed in as %+v", id)
	}
	if id.Groups.State != account.GroupsComplete || len(id.Groups.Values) != 2 {
		t.Errorf("groups are %+v", id.Groups)
	}
	again, _ := acme.signIn("ana")
	if same, _ := again.whoami(); same.User.ID != id.User.ID {
		t.Error("the second sign-in made another person")
	}
	if len(w.seen.ended) != 2 || w.seen.ended[0] != account.OutcomePassed {
		t.Errorf("metrics heard %v", w.seen.ended)
	}
}

// THREAT SAML-S1, SAML-K1, SAML-C2, SAML-C3, SAML-C4, SAML-C8, SAML-R1, SAML-T2, SAML-O1: whatever is wrong with
// a response, the person sees three lines, the administrator the step, and no session is made.
func TestWhatIsWrongWithAResponseStaysWithTheAdministrator(t *testing.T) {
	w := newWorld(t)
	acme := w.saml("acme", sim.Okta)
	for fault, step := range map[sim.Fault]account.Step{
		sim.Unsigned: account.StepSignature, sim.WrongKey: account.StepSignature, sim.Tampered: account.StepSignature, sim.XSW3: account.StepResponse,
		sim.WrongAudience: account.StepAudience, sim.WrongIssuer: account.StepAudience, sim.WrongRecipient: account.StepAudience,
		sim.WrongDestination: account.StepAudience, sim.WrongInResponseTo: account.StepAudience, sim.NoInResponseTo: account.StepAudience,
		sim.Expired: account.StepTimes, sim.NotYetValid: account.StepTimes, sim.StatusDenied: account.StepResponse, sim.ExtraAssertion: account.StepResponse,
		sim.OtherDomain: account.StepDomains, sim.Doctype: account.StepResponse,
	} {
		t.Run(string(fault), func(t *testing.T) {
			acme := *acme
			acme.world = &world{T: t, clock: w.clock, ledger: w.ledger, door: w.door, url: w.url, sim: w.sim}
			acme.must(acme.idp.Break(fault))
			defer acme.idp.Mend(fault)
			b, end := acme.signIn("ana")
			d := acme.isRefused(b, end, step, "")
			if end.Status != http.StatusForbidden || !strings.Contains(end.Body, string(d.ID)) {
				t.Errorf("status %d; the page does not name the diagnosis %s", end.Status, d.ID)
			}
			if strings.Contains(end.Body, "ana@acme.example") || strings.Contains(end.Body, "urn:oasis") {
				t.Error("the page shows what was received")
			}
			if !slices.ContainsFunc(d.Checks, func(k account.Check) bool { return k.Verdict == account.Fail && k.Fix[account.KindGeneric] != "" }) {
				t.Errorf("the administrator sees no fix: %+v", d.Checks)
			}
		})
	}
	if n := len(acme.people()); n != 1 {
		t.Errorf("%d people, of whom only the owner was there before", n)
	}
}

// THREAT SAML-R1
func TestTwoTabsSignInSideBySide(t *testing.T) {
	w := newWorld(t)
	acme := w.saml("acme", sim.Okta)
	acme.rule("Everyone", "everyone", "registry:reader")
	acme.activate()
	b := acme.browser("ana")
	login := "/login/" + string(acme.con.ID)
	first := acme.upTo(b, login+"?next=/o/one", acme.urls.ACS)
	second := acme.upTo(b, login+"?next=/o/two", acme.urls.ACS)
	if at := w.at(b.resume(second)); at != "/o/two" {
		t.Errorf("the second tab ended at %s", at)
	}
	if at := w.at(b.resume(first)); at != "/o/one" {
		t.Errorf("the first tab ended at %s", at)
	}
}

// THREAT SAML-R3
func TestAnAnswerCountsOnlyInTheBrowserThatAsked(t *testing.T) {
	w := newWorld(t)
	acme := w.saml("acme", sim.Okta)
	attacker := acme.browser("ben")
	stolen := acme.upTo(attacker, "/login/"+string(acme.con.ID), acme.urls.ACS)

	stranger := acme.browser("ana") // has no sign-in under way
	acme.isRefused(stranger, stranger.resume(stolen), account.StepRequest, "unknown_request")

	victim := acme.browser("ana") // has one of their own
	acme.upTo(victim, "/login/"+string(acme.con.ID), acme.urls.ACS)
	acme.isRefused(victim, victim.resume(stolen), account.StepRequest, "")

	own := attacker.resume(stolen)
	if own.Status != http.StatusOK {
		t.Errorf("the browser that asked was refused with %d", own.Status)
	}
}

// THREAT SAML-R4
func TestEightSimultaneousPostsGiveOneSession(t *testing.T) {
	w := newWorld(t)
	acme := w.saml("acme", sim.Okta)
	b := acme.browser("ana")
	answer := acme.upTo(b, "/login/"+string(acme.con.ID), acme.urls.ACS)
	cookie, _ := b.Cookie(w.url, session.FlowCookie)

	var wait sync.WaitGroup
	results := make([]*http.Response, 8)
	for i := range results {
		wait.Go(func() { results[i] = w.post(answer.URL, answer.Fields, session.FlowCookie+"="+cookie) })
	}
	wait.Wait()
	sessions := 0
	for _, res := range results {
		switch {
		case madeSession(res):
			sessions++
		case res.StatusCode != http.StatusForbidden || !strings.Contains(text(res), "already used"):
			t.Errorf("a copy got %d", res.StatusCode)
		}
	}
	if sessions != 1 {
		t.Errorf("%d sessions", sessions)
	}
}

// THREAT SAML-R4, SAML-R5: the memory is in the ledger, so that it holds across replicas and restarts.
func TestAnAnswerCountsOnceAndAPendingSignInSurvivesARestart(t *testing.T) {
	w := newWorld(t)
	acme := w.saml("acme", sim.Okta)
	b := acme.browser("ana")
	answer := acme.upTo(b, "/login/"+string(acme.con.ID), acme.urls.ACS)
	w.restart()
	if end := b.resume(answer); end.Status != http.StatusOK {
		t.Fatalf("after a restart the answer was refused with %d", end.Status)
	}
	cookie, _ := b.Cookie(w.url, session.FlowCookie)
	w.restart()
	res := w.post(answer.URL, answer.Fields, session.FlowCookie+"="+cookie)
	if res.StatusCode != http.StatusForbidden || madeSession(res) {
		t.Errorf("a replay got %d", res.StatusCode)
	}
	// A second answer of the provider to the same request.
	f := answer.Fields
	second, err := acme.idp.SAMLResponse("ana@acme.example", sim.SAMLRequest{App: acme.urls.EntityID, RequestID: requestID(t, acme, f), RelayState: f.Get("RelayState")})
	w.must(err)
	res = w.post(answer.URL, url.Values{"SAMLResponse": {second.Base64}, "RelayState": f["RelayState"]}, session.FlowCookie+"="+cookie)
	if res.StatusCode != http.StatusForbidden || madeSession(res) {
		t.Errorf("a second answer to one request got %d", res.StatusCode)
	}
}

// A reload carries the session along where the browser sends it: the person goes home.
func TestBackAndReloadAreFriendly(t *testing.T) {
	w := newWorld(t)
	acme := w.saml("acme", sim.Okta)
	b := acme.browser("ana")
	answer := acme.upTo(b, "/login/"+string(acme.con.ID), acme.urls.ACS)
	b.resume(answer)
	if end := b.resume(answer); end.Status != http.StatusForbidden || !strings.Contains(end.Body, "already used") {
		t.Errorf("a reload shows %d at %s", end.Status, end.URL)
	}
	if end := b.open("/signin"); w.at(end) != "/" {
		t.Errorf("its button leads to %s", w.at(end))
	}
	flow, _ := b.Cookie(w.url, session.FlowCookie)
	token, _ := b.Cookie(w.url, session.Cookie)
	res := w.post(answer.URL, answer.Fields, session.FlowCookie+"="+flow, session.Cookie+"="+token)
	if res.StatusCode != http.StatusSeeOther || res.Header.Get("Location") != "/" || madeSession(res) {
		t.Errorf("with the session sent along: %d to %s", res.StatusCode, res.Header.Get("Location"))
	}
}

// INTEROP: providers that drop RelayState.
func TestALostRelayStateIsMadeUpForByTheRequestID(t *testing.T) {
	w := newWorld(t)
	acme := w.saml("acme", sim.Okta)
	b := acme.browser("ana")
	for _, relay := range []string{"", "https://portal.acme.example/", "x"} {
		answer := acme.upTo(b, "/login/"+string(acme.con.ID)+"?next=/o/x", acme.urls.ACS)
		if answer.Fields.Set("RelayState", relay); relay == "" {
			answer.Fields.Del("RelayState")
		}
		if end := b.resume(answer); end.Status != http.StatusOK {
			t.Errorf("with RelayState %q: %d", relay, end.Status)
		}
	}
	// The request id alone opens nothing in another browser.
	answer := acme.upTo(b, "/login/"+string(acme.con.ID), acme.urls.ACS)
	answer.Fields.Del("RelayState")
	other := acme.browser("ana")
	acme.isRefused(other, other.resume(answer), account.StepRequest, "unknown_request")
}

// THREAT SAML-R2
func TestSignInThatStartsAtTheProviderNeedsPermission(t *testing.T) {
	w := newWorld(t)
	strict := w.saml("acme", sim.Okta)
	b := strict.browser("ana")
	strict.isRefused(b, b.open(strict.idp.StartURL(strict.urls.EntityID)), account.StepAudience, "unsolicited")

	open := w.saml("globex", sim.Okta, func(s *account.Settings) { s.SAML.AllowIdPInitiated = true })
	open.rule("Everyone", "everyone", "registry:reader")
	open.activate()
	b = open.browser("ana")
	start := open.idp.StartURL(open.urls.EntityID)
	if strings.Contains(start, "?") {
		start += "&RelayState=" + url.QueryEscape("https://evil.example/")
	}
	answer := open.upTo(b, start, open.urls.ACS)
	if end := b.resume(answer); w.at(end) != "/" {
		t.Errorf("allowed, it landed at %s with %d", end.URL, end.Status)
	}
	replayed := open.browser("ana")
	open.isRefused(replayed, replayed.resume(answer), account.StepRequest, "already_used")

	old := open.upTo(open.browser("ana"), start, open.urls.ACS)
	w.clock.turn(9 * time.Minute)
	late := open.browser("ana")
	open.isRefused(late, late.resume(old), account.StepTimes, "")
}

// THREAT SAML-T1
func TestOneTenantsAnswerOpensNoOthersDoor(t *testing.T) {
	w := newWorld(t)
	acme, globex := w.saml("acme", sim.Okta), w.saml("globex", sim.Okta, func(s *account.Settings) { s.SAML.AllowIdPInitiated = true })
	b := acme.browser("ana")
	answer := acme.upTo(b, "/login/"+string(acme.con.ID), acme.urls.ACS)

	crossed := *answer
	crossed.URL = globex.urls.ACS
	globex.isRefused(b, b.resume(&crossed), account.StepRequest, "")

	// Unsolicited, from acme's own provider, with globex's audience and recipient: keys and issuer are not globex's.
	forged, err := acme.idp.SAMLResponse("ana@acme.example", sim.SAMLRequest{ACS: globex.urls.ACS, Audience: globex.urls.EntityID})
	w.must(err)
	res := w.post(globex.urls.ACS, url.Values{"SAMLResponse": {forged.Base64}})
	if res.StatusCode != http.StatusForbidden || madeSession(res) {
		t.Errorf("forged for another tenant: %d", res.StatusCode)
	}
	if end := b.resume(answer); end.Status != http.StatusOK {
		t.Errorf("at its own door it was refused with %d", end.Status)
	}
}

// THREAT SAML-T2: globex's provider names a person of acme, who has an account here.
func TestAProviderHasNoSayOverOthersPeople(t *testing.T) {
	w := newWorld(t)
	acme, globex := w.saml("acme", sim.Okta), w.saml("globex", sim.Okta)
	acme.signIn("ana")
	w.must(globex.idp.PutUser(sim.User{Email: "ana@acme.example", GivenName: "Mallory"}))
	w.must(globex.idp.PutUser(sim.User{Email: "eve@sub.globex.example"}))
	w.must(globex.idp.PutUser(sim.User{Email: "eve@evilglobex.example"}))
	for _, mail := range []string{"ana@acme.example", "eve@sub.globex.example", "eve@evilglobex.example"} {
		b, end := globex.signIn(mail)
		globex.isRefused(b, end, account.StepDomains, "")
	}
	if _, in := globex.people()["ana@acme.example"]; in {
		t.Error("acme's person got a place in globex")
	}
}

// THREAT SAML-X7, SAML-D1, SAML-L1
func TestOnlyTheFormOfThePOSTBindingIsRead(t *testing.T) {
	w := newWorld(t)
	acme := w.saml("acme", sim.Okta, func(s *account.Settings) { s.SAML.AllowIdPInitiated = true })
	good, err := acme.idp.SAMLResponse("ana@acme.example", sim.SAMLRequest{App: acme.urls.EntityID})
	w.must(err)
	form := url.Values{"SAMLResponse": {good.Base64}}
	const kind = "application/x-www-form-urlencoded"
	for name, send := range map[string]func() *http.Response{
		"two responses": func() *http.Response {
			return w.post(acme.urls.ACS, url.Values{"SAMLResponse": {good.Base64, good.Base64}})
		},
		"none":  func() *http.Response { return w.post(acme.urls.ACS, url.Values{}) },
		"empty": func() *http.Response { return w.post(acme.urls.ACS, url.Values{"SAMLResponse": {""}}) },
		"long RelayState": func() *http.Response {
			return w.post(acme.urls.ACS, url.Values{"SAMLResponse": {good.Base64}, "RelayState": {strings.Repeat("x", 81)}})
		},
		"two RelayStates": func() *http.Response {
			return w.post(acme.urls.ACS, url.Values{"SAMLResponse": {good.Base64}, "RelayState": {"a", "b"}})
		},
		"another in query":  func() *http.Response { return w.post(acme.urls.ACS+"?SAMLResponse=x", form) },
		"in the query only": func() *http.Response { return w.post(acme.urls.ACS+"?"+form.Encode(), url.Values{}) },
		"raw XML":           func() *http.Response { return w.send("POST", acme.urls.ACS, "text/xml", bytes.NewReader(good.XML)) },
		"JSON": func() *http.Response {
			return w.send("POST", acme.urls.ACS, "application/json", strings.NewReader(`{"SAMLResponse":"`+good.Base64+`"}`))
		},
		"without a type": func() *http.Response { return w.send("POST", acme.urls.ACS, "", strings.NewReader(form.Encode())) },
		"GET":            func() *http.Response { return w.send("GET", acme.urls.ACS+"?"+form.Encode(), "", nil) },
		"too large": func() *http.Response {
			return w.send("POST", acme.urls.ACS, kind, strings.NewReader("SAMLResponse="+strings.Repeat("A", 2<<20)))
		},
		"bad escape": func() *http.Response {
			return w.send("POST", acme.urls.ACS, kind, strings.NewReader("SAMLResponse=%zz"))
		},
		"not base64": func() *http.Response { return w.post(acme.urls.ACS, url.Values{"SAMLResponse": {"<Response/>"}}) },
	} {
		if res := send(); res.StatusCode < 400 || res.StatusCode > 499 || madeSession(res) {
			t.Errorf("%s: %d", name, res.StatusCode)
		}
	}
	if res := w.post(acme.urls.ACS, form); !madeSession(res) {
		t.Errorf("the good one was refused with %d, so the others prove nothing", res.StatusCode)
	}
}

// THREAT SAML-M4
func TestASwitchedOffConnectionRefusesPendingSignInsToo(t *testing.T) {
	w := newWorld(t)
	acme := w.saml("acme", sim.Okta)
	in, _ := acme.signIn("ben")
	b := acme.browser("ana")
	answer := acme.upTo(b, "/login/"+string(acme.con.ID), acme.urls.ACS)
	w.must(w.ledger.EnableConnection(t.Context(), operator, acme.con.ID, false))
	acme.isRefused(b, b.resume(answer), account.StepRequest, "connection_disabled")
	if _, still := in.whoami(); still {
		t.Error("a session of the connection lives on")
	}
	off := b.open("/login/" + string(acme.con.ID))
	unknown := b.open("/login/con_01kkp3v8m2q7r4c9tdyz5x6w1n")
	if off.Status != http.StatusNotFound || off.Status != unknown.Status || trim(off.Body) != trim(unknown.Body) {
		t.Errorf("a switched-off connection (%d) can be told from an unknown one (%d)", off.Status, unknown.Status)
	}
}

// THREAT SAML-M1
func TestOurMetadataIsServedPerConnection(t *testing.T) {
	w := newWorld(t)
	acme := w.saml("acme", sim.Okta)
	res := w.send("GET", acme.urls.EntityID, "", nil)
	xml := text(res)
	for _, want := range []string{acme.urls.EntityID, acme.urls.ACS, acme.urls.SLO, "WantAssertionsSigned", "X509Certificate"} {
		if !strings.Contains(xml, want) {
			t.Errorf("the metadata lacks %s", want)
		}
	}
	if res.StatusCode != http.StatusOK || strings.Contains(xml, "PRIVATE") {
		t.Errorf("status %d", res.StatusCode)
	}
	if res := w.send("GET", "/saml/con_01kkp3v8m2q7r4c9tdyz5x6w1n/metadata", "", nil); res.StatusCode != http.StatusNotFound {
		t.Errorf("unknown connection: %d", res.StatusCode)
	}
}

func TestARequestGoesBySignedFormWhereTheProviderWantsThat(t *testing.T) {
	w := newWorld(t)
	acme := w.saml("acme", sim.Generic, func(s *account.Settings) {
		s.SAML.SSORedirect, s.SAML.SSOPost, s.SAML.SignRequests = "", s.SAML.SSORedirect, true
	})
	b := acme.browser("ana")
	form := acme.upTo(b, "/login/"+string(acme.con.ID), acme.idp.SSOURL())
	if form.Method != "POST" || form.Fields.Get("SAMLRequest") == "" || len(form.Fields.Get("RelayState")) > 80 {
		t.Fatalf("the request goes by %s with %v", form.Method, form.Fields)
	}
	if end := b.resume(form); end.Status != http.StatusOK {
		t.Errorf("ended at %s with %d", end.URL, end.Status)
	}
}

// THREAT SES-2
func TestASignInReplacesTheSessionOfTheBrowser(t *testing.T) {
	w := newWorld(t)
	acme := w.saml("acme", sim.Okta)
	b, _ := acme.signIn("ana")
	before, _ := b.Cookie(w.url, session.Cookie)
	answer := acme.upTo(b, "/login/"+string(acme.con.ID), acme.urls.ACS)
	flow, _ := b.Cookie(w.url, session.FlowCookie)
	res := w.post(answer.URL, answer.Fields, session.FlowCookie+"="+flow, session.Cookie+"="+before)
	if !madeSession(res) {
		t.Fatalf("signing in again got %d", res.StatusCode)
	}
	old := &browser{&drive.Driver{}, w}
	if res := w.send("GET", "/session", "", nil, session.Cookie+"="+before); res.StatusCode != http.StatusUnauthorized {
		t.Errorf("the former session still answers %d", res.StatusCode)
	}
	if res := w.send("GET", "/session", "", nil, session.Cookie+"=planted"); res.StatusCode != http.StatusUnauthorized {
		t.Errorf("a planted token answers %d", res.StatusCode)
	}
	if _, in := old.whoami(); in {
		t.Error("without a cookie somebody is signed in")
	}
}
