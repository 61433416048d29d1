package oidc

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rsa"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	jose "github.com/go-jose/go-jose/v4"

	"github.com/drawbridge-id/drawbridge/account"
)

// algorithms are the signatures that an ID token may have: asymmetric, SHA-2 (OIDC-T2, RFC 8725 §3.1).
var algorithms = []string{"RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA"}

// What verify refuses with; the judge turns them into checks.
var (
	errUnknownKey   = errors.New("no published key has the token's key id")
	errNoFittingKey = errors.New("no published key fits the token's algorithm")
	errSignature    = errors.New("the signature does not verify with the provider's keys")
)

const (
	maxKeyCount = 64
	// absent is how long a key id that no set held is believed to stay unknown.
	absent    = 30 * time.Second
	maxAbsent = 256
	// youngSet is how old a set has to be before a bad signature under a known key fetches it again:
	// some providers change a key and keep its id, and forged tokens must not make us knock all day.
	youngSet = 10 * time.Second
)

// keySet holds the keys behind one JWKS URL, whoever names it. It differs from go-oidc's own set in
// what a stranger can make it do: unknown key ids cost at most ten fetches a minute, bodies and counts
// are bounded, use and alg of a key are obeyed, and a withdrawn key dies at the next refresh.
type keySet struct {
	url  string
	now  func() time.Time
	keys *document[[]jose.JSONWebKey]

	mu      sync.Mutex
	missing map[string]time.Time // key ids that the current set lacks, and until when we believe it
}

func (rp *RP) keySet(jwksURL string) *keySet {
	rp.mu.Lock()
	defer rp.mu.Unlock()
	if set, ok := rp.keys.Get(jwksURL); ok {
		return set
	}
	set := &keySet{url: jwksURL, now: rp.now, missing: map[string]time.Time{},
		keys: newDocument(rp.now, rp.keyAge, func(ctx context.Context) ([]jose.JSONWebKey, error) { return rp.fetchKeys(ctx, jwksURL) })}
	rp.keys.Add(jwksURL, set)
	return set
}

// verify checks a parsed JWS of exactly one signature and returns its payload, fetching the set again for a
// kid that it lacks (OC §10.1.1). spare fetches of the
// budget are left alone, for callers whom anybody may be.
func (k *keySet) verify(ctx context.Context, jws *jose.JSONWebSignature, spare float64) ([]byte, error) {
	head := jws.Signatures[0].Header
	keys, gen, err := k.keys.get(ctx)
	if err != nil {
		return nil, err
	}
	payload, err := try(keys, jws)
	if err == nil {
		return payload, nil
	}
	if !k.worthAsking(head.KeyID, err) {
		return nil, err
	}
	keys, now, renewErr := k.keys.renew(ctx, gen, spare)
	if renewErr != nil {
		return nil, renewErr
	}
	if now > gen { // otherwise nothing new was learnt, not even that the key is missing
		if payload, err = try(keys, jws); err == nil {
			return payload, nil
		}
		if errors.Is(err, errUnknownKey) {
			k.remember(head.KeyID)
		}
	}
	return nil, err
}

// worthAsking is whether fetching the set again could change the answer.
func (k *keySet) worthAsking(kid string, err error) bool {
	now := k.now()
	if errors.Is(err, errUnknownKey) {
		k.mu.Lock()
		defer k.mu.Unlock()
		return now.After(k.missing[kid])
	}
	k.keys.mu.Lock()
	defer k.keys.mu.Unlock()
	return now.Sub(k.keys.at) >= youngSet
}

func (k *keySet) remember(kid string) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if len(k.missing) >= maxAbsent {
		clear(k.missing)
	}
	k.missing[kid] = k.now().Add(absent)
}

// try verifies with each key that may have made the signature: the ones with the token's kid
// (RFC 7515 §4.1.4, RFC 7517 §4.5), which is compared and never used for anything else (RFC 8725 §3.10).
func try(keys []jose.JSONWebKey, jws *jose.JSONWebSignature) ([]byte, error) {
	head := jws.Signatures[0].Header
	err := errNoFittingKey
	if head.KeyID != "" && !slices.ContainsFunc(keys, func(k jose.JSONWebKey) bool { return k.KeyID == head.KeyID }) {
		return nil, errUnknownKey
	}
	for i := range keys {
		if head.KeyID != "" && keys[i].KeyID != head.KeyID || !fits(keys[i], head.Algorithm) {
			continue
		}
		payload, verr := jws.Verify(keys[i].Key)
		if verr == nil {
			return payload, nil
		}
		err = errSignature
	}
	return nil, err
}

// fits is whether a key may be used with alg: its type and curve fix the family (RFC 7518 §3.1, §3.4;
// RFC 8037 §3.1), its own
// alg, when said, is the only one (RFC 7517 §4.4).
func fits(k jose.JSONWebKey, alg string) bool {
	if k.Algorithm != "" && k.Algorithm != alg {
		return false
	}
	switch pub := k.Key.(type) {
	case *rsa.PublicKey:
		return slices.Contains([]string{"RS256", "RS384", "RS512", "PS256", "PS384", "PS512"}, alg)
	case *ecdsa.PublicKey:
		return map[string]elliptic.Curve{"ES256": elliptic.P256(), "ES384": elliptic.P384(), "ES512": elliptic.P521()}[alg] == pub.Curve
	case ed25519.PublicKey:
		return alg == "EdDSA"
	}
	return false
}

func (rp *RP) fetchKeys(ctx context.Context, jwksURL string) ([]jose.JSONWebKey, error) {
	body, err := rp.get(ctx, jwksURL, maxKeys, "jwks")
	if err != nil {
		return nil, err
	}
	return readKeys(body)
}

// readKeys reads a JWK set and keeps what can verify a signature. Keys that it does not understand are
// left out (RFC 7517 §5), as are those marked for encryption (RFC 7517 §4.2, §4.3) and ones that are no public key
// or too weak; a set with nothing left is an error, so that the last good one stays.
func readKeys(body []byte) ([]jose.JSONWebKey, error) {
	refuse := func(code, format string, args ...any) error {
		return account.Errorf(account.Invalid, format, args...).Coded(code)
	}
	if _, err := readObject(body); err != nil {
		return nil, refuse("jwks_document", "The provider's key set cannot be read: %s.", clip(err.Error(), 200))
	}
	var set struct {
		Keys []json.RawMessage `json:"keys"`
	}
	if err := json.Unmarshal(body, &set); err != nil {
		return nil, refuse("jwks_document", "The provider's key set has no list of keys.")
	}
	if len(set.Keys) > maxKeyCount {
		return nil, refuse("jwks_document", "The provider's key set has %d keys, more than %d.", len(set.Keys), maxKeyCount)
	}
	var good []jose.JSONWebKey
	for _, raw := range set.Keys {
		if k, ok := readKey(raw); ok {
			good = append(good, k)
		}
	}
	if len(good) == 0 {
		return nil, refuse("jwks_empty", "The provider's key set has no key that can verify a signature.")
	}
	return good, nil
}

func readKey(raw json.RawMessage) (jose.JSONWebKey, bool) {
	var label struct {
		Use string   `json:"use"`
		Ops []string `json:"key_ops"`
		KTY string   `json:"kty"`
	}
	if json.Unmarshal(raw, &label) != nil || label.KTY == "oct" || (label.Use != "" && label.Use != "sig") ||
		(label.Ops != nil && !slices.Contains(label.Ops, "verify")) {
		return jose.JSONWebKey{}, false
	}
	var k jose.JSONWebKey
	if json.Unmarshal(bare(raw), &k) != nil || !k.Valid() || !k.IsPublic() {
		return jose.JSONWebKey{}, false
	}
	// RFC 7518 §3.3: 2048 bits at least; a huge key would cost us more than its owner.
	if pub, ok := k.Key.(*rsa.PublicKey); ok && (pub.N.BitLen() < 2048 || pub.N.BitLen() > 8192) {
		return jose.JSONWebKey{}, false
	}
	return k, true
}

// bare takes the certificates off a JWK: the key counts, and a certificate that Go does not parse must not
// cost us the key.
func bare(raw json.RawMessage) []byte {
	var members map[string]json.RawMessage
	if json.Unmarshal(raw, &members) != nil {
		return raw
	}
	for _, name := range []string{"x5c", "x5t", "x5t#S256", "x5u"} {
		delete(members, name)
	}
	out, err := json.Marshal(members)
	if err != nil {
		return raw
	}
	return out
}

// pinned lets go-oidc verify through a keySet: it keeps the payload that was under the signature, so
// that every claim we use comes from there and from nowhere else (G-1).
type pinned struct {
	set     *keySet
	allowed []jose.SignatureAlgorithm
	spare   float64

	payload []byte // nil until a signature verified
	err     error  // why none did
}

// VerifySignature implements go-oidc's KeySet.
func (p *pinned) VerifySignature(ctx context.Context, token string) ([]byte, error) {
	jws, err := jose.ParseSignedCompact(token, p.allowed)
	if err == nil && len(jws.Signatures) != 1 {
		err = fmt.Errorf("%d signatures", len(jws.Signatures))
	}
	if err == nil {
		p.payload, err = p.set.verify(ctx, jws, p.spare)
	}
	if p.err = err; err != nil {
		return nil, err
	}
	return withoutClaimNames(p.payload), nil
}

// withoutClaimNames hides _claim_names from go-oidc, which refuses a token whose sources are missing, as
// Entra sends them at overage (OC §5.6.2). Nothing here ever follows a source; groups.go reads the marker
// from the full payload.
func withoutClaimNames(payload []byte) []byte {
	if !bytes.Contains(payload, []byte("_claim_")) {
		return payload
	}
	var members map[string]json.RawMessage
	if json.Unmarshal(payload, &members) != nil {
		return payload
	}
	delete(members, "_claim_names")
	delete(members, "_claim_sources")
	out, err := json.Marshal(members)
	if err != nil {
		return payload
	}
	return out
}
