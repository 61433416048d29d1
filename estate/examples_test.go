package estate_test

import (
	"bytes"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"encoding/xml"
	"errors"
	"math/big"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/drawbridge-id/drawbridge/account"
	"github.com/drawbridge-id/drawbridge/estate"
	"github.com/drawbridge-id/drawbridge/keys"
)

const examples = "../docs/examples"

// keyPair is the pair that two examples keep outside of the file.
var keyPair = sync.OnceValue(func() [2][]byte {
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		panic(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "drawbridge"},
		NotBefore: time.Unix(1900000000, 0), NotAfter: time.Unix(2000000000, 0)}
	cert, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		panic(err)
	}
	private, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		panic(err)
	}
	return [2][]byte{
		pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: cert}),
		pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: private}),
	}
})

func readExample(name string) ([]byte, error) {
	switch name {
	case "sp-certificate.pem":
		return keyPair()[0], nil
	case "sp-private-key.pem":
		return keyPair()[1], nil
	case "entra-client-secret.txt":
		return []byte("the value\n"), nil
	case "entra-scim-token.txt":
		return []byte(keys.Mint(keys.Directory, rand.Reader) + "\n"), nil
	}
	return os.ReadFile(filepath.Join(examples, name))
}

func environment(name string) string {
	switch {
	case strings.HasSuffix(name, "_SCIM_TOKEN"):
		return keys.Mint(keys.Directory, rand.Reader)
	case strings.HasSuffix(name, "_EVENTS_CREDENTIAL"):
		return keys.Mint(keys.Push, rand.Reader)
	}
	return "value of " + name
}

// readMetadata reads just enough metadata for these tests; the product's own reading is the SAML room's.
func readMetadata(doc []byte) (account.SAMLSettings, error) {
	var m struct {
		EntityID string `xml:"entityID,attr"`
		IDP      struct {
			Cert []string `xml:"KeyDescriptor>KeyInfo>X509Data>X509Certificate"`
			SSO  []struct {
				Binding, Location string `xml:",attr"`
			} `xml:"SingleSignOnService"`
		} `xml:"IDPSSODescriptor"`
	}
	if err := xml.Unmarshal(doc, &m); err != nil {
		return account.SAMLSettings{}, err
	}
	s := account.SAMLSettings{EntityID: m.EntityID}
	for _, c := range m.IDP.Cert {
		cert, err := account.ParseCertificate(c)
		if err != nil {
			return s, err
		}
		s.Certificates = append(s.Certificates, account.PEM(cert))
	}
	for _, e := range m.IDP.SSO {
		if strings.HasSuffix(e.Binding, "Redirect") {
			s.SSORedirect = e.Location
		} else {
			s.SSOPost = e.Location
		}
	}
	return s, nil
}

func fetchAny(string) ([]byte, error) {
	return os.ReadFile(filepath.Join(examples, "google-metadata.xml"))
}

// One complete example per kind of identity provider, and each of them works.
func TestEveryExampleParsesAndResolves(t *testing.T) {
	for _, name := range []string{"okta-saml", "okta-oidc", "entra-saml", "entra-oidc", "google-saml", "google-oidc",
		"adfs-saml", "ping-saml", "keycloak-oidc", "generic-saml", "generic-oidc"} {
		t.Run(name, func(t *testing.T) {
			data, err := os.ReadFile(filepath.Join(examples, name+".yaml"))
			if err != nil {
				t.Fatal(err)
			}
			e, err := estate.Parse(data, readExample, environment)
			if err != nil {
				t.Fatal(err)
			}
			if err := e.Resolve(fetchAny, readMetadata); err != nil {
				t.Fatal(err)
			}
			if left := e.Unresolved(); len(left) > 0 {
				t.Errorf("unresolved: %v", left)
			}
			if len(e.Accounts) != 1 || len(e.Accounts[0].Connections) != 1 || len(e.Accounts[0].Domains) != 1 {
				t.Fatalf("%+v", e.Accounts)
			}
			c := e.Accounts[0].Connections[0]
			if err := c.Settings.Check(); err != nil {
				t.Error(err)
			}
			kind, protocol, _ := strings.Cut(name, "-")
			if kind == "keycloak" {
				kind = "generic"
			}
			if string(c.Settings.Kind) != kind || string(c.Settings.Protocol) != protocol {
				t.Errorf("a %s connection of kind %s", c.Settings.Protocol, c.Settings.Kind)
			}
		})
	}
}

func TestTheExamplesSayWhatTheyAreThereFor(t *testing.T) {
	parse := func(name string) estate.Account {
		t.Helper()
		data, err := os.ReadFile(filepath.Join(examples, name))
		if err != nil {
			t.Fatal(err)
		}
		e, err := estate.Parse(data, readExample, environment)
		if err != nil {
			t.Fatal(err)
		}
		return e.Accounts[0]
	}
	ping := parse("ping-saml.yaml").Connections[0].Settings.SAML
	if good, bad := ping.Keys(); len(good) != 2 || len(bad) != 0 {
		t.Errorf("ping trusts %d certificates, %v", len(good), bad)
	}
	entra := parse("entra-oidc.yaml")
	if s := entra.Connections[0].Settings.OIDC.ClientSecret.Reveal(); s != "the value" {
		t.Errorf("client secret %q", s)
	}
	if g := entra.Groups[0]; g.Alias != "Engineering" || g.Connection != "entra" || g.AccountRole != account.Member {
		t.Errorf("group %+v", g)
	}
	generic := parse("generic-saml.yaml").Connections[0]
	if k := generic.SPKeys; len(k) != 1 || !k[0].Active || k[0].ID == "" || k[0].Private.IsZero() {
		t.Errorf("SP keys %+v", k)
	}
	if s := generic.Settings; s.SAML.Skew != 2*time.Minute || s.MaxSession != 12*time.Hour || !s.SAML.SignRequests || s.Mapping.Delimiter != ";" {
		t.Errorf("settings %+v", s)
	}
	if c := parse("generic-oidc.yaml"); c.Connections[0].Which != account.Draft || c.Rules[0].Active {
		t.Error("the generic OIDC example is a draft")
	}
	okta := parse("okta-saml.yaml")
	if r := okta.Rules[1]; r.AccountRole != account.Admin || !r.Active || !reflect.DeepEqual(r.Teams, map[string][]account.Role{"research": {"user_admin", "registry:admin"}}) {
		t.Errorf("rule %+v", r)
	}
	if d := okta.Domains[0]; !d.Proved || !d.CutOver || d.Connection != "okta" {
		t.Errorf("domain %+v", d)
	}
	if s := entra.Connections[0].SCIM; s == nil || s.Options != account.DefaultSCIMOptions || len(s.Tokens) != 1 || s.Tokens[0].Token.IsZero() {
		t.Errorf("Entra pushes by %+v", s)
	}
	google := parse("google-oidc.yaml")
	if p := google.People[1]; p.AccountRole != account.Admin || len(p.Teams["research"]) != 1 {
		t.Errorf("person %+v", p)
	}
}

// What the file says wins over the metadata, and certificates add up.
func TestMetadataFillsInWhatTheFileLeavesOut(t *testing.T) {
	pem := keyPair()[0]
	text := `
accounts:
  - name: acme
    owners: [olga@acme.example]
    connections:
      - name: google
        saml:
          metadata: https://idp.acme.example/metadata
          entity_id: https://said.acme.example
          certificates: [file:sp-certificate.pem]`
	e, err := estate.Parse([]byte(text), readExample, environment)
	if err != nil {
		t.Fatal(err)
	}
	if u := e.Unresolved(); len(u) != 1 || u[0] != "acme/google" {
		t.Errorf("unresolved %v", u)
	}
	asked := ""
	if err := e.Resolve(func(url string) ([]byte, error) { asked = url; return fetchAny(url) }, readMetadata); err != nil {
		t.Fatal(err)
	}
	s := e.Accounts[0].Connections[0].Settings.SAML
	if asked != "https://idp.acme.example/metadata" || s.MetadataURL != asked {
		t.Errorf("fetched %q, remembers %q", asked, s.MetadataURL)
	}
	if s.EntityID != "https://said.acme.example" || s.SSORedirect != "https://accounts.google.com/o/saml2/idp?idpid=C01acme23" {
		t.Errorf("%+v", s)
	}
	if len(s.Certificates) != 2 || !bytes.Equal([]byte(s.Certificates[0]), pem) {
		t.Errorf("%d certificates", len(s.Certificates))
	}

	e, _ = estate.Parse([]byte(text), readExample, environment)
	err = e.Resolve(func(string) ([]byte, error) { return nil, errors.New("no route") }, readMetadata)
	if p := estate.Problems(err); len(p) != 1 || p[0].Line != 8 || account.KindOf(err) != account.Unavailable {
		t.Errorf("unreachable metadata: %v", err)
	}
}

// The shipped catalogue, and the one with another installation's names, are good.
func TestTheCataloguesParse(t *testing.T) {
	shipped := estate.DefaultCatalogue()
	if l := shipped.Limits; l.OwnersPerOrg != 3 || l.UsersIndividual != 1 || l.RulesLossShare != 0.1 || l.DiagnosisAge != 30*24*time.Hour {
		t.Errorf("limits %+v", l)
	}
	if _, ok := shipped.Service("catalog"); !ok {
		t.Error("no catalog")
	}
	data, err := os.ReadFile(filepath.Join(examples, "ngc.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	cat, err := estate.ParseCatalogue(data)
	if err != nil {
		t.Fatal(err)
	}
	if s, ok := cat.Service("private_registry"); !ok || s.Label != "NVIDIA NGC Private Registry" {
		t.Errorf("%+v", s)
	}
	if cat.Limits.RulesPerAccount != shipped.Limits.RulesPerAccount {
		t.Error("limits that are left out are the shipped ones")
	}
	if cat.Label("api_endpoints:public_api_endpoints_user") != "NVIDIA Public API Endpoints (NIM) Public API Endpoints User" {
		t.Error(cat.Label("api_endpoints:public_api_endpoints_user"))
	}
}
