package sim

import (
	"crypto"
	"crypto/aes"
	"crypto/cipher"
	"crypto/des" // refused by good receivers, so tests need it
	"crypto/rand"
	"crypto/rsa"
	"encoding/base64"
	"fmt"
	"strings"

	"github.com/beevik/etree"
)

const (
	nsXENC   = "http://www.w3.org/2001/04/xmlenc#"
	nsXENC11 = "http://www.w3.org/2009/xmlenc11#"
)

type contentCipher struct {
	uri  string
	size int // of the key, bytes
	gcm  bool
}

// XML encryption 1.1 §5.2.
var contentCiphers = map[string]contentCipher{
	"tripledes-cbc": {nsXENC + "tripledes-cbc", 24, false},
	"aes128-cbc":    {nsXENC + "aes128-cbc", 16, false},
	"aes192-cbc":    {nsXENC + "aes192-cbc", 24, false},
	"aes256-cbc":    {nsXENC + "aes256-cbc", 32, false},
	"aes128-gcm":    {nsXENC11 + "aes128-gcm", 16, true},
	"aes192-gcm":    {nsXENC11 + "aes192-gcm", 24, true},
	"aes256-gcm":    {nsXENC11 + "aes256-gcm", 32, true},
}

type oaepHash struct {
	hash        crypto.Hash
	digest, mgf string
}

var oaepHashes = map[string]oaepHash{
	"":       {crypto.SHA1, nsDS + "sha1", nsXENC11 + "mgf1sha1"},
	"sha1":   {crypto.SHA1, nsDS + "sha1", nsXENC11 + "mgf1sha1"},
	"sha256": {crypto.SHA256, nsXENC + "sha256", nsXENC11 + "mgf1sha256"},
	"sha512": {crypto.SHA512, nsXENC + "sha512", nsXENC11 + "mgf1sha512"},
}

func (e Encryption) check() error {
	cert, err := parseCertificate(e.Certificate)
	if err != nil {
		return fmt.Errorf("encryption: %w", err)
	}
	if _, ok := cert.PublicKey.(*rsa.PublicKey); !ok {
		return fmt.Errorf("encryption: the certificate's key is not RSA")
	}
	if _, ok := contentCiphers[or(e.Content, "aes256-gcm")]; !ok {
		return fmt.Errorf("encryption: unknown content %q", e.Content)
	}
	if _, ok := oaepHashes[e.Digest]; !ok {
		return fmt.Errorf("encryption: unknown digest %q", e.Digest)
	}
	if _, ok := oaepHashes[e.MGF]; !ok {
		return fmt.Errorf("encryption: unknown mgf %q", e.MGF)
	}
	return oneOf("key_transport", e.KeyTransport, "", "oaep-mgf1p", "oaep-xmlenc11", "rsa-1_5")
}

// encrypt wraps a signed assertion into an EncryptedAssertion (SAML core §2.3.4; XML encryption 1.1).
func (m *samlMaker) encrypt(a *etree.Element, e Encryption) (*etree.Element, error) {
	if err := e.check(); err != nil {
		return nil, err
	}
	plain, err := writeXML(withContext(a))
	if err != nil {
		return nil, err
	}
	c := contentCiphers[or(e.Content, "aes256-gcm")]
	key := m.t.sim.bytes(c.size)
	sealed, err := c.seal(key, plain, m.t.sim.bytes)
	if err != nil {
		return nil, err
	}
	if m.f.has(BadCiphertext) {
		sealed[len(sealed)-1] ^= 1
	}
	outer := etree.NewElement(m.tag("EncryptedAssertion"))
	outer.CreateAttr(xmlns(m.d.assertion), nsAssertion)
	data := outer.CreateElement("xenc:EncryptedData")
	data.CreateAttr("xmlns:xenc", nsXENC)
	data.CreateAttr("Type", nsXENC+"Element")
	data.CreateElement("xenc:EncryptionMethod").CreateAttr("Algorithm", c.uri)
	info := data.CreateElement("ds:KeyInfo")
	info.CreateAttr("xmlns:ds", nsDS)
	wrapped, err := m.encryptedKey(key, e)
	if err != nil {
		return nil, err
	}
	if e.KeyBeside {
		id := "_" + m.t.sim.token(8)
		wrapped.CreateAttr("Id", id)
		retrieval := info.CreateElement("ds:RetrievalMethod")
		retrieval.CreateAttr("Type", nsXENC+"EncryptedKey")
		retrieval.CreateAttr("URI", "#"+id)
		outer.AddChild(wrapped)
	} else {
		info.AddChild(wrapped)
	}
	data.CreateElement("xenc:CipherData").CreateElement("xenc:CipherValue").SetText(base64.StdEncoding.EncodeToString(sealed))
	return outer, nil
}

func (m *samlMaker) encryptedKey(key []byte, e Encryption) (*etree.Element, error) {
	cert, err := parseCertificate(e.Certificate)
	if err != nil {
		return nil, err
	}
	pub := cert.PublicKey.(*rsa.PublicKey)
	el := etree.NewElement("xenc:EncryptedKey")
	el.CreateAttr("xmlns:xenc", nsXENC)
	method := el.CreateElement("xenc:EncryptionMethod")
	var wrapped []byte
	if e.KeyTransport == "rsa-1_5" {
		method.CreateAttr("Algorithm", nsXENC+"rsa-1_5")
		//lint:ignore SA1019 receivers must refuse it, so a test must be able to send it
		wrapped, err = rsa.EncryptPKCS1v15(rand.Reader, pub, key)
	} else {
		opts := oaepMethod(method, e)
		wrapped, err = rsa.EncryptOAEPWithOptions(rand.Reader, pub, key, opts)
	}
	if err != nil {
		return nil, fmt.Errorf("sim: encrypting the key: %w", err)
	}
	el.CreateElement("xenc:CipherData").CreateElement("xenc:CipherValue").SetText(base64.StdEncoding.EncodeToString(wrapped))
	return el, nil
}

// oaepMethod writes the parameters of RSA-OAEP and returns them for the encryption itself.
func oaepMethod(method *etree.Element, e Encryption) *rsa.OAEPOptions {
	digest, mgf := oaepHashes[e.Digest], oaepHashes[e.MGF]
	new11 := e.KeyTransport == "oaep-xmlenc11"
	if new11 {
		method.CreateAttr("Algorithm", nsXENC11+"rsa-oaep")
	} else {
		// rsa-oaep-mgf1p: the mask is SHA-1 whatever the digest (XML encryption 1.1 §5.5.2).
		mgf = oaepHashes["sha1"]
		method.CreateAttr("Algorithm", nsXENC+"rsa-oaep-mgf1p")
	}
	d := method.CreateElement("ds:DigestMethod")
	d.CreateAttr("xmlns:ds", nsDS)
	d.CreateAttr("Algorithm", digest.digest)
	if new11 {
		g := method.CreateElement("xenc11:MGF")
		g.CreateAttr("xmlns:xenc11", nsXENC11)
		g.CreateAttr("Algorithm", mgf.mgf)
	}
	return &rsa.OAEPOptions{Hash: digest.hash, MGFHash: mgf.hash}
}

// seal encrypts: nonce or IV in front, GCM's tag behind (XML encryption 1.1 §5.2.2, §5.2.4).
func (c contentCipher) seal(key, plain []byte, random func(int) []byte) ([]byte, error) {
	newCipher := aes.NewCipher
	if strings.HasSuffix(c.uri, "#tripledes-cbc") {
		newCipher = des.NewTripleDESCipher
	}
	block, err := newCipher(key)
	if err != nil {
		return nil, err
	}
	if c.gcm {
		aead, err := cipher.NewGCM(block)
		if err != nil {
			return nil, err
		}
		nonce := random(aead.NonceSize())
		return aead.Seal(nonce, nonce, plain, nil), nil
	}
	// The last byte says how many were added; the others are arbitrary.
	pad := block.BlockSize() - len(plain)%block.BlockSize()
	padding := random(pad)
	padding[pad-1] = byte(pad)
	plain = append(append([]byte(nil), plain...), padding...)
	iv := random(block.BlockSize())
	out := make([]byte, len(plain))
	cipher.NewCBCEncrypter(block, iv).CryptBlocks(out, plain)
	return append(iv, out...), nil
}
