package test

import (
	"fmt"
	"net/url"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"

	"github.com/drawbridge-id/drawbridge/account"
	"github.com/drawbridge-id/drawbridge/test/peers"
	"github.com/drawbridge-id/drawbridge/test/world"
)

// peerEstate is acme with a connection to a peer; the peer's people are alice (eng, admins) and bob (ops).
const peerEstate = `
accounts:
  - name: acme
    services: [catalog, registry]
    owners: [olga@acme.example]
    teams: [{name: research}]
    domains:
      - {name: acme.example, connection: peer, proved: true}
    connections:
      - name: peer
        kind: generic
%s
    rules:
      - {name: Engineering, groups: [eng], org: [registry:writer], teams: {research: [registry:admin]}, state: active}
      - {name: Operations, groups: [ops], org: [catalog:reader], state: active}
`

// samlPeer is acme with simplesamlphp behind it. settings are further lines of the connection's saml settings; change says what
// the provider is told about us beyond the addresses.
func samlPeer(w *world.World, p *peers.SAMLPeer, settings []string, change func(*peers.SAMLServiceProvider)) account.Connection {
	w.Helper()
	lines := append([]string{"metadata: " + p.MetadataURL}, settings...)
	w.Apply(fmt.Sprintf(peerEstate, "        saml:\n          "+strings.Join(lines, "\n          ")))
	c := w.Connection("acme", "peer")
	keys, err := w.House.Ledger.SPKeys(w.Context(), c.ID)
	if err != nil {
		w.Fatal(err)
	}
	at := w.URL + "/saml/" + string(c.ID)
	sp := peers.SAMLServiceProvider{EntityID: at + "/metadata", ACS: at + "/acs", SLO: at + "/slo", CertPEM: keys[0].Certificate}
	if change != nil {
		change(&sp)
	}
	p.Register(sp)
	return c
}

// visits lets somebody sign in at a peer, with its password.
func visits(w *world.World, c account.Connection, user, password string) *world.Browser {
	w.Helper()
	w.Clock.Turn(time.Since(w.Clock.Now())) // peers go by the real time
	b := w.Browser(user)
	b.Password = password
	b.SignIn(c)
	return b
}

// Every shape that simplesamlphp can sign and encrypt in, and the way out again.
func TestPeopleSignInThroughSimpleSAMLphp(t *testing.T) {
	world.Each(t, func(w *world.World) {
		p := peers.SimpleSAMLphp(w, nil)
		for name, variant := range map[string]struct {
			settings []string
			change   func(*peers.SAMLServiceProvider)
		}{
			"response and assertion signed": {},
			"response signed":               {nil, func(sp *peers.SAMLServiceProvider) { sp.UnsignedAssertion = true }},
			"assertion signed":              {nil, func(sp *peers.SAMLServiceProvider) { sp.UnsignedResponse = true }},
			"encrypted":                     {[]string{"allow_cbc: true"}, func(sp *peers.SAMLServiceProvider) { sp.Encrypt = true }},
			"requests signed":               {[]string{"sign_requests: true"}, func(sp *peers.SAMLServiceProvider) { sp.SignedRequests = true }},
		} {
			c := samlPeer(w, p, variant.settings, variant.change)
			alice := visits(w, c, "alice", "alice-pw").Session()
			if alice.User.Email != "alice@acme.example" || alice.Groups.State != account.GroupsComplete {
				w.Errorf("%s: Alice is %+v", name, alice)
				continue
			}
			wantRoles(w, alice, "registry:writer", "registry:admin@research")
		}
		c := samlPeer(w, p, nil, nil)
		wantRoles(w, visits(w, c, "bob", "bob-pw").Session(), "catalog:reader")

		p.SetUser("bob", map[string][]string{"uid": {"bob"}, "mail": {"bob@acme.example"}, "groups": {"eng"}})
		bob := visits(w, c, "bob", "bob-pw")
		wantRoles(w, bob.Session(), "registry:writer", "registry:admin@research")

		p.SetUser("eve", map[string][]string{"uid": {"eve"}, "mail": {"alice@acme.example.evil.example"}, "groups": {"eng"}})
		if eve := visits(w, c, "eve", "eve-pw"); eve.Session().Status != 401 {
			w.Error("a person of a domain that is not theirs came in")
		}
		if wrong := visits(w, c, "alice", "wrong"); wrong.Session().Status != 401 {
			w.Error("a wrong password came in")
		}

		// Out by way of the provider: it wants our signature, and answers with its own.
		out := onPage(w, bob, "/signout", url.Values{})
		_, onward, _ := strings.Cut(out.Header.Get("Refresh"), "url=")
		if !strings.HasPrefix(onward, strings.TrimSuffix(p.SSOURL, "SSOService.php")) {
			w.Fatalf("signing out goes on to %q", onward)
		}
		end, err := bob.Go(w.Context(), onward)
		if err != nil || !strings.HasPrefix(end.URL, w.URL) || end.Status != 200 {
			w.Errorf("signing out ends at %+v (%v)", end, err)
		}
		bob.Password = "wrong" // the provider asks again, as its session is over
		bob.SignIn(c)
		if bob.Session().Status != 401 {
			w.Error("after the sign-out the provider let Bob in without his password")
		}
	})
}

// THREAT SAML-R2
func TestASignInThatSimpleSAMLphpBegins(t *testing.T) {
	world.Each(t, func(w *world.World) {
		p := peers.SimpleSAMLphp(w, nil)
		for _, allowed := range []bool{false, true} {
			c := samlPeer(w, p, []string{fmt.Sprintf("idp_initiated: %t", allowed)}, nil)
			w.Clock.Turn(time.Since(w.Clock.Now()))
			b := w.Browser("alice")
			b.Password = "alice-pw"
			end, err := b.Go(w.Context(), p.InitiatedURL(w.URL+"/saml/"+string(c.ID)+"/metadata"))
			if err != nil {
				w.Fatal(err)
			}
			if in := b.Session().Status == 200; in != allowed {
				w.Errorf("allowed %t, signed in %t: %d at %s", allowed, in, end.Status, end.URL)
			}
		}
	})
}

// oidcPeer is acme with oidc-provider behind it. The provider has to know our redirect URI when it starts, and we its issuer.
func oidcPeer(w *world.World, o peers.OIDCOptions, settings ...string) (*peers.OIDCPeer, account.Connection) {
	w.Helper()
	apply := func(issuer string) {
		lines := append([]string{"issuer: " + issuer, "client_id: drawbridge", "scopes: [profile, email, groups]"}, settings...)
		w.Apply(fmt.Sprintf(peerEstate, "        oidc:\n          "+strings.Join(lines, "\n          ")))
	}
	apply("http://localhost:1")
	c := w.Connection("acme", "peer")
	at := w.URL + "/oidc/" + string(c.ID)
	o.RedirectURIs = []string{at + "/callback"}
	if o.Client == nil {
		o.Client = map[string]any{}
	}
	o.Client["backchannel_logout_uri"], o.Client["post_logout_redirect_uris"] = at+"/backchannel-logout", []string{w.URL + "/signed-out"}
	if o.Client["token_endpoint_auth_method"] == "private_key_jwt" {
		o.Client["jwks"] = jwks(w, c)
	}
	p := peers.OIDCProvider(w, o)
	apply(p.Issuer)
	return p, w.Connection("acme", "peer")
}

// jwks are our public keys for a connection, as an administrator would register them.
func jwks(w *world.World, c account.Connection) jose.JSONWebKeySet {
	w.Helper()
	keys, err := w.House.Ledger.SPKeys(w.Context(), c.ID)
	if err != nil {
		w.Fatal(err)
	}
	var set jose.JSONWebKeySet
	for _, k := range keys {
		crt, err := account.ParseCertificate(k.Certificate)
		if err != nil {
			w.Fatal(err)
		}
		set.Keys = append(set.Keys, jose.JSONWebKey{Key: crt.PublicKey, KeyID: k.ID, Use: "sig"})
	}
	return set
}

// THREAT OIDC-U1, OIDC-K1, OIDC-F6
func TestPeopleSignInThroughOIDCProvider(t *testing.T) {
	world.Each(t, func(w *world.World) {
		for name, variant := range map[string]struct {
			options  peers.OIDCOptions
			settings []string
		}{
			"as usual":                      {peers.OIDCOptions{RequirePKCE: true}, []string{"client_secret: drawbridge-secret"}},
			"claims at userinfo, form_post": {peers.OIDCOptions{ClaimsAtUserinfo: true}, []string{"client_secret: drawbridge-secret", "response_mode: form_post"}},
			"ES256, secret in the body": {peers.OIDCOptions{Client: map[string]any{"id_token_signed_response_alg": "ES256", "token_endpoint_auth_method": "client_secret_post"}},
				[]string{"client_secret: drawbridge-secret", "auth_method: client_secret_post"}},
			"our own key": {peers.OIDCOptions{Client: map[string]any{"token_endpoint_auth_method": "private_key_jwt"}},
				[]string{"auth_method: private_key_jwt"}},
		} {
			_, c := oidcPeer(w, variant.options, variant.settings...)
			alice := visits(w, c, "alice", "any").Session()
			if alice.User.Email != "alice@acme.example" || alice.Groups.State != account.GroupsComplete {
				w.Errorf("%s: Alice is %+v", name, alice)
				continue
			}
			wantRoles(w, alice, "registry:writer", "registry:admin@research")
			wantRoles(w, visits(w, c, "bob", "any").Session(), "catalog:reader")
		}
		p, c := oidcPeer(w, peers.OIDCOptions{Users: peers.OIDCUsers{
			"alice": {"email": "alice@acme.example", "email_verified": true, "groups": []string{"eng"}},
			"eve":   {"email": "alice@acme.example", "email_verified": true, "groups": []string{"eng"}},
			"mal":   {"email": "mal@globex.example", "email_verified": true, "groups": []string{"eng"}},
			"new":   {"email": "new@acme.example", "email_verified": false, "groups": []string{"eng"}},
		}}, "client_secret: drawbridge-secret")
		if s := visits(w, c, "alice", "any").Session(); s.Status != 200 { // whom this provider names first has the address
			w.Errorf("at a new provider Alice is answered %d", s.Status)
		}
		for _, who := range []string{"eve", "mal", "new"} { // another subject with Alice's address, another domain, an unproved address
			if visits(w, c, who, "any").Session().Status != 401 {
				w.Errorf("%s came in", who)
			}
		}
		for _, keepOld := range []bool{true, false} { // the provider changes its keys between two sign-ins
			p.Rotate(keepOld)
			visits(w, c, "alice", "any")
			if s := visits(w, c, "alice", "any").Session(); s.Status != 200 {
				w.Errorf("after the rotation (old keys kept: %t) Alice is answered %d", keepOld, s.Status)
			}
		}
		alice := visits(w, c, "alice", "any")
		out := onPage(w, alice, "/signout", url.Values{})
		_, onward, _ := strings.Cut(out.Header.Get("Refresh"), "url=")
		if !strings.HasPrefix(onward, p.Issuer) {
			w.Fatalf("signing out goes on to %q", onward)
		}
		// This provider asks whether one means it.
		asked, err := alice.Go(w.Context(), onward)
		if err != nil {
			w.Fatal(err)
		}
		form := regexp.MustCompile(`name="xsrf" value="([0-9a-f]+)"`).FindStringSubmatch(asked.Body)
		if form == nil {
			w.Fatalf("at %s it says\n%s", asked.URL, asked.Body)
		}
		end, err := alice.Post(w.Context(), p.Issuer+"/session/end/confirm", url.Values{"xsrf": form[1:], "logout": {"yes"}})
		if err != nil || !strings.HasPrefix(end.URL, w.URL+"/signed-out") {
			w.Errorf("signing out ends at %+v (%v)", end, err)
		}
	})
}
