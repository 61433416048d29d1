package saml

import (
	"bytes"
	"crypto"
	"crypto/aes"
	"crypto/cipher"
	"crypto/ecdsa"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha1"
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"encoding/pem"
	"fmt"
	"hash"
	"math/big"
	"os"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/drawbridge-id/drawbridge/account"
)

const (
	idpEntity = "https://idp.acme.example/saml"
	spEntity  = "https://drawbridge.example/saml/con_1/metadata"
	spACS     = "https://drawbridge.example/saml/con_1/acs"
	spSLO     = "https://drawbridge.example/saml/con_1/slo"
	requestID = "_request1"
)

// noon is when everything in these tests happens.
var noon = time.Date(2026, 5, 4, 12, 0, 0, 0, time.UTC)

// An issuer is a provider's key with its certificate.
type idpKey struct {
	key  crypto.Signer
	cert *x509.Certificate
}

func selfSigned(key crypto.Signer, from, to time.Time) idpKey {
	t := &x509.Certificate{SerialNumber: big.NewInt(7), Subject: pkix.Name{CommonName: "idp"}, NotBefore: from, NotAfter: to}
	der, err := x509.CreateCertificate(rand.Reader, t, t, key.Public(), key)
	if err != nil {
		panic(err)
	}
	c, err := x509.ParseCertificate(der)
	if err != nil {
		panic(err)
	}
	return idpKey{key, c}
}

// testKey is the nth key of testdata/keys.pem, with a certificate that is the same in every process.
func testKey(n int) func() idpKey {
	return sync.OnceValue(func() idpKey {
		rest, err := os.ReadFile("testdata/keys.pem")
		if err != nil {
			panic(err)
		}
		var block *pem.Block
		for range n + 1 {
			block, rest = pem.Decode(rest)
		}
		k, err := x509.ParsePKCS8PrivateKey(block.Bytes)
		if err != nil {
			panic(err)
		}
		return selfSigned(k.(crypto.Signer), noon.AddDate(-1, 0, 0), noon.AddDate(5, 0, 0))
	})
}

var (
	theIdP      = testKey(0)
	otherIdP    = testKey(1)
	shortIdP    = testKey(2)
	curvedIdP   = testKey(3)
	ourKey      = sync.OnceValue(func() account.SPKey { return ours(4, true) })
	ourOtherKey = sync.OnceValue(func() account.SPKey { return ours(5, false) })
)

func ours(n int, active bool) account.SPKey {
	k := testKey(n)()
	return account.SPKey{ID: fmt.Sprint("key", n), Certificate: account.PEM(k.cert), Private: account.NewSecret(pkcs8(k.key)), Active: active}
}

// A world is one connection and what is expected of it.
type world struct {
	sp       SP
	settings account.Settings
	expect   Expect
}

func newWorld(keys ...idpKey) *world {
	if len(keys) == 0 {
		keys = []idpKey{theIdP()}
	}
	s := &account.SAMLSettings{EntityID: idpEntity, SSORedirect: "https://idp.acme.example/sso", SLORedirect: "https://idp.acme.example/slo"}
	for _, k := range keys {
		s.Certificates = append(s.Certificates, account.PEM(k.cert))
	}
	return &world{
		sp:       SP{EntityID: spEntity, ACS: spACS, SLO: spSLO, Keys: []account.SPKey{ourKey()}},
		settings: account.Settings{Protocol: account.SAML, Kind: account.KindGeneric, SAML: s},
		expect:   Expect{Now: noon, RequestID: requestID},
	}
}

func (w *world) judge(xml string) account.Judgement { return w.judgeField(b64(xml)) }

func (w *world) judgeField(field string) account.Judgement {
	return Judge(w.sp, account.Connection{ID: "con_1"}, w.settings, field, w.expect)
}

func b64(s string) string { return base64.StdEncoding.EncodeToString([]byte(s)) }

// accepted judges and fails the test on a refusal.
func (w *world) accepted(t testing.TB, xml string) *account.Login {
	t.Helper()
	j := w.judge(xml)
	if j.Refusal != nil || j.Login == nil {
		t.Fatalf("refused: %v\n%s", j.Refusal, j.Raw)
	}
	return j.Login
}

// refused judges and fails the test on anything but that refusal, or on one without a remedy.
func (w *world) refused(t testing.TB, xml, code string) account.Judgement {
	t.Helper()
	j := w.judge(xml)
	checkRefusal(t, j, code)
	return j
}

func checkRefusal(t testing.TB, j account.Judgement, code string) {
	t.Helper()
	if j.Login != nil || j.Refusal == nil {
		t.Fatalf("accepted as %+v, expected the refusal %s", j.Login, code)
	}
	if j.Refusal.Code != code {
		t.Fatalf("refused with %v, expected %s", j.Refusal, code)
	}
	if j.Refusal.Hint[account.KindGeneric] == "" || j.Refusal.Connection != "con_1" || j.Refusal.Expected == "" {
		t.Fatalf("a refusal without a remedy: %+v", j.Refusal)
	}
}

// The message that the tests start from. Strings are replaced in it to make all others.
const (
	attributesXML = `<saml:AttributeStatement>` +
		`<saml:Attribute Name="email"><saml:AttributeValue xmlns:xs="http://www.w3.org/2001/XMLSchema" xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" xsi:type="xs:string">Ana@acme.example</saml:AttributeValue></saml:Attribute>` +
		`<saml:Attribute Name="displayName"><saml:AttributeValue>Ana Ruiz</saml:AttributeValue></saml:Attribute>` +
		`<saml:Attribute Name="groups"><saml:AttributeValue>eng-admins</saml:AttributeValue><saml:AttributeValue>Eng Ops</saml:AttributeValue></saml:Attribute>` +
		`</saml:AttributeStatement>`
	conditionsXML   = `<saml:Conditions NotBefore="2026-05-04T11:55:00Z" NotOnOrAfter="2026-05-04T12:05:00Z"><saml:AudienceRestriction><saml:Audience>` + spEntity + `</saml:Audience></saml:AudienceRestriction></saml:Conditions>`
	confirmationXML = `<saml:SubjectConfirmation Method="urn:oasis:names:tc:SAML:2.0:cm:bearer"><saml:SubjectConfirmationData InResponseTo="` + requestID + `" NotOnOrAfter="2026-05-04T12:05:00Z" Recipient="` + spACS + `"/></saml:SubjectConfirmation>`
	nameIDXML       = `<saml:NameID Format="urn:oasis:names:tc:SAML:2.0:nameid-format:persistent">u-4711</saml:NameID>`
	authnXML        = `<saml:AuthnStatement AuthnInstant="2026-05-04T11:59:58.5Z" SessionIndex="s-1"><saml:AuthnContext><saml:AuthnContextClassRef>urn:oasis:names:tc:SAML:2.0:ac:classes:PasswordProtectedTransport</saml:AuthnContextClassRef></saml:AuthnContext></saml:AuthnStatement>`
	assertionXML    = `<saml:Assertion xmlns:saml="urn:oasis:names:tc:SAML:2.0:assertion" ID="_assertion1" IssueInstant="2026-05-04T12:00:00.123Z" Version="2.0"><saml:Issuer>` + idpEntity + `</saml:Issuer>` +
		`<saml:Subject>` + nameIDXML + confirmationXML + `</saml:Subject>` + conditionsXML + authnXML + attributesXML + `</saml:Assertion>`
	statusXML   = `<samlp:Status><samlp:StatusCode Value="urn:oasis:names:tc:SAML:2.0:status:Success"/></samlp:Status>`
	responseXML = `<samlp:Response xmlns:samlp="urn:oasis:names:tc:SAML:2.0:protocol" ID="_response1" Version="2.0" IssueInstant="2026-05-04T12:00:00.123Z" Destination="` + spACS + `" InResponseTo="` + requestID + `">` +
		`<saml:Issuer xmlns:saml="urn:oasis:names:tc:SAML:2.0:assertion">` + idpEntity + `</saml:Issuer>` + statusXML + assertionXML + `</samlp:Response>`
)

// A stamper signs one element of a text; zero fields mean RSA-SHA256 over exclusive canonical form.
type stamper struct {
	key        idpKey
	method     string // SignatureMethod
	digest     string // DigestMethod
	c14n       string // of the reference
	infoC14N   string // of SignedInfo
	prefixes   string // PrefixList of the reference's transform
	transforms string // instead of the two usual ones
	keyInfo    string
	noKeyInfo  bool
	asn1       bool                // ECDSA value as ASN.1
	value      func(string) string // spoils SignatureValue
	info       func(string) string // changes SignedInfo before it is signed
	place      func(xml, sig string) string
}

// sign puts an enveloped signature into the element with that ID, after its Issuer.
func (s stamper) sign(xml, id string) string {
	if s.key.key == nil {
		s.key = theIdP()
	}
	def := func(p *string, v string) {
		if *p == "" {
			*p = v
		}
	}
	_, curved := s.key.key.(*ecdsa.PrivateKey)
	if curved {
		def(&s.method, algECDSASHA256)
	}
	def(&s.method, algRSASHA256)
	def(&s.digest, digestSHA256)
	def(&s.c14n, nsExcC)
	def(&s.infoC14N, nsExcC)
	transform := `<ds:Transform Algorithm="` + s.c14n + `"></ds:Transform>`
	if s.prefixes != "" {
		transform = `<ds:Transform Algorithm="` + s.c14n + `"><ec:InclusiveNamespaces xmlns:ec="` + nsExcC + `" PrefixList="` + s.prefixes + `"></ec:InclusiveNamespaces></ds:Transform>`
	}
	def(&s.transforms, `<ds:Transform Algorithm="`+transformEnveloped+`"></ds:Transform>`+transform)
	d, f := parse([]byte(xml), responseLimits, nil, nil)
	if f != nil {
		panic(f)
	}
	el := byID(d.root, id)
	if el == nil {
		panic("no element with ID " + id)
	}
	c := methods[s.c14n]
	c.comments = false
	for _, p := range strings.Fields(s.prefixes) {
		c.prefixes = append(c.prefixes, strings.TrimPrefix(p, "#default"))
	}
	canonical, f := c.write(el, nil)
	if f != nil {
		panic(f)
	}
	info := `<ds:SignedInfo xmlns:ds="` + nsDS + `"><ds:CanonicalizationMethod Algorithm="` + s.infoC14N + `"></ds:CanonicalizationMethod>` +
		`<ds:SignatureMethod Algorithm="` + s.method + `"></ds:SignatureMethod><ds:Reference URI="#` + id + `"><ds:Transforms>` + s.transforms + `</ds:Transforms>` +
		`<ds:DigestMethod Algorithm="` + s.digest + `"></ds:DigestMethod><ds:DigestValue>` + base64.StdEncoding.EncodeToString(sum(digestMethods[s.digest], canonical)) +
		`</ds:DigestValue></ds:Reference></ds:SignedInfo>`
	if s.info != nil {
		info = s.info(info)
	}
	signed := info
	if strings.Contains(s.infoC14N, "c14n11") || strings.Contains(s.infoC14N, "REC-xml") {
		// Inclusive form takes in what is declared around: write SignedInfo in place and canonicalize there.
		signed = inPlace(xml, id, info, s.infoC14N)
	}
	alg := signatureMethods[s.method]
	value := base64.StdEncoding.EncodeToString(s.raw(alg.hash, []byte(signed)))
	if s.value != nil {
		value = s.value(value)
	}
	keyInfo := `<ds:KeyInfo><ds:X509Data><ds:X509Certificate>` + base64.StdEncoding.EncodeToString(s.key.cert.Raw) + `</ds:X509Certificate></ds:X509Data></ds:KeyInfo>`
	if s.keyInfo != "" {
		keyInfo = s.keyInfo
	}
	if s.noKeyInfo {
		keyInfo = ""
	}
	signature := `<ds:Signature xmlns:ds="` + nsDS + `">` + info + `<ds:SignatureValue>` + value + `</ds:SignatureValue>` + keyInfo + `</ds:Signature>`
	if s.place != nil {
		return s.place(xml, signature)
	}
	return insert(xml, id, signature)
}

var issuerEnd = regexp.MustCompile(`</([a-z]+:)?Issuer>`)

// insert puts a signature after the Issuer of the element with that ID, or where a marker stands.
func insert(xml, id, signature string) string {
	at := strings.Index(xml, `ID="`+id+`"`)
	end := at + issuerEnd.FindStringIndex(xml[at:])[1]
	return xml[:end] + signature + xml[end:]
}

func inPlace(xml, id, info, method string) string {
	whole := insert(xml, id, `<ds:Signature xmlns:ds="`+nsDS+`">`+info+`</ds:Signature>`)
	d, f := parse([]byte(whole), responseLimits, nil, nil)
	if f != nil {
		panic(f)
	}
	out, f := methods[method].write(byID(d.root, id).child(nsDS, "Signature").child(nsDS, "SignedInfo"), nil)
	if f != nil {
		panic(f)
	}
	return string(out)
}

func (s stamper) raw(h crypto.Hash, b []byte) []byte {
	digest := sum(h, b)
	if k, ok := s.key.key.(*ecdsa.PrivateKey); ok && !s.asn1 {
		r, t, err := ecdsa.Sign(rand.Reader, k, digest)
		if err != nil {
			panic(err)
		}
		size := (k.Params().N.BitLen() + 7) / 8
		out := make([]byte, 2*size)
		r.FillBytes(out[:size])
		t.FillBytes(out[size:])
		return out
	}
	v, err := s.key.key.Sign(rand.Reader, digest, h)
	if err != nil {
		panic(err)
	}
	return v
}

func byID(n *node, id string) *node {
	if n.kind == elementNode && n.attr("ID") == id {
		return n
	}
	for _, k := range n.kids {
		if found := byID(k, id); found != nil {
			return found
		}
	}
	return nil
}

// signedResponse is the usual message: the assertion signed by the provider.
var signedResponse = sync.OnceValue(func() string { return stamper{}.sign(responseXML, "_assertion1") })

// edit replaces in the unsigned message and signs the assertion.
func edit(pairs ...string) string {
	xml := replaced(responseXML, pairs...)
	return stamper{}.sign(xml, "_assertion1")
}

// replaced replaces each first string of a pair, which has to occur.
func replaced(xml string, pairs ...string) string {
	for i := 0; i < len(pairs); i += 2 {
		if !strings.Contains(xml, pairs[i]) {
			panic("does not occur: " + pairs[i])
		}
		xml = strings.Replace(xml, pairs[i], pairs[i+1], 1)
	}
	return xml
}

// An encrypter wraps an element for one of our keys; zero fields mean AES-256-GCM and OAEP with SHA-1.
type encrypter struct {
	to      account.SPKey
	content string
	wrap    string
	digest  string
	mgf     string
	beside  bool // EncryptedKey beside EncryptedData, by RetrievalMethod
	spoil   func(ciphertext []byte) []byte
	keys    int // how many EncryptedKeys; further ones are for nobody
}

func (e encrypter) element(name, plain string) string {
	if e.to.ID == "" {
		e.to = ourKey()
	}
	if e.content == "" {
		e.content = nsXENC1 + "aes256-gcm"
	}
	if e.wrap == "" {
		e.wrap = nsXENC + "rsa-oaep-mgf1p"
	}
	secret := make([]byte, 32)
	if c, ok := contentCiphers[e.content]; ok {
		secret = make([]byte, c.size)
	}
	rand.Read(secret)
	data := e.encrypt(secret, []byte(plain))
	if e.spoil != nil {
		data = e.spoil(data)
	}
	c, err := account.ParseCertificate(e.to.Certificate)
	if err != nil {
		panic(err)
	}
	key := e.key(c.PublicKey.(*rsa.PublicKey), secret, "_key1")
	for i := 1; i < e.keys; i++ {
		key = e.key(otherIdP().key.Public().(*rsa.PublicKey), secret, "_key"+string(rune('1'+i))) + key
	}
	info, beside := `<ds:KeyInfo xmlns:ds="`+nsDS+`">`+key+`</ds:KeyInfo>`, ""
	if e.beside {
		info = `<ds:KeyInfo xmlns:ds="` + nsDS + `"><ds:RetrievalMethod Type="http://www.w3.org/2001/04/xmlenc#EncryptedKey" URI="#_key1"/></ds:KeyInfo>`
		beside = key
	}
	return `<saml:` + name + ` xmlns:saml="` + nsSAML + `"><xenc:EncryptedData xmlns:xenc="` + nsXENC + `" Type="http://www.w3.org/2001/04/xmlenc#Element"><xenc:EncryptionMethod Algorithm="` + e.content + `"/>` +
		info + `<xenc:CipherData><xenc:CipherValue>` + base64.StdEncoding.EncodeToString(data) + `</xenc:CipherValue></xenc:CipherData></xenc:EncryptedData>` + beside + `</saml:` + name + `>`
}

func (e encrypter) key(to *rsa.PublicKey, secret []byte, id string) string {
	h, inner := sha1.New, ""
	if e.digest != "" {
		inner = `<ds:DigestMethod xmlns:ds="` + nsDS + `" Algorithm="` + e.digest + `"/>`
		if strings.HasSuffix(e.digest, "sha256") {
			h = sha256.New
		}
	}
	mgf := sha1.New
	if e.mgf != "" {
		inner += `<e1:MGF xmlns:e1="` + nsXENC1 + `" Algorithm="` + e.mgf + `"/>`
		if strings.HasSuffix(e.mgf, "sha256") {
			mgf = sha256.New
		}
	}
	var wrapped []byte
	if strings.HasSuffix(e.wrap, "rsa-1_5") {
		var err error
		//lint:ignore SA1019 receivers must refuse it, so a test must be able to send it
		if wrapped, err = rsa.EncryptPKCS1v15(rand.Reader, to, secret); err != nil {
			panic(err)
		}
	} else {
		wrapped = oaep(h(), mgf(), to, secret)
	}
	return `<xenc:EncryptedKey xmlns:xenc="` + nsXENC + `" Id="` + id + `"><xenc:EncryptionMethod Algorithm="` + e.wrap + `">` + inner + `</xenc:EncryptionMethod>` +
		`<xenc:CipherData><xenc:CipherValue>` + base64.StdEncoding.EncodeToString(wrapped) + `</xenc:CipherValue></xenc:CipherData></xenc:EncryptedKey>`
}

func (e encrypter) encrypt(secret, plain []byte) []byte {
	block, err := aes.NewCipher(secret)
	if err != nil {
		panic(err)
	}
	if strings.HasSuffix(e.content, "gcm") {
		aead, err := cipher.NewGCM(block)
		if err != nil {
			panic(err)
		}
		nonce := make([]byte, aead.NonceSize())
		rand.Read(nonce)
		return aead.Seal(nonce, nonce, plain, nil)
	}
	pad := aes.BlockSize - len(plain)%aes.BlockSize
	plain = append(bytes.Clone(plain), make([]byte, pad)...)
	plain[len(plain)-1] = byte(pad)
	iv := make([]byte, aes.BlockSize)
	rand.Read(iv)
	out := make([]byte, len(plain))
	cipher.NewCBCEncrypter(block, iv).CryptBlocks(out, plain)
	return append(iv, out...)
}

// oaep is RFC 8017 §7.1.1 with a mask of its own hash, which the standard library cannot make.
func oaep(h, mgf hash.Hash, to *rsa.PublicKey, message []byte) []byte {
	k := to.Size()
	h.Reset()
	label := h.Sum(nil)
	em := make([]byte, k)
	seed, db := em[1:1+h.Size()], em[1+h.Size():]
	copy(db, label)
	db[len(db)-len(message)-1] = 1
	copy(db[len(db)-len(message):], message)
	rand.Read(seed)
	mask(mgf, seed, db)
	mask(mgf, db, seed)
	c := new(big.Int).Exp(new(big.Int).SetBytes(em), big.NewInt(int64(to.E)), to.N)
	return c.FillBytes(make([]byte, k))
}

func mask(h hash.Hash, seed, out []byte) {
	for i, n := 0, uint32(0); i < len(out); n++ {
		h.Reset()
		h.Write(seed)
		h.Write([]byte{byte(n >> 24), byte(n >> 16), byte(n >> 8), byte(n)})
		for _, b := range h.Sum(nil) {
			if i < len(out) {
				out[i] ^= b
				i++
			}
		}
	}
}

// encryptedResponse is the usual message with its assertion signed and then encrypted.
func encryptedResponse(e encrypter) string {
	whole := signedResponse()
	from := strings.Index(whole, "<saml:Assertion")
	to := strings.Index(whole, "</saml:Assertion>") + len("</saml:Assertion>")
	return whole[:from] + e.element("EncryptedAssertion", whole[from:to]) + whole[to:]
}

func pkcs8(k crypto.Signer) string {
	der, err := x509.MarshalPKCS8PrivateKey(k)
	if err != nil {
		panic(err)
	}
	return string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}))
}

func pkcs8Of(t testing.TB, pkcs1 []byte) string {
	t.Helper()
	block, _ := pem.Decode(pkcs1)
	k, err := x509.ParsePKCS1PrivateKey(block.Bytes)
	if err != nil {
		t.Fatal(err)
	}
	return pkcs8(k)
}
