package test

import (
	"bufio"
	"bytes"
	"encoding/json"
	"encoding/pem"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/drawbridge-id/drawbridge/account"
	"github.com/drawbridge-id/drawbridge/federation/session"
	"github.com/drawbridge-id/drawbridge/test/drive"
	"github.com/drawbridge-id/drawbridge/test/sim"
	"github.com/drawbridge-id/drawbridge/test/world"
	"github.com/drawbridge-id/drawbridge/web/api"
)

// tried is a login test from its start by owner to its result, with user signing in at the provider.
func tried(w *world.World, owner *world.Browser, c account.Connection, which account.Which, user string) account.Diagnosis {
	w.Helper()
	started := read[api.Test](ask(w, owner, "POST", "/api/v1/connections/"+string(c.ID)+"/login-tests", map[string]any{"version": which}).is(201))
	at := "/api/v1/login-tests/" + string(started.Diagnosis)
	if d := read[account.Diagnosis](ask(w, owner, "GET", at, nil).is(200)); d.Outcome != account.OutcomePending || d.AskedBy != "user:"+string(owner.Session().User.ID) {
		w.Errorf("before anybody signed in the test is %+v", d)
	}
	b := w.Browser(user)
	end := b.Open(strings.TrimPrefix(started.URL, w.URL))
	if end.URL != w.URL+"/login-test/"+string(started.Diagnosis) || end.Status != 200 {
		w.Errorf("the test ended at %s with %d", end.URL, end.Status)
	}
	if s := b.Session(); s.Status != 401 {
		w.Errorf("a login test signed %s in: %d", user, s.Status)
	}
	return read[account.Diagnosis](ask(w, owner, "GET", at, nil).is(200))
}

// inventory is everything that a login test must leave as it is, and the audit lines that it adds.
func inventory(w *world.World, org string) (people string, lines []string) {
	w.Helper()
	a, _ := w.Account(org)
	all, err := w.House.Ledger.People(w.Context(), world.Operator, a.ID, "", 1000)
	if err != nil {
		w.Fatal(err)
	}
	raw, err := json.Marshal(all)
	if err != nil {
		w.Fatal(err)
	}
	audit, err := w.House.Ledger.Audit(w.Context(), world.Operator, a.ID, "", 1000)
	if err != nil {
		w.Fatal(err)
	}
	for _, l := range audit {
		if l.Verb != "connection.tested" {
			lines = append(lines, l.Verb+" "+l.Target)
		}
	}
	return string(raw), lines
}

// REQ K-12, K-13: started by the API, judged, and nothing is created.
func TestALoginTestSaysWhatWouldHappenAndCreatesNothing(t *testing.T) {
	world.Each(t, func(w *world.World) {
		acme, globex := w.Acme(), w.Globex()
		for _, c := range []struct {
			*world.Company
			owner, person string
			groups        []string
			roles         int
		}{
			{acme, "olga@acme.example", "ana@acme.example", []string{"eng", "everyone"}, 3},
			{globex, "olaf@globex.example", "hana@globex.example", []string{world.GlobexEngineering, world.GlobexLeads}, 4},
		} {
			owner := c.As(c.owner)
			people, lines := inventory(w, c.Org)
			d := tried(w, owner, c.Connection, account.Live, c.person)
			if d.Outcome != account.OutcomePassed || d.Email != c.person || d.Subject == "" || len(d.Claims) == 0 {
				w.Errorf("the result is %+v", d)
			}
			for _, k := range d.Checks {
				if k.Title == "" || k.Code == "" || k.Step == "" || k.Verdict == account.Fail {
					w.Errorf("a check reads %+v", k)
				}
			}
			if got := slices.Sorted(slices.Values(d.Groups.Values)); d.Groups.State != account.GroupsComplete || !slices.Equal(got, slices.Sorted(slices.Values(c.groups))) {
				w.Errorf("groups are %+v", d.Groups)
			}
			roles := 0
			for _, h := range d.Preview.Roles {
				if h.Scope.Org != "" {
					roles++
				}
			}
			for _, r := range d.Preview.Rules {
				if r.Reason == "" || r.Matched && (r.Group == "" || len(r.Gives) == 0) {
					w.Errorf("a rule is explained as %+v", r)
				}
			}
			if roles != c.roles || len(d.Relying) == 0 {
				w.Errorf("%d roles would result, want %d; services %+v", roles, c.roles, d.Relying)
			}
			for _, r := range d.Relying {
				if !r.Pass {
					w.Errorf("%s is not served: %+v", r.Label, r)
				}
			}
			noSecrets(ask(w, owner, "GET", "/api/v1/login-tests/"+string(d.ID), nil).is(200))
			if after, more := inventory(w, c.Org); after != people || !slices.Equal(more, lines) {
				w.Errorf("a login test left traces:\n%s\n%s\n%v\n%v", people, after, lines, more)
			}
		}
	})
}

// REQ K-12: what is wrong is said with what was expected, what came, and what to do in whose product.
func TestALoginTestSaysWhatIsWrongAndWhatToDo(t *testing.T) {
	world.Each(t, func(w *world.World) {
		acme, globex := w.Acme(), w.Globex()
		olga, olaf := acme.As("olga@acme.example"), globex.As("olaf@globex.example")
		people, _ := inventory(w, "acme")
		for _, c := range []struct {
			at    *world.Company
			fault sim.Fault
			step  account.Step
		}{
			{acme, sim.WrongAudience, account.StepAudience}, {acme, sim.WrongIssuer, account.StepAudience}, {acme, sim.WrongRecipient, account.StepAudience},
			{acme, sim.Expired, account.StepTimes}, {acme, sim.ClockSkew.With("20m"), account.StepTimes}, {acme, sim.WrongKey, account.StepSignature},
			{acme, sim.Tampered, account.StepSignature}, {acme, sim.Unsigned, account.StepSignature}, {acme, sim.SHA1, account.StepSignature},
			{acme, sim.NoNameID, account.StepIdentity}, {acme, sim.OtherDomain, account.StepDomains}, {acme, sim.StatusDenied, account.StepResponse},
			{acme, sim.TransientNameID, account.StepIdentity},
			{globex, sim.WrongAudience, account.StepAudience}, {globex, sim.Expired, account.StepTimes}, {globex, sim.WrongKey, account.StepSignature},
			{globex, sim.WrongTenantID, account.StepAudience}, {globex, sim.TokenError, account.StepResponse}, {globex, sim.OtherDomain, account.StepDomains},
		} {
			owner, person := olga, "ana@acme.example"
			if c.at == globex {
				owner, person = olaf, "gus@globex.example"
			}
			if err := c.at.IdP.Break(c.fault); err != nil {
				w.Fatal(err)
			}
			d := tried(w, owner, c.at.Connection, account.Live, person)
			c.at.IdP.Mend()
			if d.Outcome != account.OutcomeRefused || d.Step != c.step {
				w.Errorf("%s with %s: %s at %s (%s), want a refusal at %s", c.at.Org, c.fault, d.Outcome, d.Step, d.Code, c.step)
			}
			failed := 0
			for _, k := range d.Checks {
				if k.Verdict == account.Pass {
					continue
				}
				if k.Verdict == account.Fail {
					failed++
				}
				if k.Expected == "" || k.Fix[account.KindGeneric] == "" {
					w.Errorf("%s with %s: the check %s does not say what was expected and what to do: %+v", c.at.Org, c.fault, k.Code, k)
				}
				if strings.HasPrefix(k.Code, "audience") && (k.Fix[account.KindOkta] == "" || k.Fix[account.KindEntra] == "") {
					w.Errorf("%s with %s: %s does not say what to do in Okta and in Entra: %v", c.at.Org, c.fault, k.Code, k.Fix)
				}
			}
			if failed == 0 {
				w.Errorf("%s with %s is refused without a failed check", c.at.Org, c.fault)
			}
			// The page says the same, with the wording for this provider first.
			p := owner.Open("/login-test/" + string(d.ID))
			for _, want := range []string{"Sign-in would fail", "Fix in", "Expected"} {
				if p.Status != 200 || !strings.Contains(p.Body, want) {
					w.Errorf("%s with %s: the page (%d) does not say %q", c.at.Org, c.fault, p.Status, want)
				}
			}
		}
		if after, _ := inventory(w, "acme"); after != people {
			w.Errorf("failed tests changed people:\n%s\n%s", people, after)
		}
	})
}

// Missing and cut group lists are warnings: the person would come in, and keep what they have.
//
// REQ K-13, T-05
func TestALoginTestSaysWhyGroupsAreMissing(t *testing.T) {
	world.Each(t, func(w *world.World) {
		acme, globex := w.Acme(), w.Globex()
		olga, olaf := acme.As("olga@acme.example"), globex.As("olaf@globex.example")
		for _, c := range []struct {
			at    *world.Company
			owner *world.Browser
			who   string
			fault sim.Fault
			state account.GroupState
		}{
			{acme, olga, "ana@acme.example", sim.NoGroups, account.GroupsUnknown},
			{globex, olaf, "gus@globex.example", sim.NoGroups, account.GroupsUnknown},
			{globex, olaf, "gus@globex.example", sim.ManyGroups, account.GroupsUnknown},
		} {
			if err := c.at.IdP.Break(c.fault); err != nil {
				w.Fatal(err)
			}
			d := tried(w, c.owner, c.at.Connection, account.Live, c.who)
			c.at.IdP.Mend()
			if d.Outcome != account.OutcomePassed || d.Groups.State != c.state || d.Groups.Why == "" {
				w.Errorf("%s with %s: %s, groups %+v", c.at.Org, c.fault, d.Outcome, d.Groups)
			}
			if !slices.ContainsFunc(d.Checks, func(k account.Check) bool {
				return k.Step == account.StepGroups && k.Verdict == account.Warn && k.Fix[account.KindOkta] != "" && k.Fix[account.KindEntra] != ""
			}) {
				w.Errorf("%s with %s: no check says what to do about groups: %+v", c.at.Org, c.fault, d.Checks)
			}
		}
	})
}

// onPage sends a form of a signed-in page.
func onPage(w *world.World, b *world.Browser, path string, fields url.Values) *drive.Page {
	w.Helper()
	token, _ := b.Cookie(w.URL, session.Cookie)
	fields.Set(session.FormField, session.FormToken(account.NewSecret(token)))
	p, err := b.Post(w.Context(), w.URL+path, fields)
	if err != nil {
		w.Fatal(err)
	}
	return p
}

// draft saves the live settings of a SAML connection, changed, as its draft.
func draft(w *world.World, org string, c account.Connection, change func(*account.SAMLSettings)) {
	w.Helper()
	s, inner := *c.Live, *c.Live.SAML
	s.SAML = &inner
	change(&inner)
	a, _ := w.Account(org)
	if _, err := w.House.Ledger.SaveDraft(w.Context(), world.Operator, a.ID, c.ID, "", s); err != nil {
		w.Fatal(err)
	}
}

// REQ K-14, K-23: a draft with a bad certificate hurts nobody, cannot go live, and can once it is mended; what was live can come back.
func TestADraftGoesLiveWhenItWorksAndNotBefore(t *testing.T) {
	world.Each(t, func(w *world.World) {
		acme := w.Acme()
		olga := acme.As("olga@acme.example")
		promote, restore := "/api/v1/connections/"+string(acme.Connection.ID)+"/promote", "/api/v1/connections/"+string(acme.Connection.ID)+"/restore"
		ask(w, olga, "POST", promote, nil).refuses(409, "no_draft")

		other, err := w.Sim.AddTenant(sim.TenantConfig{Name: "elsewhere", Dialect: sim.Okta, Domain: "elsewhere.example"})
		if err != nil {
			w.Fatal(err)
		}
		wrong := string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: other.Certificates()[0].Raw}))
		draft(w, "acme", acme.Connection, func(s *account.SAMLSettings) { s.Certificates = []string{wrong} })
		acme.As("ana@acme.example") // live goes on
		ask(w, olga, "POST", promote, nil).refuses(409, "test_needed")
		d := tried(w, olga, acme.Connection, account.Draft, "ana@acme.example")
		if d.Outcome != account.OutcomeRefused || d.Step != account.StepSignature {
			w.Errorf("the test of a bad certificate is %s at %s (%s)", d.Outcome, d.Step, d.Code)
		}
		ask(w, olga, "POST", promote, nil).refuses(409, "test_needed")
		if p := onPage(w, olga, "/login-test/"+string(d.ID)+"/confirm", url.Values{}); p.Status != 409 {
			w.Errorf("confirming a failed test is answered %d", p.Status)
		}
		acme.As("ana@acme.example")

		draft(w, "acme", acme.Connection, func(s *account.SAMLSettings) { s.AllowIdPInitiated = true })
		d = tried(w, olga, acme.Connection, account.Draft, "ana@acme.example")
		if d.Outcome != account.OutcomePassed || d.Which != account.Draft {
			w.Fatalf("the test of the mended draft is %s at %s (%s)", d.Outcome, d.Step, d.Code)
		}
		if p := olga.Open("/login-test/" + string(d.ID)); !strings.Contains(p.Body, "Make draft live") || strings.Contains(p.Body, "disabled") {
			w.Error("the page of a passed test does not offer to make the draft live")
		}
		// A test counts for the very draft that it tried.
		draft(w, "acme", acme.Connection, func(s *account.SAMLSettings) { s.AllowSHA1 = true })
		ask(w, olga, "POST", promote, nil).refuses(409, "test_needed")
		draft(w, "acme", acme.Connection, func(s *account.SAMLSettings) { s.AllowIdPInitiated = true })
		if d = tried(w, olga, acme.Connection, account.Draft, "cleo@acme.example"); d.Outcome != account.OutcomePassed {
			w.Fatalf("the third test is %s at %s (%s)", d.Outcome, d.Step, d.Code)
		}
		was := acme.Connection.LiveRevision
		now := read[api.Connection](ask(w, olga, "POST", promote, nil).is(200))
		if now.LiveRevision != was+1 || now.Draft != "" || !w.Connection("acme", "okta").Live.SAML.AllowIdPInitiated {
			w.Errorf("went live as %+v", now)
		}
		ask(w, acme.As("ana@acme.example"), "POST", promote, nil).refuses(403, "forbidden")
		back := read[api.Connection](ask(w, olga, "POST", restore, map[string]int{"revision": was}).is(200))
		if back.LiveRevision != was+2 || w.Connection("acme", "okta").Live.SAML.AllowIdPInitiated {
			w.Errorf("came back as %+v", back)
		}
		ask(w, olga, "POST", restore, map[string]int{"revision": 99}).refuses(409, "no_revision")
		acme.As("ana@acme.example")
	})
}

// REQ K-14, T-20: one service that needs more than was sent is named, and keeps the draft from going live.
func TestEveryRelyingServiceHasToBeServed(t *testing.T) {
	world.Each(t, func(w *world.World) {
		acme := w.Acme()
		catalogue := w.House.Ledger.Catalogue()
		w.Apply(`
catalogue:
  relying_services:
    - {id: platform, label: Platform, requires: [email]}
    - {id: mirror, label: Image mirror, requires: [email, groups]}
`)
		if now := w.House.Ledger.Catalogue(); len(now.Relying) != 2 || len(catalogue.Relying) == 2 {
			w.Fatalf("the catalogue names %+v", now.Relying)
		}
		olga := acme.As("olga@acme.example")
		draft(w, "acme", acme.Connection, func(s *account.SAMLSettings) { s.AllowIdPInitiated = true })
		if err := acme.IdP.Break(sim.NoGroups); err != nil {
			w.Fatal(err)
		}
		d := tried(w, olga, acme.Connection, account.Draft, "ana@acme.example")
		if d.Outcome != account.OutcomeRefused || d.Step != account.StepRelying || len(d.Relying) != 2 || !d.Relying[0].Pass || d.Relying[1].Pass ||
			!slices.Equal(d.Relying[1].Missing, []string{"groups"}) {
			w.Errorf("%s at %s: %+v", d.Outcome, d.Step, d.Relying)
		}
		p := olga.Open("/login-test/" + string(d.ID))
		if !strings.Contains(p.Body, "not for Image mirror") || !regexp.MustCompile(`<button[^>]* disabled[^>]*>Make draft live`).MatchString(p.Body) {
			w.Error("the page lets the draft go live or does not name the service")
		}
		ask(w, olga, "POST", "/api/v1/connections/"+string(acme.Connection.ID)+"/promote", nil).refuses(409, "test_needed")
		acme.IdP.Mend()
		if d = tried(w, olga, acme.Connection, account.Draft, "ana@acme.example"); d.Outcome != account.OutcomePassed {
			w.Errorf("with groups the test is %s at %s (%s)", d.Outcome, d.Step, d.Code)
		}
		ask(w, olga, "POST", "/api/v1/connections/"+string(acme.Connection.ID)+"/promote", nil).is(200)
	})
}

// REQ K-12, K-13, K-14, T-20: the same on the command line, against the running daemon, and again from a saved file.
func TestALoginTestFromTheCommandLine(t *testing.T) {
	world.Each(t, func(w *world.World) {
		acme := w.Acme()
		sh := shellFor(w)
		people, lines := inventory(w, "acme")
		// test runs the command, opens the link that it prints as user, and gives what it left behind.
		test := func(user, line string) printout {
			w.Helper()
			cmd := sh.command(w.Context(), strings.Fields(line)...)
			var out bytes.Buffer
			cmd.Stdout = &out
			errs, err := cmd.StderrPipe()
			if err != nil {
				w.Fatal(err)
			}
			if err := cmd.Start(); err != nil {
				w.Fatal(err)
			}
			var said strings.Builder
			for lines := bufio.NewScanner(errs); lines.Scan(); {
				said.WriteString(lines.Text() + "\n")
				if strings.HasPrefix(lines.Text(), w.URL+"/login-test/start/") {
					w.Browser(user).Open(strings.TrimPrefix(lines.Text(), w.URL))
				}
			}
			_ = cmd.Wait() // its exit code is looked at
			return printout{sh, line, out.String(), said.String(), cmd.ProcessState.ExitCode()}
		}
		passed := test("ana@acme.example", "drawbridge login-test acme/okta --browser none --json --wait 60s --save "+filepath.Join(sh.dir, "saved.json")).exits(0)
		var d account.Diagnosis
		if err := json.Unmarshal([]byte(passed.out), &d); err != nil || d.Outcome != account.OutcomePassed || !slices.Contains(d.Groups.Values, "eng") || len(d.Relying) == 0 || len(d.Checks) == 0 {
			w.Errorf("printed %v\n%s%s", err, passed.out, passed.err)
		}
		if info, err := os.Stat(filepath.Join(sh.dir, "saved.json")); err != nil || info.Mode().Perm() != 0o600 {
			w.Errorf("saved as %v (%v)", info, err)
		}
		sh.run("drawbridge login-test acme/okta --replay "+filepath.Join(sh.dir, "saved.json")).exits(0).
			says("PASS", "ana@acme.example", "eng, everyone", `+ "Engineering"`, `- "Viewers"`, "Registry Writer")

		if err := acme.IdP.Break(sim.WrongAudience); err != nil {
			w.Fatal(err)
		}
		test("ana@acme.example", "drawbridge login-test acme/okta --browser none --wait 60s").exits(1).
			says("FAIL", "Sign-in would fail", "expected "+w.URL+"/saml/"+string(acme.Connection.ID)+"/metadata", "fix: ").complains("did not pass")
		acme.IdP.Mend()
		if after, more := inventory(w, "acme"); after != people || !slices.Equal(more, lines) {
			w.Errorf("a login test left traces:\n%v\n%v", lines, more)
		}
		sh.run("drawbridge login-test acme/nothing --browser none").exits(1).complains("okta")
		sh.run("drawbridge login-test acme/okta --draft --browser none").exits(1).complains("no draft settings")
	})
}
