package published

import (
	"context"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rsa"
	"encoding/json"
	"errors"
	"slices"
	"sync"
	"time"

	jose "github.com/go-jose/go-jose/v4"

	"github.com/drawbridge-id/drawbridge/account"
	"github.com/drawbridge-id/drawbridge/strict"
)

// What Verify refuses with; every other error of it is about fetching the set.
var (
	ErrUnknownKey   = errors.New("no published key has the token's key id")
	ErrNoFittingKey = errors.New("no published key fits the token's algorithm")
	ErrSignature    = errors.New("the signature does not verify with the provider's keys")
)

const (
	// MaxKeys bounds how many keys a set may hold.
	MaxKeys = 64
	// Absent is how long a key id that no set held is believed to stay unknown.
	Absent    = 30 * time.Second
	maxAbsent = 256
	// youngSet is how old a set has to be before a bad signature under a known key fetches it again:
	// some providers change a key and keep its id, and forged tokens must not make us knock all day.
	youngSet = 10 * time.Second
)

// KeySet holds the keys behind one JWKS URL, whoever names it. It differs from go-oidc's own set in
// what a stranger can make it do: unknown key ids cost at most ten fetches a minute, bodies and counts
// are bounded, use and alg of a key are obeyed, and a withdrawn key dies at the next refresh.
type KeySet struct {
	now  func() time.Time
	keys *Document[[]jose.JSONWebKey]

	mu      sync.Mutex
	missing map[string]time.Time // key ids that the current set lacks, and until when we believe it
}

// NewKeySet makes the set of one URL, which load reads and which is fetched again at the latest at age.
func NewKeySet(now func() time.Time, age time.Duration, load func(context.Context) ([]jose.JSONWebKey, error)) *KeySet {
	return &KeySet{now: now, missing: map[string]time.Time{}, keys: NewDocument(now, age, load)}
}

// Verify checks a parsed JWS of exactly one signature and returns its payload, fetching the set again for a
// kid that it lacks (OC §10.1.1). spare fetches of the
// budget are left alone, for callers whom anybody may be.
func (k *KeySet) Verify(ctx context.Context, jws *jose.JSONWebSignature, spare float64) ([]byte, error) {
	head := jws.Signatures[0].Header
	keys, gen, err := k.keys.Get(ctx)
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
	keys, now, renewErr := k.keys.Renew(ctx, gen, spare)
	if renewErr != nil {
		return nil, renewErr
	}
	if now > gen { // otherwise nothing new was learnt, not even that the key is missing
		if payload, err = try(keys, jws); err == nil {
			return payload, nil
		}
		if errors.Is(err, ErrUnknownKey) {
			k.remember(head.KeyID)
		}
	}
	return nil, err
}

// worthAsking is whether fetching the set again could change the answer.
func (k *KeySet) worthAsking(kid string, err error) bool {
	now := k.now()
	if errors.Is(err, ErrUnknownKey) {
		k.mu.Lock()
		defer k.mu.Unlock()
		return now.After(k.missing[kid])
	}
	k.keys.mu.Lock()
	defer k.keys.mu.Unlock()
	return now.Sub(k.keys.at) >= youngSet
}

func (k *KeySet) remember(kid string) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if len(k.missing) >= maxAbsent {
		clear(k.missing)
	}
	k.missing[kid] = k.now().Add(Absent)
}

// try verifies with each key that may have made the signature: the ones with the token's kid
// (RFC 7515 §4.1.4, RFC 7517 §4.5), which is compared and never used for anything else (RFC 8725 §3.10).
func try(keys []jose.JSONWebKey, jws *jose.JSONWebSignature) ([]byte, error) {
	head := jws.Signatures[0].Header
	err := ErrNoFittingKey
	if head.KeyID != "" && !slices.ContainsFunc(keys, func(k jose.JSONWebKey) bool { return k.KeyID == head.KeyID }) {
		return nil, ErrUnknownKey
	}
	for i := range keys {
		if head.KeyID != "" && keys[i].KeyID != head.KeyID || !Fits(keys[i], head.Algorithm) {
			continue
		}
		payload, verr := jws.Verify(keys[i].Key)
		if verr == nil {
			return payload, nil
		}
		err = ErrSignature
	}
	return nil, err
}

// Fits is whether a key may be used with alg: its type and curve fix the family (RFC 7518 §3.1, §3.4;
// RFC 8037 §3.1), its own
// alg, when said, is the only one (RFC 7517 §4.4).
func Fits(k jose.JSONWebKey, alg string) bool {
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

// ReadKeys reads a JWK set and keeps what can verify a signature. Keys that it does not understand are
// left out (RFC 7517 §5), as are those marked for encryption (RFC 7517 §4.2, §4.3) and ones that are no public key
// or too weak; a set with nothing left is an error, so that the last good one stays.
func ReadKeys(body []byte) ([]jose.JSONWebKey, error) {
	refuse := func(code, format string, args ...any) error {
		return account.Errorf(account.Invalid, format, args...).Coded(code)
	}
	if _, err := strict.Object(body, 64); err != nil {
		return nil, refuse("jwks_document", "The provider's key set cannot be read: %s.", strict.Clip(err.Error(), 200))
	}
	var set struct {
		Keys []json.RawMessage `json:"keys"`
	}
	if err := json.Unmarshal(body, &set); err != nil {
		return nil, refuse("jwks_document", "The provider's key set has no list of keys.")
	}
	if len(set.Keys) > MaxKeys {
		return nil, refuse("jwks_document", "The provider's key set has %d keys, more than %d.", len(set.Keys), MaxKeys)
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
