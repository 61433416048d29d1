package oidc_test

import (
	"context"
	"encoding/base64"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/drawbridge-id/drawbridge/account"
	"github.com/drawbridge-id/drawbridge/egress"
	"github.com/drawbridge-id/drawbridge/federation/oidc"
	"github.com/drawbridge-id/drawbridge/test/sim"
)

// a house is the relying party with its callback, and a provider with the habits of a real one, both on
// real sockets.
type house struct {
	t      testing.TB
	tenant *sim.Tenant
	rp     *oidc.RP
	door   *httptest.Server
	got    chan *http.Request
	c      account.Connection
	s      account.Settings
	n      int
}

func newHouse(t testing.TB, d sim.Dialect, kind account.IdPKind, change ...func(*sim.TenantConfig)) *house {
	t.Helper()
	h := &house{t: t, got: make(chan *http.Request, 8)}
	h.door = httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/callback" {
			_ = r.ParseForm()
			h.got <- r
		}
	}))
	t.Cleanup(h.door.Close)
	s := sim.New(sim.Options{})
	srv := httptest.NewServer(s)
	t.Cleanup(srv.Close)
	s.SetBaseURL(srv.URL)
	cfg := sim.TenantConfig{Name: "acme", Dialect: d, Auto: "amy@acme.example",
		Users: []sim.User{{Email: "amy@acme.example", DisplayName: "Amy Adams", Groups: []string{"eng", "ops"}, Roles: []string{"writer"}}},
		OIDC:  []sim.OIDCApp{{ClientID: "rp", ClientSecret: "s3cret +/%", RedirectURIs: []string{h.door.URL + "/callback"}}}}
	for _, f := range change {
		f(&cfg)
	}
	var err error
	if h.tenant, err = s.AddTenant(cfg); err != nil {
		t.Fatal(err)
	}
	h.rp = oidc.New(oidc.Options{Client: egress.New(egress.Options{Allow: []string{"127.0.0.1"}})})
	h.s = account.Settings{Protocol: account.OIDC, Kind: kind, OIDC: &account.OIDCSettings{Issuer: h.tenant.Issuer(), ClientID: "rp", ClientSecret: account.NewSecret("s3cret +/%")}}
	switch kind {
	case account.KindEntra:
		h.s.OIDC.EntraTenant = h.tenant.Config().TenantID
	case account.KindGoogle:
		h.s.OIDC.GoogleDomain = "acme.example"
	}
	h.c = account.Connection{ID: "con_1", Enabled: true, Live: &h.s}
	return h
}

// begin goes through the provider as a browser does and returns the callback that reached us.
func (h *house) begin() oidc.Callback {
	h.t.Helper()
	h.n++
	fill := func(c string) string { return strings.Repeat(c, 42) + string(rune('a'+h.n%26)) }
	f := account.Flow{Connection: h.c.ID, Nonce: fill("n"), Verifier: account.NewSecret(fill("v"))}
	to, issuer, err := h.rp.Start(context.Background(), *h.s.OIDC, h.s.Kind, oidc.Request{State: fill("s"), Nonce: f.Nonce, Verifier: f.Verifier, RedirectURI: h.door.URL + "/callback", LoginHint: "amy@acme.example"})
	if err != nil {
		h.t.Fatal(err)
	}
	f.Issuer = issuer
	if _, err := sim.NewBrowser(nil).Open(context.Background(), to); err != nil {
		h.t.Fatal(err)
	}
	select {
	case r := <-h.got:
		return oidc.Callback{RedirectURI: h.door.URL + "/callback", Values: r.Form, Method: r.Method, Flow: f}
	case <-time.After(5 * time.Second):
		h.t.Fatalf("nothing came back: %+v", h.tenant.Log())
	}
	return oidc.Callback{}
}

func (h *house) judge() account.Judgement {
	return h.rp.Judge(context.Background(), h.c, h.s, h.begin())
}

func (h *house) login() *account.Login {
	h.t.Helper()
	j := h.judge()
	if j.Login == nil {
		h.t.Fatalf("refused: %v (%v)\n%+v", j.Refusal, j.Refusal.Unwrap(), h.tenant.Log())
	}
	return j.Login
}

func (h *house) refused(codes ...string) {
	h.t.Helper()
	j := h.judge()
	if j.Refusal == nil || !slices.Contains(codes, j.Refusal.Code) {
		h.t.Errorf("got %v, want %s", j.Refusal, codes)
	}
}

// THREAT OIDC-N1
// INTEROP Entra, Okta, Google, ADFS, Keycloak, Ping, OneLogin: each dialect signs in as it is
func TestEveryDialectSignsIn(t *testing.T) {
	for name, tc := range map[string]struct {
		dialect sim.Dialect
		kind    account.IdPKind
		change  func(*sim.TenantConfig)
		mapping account.Mapping
		source  string
		groups  []string // nil: unknown
	}{
		"okta":                  {dialect: sim.Okta, kind: account.KindOkta, source: "userinfo", groups: []string{"eng", "ops"}},
		"okta, custom server":   {dialect: sim.Okta, kind: account.KindOkta, change: func(c *sim.TenantConfig) { c.OktaCustomServer = true }, source: "userinfo", groups: []string{"eng", "ops"}},
		"okta, thick ID token":  {dialect: sim.Okta, kind: account.KindOkta, change: func(c *sim.TenantConfig) { c.OIDC[0].ThickIDToken = true }, source: "id_token", groups: []string{"eng", "ops"}},
		"entra":                 {dialect: sim.Entra, kind: account.KindEntra, source: "id_token", groups: []string{"id of eng", "id of ops"}},
		"entra, version 1":      {dialect: sim.Entra, kind: account.KindEntra, change: func(c *sim.TenantConfig) { c.EntraV1 = true }, source: "id_token", groups: []string{"id of eng", "id of ops"}},
		"entra, roles":          {dialect: sim.Entra, kind: account.KindEntra, mapping: account.Mapping{Groups: []string{"roles"}}, source: "id_token", groups: []string{"writer"}},
		"google":                {dialect: sim.Google, kind: account.KindGoogle},
		"adfs":                  {dialect: sim.ADFS, kind: account.KindADFS, source: "id_token", groups: []string{"eng", "ops"}},
		"ping":                  {dialect: sim.Ping, kind: account.KindPing, source: "id_token", groups: []string{"eng", "ops"}},
		"keycloak":              {dialect: sim.Keycloak, kind: account.KindGeneric, mapping: account.Mapping{StripPrefix: "/"}, source: "id_token", groups: []string{"eng", "ops"}},
		"keycloak, realm roles": {dialect: sim.Keycloak, kind: account.KindGeneric, mapping: account.Mapping{Groups: []string{"/realm_access/roles"}}, source: "id_token", groups: []string{"offline_access", "uma_authorization", "writer"}},
		"onelogin":              {dialect: sim.OneLogin, kind: account.KindGeneric, source: "id_token", groups: []string{"eng", "ops"}},
		"jumpcloud":             {dialect: sim.JumpCloud, kind: account.KindGeneric, mapping: account.Mapping{Groups: []string{"memberOf"}}, source: "id_token", groups: []string{"eng", "ops"}},
		"shibboleth":            {dialect: sim.Shibboleth, kind: account.KindGeneric, mapping: account.Mapping{Groups: []string{"is_member_of"}}, source: "userinfo", groups: []string{"eng", "ops"}},
		"generic":               {dialect: sim.Generic, kind: account.KindGeneric, source: "id_token", groups: []string{"eng", "ops"}},
		"generic, form_post": {dialect: sim.Generic, kind: account.KindGeneric, source: "id_token", groups: []string{"eng", "ops"}, change: func(c *sim.TenantConfig) {
			c.SigningAlg = "EdDSA"
		}},
	} {
		t.Run(name, func(t *testing.T) {
			var change []func(*sim.TenantConfig)
			if tc.change != nil {
				change = append(change, tc.change)
			}
			h := newHouse(t, tc.dialect, tc.kind, change...)
			h.s.Mapping = tc.mapping
			if strings.HasSuffix(name, "form_post") {
				h.s.OIDC.ResponseMode = "form_post"
			}
			l := h.login()
			if l.Email != "amy@acme.example" || l.Subject == "" || l.Groups.Source != tc.source {
				t.Errorf("%+v", l)
			}
			var want []string
			for _, g := range tc.groups {
				if id, ok := strings.CutPrefix(g, "id of "); ok {
					g = h.tenant.Group(id).ID
				}
				want = append(want, g)
			}
			got := slices.Sorted(slices.Values(l.Groups.Values))
			slices.Sort(want)
			if !slices.Equal(got, want) || (l.Groups.State == account.GroupsComplete) != (want != nil) {
				t.Errorf("groups %+v, want %q", l.Groups, want)
			}
			if again := h.login(); again.Subject != l.Subject || again.Replay == l.Replay {
				t.Errorf("second sign-in: %+v", again)
			}
			if tc.kind == account.KindEntra && l.Subject != h.s.OIDC.EntraTenant+"/"+userID(h) {
				t.Errorf("subject %s", l.Subject)
			}
		})
	}
}

func userID(h *house) string { u, _ := h.tenant.User("amy@acme.example"); return u.ID }

// THREAT OIDC-T2 OIDC-T3 OIDC-T4 OIDC-T5 OIDC-T6 OIDC-T7 OIDC-T8 OIDC-F1 OIDC-F4 OIDC-F5 OIDC-N3 OIDC-U2 OIDC-S1 OIDC-D1
func TestFaultsOfTheProviderAreRefused(t *testing.T) {
	for fault, codes := range map[sim.Fault][]string{
		sim.WrongIssuer: {"issuer"}, sim.WrongAudience: {"audience"}, sim.Expired: {"expired"}, sim.NotYetValid: {"issued_ahead"}, sim.ClockSkew: {"issued_ahead"},
		sim.WrongKey: {"signature"}, sim.Tampered: {"signature"}, sim.WrongNonce: {"nonce"}, sim.NoNonce: {"nonce"}, sim.WrongAtHash: {"at_hash"},
		sim.ExtraAudience: {"authorized_party"}, sim.WrongAZP: {"authorized_party"}, sim.AlgNone: {"algorithm"}, sim.HS256: {"algorithm"}, sim.UnknownKid: {"key_unknown"},
		sim.NoSub: {"subject"}, sim.NoExp: {"expiry_missing"}, sim.NoIat: {"issued_missing"}, sim.HeaderJWK: {"signature"}, sim.CritHeader: {"token_critical"},
		sim.LogoutAsIDToken: {"token_type"}, sim.AccessTokenType: {"token_type"}, sim.EmailUnverified: {"email_unverified"}, sim.WrongIssParameter: {"iss_parameter"},
		sim.AuthorizeError: {"provider_error"}, sim.TokenHTML: {"token_endpoint"}, sim.TokenError: {"code_refused"}, sim.NoIDToken: {"id_token_missing"}, sim.JWKSDown: {"keys_unavailable"},
		sim.BigResponse: {"token_endpoint"},
	} {
		t.Run(string(fault), func(t *testing.T) {
			h := newHouse(t, sim.Generic, account.KindGeneric)
			cb := h.begin() // discovery was fine until now
			if err := h.tenant.Break(fault); err != nil {
				t.Fatal(err)
			}
			if fault == sim.WrongIssParameter || fault == sim.AuthorizeError {
				cb = h.begin()
			}
			j := h.rp.Judge(context.Background(), h.c, h.s, cb)
			if j.Refusal == nil || !slices.Contains(codes, j.Refusal.Code) {
				t.Errorf("got %v, want %s", j.Refusal, codes)
			}
			h.tenant.Mend()
			h.login()
		})
	}
	for fault, code := range map[sim.Fault]string{sim.DiscoveryDown: "discovery_status", sim.DiscoveryRedirect: "redirect_refused", sim.DiscoveryWrongIssuer: "issuer_mismatch", sim.BigResponse: "answer_too_large"} {
		h := newHouse(t, sim.Okta, account.KindOkta)
		if err := h.tenant.Break(fault); err != nil {
			t.Fatal(err)
		}
		_, err := h.rp.Discover(context.Background(), h.s.OIDC.Issuer)
		e, ok := err.(*account.Error)
		if !ok || e.Code != code {
			t.Errorf("%s: %v", fault, err)
		}
		h.tenant.Mend()
		h.login()
	}
	h := newHouse(t, sim.Entra, account.KindEntra)
	_ = h.tenant.Break(sim.WrongTenantID)
	h.refused("tenant")
	h = newHouse(t, sim.Google, account.KindGoogle)
	_ = h.tenant.Break(sim.WrongHD)
	h.refused("hosted_domain")
	h = newHouse(t, sim.Okta, account.KindOkta)
	_ = h.tenant.Break(sim.UserinfoWrongSub)
	h.refused("userinfo_subject")
}

// THREAT OIDC-F7: a code works once, whoever brings it.
// THREAT OIDC-F6: and only with the verifier of its own sign-in.
func TestCodesWorkOnceAndOnlyHere(t *testing.T) {
	h := newHouse(t, sim.Generic, account.KindGeneric)
	cb := h.begin()
	if j := h.rp.Judge(context.Background(), h.c, h.s, cb); j.Login == nil {
		t.Fatal(j.Refusal)
	}
	if j := h.rp.Judge(context.Background(), h.c, h.s, cb); j.Refusal == nil || j.Refusal.Code != "code_refused" {
		t.Errorf("the same code again: %v", j.Refusal)
	}
	cb = h.begin()
	cb.Flow.Verifier = account.NewSecret(strings.Repeat("x", 43))
	if j := h.rp.Judge(context.Background(), h.c, h.s, cb); j.Refusal == nil || j.Refusal.Code != "code_refused" {
		t.Errorf("a stolen code: %v", j.Refusal)
	}
	h.s.OIDC.ClientSecret = account.NewSecret("wrong")
	h.refused("client_refused")
}

// INTEROP Entra overage and Okta's cut, end to end
func TestManyGroups(t *testing.T) {
	h := newHouse(t, sim.Entra, account.KindEntra)
	for n, want := range map[string]int{"300": 302, "3000": 3002} {
		_ = h.tenant.Break(sim.ManyGroups.With(n))
		h.s.OIDC.Graph = nil
		if g := h.login().Groups; g.State != account.GroupsUnknown || g.Absent {
			t.Errorf("%+v", g)
		}
		h.s.OIDC.Graph = &account.GraphSettings{BaseURL: h.tenant.GraphURL() + "/v1.0"}
		if g := h.login().Groups; g.State != account.GroupsComplete || len(g.Values) != want || !slices.Contains(g.Values, h.tenant.Group("eng").ID) {
			t.Errorf("%s, %d groups: %s", g.State, len(g.Values), g.Why)
		}
	}
	_ = h.tenant.Break(sim.GraphForbidden)
	if g := h.login().Groups; g.State != account.GroupsUnknown || !strings.Contains(g.Why, "consent") {
		t.Errorf("%+v", g)
	}
	h = newHouse(t, sim.Okta, account.KindOkta, func(c *sim.TenantConfig) { c.APIToken = "api-token" })
	_ = h.tenant.Break(sim.ManyGroups.With("500"))
	if g := h.login().Groups; g.State != account.GroupsIncomplete || len(g.Values) != 100 {
		t.Errorf("%s, %d groups", g.State, len(g.Values))
	}
	h.s.OIDC.OktaGroups = &account.OktaGroups{BaseURL: h.tenant.URL(), Token: account.NewSecret("api-token")}
	if g := h.login().Groups; g.State != account.GroupsComplete || len(g.Values) != 502 {
		t.Errorf("%s, %d groups: %s", g.State, len(g.Values), g.Why)
	}
}

// INTEROP groups in every shape that a provider of package sim can write
func TestShapesEndToEnd(t *testing.T) {
	for shape, want := range map[string][]string{"array": {"eng", "ops"}, "comma": {"eng,ops"}, "space": {"eng ops"}, "objects": {"eng", "ops"}, "json": {"eng", "ops"}, "object": {"eng", "ops"}, "string": {"eng"}, "null": nil} {
		h := newHouse(t, sim.Generic, account.KindGeneric, func(c *sim.TenantConfig) { c.OIDC[0].GroupsShape = shape })
		if g := h.login().Groups; !slices.Equal(g.Values, want) || (want == nil) != (g.State == account.GroupsUnknown) {
			t.Errorf("%s: %+v", shape, g)
		}
	}
}

func TestLogoutTokensOfTheProvider(t *testing.T) {
	h := newHouse(t, sim.Okta, account.KindOkta)
	l := h.login()
	token, err := h.tenant.LogoutToken("amy@acme.example", "rp", "sid-1")
	if err != nil {
		t.Fatal(err)
	}
	out, err := h.rp.Logout(context.Background(), h.c, h.s, token)
	if err != nil || out.Subject != l.Subject || out.Session != "sid-1" || out.JTI == "" {
		t.Errorf("%+v, %v", out, err)
	}
	for _, f := range []sim.Fault{sim.WrongAudience, sim.WrongIssuer, sim.Expired, sim.NotYetValid, sim.WrongNonce, sim.WrongKey, sim.AlgNone, sim.HS256, sim.NoIat} {
		token, err := h.tenant.LogoutToken("amy@acme.example", "rp", "sid-1", f)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := h.rp.Logout(context.Background(), h.c, h.s, token); account.KindOf(err) != account.Invalid {
			t.Errorf("%s: %v", f, err)
		}
	}
	to, ok := h.rp.EndSession(context.Background(), *h.s.OIDC, l.IDToken, "https://door.example/bye", "st")
	if !ok || must(url.Parse(to)).Query().Get("id_token_hint") != l.IDToken.Reveal() {
		t.Error(to)
	}
}

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

// FuzzLogout: a back-channel token comes from anybody.
func FuzzLogout(f *testing.F) {
	h := newHouse(f, sim.Okta, account.KindOkta)
	token := must(h.tenant.LogoutToken("amy@acme.example", "rp", "sid-1"))
	f.Add(token)
	f.Add("eyJhbGciOiJub25lIn0.e30.")
	f.Add(base64.RawURLEncoding.EncodeToString([]byte(`{"alg":"RS256","crit":[],"jwk":{}}`)) + ".e30.AA")
	f.Fuzz(func(t *testing.T, raw string) {
		if _, err := h.rp.Logout(context.Background(), h.c, h.s, raw); err == nil && raw != token {
			t.Fatalf("forged: %s", raw)
		}
	})
}
