package sim_test

import (
	"bytes"
	"crypto"
	"crypto/aes"
	"crypto/cipher"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha1"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"hash"
	"math/big"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/beevik/etree"

	"github.com/drawbridge-id/drawbridge/test/sim"
)

func TestSAMLFaultsSayWhatTheyDo(t *testing.T) {
	attr := func(path, name string) func(*etree.Element) string {
		return func(root *etree.Element) string {
			if el := root.FindElement(path); el != nil {
				return el.SelectAttrValue(name, "(none)")
			}
			return "(none)"
		}
	}
	body := func(path string) func(*etree.Element) string {
		return func(root *etree.Element) string { return text(root, path) }
	}
	count := func(path string) func(*etree.Element) string {
		return func(root *etree.Element) string { return strings.Repeat("x", len(root.FindElements(path))) }
	}
	for _, c := range []struct {
		fault sim.Fault
		look  func(*etree.Element) string
		want  string
	}{
		{sim.WrongIssuer, body("./Assertion/Issuer"), "https://evil.example/idp"},
		{sim.WrongAudience, body("//Audience"), "https://other.example/saml"},
		{sim.NoAudience, body("//AudienceRestriction"), "(none)"},
		{sim.TwoAudiences, count("//AudienceRestriction/Audience"), "xx"},
		{sim.TwoRestrictions, count("//AudienceRestriction"), "xx"},
		{sim.WrongRecipient, attr("//SubjectConfirmationData", "Recipient"), "https://other.example/acs"},
		{sim.NoRecipient, attr("//SubjectConfirmationData", "Recipient"), "(none)"},
		{sim.WrongDestination, attr(".", "Destination"), "https://other.example/acs"},
		{sim.NoDestination, attr(".", "Destination"), "(none)"},
		{sim.WrongInResponseTo, attr("//SubjectConfirmationData", "InResponseTo"), "_nobody-asked"},
		{sim.NoInResponseTo, attr(".", "InResponseTo"), "(none)"},
		{sim.Expired, attr("//Conditions", "NotOnOrAfter"), "2026-03-14T08:26:53Z"},
		{sim.NotYetValid, attr("//Conditions", "NotBefore"), "2026-03-14T10:26:53Z"},
		{sim.ClockSkew.With("-7m"), attr(".", "IssueInstant"), "2026-03-14T09:19:53Z"},
		{sim.ClockSkew, attr(".", "IssueInstant"), "2026-03-14T09:31:53Z"},
		{sim.Unsigned, body("//Signature"), "(none)"},
		{sim.SHA1, attr("//SignatureMethod", "Algorithm"), "http://www.w3.org/2000/09/xmldsig#rsa-sha1"},
		{sim.NoKeyInfo, body("//KeyInfo"), "(none)"},
		{sim.RSAKeyValue, body("//RSAKeyValue/Exponent"), "AQAB"},
		{sim.NoGroups, body("//Attribute[@Name='groups']"), "(none)"},
		{sim.EmptyGroups, count("//Attribute[@Name='groups']/AttributeValue"), ""},
		{sim.EmptyGroups, count("//Attribute[@Name='groups']"), "x"},
		{sim.NoEmail, body("//Attribute[@Name='email']"), "(none)"},
		{sim.OtherDomain, body("//NameID"), "amy@elsewhere.example"},
		{sim.ExtraAssertion, count("./Assertion"), "xx"},
		{sim.NoNameID, body("//NameID"), "(none)"},
		{sim.EmptyNameID, body("//NameID"), ""},
		{sim.TransientNameID, attr("//NameID", "Format"), "urn:oasis:names:tc:SAML:2.0:nameid-format:transient"},
		{sim.NoSubject, body("//Subject"), "(none)"},
		{sim.NoSubjectConfirmation, body("//SubjectConfirmation"), "(none)"},
		{sim.NoConfirmationData, body("//SubjectConfirmationData"), "(none)"},
		{sim.NoConfirmationExpiry, attr("//SubjectConfirmationData", "NotOnOrAfter"), "(none)"},
		{sim.HolderOfKey, attr("//SubjectConfirmation", "Method"), "urn:oasis:names:tc:SAML:2.0:cm:holder-of-key"},
		{sim.NoConditions, body("//Conditions"), "(none)"},
		{sim.NoAuthnStatement, body("//AuthnStatement"), "(none)"},
		{sim.SessionOver, attr("//AuthnStatement", "SessionNotOnOrAfter"), "2026-03-14T08:26:53Z"},
		{sim.StatusDenied, attr("//StatusCode/StatusCode", "Value"), "urn:oasis:names:tc:SAML:2.0:status:AuthnFailed"},
		{sim.ManyGroups.With("7"), count("//Attribute[@Name='groups']/AttributeValue"), "xxxxxxxxx"},
	} {
		if got := c.look(parse(t, response(t, company(t, sim.Generic), c.fault).XML)); got != c.want {
			t.Errorf("%s: %q, want %q", c.fault, got, c.want)
		}
	}
}

func TestFaultsOfSigningBreakTheSignatureAndOthersDoNot(t *testing.T) {
	broken := map[sim.Fault]bool{sim.WrongKey: true, sim.Tampered: true, sim.Unsigned: true}
	for _, info := range sim.Faults() {
		f := info.Fault
		switch {
		case info.For == "oidc", strings.HasPrefix(string(f), "xsw"), f == sim.ExtraAssertion, f == sim.StatusDenied, f == sim.EncryptedAndPlain, f == sim.BadCiphertext:
			continue // no single plain assertion to judge
		case f == sim.Doctype, f == sim.ExpiredCertificate, f == sim.RenewedCertificate, f == sim.SpacesInSignature, f == sim.DuplicateID:
			continue // goxmldsig refuses these for reasons of its own, which is what they are for
		case f == sim.ManyGroups: // above what goxmldsig verifies at once
			f = f.With("100")
		}
		tn := company(t, sim.Generic)
		err := verify(tn, parse(t, response(t, tn, f).XML), "Assertion")
		if broken[info.Fault] != (err != nil) {
			t.Errorf("%s: %v", f, err)
		}
	}
}

// Wrapping works on careless readers only because the signed element is still there and still verifies.
func TestWrappedResponsesStillHoldAValidSignature(t *testing.T) {
	for _, f := range []sim.Fault{sim.XSW1, sim.XSW2, sim.XSW3, sim.XSW4, sim.XSW5, sim.XSW6, sim.XSW7, sim.XSW8, sim.ExtraAssertion} {
		for _, d := range sim.Dialects() {
			tn := company(t, d)
			m, err := tn.SAMLResponse("amy@acme.example", sim.SAMLRequest{Victim: "ceo@acme.example"}, f)
			if err != nil {
				t.Fatalf("%s %s: %v", d, f, err)
			}
			if !bytes.Contains(m.XML, []byte("ceo@acme.example")) {
				t.Errorf("%s %s names no victim", d, f)
			}
			root := parse(t, m.XML)
			sig := root.FindElement("//Signature")
			uri := strings.TrimPrefix(sig.FindElement("./SignedInfo/Reference").SelectAttrValue("URI", ""), "#")
			target := root.FindElement("//*[@ID='" + uri + "']")
			if target == nil {
				if root.SelectAttrValue("ID", "") != uri {
					t.Fatalf("%s %s: the signed element is gone", d, f)
				}
				target = root
			}
			// Put the signature back where the provider had it, and the wrapped element must verify again.
			whole := target.Copy()
			if s := whole.FindElement("./Signature"); s != nil {
				whole.RemoveChild(s)
			}
			back := sig.Copy()
			for _, hidden := range append(back.FindElements("./Assertion"), append(back.FindElements("./Object"), back.FindElements("./Response")...)...) {
				back.RemoveChild(hidden)
			}
			whole.InsertChildAt(1, back)
			raw := etree.NewDocument()
			raw.SetRoot(whole)
			out, err := raw.WriteToBytes()
			if err != nil {
				t.Fatal(err)
			}
			if err := verify(tn, parse(t, out), "Response"); err != nil {
				t.Errorf("%s %s: %v", d, f, err)
			}
		}
	}
}

func TestReplaySendsTheSameBytes(t *testing.T) {
	tn := company(t, sim.Okta)
	first := response(t, tn)
	if again := response(t, tn, sim.Replay); !bytes.Equal(first.XML, again.XML) {
		t.Error("a replayed response differs")
	}
	if fresh := response(t, tn); bytes.Equal(first.XML, fresh.XML) {
		t.Error("a fresh response is a replay")
	}
}

func TestFaultsAreSwitchedAtRunTime(t *testing.T) {
	tn := company(t, sim.Generic)
	if err := tn.Break(sim.WrongAudience, sim.ClockSkew.With("90s")); err != nil {
		t.Fatal(err)
	}
	if err := tn.Break("no-such-fault"); err == nil {
		t.Error("an unknown fault was taken")
	}
	if err := tn.Break(sim.ClockSkew.With("soon")); err == nil {
		t.Error("a value that is no duration was taken")
	}
	root := parse(t, response(t, tn).XML)
	if text(root, "//Audience") == "https://sp.example/saml/con_1" || root.SelectAttrValue("IssueInstant", "") != "2026-03-14T09:28:23Z" {
		t.Error("the faults are not on")
	}
	tn.Mend(sim.WrongAudience)
	if got := tn.Broken(); len(got) != 1 || got[0] != "clock-skew=90s" {
		t.Errorf("%q", got)
	}
	tn.Mend()
	if len(tn.Broken()) != 0 {
		t.Error("faults are left")
	}
}

func TestKeyRollover(t *testing.T) {
	tn := company(t, sim.Entra)
	before := response(t, tn)
	old := tn.Keys()[0]
	next, err := tn.AddKey(sim.KeyOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if next.Signer.Public().(*rsa.PublicKey).Equal(old.Signer.Public()) || len(tn.Certificates()) != 2 {
		t.Fatal("the new key is not a new one, or not published")
	}
	if err := tn.SignWith(next.ID); err != nil {
		t.Fatal(err)
	}
	tn.RemoveKey(old.ID)
	if err := verify(tn, parse(t, response(t, tn).XML), "Assertion"); err != nil {
		t.Error("the new key does not verify: ", err)
	}
	if verify(tn, parse(t, before.XML), "Assertion") == nil {
		t.Error("the old key still verifies")
	}
}

// spKey is made once: RSA keys take their time.
var spKey = sync.OnceValues(func() (*rsa.PrivateKey, error) { return rsa.GenerateKey(rand.Reader, 2048) })

func spCertificate(t testing.TB) (*rsa.PrivateKey, string) {
	t.Helper()
	key, err := spKey()
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), NotBefore: at.Add(-time.Hour), NotAfter: at.Add(time.Hour)}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	return key, string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}))
}

func TestEncryptedAssertionsOpenWithTheSPKey(t *testing.T) {
	key, cert := spCertificate(t)
	for _, e := range []sim.Encryption{
		{}, {Content: "aes128-gcm"}, {Content: "aes128-cbc"}, {Content: "aes256-cbc"}, {Content: "aes192-gcm", KeyBeside: true}, {KeyTransport: "oaep-mgf1p", Digest: "sha256"},
		{KeyTransport: "oaep-xmlenc11", Digest: "sha256", MGF: "sha256"}, {KeyTransport: "oaep-xmlenc11", Digest: "sha512", MGF: "sha1"},
	} {
		for _, d := range []sim.Dialect{sim.Okta, sim.Entra, sim.Shibboleth} {
			e.Certificate = cert
			tn := company(t, d, func(c *sim.TenantConfig) { c.SAML[0].Encryption = &e })
			root := parse(t, response(t, tn).XML)
			if root.FindElement("./Assertion") != nil {
				t.Fatal("the assertion is in plain sight")
			}
			plain := decrypt(t, key, root.FindElement("./EncryptedAssertion"))
			a := parse(t, plain)
			if a.Tag != "Assertion" || text(a, ".//NameID") == "(none)" {
				t.Fatalf("%+v: %s", e, plain)
			}
			if d == sim.Shibboleth {
				if err := verify(tn, root, "Response"); err != nil {
					t.Errorf("%s: %v", d, err)
				}
			} else if err := verify(tn, a, "Response"); err != nil { // the decrypted element by itself
				t.Errorf("%s: %v", d, err)
			}
		}
	}
}

// decrypt follows XML encryption 1.1 with nothing of package sim.
func decrypt(t *testing.T, key *rsa.PrivateKey, el *etree.Element) []byte {
	t.Helper()
	value := func(path string) []byte {
		b, err := base64.StdEncoding.DecodeString(el.FindElement(path + "/CipherData/CipherValue").Text())
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
	hashes := map[string]crypto.Hash{"sha1": crypto.SHA1, "sha256": crypto.SHA256, "sha512": crypto.SHA512}
	method := el.FindElement("//EncryptedKey/EncryptionMethod")
	_, digest, _ := strings.Cut(method.FindElement("./DigestMethod").SelectAttrValue("Algorithm", ""), "#")
	opts := &rsa.OAEPOptions{Hash: hashes[digest], MGFHash: crypto.SHA1}
	if g := method.FindElement("./MGF"); g != nil {
		_, mgf, _ := strings.Cut(g.SelectAttrValue("Algorithm", ""), "#mgf1")
		opts.MGFHash = hashes[mgf]
	}
	path := "./EncryptedData/KeyInfo/EncryptedKey"
	if el.FindElement(path) == nil {
		path = "./EncryptedKey"
	}
	content, err := key.Decrypt(nil, value(path), opts)
	if err != nil {
		t.Fatal(err)
	}
	sealed := value("./EncryptedData")
	if strings.HasSuffix(el.FindElement("./EncryptedData/EncryptionMethod").SelectAttrValue("Algorithm", ""), "gcm") {
		plain := open(content, sealed)
		if plain == nil {
			t.Fatal("AES-GCM does not open")
		}
		return plain
	}
	block, err := aes.NewCipher(content)
	if err != nil {
		t.Fatal(err)
	}
	plain := make([]byte, len(sealed)-16)
	cipher.NewCBCDecrypter(block, sealed[:16]).CryptBlocks(plain, sealed[16:])
	return plain[:len(plain)-int(plain[len(plain)-1])]
}

func parseCert(t testing.TB, text string) *x509.Certificate {
	t.Helper()
	block, _ := pem.Decode([]byte(text))
	cert, err := x509.ParseCertificate(block.Bytes)
	if err != nil {
		t.Fatal(err)
	}
	return cert
}

// open undoes AES-GCM with the nonce in front; nil when it does not open.
func open(key, sealed []byte) []byte {
	block, err := aes.NewCipher(key)
	if err != nil {
		return nil
	}
	aead, err := cipher.NewGCM(block)
	if err != nil {
		return nil
	}
	plain, err := aead.Open(nil, sealed[:12], sealed[12:], nil)
	if err != nil {
		return nil
	}
	return plain
}

func newSHA1() hash.Hash { return sha1.New() }
