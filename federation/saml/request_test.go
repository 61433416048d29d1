package saml

import (
	"bytes"
	"crypto/rand"
	"encoding/base64"
	"encoding/xml"
	"net/url"
	"strings"
	"testing"

	crewjam "github.com/crewjam/saml"

	"github.com/drawbridge-id/drawbridge/account"
)

// opened reads a message of ours back with the library's types.
func opened[T any](t testing.TB, out Outgoing, field string) (T, []byte, url.Values) {
	t.Helper()
	var message T
	var raw []byte
	values := url.Values{}
	if out.URL != "" {
		u, err := url.Parse(out.URL)
		if err != nil {
			t.Fatal(err)
		}
		values = u.Query()
		var f *fault
		if raw, f = inflate(values.Get(field)); f != nil {
			t.Fatal(f)
		}
	} else {
		for _, f := range out.Fields {
			values.Add(f[0], f[1])
		}
		var err error
		if raw, err = base64.StdEncoding.DecodeString(values.Get(field)); err != nil {
			t.Fatal(err)
		}
	}
	if err := xml.Unmarshal(raw, &message); err != nil {
		t.Fatalf("%v\n%s", err, raw)
	}
	return message, raw, values
}

func TestARequestByRedirect(t *testing.T) {
	w := newWorld()
	s := *w.settings.SAML
	s.SSORedirect = "https://idp.acme.example/sso?idpid=C01#top"
	out, err := Start(w.sp, s, AuthnRequest{ID: requestID, Now: noon, RelayState: "a&SigAlg=evil", LoginHint: "ana+x@acme.example"})
	if err != nil {
		t.Fatal(err)
	}
	request, raw, values := opened[crewjam.AuthnRequest](t, out, "SAMLRequest")
	if request.ID != requestID || request.Issuer.Value != spEntity || request.AssertionConsumerServiceURL != spACS ||
		request.ProtocolBinding != bindingPOST || request.Destination != s.SSORedirect || !request.IssueInstant.Equal(noon) {
		t.Errorf("request is %s", raw)
	}
	if values.Get("idpid") != "C01" || values.Get("RelayState") != "a&SigAlg=evil" || values.Get("SigAlg") != "" || values.Get("login_hint") != "ana+x@acme.example" {
		t.Errorf("query is %v", values)
	}
	// AD FS and Entra refuse people over a format or a context that was asked for without need.
	if request.NameIDPolicy != nil || request.RequestedAuthnContext != nil || request.ForceAuthn != nil {
		t.Errorf("asked for more than needed: %s", raw)
	}
}

func TestARequestAsksForWhatTheConnectionSays(t *testing.T) {
	w := newWorld()
	s := *w.settings.SAML
	s.NameIDFormat, s.AuthnContext = formatPersistent, []string{"urn:a", "urn:b<"}
	out, err := Start(w.sp, s, AuthnRequest{ID: requestID, Now: noon, ForceAuthn: true})
	if err != nil {
		t.Fatal(err)
	}
	request, raw, _ := opened[crewjam.AuthnRequest](t, out, "SAMLRequest")
	if *request.NameIDPolicy.Format != formatPersistent || !*request.NameIDPolicy.AllowCreate || !*request.ForceAuthn ||
		bytes.Count(raw, []byte("<saml:AuthnContextClassRef>")) != 2 {
		t.Errorf("request is %s", raw)
	}
}

// Both kinds of key, both bindings; what the provider has to do is done by the same strict reader.
func TestARequestIsSignedWhenTheConnectionSaysSo(t *testing.T) {
	for name, key := range map[string]idpKey{"rsa": theIdP(), "ecdsa": curvedIdP()} {
		w := newWorld()
		w.sp.Keys = []account.SPKey{ourOtherKey(), spKeyOf(key)}
		s := *w.settings.SAML
		s.SignRequests = true
		out, err := Start(w.sp, s, AuthnRequest{ID: requestID, Now: noon, RelayState: "h"})
		if err != nil {
			t.Fatal(err)
		}
		_, query, _ := strings.Cut(out.URL, "?")
		trusted := trustOf(&account.SAMLSettings{Certificates: []string{account.PEM(key.cert)}})
		if _, relay, f := trusted.query(query); f != nil || relay != "h" {
			t.Errorf("%s: the query's signature: %v", name, f)
		}
		if _, _, f := trusted.query(strings.Replace(query, "RelayState=h", "RelayState=i", 1)); f == nil {
			t.Errorf("%s: RelayState is not under the signature", name)
		}
		s.SSOPost, s.SSORedirect = "https://idp.acme.example/sso", ""
		if out, err = Start(w.sp, s, AuthnRequest{ID: requestID, Now: noon, RelayState: "h"}); err != nil {
			t.Fatal(err)
		}
		_, raw, _ := opened[crewjam.AuthnRequest](t, out, "SAMLRequest")
		root := mustParse(string(raw))
		if _, f := trusted.verify(root, root.child(nsDS, "Signature")); f != nil {
			t.Errorf("%s: the message's signature: %v", name, f)
		}
		if out.Action != "https://idp.acme.example/sso" || out.Fields[1] != [2]string{"RelayState", "h"} {
			t.Errorf("%s: form is %+v", name, out)
		}
	}
}

func spKeyOf(k idpKey) account.SPKey {
	key := account.SPKey{ID: "k", Certificate: account.PEM(k.cert), Active: true}
	key.Private = account.NewSecret(pkcs8(k.key))
	return key
}

// THREAT SAML-L1
func TestWhatCannotBeSentIsAnError(t *testing.T) {
	w := newWorld()
	for name, c := range map[string]struct {
		settings account.SAMLSettings
		keys     []account.SPKey
		relay    string
	}{
		"no endpoint":     {account.SAMLSettings{}, w.sp.Keys, ""},
		"no key":          {account.SAMLSettings{SSORedirect: "https://idp", SignRequests: true}, nil, ""},
		"no active key":   {account.SAMLSettings{SSORedirect: "https://idp", SignRequests: true}, []account.SPKey{ourOtherKey()}, ""},
		"bad key":         {account.SAMLSettings{SSORedirect: "https://idp", SignRequests: true}, []account.SPKey{{Active: true, Private: account.NewSecret("x")}}, ""},
		"long RelayState": {account.SAMLSettings{SSORedirect: "https://idp"}, nil, strings.Repeat("x", 81)},
	} {
		if out, err := Start(SP{EntityID: spEntity, ACS: spACS, Keys: c.keys}, c.settings, AuthnRequest{ID: requestID, Now: noon, RelayState: c.relay}); err == nil {
			t.Errorf("%s: sent %+v", name, out)
		}
	}
}

// THREAT SAML-R1
func TestRequestIDsAreNamesThatNobodyGuesses(t *testing.T) {
	seen := map[string]bool{}
	for range 100 {
		id := NewRequestID(rand.Reader)
		if !ncName(id) || len(id) < 27 || seen[id] {
			t.Fatalf("the id %q", id)
		}
		seen[id] = true
	}
}

func TestPeekFindsTheRequestAndNothingElse(t *testing.T) {
	for name, c := range map[string]struct {
		raw, id string
		fails   bool
	}{
		"usual":       {b64(signedResponse()), requestID, false},
		"declaration": {b64(`<?xml version="1.0"?><!-- x -->` + signedResponse()), requestID, false},
		"wrapped":     {b64(signedResponse())[:76] + "\r\n" + b64(signedResponse())[76:], requestID, false},
		"blanks":      {" " + b64(signedResponse())[:76] + " " + b64(signedResponse())[76:], requestID, false},
		"large":       {b64(strings.Replace(signedResponse(), "u-4711", strings.Repeat("u", 100_000), 1)), requestID, false},
		"unsolicited": {b64(strings.Replace(responseXML, `InResponseTo`, `X`, 1)), "", false},
		"other root":  {b64(`<samlp:LogoutResponse InResponseTo="x">`), "", true},
		"no XML":      {b64("hello"), "", true},
		"no base64":   {"<Response>", "", true},
		"empty":       {"", "", true},
	} {
		if id, err := Peek(c.raw); id != c.id || (err != nil) != c.fails {
			t.Errorf("%s: %q, %v", name, id, err)
		}
	}
}

func TestAnswersAreInflatedToABound(t *testing.T) { // THREAT SAML-D4
	if _, f := inflate(deflate(bytes.Repeat([]byte("a"), maxInflated+1))); f == nil {
		t.Error("a bomb is inflated")
	}
	if m, f := inflate(deflate([]byte("hello"))); f != nil || string(m) != "hello" {
		t.Errorf("%q, %v", m, f)
	}
}

func TestANewKeySignsAndOpens(t *testing.T) {
	k, err := NewKey(rand.Reader, noon, "con_1")
	if err != nil {
		t.Fatal(err)
	}
	c, err := account.ParseCertificate(k.Certificate)
	if err != nil || c.Subject.CommonName != "con_1" || c.NotAfter.Before(noon.AddDate(9, 0, 0)) || !k.Active || len(k.ID) != 16 {
		t.Errorf("%+v, %v", k, err)
	}
	w := newWorld()
	w.sp.Keys = []account.SPKey{k}
	w.accepted(t, encryptedResponse(encrypter{to: k}))
	if s, err := w.sp.signer(); err != nil || s.method != algRSASHA256 {
		t.Error(err)
	}
	if strings.Contains(k.Private.String(), "PRIVATE") {
		t.Error("the key prints")
	}
}

// Without our keys nothing that was encrypted for us can be opened, so everything that Judge would open has to be foreseen.
func TestWhatMayBeEncryptedIsForeseen(t *testing.T) {
	for _, c := range []struct {
		name, field string
		want        bool
	}{
		{"an encrypted assertion", b64(encryptedResponse(encrypter{})), true},
		{"an encrypted assertion in lines", "\r\n " + b64(encryptedResponse(encrypter{})) + "\r\n", true},
		{"an encrypted attribute", b64(`<saml:EncryptedAttribute/>`), true},
		{"an encrypted name", b64(`<EncryptedID/>`), true},
		{"a readable assertion", b64(typicalResponse()), false},
		{"no base64, which Judge refuses", "<EncryptedAssertion/>", false},
	} {
		if got := MayBeEncrypted(c.field); got != c.want {
			t.Errorf("%s: %v", c.name, got)
		}
	}
}
