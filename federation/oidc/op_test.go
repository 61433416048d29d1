package oidc

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"encoding/json"
	"fmt"
	"log/slog"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	jose "github.com/go-jose/go-jose/v4"

	"github.com/drawbridge-id/drawbridge/account"
	"github.com/drawbridge-id/drawbridge/egress"
)

// The test provider: small, and under control to the byte. The providers of package sim have the habits of
// real ones; this one does whatever a test tells it.

const (
	clientID = "client-1"
	tenantID = "9f2c1a5e-1111-4222-8333-444455556666"
)

// key is a signing key of a provider with the algorithm it signs with.
type key struct {
	id      string
	alg     string
	private crypto.Signer
}

func (k key) jwk() map[string]any {
	raw, err := json.Marshal(jose.JSONWebKey{Key: k.private.Public(), KeyID: k.id, Algorithm: k.alg, Use: "sig"})
	if err != nil {
		panic(err)
	}
	var m map[string]any
	if err := json.Unmarshal(raw, &m); err != nil {
		panic(err)
	}
	return m
}

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

var (
	rsaOne   = sync.OnceValue(func() *rsa.PrivateKey { return must(rsa.GenerateKey(rand.Reader, 2048)) })
	rsaTwo   = sync.OnceValue(func() *rsa.PrivateKey { return must(rsa.GenerateKey(rand.Reader, 2048)) })
	rsaWeak  = sync.OnceValue(func() *rsa.PrivateKey { return must(rsa.GenerateKey(rand.Reader, 1024)) })
	ecOne    = sync.OnceValue(func() *ecdsa.PrivateKey { return must(ecdsa.GenerateKey(elliptic.P256(), rand.Reader)) })
	ec384    = sync.OnceValue(func() *ecdsa.PrivateKey { return must(ecdsa.GenerateKey(elliptic.P384(), rand.Reader)) })
	ec521    = sync.OnceValue(func() *ecdsa.PrivateKey { return must(ecdsa.GenerateKey(elliptic.P521(), rand.Reader)) })
	edOne    = sync.OnceValue(func() ed25519.PrivateKey { _, k, err := ed25519.GenerateKey(rand.Reader); return must(k, err) })
	keyOne   = func() key { return key{"key-1", "RS256", rsaOne()} }
	keyTwo   = func() key { return key{"key-2", "RS256", rsaTwo()} }
	everyKey = func() []key {
		return []key{{"rs", "", rsaOne()}, {"es256", "ES256", ecOne()}, {"es384", "ES384", ec384()}, {"es512", "ES512", ec521()}, {"ed", "EdDSA", edOne()}}
	}
)

// sign makes a compact JWS by hand, so that headers can be anything.
func sign(private any, alg string, header, claims map[string]any) string {
	return signBytes(private, alg, header, must(json.Marshal(claims)))
}

func signBytes(private any, alg string, header map[string]any, payload []byte) string {
	opts := &jose.SignerOptions{}
	for k, v := range header {
		opts = opts.WithHeader(jose.HeaderKey(k), v)
	}
	s := must(jose.NewSigner(jose.SigningKey{Algorithm: jose.SignatureAlgorithm(alg), Key: private}, opts))
	return must(must(s.Sign(payload)).CompactSerialize())
}

type world struct {
	t   testing.TB
	srv *httptest.Server
	rp  *RP
	log *strings.Builder

	mu    sync.Mutex
	clock time.Time
	hits  map[string]int

	doc      map[string]any // discovery document
	jwks     func() any     // what the key set URL says
	keys     []key
	signer   key
	claims   map[string]any // of the next ID token
	header   map[string]any // of the next ID token, beside kid
	idToken  func() string  // overrides all of that
	answer   map[string]any // the token endpoint's further members
	userinfo map[string]any
	handle   map[string]http.HandlerFunc // by path, before everything else
	sent     url.Values                  // last token request
	auth     string                      // and its Authorization header

	c  account.Connection
	s  account.Settings
	cb Callback
}

// newWorld is a provider that works, a connection to it, and a callback that would sign Ana in.
func newWorld(t testing.TB, kind account.IdPKind) *world {
	w := &world{t: t, clock: time.Date(2026, 3, 14, 9, 0, 0, 0, time.UTC), hits: map[string]int{}, handle: map[string]http.HandlerFunc{}, answer: map[string]any{}, log: &strings.Builder{}}
	w.srv = httptest.NewServer(w)
	t.Cleanup(w.srv.Close)
	issuer := w.srv.URL
	if kind == account.KindEntra {
		issuer += "/" + tenantID + "/v2.0"
	}
	w.signer, w.keys = keyOne(), []key{keyOne()}
	w.jwks = func() any {
		var list []any
		for _, k := range w.keys {
			list = append(list, k.jwk())
		}
		return map[string]any{"keys": list}
	}
	w.doc = map[string]any{
		"issuer": issuer, "authorization_endpoint": w.srv.URL + "/authorize", "token_endpoint": w.srv.URL + "/token", "jwks_uri": w.srv.URL + "/jwks",
		"userinfo_endpoint": w.srv.URL + "/userinfo", "end_session_endpoint": w.srv.URL + "/logout?a=1",
	}
	w.claims = map[string]any{
		"iss": issuer, "aud": clientID, "sub": "ana-1", "iat": w.clock.Unix(), "exp": w.clock.Add(time.Hour).Unix(), "nonce": strings.Repeat("n", 22),
		"email": "Ana.Ruiz@acme.example", "email_verified": true, "name": "Ana Ruiz", "groups": []any{"eng", "ops"},
	}
	w.userinfo = map[string]any{"sub": "ana-1"}
	w.s = account.Settings{Protocol: account.OIDC, Kind: kind, OIDC: &account.OIDCSettings{Issuer: issuer, ClientID: clientID, ClientSecret: account.NewSecret("s3cret-of-the-client")}}
	switch kind {
	case account.KindEntra:
		w.s.OIDC.EntraTenant = tenantID
		maps.Copy(w.claims, map[string]any{"tid": tenantID, "oid": "0b1d-ana"})
		delete(w.claims, "email_verified")
	case account.KindGoogle:
		w.s.OIDC.GoogleDomain, w.claims["hd"] = "acme.example", "acme.example"
		delete(w.claims, "groups")
	}
	w.c = account.Connection{ID: "con_1", Account: "acc_1", Name: "test", Enabled: true, Live: &w.s}
	w.cb = Callback{RedirectURI: "https://door.example/oidc/con_1/callback", Values: url.Values{"state": {strings.Repeat("s", 22)}, "code": {"the-code-0123456789"}},
		Flow: account.Flow{Connection: "con_1", Nonce: strings.Repeat("n", 22), Verifier: account.NewSecret(strings.Repeat("v", 43)), Issuer: issuer, ExpiresAt: w.clock.Add(10 * time.Minute)}}
	w.rp = w.newRP(Options{})
	return w
}

func (w *world) newRP(o Options) *RP {
	if o.Client == nil {
		o.Client = egress.New(egress.Options{Allow: []string{"127.0.0.1"}})
	}
	o.Now, o.Log = w.now, slog.New(slog.NewTextHandler(&lockedWriter{w: w.log}, nil))
	return New(o)
}

type lockedWriter struct {
	mu sync.Mutex
	w  *strings.Builder
}

func (l *lockedWriter) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.w.Write(p)
}

func (w *world) now() time.Time {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.clock
}

// turn moves the clock, and with it the times of the next token.
func (w *world) turn(d time.Duration) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.clock = w.clock.Add(d)
	for _, name := range []string{"iat", "exp"} {
		if v, ok := w.claims[name].(int64); ok {
			w.claims[name] = v + int64(d.Seconds())
		}
	}
	w.cb.Flow.ExpiresAt = w.cb.Flow.ExpiresAt.Add(d)
}

func (w *world) count(path string) int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.hits[path]
}

// set changes claims of the next ID token; nil deletes.
func (w *world) set(pairs ...any) *world {
	for i := 0; i < len(pairs); i += 2 {
		if pairs[i+1] == nil {
			delete(w.claims, pairs[i].(string))
			continue
		}
		w.claims[pairs[i].(string)] = pairs[i+1]
	}
	return w
}

func (w *world) token() string {
	if w.idToken != nil {
		return w.idToken()
	}
	header := map[string]any{"kid": w.signer.id}
	maps.Copy(header, w.header)
	for k, v := range header {
		if v == nil {
			delete(header, k)
		}
	}
	alg := w.signer.alg
	if alg == "" {
		alg = "RS256"
	}
	return sign(w.signer.private, alg, header, w.claims)
}

func (w *world) ServeHTTP(rw http.ResponseWriter, r *http.Request) {
	w.mu.Lock()
	w.hits[r.URL.Path]++
	handler := w.handle[r.URL.Path]
	w.mu.Unlock()
	if handler != nil {
		handler(rw, r)
		return
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	rw.Header().Set("Content-Type", "application/json")
	switch {
	case strings.HasSuffix(r.URL.Path, "/.well-known/openid-configuration"):
		_ = json.NewEncoder(rw).Encode(w.doc)
	case r.URL.Path == "/jwks":
		_ = json.NewEncoder(rw).Encode(w.jwks())
	case r.URL.Path == "/token":
		_ = r.ParseForm()
		w.sent, w.auth = r.PostForm, r.Header.Get("Authorization")
		out := map[string]any{"access_token": "access-1", "token_type": "Bearer", "expires_in": 300, "id_token": w.token()}
		maps.Copy(out, w.answer)
		for k, v := range out {
			if v == nil {
				delete(out, k)
			}
		}
		_ = json.NewEncoder(rw).Encode(out)
	case r.URL.Path == "/userinfo":
		if r.Header.Get("Authorization") != "Bearer access-1" {
			rw.WriteHeader(http.StatusUnauthorized)
			return
		}
		_ = json.NewEncoder(rw).Encode(w.userinfo)
	default:
		rw.WriteHeader(http.StatusNotFound)
	}
}

func (w *world) judge() account.Judgement {
	return w.rp.Judge(context.Background(), w.c, w.s, w.cb)
}

// login judges and expects a Login.
func (w *world) login() *account.Login {
	w.t.Helper()
	j := w.judge()
	w.sane(j)
	if j.Login == nil {
		w.t.Fatalf("refused: %v (%v)", j.Refusal, j.Refusal.Unwrap())
	}
	return j.Login
}

// refused judges and expects a refusal with that code.
func (w *world) refused(code string) *account.Refusal {
	w.t.Helper()
	j := w.judge()
	w.sane(j)
	if j.Refusal == nil {
		w.t.Fatalf("let in, expected refusal %s", code)
	}
	if j.Refusal.Code != code {
		w.t.Fatalf("refused with %v (%v), expected %s", j.Refusal, j.Refusal.Unwrap(), code)
	}
	return j.Refusal
}

// sane is what holds of every judgement: exactly one outcome, checks that help, no secret anywhere.
func (w *world) sane(j account.Judgement) {
	w.t.Helper()
	if (j.Login == nil) == (j.Refusal == nil) {
		w.t.Fatal("a judgement has exactly one outcome")
	}
	fails := 0
	for _, c := range j.Checks {
		if c.Verdict == account.Fail {
			fails++
		}
		if c.Verdict != account.Pass && (c.Fix[account.KindGeneric] == "" || c.Title == "") {
			w.t.Errorf("check %s says not what to do", c.Code)
		}
	}
	if (fails == 0) != (j.Refusal == nil) {
		w.t.Errorf("%d failed checks with refusal %v", fails, j.Refusal)
	}
	for _, c := range j.Checks[:max(0, len(j.Checks)-1)] {
		if c.Verdict == account.Fail {
			w.t.Error("a failed check is the last one")
		}
	}
	everything := fmt.Sprintf("%+v %+v %+v %s", j.Checks, j.Claims, j.Raw, w.log)
	if j.Refusal != nil {
		everything += fmt.Sprintf("%+v %v", j.Refusal, j.Refusal.Unwrap())
	}
	for _, secret := range []string{"the-code-0123456789", "s3cret-of-the-client", "access-1", strings.Repeat("v", 43), "PRIVATE KEY"} {
		if strings.Contains(everything, secret) {
			w.t.Errorf("%q leaks", secret)
		}
	}
}

func codes(j account.Judgement, v account.Verdict) (out []string) {
	for _, c := range j.Checks {
		if c.Verdict == v {
			out = append(out, c.Code)
		}
	}
	return out
}

func wants(t testing.TB, what string, got, want []string) {
	t.Helper()
	if !slices.Equal(got, want) {
		t.Errorf("%s: got %q, want %q", what, got, want)
	}
}
