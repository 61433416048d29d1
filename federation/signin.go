package federation

import (
	"log/slog"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/drawbridge-id/drawbridge/account"
	"github.com/drawbridge-id/drawbridge/federation/session"
	"github.com/drawbridge-id/drawbridge/request"
	"github.com/drawbridge-id/drawbridge/store"
	"github.com/drawbridge-id/drawbridge/web/page"
)

// SignInPage asks for the e-mail address: GET /signin?next=. Who is signed in already goes where they
// wanted to go.
func (d *Door) SignInPage(w http.ResponseWriter, r *http.Request) error {
	noStore(w)
	next := Next(d.ledger.Catalogue(), r.URL.Query().Get("next"))
	if _, err := session.FromRequest(d.ledger, r); err == nil {
		return see(w, r, onward(next))
	}
	return page.Render(w, r, http.StatusOK, page.SignIn{Next: next})
}

// FindConnection takes the address and says which identity provider comes next (SP §4.1.3.2): POST /signin
// with email and next. It looks at domains only and never at people, so that nobody learns who has an account
// here; every answer is a 200 page and takes the same steps (RATE-2). Where no provider signs anybody in, the page asks for a password.
func (d *Door) FindConnection(w http.ResponseWriter, r *http.Request) error {
	noStore(w)
	if err := d.form(w, r); err != nil {
		return err
	}
	typed, next := r.PostForm.Get("email"), Next(d.ledger.Catalogue(), r.PostForm.Get("next"))
	email, err := account.NormalEmail(typed)
	if err != nil {
		return page.Render(w, r, http.StatusUnprocessableEntity, page.SignIn{Email: clip(typed, 320), Next: next,
			Error: &page.FieldError{Field: "email", Message: "Expected one e-mail address.", Fix: "Type it like ana@acme.example."}})
	}
	c, domain, found, err := d.ledger.ConnectionFor(r.Context(), email)
	if err != nil {
		return err
	}
	if !found {
		return page.Render(w, r, http.StatusOK, page.Password{Email: email, Next: next})
	}
	start := startOf(c, email, next)
	p := page.Continue{Email: email, Provider: provider(c), URL: start, ChangePath: "/signin" + suffix(query("next", next))}
	if domain.CutOver { // K-21: no choice is left, so nothing is asked
		return follow(w, r, start, p)
	}
	p.PasswordPath = "/signin/password?" + query("email", email, "next", next)
	return page.Render(w, r, http.StatusOK, p) // K-19: federating alone sends nobody anywhere
}

// Login starts a sign-in at one connection: GET /login/{connection}?next=&login_hint=.
func (d *Door) Login(w http.ResponseWriter, r *http.Request) error {
	noStore(w)
	c, err := d.connection(r, "")
	if err != nil {
		return err
	}
	q := r.URL.Query()
	hint, err := account.NormalEmail(q.Get("login_hint"))
	if err != nil {
		hint = "" // it is a convenience: a bad one is dropped
	}
	return d.start(w, r, c, account.Flow{
		Connection: c.ID, Which: account.Live, Next: Next(d.ledger.Catalogue(), q.Get("next")), LoginHint: hint,
	})
}

// start remembers the flow and sends the browser to the provider. The caller fills what the flow is for.
func (d *Door) start(w http.ResponseWriter, r *http.Request, c account.Connection, f account.Flow) error {
	s := c.Version(f.Which)
	if s == nil || !c.Enabled {
		return noConnection()
	}
	f.Browser = session.Browser(r)
	if s.Protocol == account.OIDC {
		return d.startOIDC(w, r, c, f)
	}
	return d.startSAML(w, r, c, f)
}

// begin stores the flow and gives the browser the cookie that it is bound to (SAML-R3, OIDC-F3).
func (d *Door) begin(w http.ResponseWriter, r *http.Request, f account.Flow) (account.Flow, error) {
	f, err := d.ledger.StartFlow(r.Context(), f)
	if err != nil {
		return f, err
	}
	session.SetBrowser(w, f.Browser)
	return f, nil
}

// settle ends every sign-in, whatever its protocol: a test shows its result, a refusal is remembered, a
// login becomes a session.
func (d *Door) settle(w http.ResponseWriter, r *http.Request, c account.Connection, f account.Flow, taken bool, j account.Judgement) error {
	switch {
	case f.Test:
		return d.finishTest(w, r, c, f, j)
	case j.Login == nil:
		return d.refuse(w, r, c, f, j)
	}
	e, err := d.ledger.SignIn(r.Context(), store.Entry{
		By: actor(r.Context(), c.ID), Login: *j.Login, Flow: f, Taken: taken, Judgement: j,
	})
	if ref, ok := refusalIn(err); ok {
		if ref.Code == store.CodeReauth && !f.Forced {
			return d.start(w, r, c, account.Flow{Connection: c.ID, Which: account.Live, Next: f.Next, LoginHint: j.Login.Email, Forced: true})
		}
		return d.turnedAway(w, r, c, f, ref, e.Diagnosis)
	}
	if err != nil {
		return err
	}
	return d.enter(w, r, c, f, e)
}

// enter gives the browser its session and sends it on.
func (d *Door) enter(w http.ResponseWriter, r *http.Request, c account.Connection, f account.Flow, e store.Entrance) error {
	d.forget(r, e.User.ID)
	session.Set(w, e.Session, d.now())
	d.ended(c, account.OutcomePassed)
	request.Note(r.Context(), slog.String("verb", "user.signed_in"), slog.String("outcome", "done"), slog.String("actor", "user:"+string(e.User.ID)))
	switch {
	case ofOneself(f.Next): // what brought them here is why they may hold nothing yet (K-22)
	case e.Several:
		return see(w, r, "/choose"+suffix(query("next", f.Next)))
	case e.NoRoles: // L-14
		return see(w, r, "/no-access"+suffix(query("diagnosis", string(e.Diagnosis))))
	}
	return see(w, r, onward(f.Next))
}

// form reads the body of a browser's form, at most Limits.Body of it.
func (d *Door) form(w http.ResponseWriter, r *http.Request) error {
	r.Body = http.MaxBytesReader(w, r.Body, d.limits.Body)
	if err := r.ParseForm(); err != nil {
		return formError(err)
	}
	return nil
}

// ownForm reads a form of a signed-in page and checks that it was drawn for this session (SES-5).
func (d *Door) ownForm(w http.ResponseWriter, r *http.Request) error {
	if err := d.form(w, r); err != nil {
		return err
	}
	return session.CheckForm(r)
}

// ofOneself reports whether a page is about the person, whatever account they work in: a link of a letter to them, for instance.
func ofOneself(next string) bool {
	return slices.ContainsFunc([]string{"/invitation/", "/group-invitation/", "/activate/", "/account/new"}, func(p string) bool { return strings.HasPrefix(next, p) })
}

// onward is where a finished sign-in leads.
func onward(next string) string {
	if next == "" {
		return "/"
	}
	return next
}

// query encodes name and value pairs, leaving out empty values.
func query(pairs ...string) string {
	q := url.Values{}
	for i := 0; i+1 < len(pairs); i += 2 {
		if pairs[i+1] != "" {
			q.Set(pairs[i], pairs[i+1])
		}
	}
	return q.Encode()
}

func suffix(query string) string {
	if query == "" {
		return ""
	}
	return "?" + query
}

// clip shortens text that came from outside before it is shown again.
func clip(s string, n int) string {
	if len(s) <= n {
		return s
	}
	return s[:n]
}
