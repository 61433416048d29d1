package saml

import (
	"crypto"
	"crypto/aes"
	"crypto/cipher"
	"crypto/rsa"
	"errors"
	"fmt"
	"strings"

	"github.com/drawbridge-id/drawbridge/account"
)

// A contentCipher is a block encryption of XE §5.2 that we open.
type contentCipher struct {
	size int // of the key, bytes
	gcm  bool
}

var contentCiphers = map[string]contentCipher{
	nsXENC1 + "aes128-gcm": {16, true},
	nsXENC1 + "aes192-gcm": {24, true},
	nsXENC1 + "aes256-gcm": {32, true},
	nsXENC + "aes128-cbc":  {16, false},
	nsXENC + "aes192-cbc":  {24, false},
	nsXENC + "aes256-cbc":  {32, false},
}

var mgfHashes = map[string]crypto.Hash{
	"":                     crypto.SHA1, // XE §5.5.2: the default
	nsXENC1 + "mgf1sha1":   crypto.SHA1,
	nsXENC1 + "mgf1sha256": crypto.SHA256,
	nsXENC1 + "mgf1sha384": crypto.SHA384,
	nsXENC1 + "mgf1sha512": crypto.SHA512,
}

// Each of our keys is tried on each wrapped key; both are few, because a private key operation is the
// costliest thing a stranger can have us do.
const (
	maxWrapped  = 3
	maxOpenKeys = 3
)

// An envelope is an encrypted element taken apart; everything in it was readable by all, so that what
// is wrong with its form can be said aloud.
type envelope struct {
	content contentCipher
	data    []byte
	wrapped []wrappedKey
}

type wrappedKey struct {
	options rsa.OAEPOptions
	data    []byte
}

// unwrapEnvelope reads EncryptedAssertion (SC §2.3.4) or EncryptedID (SC §2.2.4): EncryptedData with its
// keys inside KeyInfo or beside it (XE §3.5, SAML-E1). Nothing is fetched: CipherReference and outside RetrievalMethods are
// refused (SAML-K2). RSA 1.5 and 3DES are refused, CBC is the connection's choice (SAML-E2).
func unwrapEnvelope(n *node, cbc bool) (e envelope, f *fault) {
	f = first(n.follow(slot{nsXENC, "EncryptedData", 1, 1}, slot{nsXENC, "EncryptedKey", 0, maxWrapped}))
	if f != nil {
		return e, f
	}
	data := n.child(nsXENC, "EncryptedData")
	keys := n.children(nsXENC, "EncryptedKey")
	if f := encrypted(data); f != nil {
		return e, f
	}
	if info := data.child(nsDS, "KeyInfo"); info != nil {
		keys = append(keys, info.children(nsXENC, "EncryptedKey")...)
		for _, r := range info.children(nsDS, "RetrievalMethod") {
			if uri := r.attr("URI"); !strings.HasPrefix(uri, "#") {
				return e, badEncryption("a RetrievalMethod inside the message", "%q", clip(uri, 80))
			}
		}
	}
	if len(keys) == 0 || len(keys) > maxWrapped {
		return e, badEncryption(fmt.Sprintf("1 to %d encrypted keys", maxWrapped), "%d", len(keys))
	}
	name := algorithmOf(data)
	var ok bool
	if e.content, ok = contentCiphers[name]; !ok {
		return e, badEncryption("AES-GCM content encryption", "%q", clip(name, 80))
	}
	if !e.content.gcm && !cbc {
		return e, badEncryption("AES-GCM content encryption", "AES-CBC, which this connection does not allow")
	}
	e.data = cipherValue(data)
	for _, k := range keys {
		w, f := wrappedKeyOf(k)
		if f != nil {
			return e, f
		}
		e.wrapped = append(e.wrapped, w)
	}
	return e, nil
}

func badEncryption(expected, format string, args ...any) *fault {
	return &fault{"encryption_algorithm", expected, fmt.Sprintf(format, args...)}
}

// encrypted checks the skeleton of EncryptedData or EncryptedKey (XE §3.1).
func encrypted(n *node) *fault {
	f := n.follow(slot{nsXENC, "EncryptionMethod", 1, 1}, slot{nsDS, "KeyInfo", 0, 1}, slot{nsXENC, "CipherData", 1, 1},
		slot{nsXENC, "EncryptionProperties", 0, 1}, slot{nsXENC, "ReferenceList", 0, 1}, slot{nsXENC, "CarriedKeyName", 0, 1})
	if f != nil {
		return f
	}
	return n.child(nsXENC, "CipherData").follow(slot{nsXENC, "CipherValue", 1, 1})
}

func algorithmOf(n *node) string { return n.child(nsXENC, "EncryptionMethod").attr("Algorithm") }

func cipherValue(n *node) []byte {
	return binary(n.child(nsXENC, "CipherData").child(nsXENC, "CipherValue"))
}

// wrappedKeyOf reads RSA-OAEP parameters (XE §5.5.2). The older name fixes the mask to SHA-1, the
// newer one states it.
func wrappedKeyOf(n *node) (w wrappedKey, f *fault) {
	if f := encrypted(n); f != nil {
		return w, f
	}
	method := n.child(nsXENC, "EncryptionMethod")
	name, mask := method.attr("Algorithm"), ""
	switch name {
	case nsXENC + "rsa-oaep-mgf1p":
	case nsXENC1 + "rsa-oaep":
		if m := method.child(nsXENC1, "MGF"); m != nil {
			mask = m.attr("Algorithm")
		}
	default:
		return w, badEncryption("RSA-OAEP key transport", "%q", clip(name, 80))
	}
	var ok bool
	if w.options.MGFHash, ok = mgfHashes[mask]; !ok {
		return w, badEncryption("a mask generation function with SHA-1 or SHA-2", "%q", clip(mask, 80))
	}
	w.options.Hash = crypto.SHA1
	if d := method.child(nsDS, "DigestMethod"); d != nil {
		if w.options.Hash, ok = digestMethods[d.attr("Algorithm")]; !ok {
			return w, badEncryption("an OAEP digest with SHA-1 or SHA-2", "%q", clip(d.attr("Algorithm"), 80))
		}
	}
	if p := method.child(nsXENC, "OAEPparams"); p != nil {
		w.options.Label = binary(p)
	}
	w.data = cipherValue(n)
	return w, nil
}

// errClosed is the one answer for every way in which opening fails (XE §6.1, SAML-E3).
var errClosed = errors.New("saml: the encrypted element does not open")

// open decrypts with whichever of our keys fits (SC §6.1).
func (e envelope) open(keys []account.SPKey) ([]byte, error) {
	tried := 0
	for _, k := range keys {
		private, err := privateKey(k)
		decrypter, ok := private.(*rsa.PrivateKey)
		if err != nil || !ok {
			continue
		}
		if tried++; tried > maxOpenKeys {
			break
		}
		for _, w := range e.wrapped {
			secret, err := decrypter.Decrypt(nil, w.data, &w.options)
			if err != nil || len(secret) != e.content.size {
				continue
			}
			if plain, err := e.content.open(secret, e.data); err == nil {
				return plain, nil
			}
		}
	}
	return nil, errClosed
}

func (c contentCipher) open(key, data []byte) ([]byte, error) {
	block, err := aes.NewCipher(key)
	if err != nil {
		return nil, errClosed
	}
	if c.gcm { // XE §5.2.4: 96-bit IV, ciphertext, 128-bit tag
		aead, err := cipher.NewGCM(block)
		if err != nil || len(data) < aead.NonceSize()+aead.Overhead() {
			return nil, errClosed
		}
		plain, err := aead.Open(nil, data[:aead.NonceSize()], data[aead.NonceSize():], nil)
		if err != nil {
			return nil, errClosed
		}
		return plain, nil
	}
	// XE §5.2.2: a block of IV, then whole blocks.
	if len(data) < 2*aes.BlockSize || len(data)%aes.BlockSize != 0 {
		return nil, errClosed
	}
	plain := make([]byte, len(data)-aes.BlockSize)
	cipher.NewCBCDecrypter(block, data[:aes.BlockSize]).CryptBlocks(plain, data[aes.BlockSize:])
	// XE §5.2: the last byte says how much padding there is; the rest of the padding is arbitrary.
	pad := int(plain[len(plain)-1])
	if pad < 1 || pad > aes.BlockSize {
		return nil, errClosed
	}
	return plain[:len(plain)-pad], nil
}
