package oidc

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"

	jose "github.com/go-jose/go-jose/v4"

	"github.com/drawbridge-id/drawbridge/published"
)

// algorithms are the signatures that an ID token may have: asymmetric, SHA-2 (OIDC-T2, RFC 8725 §3.1).
var algorithms = []string{"RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA"}

// keySet is the set behind one JWKS URL, whoever names it.
func (rp *RP) keySet(jwksURL string) *published.KeySet {
	rp.mu.Lock()
	defer rp.mu.Unlock()
	if set, ok := rp.keys.Get(jwksURL); ok {
		return set
	}
	set := published.NewKeySet(rp.now, rp.keyAge, func(ctx context.Context) ([]jose.JSONWebKey, error) { return rp.fetchKeys(ctx, jwksURL) })
	rp.keys.Add(jwksURL, set)
	return set
}

func (rp *RP) fetchKeys(ctx context.Context, jwksURL string) ([]jose.JSONWebKey, error) {
	return published.GetKeys(ctx, rp.client, jwksURL)
}

// pinned lets go-oidc verify through a published.KeySet: it keeps the payload that was under the signature, so
// that every claim we use comes from there and from nowhere else (G-1).
type pinned struct {
	set     *published.KeySet
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
		p.payload, err = p.set.Verify(ctx, jws, p.spare)
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
