package federation_test

import (
	"encoding/base64"
	"encoding/json"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/drawbridge-id/drawbridge/account"
	"github.com/drawbridge-id/drawbridge/federation"
	"github.com/drawbridge-id/drawbridge/test/sim"
)

// draft saves the live settings, changed, as the draft.
func (c *company) draft(change func(*account.Settings)) {
	c.Helper()
	s := *c.con.Live
	if s.SAML != nil {
		copied := *s.SAML
		s.SAML = &copied
	}
	if s.OIDC != nil {
		copied := *s.OIDC
		s.OIDC = &copied
	}
	change(&s)
	var err error
	c.con, err = c.ledger.SaveDraft(c.Context(), operator, c.account.ID, c.con.ID, "", s)
	c.must(err)
}

// test runs a login test in a browser of its own and gives the result.
func (c *company) test(which account.Which, local string) account.Diagnosis {
	c.Helper()
	link, err := c.door.StartTest(c.Context(), operator, c.con.ID, which)
	c.must(err)
	b := c.browser(local)
	end := b.open(link.URL)
	if c.at(end) != "/login-test/"+string(link.Diagnosis) {
		c.Errorf("the test ended at %s with %d:\n%s", end.URL, end.Status, end.Body)
	}
	if _, in := b.whoami(); in {
		c.Error("a test made a session")
	}
	d, err := c.ledger.Diagnosis(c.Context(), operator, link.Diagnosis)
	c.must(err)
	return d
}

// lines counts the audit lines of an account by verb.
func (c *company) lines() map[string]int {
	c.Helper()
	all, err := c.ledger.Audit(c.Context(), operator, c.account.ID, "", 1000)
	c.must(err)
	out := map[string]int{}
	for _, l := range all {
		out[l.Verb]++
	}
	return out
}

// REQ K-12, K-13
func TestALoginTestShowsEverythingAndCreatesNothing(t *testing.T) {
	w := newWorld(t)
	for _, c := range []*company{
		w.saml("acme", sim.Okta),
		w.oidc("globex", sim.Okta, func(s *account.Settings) { s.OIDC.Scopes = []string{"profile", "email", "groups"} }),
	} {
		c.rule("Engineers", "eng", "registry:writer")
		c.rule("Managers", "Everyone", "registry:admin")
		people, lines := len(c.people()), c.lines()

		d := c.test(account.Live, "ana")
		if d.Outcome != account.OutcomePassed || d.Email != c.mail("ana") || d.Name != "Ana Ruiz" || d.Subject == "" || len(d.Claims) == 0 || d.Raw == "" {
			t.Errorf("%s: %+v", c.account.Name, d)
		}
		if d.Groups.State != account.GroupsComplete || len(d.Groups.Values) != 2 {
			t.Errorf("groups are %+v", d.Groups)
		}
		steps := map[account.Step]bool{}
		for _, k := range d.Checks {
			steps[k.Step] = true
		}
		for _, s := range []account.Step{account.StepResponse, account.StepSignature, account.StepTimes, account.StepAudience, account.StepIdentity, account.StepDomains, account.StepGroups, account.StepRules, account.StepRelying} {
			if !steps[s] {
				t.Errorf("%s: nothing is said about step %s", c.account.Name, s)
			}
		}
		rules := map[string]account.RuleResult{}
		for _, r := range d.Preview.Rules {
			rules[r.Name] = r
		}
		if r := rules["Engineers"]; !r.Matched || r.Group != "eng" || r.State != "draft" || !account.HasRole(r.Gives, account.Scope{Org: c.org.ID}, "registry:writer") {
			t.Errorf("rule: %+v", r)
		}
		if r := rules["Managers"]; r.Matched || !strings.Contains(r.Reason, "case") {
			t.Errorf("rule: %+v", r)
		}
		if !account.HasRole(d.Preview.WithDrafts, account.Scope{Org: c.org.ID}, "registry:writer") || account.HasRole(d.Preview.Roles, account.Scope{Org: c.org.ID}, "registry:writer") {
			t.Errorf("roles: %+v, with drafts: %+v", d.Preview.Roles, d.Preview.WithDrafts)
		}
		if len(d.Relying) != 2 || !d.Relying[0].Pass || !d.Relying[1].Pass {
			t.Errorf("relying services: %+v", d.Relying)
		}

		after := c.lines()
		delete(after, "connection.tested")
		if n := len(c.people()); n != people || len(after) != len(lines) || after["user.signed_in"] != lines["user.signed_in"] {
			t.Errorf("a test left traces: %d people (%d before), audit %v (%v before)", n, people, after, lines)
		}
	}
	if len(w.seen.tested) != 2 || len(w.seen.ended) != 0 {
		t.Errorf("metrics heard %v and %v", w.seen.tested, w.seen.ended)
	}
}

// REQ K-14, T-20: the one service that needs more than was sent keeps the draft from going live, and is named.
// REQ K-23: until a test of the draft has passed, nothing changes for anybody.
func TestADraftGoesLiveOnceItsTestPassesForEveryService(t *testing.T) {
	w := newWorld(t)
	acme := w.saml("acme", sim.Okta)
	olga := account.Actor{Kind: account.ActorUser, User: acme.owner.ID}
	promote := func() error { _, err := w.ledger.Promote(t.Context(), olga, acme.con.ID, false); return err }
	acme.draft(func(s *account.Settings) { s.SAML.Skew = time.Minute })

	if err := promote(); account.KindOf(err) != account.Conflict {
		t.Errorf("untested, the draft went live: %v", err)
	}
	w.must(acme.idp.Break(sim.NoGroups))
	d := acme.test(account.Draft, "ana")
	if d.Outcome != account.OutcomeRefused || d.Step != account.StepRelying || len(d.Relying) != 2 || !d.Relying[0].Pass || d.Relying[1].Pass || d.Relying[1].Missing[0] != "groups" {
		t.Errorf("%s at %s, %+v", d.Outcome, d.Step, d.Relying)
	}
	if got := federation.Verdict(d); got != "Sign-in would work, but not for Image registry." {
		t.Errorf("verdict: %s", got)
	}
	if err := promote(); account.KindOf(err) != account.Conflict {
		t.Errorf("with a failing service the draft went live: %v", err)
	}
	acme.idp.Mend(sim.NoGroups)
	if d := acme.test(account.Draft, "ana"); d.Outcome != account.OutcomePassed {
		t.Errorf("%s at %s (%s)", d.Outcome, d.Step, d.Code)
	}
	if err := promote(); err != nil {
		t.Errorf("tested, the draft stayed a draft: %v", err)
	}
}

// REQ K-23
func TestABadDraftIsFoundByItsTestAndHurtsNobody(t *testing.T) {
	w := newWorld(t)
	acme, globex := w.saml("acme", sim.Okta), w.saml("globex", sim.Okta)
	acme.draft(func(s *account.Settings) { s.SAML.Certificates = globex.con.Live.SAML.Certificates })
	w.must(globex.idp.Rotate(false))
	acme.draft(func(s *account.Settings) {
		s.SAML.Certificates = nil
		for _, c := range globex.idp.Certificates() {
			s.SAML.Certificates = append(s.SAML.Certificates, account.PEM(c))
		}
	})
	if d := acme.test(account.Draft, "ana"); d.Outcome != account.OutcomeRefused || d.Step != account.StepSignature {
		t.Errorf("%s at %s (%s)", d.Outcome, d.Step, d.Code)
	}
	if b, _ := acme.signIn("ana"); len(b.roles()) == 0 {
		t.Error("live sign-in is disturbed")
	}
}

// A test that fails is a result like any other, for the administrator.
func TestWhatATestFindsWrongIsItsResult(t *testing.T) {
	w := newWorld(t)
	acme := w.saml("acme", sim.Okta)
	w.must(acme.idp.PutUser(sim.User{Email: "gus@globex.example", Groups: []string{"eng"}}))
	if d := acme.test(account.Live, "gus@globex.example"); d.Step != account.StepDomains || d.Code != "domain_foreign" {
		t.Errorf("foreign: %s (%s)", d.Step, d.Code)
	}
	for fault, step := range map[sim.Fault]account.Step{sim.WrongAudience: account.StepAudience, sim.StatusDenied: account.StepResponse, sim.Unsigned: account.StepSignature} {
		w.must(acme.idp.Break(fault))
		if d := acme.test(account.Live, "ana"); d.Outcome != account.OutcomeRefused || d.Step != step {
			t.Errorf("%s: %s at %s", fault, d.Outcome, d.Step)
		}
		acme.idp.Mend(fault)
	}
	entra := w.oidc("globex", sim.Okta)
	w.must(entra.idp.Break(sim.DiscoveryDown))
	if d := entra.test(account.Live, "ana"); d.Step != account.StepRequest || d.Code != "not_started" {
		t.Errorf("provider down: %s (%s)", d.Step, d.Code)
	}
}

// THREAT OIDC-N3: what would turn a known person away is found by the test, too.
func TestATestFindsThatAPersonWouldBeTurnedAway(t *testing.T) {
	w := newWorld(t)
	acme := w.oidc("acme", sim.Okta)
	b, _ := acme.signIn("ana")
	id, _ := b.whoami()
	acme.idp.RemoveUser("ana@acme.example")
	w.must(acme.idp.PutUser(sim.User{Email: "ana@acme.example", ID: "another-person", GivenName: "Ana", Groups: []string{"eng"}}))
	if d := acme.test(account.Live, "ana"); d.Outcome != account.OutcomeRefused || d.Code != "subject_changed" {
		t.Errorf("another subject: %s (%s)", d.Outcome, d.Code)
	}
	fresh, end := acme.signIn("ana")
	acme.isRefused(fresh, end, account.StepIdentity, "subject_changed")
	w.must(w.ledger.SetUserState(t.Context(), operator, id.User.ID, account.UserDisabled))
	if d := acme.test(account.Live, "ana"); d.Code != "user_disabled" {
		t.Errorf("disabled: %s (%s)", d.Outcome, d.Code)
	}
}

func TestATestLinkIsForATimeAndForOneResult(t *testing.T) {
	w := newWorld(t)
	acme := w.saml("acme", sim.Okta)
	ben, _ := acme.signIn("ben")
	id, _ := ben.whoami()
	if _, err := w.door.StartTest(t.Context(), account.Actor{Kind: account.ActorUser, User: id.User.ID}, acme.con.ID, account.Live); err == nil {
		t.Error("a member may start a test")
	}
	if _, err := w.door.StartTest(t.Context(), operator, acme.con.ID, account.Draft); account.KindOf(err) != account.NotFound {
		t.Errorf("without a draft: %v", err)
	}
	link, err := w.door.StartTest(t.Context(), account.Actor{Kind: account.ActorUser, User: acme.owner.ID}, acme.con.ID, account.Live)
	w.must(err)
	for range 2 { // mail scanners open links
		w.send("GET", link.URL, "", nil)
	}
	first, second := acme.browser("ana"), acme.browser("ana")
	answer := acme.upTo(first, link.URL, acme.urls.ACS)
	late := acme.upTo(second, link.URL, acme.urls.ACS)
	if stolen := second.resume(answer); stolen.Status != http.StatusForbidden {
		t.Errorf("a test's answer counts in another browser: %d", stolen.Status)
	}
	first.resume(answer)
	if end := second.resume(late); !strings.HasPrefix(w.at(end), "/login-test/") {
		t.Errorf("a second finish ended at %s with %d", end.URL, end.Status)
	}
	w.clock.turn(16 * time.Minute)
	if p := first.open(link.URL); p.Status != http.StatusNotFound {
		t.Errorf("after 16 minutes: %d", p.Status)
	}
	for _, ticket := range []string{"x", ".", "a.b", strings.Repeat("x", 500)} {
		if p := first.open("/login-test/start/" + string(acme.con.ID) + "/" + ticket); p.Status != http.StatusNotFound && p.Status != http.StatusOK {
			t.Errorf("ticket %q: %d", ticket, p.Status)
		}
	}
}

func TestASavedResponseIsJudgedAgainWithTodaysRules(t *testing.T) {
	w := newWorld(t)
	acme := w.saml("acme", sim.Okta)
	b := acme.browser("ana")
	answer := acme.upTo(b, "/login/"+string(acme.con.ID), acme.urls.ACS)
	saved := answer.Fields.Get("SAMLResponse")
	xml, err := base64.StdEncoding.DecodeString(strings.Join(strings.Fields(saved), ""))
	w.must(err)
	exported, err := json.Marshal(acme.test(account.Live, "ana"))
	w.must(err)

	w.clock.turn(20 * time.Hour)
	acme.rule("Engineers", "eng", "registry:writer")
	people := len(acme.people())
	for name, file := range map[string][]byte{"base64": []byte(saved + "\n"), "xml": xml, "form": []byte(answer.Fields.Encode()), "export": exported} {
		d, err := w.door.Replay(t.Context(), operator, acme.con.ID, account.Live, file)
		if err != nil || d.Outcome != account.OutcomePassed || d.Email != "ana@acme.example" || len(d.Preview.Rules) != 1 || !d.Preview.Rules[0].Matched {
			t.Errorf("%s: %v, %s at %s (%s)", name, err, d.Outcome, d.Step, d.Code)
		}
	}
	if d, err := w.door.Replay(t.Context(), operator, acme.con.ID, account.Live, []byte(strings.Replace(string(xml), "ana@acme", "eve@acme", 1))); err != nil || d.Step != account.StepSignature {
		t.Errorf("changed: %v, %s", err, d.Step)
	}
	for _, junk := range []string{"", "{", `{"checks":[]}`, "<", "%%%", "SAMLResponse=%zz"} {
		if d, err := w.door.Replay(t.Context(), operator, acme.con.ID, account.Live, []byte(junk)); err == nil && d.Outcome == account.OutcomePassed {
			t.Errorf("%q passes", junk)
		}
	}
	if len(acme.people()) != people {
		t.Error("a replay created somebody")
	}
}

// REQ K-12
func TestTheReportSaysWhatToDo(t *testing.T) {
	w := newWorld(t)
	acme := w.saml("acme", sim.Okta)
	acme.rule("Engineers", "eng", "registry:writer")
	acme.rule("Managers", "Everyone", "registry:admin")
	good := acme.test(account.Live, "ana")
	w.must(acme.idp.Break(sim.WrongAudience))
	bad := acme.test(account.Live, "ana")
	for name, tc := range map[string]struct {
		d    account.Diagnosis
		want []string
	}{
		"passed": {good, []string{"PASS", "diagnosis " + string(good.ID), "Ana Ruiz would sign in", "ana@acme.example", "eng, everyone",
			`+ "Engineers" [draft]  -> Member (account), Registry Writer (org)`, `- "Managers" [draft]`, "letter case", "would add Registry Writer"}},
		"failed": {bad, []string{"FAIL", "1 failed", "Sign-in would fail: 1 of ", "audience", "fix: General > SAML Settings: Audience URI"}},
	} {
		got := federation.Report(tc.d, catalogue, account.KindOkta)
		for _, want := range tc.want {
			if !strings.Contains(got, want) {
				t.Errorf("%s: lacks %q:\n%s", name, want, got)
			}
		}
	}
	bad.Email, bad.Subject = "a\x1b[2Jb@x.example", "s\r\n"
	if got := federation.Report(bad, catalogue, account.KindOkta); strings.ContainsAny(got, "\x1b\r") {
		t.Errorf("control characters reach the terminal: %q", got)
	}
}
