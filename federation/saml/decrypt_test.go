package saml

import (
	"bytes"
	"fmt"
	"reflect"
	"strings"
	"testing"

	"github.com/drawbridge-id/drawbridge/account"
)

// THREAT SAML-E1
func TestEncryptedAssertionsOfAllGoodKindsAreOpened(t *testing.T) {
	for name, e := range map[string]encrypter{
		"usual":              {},
		"aes128-gcm":         {content: nsXENC1 + "aes128-gcm"},
		"aes192-gcm":         {content: nsXENC1 + "aes192-gcm"},
		"aes128-cbc":         {content: nsXENC + "aes128-cbc"},
		"aes192-cbc":         {content: nsXENC + "aes192-cbc"},
		"aes256-cbc":         {content: nsXENC + "aes256-cbc"},
		"sha256, sha1 mask":  {digest: nsXENC + "sha256"},
		"xmlenc11":           {wrap: nsXENC1 + "rsa-oaep"},
		"xmlenc11, sha256":   {wrap: nsXENC1 + "rsa-oaep", digest: nsXENC + "sha256", mgf: nsXENC1 + "mgf1sha256"},
		"xmlenc11, mixed":    {wrap: nsXENC1 + "rsa-oaep", digest: nsXENC + "sha256", mgf: nsXENC1 + "mgf1sha1"},
		"key beside":         {beside: true},
		"our other key":      {to: ourOtherKey()},
		"several recipients": {keys: 3},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld()
			w.settings.SAML.AllowCBC = true
			w.sp.Keys = append(w.sp.Keys, ourOtherKey())
			j := w.judge(encryptedResponse(e))
			if j.Login == nil || j.Login.Subject != "u-4711" || len(j.Login.Groups.Values) != 2 {
				t.Fatalf("%v", j.Refusal)
			}
			if find(j, "encryption") == nil || !strings.Contains(j.Raw, "Decrypted:") {
				t.Error("the administrator is not told that it was encrypted")
			}
		})
	}
}

// THREAT SAML-E2
// THREAT SAML-K2
func TestEncryptionThatIsWeakOrOdd(t *testing.T) {
	w := newWorld()
	usual := encryptedResponse(encrypter{})
	for name, c := range map[string]struct{ xml, code string }{
		"rsa 1.5":           {encryptedResponse(encrypter{wrap: nsXENC + "rsa-1_5"}), "encryption_algorithm"},
		"cbc without leave": {encryptedResponse(encrypter{content: nsXENC + "aes256-cbc"}), "encryption_algorithm"},
		"3des":              {replaced(usual, nsXENC1+"aes256-gcm", nsXENC+"tripledes-cbc"), "encryption_algorithm"},
		"no algorithm":      {replaced(usual, nsXENC1+"aes256-gcm", ""), "encryption_algorithm"},
		"odd mask":          {encryptedResponse(encrypter{wrap: nsXENC1 + "rsa-oaep", mgf: "urn:x"}), "encryption_algorithm"},
		"odd digest":        {encryptedResponse(encrypter{digest: "urn:x"}), "encryption_algorithm"},
		"CipherReference":   {replaced(usual, "<xenc:CipherData><xenc:CipherValue>", `<xenc:CipherData><xenc:CipherReference URI="https://evil.example"/><xenc:CipherValue>`), "response_malformed"},
		"outside retrieval": {strings.Replace(encryptedResponse(encrypter{beside: true}), `URI="#_key1"`, `URI="https://evil.example/key"`, 1), "encryption_algorithm"},
		"no key":            {replaced(encryptedResponse(encrypter{beside: true}), "</xenc:EncryptedData><xenc:EncryptedKey", "</xenc:EncryptedData><xenc:X"), "response_malformed"},
		"too many keys":     {encryptedResponse(encrypter{keys: 4}), "encryption_algorithm"},
		"two of them":       {replaced(usual, "</samlp:Response>", encrypter{}.element("EncryptedAssertion", "x")+"</samlp:Response>"), "response_malformed"},
	} {
		t.Run(name, func(t *testing.T) {
			j := w.judge(c.xml)
			if j.Login != nil || j.Refusal.Code != c.code && !strings.Contains(c.xml, "xenc:X") {
				t.Errorf("verdict is %v", j.Refusal)
			}
		})
	}
	w.settings.SAML.RequireEncrypted = true
	w.refused(t, signedResponse(), "encryption_required")
	w.accepted(t, usual)
	w.sp.Keys = nil
	w.refused(t, usual, "encryption_algorithm")
}

// An attacker with our public certificate and patience must not tell one failure from another.
//
// THREAT SAML-E3
// THREAT SAML-S1
// INTEROP M1
func TestEveryFailureBehindTheEncryptionLooksTheSame(t *testing.T) {
	signed := signedResponse()
	good := signed[strings.Index(signed, "<saml:Assertion"):strings.Index(signed, "</samlp:Response>")]
	envelope := func(e encrypter, plain string) string {
		return strings.Replace(responseXML, assertionXML, e.element("EncryptedAssertion", plain), 1)
	}
	cbc := nsXENC + "aes256-cbc"
	cut := func(n int) func([]byte) []byte { return func(b []byte) []byte { return b[:n] } }
	flip := func(i int) func([]byte) []byte {
		return func(b []byte) []byte {
			b = bytes.Clone(b)
			b[(len(b)+i)%len(b)] ^= 1
			return b
		}
	}
	cases := map[string]string{
		"for another's key":     envelope(encrypter{to: strangersKey()}, good),
		"unsigned inside":       envelope(encrypter{}, assertionXML),
		"another signer inside": envelope(encrypter{}, inner(stamper{key: otherIdP()}.sign(responseXML, "_assertion1"))),
		"changed inside":        envelope(encrypter{}, strings.Replace(good, "u-4711", "u-4712", 1)),
		"sha1 inside":           envelope(encrypter{}, inner(stamper{method: nsDS + "rsa-sha1"}.sign(responseXML, "_assertion1"))),
		"two inside":            envelope(encrypter{}, good+good),
		"another element":       envelope(encrypter{}, `<x/>`),
		"nested":                envelope(encrypter{}, encrypter{}.element("EncryptedAssertion", good)),
		"no XML":                envelope(encrypter{}, "hello"),
		"blanks":                envelope(encrypter{}, "     "),
		"nothing":               envelope(encrypter{}, ""),
		"doctype":               envelope(encrypter{}, "<!DOCTYPE a>"+good),
		"same ID outside":       strings.Replace(envelope(encrypter{}, good), "_response1", "_assertion1", 1),
		"no ciphertext":         envelope(encrypter{spoil: cut(0)}, good),
		"short ciphertext":      envelope(encrypter{spoil: cut(11)}, good),
		"tag only":              envelope(encrypter{spoil: cut(28)}, good),
		"flipped tag":           envelope(encrypter{spoil: flip(-1)}, good),
		"flipped nonce":         envelope(encrypter{spoil: flip(0)}, good),
		"ragged cbc":            envelope(encrypter{content: cbc, spoil: cut(47)}, good),
		"cbc of one block":      envelope(encrypter{content: cbc, spoil: cut(16)}, good),
		"empty cbc":             envelope(encrypter{content: cbc, spoil: cut(0)}, good),
		"flipped cbc end":       envelope(encrypter{content: cbc, spoil: flip(-17)}, good),
		"flipped cbc middle":    envelope(encrypter{content: cbc, spoil: flip(300)}, good),
		"key of another size":   strings.Replace(envelope(encrypter{}, good), "aes256-gcm", "aes128-gcm", 1),
	}
	w := newWorld()
	w.settings.SAML.AllowCBC = true
	want := closed()
	for name, xml := range cases {
		j := w.judge(xml)
		if j.Login != nil {
			t.Errorf("%s: accepted", name)
			continue
		}
		if got := (fault{j.Refusal.Code, j.Refusal.Expected, j.Refusal.Received}); got != *want {
			t.Errorf("%s: %v", name, j.Refusal)
		}
		if strings.Contains(j.Raw, "Decrypted") || len(j.Claims) > 0 || j.Refusal.Unwrap() != nil {
			t.Errorf("%s: something of the inside is shown", name)
		}
		last := j.Checks[len(j.Checks)-1]
		if !reflect.DeepEqual(last.Fix, map[account.IdPKind]string(looks["encryption"].fix)) {
			t.Errorf("%s: another remedy", name)
		}
	}
}

func inner(xml string) string {
	return xml[strings.Index(xml, "<saml:Assertion"):strings.Index(xml, "</samlp:Response>")]
}

func strangersKey() account.SPKey {
	k := ourKey()
	k.ID, k.Certificate = "x", account.PEM(otherIdP().cert)
	return k
}

// A signed response vouches for what it holds encrypted, whether that is signed again or not.
func TestASignedResponseAroundAnEncryptedAssertion(t *testing.T) {
	w := newWorld()
	unsigned := strings.Replace(responseXML, assertionXML, encrypter{}.element("EncryptedAssertion", assertionXML), 1)
	w.accepted(t, stamper{}.sign(unsigned, "_response1"))
	w.accepted(t, stamper{}.sign(encryptedResponse(encrypter{}), "_response1"))
	w.refused(t, unsigned, "decryption_failed")
	bad := strings.Replace(responseXML, assertionXML, encrypter{}.element("EncryptedAssertion", inner(stamper{key: otherIdP()}.sign(responseXML, "_assertion1"))), 1)
	w.refused(t, stamper{}.sign(bad, "_response1"), "decryption_failed")
}

func TestAnEncryptedNameIDIsOpened(t *testing.T) {
	w := newWorld()
	id := strings.Replace(nameIDXML, "<saml:NameID", `<saml:NameID xmlns:saml="`+nsSAML+`"`, 1)
	login := w.accepted(t, edit(nameIDXML, encrypter{}.element("EncryptedID", id)))
	if login.Subject != "u-4711" {
		t.Errorf("the subject is %q", login.Subject)
	}
	w.refused(t, edit(nameIDXML, encrypter{to: strangersKey()}.element("EncryptedID", id)), "decryption_failed")
	w.refused(t, edit(nameIDXML, encrypter{}.element("EncryptedID", "<x/>")), "decryption_failed")
}

// An assertion that relies on what is declared around it, as some providers encrypt it.
func TestADecryptedAssertionStandsWhereItWasEncrypted(t *testing.T) {
	w := newWorld()
	bare := strings.Replace(inner(signedResponse()), ` xmlns:saml="`+nsSAML+`"`, "", 1)
	w.accepted(t, strings.Replace(responseXML, assertionXML, encrypter{}.element("EncryptedAssertion", bare), 1))
}

func TestManyEncryptedKeysCostLittle(t *testing.T) {
	e, f := unwrapEnvelope(mustParse(encrypter{keys: 3}.element("EncryptedAssertion", "x")), false)
	if f != nil || len(e.wrapped) != 3 {
		t.Fatal(f)
	}
	if _, f := unwrapEnvelope(mustParse(encrypter{keys: 9}.element("EncryptedAssertion", "x")), false); f == nil {
		t.Error("nine keys are tried")
	}
}

func mustParse(xml string) *node {
	d, f := parse([]byte(xml), responseLimits, nil, nil)
	if f != nil {
		panic(fmt.Sprint(f))
	}
	return d.root
}
