package sim

import (
	"bytes"
	"compress/flate"
	"encoding/base64"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"
)

const sampleRequest = `<samlp:AuthnRequest xmlns:samlp="urn:oasis:names:tc:SAML:2.0:protocol" ID="id-1" Version="2.0" IssueInstant="2026-03-14T09:26:53Z"><saml:Issuer xmlns:saml="urn:oasis:names:tc:SAML:2.0:assertion">https://sp.example</saml:Issuer></samlp:AuthnRequest>`

func deflated(raw string) string {
	var b bytes.Buffer
	w, _ := flate.NewWriter(&b, flate.BestSpeed)
	w.Write([]byte(raw))
	w.Close()
	return base64.StdEncoding.EncodeToString(b.Bytes())
}

func TestInboundMessagesAreBounded(t *testing.T) {
	for name, raw := range map[string]string{
		"a bomb":       strings.Repeat(" ", 1<<20) + sampleRequest,
		"deep":         strings.Repeat("<a>", 1000) + strings.Repeat("</a>", 1000),
		"many":         "<a>" + strings.Repeat("<b/>", 1000) + "</a>",
		"a DOCTYPE":    "<!DOCTYPE a [<!ENTITY b 'c'>]>" + sampleRequest,
		"nothing":      "",
		"not finished": "<a>",
		"text":         "hello",
	} {
		r := httptest.NewRequest(http.MethodGet, "/saml/sso?"+url.Values{"SAMLRequest": {deflated(raw)}}.Encode(), nil)
		if _, err := readSAML(r); err == nil {
			t.Errorf("%s was taken", name)
		}
	}
	r := httptest.NewRequest(http.MethodGet, "/saml/sso?"+url.Values{"SAMLRequest": {deflated(sampleRequest)}}.Encode(), nil)
	in, err := readSAML(r)
	if err != nil {
		t.Fatal(err)
	}
	if req, err := in.authnRequest(); err != nil || req.ID != "id-1" {
		t.Errorf("%+v, %v", req, err)
	}
}

// fuzzed is a tenant with a certificate registered, so that the signature checks are reached. It is the
// same every time: the fuzzer shrinks inputs by what they reach, and chance would lead it astray.
func fuzzed(t testing.TB) *Tenant {
	at := time.Date(2026, 3, 14, 9, 26, 53, 0, time.UTC)
	tn, err := New(Options{Rand: rand.NewChaCha8([32]byte{}), Now: func() time.Time { return at }}).AddTenant(TenantConfig{Name: "acme",
		Users: []User{{Email: "amy@acme.example"}}, Auto: "amy@acme.example", SAML: []SAMLApp{{EntityID: "https://sp.example", ACS: []string{"https://sp.example/acs"}}},
		OIDC: []OIDCApp{{ClientID: "rp", ClientSecret: "s", RedirectURIs: []string{"https://rp.example/cb"}}}})
	if err != nil {
		t.Fatal(err)
	}
	if err := tn.PutSAMLApp(SAMLApp{EntityID: "https://sp.example", ACS: []string{"https://sp.example/acs"}, SLO: "https://sp.example/slo",
		Certificates: []string{base64.StdEncoding.EncodeToString(tn.Keys()[0].Cert.Raw)}}); err != nil {
		t.Fatal(err)
	}
	return tn
}

// Whatever bytes come to the sign-in, logout and token endpoints: an answer, never a panic.
func FuzzEndpoints(f *testing.F) {
	signed, err := fuzzed(f).LogoutRequest("amy@acme.example", Logout{})
	if err != nil {
		f.Fatal(err)
	}
	f.Add("saml/sso", []byte(sampleRequest), "")
	f.Add("saml/slo", signed.XML, "")
	f.Add("saml/slo", []byte(strings.Replace(sampleRequest, "AuthnRequest", "LogoutRequest", 2)), "SigAlg=x&Signature=AAAA")
	f.Add("oauth2/token", []byte("grant_type=authorization_code&code=x&client_assertion=a.b.c"), "")
	f.Add("oauth2/authorize", []byte(""), "client_id=rp&redirect_uri=https://rp.example/cb&response_type=code&scope=openid&code_challenge=x&code_challenge_method=S256")
	f.Add("oauth2/logout", []byte("id_token_hint=a.b.c"), "")
	f.Fuzz(func(t *testing.T, path string, body []byte, query string) {
		s := fuzzed(t).sim
		send := func(method, query, form string) int {
			r := httptest.NewRequest(method, "/", strings.NewReader(form))
			r.URL.Path, r.URL.RawQuery = "/acme/"+path, query
			r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
			w := httptest.NewRecorder()
			s.ServeHTTP(w, r)
			return w.Code
		}
		for _, form := range []string{url.Values{"SAMLRequest": {base64.StdEncoding.EncodeToString(body)}}.Encode(), string(body)} {
			if code := send(http.MethodPost, query, form); code >= 500 {
				t.Errorf("POST: %d", code)
			}
		}
		if code := send(http.MethodGet, url.Values{"SAMLRequest": {deflated(string(body))}}.Encode()+"&"+query, ""); code >= 500 {
			t.Errorf("GET: %d", code)
		}
	})
}
