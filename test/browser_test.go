package test

import (
	"fmt"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"

	"github.com/drawbridge-id/drawbridge/account"
	"github.com/drawbridge-id/drawbridge/test/browser"
	"github.com/drawbridge-id/drawbridge/test/sim"
	"github.com/drawbridge-id/drawbridge/test/world"
)

// screen is a house on SQLite with a real browser in front of it: what the database is makes no difference to a page.
func screen(t *testing.T) (*world.World, *browser.Browser) {
	t.Helper()
	t.Parallel()
	b := browser.New(t)
	return world.New(t, "sqlite:"+filepath.Join(t.TempDir(), "house.db")), b
}

// shoot looks at a page in light and dark, on a desk and on a small telephone, where nothing may be cut off (WCAG 2.2, 1.4.10).
func shoot(t *testing.T, b *browser.Browser, name string) {
	t.Helper()
	for _, dark := range []bool{false, true} {
		b.Dark(dark)
		shade := map[bool]string{false: "light", true: "dark"}[dark]
		b.Screenshot(name + "-" + shade)
		b.Width(320)
		if wide := browser.Eval[float64](b, `document.documentElement.scrollWidth`); wide > 320 {
			t.Errorf("%s is %.0f pixels wide on a screen of 320", name, wide)
		}
		b.Screenshot(name + "-" + shade + "-320")
		b.Width(1200)
	}
	b.Dark(false)
}

// quiet checks that the browser had nothing to complain about: no exception, nothing that the policy blocked, nothing that did not load.
// Answers that are meant to be refusals are no complaint.
func quiet(t *testing.T, b *browser.Browser, meant ...string) {
	t.Helper()
next:
	for _, c := range b.Complaints() {
		for _, m := range meant {
			if strings.Contains(c, m) {
				continue next
			}
		}
		t.Errorf("the browser complains: %s", c)
	}
}

// person is the button of somebody on the sign-in page of a simulated provider.
func person(email string) string { return `button[name=user][value="` + email + `"]` }

// REQ K-01, L-09, L-13
// THREAT SES-3
func TestAPersonSignsInAndSeesTheirRoles(t *testing.T) {
	w, b := screen(t)
	w.Acme()
	w.Globex()
	b.Open(w.URL + "/")
	b.WaitFor("#email")
	shoot(t, b, "sign-in")
	b.Type("#email", "nobody@nowhere.example")
	b.Click("button.primary")
	b.WaitFor("#password") // of an address that no provider signs in
	b.Open(w.URL + "/")
	b.WaitFor("#email")
	b.Type("#email", "ana@acme.example")
	b.Click("button.primary")
	b.WaitFor(`a[href*="/login/"]`)
	shoot(t, b, "continue")
	b.Click(`a[href*="/login/"]`)
	b.WaitFor(person("ana@acme.example"))
	b.Click(person("ana@acme.example"))
	b.WaitFor("form[action='/signout']")
	if at := b.URL(); at != w.URL+"/" {
		t.Errorf("signed in, Ana stands at %s", at)
	}
	home := b.Text("main")
	for _, want := range []string{"Registry Writer", "Catalog Reader", "Functions Developer", "Engineering", "eng", "research", "Acme"} {
		if !strings.Contains(strings.ToLower(home), strings.ToLower(want)) {
			t.Errorf("her home does not say %q:\n%s", want, home)
		}
	}
	shoot(t, b, "home")
	if cookies := browser.Eval[string](b, "document.cookie"); cookies != "" {
		t.Errorf("scripts see %q", cookies)
	}
	b.Click("form[action='/signout'] button")
	b.WaitFor("a[href='/signin']")
	shoot(t, b, "signed-out")

	// After cut-over the page leads straight to the provider, with the address as a hint.
	b.Open(w.URL + "/signin")
	b.Type("#email", "hana@globex.example")
	b.Click("button.primary")
	b.WaitFor(person("hana@globex.example") + ".main")
	b.Click(person("hana@globex.example"))
	b.WaitFor("form[action='/signout']")
	if home := b.Text("main"); !strings.Contains(home, "User admin") || !strings.Contains(home, "Research leads") && !strings.Contains(home, "Leads") {
		t.Errorf("Hana's home says\n%s", home)
	}
	shoot(t, b, "home-entra")
	quiet(t, b)
}

// REQ L-14
// THREAT SAML-O1
func TestAPersonWhoHoldsNothingOrIsRefusedIsToldSo(t *testing.T) {
	w, b := screen(t)
	acme := w.Acme()
	b.Open(w.URL + "/login/" + string(acme.Connection.ID))
	b.Click(person("cleo@acme.example"))
	b.WaitFor("form[action='/signout']")
	if said := b.Text("main"); !strings.Contains(b.URL(), "/no-access") || !strings.Contains(said, "everyone") {
		t.Errorf("at %s Cleo reads\n%s", b.URL(), said)
	}
	shoot(t, b, "no-access")
	b.Click("form[action='/signout'] button")
	b.WaitFor("a[href='/signin']")

	b.Open(w.URL + "/login/" + string(acme.Connection.ID))
	b.Click(person("mallory@globex.example"))
	b.WaitFor("ol.three")
	if said := b.Text("main"); strings.Contains(said, "globex") || !diagnosisID.MatchString(said) {
		t.Errorf("Mallory reads\n%s", said)
	}
	shoot(t, b, "refused")
	quiet(t, b, "403")
}

// WCAG 2.2, 2.1.1: everything without a pointer.
func TestSomebodyWithAKeyboardOnlySignsInAndOut(t *testing.T) {
	w, b := screen(t)
	w.Acme()
	press := func(keys string) {
		t.Helper()
		b.Do("press "+fmt.Sprintf("%q", keys), chromedp.KeyEvent(keys))
	}
	at := func() string {
		return browser.Eval[string](b, `(e => e.tagName + (e.id ? "#" + e.id : "") + " " + (e.value || e.textContent || "").trim().slice(0, 40))(document.activeElement)`)
	}
	// walk presses Tab until what has the focus is what we look for; what has it must be seen to have it (2.4.7).
	walk := func(want string) {
		t.Helper()
		for range 30 {
			if strings.Contains(at(), want) {
				return
			}
			press("\t")
			if seen := browser.Eval[bool](b, `(s => s.outlineStyle !== "none" && parseFloat(s.outlineWidth) > 0 || s.boxShadow !== "none")(getComputedStyle(document.activeElement))`); !seen && !strings.HasPrefix(at(), "BODY") {
				t.Errorf("%s has the focus, and nobody can see it", at())
			}
		}
		t.Fatalf("the keyboard does not reach %q, it is at %s", want, at())
	}
	b.Open(w.URL + "/signin")
	b.WaitFor("#email")
	walk("INPUT#email")
	press("ana@acme.example\r")
	b.WaitFor(`a[href*="/login/"]`)
	walk("Continue")
	press("\r")
	b.WaitFor(person("ana@acme.example"))
	b.Do("choose Ana", chromedp.Focus(chromedp.CSS(person("ana@acme.example"))), chromedp.KeyEvent("\r")) // the provider's page is not ours
	b.WaitFor("form[action='/signout']")
	press("\t")
	if !strings.Contains(at(), "Skip") {
		t.Errorf("the first thing on the page is %s and not the link past the top bar", at())
	}
	walk("Sign out")
	press("\r")
	b.WaitFor("a[href='/signin']")
	quiet(t, b)
}

// REQ K-12, K-13, K-14
func TestALoginTestInARealBrowser(t *testing.T) {
	w, b := screen(t)
	acme := w.Acme()
	olga := acme.As("olga@acme.example")
	acme.IdP.Auto("olga@acme.example")
	b.Open(w.URL + "/login/" + string(acme.Connection.ID))
	b.WaitFor("form[action='/signout']")
	acme.IdP.Auto("")

	b.Open(w.URL + "/login-test")
	b.WaitFor("main form")
	shoot(t, b, "login-test")
	b.Click("main form[action='/login-test'] button.primary")
	b.WaitFor(`a[href*="/login-test/start/"]`)
	shoot(t, b, "login-test-link")
	link := browser.Eval[string](b, `document.querySelector('a[href*="/login-test/start/"]').href`)
	result := browser.Eval[string](b, `[...document.querySelectorAll('a[href*="/login-test/dx_"]')].map(a => a.href)[0] || ""`)
	if result == "" {
		t.Fatalf("the page does not lead to the result:\n%s", b.Text("main"))
	}
	b.Open(result)
	b.WaitFor("main h1")
	shoot(t, b, "login-test-waiting")
	other := browser.New(t) // the colleague who got the link
	other.Open(link)
	other.Click(person("ana@acme.example"))
	other.WaitFor("header.top")
	if said := other.Text("main"); !strings.Contains(said, "finished") || strings.Contains(said, "eng") {
		t.Errorf("whoever went through the test reads\n%s", said)
	}
	quiet(t, other)
	b.Open(result)
	b.WaitFor("#checks")
	for _, want := range []string{"Ana Ruiz would sign in and hold 3 roles", "eng", "Engineering", "matched", "Platform"} {
		if said := b.Text("main"); !strings.Contains(said, want) {
			t.Errorf("the result does not say %q:\n%s", want, said)
		}
	}
	shoot(t, b, "login-test-passed")

	if err := acme.IdP.Break(sim.WrongAudience); err != nil {
		t.Fatal(err)
	}
	failed := tried(w, olga, acme.Connection, account.Live, "ana@acme.example")
	b.Open(w.URL + "/login-test/" + string(failed.ID))
	b.WaitFor(".tabs")
	audience := w.URL + "/saml/" + string(acme.Connection.ID) + "/metadata"
	if said := b.Text("main"); !strings.Contains(said, "Sign-in would fail") || !strings.Contains(said, audience) || !strings.Contains(said, "Audience URI") {
		t.Errorf("the result says\n%s", said)
	}
	// The wording of another product is one key away.
	b.Do("choose Entra", chromedp.Focus(chromedp.CSS(".tabs input:checked")), chromedp.KeyEvent(kb.ArrowRight))
	if said := b.Text(".tabs"); !regexp.MustCompile(`Entra|Identifier`).MatchString(said) {
		t.Errorf("after an arrow key the fix reads\n%s", said)
	}
	shoot(t, b, "login-test-failed")
	quiet(t, b)
}

// The first owner's link, from the command that prints it to the page of the account that it makes.
func TestTheFirstOwnerComesInByTheLink(t *testing.T) {
	t.Parallel()
	b := browser.New(t)
	sh := newShell(t)
	address := freeAddress(t)
	link := firstOwnersLink(t, sh.run("drawbridge init house --public-url http://"+address+" --listen "+address).exits(0))
	sh.env = append(sh.env, "DRAWBRIDGE_OPERATOR_LISTEN=")
	d := sh.serve("--config", "house/drawbridge.yaml")

	b.Open(link)
	b.WaitFor("#name")
	shoot(t, b, "setup")
	b.Type("#name", "Two words")
	b.Type("#email", "olga@acme.example")
	b.Click("button.primary")
	b.WaitFor(".error")
	shoot(t, b, "setup-error")
	b.Type("#name", "acme")
	b.Click("button.primary")
	b.WaitFor("form[action='/signout']")
	if home := b.Text("main"); !strings.Contains(home, "acme") || !strings.Contains(home, "Owner") {
		t.Errorf("the first owner's home says\n%s", home)
	}
	shoot(t, b, "home-first-owner")
	b.Open(link) // it works once
	b.WaitFor("h1")
	if said := b.Text("main"); strings.Contains(said, "Name your account") {
		t.Errorf("the link works twice:\n%s", said)
	}
	quiet(t, b, "422", "404", "410")
	if code := d.stop(); code != 0 {
		t.Errorf("the daemon ended with %d:\n%s", code, d.log.String())
	}
}

// firstOwnersLink is what init and first-owner print.
func firstOwnersLink(t *testing.T, p printout) string {
	t.Helper()
	link := regexp.MustCompile(`http://\S+/setup/\S+`).FindString(p.out)
	if link == "" {
		t.Fatalf("$ %s\nprints no link:\n%s", p.line, p.out)
	}
	return link
}
