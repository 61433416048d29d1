package sim_test

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"encoding/xml"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/beevik/etree"
	"github.com/coreos/go-oidc/v3/oidc"
	"github.com/crewjam/saml"
	jose "github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/jwt"
	"golang.org/x/oauth2"

	"github.com/drawbridge-id/drawbridge/test/sim"
)

// An app is a relying party and service provider in one, that writes down what reaches it.
type app struct {
	*httptest.Server
	mu  sync.Mutex
	got []url.Values
}

func newApp(t testing.TB) *app {
	a := &app{}
	a.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		r.ParseForm()
		a.mu.Lock()
		a.got = append(a.got, r.Form)
		a.mu.Unlock()
		fmt.Fprint(w, "welcome")
	}))
	t.Cleanup(a.Close)
	return a
}

func (a *app) last(t testing.TB) url.Values {
	t.Helper()
	a.mu.Lock()
	defer a.mu.Unlock()
	if len(a.got) == 0 {
		t.Fatal("nothing reached the application")
	}
	return a.got[len(a.got)-1]
}

// world serves one tenant over a real socket, with the application registered for both protocols.
func world(t testing.TB, d sim.Dialect, change ...func(*sim.TenantConfig)) (*sim.Tenant, *app) {
	t.Helper()
	a := newApp(t)
	s := sim.New(sim.Options{})
	server := httptest.NewServer(s)
	t.Cleanup(server.Close)
	s.SetBaseURL(server.URL)
	c := sim.TenantConfig{Name: "acme", Dialect: d,
		Users: []sim.User{{Email: "amy@acme.example", Groups: []string{"eng", "ops"}}, {Email: "bob@acme.example"}},
		SAML:  []sim.SAMLApp{{EntityID: "https://sp.example", ACS: []string{a.URL + "/acs"}, SLO: a.URL + "/slo"}},
		OIDC: []sim.OIDCApp{{ClientID: "rp", ClientSecret: "s3cret +/%", RedirectURIs: []string{a.URL + "/callback"}, PostLogoutURIs: []string{a.URL + "/bye"},
			BackchannelLogoutURI: a.URL + "/backchannel"}},
	}
	for _, f := range change {
		f(&c)
	}
	tn, err := s.AddTenant(c)
	if err != nil {
		t.Fatal(err)
	}
	return tn, a
}

func get(t testing.TB, b *sim.Browser, address string) *sim.Page {
	t.Helper()
	p, err := b.Open(context.Background(), address)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func choose(t testing.TB, b *sim.Browser, p *sim.Page, email string) *sim.Page {
	t.Helper()
	p, err := b.Choose(context.Background(), p, email)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func provider(t testing.TB, tn *sim.Tenant) *oidc.Provider {
	t.Helper()
	p, err := oidc.NewProvider(context.Background(), tn.Issuer())
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func oauth(p *oidc.Provider, a *app, style oauth2.AuthStyle) *oauth2.Config {
	endpoint := p.Endpoint()
	endpoint.AuthStyle = style
	return &oauth2.Config{ClientID: "rp", ClientSecret: "s3cret +/%", RedirectURL: a.URL + "/callback", Endpoint: endpoint, Scopes: []string{"openid", "profile", "email", "offline_access"}}
}

func TestPeopleSignInThroughEveryDialectOverOIDC(t *testing.T) {
	for _, d := range sim.Dialects() {
		for _, formPost := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s/form_post=%v", d, formPost), func(t *testing.T) {
				tn, a := world(t, d)
				p := provider(t, tn)
				style := oauth2.AuthStyleInHeader
				if formPost {
					style = oauth2.AuthStyleInParams
				}
				conf := oauth(p, a, style)
				verifier := oauth2.GenerateVerifier()
				opts := []oauth2.AuthCodeOption{oauth2.S256ChallengeOption(verifier), oidc.Nonce("n-1")}
				if formPost {
					opts = append(opts, oauth2.SetAuthURLParam("response_mode", "form_post"))
				}
				b := sim.NewBrowser(nil)
				page := get(t, b, conf.AuthCodeURL("state-1", opts...))
				choose(t, b, page, "amy@acme.example")
				got := a.last(t)
				if got.Get("state") != "state-1" {
					t.Fatalf("callback got %v", got)
				}
				if want := map[sim.Dialect]string{sim.Keycloak: tn.Issuer(), sim.Generic: tn.Issuer()}[d]; got.Get("iss") != want {
					t.Errorf("iss %q, want %q", got.Get("iss"), want)
				}
				token, err := conf.Exchange(context.Background(), got.Get("code"), oauth2.VerifierOption(verifier))
				if err != nil {
					t.Fatal(err)
				}
				raw, _ := token.Extra("id_token").(string)
				id, err := p.Verifier(&oidc.Config{ClientID: "rp"}).Verify(context.Background(), raw)
				if err != nil {
					t.Fatal(err)
				}
				if id.Nonce != "n-1" || id.VerifyAccessToken(token.AccessToken) != nil {
					t.Errorf("nonce %q or at_hash is wrong", id.Nonce)
				}
				info, err := p.UserInfo(context.Background(), conf.TokenSource(context.Background(), token))
				if err != nil || info.Subject != id.Subject {
					t.Errorf("userinfo %v, %v", info, err)
				}
				if _, err := conf.Exchange(context.Background(), got.Get("code"), oauth2.VerifierOption(verifier)); err == nil {
					t.Error("the code was taken twice")
				}
				if _, err := p.UserInfo(context.Background(), oauth2.StaticTokenSource(token)); err == nil {
					t.Error("a code used twice left its access token alive")
				}
			})
		}
	}
}

func TestPKCEIsEnforced(t *testing.T) {
	tn, a := world(t, sim.Generic, func(c *sim.TenantConfig) { c.Auto = "amy@acme.example" })
	conf := oauth(provider(t, tn), a, oauth2.AuthStyleInHeader)
	get(t, sim.NewBrowser(nil), conf.AuthCodeURL("s"))
	if got := a.last(t); got.Get("error") != "invalid_request" {
		t.Errorf("without a challenge: %v", got)
	}
	get(t, sim.NewBrowser(nil), conf.AuthCodeURL("s", oauth2.S256ChallengeOption(oauth2.GenerateVerifier())))
	if _, err := conf.Exchange(context.Background(), a.last(t).Get("code"), oauth2.VerifierOption(oauth2.GenerateVerifier())); err == nil {
		t.Error("another verifier was taken")
	}
}

func TestPrivateKeyJWT(t *testing.T) {
	key, cert := spCertificate(t)
	tn, a := world(t, sim.Generic, func(c *sim.TenantConfig) {
		c.Auto = "amy@acme.example"
		c.OIDC[0].ClientSecret, c.OIDC[0].PublicKey, c.OIDC[0].AllowNoPKCE = "", cert, true
	})
	conf := oauth(provider(t, tn), a, oauth2.AuthStyleInParams)
	conf.ClientSecret = ""
	assertion := func(aud string) string {
		signer, err := jose.NewSigner(jose.SigningKey{Algorithm: jose.PS256, Key: key}, nil)
		if err != nil {
			t.Fatal(err)
		}
		s, err := jwt.Signed(signer).Claims(jwt.Claims{Issuer: "rp", Subject: "rp", Audience: jwt.Audience{aud}, ID: rnd(), Expiry: jwt.NewNumericDate(time.Now().Add(time.Minute))}).Serialize()
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
	exchange := func(jwt string) error {
		get(t, sim.NewBrowser(nil), conf.AuthCodeURL("s"))
		_, err := conf.Exchange(context.Background(), a.last(t).Get("code"), oauth2.SetAuthURLParam("client_assertion", jwt),
			oauth2.SetAuthURLParam("client_assertion_type", "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"))
		return err
	}
	good := assertion(conf.Endpoint.TokenURL)
	if err := exchange(good); err != nil {
		t.Error(err)
	}
	if exchange(good) == nil {
		t.Error("an assertion was taken twice")
	}
	if exchange(assertion("https://other.example/token")) == nil {
		t.Error("an assertion for another provider was taken")
	}
}

func rnd() string { return oauth2.GenerateVerifier() }

func TestOktaRefusesTwoWaysOfAuthentication(t *testing.T) {
	tn, _ := world(t, sim.Okta)
	form := url.Values{"grant_type": {"authorization_code"}, "client_id": {"rp"}}
	req, _ := http.NewRequest(http.MethodPost, provider(t, tn).Endpoint().TokenURL, strings.NewReader(form.Encode()))
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	req.SetBasicAuth("rp", url.QueryEscape("s3cret +/%"))
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	body, _ := io.ReadAll(resp.Body)
	if resp.StatusCode != 400 || !bytes.Contains(body, []byte("multiple client credentials")) {
		t.Errorf("%d %s", resp.StatusCode, body)
	}
}

func TestEndpointFaults(t *testing.T) {
	for fault, check := range map[sim.Fault]func(t *testing.T, tn *sim.Tenant, a *app, exchange func() error){
		sim.DiscoveryDown: func(t *testing.T, tn *sim.Tenant, _ *app, _ func() error) {
			if _, err := oidc.NewProvider(context.Background(), tn.Issuer()); err == nil {
				t.Error("discovery answers")
			}
		},
		sim.DiscoveryWrongIssuer: func(t *testing.T, tn *sim.Tenant, _ *app, _ func() error) {
			if _, err := oidc.NewProvider(context.Background(), tn.Issuer()); err == nil {
				t.Error("go-oidc took another issuer")
			}
		},
		sim.TokenHTML: refused, sim.TokenError: refused,
		sim.BigResponse: refused, // above oauth2's limit of 1 MiB
		sim.AuthorizeError.With("temporarily_unavailable"): func(t *testing.T, _ *sim.Tenant, a *app, _ func() error) {
			if got := a.last(t).Get("error"); got != "temporarily_unavailable" {
				t.Error(got)
			}
		},
		sim.WrongState: func(t *testing.T, _ *sim.Tenant, a *app, _ func() error) {
			if got := a.last(t).Get("state"); got != "sx" {
				t.Error(got)
			}
		},
		sim.WrongIssParameter: func(t *testing.T, _ *sim.Tenant, a *app, _ func() error) {
			if got := a.last(t).Get("iss"); got != "https://evil.example" {
				t.Error(got)
			}
		},
		sim.JWKSDown: func(t *testing.T, tn *sim.Tenant, _ *app, _ func() error) {
			if resp, err := http.Get(tn.State().Endpoints["jwks"]); err != nil || resp.StatusCode != 503 {
				t.Error(resp, err)
			}
		},
		sim.SlowToken.With("1h"): func(t *testing.T, tn *sim.Tenant, _ *app, _ func() error) {
			ctx, cancel := context.WithTimeout(context.Background(), 50*time.Millisecond)
			defer cancel()
			req, _ := http.NewRequestWithContext(ctx, http.MethodPost, tn.State().Endpoints["token"], nil)
			if _, err := http.DefaultClient.Do(req); err == nil {
				t.Error("the token endpoint was quick")
			}
		},
	} {
		t.Run(string(fault), func(t *testing.T) {
			tn, a := world(t, sim.Generic, func(c *sim.TenantConfig) { c.Auto = "amy@acme.example" })
			conf := oauth(provider(t, tn), a, oauth2.AuthStyleInHeader)
			if err := tn.Break(fault); err != nil {
				t.Fatal(err)
			}
			verifier := oauth2.GenerateVerifier()
			get(t, sim.NewBrowser(nil), conf.AuthCodeURL("s", oauth2.S256ChallengeOption(verifier)))
			check(t, tn, a, func() error {
				_, err := conf.Exchange(context.Background(), a.last(t).Get("code"), oauth2.VerifierOption(verifier))
				return err
			})
		})
	}
}

func refused(t *testing.T, _ *sim.Tenant, _ *app, exchange func() error) {
	if exchange() == nil {
		t.Error("the exchange went through")
	}
}

func TestLogoutReachesTheClientOnTheBackChannel(t *testing.T) {
	tn, a := world(t, sim.Keycloak)
	p := provider(t, tn)
	conf := oauth(p, a, oauth2.AuthStyleInHeader)
	verifier := oauth2.GenerateVerifier()
	b := sim.NewBrowser(nil)
	choose(t, b, get(t, b, conf.AuthCodeURL("s", oauth2.S256ChallengeOption(verifier))), "amy@acme.example")
	token, err := conf.Exchange(context.Background(), a.last(t).Get("code"), oauth2.VerifierOption(verifier))
	if err != nil {
		t.Fatal(err)
	}
	results, err := tn.SignOutEverywhere(context.Background(), "amy@acme.example")
	if err != nil || len(results) != 1 || results[0].Status != 200 {
		t.Fatalf("%v, %v", results, err)
	}
	logout, err := p.Verifier(&oidc.Config{ClientID: "rp"}).VerifyLogout(context.Background(), a.last(t).Get("logout_token"))
	if err != nil || logout.SessionID == "" {
		t.Errorf("%+v, %v", logout, err)
	}
	if len(tn.SignedIn()) != 0 {
		t.Error("she is still signed in")
	}
	// RP-initiated: back to the registered address with the state, and to no other.
	end := tn.State().Config.OIDC[0].PostLogoutURIs[0]
	address := tn.Discovery()["end_session_endpoint"].(string) + "?" + url.Values{"id_token_hint": {token.Extra("id_token").(string)}, "post_logout_redirect_uri": {end}, "state": {"bye"}}.Encode()
	get(t, b, address)
	if got := a.last(t).Get("state"); got != "bye" {
		t.Errorf("state %q", got)
	}
	if p := get(t, b, strings.Replace(address, url.QueryEscape(end), url.QueryEscape("https://evil.example"), 1)); p.Status != 400 {
		t.Errorf("an unregistered address: %d", p.Status)
	}
}

func TestEntraOverageIsResolvedThroughGraph(t *testing.T) {
	tn, a := world(t, sim.Entra, func(c *sim.TenantConfig) { c.Auto = "amy@acme.example" })
	conf := oauth(provider(t, tn), a, oauth2.AuthStyleInParams)
	conf.Scopes = []string{"openid"}
	verifier := oauth2.GenerateVerifier()
	if err := tn.Break(sim.ManyGroups.With("298")); err != nil {
		t.Fatal(err)
	}
	get(t, sim.NewBrowser(nil), conf.AuthCodeURL("s", oauth2.S256ChallengeOption(verifier)))
	token, err := conf.Exchange(context.Background(), a.last(t).Get("code"), oauth2.VerifierOption(verifier))
	if err != nil {
		t.Fatal(err)
	}
	type answer struct {
		Value json.RawMessage `json:"value"`
		Next  string          `json:"@odata.nextLink"`
	}
	call := func(method, address, body string) (*http.Response, answer) {
		req, _ := http.NewRequest(method, address, strings.NewReader(body))
		req.Header.Set("Authorization", "Bearer "+token.AccessToken)
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		var out answer
		json.NewDecoder(resp.Body).Decode(&out)
		return resp, out
	}
	var ids []string
	_, got := call("POST", tn.GraphURL()+"/v1.0/me/getMemberObjects", `{"securityEnabledOnly":true}`)
	if json.Unmarshal(got.Value, &ids); len(ids) != 300 {
		t.Errorf("getMemberObjects: %d ids, want 300", len(ids))
	}
	seen, pages := map[string]bool{}, 0
	for next := tn.GraphURL() + "/v1.0/me/transitiveMemberOf?$top=120&$select=id"; next != ""; pages++ {
		var objects []struct{ ID string }
		_, got := call("GET", next, "")
		json.Unmarshal(got.Value, &objects)
		for _, o := range objects {
			seen[o.ID] = true
		}
		next = got.Next
	}
	if len(seen) != 300 || pages != 3 {
		t.Errorf("transitiveMemberOf: %d groups on %d pages", len(seen), pages)
	}
	var named []struct{ ID, DisplayName string }
	_, got = call("POST", tn.GraphURL()+"/v1.0/directoryObjects/getByIds", `{"ids":["`+tn.Group("eng").ID+`"]}`)
	if json.Unmarshal(got.Value, &named); len(named) != 1 || named[0].DisplayName != "eng" {
		t.Errorf("getByIds: %s", got.Value)
	}
	for fault, status := range map[sim.Fault]int{sim.GraphThrottled.With("7"): 429, sim.GraphForbidden: 403, sim.GraphDown: 503} {
		tn.Mend()
		if err := tn.Break(fault); err != nil {
			t.Fatal(err)
		}
		resp, _ := call("POST", tn.GraphURL()+"/v1.0/me/getMemberObjects", `{"securityEnabledOnly":true}`)
		if resp.StatusCode != status || status == 429 && resp.Header.Get("Retry-After") != "7" {
			t.Errorf("%s: %d %v", fault, resp.StatusCode, resp.Header)
		}
	}
	tn.Mend()
	resp, err := http.PostForm(tn.State().Endpoints["token"], url.Values{"grant_type": {"client_credentials"}, "client_id": {"rp"}, "client_secret": {"s3cret +/%"}, "scope": {"https://graph.microsoft.com/.default"}})
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if json.NewDecoder(resp.Body).Decode(token); token.AccessToken == "" {
		t.Fatal("no application token")
	}
	if resp, _ := call("POST", tn.GraphURL()+"/v1.0/me/getMemberObjects", `{"securityEnabledOnly":true}`); resp.StatusCode != 400 {
		t.Errorf("/me with an application token: %d", resp.StatusCode)
	}
	u, _ := tn.User("amy@acme.example")
	if resp, _ := call("POST", tn.GraphURL()+"/v1.0/users/"+u.ID+"/getMemberObjects", `{"securityEnabledOnly":true}`); resp.StatusCode != 200 {
		t.Errorf("/users with an application token: %d", resp.StatusCode)
	}
}

func TestOktaGroupsArePagedByLink(t *testing.T) {
	tn, _ := world(t, sim.Okta, func(c *sim.TenantConfig) { c.APIToken = "00token" })
	if err := tn.Break(sim.ManyGroups.With("248")); err != nil {
		t.Fatal(err)
	}
	seen, pages := map[string]bool{}, 0
	for next := tn.URL() + "/api/v1/users/amy@acme.example/groups"; next != ""; pages++ {
		req, _ := http.NewRequest("GET", next, nil)
		req.Header.Set("Authorization", "SSWS 00token")
		resp, err := http.DefaultClient.Do(req)
		if err != nil || resp.StatusCode != 200 {
			t.Fatal(resp, err)
		}
		var groups []struct {
			ID      string
			Profile struct{ Name string }
		}
		json.NewDecoder(resp.Body).Decode(&groups)
		resp.Body.Close()
		for _, g := range groups {
			seen[g.Profile.Name] = true
		}
		next = ""
		for _, link := range resp.Header.Values("Link") {
			if address, isNext := strings.CutSuffix(link, `>; rel="next"`); isNext {
				next = address[1:]
			}
		}
	}
	if len(seen) != 250 || pages != 3 || !seen["eng"] {
		t.Errorf("%d groups on %d pages", len(seen), pages)
	}
	resp, err := http.Get(tn.URL() + "/api/v1/users/amy@acme.example/groups")
	if err != nil || resp.StatusCode != 401 {
		t.Errorf("without a token: %v %v", resp, err)
	}
}

func serviceProvider(t testing.TB, tn *sim.Tenant, a *app) *saml.ServiceProvider {
	t.Helper()
	key, _ := spCertificate(t)
	raw, err := tn.Metadata()
	if err != nil {
		t.Fatal(err)
	}
	var meta saml.EntityDescriptor
	if err := xml.Unmarshal(raw, &meta); err != nil {
		t.Fatal(err)
	}
	acs, _ := url.Parse(a.URL + "/acs")
	slo, _ := url.Parse(a.URL + "/slo")
	return &saml.ServiceProvider{EntityID: "https://sp.example", Key: key, AcsURL: *acs, SloURL: *slo, IDPMetadata: &meta, AuthnNameIDFormat: saml.UnspecifiedNameIDFormat}
}

// crewjam/saml, which shares nothing with us but its types, takes what every dialect sends.
func TestPeopleSignInThroughEveryDialectOverSAML(t *testing.T) {
	for _, d := range sim.Dialects() {
		for _, binding := range []string{saml.HTTPRedirectBinding, saml.HTTPPostBinding} {
			if d == sim.JumpCloud && binding == saml.HTTPRedirectBinding {
				continue // declares no redirect endpoint
			}
			t.Run(string(d)+"/"+binding[len(binding)-4:], func(t *testing.T) {
				tn, a := world(t, d)
				sp := serviceProvider(t, tn, a)
				req, err := sp.MakeAuthenticationRequest(sp.GetSSOBindingLocation(binding), binding, saml.HTTPPostBinding)
				if err != nil {
					t.Fatal(err)
				}
				b := sim.NewBrowser(nil)
				var page *sim.Page
				if binding == saml.HTTPRedirectBinding {
					to, err := req.Redirect("relay-1", sp)
					if err != nil {
						t.Fatal(err)
					}
					page = get(t, b, to.String())
				} else {
					raw, err := xml.Marshal(req)
					if err != nil {
						t.Fatal(err)
					}
					page, err = b.Submit(context.Background(), &sim.Form{Action: req.Destination, Method: "POST", Fields: url.Values{
						"SAMLRequest": {base64.StdEncoding.EncodeToString(raw)}, "RelayState": {"relay-1"}}}, nil)
					if err != nil {
						t.Fatal(err)
					}
				}
				choose(t, b, page, "amy@acme.example")
				got := a.last(t)
				if got.Get("RelayState") != "relay-1" {
					t.Errorf("RelayState %q", got.Get("RelayState"))
				}
				raw, err := base64.StdEncoding.DecodeString(strings.ReplaceAll(got.Get("SAMLResponse"), "\r\n", ""))
				if err != nil {
					t.Fatal(err)
				}
				if d == sim.Ping {
					return // crewjam finds no certificate in an RSAKeyValue when it has metadata; xmlsec1 judged it above
				}
				assertion, err := sp.ParseXMLResponse(raw, []string{req.ID}, sp.AcsURL)
				if err != nil {
					t.Fatal(err, err.(*saml.InvalidResponseError).PrivateErr)
				}
				if assertion.Subject.NameID.Value == "" {
					t.Error("no NameID")
				}
			})
		}
	}
}

func TestRequestsAreChecked(t *testing.T) {
	key, cert := spCertificate(t)
	tn, a := world(t, sim.Generic, func(c *sim.TenantConfig) {
		c.SAML[0].Certificates, c.SAML[0].RequireSigned = []string{cert}, true
		c.Auto = "amy@acme.example"
	})
	sp := serviceProvider(t, tn, a)
	request := func() string {
		req, err := sp.MakeAuthenticationRequest(tn.SSOURL(), saml.HTTPRedirectBinding, saml.HTTPPostBinding)
		if err != nil {
			t.Fatal(err)
		}
		to, err := req.Redirect("relay", sp)
		if err != nil {
			t.Fatal(err)
		}
		return to.String()
	}
	if p := get(t, sim.NewBrowser(nil), request()); p.Status != 403 {
		t.Errorf("an unsigned request: %d", p.Status)
	}
	sp.Key, sp.SignatureMethod = key, "http://www.w3.org/2001/04/xmldsig-more#rsa-sha256"
	sp.Certificate = parseCert(t, cert)
	good := request()
	if p := get(t, sim.NewBrowser(nil), good); string(p.Body) != "welcome" {
		t.Errorf("a signed request: %d %s", p.Status, p.Body)
	}
	if p := get(t, sim.NewBrowser(nil), strings.Replace(good, "RelayState=relay", "RelayState=other", 1)); p.Status != 403 {
		t.Errorf("a changed query: %d", p.Status)
	}
	for name, bad := range map[string]string{"nothing": "", "no base64": "?SAMLRequest=!!", "no deflate": "?SAMLRequest=AAAA"} {
		if p := get(t, sim.NewBrowser(nil), tn.SSOURL()+bad); p.Status != 400 {
			t.Errorf("%s: %d", name, p.Status)
		}
	}
}

func TestIdPInitiatedStart(t *testing.T) {
	tn, a := world(t, sim.Okta)
	b := sim.NewBrowser(nil)
	choose(t, b, get(t, b, tn.StartURL("https://sp.example")+"&RelayState=home"), "bob@acme.example")
	raw, _ := base64.StdEncoding.DecodeString(a.last(t).Get("SAMLResponse"))
	if !bytes.Contains(raw, []byte("bob@acme.example")) || bytes.Contains(raw, []byte("InResponseTo")) || a.last(t).Get("RelayState") != "home" {
		t.Errorf("%s", raw)
	}
}

func TestSingleLogoutBothWays(t *testing.T) {
	for _, binding := range []string{"redirect", "post"} {
		t.Run(binding, func(t *testing.T) {
			key, cert := spCertificate(t)
			tn, a := world(t, sim.Entra, func(c *sim.TenantConfig) {
				c.SAML[0].SLOBinding, c.SAML[0].Certificates = binding, []string{cert}
				c.Auto = "amy@acme.example"
			})
			b := sim.NewBrowser(nil)
			get(t, b, tn.StartURL("https://sp.example"))

			// The provider starts it.
			get(t, b, tn.URL()+"/logout")
			if a.last(t).Get("SAMLRequest") == "" || binding == "redirect" && a.last(t).Get("Signature") == "" {
				t.Errorf("logout request: %v", a.last(t))
			}
			if len(tn.SignedIn()) != 0 {
				t.Error("the session is still there")
			}

			// The application starts it, unsigned at first.
			get(t, b, tn.StartURL("https://sp.example"))
			raw, _ := base64.StdEncoding.DecodeString(a.last(t).Get("SAMLResponse"))
			index := parse(t, raw).FindElement("//AuthnStatement").SelectAttrValue("SessionIndex", "")
			sp := serviceProvider(t, tn, a)
			logout, err := sp.MakeLogoutRequest(tn.SLOURL(), "amy@acme.example")
			if err != nil {
				t.Fatal(err)
			}
			logout.SessionIndex = &saml.SessionIndex{Value: index}
			send := func() *sim.Page {
				tree := etree.NewDocument()
				tree.SetRoot(logout.Element()) // marshalling it panics in crewjam/saml 0.5.1 without NotOnOrAfter
				doc, err := tree.WriteToBytes()
				if err != nil {
					t.Fatal(err)
				}
				p, err := b.Submit(context.Background(), &sim.Form{Action: tn.SLOURL(), Method: "POST", Fields: url.Values{"SAMLRequest": {base64.StdEncoding.EncodeToString(doc)}, "RelayState": {"out"}}}, nil)
				if err != nil {
					t.Fatal(err)
				}
				return p
			}
			if p := send(); p.Status != 403 || len(tn.SignedIn()) != 1 {
				t.Errorf("an unsigned logout request: %d", p.Status)
			}
			sp.Key, sp.Certificate, sp.SignatureMethod = key, parseCert(t, cert), "http://www.w3.org/2001/04/xmldsig-more#rsa-sha256"
			if err := sp.SignLogoutRequest(logout); err != nil {
				t.Fatal(err)
			}
			send()
			if got := a.last(t); got.Get("SAMLResponse") == "" || got.Get("RelayState") != "out" || len(tn.SignedIn()) != 0 {
				t.Errorf("logout response: %v", got)
			}
			if binding == "post" {
				raw, _ := base64.StdEncoding.DecodeString(a.last(t).Get("SAMLResponse"))
				root := parse(t, raw)
				if root.SelectAttrValue("InResponseTo", "") != logout.ID {
					t.Error("InResponseTo is another request's")
				}
			}
		})
	}
}

func TestMetadata(t *testing.T) {
	for _, d := range sim.Dialects() {
		tn := company(t, d)
		if _, err := tn.AddKey(sim.KeyOptions{}); err != nil {
			t.Fatal(err)
		}
		raw, err := tn.Metadata()
		if err != nil {
			t.Fatal(err)
		}
		var meta saml.EntityDescriptor
		if err := xml.Unmarshal(raw, &meta); err != nil {
			t.Fatalf("%s: %v", d, err)
		}
		if meta.EntityID != tn.EntityID() || len(meta.IDPSSODescriptors) != 1 || len(meta.IDPSSODescriptors[0].KeyDescriptors) != 2 {
			t.Errorf("%s: %+v", d, meta)
		}
		root := parse(t, raw)
		if signed := root.FindElement("./Signature") != nil; signed != (d == sim.ADFS || d == sim.Entra) {
			t.Errorf("%s: signed %v", d, signed)
		} else if signed {
			if err := verify(tn, root, ""); err != nil {
				t.Errorf("%s: %v", d, err)
			}
		}
	}
}

func TestControlAPI(t *testing.T) {
	tn, a := world(t, sim.Generic)
	base := strings.TrimSuffix(tn.URL(), "/acme") + "/_control/tenants/acme"
	call := func(method, path, body string, headers ...string) (int, string) {
		t.Helper()
		req, _ := http.NewRequest(method, base+path, strings.NewReader(body))
		for i := 0; i < len(headers); i += 2 {
			req.Header.Set(headers[i], headers[i+1])
		}
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		out, _ := io.ReadAll(resp.Body)
		return resp.StatusCode, string(out)
	}
	if code, body := call("PUT", "/users/amy@acme.example/groups", `["new"]`); code != 200 || !strings.Contains(body, `"groups":["new"]`) {
		t.Errorf("groups: %d %s", code, body)
	}
	if code, body := call("PUT", "/users/zoe@acme.example", `{"display_name":"Zoe"}`); code != 200 || !strings.Contains(body, `"Zoe"`) {
		t.Errorf("user: %d %s", code, body)
	}
	if code, body := call("PUT", "/faults", `{"expired":"","clock-skew":"2m"}`); code != 200 || body != `["clock-skew=2m","expired"]`+"\n" {
		t.Errorf("faults: %d %s", code, body)
	}
	if code, _ := call("PUT", "/faults", `{"nonsense":""}`); code != 400 || len(tn.Broken()) != 2 {
		t.Errorf("unknown fault: %d, %v", code, tn.Broken())
	}
	if code, _ := call("PUT", "/auto", `{"user":"amy@acme.example"}`); code != 204 {
		t.Errorf("auto: %d", code)
	}
	get(t, sim.NewBrowser(nil), tn.StartURL(""))
	if a.last(t).Get("SAMLResponse") == "" {
		t.Error("automatic sign-in asked")
	}
	if code, body := call("POST", "/keys", `{"do":"rotate","keep_old":true}`); code != 200 || strings.Count(body, `"signing":true`) != 1 {
		t.Errorf("keys: %d %s", code, body)
	}
	if code, body := call("POST", "/saml-response", `{"user":"amy@acme.example","faults":["unsigned"]}`); code != 200 || strings.Contains(body, "SignatureValue") {
		t.Errorf("saml-response: %d %s", code, body)
	}
	if code, body := call("GET", "/log", ""); code != 200 || !strings.Contains(body, "saml.response") {
		t.Errorf("log: %d %s", code, body)
	}
	if code, _ := call("GET", "", "", "Sec-Fetch-Site", "cross-site"); code != 200 {
		t.Errorf("reading from another site is harmless: %d", code)
	}
	if code, _ := call("PUT", "/auto", `{"user":""}`, "Sec-Fetch-Site", "cross-site"); code != 403 {
		t.Errorf("a web page elsewhere changed the simulator: %d", code)
	}
	if code, _ := call("PUT", "/users/nobody@acme.example/groups", `[]`); code != 404 {
		t.Errorf("nobody: %d", code)
	}
}

func TestAPersonChangesGroupsOnThePage(t *testing.T) {
	tn, _ := world(t, sim.Okta)
	b := sim.NewBrowser(nil)
	p := get(t, b, tn.URL()+"/ui")
	if p.Status != 200 || !bytes.Contains(p.Body, []byte("amy@acme.example")) || p.Form == nil {
		t.Fatalf("%d", p.Status)
	}
	if _, err := b.Submit(context.Background(), p.Form, url.Values{"groups": {"a\r\nb, with comma\r\n"}}); err != nil {
		t.Fatal(err)
	}
	if u, _ := tn.User("amy@acme.example"); strings.Join(u.Groups, "|") != "a|b, with comma" {
		t.Errorf("%q", u.Groups)
	}
	form := &sim.Form{Action: tn.URL() + "/ui/faults", Method: "POST", Fields: url.Values{"fault": {"expired", "clock-skew"}, "value-clock-skew": {"9m"}}}
	if p, err := b.Submit(context.Background(), form, nil); err != nil || !bytes.Contains(p.Body, []byte("clock-skew=9m")) {
		t.Error(err)
	}
	if got := tn.Broken(); len(got) != 2 {
		t.Errorf("%q", got)
	}
}
