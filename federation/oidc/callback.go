package oidc

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/drawbridge-id/drawbridge/account"
	"github.com/drawbridge-id/drawbridge/published"
)

// A Callback is what came to a connection's redirect URI (OC §3.1.2.5, RFC 6749 §4.1.2), with the sign-in that it answers. The door
// has found and taken the flow by its state before it asks for a judgement.
type Callback struct {
	RedirectURI string     // as it was sent in the authorization request
	Values      url.Values // query or form
	Method      string     // of the HTTP request, to compare with the response mode asked for; empty: not compared
	Flow        account.Flow
	Key         account.SPKey // for private_key_jwt; zero when the connection has none
}

// judge works on one callback.
type judge struct {
	rp *RP
	c  account.Connection
	s  account.Settings
	o  account.OIDCSettings
	cb Callback

	now      time.Time
	p        *provider
	keys     *published.KeySet // the one that verified the ID token
	header   object
	claims   object // of the ID token, from under its signature
	info     object // userinfo; nil: not asked or not had
	infoLost bool   // userinfo was asked and could not be had
	expires  time.Time
	out      account.Judgement
	view     view
}

// Judge decides what a callback says about a person. It does everything after the state was found: the
// callback's form, the exchange of the code, the ID token, userinfo, claims and groups. All that was looked
// at is in Checks, in flow order; exactly one of Login and Refusal is set. It never panics.
func (rp *RP) Judge(ctx context.Context, c account.Connection, s account.Settings, cb Callback) (out account.Judgement) {
	j := &judge{rp: rp, c: c, s: s, cb: cb, now: rp.now()}
	defer func() {
		if p := recover(); p != nil { // G-3: a defect, and still only a refusal
			rp.log.Error("panic while judging a sign-in", "connection", c.ID, "panic", fmt.Sprint(p))
			out = j.done(nil, j.fail(check(account.StepResponse, "internal", "The response could be judged", "", "",
				fixes("Nothing that you can mend: tell the operator, with the diagnosis id."))))
		}
	}()
	login, err := j.run(ctx)
	return j.done(login, err)
}

func (j *judge) done(login *account.Login, err error) account.Judgement {
	j.out.Raw = j.view.String()
	if err == nil {
		j.out.Login, j.out.Refusal = login, nil
		return j.out
	}
	var refusal *account.Refusal
	if !errors.As(err, &refusal) {
		refusal = account.Refuse(check(account.StepResponse, "internal", "The response could be judged", "", "", fixes("Tell the operator."))).Because(err)
	}
	refusal.Connection = j.c.ID
	j.out.Login, j.out.Refusal = nil, refusal
	return j.out
}

func (j *judge) run(ctx context.Context) (*account.Login, error) {
	if err := j.readFlow(); err != nil {
		return nil, err
	}
	if err := j.readForm(); err != nil {
		return nil, err
	}
	if err := j.discover(ctx); err != nil {
		return nil, err
	}
	tokens, err := j.exchange(ctx)
	if err != nil {
		return nil, err
	}
	j.now = j.rp.now() // the provider may have taken seconds, and its clock went on meanwhile
	if err := j.verify(ctx, tokens); err != nil {
		return nil, err
	}
	return j.identify(ctx, tokens)
}

// readFlow checks that the sign-in that was started is one for this connection as it is now (OIDC-X1,
// RFC 9700 §4.4).
func (j *judge) readFlow() error {
	if j.s.Protocol != account.OIDC || j.s.OIDC == nil {
		return j.fail(check(account.StepRequest, "settings", "The connection speaks OpenID Connect", "OpenID Connect settings", "none", fixes("Finish the connection's settings.")))
	}
	j.o = *j.s.OIDC
	if err := Check(j.o, j.s.Kind); err != nil {
		e := asError(err)
		return j.because(err, check(account.StepRequest, "settings", "The connection's settings are complete", "", e.Message, fixes(or(e.Help, "Mend the connection's settings."))))
	}
	f := j.cb.Flow
	switch {
	case f.Connection != j.c.ID:
		return j.fail(check(account.StepRequest, "flow_connection", "The sign-in was started for this connection", string(j.c.ID), string(f.Connection), fixes("Start again from the sign-in page.")))
	case f.Issuer != j.o.Issuer:
		return j.fail(check(account.StepRequest, "flow_issuer", "The provider is the one that was asked", j.o.Issuer, clip(f.Issuer, 200),
			fixes("The connection's issuer was changed while the sign-in was under way. Start again from the sign-in page.")))
	case f.Nonce == "" || f.Verifier.IsZero():
		return j.fail(check(account.StepRequest, "flow_incomplete", "The sign-in has a nonce and a PKCE verifier", "both", "not both", fixes("Start again from the sign-in page.")))
	case !f.ExpiresAt.IsZero() && j.now.After(f.ExpiresAt):
		return j.fail(check(account.StepRequest, "flow_expired", "The sign-in was finished in time", "before "+stamp(f.ExpiresAt), stamp(j.now), fixes("Start again from the sign-in page.")))
	}
	j.pass(account.StepRequest, "request", "Sign-in request", "authorization code with PKCE S256, state and nonce, for "+clip(j.cb.RedirectURI, 200))
	return nil
}

// readForm checks what the browser brought, before anything is sent anywhere (OC §3.1.2.7, OIDC-F2,
// RFC 9700 §2.1.2).
func (j *judge) readForm() error {
	v := j.cb.Values
	j.view.callback(v)
	again := fixes("Start again from the sign-in page. If it happens again, something between the provider and us changes the answer.")
	for _, name := range slices.Sorted(keysOf(v)) {
		if len(v[name]) > 1 {
			return j.fail(check(account.StepResponse, "parameter_repeated", "Each parameter comes once", name+" once", fmt.Sprintf("%s %d times", clip(name, 60), len(v[name])), again))
		}
	}
	for _, name := range []string{"id_token", "access_token", "token_type", "expires_in"} {
		if v.Has(name) {
			return j.fail(check(account.StepResponse, "front_channel_token", "No token comes through the browser", "a code", name,
				fixes("In your provider, allow only the authorization code flow for this application.",
					account.KindEntra, "Authentication > Implicit grant and hybrid flows: clear both boxes.",
					account.KindOkta, "General > Grant type: only Authorization Code.")))
		}
	}
	if want := http.MethodGet; j.cb.Method != "" {
		if j.o.ResponseMode == "form_post" {
			want = http.MethodPost
		}
		if j.cb.Method != want {
			return j.fail(check(account.StepResponse, "response_mode", "The answer comes in the way that was asked for", or(j.o.ResponseMode, "query"), clip(j.cb.Method, 20),
				fixes("Set the connection's response mode to what your provider uses.")))
		}
	}
	if v.Get("state") == "" {
		return j.fail(check(account.StepResponse, "state_missing", "The answer carries the state", "state", "none", again))
	}
	if iss := v.Get("iss"); v.Has("iss") && iss != j.o.Issuer { // RFC 9207 §2.4: before anything else is believed
		return j.fail(check(account.StepResponse, "iss_parameter", "The answer comes from the provider that was asked", j.o.Issuer, clip(iss, 200),
			fixes("Another provider answered this sign-in. If your provider's issuer has changed, set the new one on the connection.")))
	}
	if v.Has("error") {
		return j.providerError(v)
	}
	switch code := v.Get("code"); {
	case code == "":
		return j.fail(check(account.StepResponse, "code_missing", "The answer carries a code", "code", "none", again))
	case len(code) > 8<<10:
		return j.fail(check(account.StepResponse, "code_size", "The code has a sensible size", "at most 8192 bytes", fmt.Sprint(len(code)), again))
	}
	return nil
}

// providerError passes on why the provider let nobody in (RFC 6749 §4.1.2.1).
func (j *judge) providerError(v url.Values) error {
	code, description := clip(v.Get("error"), 60), clip(v.Get("error_description"), 400)
	return j.fail(check(account.StepResponse, "provider_error", "The provider lets the person in", "a code", strings.TrimSuffix(code+": "+description, ": "), providerFixes(code, description)))
}

// providerFixes reads what the provider complains of (OC §3.1.2.6; Entra's AADSTS numbers).
func providerFixes(code, description string) map[account.IdPKind]string {
	entra := "Look up the AADSTS number in the sign-in logs of Entra."
	for number, text := range map[string]string{
		"AADSTS50105":   "Enterprise apps > Users and groups: add the person or one of their groups.",
		"AADSTS50011":   "Authentication > Web > Redirect URIs: add the redirect URI of the connection page, letter by letter.",
		"AADSTS65001":   "API permissions > Grant admin consent.",
		"AADSTS90094":   "API permissions > Grant admin consent.",
		"AADSTS700016":  "The client id is not known in this tenant. Copy Application (client) ID from the app registration.",
		"AADSTS7000215": "Certificates & secrets: make a new secret and paste its Value, not its Secret ID.",
		"AADSTS7000222": "The client secret has expired. Certificates & secrets: make a new one and paste its Value.",
	} {
		if strings.Contains(description, number+":") || strings.Contains(description, number+" ") || strings.HasSuffix(description, number) {
			entra = text
		}
	}
	generic, okta := "Read the provider's message; its log has the details.", "Read the message; Reports > System Log has the details."
	switch code {
	case "access_denied":
		generic, okta = "Assign the person, or one of their groups, to this application in your provider.", "Assignments > Assign to People or Groups: add the person."
	case "invalid_scope":
		generic, okta = "Remove the scope that the provider does not know from the connection.", "Security > API > your server > Scopes: add it, or remove it from the connection."
	case "login_required", "interaction_required", "consent_required", "account_selection_required":
		generic = "Start again from the sign-in page and finish the provider's own pages."
	case "temporarily_unavailable", "server_error":
		generic = "The provider has a problem of its own. Try again later."
	}
	return fixes(generic, account.KindOkta, okta, account.KindEntra, entra)
}

func (j *judge) discover(ctx context.Context) error {
	p, err := j.rp.provider(ctx, j.o, "")
	if err != nil {
		e := asError(err)
		return j.because(err, check(account.StepResponse, "discovery", "The provider's discovery document can be read", j.o.Issuer, e.Message, fixes(or(e.Help, "Check that the provider is up, then try again."))))
	}
	j.p = p
	if p.IssParameter && !j.cb.Values.Has("iss") { // RFC 9207 §2.4: announced, so it has to be there
		return j.fail(check(account.StepResponse, "iss_parameter", "The answer names its issuer", j.o.Issuer, "no iss parameter",
			fixes("The provider announces the iss parameter and leaves it out. Something between it and us may have taken it away.")))
	}
	j.pass(account.StepResponse, "response", "Response received", "a code with its state")
	return nil
}

// The rest are the judge's words.

// check makes a Check. fix holds what to do per kind of provider.
func check(step account.Step, code, title, expected, received string, fix map[account.IdPKind]string) account.Check {
	return account.Check{Step: step, Code: code, Title: title, Expected: expected, Received: received, Fix: fix}
}

// fixes makes the map of a Check: the text for everybody, then pairs of kind and text.
func fixes(generic string, pairs ...any) map[account.IdPKind]string {
	m := map[account.IdPKind]string{account.KindGeneric: generic}
	for i := 0; i+1 < len(pairs); i += 2 {
		m[pairs[i].(account.IdPKind)] = pairs[i+1].(string)
	}
	return m
}

func (j *judge) pass(step account.Step, code, title, received string) {
	j.out.Checks = append(j.out.Checks, account.Check{Step: step, Code: code, Title: title, Verdict: account.Pass, Received: received})
}

func (j *judge) warn(c account.Check) {
	c.Verdict = account.Warn
	j.out.Checks = append(j.out.Checks, c)
}

func (j *judge) fail(c account.Check) error { return j.because(nil, c) }

// because fails with a cause for the operator's log.
func (j *judge) because(err error, c account.Check) error {
	c.Verdict = account.Fail
	j.out.Checks = append(j.out.Checks, c)
	return account.Refuse(c).Because(err)
}

func stamp(t time.Time) string { return t.UTC().Format(time.RFC3339) }

func or(a, b string) string {
	if a != "" {
		return a
	}
	return b
}
