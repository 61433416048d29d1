package sim

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"crypto/x509/pkix"
	_ "embed"
	"encoding/pem"
	"errors"
	"fmt"
	"hash/fnv"
	"math/big"
	"slices"
	"sync"
	"time"

	jose "github.com/go-jose/go-jose/v4"
)

// Making a 2048-bit RSA key takes long enough to spoil a test, so a pool is shipped. Everybody has these keys.
//
//go:embed testkeys.pem
var poolPEM []byte

var pool = sync.OnceValue(func() []*rsa.PrivateKey {
	var keys []*rsa.PrivateKey
	for rest := poolPEM; ; {
		var block *pem.Block
		if block, rest = pem.Decode(rest); block == nil {
			return keys
		}
		k, err := x509.ParsePKCS1PrivateKey(block.Bytes)
		if err != nil {
			panic(fmt.Sprintf("sim: testkeys.pem: %v", err))
		}
		keys = append(keys, k)
	}
})

// A Key signs assertions and tokens of one tenant.
type Key struct {
	ID        string        // the JWK kid
	Signer    crypto.Signer // RSA, ECDSA or Ed25519
	Cert      *x509.Certificate
	Published bool // in metadata and JWKS
	Signing   bool // new messages are signed with it (the newest such key of a fitting type wins)
}

// KeyOptions describes a key to add. The zero value is a fresh RSA-2048 key that is published and not
// yet used: the first step of a rollover.
type KeyOptions struct {
	Signer    crypto.Signer // nil: one is made (RSA from the pool)
	Type      string        // "rsa" (default), "p256", "p384", "p521", "ed25519"; ignored when Signer is set
	NotBefore time.Time     // of the certificate; zero: a day ago
	NotAfter  time.Time     // zero: three years ahead
	Hidden    bool          // not in metadata or JWKS
	Sign      bool          // sign with it at once
}

// algKeys maps a JOSE algorithm to the key type it needs (RFC 7518 §3.1, RFC 8037).
var algKeys = map[string]string{
	"RS256": "rsa", "RS384": "rsa", "RS512": "rsa", "PS256": "rsa", "PS384": "rsa", "PS512": "rsa",
	"ES256": "p256", "ES384": "p384", "ES512": "p521", "EdDSA": "ed25519",
}

func keyType(s crypto.Signer) string {
	switch k := s.Public().(type) {
	case *rsa.PublicKey:
		return "rsa"
	case *ecdsa.PublicKey:
		return fmt.Sprintf("p%d", k.Curve.Params().BitSize)
	case ed25519.PublicKey:
		return "ed25519"
	}
	return ""
}

// Keys lists the tenant's keys, oldest first.
func (t *Tenant) Keys() []Key {
	t.mu.RLock()
	defer t.mu.RUnlock()
	out := make([]Key, len(t.keys))
	for i, k := range t.keys {
		out[i] = *k
	}
	return out
}

// AddKey adds a key. See KeyOptions for the steps of a rollover; Rotate does them all at once.
func (t *Tenant) AddKey(o KeyOptions) (Key, error) {
	signer := o.Signer
	if signer == nil {
		var err error
		if signer, err = t.sim.makeKey(or(o.Type, "rsa"), t.name); err != nil {
			return Key{}, err
		}
	}
	cert, err := t.certificate(signer, o)
	if err != nil {
		return Key{}, err
	}
	k := &Key{ID: t.sim.token(10), Signer: signer, Cert: cert, Published: !o.Hidden}
	t.mu.Lock()
	t.keys = append(t.keys, k)
	t.mu.Unlock()
	if o.Sign {
		return *k, t.SignWith(k.ID)
	}
	return *k, nil
}

// SignWith makes the key sign from now on, in place of others of its type.
func (t *Tenant) SignWith(id string) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	k := t.keyByID(id)
	if k == nil {
		return fmt.Errorf("sim: no key %q", id)
	}
	for _, other := range t.keys {
		if keyType(other.Signer) == keyType(k.Signer) {
			other.Signing = false
		}
	}
	k.Signing = true
	return nil
}

// Publish puts a key into metadata and JWKS, or takes it out.
func (t *Tenant) Publish(id string, published bool) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	k := t.keyByID(id)
	if k == nil {
		return fmt.Errorf("sim: no key %q", id)
	}
	k.Published = published
	return nil
}

// RemoveKey forgets a key.
func (t *Tenant) RemoveKey(id string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.keys = slices.DeleteFunc(t.keys, func(k *Key) bool { return k.ID == id })
}

// Rotate replaces every key that signs: a new one of its type is published and signs at once. The old
// ones stay published when keepOld, as careful providers do.
func (t *Tenant) Rotate(keepOld bool) error {
	for _, old := range t.Keys() {
		if !old.Signing {
			continue
		}
		if _, err := t.AddKey(KeyOptions{Type: keyType(old.Signer), Sign: true}); err != nil {
			return err
		}
		if !keepOld {
			t.RemoveKey(old.ID)
		}
	}
	return nil
}

// RenewCertificate gives the key a new certificate with other dates, as administrators do once a year
// without changing the key.
func (t *Tenant) RenewCertificate(id string, notBefore, notAfter time.Time) (Key, error) {
	t.mu.RLock()
	k := t.keyByID(id)
	t.mu.RUnlock()
	if k == nil {
		return Key{}, fmt.Errorf("sim: no key %q", id)
	}
	cert, err := t.certificate(k.Signer, KeyOptions{NotBefore: notBefore, NotAfter: notAfter})
	if err != nil {
		return Key{}, err
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	k.Cert = cert
	return *k, nil
}

func (t *Tenant) keyByID(id string) *Key {
	for _, k := range t.keys {
		if k.ID == id {
			return k
		}
	}
	return nil
}

// signingKey picks the key for an algorithm, making one when the tenant has none of its type.
func (t *Tenant) signingKey(alg string) (Key, error) {
	typ, ok := algKeys[alg]
	if !ok {
		return Key{}, fmt.Errorf("sim: unknown algorithm %q", alg)
	}
	t.mu.RLock()
	for _, k := range slices.Backward(t.keys) {
		if k.Signing && keyType(k.Signer) == typ {
			defer t.mu.RUnlock()
			return *k, nil
		}
	}
	t.mu.RUnlock()
	return t.AddKey(KeyOptions{Type: typ, Sign: true})
}

// samlKey picks the key that signs SAML messages.
func (t *Tenant) samlKey() (Key, error) {
	if t.Config().SAMLKey == "ecdsa" {
		return t.signingKey("ES256")
	}
	return t.signingKey("RS256")
}

// strayKey is a key nobody trusts; it is never published.
func (t *Tenant) strayKey(alg string) (Key, error) {
	t.mu.Lock()
	k := t.stray[algKeys[alg]]
	t.mu.Unlock()
	if k != nil {
		return *k, nil
	}
	signer, err := t.sim.makeKey(algKeys[alg], t.name+"-stray")
	if err != nil {
		return Key{}, err
	}
	cert, err := t.certificate(signer, KeyOptions{})
	if err != nil {
		return Key{}, err
	}
	k = &Key{ID: t.sim.token(10), Signer: signer, Cert: cert}
	t.mu.Lock()
	defer t.mu.Unlock()
	t.stray[algKeys[alg]] = k
	return *k, nil
}

// JWKS is the set of published keys (RFC 7517).
func (t *Tenant) JWKS() jose.JSONWebKeySet {
	var set jose.JSONWebKeySet
	for _, k := range t.Keys() {
		if k.Published {
			set.Keys = append(set.Keys, jose.JSONWebKey{Key: k.Signer.Public(), KeyID: k.ID, Use: "sig"})
		}
	}
	return set
}

// Certificates lists the certificates of published keys, as metadata does.
func (t *Tenant) Certificates() []*x509.Certificate {
	var out []*x509.Certificate
	for _, k := range t.Keys() {
		if k.Published && keyType(k.Signer) != "ed25519" {
			out = append(out, k.Cert)
		}
	}
	return out
}

func (s *Sim) makeKey(typ, hint string) (crypto.Signer, error) {
	switch typ {
	case "rsa":
		return s.poolKey(hint)
	case "p256":
		return s.ecKey(elliptic.P256())
	case "p384":
		return s.ecKey(elliptic.P384())
	case "p521":
		return s.ecKey(elliptic.P521())
	case "ed25519":
		return ed25519.NewKeyFromSeed(s.bytes(ed25519.SeedSize)), nil
	}
	return nil, fmt.Errorf("sim: unknown key type %q", typ)
}

// poolKey takes a free key of the pool, starting at a place that depends on the tenant's name so that
// tenants in different Sims rarely share one. An empty pool means generating.
func (s *Sim) poolKey(hint string) (crypto.Signer, error) {
	h := fnv.New32a()
	h.Write([]byte(hint))
	keys := pool()
	s.mu.Lock()
	defer s.mu.Unlock()
	for i := range keys {
		at := (int(h.Sum32()%uint32(len(keys))) + i) % len(keys)
		if !s.poolUsed[at] {
			s.poolUsed[at] = true
			return keys[at], nil
		}
	}
	return rsa.GenerateKey(rand.Reader, 2048)
}

// ecKey draws a scalar from the Sim's randomness: since Go 1.26 ecdsa.GenerateKey ignores the reader it is given.
func (s *Sim) ecKey(curve elliptic.Curve) (crypto.Signer, error) {
	size := (curve.Params().BitSize + 7) / 8
	for range 100 {
		b := s.bytes(size)
		if extra := size*8 - curve.Params().BitSize; extra > 0 {
			b[0] &= 0xff >> extra
		}
		if k, err := ecdsa.ParseRawPrivateKey(curve, b); err == nil {
			return k, nil
		}
	}
	return nil, errors.New("sim: Options.Rand gave no usable scalar")
}

// certificate wraps a key in a self-signed certificate that looks like the dialect's.
func (t *Tenant) certificate(signer crypto.Signer, o KeyOptions) (*x509.Certificate, error) {
	now := t.sim.now()
	if o.NotBefore.IsZero() {
		o.NotBefore = now.Add(-24 * time.Hour)
	}
	if o.NotAfter.IsZero() {
		o.NotAfter = now.AddDate(3, 0, 0)
	}
	subject := pkix.Name{CommonName: t.cfg.Name, Organization: []string{"drawbridge-sim test certificate"}}
	switch t.cfg.Dialect {
	case Entra:
		subject.CommonName = "Microsoft Azure Federated SSO Certificate"
	case Google:
		subject = pkix.Name{CommonName: "Google", Organization: []string{"Google Inc."}, OrganizationalUnit: []string{"Google For Work"},
			Locality: []string{"Mountain View"}, Province: []string{"California"}, Country: []string{"US"}}
	case ADFS:
		subject.CommonName = "ADFS Signing - adfs." + t.cfg.Domain
	}
	template := &x509.Certificate{SerialNumber: new(big.Int).SetBytes(t.sim.bytes(8)), Subject: subject,
		NotBefore: o.NotBefore, NotAfter: o.NotAfter, KeyUsage: x509.KeyUsageDigitalSignature}
	der, err := x509.CreateCertificate(bytes.NewReader(t.sim.bytes(256)), template, template, signer.Public(), signer)
	if err != nil {
		return nil, fmt.Errorf("sim: certificate: %w", err)
	}
	return x509.ParseCertificate(der)
}
