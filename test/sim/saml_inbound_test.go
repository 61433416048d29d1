package sim

import (
	"bytes"
	"compress/flate"
	"encoding/base64"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
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

// Whatever bytes come to the sign-in, logout and token endpoints: an answer, never a panic.
func FuzzEndpoints(f *testing.F) {
	s := New(Options{})
	tn, err := s.AddTenant(TenantConfig{Name: "acme", Users: []User{{Email: "amy@acme.example"}}, Auto: "amy@acme.example",
		SAML: []SAMLApp{{EntityID: "https://sp.example", ACS: []string{"https://sp.example/acs"}, SLO: "https://sp.example/slo", Certificates: nil}},
		OIDC: []OIDCApp{{ClientID: "rp", ClientSecret: "s", RedirectURIs: []string{"https://rp.example/cb"}}}})
	if err != nil {
		f.Fatal(err)
	}
	// With a certificate, so that the signature check is reached.
	if err := tn.PutSAMLApp(SAMLApp{EntityID: "https://sp.example", ACS: []string{"https://sp.example/acs"}, SLO: "https://sp.example/slo",
		Certificates: []string{base64.StdEncoding.EncodeToString(tn.Keys()[0].Cert.Raw)}}); err != nil {
		f.Fatal(err)
	}
	signed, err := tn.LogoutRequest("amy@acme.example", Logout{})
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
		post := url.Values{"SAMLRequest": {base64.StdEncoding.EncodeToString(body)}}.Encode()
		for _, form := range []string{post, string(body)} {
			r := &http.Request{Method: http.MethodPost, URL: &url.URL{Path: "/acme/" + path, RawQuery: query}, Host: "idp.example", Header: http.Header{"Content-Type": {"application/x-www-form-urlencoded"}}, Body: http.NoBody}
			r.Body = httptest.NewRequest(http.MethodPost, "/", strings.NewReader(form)).Body
			s.ServeHTTP(httptest.NewRecorder(), r)
		}
		q := url.Values{"SAMLRequest": {deflated(string(body))}}.Encode()
		s.ServeHTTP(httptest.NewRecorder(), &http.Request{Method: http.MethodGet, URL: &url.URL{Path: "/acme/" + path, RawQuery: q + "&" + query}, Host: "idp.example", Header: http.Header{}, Body: http.NoBody})
	})
}
