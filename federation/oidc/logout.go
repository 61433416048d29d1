package oidc

import (
	"context"
	"errors"
	"net/url"
	"slices"
	"strings"
	"time"

	goidc "github.com/coreos/go-oidc/v3/oidc"

	"github.com/drawbridge-id/drawbridge/account"
	"github.com/drawbridge-id/drawbridge/published"
	"github.com/drawbridge-id/drawbridge/strict"
)

const (
	logoutEvent = "http://schemas.openid.net/event/backchannel-logout"
	// maxLogoutAge is how old a logout token may be: the provider's own retries, and no more.
	maxLogoutAge = 10 * time.Minute
)

// A LogoutToken is a verified back-channel logout: whose sessions end.
type LogoutToken struct {
	Subject  string // as account.Login spells it; empty: the token names a session only
	Session  string // sid; empty: all sessions of Subject
	JTI      string // to be remembered until Until, so that the token counts once
	IssuedAt time.Time
	Until    time.Time // from here on the token is refused anyway
}

// Logout verifies a logout token (OB §2.6): signature, algorithm, typ, iss, aud, iat, exp,
// events, no nonce, jti, sub or sid. Whether the jti was seen before is the ledger's question (§2.6 step 8).
// Errors are *account.Error: Invalid for the token, Unavailable when the provider's keys cannot be had.
func (rp *RP) Logout(ctx context.Context, c account.Connection, s account.Settings, token string) (LogoutToken, error) {
	if s.Protocol != account.OIDC || s.OIDC == nil {
		return LogoutToken{}, refuseLogout("settings", "This connection does not speak OpenID Connect.", nil)
	}
	if err := Check(*s.OIDC, s.Kind); err != nil {
		return LogoutToken{}, err
	}
	p, err := rp.provider(ctx, *s.OIDC, "")
	if err != nil {
		return LogoutToken{}, asError(err)
	}
	claims, err := rp.logoutClaims(ctx, *s.OIDC, p, token)
	if err != nil {
		return LogoutToken{}, err
	}
	return rp.readLogout(s, claims)
}

func refuseLogout(code, message string, err error) error {
	return account.Errorf(account.Invalid, "%s", message).Coded("logout_" + code).Because(err)
}

// logoutClaims verifies the token as a JWS and with go-oidc, and returns the claims under the signature.
func (rp *RP) logoutClaims(ctx context.Context, o account.OIDCSettings, p *provider, token string) (object, error) {
	header, err := tokenHeader(token)
	if err != nil {
		return nil, refuseLogout("form", "The logout token is no signed JWT: "+err.Error()+".", err)
	}
	// OB §2.4: typ should be logout+jwt; what existed before the registration sends JWT or nothing.
	typ, isText := header["typ"].(string)
	if _, has := header["typ"]; has && (!isText || !slices.Contains([]string{"logout+jwt", "application/logout+jwt", "jwt"}, strings.ToLower(typ))) {
		return nil, refuseLogout("type", "The token is of another type.", nil)
	}
	allowed := allowedAlgorithms(o, p)
	if _, crit := header["crit"]; crit || !slices.Contains(allowed, text(header, "alg")) {
		return nil, refuseLogout("algorithm", "The logout token's algorithm is not accepted.", nil)
	}
	// Anybody may knock here: leave part of the fetch budget to people who are signing in (OIDC-K4).
	pin := rp.pin(p, allowed, published.Spare)
	now := rp.now()
	v := goidc.NewVerifier(o.Issuer, pin, &goidc.Config{ClientID: o.ClientID, SupportedSigningAlgs: allowed, Now: func() time.Time { return now }})
	_, err = v.VerifyLogout(ctx, token)
	var keys *account.Error
	switch {
	case pin.payload == nil && errors.As(pin.err, &keys):
		return nil, keys
	case pin.payload == nil:
		return nil, refuseLogout("signature", "The logout token's signature does not verify.", pin.err)
	case err != nil:
		return nil, refuseLogout("claims", "The logout token does not hold: "+clip(strings.TrimPrefix(err.Error(), "oidc: "), 200)+".", err)
	}
	claims, err := readObject(pin.payload)
	if err != nil {
		return nil, refuseLogout("claims", "The logout token's claims cannot be read.", err)
	}
	return claims, nil
}

// readLogout makes the checks of §2.6 again in our own words, as token.go does for ID tokens.
func (rp *RP) readLogout(s account.Settings, claims object) (LogoutToken, error) {
	o, now := *s.OIDC, rp.now()
	exp, okExp := strict.NumericDate(claims["exp"])
	iat, okIat := strict.NumericDate(claims["iat"])
	aud, _ := strict.Texts(claims["aud"])
	events, _ := claims["events"].(object)
	event, isEvent := events[logoutEvent].(object)
	_, nonce := claims["nonce"]
	jti := text(claims, "jti")
	azp, hasAZP := claims["azp"]
	switch {
	case text(claims, "iss") != o.Issuer || !slices.Contains(aud, o.ClientID) || hasAZP && azp != o.ClientID:
		return LogoutToken{}, refuseLogout("audience", "The logout token is from another issuer or for another client.", nil)
	case !okExp || !okIat || !exp.After(now) || iat.After(now.Add(rp.leeway)) || iat.Before(now.Add(-maxLogoutAge)):
		return LogoutToken{}, refuseLogout("times", "The logout token is too old, from the future, or has no times.", nil)
	case !isEvent || event == nil:
		return LogoutToken{}, refuseLogout("event", "The token has no logout event.", nil)
	case nonce:
		return LogoutToken{}, refuseLogout("nonce", "A logout token has no nonce.", nil)
	case jti == "" || len(jti) > 255 || strings.ContainsFunc(jti, control):
		return LogoutToken{}, refuseLogout("jti", "The logout token needs a jti of at most 255 bytes, without control characters.", nil)
	}
	t := LogoutToken{JTI: jti, Session: sessionOf(claims), IssuedAt: iat, Until: exp}
	if last := iat.Add(maxLogoutAge + rp.leeway); last.Before(exp) {
		t.Until = last
	}
	// A subject that cannot be composed from a logout token (Entra without oid, a mapped claim) leaves the session.
	if text(claims, "sub") != "" || text(claims, "oid") != "" {
		t.Subject, _ = subjectOf(s, o, claims, func(names []string) any {
			for _, n := range names {
				if v, ok := lookup(claims, n); ok && v != nil {
					return v
				}
			}
			return nil
		})
	}
	if t.Subject == "" && t.Session == "" {
		return LogoutToken{}, refuseLogout("subject", "The logout token names neither a person nor a session that we know.", nil)
	}
	return t, nil
}

// EndSession makes the URL that ends the session at the provider too (OL §2). ok is false
// when the provider has no such endpoint or cannot be asked; then signing out here is all there is.
func (rp *RP) EndSession(ctx context.Context, s account.OIDCSettings, idTokenHint account.Secret, postLogoutURI, state string) (logoutURL string, ok bool) {
	p, err := rp.provider(ctx, s, "")
	if err != nil || p.EndSessionEndpoint == "" {
		return "", false
	}
	u, err := url.Parse(p.EndSessionEndpoint)
	if err != nil {
		return "", false
	}
	q := u.Query()
	q.Set("client_id", s.ClientID)
	// A hint of many kilobytes does not fit into a URL; the client id then tells the provider who asks.
	if hint := idTokenHint.Reveal(); hint != "" && len(hint) <= 6<<10 {
		q.Set("id_token_hint", hint)
	}
	if postLogoutURI != "" {
		q.Set("post_logout_redirect_uri", postLogoutURI) // OL §3; state comes back with it
		q.Set("state", state)
	}
	u.RawQuery = q.Encode()
	return u.String(), true
}
