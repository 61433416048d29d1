package oidc

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/drawbridge-id/drawbridge/account"
)

func TestAnaWalksIn(t *testing.T) {
	w := newWorld(t, account.KindGeneric)
	w.set("sid", "session-7", "auth_time", w.clock.Add(-time.Minute).Unix(), "amr", []any{"pwd", "mfa"}, "acr", "gold")
	j := w.judge()
	w.sane(j)
	l := j.Login
	if l == nil {
		t.Fatal(j.Refusal, j.Refusal.Unwrap())
	}
	if l.Connection != "con_1" || l.Subject != "ana-1" || l.Email != "ana.ruiz@acme.example" || l.EmailVerified != account.VerifiedYes || l.Name != "Ana Ruiz" ||
		l.ProviderSession != "session-7" || !l.AuthenticatedAt.Equal(w.clock.Add(-time.Minute)) || !l.ReplayUntil.Equal(w.clock.Add(time.Hour)) || l.IDToken.IsZero() {
		t.Errorf("%+v", l)
	}
	wants(t, "groups", l.Groups.Values, []string{"eng", "ops"})
	wants(t, "methods", l.Methods, []string{"pwd", "mfa", "gold"})
	if l.Groups.State != account.GroupsComplete || l.Groups.Source != "id_token" {
		t.Errorf("%+v", l.Groups)
	}
	wants(t, "warnings", codes(j, account.Warn), nil)
	order := []account.Step{account.StepRequest, account.StepResponse, account.StepSignature, account.StepTimes, account.StepAudience, account.StepIdentity, account.StepGroups}
	last := 0
	for _, c := range j.Checks {
		if at := slices.Index(order, c.Step); at < last {
			t.Errorf("check %s of step %s comes too late", c.Code, c.Step)
		} else {
			last = at
		}
	}
	if !strings.Contains(j.Raw, `"email": "Ana.Ruiz@acme.example"`) || strings.Contains(j.Raw, "not verified") || len(j.Claims) < 8 {
		t.Errorf("raw: %s", j.Raw)
	}
	if w.sent.Get("code_verifier") != strings.Repeat("v", 43) || w.sent.Get("redirect_uri") != w.cb.RedirectURI || w.count("/userinfo") != 0 {
		t.Errorf("token request: %v", w.sent)
	}
}

// THREAT OIDC-F6
// THREAT OIDC-F4
func TestStartAsksForACodeWithPKCEAndNonce(t *testing.T) {
	w := newWorld(t, account.KindGoogle)
	w.s.OIDC.ACRValues, w.s.OIDC.MaxAge, w.s.OIDC.ResponseMode, w.s.OIDC.Scopes = []string{"a", "b"}, time.Hour, "form_post", []string{"openid", "email", "groups"}
	r := Request{State: strings.Repeat("s", 22), Nonce: strings.Repeat("n", 22), Verifier: account.NewSecret("dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk"), RedirectURI: "https://door.example/cb", LoginHint: "ana@acme.example", ForceLogin: true}
	to, issuer, err := w.rp.Start(context.Background(), *w.s.OIDC, w.s.Kind, r)
	if err != nil || issuer != w.s.OIDC.Issuer {
		t.Fatal(issuer, err)
	}
	u := must(url.Parse(to))
	for name, want := range map[string]string{
		"response_type": "code", "client_id": clientID, "redirect_uri": r.RedirectURI, "scope": "openid email groups", "state": r.State, "nonce": r.Nonce,
		"code_challenge_method": "S256", "code_challenge": "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM", // RFC 7636 appendix B
		"response_mode": "form_post", "acr_values": "a b", "max_age": "3600", "prompt": "login", "login_hint": r.LoginHint, "hd": "acme.example",
	} {
		if got := u.Query().Get(name); got != want {
			t.Errorf("%s: %q, want %q", name, got, want)
		}
	}
	if strings.Contains(to, r.Verifier.Reveal()) {
		t.Error("the verifier stays here")
	}
	for _, weak := range []Request{{}, {State: "short", Nonce: r.Nonce, Verifier: r.Verifier, RedirectURI: r.RedirectURI}, {State: r.State, Nonce: r.Nonce, RedirectURI: r.RedirectURI}} {
		if _, _, err := w.rp.Start(context.Background(), *w.s.OIDC, w.s.Kind, weak); account.KindOf(err) != account.Invalid {
			t.Errorf("%+v: %v", weak, err)
		}
	}
}

// THREAT OIDC-F2
func TestCallbackForms(t *testing.T) {
	for _, tc := range []struct {
		name   string
		change func(*world)
		code   string
	}{
		{"state twice", func(w *world) { w.cb.Values.Add("state", "x") }, "parameter_repeated"},
		{"code twice", func(w *world) { w.cb.Values.Add("code", "x") }, "parameter_repeated"},
		{"iss twice", func(w *world) { w.cb.Values["iss"] = []string{w.s.OIDC.Issuer, w.s.OIDC.Issuer} }, "parameter_repeated"},
		{"ID token through the browser", func(w *world) { w.cb.Values.Set("id_token", "x.y.z") }, "front_channel_token"},
		{"access token through the browser", func(w *world) { w.cb.Values.Set("access_token", "x") }, "front_channel_token"},
		{"error wins over code", func(w *world) { w.cb.Values.Set("error", "access_denied") }, "provider_error"},
		{"empty error", func(w *world) { w.cb.Values.Set("error", "") }, "provider_error"},
		{"no code", func(w *world) { w.cb.Values.Del("code") }, "code_missing"},
		{"huge code", func(w *world) { w.cb.Values.Set("code", strings.Repeat("x", 9000)) }, "code_size"},
		{"no state", func(w *world) { w.cb.Values.Del("state") }, "state_missing"},
		{"GET where a form was asked for", func(w *world) { w.s.OIDC.ResponseMode, w.cb.Method = "form_post", "GET" }, "response_mode"},
		{"form where a query was asked for", func(w *world) { w.cb.Method = "POST" }, "response_mode"},
		{"JARM", func(w *world) { w.cb.Values = url.Values{"state": w.cb.Values["state"], "response": {"x.y.z"}} }, "code_missing"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			w := newWorld(t, account.KindGeneric)
			tc.change(w)
			w.refused(tc.code)
			if w.count("/token") != 0 {
				t.Error("the code went out")
			}
		})
	}
	w := newWorld(t, account.KindGeneric)
	w.cb.Method = "GET"
	w.login()
	w.s.OIDC.ResponseMode, w.cb.Method = "form_post", "POST"
	w.login()
}

// THREAT OIDC-F5
func TestAnswerOfAnotherProviderIsRefusedBeforeTheCodeIsSent(t *testing.T) {
	w := newWorld(t, account.KindGeneric)
	w.cb.Values.Set("iss", "https://evil.example")
	w.refused("iss_parameter")
	w.cb.Values.Set("error", "access_denied")
	w.refused("iss_parameter")
	w.cb.Values.Del("error")
	w.cb.Values.Set("iss", w.s.OIDC.Issuer+"/")
	w.refused("iss_parameter")
	w.cb.Values.Set("iss", "")
	w.refused("iss_parameter")
	if w.count("/token") != 0 {
		t.Error("the code went out")
	}
	w.cb.Values.Set("iss", w.s.OIDC.Issuer)
	w.login()

	w = newWorld(t, account.KindGeneric)
	w.doc["authorization_response_iss_parameter_supported"] = true
	w.refused("iss_parameter")
	if w.count("/token") != 0 {
		t.Error("the code went out without the announced iss")
	}
	w.cb.Values.Set("iss", w.s.OIDC.Issuer)
	w.login()
}

// THREAT OIDC-X1
// THREAT OIDC-F3
func TestFlowBelongsToTheConnection(t *testing.T) {
	for _, tc := range []struct {
		change func(*world)
		code   string
	}{
		{func(w *world) { w.cb.Flow.Connection = "con_2" }, "flow_connection"},
		{func(w *world) { w.cb.Flow.Issuer = "https://old.example" }, "flow_issuer"},
		{func(w *world) { w.cb.Flow.Nonce = "" }, "flow_incomplete"},
		{func(w *world) { w.cb.Flow.Verifier = account.Secret{} }, "flow_incomplete"},
		{func(w *world) { w.cb.Flow.ExpiresAt = w.clock.Add(-time.Second) }, "flow_expired"},
		{func(w *world) { w.s.OIDC = nil }, "settings"},
		{func(w *world) { w.s.OIDC.ClientID = "" }, "settings"},
	} {
		w := newWorld(t, account.KindGeneric)
		tc.change(w)
		w.refused(tc.code)
		if w.count("/token") != 0 {
			t.Error("the code went out")
		}
	}
}

func TestProviderErrorsSayWhatToDo(t *testing.T) {
	w := newWorld(t, account.KindEntra)
	w.cb.Values.Set("error", "access_denied")
	w.cb.Values.Set("error_description", "AADSTS50105: The signed in user is not assigned\x00\u202e to a role")
	r := w.refused("provider_error")
	if !strings.Contains(r.Hint[account.KindEntra], "Users and groups") || !strings.Contains(r.Hint[account.KindOkta], "Assignments") || strings.ContainsAny(r.Received, "\x00\u202e") {
		t.Errorf("%+v", r)
	}
	w.cb.Values.Set("error_description", "AADSTS7000222: The provided client secret keys are expired")
	if r := w.refused("provider_error"); !strings.Contains(r.Hint[account.KindEntra], "expired") {
		t.Errorf("%+v", r)
	}
}

// THREAT OIDC-F1
func TestTokenEndpointMisbehaves(t *testing.T) {
	body := func(status int, contentType, body string) http.HandlerFunc {
		return func(rw http.ResponseWriter, _ *http.Request) {
			rw.Header().Set("Content-Type", contentType)
			rw.WriteHeader(status)
			_, _ = io.WriteString(rw, body)
		}
	}
	for _, tc := range []struct {
		name   string
		answer http.HandlerFunc
		code   string
	}{
		{"HTML with 200", body(200, "text/html", "<html>access_token=access-1</html>"), "token_endpoint"},
		{"form instead of JSON", body(200, "application/x-www-form-urlencoded", "access_token=access-1&id_token=x"), "token_endpoint"},
		{"error with 200", body(200, "application/json", `{"error":"server_error"}`), "token_endpoint"},
		{"error page", body(500, "text/html", "<html>s3cret-of-the-client</html>"), "token_endpoint"},
		{"invalid_grant", body(400, "application/json", `{"error":"invalid_grant","error_description":"code the-code-0123456789 expired"}`), "code_refused"},
		{"invalid_client", body(401, "application/json", `{"error":"invalid_client","error_description":"AADSTS7000215: s3cret-of-the-client is wrong"}`), "client_refused"},
		{"list", body(200, "application/json", `[1]`), "token_endpoint"},
		{"nested deeply", body(200, "application/json", `{"a":`+strings.Repeat("[", 70)+strings.Repeat("]", 70)+`}`), "token_endpoint"},
		{"too long", body(200, "application/json", `{"access_token":"a","x":"`+strings.Repeat("x", 1<<20)+`"}`), "token_endpoint"},
		{"redirect", func(rw http.ResponseWriter, r *http.Request) { http.Redirect(rw, r, "/elsewhere", 307) }, "token_endpoint"},
		{"no access token", body(200, "application/json", `{"id_token":"x"}`), "token_endpoint"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			w := newWorld(t, account.KindGeneric)
			w.handle["/token"] = tc.answer
			r := w.refused(tc.code)
			if w.count("/token") != 1 {
				t.Errorf("the code went out %d times", w.count("/token"))
			}
			if strings.Contains(r.Received, "<html>") {
				t.Errorf("the body is quoted: %s", r.Received)
			}
		})
	}
	w := newWorld(t, account.KindGeneric)
	w.answer["id_token"] = nil
	w.refused("id_token_missing")
	w.answer = map[string]any{"id_token": 7}
	w.refused("id_token_missing")
	w.answer = map[string]any{"token_type": "mac"}
	w.refused("token_type")
	w.answer = map[string]any{"token_type": "bEaReR", "unknown": map[string]any{"x": 1}, "expires_in": "300"}
	w.login()
	w.handle["/token"] = func(rw http.ResponseWriter, _ *http.Request) { // JSON under a wrong label
		rw.Header().Set("Content-Type", "text/plain")
		_ = json.NewEncoder(rw).Encode(map[string]any{"access_token": "access-1", "token_type": "Bearer", "id_token": w.token()})
	}
	w.login()
}

// THREAT OIDC-F1: the secret goes by one method, whichever the provider answers.
// INTEROP Okta honours one method only
func TestClientAuthenticationByOneMethod(t *testing.T) {
	basic := "Basic " + base64.StdEncoding.EncodeToString([]byte(clientID+":s3cret-of-the-client"))
	for _, tc := range []struct {
		setting   string
		announced []any
		header    bool
	}{
		{"", nil, true},
		{"", []any{"client_secret_basic", "client_secret_post"}, true},
		{"", []any{"client_secret_post"}, false},
		{"", []any{"client_secret_post", "private_key_jwt", "client_secret_basic"}, true},
		{"", []any{"private_key_jwt", "tls_client_auth"}, true},
		{"client_secret_post", []any{"client_secret_basic"}, false},
		{"client_secret_basic", []any{"client_secret_post"}, true},
	} {
		w := newWorld(t, account.KindGeneric)
		w.s.OIDC.AuthMethod = tc.setting
		if tc.announced != nil {
			w.doc["token_endpoint_auth_methods_supported"] = tc.announced
		}
		w.login()
		if (w.auth == basic) != tc.header || w.sent.Has("client_secret") == tc.header || w.sent.Has("client_id") == tc.header {
			t.Errorf("%+v: header %q, body %v", tc, w.auth, w.sent)
		}
	}
	w := newWorld(t, account.KindGeneric) // a public client
	w.s.OIDC.ClientSecret = account.Secret{}
	w.login()
	if w.auth != "" || w.sent.Has("client_secret") || w.sent.Get("client_id") != clientID {
		t.Errorf("public client: %q %v", w.auth, w.sent)
	}
}

// INTEROP some orgs announce basic and refuse it: the next sign-in goes the other way, and what worked is remembered
func TestMethodThatWorkedIsRemembered(t *testing.T) {
	w := newWorld(t, account.KindOkta)
	w.doc["token_endpoint_auth_methods_supported"] = []any{"client_secret_basic", "client_secret_post"}
	w.handle["/token"] = func(rw http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Authorization") != "" {
			rw.WriteHeader(401)
			_, _ = io.WriteString(rw, `{"error":"invalid_client"}`)
			return
		}
		_ = json.NewEncoder(rw).Encode(map[string]any{"access_token": "access-1", "token_type": "Bearer", "id_token": w.token()})
	}
	w.refused("client_refused")
	w.login()
	w.login()
	if w.count("/token") != 3 {
		t.Errorf("%d token requests for 3 codes", w.count("/token"))
	}
}
