package oidc

import (
	"errors"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/drawbridge-id/drawbridge/account"
	"github.com/drawbridge-id/drawbridge/strict"
)

func (w *world) logoutClaims(pairs ...any) map[string]any {
	c := map[string]any{"iss": w.s.OIDC.Issuer, "aud": clientID, "iat": w.clock.Unix(), "exp": w.clock.Add(2 * time.Minute).Unix(), "jti": "jti-1", "sub": "ana-1", "sid": "session-7",
		"events": map[string]any{logoutEvent: map[string]any{}}}
	for i := 0; i < len(pairs); i += 2 {
		c[pairs[i].(string)] = pairs[i+1]
		if pairs[i+1] == nil {
			delete(c, pairs[i].(string))
		}
	}
	return c
}

func (w *world) logoutToken(typ any, pairs ...any) string {
	header := map[string]any{"kid": "key-1"}
	if typ != nil {
		header["typ"] = typ
	}
	return sign(rsaOne(), "RS256", header, w.logoutClaims(pairs...))
}

func TestLogoutTokenEndsASession(t *testing.T) {
	w := newWorld(t, account.KindGeneric)
	for _, typ := range []any{"logout+jwt", "JWT", nil, "application/logout+jwt"} {
		l, err := w.rp.Logout(t.Context(), w.c, w.s, w.logoutToken(typ))
		if err != nil || l.Subject != "ana-1" || l.Session != "session-7" || l.JTI != "jti-1" || !l.IssuedAt.Equal(w.clock) || !l.Until.Equal(w.clock.Add(2*time.Minute)) {
			t.Errorf("typ %v: %+v, %v", typ, l, err)
		}
	}
	l, err := w.rp.Logout(t.Context(), w.c, w.s, w.logoutToken("logout+jwt", "sub", nil, "exp", w.clock.Add(10*time.Hour).Unix()))
	if err != nil || l.Subject != "" || l.Session != "session-7" || l.Until.Sub(w.clock) > 12*time.Minute {
		t.Errorf("%+v, %v", l, err)
	}
	l, err = w.rp.Logout(t.Context(), w.c, w.s, w.logoutToken("logout+jwt", "sid", nil))
	if err != nil || l.Subject != "ana-1" || l.Session != "" {
		t.Errorf("%+v, %v", l, err)
	}
	e := newWorld(t, account.KindEntra)
	if l, err = e.rp.Logout(t.Context(), e.c, e.s, e.logoutToken("logout+jwt", "oid", "0B1D-ana", "sid", nil)); err != nil || l.Subject != tenantID+"/0b1d-ana" {
		t.Errorf("%+v, %v", l, err)
	}
	if _, err = e.rp.Logout(t.Context(), e.c, e.s, e.logoutToken("logout+jwt", "sid", nil)); account.KindOf(err) != account.Invalid {
		t.Error("Entra's pairwise sub names nobody here", err)
	}
}

// THREAT OIDC-T8
// THREAT OIDC-T3
// INTEROP logout tokens: sid, sub, events, no nonce, jti
func TestLogoutTokensAreChecked(t *testing.T) {
	w := newWorld(t, account.KindGeneric)
	for name, tc := range map[string]struct{ token, code string }{
		"ID token":         {w.token(), "claims"},
		"nonce":            {w.logoutToken("logout+jwt", "nonce", "n"), "claims"},
		"empty nonce":      {w.logoutToken("logout+jwt", "nonce", ""), "claims"},
		"no event":         {w.logoutToken("logout+jwt", "events", map[string]any{}), "claims"},
		"event no object":  {w.logoutToken("logout+jwt", "events", map[string]any{logoutEvent: true}), "event"},
		"event null":       {w.logoutToken("logout+jwt", "events", map[string]any{logoutEvent: nil}), "event"},
		"events a list":    {w.logoutToken("logout+jwt", "events", []any{logoutEvent}), "claims"},
		"no jti":           {w.logoutToken("logout+jwt", "jti", nil), "claims"},
		"long jti":         {w.logoutToken("logout+jwt", "jti", strings.Repeat("x", 256)), "jti"},
		"nobody":           {w.logoutToken("logout+jwt", "sub", nil, "sid", nil), "claims"},
		"other issuer":     {w.logoutToken("logout+jwt", "iss", "https://evil.example"), "claims"},
		"other audience":   {w.logoutToken("logout+jwt", "aud", "client-2"), "claims"},
		"azp of another":   {w.logoutToken("logout+jwt", "azp", "client-2"), "audience"},
		"expired":          {w.logoutToken("logout+jwt", "exp", w.clock.Add(-time.Second).Unix()), "claims"},
		"no exp":           {w.logoutToken("logout+jwt", "exp", nil), "claims"},
		"no iat":           {w.logoutToken("logout+jwt", "iat", nil), "times"},
		"old":              {w.logoutToken("logout+jwt", "iat", w.clock.Add(-11*time.Minute).Unix()), "times"},
		"from the future":  {w.logoutToken("logout+jwt", "iat", w.clock.Add(2*time.Minute).Unix()), "times"},
		"typ at+jwt":       {w.logoutToken("at+jwt"), "type"},
		"typ secevent":     {w.logoutToken("secevent+jwt"), "type"},
		"forged":           {sign(rsaTwo(), "RS256", map[string]any{"kid": "key-1"}, w.logoutClaims()), "signature"},
		"unknown key":      {sign(rsaTwo(), "RS256", map[string]any{"kid": "ghost"}, w.logoutClaims()), "signature"},
		"HS256":            {sign([]byte(strings.Repeat("k", 32)), "HS256", map[string]any{"kid": "key-1"}, w.logoutClaims()), "algorithm"},
		"none":             {"eyJhbGciOiJub25lIn0." + strict.RawURL.EncodeToString([]byte(`{}`)) + ".", "algorithm"},
		"not a token":      {"hello", "form"},
		"nothing":          {"", "form"},
		"too long":         {strings.Repeat("x", maxIDToken+1), "form"},
		"session id of AD": {w.logoutToken("logout+jwt", "sub", nil, "sid", "S-1-5-21"), "subject"},
	} {
		_, err := w.rp.Logout(t.Context(), w.c, w.s, tc.token)
		var e *account.Error
		if !errors.As(err, &e) || e.Code != "logout_"+tc.code || e.Kind != account.Invalid {
			t.Errorf("%s: %v", name, err)
		}
	}
	w.rp = w.newRP(Options{})
	w.handle["/jwks"] = func(rw http.ResponseWriter, _ *http.Request) { rw.WriteHeader(503) }
	if _, err := w.rp.Logout(t.Context(), w.c, w.s, w.logoutToken("logout+jwt")); account.KindOf(err) != account.Unavailable {
		t.Errorf("keys down: %v", err)
	}
}

// INTEROP no end_session support
func TestEndSession(t *testing.T) {
	w := newWorld(t, account.KindGeneric)
	to, ok := w.rp.EndSession(t.Context(), *w.s.OIDC, account.NewSecret("a.b.c"), "https://door.example/bye", "st&te")
	u := must(url.Parse(to))
	q := u.Query()
	if !ok || u.Path != "/logout" || q.Get("a") != "1" || q.Get("id_token_hint") != "a.b.c" || q.Get("client_id") != clientID || q.Get("post_logout_redirect_uri") != "https://door.example/bye" || q.Get("state") != "st&te" {
		t.Error(to, ok)
	}
	if to, _ = w.rp.EndSession(t.Context(), *w.s.OIDC, account.NewSecret(strings.Repeat("x", 7000)), "", ""); strings.Contains(to, "hint") || strings.Contains(to, "state") {
		t.Error("a hint that is too long for a URL")
	}
	delete(w.doc, "end_session_endpoint")
	w.rp = w.newRP(Options{})
	if to, ok := w.rp.EndSession(t.Context(), *w.s.OIDC, account.Secret{}, "", ""); ok || to != "" {
		t.Error(to)
	}
	w.handle["/.well-known/openid-configuration"] = func(rw http.ResponseWriter, _ *http.Request) { rw.WriteHeader(503) }
	w.rp = w.newRP(Options{})
	if _, ok := w.rp.EndSession(t.Context(), *w.s.OIDC, account.Secret{}, "", ""); ok {
		t.Error("the provider is down")
	}
}
