package oidc

import (
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/drawbridge-id/drawbridge/account"
	"github.com/drawbridge-id/drawbridge/egress"
)

// REQ K-11: given an issuer, discovery fills in the endpoints.
func TestDiscoverFillsEndpoints(t *testing.T) {
	w := newWorld(t, account.KindGeneric)
	w.doc["token_endpoint_auth_methods_supported"] = []any{"client_secret_post"}
	w.doc["id_token_signing_alg_values_supported"] = []any{"RS256", "ES256"}
	w.doc["scopes_supported"], w.doc["backchannel_logout_supported"] = []any{"openid", "groups"}, true
	w.keys = []key{keyOne(), keyTwo()}
	d, err := w.rp.Discover(t.Context(), w.s.OIDC.Issuer)
	if err != nil {
		t.Fatal(err)
	}
	if d.Issuer != w.s.OIDC.Issuer || d.TokenEndpoint != w.srv.URL+"/token" || d.JWKSURL != w.srv.URL+"/jwks" || d.UserinfoEndpoint == "" || !d.BackchannelLogout || d.IssParameter {
		t.Errorf("%+v", d)
	}
	wants(t, "methods", d.AuthMethods, []string{"client_secret_post"})
	wants(t, "algorithms", d.Algorithms, []string{"RS256", "ES256"})
	wants(t, "keys", d.KeyIDs, []string{"key-1", "key-2"})
}

// REQ K-11: or shows the exact failure.
// THREAT OIDC-S1
// INTEROP issuer with or without slash; OneLogin's ends in /oidc/2
func TestDiscoverSaysExactlyWhatIsWrong(t *testing.T) {
	answer := func(body string) func(*world) {
		return func(w *world) {
			w.handle["/.well-known/openid-configuration"] = func(rw http.ResponseWriter, _ *http.Request) {
				_, _ = io.WriteString(rw, body)
			}
		}
	}
	doc := func(member string, value any) func(*world) {
		return func(w *world) { w.doc[member] = value }
	}
	for name, tc := range map[string]struct {
		change     func(*world)
		code, says string
	}{
		"status": {func(w *world) {
			w.handle["/.well-known/openid-configuration"] = func(rw http.ResponseWriter, _ *http.Request) { rw.WriteHeader(502) }
		}, "discovery_status", "502 Bad Gateway"},
		"redirect": {func(w *world) {
			w.handle["/.well-known/openid-configuration"] = func(rw http.ResponseWriter, r *http.Request) {
				http.Redirect(rw, r, "http://169.254.169.254/", 302)
			}
		}, "redirect_refused", "169.254.169.254"},
		"web page":          {answer("<html><body>Sign in"), "discovery_document", "web page"},
		"a list":            {answer("[]"), "discovery_document", ""},
		"member twice":      {answer(`{"issuer":"a","issuer":"b"}`), "discovery_document", ""},
		"nested deeply":     {answer(`{"a":` + strings.Repeat("[", 100) + strings.Repeat("]", 100) + `}`), "discovery_document", ""},
		"too long":          {answer(`{"a":"` + strings.Repeat("x", maxDiscovery) + `"}`), "answer_too_large", ""},
		"trailing slash":    {func(w *world) { w.doc["issuer"] = w.s.OIDC.Issuer + "/" }, "issuer_mismatch", "trailing slash"},
		"other issuer":      {doc("issuer", "https://idp.acme.example/oidc/2"), "issuer_mismatch", "https://idp.acme.example/oidc/2"},
		"no issuer":         {doc("issuer", nil), "issuer_mismatch", ""},
		"template":          {doc("issuer", "https://login.microsoftonline.com/{tenantid}/v2.0"), "issuer_mismatch", "directory (tenant) id"},
		"no token endpoint": {doc("token_endpoint", nil), "endpoint_missing", "token_endpoint"},
		"no keys":           {doc("jwks_uri", ""), "endpoint_missing", "jwks_uri"},
		"javascript":        {doc("authorization_endpoint", "javascript:alert(1)"), "endpoint_refused", "authorization_endpoint"},
		"file":              {doc("jwks_uri", "file:///etc/passwd"), "endpoint_refused", "jwks_uri"},
		"relative":          {doc("token_endpoint", "/token"), "endpoint_refused", "token_endpoint"},
		"user info":         {doc("userinfo_endpoint", "https://a:b@idp.example/"), "endpoint_refused", "userinfo_endpoint"},
		"fragment":          {doc("end_session_endpoint", "https://idp.example/#x"), "endpoint_refused", "end_session_endpoint"},
		"keys down": {func(w *world) {
			w.handle["/jwks"] = func(rw http.ResponseWriter, _ *http.Request) { rw.WriteHeader(404) }
		}, "jwks_status", "404"},
		"no keys in the set": {func(w *world) { w.keys = nil }, "jwks_empty", ""},
		"only encryption keys": {func(w *world) {
			w.jwks = func() any { return map[string]any{"keys": []any{map[string]any{"kty": "RSA", "use": "enc"}}} }
		}, "jwks_empty", ""},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, account.KindGeneric)
			tc.change(w)
			_, err := w.rp.Discover(t.Context(), w.s.OIDC.Issuer)
			var e *account.Error
			if !errors.As(err, &e) || e.Code != tc.code || !strings.Contains(e.Message+e.Help, tc.says) {
				t.Errorf("%v, code %q, want %s", err, e.Code, tc.code)
			}
			if strings.Contains(err.Error(), "<html>") {
				t.Error("the body is quoted")
			}
		})
	}
	w := newWorld(t, account.KindGeneric)
	issuer := w.s.OIDC.Issuer + "/" // real providers have it either way: the document decides
	w.doc["issuer"] = issuer
	if _, err := w.rp.Discover(t.Context(), issuer); err != nil {
		t.Error(err)
	}
	for bad, code := range map[string]string{"": "issuer_url", "acme.okta.com": "issuer_url", "ftp://x": "issuer_url", "https://x/?a": "issuer_url", "https://x/#a": "issuer_url", "https://u:p@x/": "issuer_url",
		"https://x/.well-known/openid-configuration": "issuer_url", "https://127.0.0.1:1": "connect_failed"} {
		var e *account.Error
		if _, err := w.rp.Discover(t.Context(), bad); !errors.As(err, &e) || e.Code != code {
			t.Errorf("%q: %v", bad, err)
		}
	}
	// THREAT NET-1
	strict := New(Options{Client: egress.New(egress.Options{})})
	var e *account.Error
	if _, err := strict.Discover(t.Context(), w.srv.URL); !errors.As(err, &e) || e.Code != "address_refused" || !strings.Contains(e.Help, "egress.allow") {
		t.Error(err)
	}
}

// THREAT OIDC-S1
func TestAnHTTPSProviderHasNoPlainEndpoints(t *testing.T) {
	doc := object{"issuer": "https://idp.example", "authorization_endpoint": "https://idp.example/a", "token_endpoint": "http://idp.example/t", "jwks_uri": "https://idp.example/k"}
	var e *account.Error
	if _, err := readProvider(doc, "https://idp.example", ""); !errors.As(err, &e) || e.Code != "endpoint_refused" {
		t.Error(err)
	}
	doc["token_endpoint"] = "https://elsewhere.example/t" // other hosts are usual (Google)
	if _, err := readProvider(doc, "https://idp.example", ""); err != nil {
		t.Error(err)
	}
}

func TestDiscoveryIsRememberedAndRenewed(t *testing.T) {
	w := newWorld(t, account.KindGeneric)
	for range 5 {
		w.login()
	}
	if n := w.count("/.well-known/openid-configuration"); n != 1 {
		t.Errorf("%d fetches", n)
	}
	w.doc["token_endpoint"] = w.srv.URL + "/token-2"
	w.handle["/token-2"] = w.tokenEndpoint
	w.turn(61 * time.Minute)
	w.login()
	if w.count("/token-2") != 1 {
		t.Error("a moved endpoint is not found")
	}
}

func (w *world) tokenEndpoint(rw http.ResponseWriter, _ *http.Request) {
	says(200, map[string]any{"access_token": "access-1", "token_type": "Bearer", "id_token": w.token()})(rw, nil)
}

func TestSettingsAreCheckedWithPointers(t *testing.T) {
	good := func() account.OIDCSettings {
		return account.OIDCSettings{Issuer: "https://idp.acme.example", ClientID: "c"}
	}
	for pointer, change := range map[string]func(*account.OIDCSettings){
		"/oidc/issuer":           func(s *account.OIDCSettings) { s.Issuer = "" },
		"/oidc/client_id":        func(s *account.OIDCSettings) { s.ClientID = "" },
		"/oidc/auth_method":      func(s *account.OIDCSettings) { s.AuthMethod = "client_secret_jwt" },
		"/oidc/response_mode":    func(s *account.OIDCSettings) { s.ResponseMode = "fragment" },
		"/oidc/userinfo":         func(s *account.OIDCSettings) { s.Userinfo = "sometimes" },
		"/oidc/algorithms/1":     func(s *account.OIDCSettings) { s.Algorithms = []string{"RS256", "HS256"} },
		"/oidc/graph/on_failure": func(s *account.OIDCSettings) { s.Graph = &account.GraphSettings{OnFailure: "strip"} },
	} {
		s := good()
		if err := Check(s, account.KindGeneric); err != nil {
			t.Fatal(err)
		}
		change(&s)
		var e *account.Error
		if err := Check(s, account.KindGeneric); !errors.As(err, &e) || e.Pointer != pointer {
			t.Errorf("%s: %v", pointer, err)
		}
	}
	s := good()
	var e *account.Error
	if err := Check(s, account.KindEntra); !errors.As(err, &e) || e.Pointer != "/oidc/entra_tenant" {
		t.Error(err)
	}
}
