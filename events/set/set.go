// Package set reads and writes security event tokens (RFC 8417, as the OpenID Shared Signals Framework 1.0 profiles
// them): compact JWS in, account.SET out, or the reason for which the sender is told no. It is pure: keys, the time
// and what a stream expects come in as arguments.
package set

import (
	"context"
	"errors"
	"math"
	"slices"
	"strings"
	"time"

	jose "github.com/go-jose/go-jose/v4"

	"github.com/drawbridge-id/drawbridge/account"
	"github.com/drawbridge-id/drawbridge/published"
	"github.com/drawbridge-id/drawbridge/strict"
)

// The bounds of a token (SET-7).
const (
	MaxToken  = 256 << 10 // bytes of the compact form
	MaxEvents = 64
	maxDepth  = 32
	maxJTI    = 512 // bytes
	// maxAhead is how far a sender's clock may be ahead of ours. There is no bound on the age of a token: paused
	// streams deliver late.
	maxAhead = 5 * time.Minute
)

// Expect is what a stream takes.
type Expect struct {
	Issuer     string   // compared byte for byte with iss
	Aliases    []string // other spellings of it
	Audience   []string // one of them has to be a member of aud
	Algorithms []string // JWS algorithms; empty: RS256
	Keys       Keys
	Now        time.Time
	LaxPayload bool // payloads that are not as their event type defines are taken too
}

// Of is what a stream of ours takes.
func Of(s account.Stream, keys Keys, now time.Time) Expect {
	return Expect{Issuer: s.Issuer, Aliases: s.Aliases, Audience: s.Audience, Algorithms: s.Algorithms, Keys: keys, Now: now, LaxPayload: s.Compat.LaxPayload}
}

// Keys verify a JWS of one signature and give its payload. published.LiveKeys and published.FixedKeys are such.
// Errors are published.ErrUnknownKey, ErrNoFittingKey and ErrSignature for the token; any other says that the keys
// could not be had.
type Keys interface {
	Verify(ctx context.Context, jws *jose.JSONWebSignature) ([]byte, error)
}

// An Error is why a sender is told that its token is no good (RFC 8935 §2.3).
type Error struct {
	Code        string // one of the constants below
	Description string // a fixed English sentence that quotes nothing of the token
	cause       error
}

// The error codes (RFC 8935 §2.4, SSF 1.0 §8.1.4.1 for invalid_state).
const (
	InvalidRequest       = "invalid_request"
	InvalidKey           = "invalid_key"
	InvalidIssuer        = "invalid_issuer"
	InvalidAudience      = "invalid_audience"
	AuthenticationFailed = "authentication_failed"
	AccessDenied         = "access_denied"
	InvalidState         = "invalid_state"
)

// Error is the operator's text.
func (e *Error) Error() string {
	if e.cause != nil {
		return e.Code + ": " + e.Description + " (" + e.cause.Error() + ")"
	}
	return e.Code + ": " + e.Description
}

// Unwrap gives the cause.
func (e *Error) Unwrap() error { return e.cause }

func refuse(code, description string) *Error { return &Error{Code: code, Description: description} }

func (e *Error) because(err error) *Error { e.cause = err; return e }

// Verify judges a token that came in over a stream. An error is *Error when the token is to blame, and an
// *account.Error of kind Unavailable when the keys of its sender cannot be had: then it may be sent again.
func Verify(ctx context.Context, raw string, x Expect) (account.SET, error) {
	header, err := readHeader(raw, x.Algorithms, "secevent+jwt")
	if err != nil {
		return account.SET{}, err
	}
	payload, claims, err := verified(ctx, raw, header, x)
	if err != nil {
		return account.SET{}, err
	}
	return x.read(payload, claims)
}

// readHeader checks the form of a token and what its header says, before anything is computed. typ is compared without
// regard to letter case, and may have application/ before it (RFC 8417 §2.3).
func readHeader(raw string, algorithms []string, typ string) (map[string]any, error) {
	header, err := strict.JWSHeader(raw, MaxToken, maxDepth)
	if err != nil {
		return nil, refuse(InvalidRequest, "The body is no security event token in compact form.").because(err)
	}
	said, _ := header["typ"].(string)
	if strings.TrimPrefix(strings.ToLower(said), "application/") != typ {
		return nil, refuse(InvalidRequest, "The token is of another type.")
	}
	if _, has := header["crit"]; has { // RFC 7515 §4.1.11; we understand no extension
		return nil, refuse(InvalidRequest, "The token needs an extension that is not understood here.")
	}
	if len(algorithms) == 0 {
		algorithms = []string{"RS256"}
	}
	// jku, x5u and jwk are never followed: the key comes from the stream's own set.
	if alg, _ := header["alg"].(string); !slices.Contains(algorithms, alg) || !slices.Contains(asymmetric, alg) {
		return nil, refuse(InvalidKey, "The signature algorithm is not one that is accepted.")
	}
	return header, nil
}

// asymmetric are the algorithms that a setting can allow: a public key never serves as a secret (SET-1).
var asymmetric = []string{"RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA"}

// verified asks for the issuer before keys are looked for, and reads claims only from under the signature.
func verified(ctx context.Context, raw string, header map[string]any, x Expect) (payload []byte, claims map[string]any, err error) {
	alg, _ := header["alg"].(string)
	jws, err := jose.ParseSignedCompact(raw, []jose.SignatureAlgorithm{jose.SignatureAlgorithm(alg)})
	if err != nil || len(jws.Signatures) != 1 {
		return nil, nil, refuse(InvalidRequest, "The body is no security event token in compact form.").because(err)
	}
	said, err := readClaims(jws.UnsafePayloadWithoutVerification())
	if err != nil {
		return nil, nil, err
	}
	if iss, _ := said["iss"].(string); iss == "" || iss != x.Issuer && !slices.Contains(x.Aliases, iss) {
		return nil, nil, refuse(InvalidIssuer, "The token is from another issuer.")
	}
	payload, err = x.Keys.Verify(ctx, jws)
	switch {
	case errors.Is(err, published.ErrUnknownKey), errors.Is(err, published.ErrNoFittingKey):
		return nil, nil, refuse(InvalidKey, "The issuer publishes no key for this token.").because(err)
	case errors.Is(err, published.ErrSignature):
		return nil, nil, refuse(InvalidKey, "The signature does not verify.").because(err)
	case err != nil && account.KindOf(err) == account.Unavailable:
		return nil, nil, err
	case err != nil:
		return nil, nil, account.Errorf(account.Unavailable, "The keys of the stream's issuer cannot be had.").Because(err)
	}
	claims, err = readClaims(payload)
	return payload, claims, err
}

func readClaims(payload []byte) (map[string]any, error) {
	claims, err := strict.Object(payload, maxDepth)
	if err != nil {
		return nil, refuse(InvalidRequest, "The claims are not one JSON object, each member once, nested at most 32 deep.").because(err)
	}
	return claims, nil
}

// read turns claims into words (RFC 8417 §2.2).
func (x Expect) read(payload []byte, claims map[string]any) (account.SET, error) {
	s := account.SET{Claims: payload}
	s.Issuer, _ = claims["iss"].(string)
	s.JTI, _ = claims["jti"].(string)
	s.Txn, _ = claims["txn"].(string)
	if len(s.Txn) > maxJTI || !printable(s.Txn) {
		s.Txn = ""
	}
	if aud, ok := strict.Texts(claims["aud"]); !ok || !slices.ContainsFunc(aud, func(a string) bool { return slices.Contains(x.Audience, a) }) {
		return s, refuse(InvalidAudience, "The token is for another receiver.")
	}
	if s.JTI == "" || len(s.JTI) > maxJTI || !printable(s.JTI) {
		return s, refuse(InvalidRequest, "The token needs a jti of at most 512 bytes.")
	}
	issued, ok := strict.NumericDate(claims["iat"])
	if !ok || issued.After(x.Now.Add(maxAhead)) {
		return s, refuse(InvalidRequest, "The token needs an iat that is a number of seconds and not in the future.")
	}
	s.IssuedAt = issued
	for _, name := range []string{"sub", "exp", "nonce"} { // what ID and access tokens have (SET-4, RFC 8417 §4)
		if _, has := claims[name]; has {
			return s, refuse(InvalidRequest, "A security event token has no sub, exp or nonce.")
		}
	}
	if toe, ok := moment(claims["toe"]); ok {
		s.TOE = toe
	}
	var err error
	s.Events, err = x.readEvents(claims, s)
	return s, err
}

func (x Expect) readEvents(claims map[string]any, s account.SET) ([]account.SETEvent, error) {
	events, _ := claims["events"].(map[string]any)
	if len(events) == 0 || len(events) > MaxEvents {
		return nil, refuse(InvalidRequest, "The token needs events, an object with 1 to 64 members.")
	}
	var primary *account.SubjectID
	if v, has := claims["sub_id"]; has {
		subject, err := readSubject(v, false)
		if err != nil {
			return nil, err
		}
		primary = &subject
	}
	var out []account.SETEvent
	for uri, v := range events {
		body, ok := v.(map[string]any)
		if !ok || uri == "" || len(uri) > 1024 || !printable(uri) {
			return nil, refuse(InvalidRequest, "Each event is an object under the URI of its type.")
		}
		e := account.SETEvent{Type: uri, Body: body, Subject: primary}
		if e.Subject == nil {
			if err := ownSubject(&e); err != nil {
				return nil, err
			}
		}
		if !x.LaxPayload {
			if err := checkPayload(e, s.Txn); err != nil {
				return nil, err
			}
		}
		out = append(out, e)
	}
	// A JSON object has no order; one that is the same at each reading makes repeats do the same.
	slices.SortFunc(out, func(a, b account.SETEvent) int { return strings.Compare(a.Type, b.Type) })
	return out, nil
}

// ownSubject looks for the subject inside of the event, where it stood before SSF 1.0. Known events about nobody
// are refused: no subject never means everybody.
func ownSubject(e *account.SETEvent) error {
	if v, has := e.Body["subject"]; has {
		subject, err := readSubject(v, false)
		if err != nil {
			return err
		}
		e.Subject = &subject
		return nil
	}
	if Known(e.Type) && !aboutStream(e.Type) {
		return refuse(InvalidRequest, "The event names no subject.")
	}
	return nil
}

// moment reads a time in seconds, or in milliseconds and less as Okta and others send it.
func moment(v any) (time.Time, bool) {
	n, ok := v.(interface{ Float64() (float64, error) })
	if !ok {
		return time.Time{}, false
	}
	f, err := n.Float64()
	if err != nil || f < 0 || f > 1e20 {
		return time.Time{}, false
	}
	for f > 1e11 {
		f /= 1000
	}
	whole, part := math.Modf(f)
	return time.Unix(int64(whole), int64(part*1e6)*1e3), true
}

func printable(s string) bool {
	return !strings.ContainsFunc(s, func(r rune) bool { return r < 0x20 || r == 0x7f })
}
