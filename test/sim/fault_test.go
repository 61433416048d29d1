package sim_test

import (
	"bytes"
	"context"
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"go/parser"
	"go/token"
	"net/http"
	"net/url"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/oauth2"

	"github.com/drawbridge-id/drawbridge/test/sim"
)

// With one seed everything a tenant says is the same, so a fault shows itself as a difference.
func TestEverySAMLFaultShows(t *testing.T) {
	_, cert := spCertificate(t)
	says := func(encrypted bool, f ...sim.Fault) string {
		tn := company(t, sim.Generic, func(c *sim.TenantConfig) {
			c.SAML[0].SLO = "https://sp.example/slo"
			if encrypted {
				c.SAML[0].Encryption = &sim.Encryption{Certificate: cert}
			}
		})
		if _, err := tn.SAMLResponse("bob@acme.example", sim.SAMLRequest{}); err != nil { // something to replay
			t.Fatal(err)
		}
		in := sim.SAMLRequest{RequestID: "id-request", RelayState: "relay"}
		if len(f) > 0 && f[0] == sim.FixedInResponseTo {
			in.RequestID = ""
		}
		m, err := tn.SAMLResponse("amy@acme.example", in, f...)
		if err != nil {
			t.Fatal(f, err)
		}
		logout, err := tn.LogoutRequest("amy@acme.example", sim.Logout{}, f...)
		if err != nil {
			t.Fatal(f, err)
		}
		meta, err := tn.Metadata(f...)
		if err != nil {
			t.Fatal(f, err)
		}
		xml := m.XML
		if encrypted { // its content is random each time
			xml = nil
			if bytes.Contains(m.XML, []byte("<saml:Assertion")) {
				xml = []byte("and a plain one")
			}
		}
		return string(xml) + m.RelayState + logout.Redirect + string(meta)
	}
	for _, info := range sim.Faults() {
		encrypted := info.Fault == sim.EncryptedAndPlain
		if info.For == "oidc" || info.Fault == sim.BadCiphertext || info.Fault == sim.MetadataDown {
			continue // below
		}
		if says(encrypted) == says(encrypted, info.Fault) {
			t.Errorf("%s changes nothing", info.Fault)
		}
	}
}

func TestBadCiphertextDoesNotOpen(t *testing.T) {
	key, cert := spCertificate(t)
	tn := company(t, sim.Okta, func(c *sim.TenantConfig) { c.SAML[0].Encryption = &sim.Encryption{Certificate: cert} })
	sealed := func(f ...sim.Fault) []byte {
		root := parse(t, response(t, tn, f...).XML)
		b, err := base64.StdEncoding.DecodeString(root.FindElement("./EncryptedAssertion/EncryptedData/CipherData/CipherValue").Text())
		if err != nil {
			t.Fatal(err)
		}
		wrapped, err := base64.StdEncoding.DecodeString(root.FindElement("//EncryptedKey/CipherData/CipherValue").Text())
		if err != nil {
			t.Fatal(err)
		}
		content, err := rsa.DecryptOAEP(newSHA1(), nil, key, wrapped, nil)
		if err != nil {
			t.Fatal(err)
		}
		return open(content, b)
	}
	if sealed() == nil {
		t.Error("a whole one does not open")
	}
	if sealed(sim.BadCiphertext) != nil {
		t.Error("a broken one opens")
	}
}

func TestCertificatesInKeyInfo(t *testing.T) {
	tn := company(t, sim.Generic)
	own := tn.Certificates()[0]
	for f, valid := range map[sim.Fault]bool{sim.ExpiredCertificate: false, sim.RenewedCertificate: true} {
		der, err := base64.StdEncoding.DecodeString(text(parse(t, response(t, tn, f).XML), "//X509Certificate"))
		if err != nil {
			t.Fatal(err)
		}
		cert, err := x509.ParseCertificate(der)
		if err != nil {
			t.Fatal(err)
		}
		if bytes.Equal(cert.Raw, own.Raw) || !cert.PublicKey.(*rsa.PublicKey).Equal(own.PublicKey) || valid != at.Before(cert.NotAfter) {
			t.Errorf("%s: until %s", f, cert.NotAfter)
		}
	}
}

func TestEveryTokenFaultShows(t *testing.T) {
	tokens := map[sim.Fault]sim.Dialect{ // those that change the ID token, with a dialect they apply to
		sim.WrongIssuer: "", sim.WrongAudience: "", sim.Expired: "", sim.NotYetValid: "", sim.ClockSkew: "", sim.WrongKey: "", sim.Tampered: "", sim.NoGroups: "",
		sim.EmptyGroups: "", sim.ManyGroups: "", sim.NoEmail: "", sim.OtherDomain: "", sim.WrongNonce: "", sim.NoNonce: "", sim.WrongAtHash: "", sim.ExtraAudience: "",
		sim.WrongAZP: "", sim.AlgNone: "", sim.HS256: "", sim.UnknownKid: "", sim.NoKid: "", sim.NoSub: "", sim.NoExp: "", sim.NoIat: "", sim.HeaderJWK: "",
		sim.CritHeader: "", sim.LogoutAsIDToken: "", sim.AccessTokenType: "", sim.WrongTenantID: sim.Entra, sim.WrongHD: sim.Google, sim.EmailUnverified: "",
	}
	elsewhere := map[sim.Fault]bool{ // tried over sockets here and in http_test.go
		sim.WrongState: true, sim.WrongIssParameter: true, sim.AuthorizeError: true, sim.DiscoveryDown: true, sim.DiscoveryWrongIssuer: true, sim.DiscoveryRedirect: true,
		sim.JWKSDown: true, sim.SlowToken: true, sim.TokenHTML: true, sim.TokenError: true, sim.NoIDToken: true, sim.BigResponse: true, sim.UserinfoWrongSub: true,
		sim.UserinfoDown: true, sim.GraphThrottled: true, sim.GraphForbidden: true, sim.GraphDown: true,
	}
	for _, info := range sim.Faults() {
		d, is := tokens[info.Fault]
		if info.For == "saml" || !is {
			if info.For != "saml" && !elsewhere[info.Fault] {
				t.Errorf("%s is tried by no test", info.Fault)
			}
			continue
		}
		if d == "" {
			d = sim.Generic
		}
		in := sim.IDTokenRequest{Nonce: "n", AccessToken: "at"}
		whole, _ := idToken(t, company(t, d), in)
		if broken, _ := idToken(t, company(t, d), in, info.Fault); broken == whole {
			t.Errorf("%s changes nothing", info.Fault)
		}
	}
}

func TestFaultsOfTheOtherEndpoints(t *testing.T) {
	tn, a := world(t, sim.Generic, func(c *sim.TenantConfig) { c.Auto = "amy@acme.example" })
	conf := oauth(provider(t, tn), a, oauth2.AuthStyleInHeader)
	signIn := func() (*oauth2.Token, error) {
		verifier := oauth2.GenerateVerifier()
		get(t, sim.NewBrowser(nil), conf.AuthCodeURL("s", oauth2.S256ChallengeOption(verifier)))
		return conf.Exchange(context.Background(), a.last(t).Get("code"), oauth2.VerifierOption(verifier))
	}
	status := func(address string) int {
		client := &http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
		resp, err := client.Get(address)
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		return resp.StatusCode
	}
	userinfo := func(token *oauth2.Token) (int, string) {
		req, _ := http.NewRequest(http.MethodGet, tn.State().Endpoints["userinfo"], nil)
		token.SetAuthHeader(req)
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		var c struct{ Sub string }
		json.NewDecoder(resp.Body).Decode(&c)
		return resp.StatusCode, c.Sub
	}
	on := func(f sim.Fault) {
		tn.Mend()
		if err := tn.Break(f); err != nil {
			t.Fatal(err)
		}
	}
	token, err := signIn()
	if err != nil {
		t.Fatal(err)
	}
	on(sim.UserinfoWrongSub)
	if _, sub := userinfo(token); sub != "somebody-else" {
		t.Errorf("userinfo is about %q", sub)
	}
	on(sim.UserinfoDown)
	if code, _ := userinfo(token); code != http.StatusServiceUnavailable {
		t.Errorf("userinfo-down: %d", code)
	}
	on(sim.NoIDToken)
	if token, err := signIn(); err != nil || token.Extra("id_token") != nil {
		t.Errorf("no-id-token: %v", err)
	}
	on(sim.DiscoveryRedirect)
	if code := status(tn.DiscoveryURL()); code != http.StatusFound {
		t.Errorf("discovery-redirect: %d", code)
	}
	on(sim.MetadataDown)
	if code := status(tn.MetadataURL()); code != http.StatusServiceUnavailable {
		t.Errorf("metadata-down: %d", code)
	}
}

func TestRefreshTokens(t *testing.T) {
	tn, a := world(t, sim.Okta, func(c *sim.TenantConfig) { c.Auto = "amy@acme.example" })
	conf := oauth(provider(t, tn), a, oauth2.AuthStyleInHeader)
	verifier := oauth2.GenerateVerifier()
	get(t, sim.NewBrowser(nil), conf.AuthCodeURL("s", oauth2.S256ChallengeOption(verifier)))
	token, err := conf.Exchange(context.Background(), a.last(t).Get("code"), oauth2.VerifierOption(verifier))
	if err != nil || token.RefreshToken == "" {
		t.Fatal(token, err)
	}
	token.Expiry = time.Now().Add(-time.Minute)
	fresh, err := conf.TokenSource(context.Background(), token).Token()
	if err != nil || fresh.AccessToken == token.AccessToken {
		t.Fatal(err)
	}
	tn.RemoveUser("amy@acme.example")
	fresh.Expiry = time.Now().Add(-time.Minute)
	if _, err := conf.TokenSource(context.Background(), fresh).Token(); err == nil {
		t.Error("a removed user's refresh token still works")
	}
}

func TestMistakesOfAdministratorsAreNamedAsTheProviderNamesThem(t *testing.T) {
	for d, words := range map[sim.Dialect]string{sim.Google: "app_not_configured_for_user", sim.Entra: "AADSTS700016"} {
		tn, a := world(t, d)
		sp := serviceProvider(t, tn, a)
		sp.EntityID = "https://sp.example/" // one slash too many
		to, err := sp.MakeRedirectAuthenticationRequest("r")
		if err != nil {
			t.Fatal(err)
		}
		if p := get(t, sim.NewBrowser(nil), to.String()); p.Status < 400 || !bytes.Contains(p.Body, []byte(words)) {
			t.Errorf("%s: %d %s", d, p.Status, p.Body)
		}
	}
	tn, a := world(t, sim.Generic)
	conf := oauth(provider(t, tn), a, oauth2.AuthStyleInHeader)
	conf.RedirectURL = "https://elsewhere.example/callback"
	if p := get(t, sim.NewBrowser(nil), conf.AuthCodeURL("s")); p.Status != 400 {
		t.Errorf("an unregistered redirect_uri: %d", p.Status)
	}
	if p := get(t, sim.NewBrowser(nil), tn.State().Endpoints["authorize"]+"?"+url.Values{"client_id": {"nobody"}}.Encode()); p.Status != 400 {
		t.Errorf("an unknown client: %d", p.Status)
	}
}

// The simulators must not share a mistake with what they test.
func TestNothingOfTheProductIsImported(t *testing.T) {
	files, err := filepath.Glob("*.go")
	if err != nil || len(files) == 0 {
		t.Fatal(err)
	}
	for _, name := range files {
		f, err := parser.ParseFile(token.NewFileSet(), name, nil, parser.ImportsOnly)
		if err != nil {
			t.Fatal(err)
		}
		for _, i := range f.Imports {
			path := strings.Trim(i.Path.Value, `"`)
			if strings.HasPrefix(path, "github.com/drawbridge-id/drawbridge/") && path != "github.com/drawbridge-id/drawbridge/test/sim" {
				t.Errorf("%s imports %s", name, path)
			}
		}
	}
}
