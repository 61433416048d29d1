package peers

import (
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"crypto/x509/pkix"
	"embed"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"io/fs"
	"maps"
	"math/big"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"
)

//go:embed simplesamlphp
var simplesamlphp embed.FS

const simplesamlphpWWW = "/usr/share/simplesamlphp/www"

// A SAMLServiceProvider is what the identity provider knows about us. All but the first two may be
// empty.
type SAMLServiceProvider struct {
	EntityID string `json:"entity_id"`
	ACS      string `json:"acs"`
	SLO      string `json:"slo"`         // single logout address, HTTP-Redirect
	CertPEM  string `json:"certificate"` // our certificate, for Encrypt and SignedRequests

	NameIDFormat    string `json:"nameid_format"`    // empty: emailAddress
	NameIDAttribute string `json:"nameid_attribute"` // empty: mail

	UnsignedResponse  bool `json:"unsigned_response"`
	UnsignedAssertion bool `json:"unsigned_assertion"`
	Encrypt           bool `json:"encrypt"`         // AES-128-CBC with RSA-OAEP, as this program does
	SignedRequests    bool `json:"signed_requests"` // refuse an AuthnRequest without our signature
}

// SAMLUsers maps a user name to the attributes that the identity provider sends.
type SAMLUsers map[string]map[string][]string

// A SAMLPeer is a running SAML 2.0 identity provider. The password of every user is the user's
// name followed by "-pw".
type SAMLPeer struct {
	EntityID    string
	MetadataURL string
	SSOURL      string // HTTP-Redirect and HTTP-POST
	CertPEM     string // the certificate it signs with

	t    testing.TB
	file string
	what samlFile
}

// samlFile is what the PHP side reads afresh with every request.
type samlFile struct {
	EntityID string                         `json:"entity_id"`
	Base     string                         `json:"base"`
	Users    map[string]map[string][]string `json:"users"`
	SPs      []SAMLServiceProvider          `json:"sps"`
}

// Alice and Bob are the people of a peer that was given no others.
var aliceAndBob = SAMLUsers{
	"alice": {"uid": {"alice"}, "mail": {"alice@acme.example"}, "displayName": {"Alice A"}, "groups": {"eng", "admins"}},
	"bob":   {"uid": {"bob"}, "mail": {"bob@acme.example"}, "displayName": {"Bob B"}, "groups": {"ops"}},
}

// SimpleSAMLphp starts simplesamlphp as an identity provider for the given service providers; more
// can be added with Register. Without users it has alice (groups eng, admins) and bob (ops) of
// acme.example.
func SimpleSAMLphp(t testing.TB, users SAMLUsers, sps ...SAMLServiceProvider) *SAMLPeer {
	t.Helper()
	if _, err := exec.LookPath("php"); err != nil {
		absent(t, "simplesamlphp", "there is no php in PATH")
	}
	if _, err := os.Stat(simplesamlphpWWW); err != nil {
		absent(t, "simplesamlphp", "there is no "+simplesamlphpWWW)
	}
	if users == nil {
		users = aliceAndBob
	}
	dir := tempDir(t)
	unpack(t, dir)
	p := &SAMLPeer{t: t, file: filepath.Join(dir, "peer.json"), what: samlFile{Users: map[string]map[string][]string{}, SPs: sps}}
	for name, attributes := range maps.All(users) {
		p.what.Users[name+":"+name+"-pw"] = attributes
	}
	p.CertPEM = signingKey(t, filepath.Join(dir, "cert"))
	running(t, func(port int) (*process, error) {
		p.at(fmt.Sprintf("http://127.0.0.1:%d/", port))
		return start("simplesamlphp", "started", []string{
			"PEER_DIR=" + dir, "SIMPLESAMLPHP_CONFIG_DIR=" + filepath.Join(dir, "config"), "PHP_CLI_SERVER_WORKERS=4",
		}, dir, "php", "-d", "session.save_path="+filepath.Join(dir, "sessions"), "-d", "error_reporting=0", "-d", "display_errors=0",
			"-S", fmt.Sprintf("127.0.0.1:%d", port), "-t", simplesamlphpWWW, filepath.Join(dir, "router.php"))
	})
	return p
}

func (p *SAMLPeer) at(base string) {
	p.EntityID, p.MetadataURL, p.SSOURL = base+"idp", base+"saml2/idp/metadata.php", base+"saml2/idp/SSOService.php"
	p.what.Base, p.what.EntityID = base, p.EntityID
	p.write()
}

// Register makes the identity provider know one more service provider, or know one anew.
func (p *SAMLPeer) Register(sp SAMLServiceProvider) {
	p.t.Helper()
	for i := range p.what.SPs {
		if p.what.SPs[i].EntityID == sp.EntityID {
			p.what.SPs[i] = sp
			p.write()
			return
		}
	}
	p.what.SPs = append(p.what.SPs, sp)
	p.write()
}

// SetUser gives a user other attributes from the next sign-in on; with a new name it adds one.
func (p *SAMLPeer) SetUser(name string, attributes map[string][]string) {
	p.t.Helper()
	p.what.Users[name+":"+name+"-pw"] = attributes
	p.write()
}

// InitiatedURL is where a sign-in begins that we did not ask for.
func (p *SAMLPeer) InitiatedURL(spEntityID string) string {
	return p.SSOURL + "?spentityid=" + url.QueryEscape(spEntityID)
}

// write replaces the file in one step, for a request may be reading it.
func (p *SAMLPeer) write() {
	p.t.Helper()
	raw, err := json.Marshal(p.what)
	if err == nil {
		err = os.WriteFile(p.file+".new", raw, 0o600)
	}
	if err == nil {
		err = os.Rename(p.file+".new", p.file)
	}
	if err != nil {
		p.t.Fatal(err)
	}
}

func unpack(t testing.TB, dir string) {
	t.Helper()
	sub, err := fs.Sub(simplesamlphp, "simplesamlphp")
	if err == nil {
		err = os.CopyFS(dir, sub)
	}
	for _, d := range []string{"cert", "log", "data", "tmp", "sessions"} {
		if err == nil {
			err = os.Mkdir(filepath.Join(dir, d), 0o700)
		}
	}
	if err != nil {
		t.Fatal(err)
	}
}

// signingKey writes idp.key and idp.pem and returns the certificate.
func signingKey(t testing.TB, dir string) string {
	t.Helper()
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "simplesamlphp"},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().AddDate(1, 0, 0),
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	private, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	cert := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
	for name, raw := range map[string][]byte{"idp.pem": cert, "idp.key": pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: private})} {
		if err := os.WriteFile(filepath.Join(dir, name), raw, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return string(cert)
}
