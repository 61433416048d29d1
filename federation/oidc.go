package federation

import (
	"net/http"
	"net/url"
	"strings"

	"github.com/drawbridge-id/drawbridge/account"
	"github.com/drawbridge-id/drawbridge/federation/oidc"
	"github.com/drawbridge-id/drawbridge/federation/session"
)

// startOIDC remembers state, nonce and PKCE verifier on our side and redirects to the provider.
func (d *Door) startOIDC(w http.ResponseWriter, r *http.Request, c account.Connection, f account.Flow) error {
	s := c.Version(f.Which)
	f.Nonce, f.Verifier, f.Issuer = d.token(), account.NewSecret(d.token()), s.OIDC.Issuer
	f, err := d.begin(w, r, f)
	if err != nil {
		return err
	}
	to, _, err := d.rp.Start(r.Context(), *s.OIDC, s.Kind, oidc.Request{
		State: f.Handle, Nonce: f.Nonce, Verifier: f.Verifier, LoginHint: f.LoginHint, RedirectURI: d.URLs(c.ID).Callback, ForceLogin: f.Forced,
	})
	if err != nil {
		return d.notStarted(w, r, c, f, err)
	}
	return see(w, r, to)
}

// Callback is the redirect URI of one connection: GET (query) and POST (form_post)
// /oidc/{connection}/callback. The answer counts only in the browser that asked (RFC 6749 §10.12,
// RFC 9700 §4.7), and the flow is used up before the code goes anywhere (OIDC-F7); Judge then compares iss
// (RFC 9207 §2) with the issuer that the flow was sent to.
func (d *Door) Callback(w http.ResponseWriter, r *http.Request) error {
	noStore(w)
	c, err := d.connection(r, account.OIDC)
	if err != nil {
		return err
	}
	if !c.Enabled {
		return d.switchedOff(w, r, c, account.Flow{})
	}
	values, err := d.callbackValues(w, r)
	if err != nil {
		return err
	}
	if states := values["state"]; len(states) != 1 || states[0] == "" || len(states[0]) > maxHandle {
		return d.refuse(w, r, c, account.Flow{}, refusal(account.Check{
			Step: account.StepRequest, Code: "state", Title: "The answer carries one state", Expected: "the state of a sign-in", Received: count(len(states), "state"),
			Fix: generic("Start from the sign-in page. If it happens again, something between the provider and this installation changes the answer."),
		}))
	}
	f, err := d.ledger.TakeFlow(r.Context(), c.ID, values.Get("state"), session.Browser(r))
	if account.KindOf(err) == account.NotFound {
		return d.noFlow(w, r, c)
	}
	if err != nil {
		return err
	}
	s := c.Version(f.Which)
	if s == nil || s.Protocol != account.OIDC {
		return d.switchedOff(w, r, c, f)
	}
	var key account.SPKey
	if oidc.NeedsKey(*s.OIDC) {
		if key, err = d.clientKey(r, c); err != nil {
			return err
		}
	}
	j := d.rp.Judge(r.Context(), c, *s, oidc.Callback{
		RedirectURI: d.URLs(c.ID).Callback, Values: values, Method: r.Method, Flow: f, Key: key,
	})
	return d.settle(w, r, c, f, true, j)
}

// callbackValues are what came in the way that the method allows: the query of a GET, the form of a POST.
func (d *Door) callbackValues(w http.ResponseWriter, r *http.Request) (url.Values, error) {
	if r.Method != http.MethodPost {
		values, err := url.ParseQuery(r.URL.RawQuery)
		if err != nil {
			return nil, formError(err)
		}
		return values, nil
	}
	if err := d.form(w, r); err != nil {
		return nil, err
	}
	return r.PostForm, nil
}

// clientKey signs our client assertions; zero when the connection has no key pair.
func (d *Door) clientKey(r *http.Request, c account.Connection) (account.SPKey, error) {
	keys, err := d.ledger.SPKeys(r.Context(), c.ID)
	if err != nil || len(keys) == 0 {
		return account.SPKey{}, err
	}
	return keys[0], nil
}

// Initiate starts a sign-in that the provider's own page asked for (OC §4): GET and POST
// /oidc/{connection}/initiate with iss, login_hint and target_link_uri.
func (d *Door) Initiate(w http.ResponseWriter, r *http.Request) error {
	noStore(w)
	c, err := d.connection(r, account.OIDC)
	if err != nil {
		return err
	}
	values, err := d.callbackValues(w, r)
	if err != nil {
		return err
	}
	s := c.Live
	if s == nil || s.OIDC == nil || values.Get("iss") != s.OIDC.Issuer || len(values["iss"]) != 1 {
		return noConnection()
	}
	hint, err := account.NormalEmail(values.Get("login_hint"))
	if err != nil {
		hint = "" // providers may send an opaque hint; it helps nobody who has to type an address
	}
	target := strings.TrimPrefix(values.Get("target_link_uri"), d.public)
	return d.start(w, r, c, account.Flow{
		Connection: c.ID, Which: account.Live, Next: Next(d.ledger.Catalogue(), target), LoginHint: hint,
	})
}
