package console_test

import (
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"testing"

	"github.com/drawbridge-id/drawbridge/account"
	"github.com/drawbridge-id/drawbridge/federation/session"
	"github.com/drawbridge-id/drawbridge/test/drive"
	"github.com/drawbridge-id/drawbridge/test/world"
)

// text is what a reader sees of a page, roughly: without tags, blanks run together.
func text(p *drive.Page) string {
	return strings.Join(strings.Fields(regexp.MustCompile(`<[^>]*>`).ReplaceAllString(p.Body, " ")), " ")
}

func reads(t testing.TB, p *drive.Page, status int, all ...string) {
	t.Helper()
	if p.Status != status {
		t.Errorf("%s answered %d, want %d:\n%s", p.URL, p.Status, status, text(p))
	}
	for _, s := range all {
		if !strings.Contains(text(p), s) {
			t.Errorf("%s does not say %q:\n%s", p.URL, s, text(p))
		}
	}
}

// post sends a form of a page as its reader would: with the token that is drawn into it.
func post(w *world.World, b *world.Browser, path string, fields url.Values) *drive.Page {
	w.Helper()
	token, _ := b.Cookie(w.URL, session.Cookie)
	fields.Set(session.FormField, session.FormToken(account.NewSecret(token)))
	return forged(w, b, path, fields)
}

// forged sends a form without it.
func forged(w *world.World, b *world.Browser, path string, fields url.Values) *drive.Page {
	w.Helper()
	p, err := b.Post(w.Context(), w.URL+path, fields)
	if err != nil {
		w.Fatal(err)
	}
	return p
}

// REQ L-12
func TestHomeSaysWhichRuleGaveWhichRole(t *testing.T) {
	world.Each(t, func(w *world.World) {
		ana := w.Acme().As("ana@acme.example")
		reads(w, ana.Open("/"), 200, "acme", "Ana Ruiz", "Whole organization", "registry:writer", "rule “Engineering”, because okta says eng",
			"Team research", "functions:developer", "everyone", "Through okta")
	})
}

func TestWhoIsNotSignedInIsLedToTheDoor(t *testing.T) {
	world.Each(t, func(w *world.World) {
		b := w.Browser("") // fills in no form
		for path, want := range map[string]string{"/": "/signin", "/choose": "/signin?next=%2Fchoose", "/no-access": "/signin?next=%2Fno-access",
			"/login-test": "/signin?next=%2Flogin-test"} {
			if p := b.Open(path); p.URL != w.URL+want {
				t.Errorf("%s led to %s", path, p.URL)
			}
		}
	})
}

// REQ A-14. THREAT SES-2: the token changes with the account, the old one is worthless.
func TestAPersonOfTwoAccountsChoosesOne(t *testing.T) {
	world.Each(t, func(w *world.World) {
		acme := w.Acme()
		w.Globex()
		globex, _ := w.Account("globex")
		if _, err := w.House.Ledger.AddPerson(w.Context(), world.Operator, globex.ID, "ana@acme.example", "Ana Ruiz", account.Member); err != nil {
			t.Fatal(err)
		}
		b := w.Browser("ana@acme.example")
		p := b.SignIn(acme.Connection)
		if !strings.HasPrefix(p.URL, w.URL+"/choose") {
			t.Fatalf("ended at %s", p.URL)
		}
		reads(w, p, 200, "acme", "globex", "Member")

		old := w.Copy(b)
		if p := forged(w, b, "/choose", url.Values{"account": {string(globex.ID)}}); p.Status != http.StatusForbidden {
			t.Errorf("a form without its token is answered %d", p.Status)
		}
		if p := post(w, b, "/choose", url.Values{"account": {"acc_01kkp3v8m2q7r4c9tdyz5x6w1n"}}); p.Status != http.StatusNotFound {
			t.Errorf("an account of nobody is answered %d", p.Status)
		}
		p = post(w, b, "/choose", url.Values{"account": {string(globex.ID)}, "next": {"https://evil.example/"}})
		if p.URL != w.URL+"/" && !strings.HasSuffix(p.URL, "/no-access") {
			t.Errorf("led to %s", p.URL)
		}
		if s := b.Session(); s.Org.Name != "globex" {
			t.Errorf("works in %q", s.Org.Name)
		}
		if s := old.Session(); s.Status != http.StatusUnauthorized {
			t.Errorf("the old token is answered %d", s.Status)
		}
	})
}

// REQ K-12 K-13 K-14: somebody without an account goes through the test; the owner reads everything.
func TestAnOwnerReadsWhatALoginTestFoundOut(t *testing.T) {
	world.Each(t, func(w *world.World) {
		acme := w.Acme()
		olga := acme.As("olga@acme.example")
		reads(w, olga.Open("/login-test"), 200, "okta", "SAML", "Live")
		started := post(w, olga, "/login-test", url.Values{"target": {string(acme.Connection.ID) + ":live"}})
		reads(w, started, 200, "Open the test", "Or test as someone else")
		link := regexp.MustCompile(`/login-test/start/[^"<]+`).FindString(started.Body)
		result := regexp.MustCompile(`/login-test/dx_[^"<]+`).FindString(started.Body)
		reads(w, olga.Open(result), 200, "No answer yet")

		ana := w.Browser("ana@acme.example")
		done := ana.Open(link)
		reads(w, done, 200, "The login test is finished")
		if s := ana.Session(); s.Status != http.StatusUnauthorized {
			t.Errorf("the test signed somebody in: %d", s.Status)
		}
		if strings.Contains(done.Body, "eng") {
			t.Error("whoever went through the test reads what was received")
		}

		p := olga.Open(result)
		reads(w, p, 200, "would sign in and hold 3 roles.", "What we received", "Engineering matched", "Viewers not matched",
			"rule “Engineering”, because okta says eng")
		reads(w, olga.Open("/login-test"), 200, "Earlier tests", "Passed")
		if got := olga.Open("/login-test?diagnosis=" + strings.TrimPrefix(result, "/login-test/")); got.URL != w.URL+result {
			t.Errorf("looking the id up led to %s", got.URL)
		}
		reads(w, olga.Open("/login-test?diagnosis=dx_nothing"), 422, "There is no sign-in with this diagnosis id.")

		ben := acme.As("ben@acme.example")
		reads(w, ben.Open(result), 200, "The login test is finished")
		if p := ben.Open("/login-test"); p.Status != http.StatusForbidden {
			t.Errorf("a member is answered %d", p.Status)
		}
		if p := post(w, ben, "/login-test", url.Values{"target": {string(acme.Connection.ID) + ":live"}}); p.Status != http.StatusForbidden {
			t.Errorf("a member's test is answered %d", p.Status)
		}
		if p := forged(w, olga, "/login-test", url.Values{"target": {string(acme.Connection.ID) + ":live"}}); p.Status != http.StatusForbidden {
			t.Errorf("a form without its token is answered %d", p.Status)
		}
		reads(w, post(w, olga, "/login-test", url.Values{}), 422, "Choose a connection.")
	})
}

// THREAT ADM-1: another account's owner learns nothing, not even that the test exists.
func TestAnotherCompanysOwnerReadsNothing(t *testing.T) {
	world.Each(t, func(w *world.World) {
		acme, globex := w.Acme(), w.Globex()
		olga, olaf := acme.As("olga@acme.example"), globex.As("olaf@globex.example")
		started := post(w, olga, "/login-test", url.Values{"target": {string(acme.Connection.ID) + ":live"}})
		result := regexp.MustCompile(`/login-test/dx_[^"<]+`).FindString(started.Body)
		reads(w, olaf.Open(result), 200, "The login test is finished")
		reads(w, olaf.Open("/login-test/dx_01kkp3v8m2q7r4c9tdyz5x6w1n"), 200, "The login test is finished")
		if p := post(w, olaf, "/login-test", url.Values{"target": {string(acme.Connection.ID) + ":live"}}); p.Status != http.StatusNotFound {
			t.Errorf("testing a stranger's connection is answered %d", p.Status)
		}
		if p := post(w, olaf, result+"/confirm", url.Values{}); p.Status != http.StatusNotFound {
			t.Errorf("confirming a stranger's test is answered %d", p.Status)
		}
	})
}

// REQ K-14 K-23: a draft goes live from the page of the test that it passed.
func TestADraftThatPassedGoesLive(t *testing.T) {
	world.Each(t, func(w *world.World) {
		acme := w.Acme()
		acmeAccount, _ := w.Account("acme")
		draft := *acme.Connection.Live
		if _, err := w.House.Ledger.SaveDraft(w.Context(), world.Operator, acmeAccount.ID, acme.Connection.ID, "okta", draft); err != nil {
			t.Fatal(err)
		}
		olga := acme.As("olga@acme.example")
		started := post(w, olga, "/login-test", url.Values{"target": {string(acme.Connection.ID) + ":draft"}})
		result := regexp.MustCompile(`/login-test/dx_[^"<]+`).FindString(started.Body)
		if p := post(w, olga, result+"/confirm", url.Values{}); p.Status != http.StatusConflict {
			t.Errorf("confirming a test that has not run is answered %d", p.Status)
		}
		w.Browser("ana@acme.example").Open(regexp.MustCompile(`/login-test/start/[^"<]+`).FindString(started.Body))
		reads(w, olga.Open(result), 200, "Make draft live")
		reads(w, post(w, olga, result+"/confirm", url.Values{}), 200, "Login test")
		if c := w.Connection("acme", "okta"); c.Draft != nil || c.LiveRevision != acme.Connection.LiveRevision+1 {
			t.Errorf("draft %v, revision %d after %d", c.Draft, c.LiveRevision, acme.Connection.LiveRevision)
		}
	})
}
