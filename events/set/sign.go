package set

import (
	"crypto"
	"encoding/json"
	"time"

	jose "github.com/go-jose/go-jose/v4"

	"github.com/drawbridge-id/drawbridge/account"
)

// Claims are what a token of ours says: one event (CAEP interoperability profile) about one subject.
type Claims struct {
	Issuer   string
	Audience []string
	JTI      string
	IssuedAt time.Time
	Txn      string // what was caused by the same thing has the same; empty: none
	Subject  account.SubjectID
	Type     string         // event type
	Payload  map[string]any // of the event; nil: empty
	// SubjectInEvent repeats the subject inside of the event, for receivers of before SSF 1.0.
	SubjectInEvent bool
}

// Sign writes a token (RFC 8417 §2), signed with RS256 by an RSA key whose key id is kid.
func Sign(key crypto.Signer, kid string, c Claims) (string, error) {
	event := map[string]any{}
	for name, v := range c.Payload {
		event[name] = v
	}
	subject := SubjectClaims(c.Subject)
	if c.SubjectInEvent {
		event["subject"] = subject
	}
	claims := map[string]any{
		"iss": c.Issuer, "aud": c.Audience, "jti": c.JTI, "iat": c.IssuedAt.Unix(),
		"sub_id": subject, "events": map[string]any{c.Type: event},
	}
	if len(c.Audience) == 1 {
		claims["aud"] = c.Audience[0] // the form that every receiver reads
	}
	if c.Txn != "" {
		claims["txn"] = c.Txn
	}
	body, err := json.Marshal(claims)
	if err != nil {
		return "", err
	}
	opts := (&jose.SignerOptions{}).WithType("secevent+jwt").WithHeader("kid", kid)
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: jose.RS256, Key: key}, opts)
	if err != nil {
		return "", err
	}
	jws, err := signer.Sign(body)
	if err != nil {
		return "", err
	}
	return jws.CompactSerialize()
}
