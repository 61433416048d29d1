package sim_test

import (
	"bytes"
	"encoding/base64"
	"encoding/pem"
	"fmt"
	mathrand "math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/beevik/etree"
	dsig "github.com/russellhaering/goxmldsig"
	"github.com/russellhaering/goxmldsig/etreeutils"

	"github.com/drawbridge-id/drawbridge/test/sim"
)

// at is the moment every test of messages happens in.
var at = time.Date(2026, 3, 14, 9, 26, 53, 0, time.UTC)

func seeded(seed byte) *mathrand.ChaCha8 { return mathrand.NewChaCha8([32]byte{seed}) }

// company is a tenant with two people and one application of each protocol.
func company(t testing.TB, d sim.Dialect, change ...func(*sim.TenantConfig)) *sim.Tenant {
	t.Helper()
	c := sim.TenantConfig{
		Name: "acme", Dialect: d, Domain: "acme.example",
		Users: []sim.User{
			{Email: "amy@acme.example", GivenName: "Amy", FamilyName: "Åkesson & Söhne", Groups: []string{"eng", "registry <admins>"}, MFA: true},
			{Email: "bob@acme.example"},
		},
		SAML: []sim.SAMLApp{{EntityID: "https://sp.example/saml/con_1", ACS: []string{"https://sp.example/saml/con_1/acs"}}},
		OIDC: []sim.OIDCApp{{ClientID: "drawbridge", ClientSecret: "s3cret", RedirectURIs: []string{"https://rp.example/callback"}}},
	}
	for _, f := range change {
		f(&c)
	}
	return sim.MustTenant(c, sim.Options{Now: func() time.Time { return at }, Rand: seeded(1)})
}

func response(t testing.TB, tn *sim.Tenant, faults ...sim.Fault) sim.SAMLMessage {
	t.Helper()
	m, err := tn.SAMLResponse("amy@acme.example", sim.SAMLRequest{RequestID: "id-request"}, faults...)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

func parse(t testing.TB, raw []byte) *etree.Element {
	t.Helper()
	doc := etree.NewDocument()
	if err := doc.ReadFromBytes(raw); err != nil {
		t.Fatalf("%v\n%s", err, raw)
	}
	return doc.Root()
}

// verify lets goxmldsig, which shares no signing code with us, check the element's own signature.
func verify(tn *sim.Tenant, root *etree.Element, tag string) error {
	el := root
	if tag == "Assertion" {
		if el = root.FindElement("./Assertion"); el == nil {
			return fmt.Errorf("no plain assertion")
		}
		ctx, err := etreeutils.NSBuildParentContext(el)
		if err != nil {
			return err
		}
		if el, err = etreeutils.NSDetatch(ctx, el); err != nil {
			return err
		}
	}
	if info := el.FindElement("./Signature/KeyInfo"); info != nil && info.FindElement(".//X509Certificate") == nil {
		info.Parent().RemoveChild(info) // not signed; goxmldsig gives up on a KeyInfo that holds a bare key
	}
	v := dsig.NewDefaultValidationContext(&dsig.MemoryX509CertificateStore{Roots: tn.Certificates()})
	v.Clock = dsig.NewFakeClockAt(at)
	_, err := v.Validate(el)
	return err
}

func signedElements(root *etree.Element) []string {
	var out []string
	if root.FindElement("./Signature") != nil {
		out = append(out, "Response")
	}
	if root.FindElement("./Assertion/Signature") != nil {
		out = append(out, "Assertion")
	}
	return out
}

func TestEveryDialectSignsWhatItsProviderSigns(t *testing.T) {
	want := map[sim.Dialect]string{sim.Okta: "Response Assertion", sim.Entra: "Assertion", sim.Google: "Assertion", sim.ADFS: "Assertion",
		sim.Ping: "Assertion", sim.Keycloak: "Response", sim.OneLogin: "Response", sim.JumpCloud: "Assertion", sim.Shibboleth: "Response", sim.Generic: "Assertion"}
	for _, d := range sim.Dialects() {
		for _, key := range []string{"rsa", "ecdsa"} {
			t.Run(string(d)+"/"+key, func(t *testing.T) {
				tn := company(t, d, func(c *sim.TenantConfig) { c.SAMLKey = key })
				m := response(t, tn)
				root := parse(t, m.XML)
				signed := signedElements(root)
				if got := strings.Join(signed, " "); got != want[d] {
					t.Fatalf("signed %q, want %q", got, want[d])
				}
				// goxmldsig reads ECDSA values as ASN.1, which XML signature 1.1 §6.4.3 does not allow: xmlsec1 alone judges those.
				for _, tag := range signed {
					if err := verify(tn, root, tag); err != nil && key == "rsa" {
						t.Errorf("goxmldsig on %s: %v", tag, err)
					}
				}
				xmlsec(t, tn, m.XML, signed)
			})
		}
	}
}

// xmlsec asks the reference implementation in C, where it is installed.
func xmlsec(t *testing.T, tn *sim.Tenant, raw []byte, signed []string) {
	bin, err := exec.LookPath("xmlsec1")
	if err != nil {
		t.Skip("xmlsec1 is not installed; goxmldsig alone has checked, and RSA only")
	}
	dir := t.TempDir()
	var certs bytes.Buffer
	for _, c := range tn.Certificates() {
		if c.PublicKeyAlgorithm == tn.Certificates()[0].PublicKeyAlgorithm {
			pem.Encode(&certs, &pem.Block{Type: "CERTIFICATE", Bytes: c.Raw})
			break
		}
	}
	cert, file := filepath.Join(dir, "cert.pem"), filepath.Join(dir, "response.xml")
	write(t, cert, certs.Bytes())
	write(t, file, raw)
	for _, tag := range signed {
		xpath := "/*/*[local-name()='Signature']"
		if tag == "Assertion" {
			xpath = "/*/*[local-name()='Assertion']/*[local-name()='Signature']"
		}
		out, err := exec.Command(bin, "--verify", "--enabled-key-data", "rsa,ecdsa,key-name", "--pubkey-cert-pem", cert,
			"--id-attr:ID", "urn:oasis:names:tc:SAML:2.0:assertion:Assertion", "--id-attr:ID", "urn:oasis:names:tc:SAML:2.0:protocol:Response",
			"--node-xpath", xpath, file).CombinedOutput()
		if err != nil {
			t.Errorf("xmlsec1 on %s: %v\n%s", tag, err, out)
		}
	}
}

func write(t testing.TB, name string, b []byte) {
	t.Helper()
	if err := os.WriteFile(name, b, 0o600); err != nil {
		t.Fatal(err)
	}
}

func TestFifteenThousandGroupsAreSigned(t *testing.T) {
	tn := company(t, sim.Okta)
	m := response(t, tn, sim.ManyGroups.With("15000"))
	if n := bytes.Count(m.XML, []byte("<saml2:AttributeValue")); n < 15000 {
		t.Fatalf("%d values", n)
	}
	xmlsec(t, tn, m.XML, []string{"Response", "Assertion"})
}

func TestSameSeedSameKeysAndIDs(t *testing.T) {
	a, b := response(t, company(t, sim.Okta)), response(t, company(t, sim.Okta))
	if !bytes.Equal(a.XML, b.XML) {
		t.Error("two runs with one seed differ")
	}
}

func text(root *etree.Element, path string) string {
	if el := root.FindElement(path); el != nil {
		return el.Text()
	}
	return "(none)"
}

func attributeValues(root *etree.Element, name string) []string {
	var out []string
	for _, a := range root.FindElements("//Attribute[@Name='" + name + "']") {
		for _, v := range a.FindElements("./AttributeValue") {
			out = append(out, v.Text())
		}
	}
	return out
}

func TestDialectsKeepTheirHabits(t *testing.T) {
	entra := func(t *testing.T) (*sim.Tenant, *etree.Element) {
		tn := company(t, sim.Entra)
		return tn, parse(t, response(t, tn).XML)
	}
	t.Run("Entra names groups by object id and itself by tenant", func(t *testing.T) {
		tn, root := entra(t)
		got := attributeValues(root, "http://schemas.microsoft.com/ws/2008/06/identity/claims/groups")
		if want := tn.Group("eng").ID; len(got) != 2 || got[0] != want && got[1] != want {
			t.Errorf("groups %q, want the id %q among two", got, want)
		}
		if issuer := text(root, "./Assertion/Issuer"); issuer != "https://sts.windows.net/"+tn.Config().TenantID+"/" {
			t.Errorf("issuer %q", issuer)
		}
		if a := root.FindElement("./Assertion"); a.Space != "" || a.FindElement("./AuthnStatement").SelectAttrValue("SessionIndex", "") != a.SelectAttrValue("ID", "?") {
			t.Error("default namespace or SessionIndex = assertion id is missing")
		}
		amr := attributeValues(root, "http://schemas.microsoft.com/claims/authnmethodsreferences")
		if len(amr) != 2 || !strings.HasSuffix(amr[1], "multipleauthn") {
			t.Errorf("authnmethodsreferences %q", amr)
		}
	})
	t.Run("Entra sends a link above 150 groups", func(t *testing.T) {
		tn := company(t, sim.Entra)
		for n, link := range map[string]bool{"148": false, "149": true} { // with her two: 150 and 151
			root := parse(t, response(t, tn, sim.ManyGroups.With(n)).XML)
			groups := attributeValues(root, "http://schemas.microsoft.com/ws/2008/06/identity/claims/groups")
			links := attributeValues(root, "http://schemas.microsoft.com/claims/groups.link")
			if link != (len(links) == 1) || link != (len(groups) == 0) {
				t.Errorf("with %s more: %d groups, links %q", n, len(groups), links)
			}
		}
	})
	t.Run("Keycloak repeats Attribute and spells groups as paths", func(t *testing.T) {
		root := parse(t, response(t, company(t, sim.Keycloak)).XML)
		if n := len(root.FindElements("//Attribute[@Name='member']")); n != 2 {
			t.Errorf("%d Attribute elements, want 2", n)
		}
		if got := attributeValues(root, "member"); got[0] != "/eng" {
			t.Errorf("groups %q", got)
		}
	})
	t.Run("Google wraps base64", func(t *testing.T) {
		m := response(t, company(t, sim.Google))
		if !strings.Contains(m.Base64, "\r\n") || !strings.Contains(text(parse(t, m.XML), "//X509Certificate"), "\n") {
			t.Error("no line breaks in base64")
		}
		raw, err := base64.StdEncoding.DecodeString(strings.ReplaceAll(m.Base64, "\r\n", ""))
		if err != nil || !bytes.Equal(raw, m.XML) {
			t.Errorf("base64 does not hold the XML: %v", err)
		}
	})
	t.Run("Ping sends the bare key, a NameID without Format and a session limit", func(t *testing.T) {
		root := parse(t, response(t, company(t, sim.Ping)).XML)
		if root.FindElement("//RSAKeyValue/Modulus") == nil || root.FindElement("//X509Certificate") != nil {
			t.Error("KeyInfo is not an RSAKeyValue")
		}
		if root.FindElement("//NameID").SelectAttr("Format") != nil {
			t.Error("NameID has a Format")
		}
		if got := root.FindElement("//AuthnStatement").SelectAttrValue("SessionNotOnOrAfter", ""); got != "2026-03-14T09:31:53.000Z" {
			t.Errorf("SessionNotOnOrAfter %q", got)
		}
	})
	t.Run("OneLogin joins groups", func(t *testing.T) {
		if got := attributeValues(parse(t, response(t, company(t, sim.OneLogin)).XML), "memberOf"); len(got) != 1 || got[0] != "eng;registry <admins>" {
			t.Errorf("memberOf %q", got)
		}
	})
	t.Run("AD FS refuses a NameID format it has no rule for", func(t *testing.T) {
		m, err := company(t, sim.ADFS).SAMLResponse("amy@acme.example", sim.SAMLRequest{NameIDFormat: "urn:oasis:names:tc:SAML:1.1:nameid-format:emailAddress"})
		if err != nil || m.AssertionID != "" || !bytes.Contains(m.XML, []byte("InvalidNameIDPolicy")) {
			t.Errorf("%v\n%s", err, m.XML)
		}
	})
	t.Run("IdP-initiated has no InResponseTo", func(t *testing.T) {
		m, err := company(t, sim.Okta).SAMLResponse("amy@acme.example", sim.SAMLRequest{})
		if err != nil || bytes.Contains(m.XML, []byte("InResponseTo")) {
			t.Errorf("%v\n%s", err, m.XML)
		}
	})
}
