package test

import (
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/drawbridge-id/drawbridge/account"
	"github.com/drawbridge-id/drawbridge/config"
	"github.com/drawbridge-id/drawbridge/federation/session"
	"github.com/drawbridge-id/drawbridge/test/drive"
	"github.com/drawbridge-id/drawbridge/test/sim"
	"github.com/drawbridge-id/drawbridge/test/world"
)

// What the door does about each way in which a provider can misbehave. A fault stands in exactly one list per protocol.
var (
	refusedSAML = []sim.Fault{
		sim.WrongIssuer, sim.WrongAudience, sim.Expired, sim.NotYetValid, sim.ClockSkew.With("5m"), sim.WrongKey, sim.Tampered, sim.OtherDomain,
		sim.NoAudience, sim.TwoRestrictions, sim.WrongRecipient, sim.NoRecipient, sim.WrongDestination, sim.NoDestination, sim.WrongInResponseTo,
		sim.NoInResponseTo, sim.Unsigned, sim.SHA1, sim.ExtraAssertion, sim.XSW1, sim.XSW2, sim.XSW3, sim.XSW4, sim.XSW5, sim.XSW6, sim.XSW7, sim.XSW8,
		sim.DuplicateID, sim.CommentInNameID, sim.Doctype, sim.NoNameID, sim.EmptyNameID, sim.TransientNameID, sim.NoSubject, sim.NoSubjectConfirmation,
		sim.NoConfirmationData, sim.NoConfirmationExpiry, sim.HolderOfKey, sim.NoConditions, sim.NoAuthnStatement, sim.SessionOver, sim.StatusDenied, sim.Replay,
	}
	toleratedSAML = []sim.Fault{
		sim.NoGroups, sim.EmptyGroups, sim.ManyGroups.With("1200"), sim.NoEmail, sim.ClockSkew.With("2m"), sim.ClockSkew.With("-2m"), sim.TwoAudiences, sim.NoKeyInfo,
		sim.RSAKeyValue, sim.SpacesInSignature, sim.ExpiredCertificate, sim.RenewedCertificate,
		sim.DropRelayState, sim.WrongState, // InResponseTo and the browser's cookie say which sign-in it is
	}
	refusedEncrypted = []sim.Fault{sim.EncryptedAndPlain, sim.BadCiphertext, sim.WrongKey, sim.Tampered, sim.Unsigned}

	refusedOIDC = []sim.Fault{
		sim.WrongIssuer, sim.WrongAudience, sim.Expired, sim.NotYetValid, sim.ClockSkew.With("5m"), sim.WrongKey, sim.Tampered, sim.OtherDomain, sim.WrongState,
		sim.WrongNonce, sim.NoNonce, sim.WrongAtHash, sim.ExtraAudience, sim.WrongAZP, sim.AlgNone, sim.HS256, sim.UnknownKid, sim.NoSub, sim.NoExp, sim.NoIat,
		sim.HeaderJWK, sim.CritHeader, sim.LogoutAsIDToken, sim.AccessTokenType, sim.WrongTenantID, sim.WrongIssParameter, sim.AuthorizeError,
		sim.TokenHTML, sim.TokenError, sim.NoIDToken,
	}
	toleratedOIDC = []sim.Fault{
		sim.NoGroups, sim.EmptyGroups, sim.ManyGroups, sim.ClockSkew.With("-30s"), sim.NoKid,
		sim.DiscoveryDown, sim.DiscoveryWrongIssuer, sim.DiscoveryRedirect, sim.JWKSDown, // after the first sign-in they have been read
	}
	// elsewhere are those with a story of their own, and where it is told.
	elsewhere = map[sim.Fault]string{
		sim.FixedInResponseTo: "TestASignInThatTheProviderBegins", sim.UnsignedLogout: "TestAProviderSignsPeopleOut",
		sim.MetadataDown: "federation", sim.MetadataOtherKey: "federation", sim.WrongHD: "federation/oidc", sim.EmailUnverified: "TestClaimsThatAreOnlyAtUserinfo", sim.SlowToken: "TestAProviderThatIsDownIsSaidToBe",
		sim.BigResponse: "TestAProviderThatIsDownIsSaidToBe", sim.UserinfoWrongSub: "TestClaimsThatAreOnlyAtUserinfo", sim.UserinfoDown: "TestClaimsThatAreOnlyAtUserinfo",
		sim.GraphDown: "TestGroupsThatDidNotFitAreReadFromGraph", sim.GraphForbidden: "TestGroupsThatDidNotFitAreReadFromGraph",
		sim.GraphThrottled: "TestGroupsThatDidNotFitAreReadFromGraph",
	}
)

// A fault that the simulator learns has to be judged here too.
func TestEveryFaultHasAnAnswerAtTheDoor(t *testing.T) {
	told := map[string]bool{}
	for _, list := range [][]sim.Fault{refusedSAML, toleratedSAML, refusedEncrypted} {
		for _, f := range list {
			told["saml "+named(f)] = true
		}
	}
	for _, list := range [][]sim.Fault{refusedOIDC, toleratedOIDC} {
		for _, f := range list {
			told["oidc "+named(f)] = true
		}
	}
	for f := range elsewhere {
		told["saml "+named(f)], told["oidc "+named(f)] = true, true
	}
	for _, f := range sim.Faults() {
		for _, protocol := range []string{"saml", "oidc"} {
			if (f.For == protocol || f.For == "both") && !told[protocol+" "+named(f.Fault)] && f.Fault != sim.NoEmail {
				t.Errorf("what happens at the door with %s (%s)?", f.Fault, protocol)
			}
		}
	}
}

func named(f sim.Fault) string {
	name, _, _ := strings.Cut(string(f), "=")
	return name
}

// breaks switches a fault of a company's provider on.
func breaks(w *world.World, c *world.Company, f sim.Fault) {
	w.Helper()
	if err := c.IdP.Break(f); err != nil {
		w.Fatal(err)
	}
}

var diagnosisID = regexp.MustCompile(`dx_[0-9a-z]{26}`)

// refusedAtTheDoor lets user sign in and checks all that a refusal has to be: no session, three lines without anything of the
// message, an audit line with the reason, and everything for the owner.
func refusedAtTheDoor(w *world.World, c *world.Company, owner *world.Browser, user string) (code string) {
	w.Helper()
	b := w.Browser(user)
	p := b.SignIn(c.Connection)
	broken := c.IdP.Broken()
	if p.Status < 400 || p.Status >= 500 {
		w.Errorf("%s with %v ends with %d at %s", c.Org, broken, p.Status, p.URL)
		return ""
	}
	if _, has := b.Cookie(w.URL, session.Cookie); has || b.Session().Status != 401 {
		w.Errorf("%s with %v: there is a session", c.Org, broken)
	}
	line := w.Audit(c.Org, "user.signed_in")
	id := diagnosisID.FindString(p.Body)
	if line.Reason == "already_used" { // a page for people who pressed Back or Reload; its request id leads to the audit line
		id = line.Target
		if !strings.Contains(p.Body, "already used") || !strings.Contains(p.Body, line.Request) {
			w.Errorf("%s with %v: the page says\n%s", c.Org, broken, p.Body)
		}
	} else if lines := strings.Count(p.Body, "<li>"); lines != 3 {
		w.Errorf("%s with %v: the page has %d lines, want three", c.Org, broken, lines)
	}
	// The provider, its spellings, and who was named: none of it is repeated to whoever sent it (SAML-O1, SAML-E3).
	shown := volatile.ReplaceAllString(p.Body, "…")
	for _, s := range []string{w.Sim.BaseURL(), c.IdP.EntityID(), user, strings.TrimSuffix(user, "@"+c.Org+".example"), "evil", "samlp", "sub&#34;"} {
		if s != "" && strings.Contains(shown, s) {
			w.Errorf("%s with %v: the page repeats %q:\n%s", c.Org, broken, s, p.Body)
		}
	}
	d := read[account.Diagnosis](ask(w, owner, "GET", "/api/v1/login-tests/"+id, nil).is(200))
	if d.Outcome != account.OutcomeRefused || d.Test || d.Code == "" || len(d.Checks) == 0 {
		w.Errorf("%s with %v: the owner reads %+v", c.Org, broken, d)
	}
	if page := owner.Open("/login-test/" + id); page.Status != 200 || !strings.Contains(page.Body, "let in") {
		w.Errorf("%s with %v: the owner's page is %d", c.Org, broken, page.Status)
	}
	if line.Outcome != "refused" || line.Reason != d.Code || line.Connection != c.Connection.ID || line.IP == "" || line.Request == "" {
		w.Errorf("%s with %v: the audit log says %+v, the diagnosis %s", c.Org, broken, line, d.Code)
	}
	return d.Code
}

// THREAT SAML-S1, SAML-S2, SAML-S8, SAML-W1, SAML-W2, SAML-X1, SAML-X2, SAML-C1, SAML-C2, SAML-C3, SAML-C4, SAML-C5, SAML-C6, SAML-C7, SAML-C8
// THREAT SAML-I1, SAML-N1, SAML-R1, SAML-R4, SAML-T2, SAML-O1, AUD-1
func TestSAMLResponsesThatAreRefused(t *testing.T) {
	world.Each(t, func(w *world.World) {
		acme := w.Acme()
		olga := acme.As("olga@acme.example")
		people, _ := inventory(w, "acme")
		for _, f := range refusedSAML {
			if f == sim.Replay { // of an answer that was accepted
				acme.As("olga@acme.example")
			}
			breaks(w, acme, f)
			if f == sim.CommentInNameID { // which counts where the address is read from there
				breaks(w, acme, sim.NoEmail)
			}
			if code := refusedAtTheDoor(w, acme, olga, "ana@acme.example"); code == "" {
				w.Errorf("%s is refused without a code", f)
			}
			acme.IdP.Mend()
		}
		if after, _ := inventory(w, "acme"); after != people {
			w.Errorf("refused sign-ins made people:\n%s\n%s", people, after)
		}
		acme.As("ana@acme.example") // and nobody is locked out by them (RATE-1)
	})
}

// THREAT SAML-E1, SAML-E2, SAML-E3
func TestEncryptedResponses(t *testing.T) {
	world.Each(t, func(w *world.World) {
		acme := w.Acme()
		olga := acme.As("olga@acme.example")
		app, ok := acme.IdP.SAMLApp("")
		if !ok {
			w.Fatal("no app")
		}
		keys, err := w.House.Ledger.SPKeys(w.Context(), acme.Connection.ID)
		if err != nil {
			w.Fatal(err)
		}
		app.Encryption = &sim.Encryption{Certificate: keys[0].Certificate}
		if err := acme.IdP.PutSAMLApp(app); err != nil {
			w.Fatal(err)
		}
		wantRoles(w, acme.As("ben@acme.example").Session(), "catalog:reader")
		said := map[string][]sim.Fault{}
		for _, f := range refusedEncrypted {
			breaks(w, acme, f)
			refusedAtTheDoor(w, acme, olga, "ana@acme.example")
			p := w.Browser("ana@acme.example").SignIn(acme.Connection)
			said[volatile.ReplaceAllString(p.Body, "…")] = append(said[volatile.ReplaceAllString(p.Body, "…")], f)
			acme.IdP.Mend()
		}
		if len(said) != 1 {
			w.Errorf("the page tells what was wrong with the ciphertext from what was wrong inside: %v", said)
		}
	})
}

// volatile is what differs between two pages that say the same: ids, dates, tokens.
var volatile = regexp.MustCompile(`(?:dx|req|con)_[0-9a-z]{26}`)

// THREAT SAML-S9, SAML-K1, SAML-K3, SAML-A2, SAML-C2, SAML-C4
func TestSAMLResponsesThatAreOddAndAccepted(t *testing.T) {
	world.Each(t, func(w *world.World) {
		acme := w.Acme()
		for _, f := range toleratedSAML {
			breaks(w, acme, f)
			acme.As("ana@acme.example")
			acme.IdP.Mend()
		}
		wantRoles(w, acme.As("ana@acme.example").Session(), "catalog:reader", "registry:writer", "functions:developer@research")
	})
}

// THREAT OIDC-T2, OIDC-T3, OIDC-T4, OIDC-T5, OIDC-T6, OIDC-T7, OIDC-T8, OIDC-F1, OIDC-F2, OIDC-F3, OIDC-F4, OIDC-F5
// THREAT OIDC-N2, OIDC-N3, OIDC-X1, OIDC-X2, AUD-1
func TestOIDCAnswersThatAreRefused(t *testing.T) {
	world.Each(t, func(w *world.World) {
		globex := w.Globex()
		olaf := globex.As("olaf@globex.example")
		people, _ := inventory(w, "globex")
		for _, f := range refusedOIDC {
			breaks(w, globex, f)
			if code := refusedAtTheDoor(w, globex, olaf, "gus@globex.example"); code == "" {
				w.Errorf("%s is refused without a code", f)
			}
			globex.IdP.Mend()
			w.Clock.Turn(10 * time.Second) // unknown key ids may ask for the key set again, so often and no more (OIDC-K4)
		}
		if after, _ := inventory(w, "globex"); after != people {
			w.Errorf("refused sign-ins made people:\n%s\n%s", people, after)
		}
		globex.As("gus@globex.example")
	})
}

// THREAT OIDC-K2, OIDC-G1, OIDC-G2
func TestOIDCAnswersThatAreOddAndAccepted(t *testing.T) {
	world.Each(t, func(w *world.World) {
		globex := w.Globex()
		globex.As("gus@globex.example")
		for _, f := range toleratedOIDC {
			breaks(w, globex, f)
			globex.As("gus@globex.example")
			globex.IdP.Mend()
		}
		wantRoles(w, globex.As("gus@globex.example").Session(), "catalog:reader", "registry:writer")
	})
}

// THREAT OIDC-U1, OIDC-U2, OIDC-N3
func TestClaimsThatAreOnlyAtUserinfo(t *testing.T) {
	world.Each(t, func(w *world.World) {
		initech := w.Initech("userinfo: always")
		otto := initech.As("otto@initech.example")
		for _, f := range []sim.Fault{sim.UserinfoWrongSub, sim.EmailUnverified} {
			breaks(w, initech, f)
			refusedAtTheDoor(w, initech, otto, "ivy@initech.example")
			initech.IdP.Mend()
		}
		breaks(w, initech, sim.UserinfoDown) // all that is needed stands in the ID token
		initech.As("ivy@initech.example")
		initech.IdP.Mend()
		wantRoles(w, initech.As("ivy@initech.example").Session(), "catalog:reader")
	})
}

// THREAT OIDC-G2: the list is fetched from an address that we build; what cannot be fetched takes nothing away.
func TestGroupsThatDidNotFitAreReadFromGraph(t *testing.T) {
	world.Each(t, func(w *world.World) {
		globex := w.Globex("graph: {base_url: " + w.Sim.BaseURL() + "/globex/graph/v1.0, on_failure: unknown}")
		breaks(w, globex, sim.ManyGroups)
		s := globex.As("gus@globex.example").Session()
		wantRoles(w, s, "catalog:reader", "registry:writer")
		if s.Groups.State != account.GroupsComplete || len(s.Groups.Values) < 300 {
			w.Errorf("%d groups, %s", len(s.Groups.Values), s.Groups.State)
		}
		for _, f := range []sim.Fault{sim.GraphDown, sim.GraphForbidden, sim.GraphThrottled.With("1")} {
			breaks(w, globex, f)
			wantRoles(w, globex.As("gus@globex.example").Session(), "catalog:reader", "registry:writer")
			if line := w.Audit("globex", "user.signed_in"); line.Detail["groups"] == string(account.GroupsComplete) {
				w.Errorf("%s: the audit log says %v", f, line.Detail)
			}
			globex.IdP.Mend(f)
		}
	})
}

// A provider that is down keeps nobody's door shut any longer than it is down, and is said to be.
//
// THREAT OIDC-S1, OIDC-D1, NET-3
func TestAProviderThatIsDownIsSaidToBe(t *testing.T) {
	world.Each(t, func(w *world.World) {
		w.Stop()
		w.Cfg.Egress.Timeout = config.Duration(500 * time.Millisecond)
		w.Start()
		globex := w.Globex()
		for _, f := range []sim.Fault{
			sim.DiscoveryDown, sim.DiscoveryWrongIssuer, sim.DiscoveryRedirect, sim.DiscoveryRedirect.With("http://127.0.0.1:1/"), sim.JWKSDown, sim.BigResponse,
			sim.SlowToken.With("3s"),
		} {
			breaks(w, globex, f)
			b := w.Browser("gus@globex.example")
			p := b.SignIn(globex.Connection)
			if p.Status < 400 || b.Session().Status != 401 || !diagnosisID.MatchString(p.Body) || strings.Contains(p.Body, w.Sim.BaseURL()) {
				w.Errorf("with %s: %d at %s\n%s", f, p.Status, p.URL, p.Body)
			}
			globex.IdP.Mend()
			w.Clock.Turn(5 * time.Minute) // what failed may be asked for again
		}
		globex.As("gus@globex.example")
	})
}

// THREAT SAML-R1, OIDC-F3: several tabs work.
func TestTwoTabsSignIn(t *testing.T) {
	world.Each(t, func(w *world.World) {
		acme, globex := w.Acme(), w.Globex()
		for _, c := range []struct {
			*world.Company
			user, stop string
		}{{acme, "ana@acme.example", "/saml/"}, {globex, "gus@globex.example", "/oidc/"}} {
			b := w.Browser(c.user)
			b.StopBefore = w.URL + c.stop
			first, second := b.SignIn(c.Connection), b.SignIn(c.Connection)
			b.StopBefore = ""
			for i, tab := range []*drive.Page{second, first} {
				if !tab.Stopped {
					w.Fatalf("tab ended at %s", tab.URL)
				}
				p, err := b.Resume(w.Context(), tab)
				if err != nil || p.Status != 200 || b.Session().User.Email != c.user {
					w.Errorf("%s, tab %d: %v, %+v", c.Org, i, err, b.Session())
				}
			}
			// Back in the first tab, its answer is used up; who is signed in goes on.
			p, err := b.Resume(w.Context(), first)
			if err != nil || p.URL != w.URL+"/" && !strings.Contains(p.Body, "already used") || b.Session().User.Email != c.user {
				w.Errorf("%s: the same answer again leads to %s (%v)", c.Org, p.URL, err)
			}
		}
	})
}

// THREAT OIDC-F7, OIDC-F3
func TestACodeCountsOnceAndInTheBrowserThatAsked(t *testing.T) {
	world.Each(t, func(w *world.World) {
		globex := w.Globex()
		b := w.Browser("gus@globex.example")
		b.StopBefore = w.URL + "/oidc/"
		stopped := b.SignIn(globex.Connection)
		thief := w.Browser("thief")
		if p, err := thief.Resume(w.Context(), stopped); err != nil || p.Status != 403 || thief.Session().Status != 401 {
			w.Errorf("another browser: %v %d", err, p.Status)
		}
		var won atomic.Int32
		var wg sync.WaitGroup
		for range 8 {
			one := w.Copy(b)
			wg.Go(func() {
				if _, err := one.Resume(w.Context(), stopped); err != nil {
					w.Error(err)
				} else if one.Session().Status == 200 {
					won.Add(1)
				}
			})
		}
		wg.Wait()
		if won.Load() != 1 {
			w.Errorf("%d of 8 copies of one answer made a session, want 1", won.Load())
		}
	})
}

// THREAT SAML-R2, SAML-R4, SAML-R5
func TestASignInThatTheProviderBegins(t *testing.T) {
	world.Each(t, func(w *world.World) {
		acme := w.Acme()
		begin := func() (*world.Browser, *drive.Page) {
			b := w.Browser("ana@acme.example")
			b.StopBefore = w.URL + "/saml/"
			acme.IdP.Auto("ana@acme.example")
			w.Clock.Turn(time.Second)
			stopped, err := b.Go(w.Context(), acme.IdP.StartURL(w.URL+"/saml/"+string(acme.Connection.ID)+"/metadata"))
			if err != nil || !stopped.Stopped {
				w.Fatalf("ended at %v (%v)", stopped, err)
			}
			stopped.Fields.Set("RelayState", "https://evil.example/") // it is not where one lands
			return b, stopped
		}
		promote := func() {
			if _, err := w.House.Ledger.Promote(w.Context(), world.Operator, acme.Connection.ID, true); err != nil {
				w.Fatal(err)
			}
		}
		b, stopped := begin()
		if p, err := b.Resume(w.Context(), stopped); err != nil || p.Status != 403 || b.Session().Status != 401 {
			w.Errorf("not allowed, and answered %v %d", err, p.Status)
		}
		if line := w.Audit("acme", "user.signed_in"); line.Outcome != "refused" || line.Reason != "unsolicited" {
			w.Errorf("the audit log says %+v", line)
		}

		draft(w, "acme", acme.Connection, func(s *account.SAMLSettings) {
			s.AllowIdPInitiated, s.IgnoreInResponseTo = true, []string{"unsolicited"}
		})
		if _, err := w.House.Ledger.Promote(w.Context(), world.Operator, acme.Connection.ID, true); err != nil {
			w.Fatal(err)
		}
		b, stopped = begin()
		p, err := b.Resume(w.Context(), stopped)
		if err != nil || p.URL != w.URL+"/" || b.Session().User.Email != "ana@acme.example" {
			w.Errorf("allowed, and ended at %v (%v)", p, err)
		}
		// A copy counts for nobody, also after a restart.
		w.Stop()
		w.Start()
		again := w.Browser("ana@acme.example")
		if p, err := again.Resume(w.Context(), stopped); err != nil || p.Status != 403 || again.Session().Status != 401 {
			w.Errorf("a copy is answered %d (%v)", p.Status, err)
		}
		// Some providers send a constant that answers nothing; it has to be named to be passed over.
		breaks(w, acme, sim.FixedInResponseTo)
		b, stopped = begin()
		if p, err := b.Resume(w.Context(), stopped); err != nil || p.Status != 403 {
			w.Errorf("an InResponseTo that answers nothing is answered %d (%v)", p.Status, err)
		}
		draft(w, "acme", acme.Connection, func(s *account.SAMLSettings) {
			s.AllowIdPInitiated, s.IgnoreInResponseTo = true, []string{"_fixed-by-the-provider"}
		})
		promote()
		b, stopped = begin()
		if _, err := b.Resume(w.Context(), stopped); err != nil || b.Session().Status != 200 {
			w.Errorf("the constant is not passed over (%v)", err)
		}
	})
}

// THREAT SAML-M3: signed logout requests end the session, unsigned ones nothing.
func TestAProviderSignsPeopleOut(t *testing.T) {
	world.Each(t, func(w *world.World) {
		acme, globex := w.Acme(), w.Globex()
		ana, ben := acme.As("ana@acme.example"), acme.As("ben@acme.example")
		breaks(w, acme, sim.UnsignedLogout)
		if _, err := ana.Go(w.Context(), acme.IdP.URL()+"/logout"); err != nil {
			w.Fatal(err)
		}
		if s := ana.Session(); s.Status != 200 {
			w.Error("an unsigned logout request ended the session")
		}
		acme.IdP.Mend()
		ana = acme.As("ana@acme.example")
		if _, err := ana.Go(w.Context(), acme.IdP.URL()+"/logout"); err != nil {
			w.Fatal(err)
		}
		if s := ana.Session(); s.Status != 401 {
			w.Errorf("signed out at the provider, and still answered %d", s.Status)
		}
		if s := ben.Session(); s.Status != 200 {
			w.Error("somebody else was signed out too")
		}

		gus, hana := globex.As("gus@globex.example"), globex.As("hana@globex.example")
		told, err := globex.IdP.SignOutEverywhere(w.Context(), "gus@globex.example")
		if err != nil || len(told) != 1 || told[0].Status != 200 {
			w.Errorf("the back-channel logout was answered %+v (%v)", told, err)
		}
		if gus.Session().Status != 401 || hana.Session().Status != 200 {
			w.Errorf("after it Gus is answered %d and Hana %d", gus.Session().Status, hana.Session().Status)
		}
		for _, f := range []sim.Fault{sim.WrongKey, sim.WrongAudience, sim.WrongIssuer, sim.AlgNone} {
			if r := globex.IdP.SendLogoutToken(w.Context(), "hana@globex.example", "drawbridge", "", f); r.Status != 400 {
				w.Errorf("a logout token with %s is answered %d", f, r.Status)
			}
		}
		if hana.Session().Status != 200 {
			w.Error("a forged logout token ended a session")
		}
	})
}

// The way out: our session ends first, then the provider's.
func TestSomebodySignsOut(t *testing.T) {
	world.Each(t, func(w *world.World) {
		acme, globex := w.Acme(), w.Globex()
		for c, user := range map[*world.Company]string{acme: "ana@acme.example", globex: "gus@globex.example"} {
			b := c.As(user)
			stolen := w.Copy(b)
			if p := b.Open("/signout"); b.Session().Status != 200 || p.Status != 200 {
				w.Errorf("%s: following a link signed somebody out (SES-5)", c.Org)
			}
			p := onPage(w, b, "/signout", url.Values{})
			_, onward, _ := strings.Cut(p.Header.Get("Refresh"), "url=") // which browsers follow
			if p.Status != 200 || !strings.HasPrefix(onward, c.IdP.URL()) {
				w.Errorf("%s: signing out goes on to %q with %d", c.Org, onward, p.Status)
			}
			if p, err := b.Go(w.Context(), onward); err != nil || !strings.HasPrefix(p.URL, w.URL+"/signed-out") && !strings.HasPrefix(p.URL, w.URL+"/saml/") {
				w.Errorf("%s: signing out ends at %v (%v)", c.Org, p, err)
			}
			if b.Session().Status != 401 || stolen.Session().Status != 401 {
				w.Errorf("%s: the session lives on", c.Org)
			}
			if slices.Contains(c.IdP.SignedIn(), user) {
				w.Errorf("%s: the provider still has a session", c.Org)
			}
			if line := w.Audit(c.Org, "user.signed_out"); line.Target == "" {
				w.Errorf("%s: the audit log says %+v", c.Org, line)
			}
		}
	})
}

// THREAT SAML-M4, SES-6
func TestASwitchedOffConnectionIsShutAtOnce(t *testing.T) {
	world.Each(t, func(w *world.World) {
		acme, globex := w.Acme(), w.Globex()
		for _, c := range []struct {
			*world.Company
			user, stop string
		}{{acme, "ana@acme.example", "/saml/"}, {globex, "gus@globex.example", "/oidc/"}} {
			in := c.As(c.user)
			pending := w.Browser(c.user)
			pending.StopBefore = w.URL + c.stop
			stopped := pending.SignIn(c.Connection)
			if err := w.House.Ledger.EnableConnection(w.Context(), world.Operator, c.Connection.ID, false); err != nil {
				w.Fatal(err)
			}
			if s := in.Session(); s.Status != 401 {
				w.Errorf("%s: a session made through it is answered %d", c.Org, s.Status)
			}
			p, err := pending.Resume(w.Context(), stopped)
			if err != nil || p.Status < 400 || pending.Session().Status != 401 {
				w.Errorf("%s: a pending sign-in ends with %d (%v)", c.Org, p.Status, err)
			}
			if p := w.Browser(c.user).SignIn(c.Connection); p.Status < 400 || p.Status >= 500 {
				w.Errorf("%s: a new sign-in ends with %d", c.Org, p.Status)
			}
			if err := w.House.Ledger.EnableConnection(w.Context(), world.Operator, c.Connection.ID, true); err != nil {
				w.Fatal(err)
			}
			if s := in.Session(); s.Status != 401 {
				w.Errorf("%s: the old session came back", c.Org)
			}
			c.As(c.user)
		}
	})
}

// THREAT SAML-L1: nobody is led away.
func TestSigningInLeadsNowhereElse(t *testing.T) {
	world.Each(t, func(w *world.World) {
		acme := w.Acme()
		b := acme.As("ana@acme.example")
		own := strings.TrimPrefix(w.URL, "http://")
		for _, next := range []string{
			"https://evil.example/", "//evil.example/", "/\\evil.example", "\\\\evil.example", "/\t/evil.example", "http:evil.example", "javascript:alert(1)",
			"https://" + own + "@evil.example/", "https://evil.example#" + own, "/%2f/evil.example", "/..//evil.example", ".evil.example", "http://" + own + ".evil.example/",
			"data:text/html,x", "/login/" + string(acme.Connection.ID), strings.Repeat("/a", 4000),
		} {
			p := b.Open("/login/" + string(acme.Connection.ID) + "?next=" + url.QueryEscape(next))
			if p.URL != w.URL+"/" {
				w.Errorf("next=%q leads to %s (%d)", next, p.URL, p.Status)
			}
			if p := w.Browser("").Open("/signin?next=" + url.QueryEscape(next)); strings.Contains(p.Body, "evil") {
				w.Errorf("next=%q stands on the sign-in page", next)
			}
		}
		if p := b.Open("/login/" + string(acme.Connection.ID) + "?next=" + url.QueryEscape("/session?a=b")); p.URL != w.URL+"/session?a=b" {
			w.Errorf("an address of ours leads to %s", p.URL)
		}
	})
}

// THREAT SES-3, SES-4
func TestEveryAnswerCarriesItsHeadersAndNoForgedHost(t *testing.T) {
	world.Each(t, func(w *world.World) {
		v := gather(w)
		for _, rt := range w.House.Routes() {
			method, path, found := strings.Cut(rt.Pattern, " ")
			if !found {
				method, path = "GET", "/api/v1/orgs/acme"
			}
			path = strings.NewReplacer("{$}", "", "{ticket}", "none.none", "{token}", "none", "{file}", "none").Replace(v.fill(path))
			for _, b := range []*world.Browser{nil, v.owner} {
				for _, accept := range []string{"text/html", "application/json"} {
					r := askAs(w, b, method, path, "evil.example", "Accept", accept, "X-Forwarded-Host", "evil.example", "Forwarded", "host=evil.example;proto=https",
						"X-Forwarded-Proto", "https", "X-Original-URL", "/evil")
					h := r.header
					csp := h.Get("Content-Security-Policy")
					if strings.Contains(csp, "unsafe") || !strings.Contains(csp, "default-src 'none'") || !strings.Contains(csp, "frame-ancestors 'none'") || !strings.Contains(csp, "base-uri 'none'") {
						w.Errorf("%s has the policy %q", rt.Pattern, csp)
					}
					if h.Get("X-Content-Type-Options") != "nosniff" || h.Get("Referrer-Policy") == "" || h.Get("X-Frame-Options") != "DENY" || h.Get("X-Request-Id") == "" || h.Get("Server") != "" {
						w.Errorf("%s has the headers %v", rt.Pattern, h)
					}
					if !strings.Contains(h.Get("Cache-Control"), "no-store") && !strings.HasSuffix(rt.Pattern, "/metadata") && !strings.HasSuffix(rt.Pattern, "/jwks") {
						w.Errorf("%s may be kept: %q", rt.Pattern, h.Get("Cache-Control"))
					}
					if strings.Contains(r.body, "evil") || strings.Contains(h.Get("Location"), "evil") || strings.Contains(h.Get("Refresh"), "evil") {
						w.Errorf("%s believes a forged host: %v\n%s", rt.Pattern, h, r.brief())
					}
				}
			}
		}
	})
}

// askAs sends a request with a Host header of its own.
func askAs(w *world.World, b *world.Browser, method, path, host string, headers ...string) reply {
	w.Helper()
	r, err := http.NewRequestWithContext(w.Context(), method, w.URL+path, nil)
	if err != nil {
		w.Fatal(err)
	}
	r.Host = host
	for i := 0; i+1 < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	return send(w, b, r)
}

// THREAT RATE-1
func TestAFloodOfSignInsIsSlowedDown(t *testing.T) {
	world.Each(t, func(w *world.World) {
		w.Stop()
		w.Cfg.SignIn.Rate, w.Cfg.SignIn.Burst = 1, 5
		w.Start()
		acme := w.Acme()
		in := acme.As("ana@acme.example")
		for range 5 {
			ask(w, nil, "GET", "/login/"+string(acme.Connection.ID), nil)
		}
		p := ask(w, nil, "GET", "/login/"+string(acme.Connection.ID), nil)
		p.refuses(429, "rate_limited")
		if p.header.Get("Retry-After") == "" {
			w.Error("a 429 without Retry-After")
		}
		ask(w, nil, "POST", "/saml/"+string(acme.Connection.ID)+"/acs", "", "Content-Type", "application/x-www-form-urlencoded").is(429)
		if in.Session().Status != 200 || in.Open("/").Status != 200 {
			w.Error("people who are signed in are slowed down too")
		}
		ask(w, nil, "GET", "/healthz", nil).is(200)
		w.Clock.Turn(time.Minute)
		acme.As("ben@acme.example")
	})
}

// THREAT RATE-2
func TestNobodyLearnsWhoHasAnAccount(t *testing.T) {
	world.Each(t, func(w *world.World) {
		acme := w.Acme()
		acme.As("ana@acme.example")
		page := func(email string) string {
			r := ask(w, nil, "POST", "/signin", url.Values{"email": {email}}.Encode(), "Content-Type", "application/x-www-form-urlencoded", "Accept", "text/html")
			r.is(200)
			body := strings.ReplaceAll(r.body, url.QueryEscape(email), "WHO")
			return volatile.ReplaceAllString(strings.ReplaceAll(body, email, "WHO"), "…")
		}
		if known, unknown := page("ana@acme.example"), page("zoe@acme.example"); known != unknown {
			w.Errorf("an address with an account and one without are answered differently:\n%s\n%s", known, unknown)
		}
		if one, two := page("ana@nowhere.example"), page("ana@acme.example.nowhere.example"); one != two {
			w.Errorf("two strange domains are answered differently:\n%s\n%s", one, two)
		}
		for _, path := range []string{"/login/con_01kkp3v8m2q7r4c9tdyz5x6w1n", "/saml/con_01kkp3v8m2q7r4c9tdyz5x6w1n/metadata", "/login/nonsense"} {
			ask(w, nil, "GET", path, nil).is(404)
		}
	})
}
