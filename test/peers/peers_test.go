package peers_test

import (
	"encoding/base64"
	"encoding/xml"
	"errors"
	"io"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/coreos/go-oidc/v3/oidc"
	"golang.org/x/oauth2"

	"github.com/drawbridge-id/drawbridge/test/drive"
	"github.com/drawbridge-id/drawbridge/test/peers"
)

// Nothing listens at these addresses: the driver stops before it would ask them.
const (
	entityID = "http://127.0.0.1:9/saml/metadata"
	acs      = "http://127.0.0.1:9/saml/acs"
	callback = "http://127.0.0.1:9/oidc/callback"
)

func get(t *testing.T, address string) string {
	t.Helper()
	res, err := http.Get(address)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	raw, err := io.ReadAll(res.Body)
	if err != nil || res.StatusCode != http.StatusOK {
		t.Fatalf("%s: %s, %v: %s", address, res.Status, err, raw)
	}
	return string(raw)
}

// samlLogin signs in from the identity provider's side and returns the response it would post.
func samlLogin(t *testing.T, p *peers.SAMLPeer, user, password string) *drive.Page {
	t.Helper()
	d := drive.Driver{User: user, Password: password, StopBefore: acs, Trace: t.Logf}
	page, err := d.Go(t.Context(), p.InitiatedURL(entityID))
	if err != nil {
		t.Fatal(err)
	}
	return page
}

func response(t *testing.T, page *drive.Page) string {
	t.Helper()
	raw, err := base64.StdEncoding.DecodeString(page.Fields.Get("SAMLResponse"))
	if !page.Stopped || err != nil || len(raw) == 0 {
		t.Fatalf("no response at %s (stopped %v, %v): %s", page.URL, page.Stopped, err, page.Body)
	}
	return string(raw)
}

func TestSimpleSAMLphpSaysWhoAliceIs(t *testing.T) {
	p := peers.SimpleSAMLphp(t, nil, peers.SAMLServiceProvider{EntityID: entityID, ACS: acs})

	var described struct {
		XMLName  xml.Name
		EntityID string `xml:"entityID,attr"`
		Cert     string `xml:"IDPSSODescriptor>KeyDescriptor>KeyInfo>X509Data>X509Certificate"`
	}
	if err := xml.Unmarshal([]byte(get(t, p.MetadataURL)), &described); err != nil {
		t.Fatal(err)
	}
	squeeze := func(s string) string { return strings.Join(strings.Fields(s), "") }
	if described.EntityID != p.EntityID || !strings.Contains(squeeze(p.CertPEM), squeeze(described.Cert)) {
		t.Fatalf("metadata is of %q, want %q, with the same certificate", described.EntityID, p.EntityID)
	}

	got := response(t, samlLogin(t, p, "alice", "alice-pw"))
	for _, want := range []string{">alice@acme.example<", ">admins<", ">" + entityID + "<", `Destination="` + acs + `"`} {
		if !strings.Contains(got, want) {
			t.Errorf("the response lacks %s: %s", want, got)
		}
	}
	if n := strings.Count(got, "<ds:Signature "); n != 2 {
		t.Errorf("%d signatures, want one of the response and one of the assertion", n)
	}
}

func TestSimpleSAMLphpCanBeToldOtherwiseWhileItRuns(t *testing.T) {
	p := peers.SimpleSAMLphp(t, nil)
	p.Register(peers.SAMLServiceProvider{EntityID: entityID, ACS: acs, UnsignedResponse: true, Encrypt: true, CertPEM: p.CertPEM})
	p.SetUser("bob", map[string][]string{"mail": {"bob@globex.example"}})

	got := response(t, samlLogin(t, p, "bob", "bob-pw"))
	if !strings.Contains(got, "EncryptedAssertion") || strings.Contains(got, "globex") || strings.Contains(got, "<ds:Signature ") {
		t.Errorf("not an unsigned response with an encrypted assertion: %s", got)
	}
	p.Register(peers.SAMLServiceProvider{EntityID: entityID, ACS: acs})
	if got := response(t, samlLogin(t, p, "bob", "bob-pw")); !strings.Contains(got, ">bob@globex.example<") {
		t.Errorf("the user's new address is not in %s", got)
	}
	if page := samlLogin(t, p, "bob", "wrong"); page.Stopped || !strings.Contains(page.Body, "Incorrect username or password") {
		t.Errorf("a wrong password led to %s", page.URL)
	}
}

func codeFlow(t *testing.T, p *peers.OIDCPeer, user string) (*oidc.IDToken, *oidc.UserInfo) {
	t.Helper()
	provider, err := oidc.NewProvider(t.Context(), p.Issuer)
	if err != nil {
		t.Fatal(err)
	}
	endpoint := provider.Endpoint()
	endpoint.AuthStyle = oauth2.AuthStyleInHeader
	client := oauth2.Config{ClientID: p.ClientID, ClientSecret: p.ClientSecret, Endpoint: endpoint, RedirectURL: callback,
		Scopes: []string{"openid", "email", "groups"}}
	verifier := oauth2.GenerateVerifier()
	d := drive.Driver{User: user, Password: "any", StopBefore: callback, Trace: t.Logf}
	page, err := d.Go(t.Context(), client.AuthCodeURL("the-state", oidc.Nonce("the-nonce"), oauth2.S256ChallengeOption(verifier)))
	if err != nil {
		t.Fatal(err)
	}
	back, err := url.Parse(page.URL)
	if err != nil || !page.Stopped {
		t.Fatalf("no answer, but %s: %s", page.URL, page.Body)
	}
	if q := back.Query(); q.Get("state") != "the-state" || q.Get("iss") != p.Issuer { // RFC 9207
		t.Fatalf("the answer is %s", page.URL)
	}
	token, err := client.Exchange(t.Context(), back.Query().Get("code"), oauth2.VerifierOption(verifier))
	if err != nil {
		t.Fatal(err)
	}
	raw, _ := token.Extra("id_token").(string)
	id, err := provider.Verifier(&oidc.Config{ClientID: p.ClientID, SupportedSigningAlgs: []string{"RS256", "ES256", "PS256", "EdDSA"}}).Verify(t.Context(), raw)
	if err != nil || id.Nonce != "the-nonce" {
		t.Fatalf("nonce %q, %v", id.Nonce, err)
	}
	info, err := provider.UserInfo(t.Context(), oauth2.StaticTokenSource(token))
	if err != nil {
		t.Fatal(err)
	}
	return id, info
}

type claims struct {
	Email  string
	Groups []string
}

func TestOIDCProviderSaysWhoAliceIs(t *testing.T) {
	p := peers.OIDCProvider(t, peers.OIDCOptions{RedirectURIs: []string{callback}, RequirePKCE: true})
	id, info := codeFlow(t, p, "alice")
	for from, decode := range map[string]func(any) error{"ID token": id.Claims, "userinfo": info.Claims} {
		var c claims
		if err := decode(&c); err != nil || c.Email != "alice@acme.example" || !slices.Equal(c.Groups, []string{"eng", "admins"}) {
			t.Errorf("%s: %+v, %v", from, c, err)
		}
	}
}

func TestOIDCProviderWithClaimsAtUserinfoAndOtherKeys(t *testing.T) {
	p := peers.OIDCProvider(t, peers.OIDCOptions{
		RedirectURIs:     []string{callback},
		Client:           map[string]any{"id_token_signed_response_alg": "ES256"},
		ClaimsAtUserinfo: true,
		Users:            peers.OIDCUsers{"carol": {"email": "carol@globex.example"}},
	})
	before := get(t, p.Issuer+"/jwks")
	for _, keepOld := range []bool{true, false} {
		p.Rotate(keepOld)
		after := get(t, p.Issuer+"/jwks")
		if strings.Count(after, `"kid"`) != map[bool]int{true: 8, false: 4}[keepOld] || after == before {
			t.Fatalf("rotated, keeping old keys %v: %s", keepOld, after)
		}
		id, info := codeFlow(t, p, "carol")
		var inToken claims
		if err := id.Claims(&inToken); err != nil || inToken.Email != "" || info.Email != "carol@globex.example" {
			t.Errorf("in the token %+v, at userinfo %q, %v", inToken, info.Email, err)
		}
	}
}

// The guarantee that keeps a machine clean: a peer is gone with its test, and with a test process
// that is killed.
func TestAPeerIsGoneWithItsTest(t *testing.T) {
	var issuer string
	t.Run("a test", func(t *testing.T) {
		issuer = peers.OIDCProvider(t, peers.OIDCOptions{RedirectURIs: []string{callback}}).Issuer
	})
	if issuer == "" {
		t.Skip("skipped with its sub-test")
	}
	conn, err := net.DialTimeout("tcp", strings.TrimPrefix(issuer, "http://"), time.Second)
	if !errors.Is(err, syscall.ECONNREFUSED) {
		if conn != nil {
			conn.Close()
		}
		t.Errorf("the provider's port answers %v", err)
	}
}
