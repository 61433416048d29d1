package federation

import (
	"fmt"
	"log/slog"
	"net/http"
	"time"

	"github.com/drawbridge-id/drawbridge/account"
	"github.com/drawbridge-id/drawbridge/federation/saml"
	"github.com/drawbridge-id/drawbridge/federation/session"
	"github.com/drawbridge-id/drawbridge/request"
	"github.com/drawbridge-id/drawbridge/store"
	"github.com/drawbridge-id/drawbridge/web/page"
)

// atProvider is the state that comes back from a provider that has ended its session too.
const atProvider = "provider"

// SignOutPage leads who types the address to the page with the button: a GET signs nobody out (SES-5).
func (d *Door) SignOutPage(w http.ResponseWriter, r *http.Request) error {
	if _, err := session.FromRequest(d.ledger, r); err != nil {
		return see(w, r, "/signed-out")
	}
	return see(w, r, "/")
}

// SignOut ends the session here, and goes on to the identity provider where the connection has single
// logout or an end-session endpoint: POST /signout.
func (d *Door) SignOut(w http.ResponseWriter, r *http.Request) error {
	noStore(w)
	if session.Token(r).IsZero() {
		return see(w, r, "/signed-out")
	}
	if err := d.ownForm(w, r); err != nil {
		return err
	}
	by := system("sign-out") // whoever holds a token may end it, also when it has run out
	if p, err := session.FromRequest(d.ledger, r); err == nil {
		by = person(r.Context(), p.User.ID)
	}
	left, err := d.ledger.SignOut(r.Context(), by, session.Token(r))
	if err != nil {
		return err
	}
	session.Clear(w)
	request.Note(r.Context(), slog.String("verb", "user.signed_out"), slog.String("outcome", "done"), slog.String("actor", by.String()))
	if left.Session.Connection == "" {
		return see(w, r, "/signed-out")
	}
	return d.leave(w, r, left)
}

// leave says goodbye at the provider. Our own session has ended already, so that nothing which goes wrong
// there keeps anybody signed in here.
func (d *Door) leave(w http.ResponseWriter, r *http.Request, left store.Leaving) error {
	c, err := d.ledger.Connection(r.Context(), left.Session.Connection)
	if err != nil || c.Live == nil {
		return see(w, r, "/signed-out")
	}
	done := page.SignedOut{Provider: provider(c)}
	switch s := c.Live; {
	case s.OIDC != nil:
		if to, ok := d.rp.EndSession(r.Context(), *s.OIDC, left.IDToken, d.URLs(c.ID).SignedOut, atProvider); ok {
			return follow(w, r, to, done)
		}
	case s.SAML != nil && left.NameID != nil && s.SAML.SLORedirect+s.SAML.SLOPost != "":
		return d.leaveSAML(w, r, c, left)
	}
	return page.Render(w, r, http.StatusOK, done)
}

func (d *Door) leaveSAML(w http.ResponseWriter, r *http.Request, c account.Connection, left store.Leaving) error {
	done := page.SignedOut{Provider: provider(c)}
	sp, err := d.sp(r, c)
	if err != nil {
		return err
	}
	out, err := saml.StartLogout(sp, *c.Live.SAML, saml.LogoutRequest{
		ID: saml.NewRequestID(d.random), Now: d.now(), NameID: *left.NameID, SessionIndex: left.Session.ProviderSession, RelayState: atProvider,
	})
	if err != nil {
		d.log.WarnContext(r.Context(), "no logout at the identity provider", "connection", c.ID, "error", err)
		return page.Render(w, r, http.StatusOK, done)
	}
	if out.URL != "" {
		return follow(w, r, out.URL, done)
	}
	return send(w, r, out, "Sign out of "+provider(c))
}

// SignedOutPage is where a sign-out ends: GET /signed-out, with our state when it went by way of the provider
// (OL §4).
func (d *Door) SignedOutPage(w http.ResponseWriter, r *http.Request) error {
	noStore(w)
	p := page.SignedOut{}
	if r.URL.Query().Get("state") == atProvider {
		p = page.SignedOut{Provider: "your identity provider", ProviderDone: true}
	}
	return page.Render(w, r, http.StatusOK, p)
}

// SLO is SAML single logout (SP §4.4.3): GET (redirect binding) and POST /saml/{connection}/slo, for the provider's
// requests and its answers to ours. Unsigned messages are refused (SAML-M3).
func (d *Door) SLO(w http.ResponseWriter, r *http.Request) error {
	noStore(w)
	c, err := d.connection(r, account.SAML)
	if err != nil {
		return err
	}
	if c.Live == nil || c.Live.SAML == nil {
		return noConnection()
	}
	in := saml.Incoming{RawQuery: r.URL.RawQuery}
	if r.Method == http.MethodPost {
		if err := d.form(w, r); err != nil {
			return err
		}
		in = saml.Incoming{Form: r.PostForm}
	}
	sp, err := d.sp(r, c)
	if err != nil {
		return err
	}
	asked, answer, err := saml.ReadLogout(sp, *c.Live.SAML, in, d.now())
	if err != nil {
		return d.refusedLogout(r, c, err)
	}
	if asked == nil {
		// It changes nothing here: our session had ended before the request went out.
		return see(w, r, "/signed-out"+suffix(query("state", map[bool]string{true: atProvider}[answer.Success])))
	}
	return d.loggedOut(w, r, c, sp, *asked)
}

// loggedOut ends the sessions that a provider names and tells it so (SC §3.7.3.1).
func (d *Door) loggedOut(w http.ResponseWriter, r *http.Request, c account.Connection, sp saml.SP, asked saml.Logout) error {
	known, err := d.endNamed(r, c, asked)
	if err != nil {
		return err
	}
	if _, err := session.FromRequest(d.ledger, r); account.KindOf(err) == account.Unauthorized {
		session.Clear(w)
	}
	out, err := saml.AnswerLogout(sp, *c.Live.SAML, saml.LogoutReply{
		ID: saml.NewRequestID(d.random), Now: d.now(), InResponseTo: asked.ID, RelayState: asked.RelayState, Failed: !known,
	})
	if err != nil { // a provider without an address for answers: the sessions have ended all the same
		return see(w, r, "/signed-out")
	}
	return send(w, r, out, "Back to "+provider(c))
}

// endNamed ends what a logout request names: single sessions, or all of a person. known is false when the
// connection tells people apart by something that the request does not carry.
func (d *Door) endNamed(r *http.Request, c account.Connection, asked saml.Logout) (known bool, err error) {
	subject := saml.SubjectOf(*c.Live, asked.NameID)
	until := asked.NotOnOrAfter.Add(c.Live.SAML.ClockSkew())
	if len(asked.SessionIndexes) == 0 {
		if subject == "" {
			return false, nil
		}
		_, err := d.end(r, c, subject, "", asked.ID, until)
		return true, err
	}
	for i, index := range asked.SessionIndexes {
		if _, err := d.end(r, c, "", index, fmt.Sprintf("%s/%d", asked.ID, i), until); err != nil {
			return false, err
		}
	}
	return true, nil
}

// end ends sessions once per message. A repeated message ends nothing more, and that is no error: providers
// repeat themselves.
func (d *Door) end(r *http.Request, c account.Connection, subject, providerSession, message string, until time.Time) (int, error) {
	n, err := d.ledger.EndSessions(r.Context(), actor(r.Context(), c.ID), c.ID, subject, providerSession, message, until)
	if e, ok := errorIn(err); ok && e.Code == codeUsed {
		return 0, nil
	}
	return n, err
}

// refusedLogout leaves a trace for the administrator; the sender learns nothing.
func (d *Door) refusedLogout(r *http.Request, c account.Connection, err error) error {
	if ref, ok := refusalIn(err); ok {
		j := refusal(account.Check{Step: ref.Step, Code: ref.Code, Title: "A logout message", Expected: ref.Expected, Received: ref.Received, Fix: ref.Hint})
		if _, err := d.ledger.RecordRefusal(r.Context(), actor(r.Context(), c.ID), c.ID, account.Flow{}, j); err != nil {
			return err
		}
	}
	return account.Errorf(account.Forbidden, "The logout message was refused.").Coded("logout_refused").Because(err)
}

// BackchannelLogout takes a logout token from the provider's server: POST
// /oidc/{connection}/backchannel-logout (OB §2.2), a form with one token in it (OB §2.5). The sessions that
// it names end (OB §2.7) before it is answered with 200, which nobody may keep (OB §2.8).
func (d *Door) BackchannelLogout(w http.ResponseWriter, r *http.Request) error {
	noStore(w)
	c, err := d.connection(r, account.OIDC)
	if err != nil {
		return err
	}
	if err := d.form(w, r); err != nil {
		return logoutError(w, r, err)
	}
	tokens := r.PostForm["logout_token"]
	if c.Live == nil || c.Live.OIDC == nil || len(tokens) != 1 {
		return logoutError(w, r, account.Errorf(account.Invalid, "Expected one logout_token."))
	}
	t, err := d.rp.Logout(r.Context(), c, *c.Live, tokens[0])
	if err != nil {
		return logoutError(w, r, err)
	}
	n, err := d.end(r, c, t.Subject, t.Session, t.JTI, t.Until)
	if err != nil {
		return err
	}
	request.Note(r.Context(), slog.String("verb", "session.ended"), slog.String("outcome", "done"), slog.Int("sessions", n))
	w.WriteHeader(http.StatusOK)
	return nil
}

// logoutError is the answer of OB §2.8 to what cannot be read or verified. Keys that cannot be had are our
// trouble and answered so, because providers try again.
func logoutError(w http.ResponseWriter, r *http.Request, err error) error {
	if account.KindOf(err) == account.Unavailable {
		return err
	}
	request.Note(r.Context(), slog.String("outcome", "refused"), slog.String("error", err.Error()))
	return writeJSON(w, http.StatusBadRequest, map[string]string{"error": "invalid_request", "error_description": "The logout token was not accepted."})
}
