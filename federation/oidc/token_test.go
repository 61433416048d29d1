package oidc

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/drawbridge-id/drawbridge/account"
	"github.com/drawbridge-id/drawbridge/published"
)

// THREAT OIDC-T1
func TestOddButLegalTokensAreAccepted(t *testing.T) {
	for name, change := range map[string]func(*world){
		"no typ":               func(w *world) { w.header = map[string]any{"typ": nil} },
		"typ jwt":              func(w *world) { w.header = map[string]any{"typ": "jwt"} },
		"odd typ":              func(w *world) { w.header = map[string]any{"typ": "ID"} },
		"unknown header":       func(w *world) { w.header = map[string]any{"x-corp": []any{1, "a"}} },
		"unknown claims":       func(w *world) { w.set("x", map[string]any{"y": []any{nil, 1.5, true}}, "typ", "ID", "ver", 2) },
		"audience list of one": func(w *world) { w.set("aud", []any{clientID}) },
		"two audiences, azp":   func(w *world) { w.set("aud", []any{"other", clientID}, "azp", clientID) },
		"fractional times":     func(w *world) { w.set("iat", float64(w.clock.Unix())+0.25, "exp", float64(w.clock.Unix())+300.75) },
		"large numbers": func(w *world) {
			w.idToken = func() string {
				return sign(rsaOne(), "RS256", map[string]any{"kid": "key-1"}, w.with("big", json.Number("123456789012345678901234567890")))
			}
		},
		"white space and order": func(w *world) {
			w.idToken = func() string {
				return signBytes(rsaOne(), "RS256", map[string]any{"kid": "key-1"}, append([]byte(" \n"), must(json.MarshalIndent(w.claims, " ", "\t"))...))
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, account.KindGeneric)
			change(w)
			w.login()
		})
	}
}

func (w *world) with(name string, v any) map[string]any {
	out := map[string]any{name: v}
	for k, v := range w.claims {
		if _, has := out[k]; !has {
			out[k] = v
		}
	}
	return out
}

// THREAT OIDC-T2
func TestEveryAsymmetricAlgorithmAndNoOther(t *testing.T) {
	w := newWorld(t, account.KindGeneric)
	w.keys = everyKey()
	for alg, k := range map[string]int{"RS256": 0, "RS384": 0, "RS512": 0, "PS256": 0, "PS384": 0, "PS512": 0, "ES256": 1, "ES384": 2, "ES512": 3, "EdDSA": 4} {
		w.signer = w.keys[k]
		w.signer.alg = alg
		w.login()
	}
	pub := must(json.Marshal(keyOne().jwk()))
	unsigned := func(alg string) func() string {
		return func() string {
			e := base64.RawURLEncoding
			return e.EncodeToString([]byte(`{"alg":"`+alg+`","kid":"rs"}`)) + "." + e.EncodeToString(must(json.Marshal(w.claims))) + "."
		}
	}
	for name, mint := range map[string]func() string{
		"none": unsigned("none"), "None": unsigned("None"), "nOnE": unsigned("nOnE"), "NONE": unsigned("NONE"), "empty": unsigned(""),
		"unknown": unsigned("RS1"), "lower case": unsigned("rs256"),
		"HS256 with the public key": func() string { return sign(pub, "HS256", map[string]any{"kid": "rs"}, w.claims) },
		"HS512": func() string {
			return sign(bytes.Repeat([]byte("k"), 64), "HS512", map[string]any{"kid": "rs"}, w.claims)
		},
	} {
		w.idToken = mint
		t.Run(name, func(t *testing.T) { w.t = t; w.refused("algorithm") })
	}
	w.t, w.idToken = t, nil

	// The list is cut down by the connection and by what discovery announces.
	w.signer = key{"es256", "ES256", ecOne()}
	w.s.OIDC.Algorithms = []string{"RS256"}
	w.refused("algorithm")
	w.s.OIDC.Algorithms = nil
	w.doc["id_token_signing_alg_values_supported"] = []any{"RS256", "HS256", "none"}
	w.rp = w.newRP(Options{})
	if r := w.refused("algorithm"); r.Expected != "RS256" {
		t.Errorf("expected %q", r.Expected)
	}
	w.signer = key{"rs", "RS256", rsaOne()}
	w.login()

	// The key's type fixes the family: an RSA key never checks an EC signature under its id.
	w.doc["id_token_signing_alg_values_supported"] = nil
	w.rp = w.newRP(Options{})
	w.signer = key{"rs", "ES256", ecOne()}
	w.refused("key_mismatch")
	w.signer = key{"es384", "ES256", ecOne()} // and the curve the algorithm
	w.refused("key_mismatch")
}

// THREAT OIDC-T3
func TestForgedAndMalformedTokensAreRefused(t *testing.T) {
	w := newWorld(t, account.KindGeneric)
	good := w.token()
	parts := strings.Split(good, ".")
	other := w.with("sub", "mallory")
	otherPayload := base64.RawURLEncoding.EncodeToString(must(json.Marshal(other)))
	for name, tc := range map[string]struct{ token, code string }{
		"changed payload":   {parts[0] + "." + otherPayload + "." + parts[2], "signature"},
		"other key":         {sign(rsaTwo(), "RS256", map[string]any{"kid": "key-1"}, w.claims), "signature"},
		"no signature":      {parts[0] + "." + parts[1] + ".", "signature"},
		"cut signature":     {good[:len(good)-2], "signature"},
		"two parts":         {parts[0] + "." + parts[1], "token_form"},
		"four parts":        {good + ".x", "token_form"},
		"five parts (JWE)":  {good + ".x.y", "token_form"},
		"JSON form":         {fmt.Sprintf(`{"payload":%q,"protected":%q,"signature":%q}`, parts[1], parts[0], parts[2]), "token_form"},
		"JSON form, spaces": {fmt.Sprintf(" \n{\"payload\":%q,\"signatures\":[{\"protected\":%q,\"signature\":%q}]}", parts[1], parts[0], parts[2]), "token_form"},
		"padding":           {parts[0] + "=." + parts[1] + "." + parts[2], "token_form"},
		"not base64":        {"!!!." + parts[1] + "." + parts[2], "token_form"},
		"header a list":     {base64.RawURLEncoding.EncodeToString([]byte(`["RS256"]`)) + "." + parts[1] + "." + parts[2], "token_form"},
		"header twice":      {base64.RawURLEncoding.EncodeToString([]byte(`{"alg":"RS256","alg":"none","kid":"key-1"}`)) + "." + parts[1] + "." + parts[2], "token_form"},
		"line end inside":   {parts[0] + "\n." + parts[1] + "." + parts[2], "token_form"},
		"loose last bits":   {good[:len(good)-1] + map[bool]string{true: "B", false: string(good[len(good)-1] + 1)}[good[len(good)-1] == 'A'], "token_form"},
		"empty parts":       {"..", "token_form"},
		"text":              {"hello", "token_form"},
	} {
		t.Run(name, func(t *testing.T) {
			w.t, w.idToken = t, func() string { return tc.token }
			w.refused(tc.code)
		})
	}
	w.t = t
	w.idToken = func() string {
		return signBytes(rsaOne(), "RS256", map[string]any{"kid": "key-1"}, []byte(`{"sub":"ana-1","sub":"mallory"}`))
	}
	w.refused("token_claims")
}

// THREAT OIDC-T3: what could not be verified is shown as such and counts for nothing.
func TestUnverifiedClaimsAreNeverClaims(t *testing.T) {
	w := newWorld(t, account.KindGeneric)
	w.signer.private = rsaTwo()
	j := w.judge()
	if j.Refusal == nil || len(j.Claims) != 0 || !strings.Contains(j.Raw, "not verified") || !strings.Contains(j.Raw, "Ana Ruiz") {
		t.Errorf("%v %v\n%s", j.Refusal, j.Claims, j.Raw)
	}
}

// THREAT OIDC-T4
func TestIssuerAudienceAndParty(t *testing.T) {
	for name, tc := range map[string]struct {
		claim string
		value any
		code  string
	}{
		"issuer with slash":        {"iss", "+/", "issuer"},
		"issuer in capitals":       {"iss", "HTTP", "issuer"},
		"foreign issuer":           {"iss", "https://evil.example", "issuer"},
		"no issuer":                {"iss", nil, "issuer"},
		"issuer a list":            {"iss", []any{"x"}, ""},
		"foreign audience":         {"aud", "client-2", "audience"},
		"audience prefix":          {"aud", clientID + "0", "audience"},
		"no audience":              {"aud", nil, "audience"},
		"empty audience":           {"aud", []any{}, "audience"},
		"audience with a number":   {"aud", []any{clientID, 7}, "audience"},
		"second audience, no azp":  {"aud", []any{clientID, "client-2"}, "authorized_party"},
		"azp of another client":    {"azp", "client-2", "authorized_party"},
		"azp no text":              {"azp", 7, "authorized_party"},
		"azp empty":                {"azp", "", "authorized_party"},
		"azp in place of audience": {"aud", "x", "audience"},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, account.KindGeneric)
			switch tc.value {
			case "+/":
				tc.value = w.s.OIDC.Issuer + "/"
			case "HTTP":
				tc.value = strings.ToUpper(w.s.OIDC.Issuer)
			}
			w.set(tc.claim, tc.value)
			if j := w.judge(); j.Refusal == nil || tc.code != "" && j.Refusal.Code != tc.code {
				t.Errorf("got %v, want %s", j.Refusal, tc.code)
			}
		})
	}
}

// THREAT OIDC-T5
// INTEROP iat ahead of us
func TestTimes(t *testing.T) {
	at := func(d time.Duration) func(*world) any { return func(w *world) any { return w.clock.Add(d).Unix() } }
	is := func(v any) func(*world) any { return func(*world) any { return v } }
	for name, tc := range map[string]struct {
		claim string
		value func(*world) any
		code  string
	}{
		"expired":            {"exp", at(-time.Second), "expired"},
		"expires now":        {"exp", at(0), "expired"},
		"good for a second":  {"exp", at(time.Second), ""},
		"no exp":             {"exp", is(nil), "expiry_missing"},
		"exp text":           {"exp", is("1900000000"), "expiry_missing"},
		"exp huge":           {"exp", is(json.Number("1e30")), "expiry_missing"},
		"exp in 2 years":     {"exp", at(2 * 366 * 24 * time.Hour), "expiry_missing"},
		"exp negative":       {"exp", is(-1), "expiry_missing"},
		"exp a list":         {"exp", is([]any{1}), "expiry_missing"},
		"iat 60 s ahead":     {"iat", at(time.Minute), ""},
		"iat 61 s ahead":     {"iat", at(61 * time.Second), "issued_ahead"},
		"iat tomorrow":       {"iat", at(24 * time.Hour), "issued_ahead"},
		"iat behind":         {"iat", at(-50 * time.Minute), ""},
		"iat ten years old":  {"iat", at(-10 * 365 * 24 * time.Hour), "issued_long_ago"},
		"no iat":             {"iat", is(nil), "issued_missing"},
		"iat text":           {"iat", is("yesterday"), "issued_missing"},
		"nbf 60 s ahead":     {"nbf", at(time.Minute), ""},
		"nbf 61 s ahead":     {"nbf", at(61 * time.Second), "not_yet"},
		"nbf an hour ahead":  {"nbf", at(time.Hour), "not_yet"},
		"nbf text":           {"nbf", is("soon"), "not_yet"},
		"nbf in the past":    {"nbf", at(-time.Hour), ""},
		"auth_time unneeded": {"auth_time", is("odd"), ""},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, account.KindGeneric)
			w.set(tc.claim, tc.value(w))
			j := w.judge()
			w.sane(j)
			switch {
			case tc.code == "" && j.Login == nil:
				t.Errorf("refused: %v", j.Refusal)
			case tc.code != "" && (j.Refusal == nil || j.Refusal.Code != tc.code && j.Refusal.Code != "token_refused"):
				t.Errorf("got %v, want %s", j.Refusal, tc.code)
			}
		})
	}
	w := newWorld(t, account.KindGeneric)
	w.set("iat", w.clock.Add(4*time.Minute).Unix())
	w.refused("issued_ahead")
	w.rp = w.newRP(Options{Leeway: 5 * time.Minute})
	j := w.judge()
	if j.Login == nil || j.Skew != 4*time.Minute {
		t.Errorf("with five minutes of leeway: %v, skew %s", j.Refusal, j.Skew)
	}
	wants(t, "warnings", codes(j, account.Warn), []string{"clock"})
}

func TestMaxAgeIsChecked(t *testing.T) {
	w := newWorld(t, account.KindGeneric)
	w.s.OIDC.MaxAge = 5 * time.Minute
	w.refused("auth_time")
	w.set("auth_time", w.clock.Add(-7*time.Minute).Unix())
	w.refused("auth_time")
	w.set("auth_time", w.clock.Add(-4*time.Minute).Unix())
	w.login()
}

// THREAT OIDC-T6
func TestHashesTieTheTokenToItsAnswer(t *testing.T) {
	w := newWorld(t, account.KindGeneric)
	w.keys = everyKey()
	for alg, k := range map[string]int{"RS256": 0, "ES384": 2, "ES512": 3, "EdDSA": 4} {
		w.signer = w.keys[k]
		w.signer.alg = alg
		w.set("at_hash", halfHash(alg, "access-1"), "c_hash", halfHash(alg, "the-code-0123456789"), "s_hash", halfHash(alg, strings.Repeat("s", 22)))
		w.login()
		for _, claim := range []string{"at_hash", "c_hash", "s_hash"} {
			was := w.claims[claim]
			for _, wrong := range []any{halfHash(alg, "other"), "", 7} {
				w.set(claim, wrong)
				w.refused(claim)
			}
			w.set(claim, was)
		}
	}
	if halfHash("RS256", "jHkWEdUXMU1BwAsC4vtUsZwnNvTIxEl0z9K3vx5KF0Y") != "77QmUPtjPfzWtF2AnpK9RQ" { // OpenID Connect Core, appendix A.3
		t.Error("at_hash of the specification's example")
	}
}

// THREAT OIDC-T7
func TestKeysInTheTokenAreIgnored(t *testing.T) {
	fetched := 0
	w := newWorld(t, account.KindGeneric)
	w.handle["/evil"] = func(rw http.ResponseWriter, _ *http.Request) { fetched++ }
	evil := map[string]any{"jku": w.srv.URL + "/evil", "x5u": w.srv.URL + "/evil", "jwk": key{"key-1", "RS256", rsaTwo()}.jwk()}
	w.header = evil
	w.login() // signed by the right key: the headers change nothing
	w.signer.private = rsaTwo()
	w.refused("signature")
	w.signer = key{"evil-key", "RS256", rsaTwo()}
	w.refused("key_unknown")
	if fetched != 0 {
		t.Error("an address in the token was fetched")
	}
	w = newWorld(t, account.KindGeneric)
	for _, crit := range []any{[]any{"exp"}, []any{"b64"}, []any{}, "b64"} {
		w.header = map[string]any{"crit": crit, "b64": true}
		w.idToken = func() string {
			e := base64.RawURLEncoding
			h := e.EncodeToString(must(json.Marshal(map[string]any{"alg": "RS256", "kid": "key-1", "crit": crit})))
			return h + "." + strings.SplitN(sign(rsaOne(), "RS256", nil, w.claims), ".", 2)[1]
		}
		w.refused("token_critical")
	}
}

// THREAT OIDC-T8
func TestOtherKindsOfTokenAreRefused(t *testing.T) {
	for _, typ := range []any{"at+jwt", "application/at+jwt", "logout+jwt", "secevent+jwt", "LOGOUT+JWT", "dpop+jwt", 7} {
		w := newWorld(t, account.KindGeneric)
		w.idToken = func() string { return sign(rsaOne(), "RS256", map[string]any{"kid": "key-1", "typ": typ}, w.claims) }
		w.refused("token_type")
	}
	w := newWorld(t, account.KindGeneric)
	w.set("events", map[string]any{logoutEvent: map[string]any{}})
	w.refused("token_type")
	w.set("events", "x")
	w.refused("token_type")
}

// THREAT OIDC-F4
func TestNonceIsRequiredAndExact(t *testing.T) {
	w := newWorld(t, account.KindGeneric)
	for _, nonce := range []any{nil, "", "other", strings.Repeat("n", 21), strings.Repeat("n", 23), strings.Repeat("N", 22), []any{strings.Repeat("n", 22)}} {
		w.claims["nonce"] = strings.Repeat("n", 22)
		w.set("nonce", nonce)
		if j := w.judge(); j.Refusal == nil || j.Refusal.Code != "nonce" && j.Refusal.Code != "token_refused" {
			t.Errorf("nonce %v: %v", nonce, j.Refusal)
		}
	}
}

// THREAT OIDC-F7: the digest names the token, whatever claims are in it.
func TestReplayDigestNamesTheToken(t *testing.T) {
	w := newWorld(t, account.KindGeneric)
	token := w.token()
	w.idToken = func() string { return token }
	one, two := w.login(), w.login()
	w.idToken = func() string { return sign(rsaOne(), "RS256", map[string]any{"kid": "key-1"}, w.with("jti", "other")) }
	three := w.login()
	if one.Replay == "" || one.Replay != two.Replay || one.Replay == three.Replay || !one.ReplayUntil.Equal(w.clock.Add(time.Hour)) {
		t.Error(one.Replay, two.Replay, three.Replay)
	}
}

// THREAT OIDC-D1
func TestSizes(t *testing.T) {
	w := newWorld(t, account.KindGeneric)
	var many []any
	for i := range 1300 {
		many = append(many, fmt.Sprintf("group-with-a-long-name-%020d", i))
	}
	w.set("groups", many)
	if n := len(w.token()); n < 64<<10 {
		t.Fatalf("a token of %d bytes is too small for this test", n)
	}
	if l := w.login(); len(l.Groups.Values) != 1300 {
		t.Errorf("%d groups", len(l.Groups.Values))
	}
	w.set("groups", nil, "x", strings.Repeat("x", 200<<10))
	w.refused("token_form")

	deep := func(n int) json.RawMessage { return json.RawMessage(strings.Repeat("[", n) + strings.Repeat("]", n)) }
	w.set("x", deep(63))
	w.login()
	w.set("x", deep(64))
	w.refused("token_claims")
	w.set("x", deep(9000))
	w.refused("token_claims")
}

// THREAT OIDC-N2
// THREAT OIDC-N1
func TestSubjects(t *testing.T) {
	w := newWorld(t, account.KindGeneric)
	for _, sub := range []any{nil, "", 7, []any{"ana"}, strings.Repeat("x", 256)} {
		w.set("sub", sub)
		if j := w.judge(); j.Refusal == nil || j.Refusal.Code != "subject" && j.Refusal.Code != "token_refused" {
			t.Errorf("sub %v: %v", sub, j.Refusal)
		}
	}
	w.set("sub", strings.Repeat("ä", 255))
	w.userinfo["sub"] = strings.Repeat("ä", 255)
	w.login()
	w.set("sub", " Ana ", "employee", map[string]any{"id": json.Number("4711")})
	if l := w.login(); l.Subject != " Ana " {
		t.Errorf("subject %q is not byte for byte", l.Subject)
	}
	w.s.Mapping.Subject = []string{"/employee/nothing", "/employee/id"}
	if l := w.login(); l.Subject != "4711" {
		t.Errorf("mapped subject %q", l.Subject)
	}
	w.s.Mapping.Subject = []string{"/employee"}
	w.userinfo["sub"] = " Ana "
	w.refused("subject")
}

// THREAT OIDC-X1
// INTEROP Entra: oid and tid are the person, so that SAML, SCIM and OpenID Connect meet
func TestEntraTenantIsPinned(t *testing.T) {
	w := newWorld(t, account.KindEntra)
	w.set("oid", "0B1D-Ana")
	if l := w.login(); l.Subject != tenantID+"/0b1d-ana" || l.EmailVerified != account.VerifiedUnsaid {
		t.Errorf("%+v", l)
	}
	w.set("tid", "other-tenant")
	w.refused("tenant")
	w.set("tid", nil)
	w.refused("tenant")
	w.set("tid", strings.ToUpper(tenantID))
	w.login()
	w.set("oid", nil)
	w.refused("subject")
	w.set("oid", "a/b")
	w.refused("subject")
	w.set("oid", "0b1d-ana", "iss", strings.Replace(w.s.OIDC.Issuer, tenantID, "other", 1))
	w.refused("issuer")

	w = newWorld(t, account.KindEntra)
	w.s.OIDC.EntraTenant = "11111111-0000-4000-8000-000000000000"
	w.refused("settings")
	for _, shared := range []string{"common", "organizations", "consumers"} {
		s := account.OIDCSettings{Issuer: "https://login.microsoftonline.com/" + shared + "/v2.0", ClientID: "x", EntraTenant: shared}
		if err := Check(s, account.KindEntra); err == nil {
			t.Errorf("%s is accepted", shared)
		}
		if err := Check(s, account.KindGeneric); err == nil {
			t.Errorf("%s is accepted as a generic provider", shared)
		}
	}
}

// INTEROP Entra: version 1 tokens have another issuer
func TestEntraVersionOneIssuerIsNamedInTheFix(t *testing.T) {
	w := newWorld(t, account.KindEntra)
	w.set("iss", "https://sts.windows.net/"+tenantID+"/")
	if r := w.refused("issuer"); !strings.Contains(r.Hint[account.KindEntra], "v2.0") || r.Received != "https://sts.windows.net/"+tenantID+"/" {
		t.Errorf("%+v", r)
	}
	if err := Check(account.OIDCSettings{Issuer: "https://sts.windows.net/" + tenantID + "/", ClientID: "x", EntraTenant: tenantID}, account.KindEntra); err != nil {
		t.Error(err)
	}
}

// INTEROP Entra: discovery with an issuer template counts only when the pinned tenant fills it
func TestEntraIssuerTemplate(t *testing.T) {
	w := newWorld(t, account.KindEntra)
	w.doc["issuer"] = w.srv.URL + "/{tenantid}/v2.0"
	w.login()
	w = newWorld(t, account.KindGeneric)
	w.s.OIDC.Issuer = w.srv.URL + "/" + tenantID + "/v2.0"
	w.cb.Flow.Issuer = w.s.OIDC.Issuer
	w.doc["issuer"] = w.srv.URL + "/{tenantid}/v2.0"
	if r := w.refused("discovery"); !strings.Contains(r.Received, "{tenantid}") {
		t.Errorf("%+v", r)
	}
}

// INTEROP Entra: an application with custom claims signs with a key that only ?appid= shows
func TestEntraApplicationKeys(t *testing.T) {
	w := newWorld(t, account.KindEntra)
	discovery := "/" + tenantID + "/v2.0/.well-known/openid-configuration"
	w.handle[discovery] = func(rw http.ResponseWriter, r *http.Request) {
		doc := map[string]any{}
		for k, v := range w.doc {
			doc[k] = v
		}
		if r.URL.Query().Get("appid") == clientID {
			doc["jwks_uri"] = w.srv.URL + "/app-keys"
		}
		_ = json.NewEncoder(rw).Encode(doc)
	}
	w.handle["/app-keys"] = func(rw http.ResponseWriter, _ *http.Request) {
		_ = json.NewEncoder(rw).Encode(map[string]any{"keys": []any{keyTwo().jwk()}})
	}
	w.signer = keyTwo()
	j := w.judge()
	w.sane(j)
	if j.Login == nil {
		t.Fatal(j.Refusal, j.Refusal.Unwrap())
	}
	wants(t, "warnings", codes(j, account.Warn), []string{"signature_app_key"})

	w.s.Kind = account.KindGeneric // elsewhere an unknown key stays unknown
	w.rp = w.newRP(Options{})
	w.refused("key_unknown")
}

// INTEROP Google: hd is the company; personal accounts have none
func TestGoogleHostedDomain(t *testing.T) {
	w := newWorld(t, account.KindGoogle)
	if l := w.login(); l.Groups.State != account.GroupsUnknown || l.Groups.Absent {
		t.Errorf("%+v", l.Groups)
	}
	if w.count("/userinfo") != 0 {
		t.Error("userinfo was asked for groups that Google never sends")
	}
	w.set("hd", "ACME.example")
	w.login()
	w.set("hd", "evil.example")
	w.refused("hosted_domain")
	w.set("hd", nil)
	w.refused("hosted_domain")
	w.s.OIDC.GoogleDomain = "" // without a setting, hd has to be the address's own domain
	w.refused("hosted_domain")
	w.set("hd", "evil.example")
	w.refused("hosted_domain")
	w.set("hd", "acme.example")
	w.login()
}

// THREAT G-3: whatever a token holds, the answer is a judgement.
func TestPanicBecomesARefusal(t *testing.T) {
	w := newWorld(t, account.KindGeneric)
	w.cb.Values = nil
	w.refused("state_missing")
	w = newWorld(t, account.KindGeneric)
	w.rp.keys = nil
	w.refused("internal")
	d := published.NewDocument(w.now, time.Hour, func(context.Context) (int, error) { panic("a stranger's bytes") })
	if _, _, err := d.Get(t.Context()); account.KindOf(err) != account.Invalid {
		t.Error(err)
	}
}
