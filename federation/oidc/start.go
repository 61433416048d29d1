package oidc

import (
	"context"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/oauth2"

	"github.com/drawbridge-id/drawbridge/account"
)

// A Request is one sign-in about to start. State, Nonce and Verifier are random and kept server-side
// in the account.Flow.
type Request struct {
	State, Nonce string         // at least 128 bits each, base64url
	Verifier     account.Secret // PKCE code verifier, 43 to 128 unreserved characters (RFC 7636 §4.1)
	LoginHint    string         // e-mail address to fill in at the provider; may be empty
	RedirectURI  string         // the connection's own callback URL, absolute and no other's (RFC 6749 §3.1.2)
	ForceLogin   bool           // ask the provider to authenticate again, whoever is signed in there
}

// Start makes the URL to send the browser to (RFC 6749 §4.1.1, RFC 7636 §4.3), with PKCE S256 and a nonce always, and says which issuer is
// asked, for account.Flow.Issuer. Errors are *account.Error: Invalid for settings, Unavailable when
// discovery cannot be fetched and was not before.
func (rp *RP) Start(ctx context.Context, s account.OIDCSettings, kind account.IdPKind, r Request) (authURL, issuer string, err error) {
	if err := Check(s, kind); err != nil {
		return "", "", err
	}
	// OC §15.5.2, RFC 9700 §2.1.1: nobody guesses these, and nobody gets them from us twice.
	if len(r.State) < 22 || len(r.Nonce) < 22 || len(r.Verifier.Reveal()) < 43 || r.RedirectURI == "" {
		return "", "", account.Errorf(account.Invalid, "A sign-in needs a random state, nonce and verifier, and a redirect URI.")
	}
	p, err := rp.provider(ctx, s, "")
	if err != nil {
		return "", "", asError(err)
	}
	conf := oauth2.Config{ClientID: s.ClientID, RedirectURL: r.RedirectURI, Scopes: scopes(s), Endpoint: oauth2.Endpoint{AuthURL: p.AuthorizationEndpoint}}
	opts := []oauth2.AuthCodeOption{
		oauth2.S256ChallengeOption(r.Verifier.Reveal()), // RFC 7636 §4.2
		oauth2.SetAuthURLParam("nonce", r.Nonce),        // OC §3.1.2.1
	}
	set := func(name, value string) {
		if value != "" {
			opts = append(opts, oauth2.SetAuthURLParam(name, value))
		}
	}
	if s.ResponseMode == "form_post" { // OAuth 2.0 Form Post Response Mode §2; query is the default for code
		set("response_mode", s.ResponseMode)
	}
	set("login_hint", r.LoginHint)
	set("acr_values", strings.Join(s.ACRValues, " "))
	if s.MaxAge > 0 {
		set("max_age", strconv.Itoa(int(s.MaxAge.Seconds())))
	}
	if r.ForceLogin {
		set("prompt", "login")
	}
	if kind == account.KindGoogle {
		set("hd", s.GoogleDomain) // narrows the provider's own chooser; the answer is checked all the same
	}
	return conf.AuthCodeURL(r.State, opts...), s.Issuer, nil
}

// scopes are what is asked for (OC §5.4): openid always, then the connection's own list or profile and email.
func scopes(s account.OIDCSettings) []string {
	list := s.Scopes
	if len(list) == 0 {
		list = []string{"profile", "email"}
	}
	out := []string{"openid"}
	for _, scope := range list {
		if scope != "" && !slices.Contains(out, scope) {
			out = append(out, scope)
		}
	}
	return out
}
