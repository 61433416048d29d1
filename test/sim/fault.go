package sim

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"
)

// A Fault makes a tenant misbehave in one way: an attack, an outage or a mistake of an administrator.
// Some take a value ("clock-skew=5m"); see Faults for the list.
type Fault string

// Faults of both protocols.
const (
	WrongIssuer   Fault = "wrong-issuer"
	WrongAudience Fault = "wrong-audience"
	Expired       Fault = "expired"
	NotYetValid   Fault = "not-yet-valid"
	ClockSkew     Fault = "clock-skew"
	WrongKey      Fault = "wrong-key"
	Tampered      Fault = "tampered"
	NoGroups      Fault = "no-groups"
	EmptyGroups   Fault = "empty-groups"
	ManyGroups    Fault = "many-groups"
	NoEmail       Fault = "no-email"
	OtherDomain   Fault = "other-domain"
	WrongState    Fault = "wrong-state"
)

// Faults of SAML.
const (
	NoAudience            Fault = "no-audience"
	TwoAudiences          Fault = "two-audiences"
	TwoRestrictions       Fault = "two-restrictions"
	WrongRecipient        Fault = "wrong-recipient"
	NoRecipient           Fault = "no-recipient"
	WrongDestination      Fault = "wrong-destination"
	NoDestination         Fault = "no-destination"
	WrongInResponseTo     Fault = "wrong-in-response-to"
	NoInResponseTo        Fault = "no-in-response-to"
	Unsigned              Fault = "unsigned"
	SHA1                  Fault = "sha1"
	NoKeyInfo             Fault = "no-key-info"
	RSAKeyValue           Fault = "rsa-key-value"
	SpacesInSignature     Fault = "spaces-in-signature"
	ExpiredCertificate    Fault = "expired-certificate"
	RenewedCertificate    Fault = "renewed-certificate"
	ExtraAssertion        Fault = "extra-assertion"
	EncryptedAndPlain     Fault = "encrypted-and-plain"
	BadCiphertext         Fault = "bad-ciphertext"
	XSW1                  Fault = "xsw1"
	XSW2                  Fault = "xsw2"
	XSW3                  Fault = "xsw3"
	XSW4                  Fault = "xsw4"
	XSW5                  Fault = "xsw5"
	XSW6                  Fault = "xsw6"
	XSW7                  Fault = "xsw7"
	XSW8                  Fault = "xsw8"
	DuplicateID           Fault = "duplicate-id"
	CommentInNameID       Fault = "comment-in-name-id"
	Doctype               Fault = "doctype"
	NoNameID              Fault = "no-name-id"
	EmptyNameID           Fault = "empty-name-id"
	TransientNameID       Fault = "transient-name-id"
	NoSubject             Fault = "no-subject"
	NoSubjectConfirmation Fault = "no-subject-confirmation"
	NoConfirmationData    Fault = "no-confirmation-data"
	NoConfirmationExpiry  Fault = "no-confirmation-expiry"
	HolderOfKey           Fault = "holder-of-key"
	NoConditions          Fault = "no-conditions"
	NoAuthnStatement      Fault = "no-authn-statement"
	SessionOver           Fault = "session-over"
	StatusDenied          Fault = "status-denied"
	Replay                Fault = "replay"
	DropRelayState        Fault = "drop-relay-state"
	FixedInResponseTo     Fault = "fixed-in-response-to"
	UnsignedLogout        Fault = "unsigned-logout"
	MetadataDown          Fault = "metadata-down"
	MetadataOtherKey      Fault = "metadata-other-key"
)

// Faults of OpenID Connect and its provider's APIs.
const (
	WrongNonce           Fault = "wrong-nonce"
	NoNonce              Fault = "no-nonce"
	WrongAtHash          Fault = "wrong-at-hash"
	ExtraAudience        Fault = "extra-audience"
	WrongAZP             Fault = "wrong-azp"
	AlgNone              Fault = "alg-none"
	HS256                Fault = "hs256"
	UnknownKid           Fault = "unknown-kid"
	NoKid                Fault = "no-kid"
	NoSub                Fault = "no-sub"
	NoExp                Fault = "no-exp"
	NoIat                Fault = "no-iat"
	HeaderJWK            Fault = "header-jwk"
	CritHeader           Fault = "crit-header"
	LogoutAsIDToken      Fault = "logout-as-id-token"
	AccessTokenType      Fault = "access-token-type"
	WrongTenantID        Fault = "wrong-tid"
	WrongHD              Fault = "wrong-hd"
	EmailUnverified      Fault = "email-unverified"
	WrongIssParameter    Fault = "wrong-iss-parameter"
	AuthorizeError       Fault = "authorize-error"
	DiscoveryDown        Fault = "discovery-down"
	DiscoveryWrongIssuer Fault = "discovery-wrong-issuer"
	DiscoveryRedirect    Fault = "discovery-redirect"
	JWKSDown             Fault = "jwks-down"
	SlowToken            Fault = "slow-token"
	TokenHTML            Fault = "token-html"
	TokenError           Fault = "token-error"
	NoIDToken            Fault = "no-id-token"
	BigResponse          Fault = "big-response"
	UserinfoWrongSub     Fault = "userinfo-wrong-sub"
	UserinfoDown         Fault = "userinfo-down"
	GraphThrottled       Fault = "graph-throttled"
	GraphForbidden       Fault = "graph-forbidden"
	GraphDown            Fault = "graph-down"
)

// FaultInfo documents one fault.
type FaultInfo struct {
	Fault Fault  `json:"fault"`
	For   string `json:"for"`             // "saml", "oidc" or "both"
	Value string `json:"value,omitempty"` // what its value means, with the default; empty when it takes none
	Doc   string `json:"doc"`
}

// Faults lists every fault with what it does.
func Faults() []FaultInfo { return slices.Clone(faultList) }

var faultList = []FaultInfo{
	{WrongIssuer, "both", "", "Issuer (iss) is somebody else's."},
	{WrongAudience, "both", "", "Audience (aud) is another application."},
	{Expired, "both", "", "Every validity window ended an hour ago."},
	{NotYetValid, "both", "", "Every validity window begins in an hour."},
	{ClockSkew, "both", "duration, default 5m; negative: slow", "The provider's clock runs ahead of the true time."},
	{WrongKey, "both", "", "Signed with a key that was never published; KeyInfo and kid name the right one."},
	{Tampered, "both", "", "A signed value was changed after signing."},
	{NoGroups, "both", "", "No groups attribute or claim at all."},
	{EmptyGroups, "both", "", "The groups attribute or claim is there with no value."},
	{ManyGroups, "both", "number, default 300", "The user is in this many further groups (overage in Entra)."},
	{NoEmail, "both", "", "No e-mail attribute or claim."},
	{OtherDomain, "both", "", "The e-mail is in a domain that is not the tenant's."},
	{WrongState, "both", "", "RelayState or state comes back changed."},

	{NoAudience, "saml", "", "Conditions without AudienceRestriction."},
	{TwoAudiences, "saml", "", "One restriction with our audience first and another's last (legal)."},
	{TwoRestrictions, "saml", "", "Two restrictions, one of them for somebody else (must be refused)."},
	{WrongRecipient, "saml", "", "SubjectConfirmationData's Recipient is another ACS."},
	{NoRecipient, "saml", "", "SubjectConfirmationData without Recipient."},
	{WrongDestination, "saml", "", "Response's Destination is another ACS."},
	{NoDestination, "saml", "", "Response without Destination."},
	{WrongInResponseTo, "saml", "", "InResponseTo names a request nobody made."},
	{NoInResponseTo, "saml", "", "InResponseTo is left out though there was a request."},
	{FixedInResponseTo, "saml", "", "An IdP-initiated response carries a meaningless constant InResponseTo (Rippling)."},
	{Unsigned, "saml", "", "Nothing is signed."},
	{SHA1, "saml", "", "RSA-SHA1 signature and SHA-1 digest."},
	{NoKeyInfo, "saml", "", "Signature without KeyInfo."},
	{RSAKeyValue, "saml", "", "KeyInfo holds the bare key instead of a certificate."},
	{SpacesInSignature, "saml", "", "White space inside base64 values."},
	{ExpiredCertificate, "saml", "", "KeyInfo holds an expired certificate of the same key."},
	{RenewedCertificate, "saml", "", "KeyInfo holds a renewed certificate of the same key."},
	{ExtraAssertion, "saml", "", "An unsigned assertion for the attacker stands before the signed one."},
	{EncryptedAndPlain, "saml", "", "An unsigned plain assertion stands beside the encrypted one."},
	{BadCiphertext, "saml", "", "The encrypted assertion's last byte is flipped."},
	{XSW1, "saml", "", "Signature wrapping 1: forged response with the signed one inside its Signature."},
	{XSW2, "saml", "", "Signature wrapping 2: forged response, signed one before the detached Signature."},
	{XSW3, "saml", "", "Signature wrapping 3: forged assertion before the signed one."},
	{XSW4, "saml", "", "Signature wrapping 4: forged assertion around the signed one."},
	{XSW5, "saml", "", "Signature wrapping 5: forged assertion carries the Signature, signed one at the end."},
	{XSW6, "saml", "", "Signature wrapping 6: forged assertion > Signature > signed one."},
	{XSW7, "saml", "", "Signature wrapping 7: forged assertion in Extensions."},
	{XSW8, "saml", "", "Signature wrapping 8: forged assertion > Signature > Object > signed one."},
	{DuplicateID, "saml", "", "Response and Assertion carry the same ID."},
	{CommentInNameID, "saml", "", "NameID reads `victim@domain<!---->.evil.example`: signed by the provider, cut short by careless readers."},
	{Doctype, "saml", "", "A DOCTYPE with an entity stands before the root."},
	{NoNameID, "saml", "", "Subject without NameID."},
	{EmptyNameID, "saml", "", "NameID with no text."},
	{TransientNameID, "saml", "", "NameID is transient: another value each time."},
	{NoSubject, "saml", "", "Assertion without Subject."},
	{NoSubjectConfirmation, "saml", "", "Subject without SubjectConfirmation."},
	{NoConfirmationData, "saml", "", "SubjectConfirmation without SubjectConfirmationData."},
	{NoConfirmationExpiry, "saml", "", "SubjectConfirmationData without NotOnOrAfter."},
	{HolderOfKey, "saml", "", "SubjectConfirmation's method is holder-of-key."},
	{NoConditions, "saml", "", "Assertion without Conditions."},
	{NoAuthnStatement, "saml", "", "Assertion without AuthnStatement."},
	{SessionOver, "saml", "", "SessionNotOnOrAfter is an hour ago."},
	{StatusDenied, "saml", "", "Status Responder/AuthnFailed and no assertion."},
	{Replay, "saml", "", "The application's previous response is sent again, byte for byte."},
	{DropRelayState, "saml", "", "RelayState does not come back."},
	{UnsignedLogout, "saml", "", "Logout requests and responses are not signed."},
	{MetadataDown, "saml", "", "The metadata URL answers 503."},
	{MetadataOtherKey, "saml", "", "The metadata holds a key that signs nothing (Entra's tenant-wide metadata, fetched without the app id)."},

	{WrongNonce, "oidc", "", "nonce of another sign-in."},
	{NoNonce, "oidc", "", "No nonce claim."},
	{WrongAtHash, "oidc", "", "at_hash of another access token."},
	{ExtraAudience, "oidc", "", "aud has a second client and there is no azp."},
	{WrongAZP, "oidc", "", "azp is another client."},
	{AlgNone, "oidc", "", "ID token with alg none and no signature."},
	{HS256, "oidc", "", "ID token signed HS256 with the public key's bytes as secret."},
	{UnknownKid, "oidc", "", "kid is in no JWKS."},
	{NoKid, "oidc", "", "No kid header (legal)."},
	{NoSub, "oidc", "", "No sub claim."},
	{NoExp, "oidc", "", "No exp claim."},
	{NoIat, "oidc", "", "No iat claim."},
	{HeaderJWK, "oidc", "", "Signed with a stray key that travels in the jwk header."},
	{CritHeader, "oidc", "", "An unknown extension is marked critical."},
	{LogoutAsIDToken, "oidc", "", "The token endpoint hands out a logout token as ID token."},
	{AccessTokenType, "oidc", "", "The ID token's typ is at+jwt."},
	{WrongTenantID, "oidc", "", "Entra: tid of another tenant."},
	{WrongHD, "oidc", "", "Google: hd of another company."},
	{EmailUnverified, "oidc", "", "email_verified is false."},
	{WrongIssParameter, "oidc", "", "RFC 9207 iss parameter of another provider."},
	{AuthorizeError, "oidc", "error code, default access_denied", "The authorization endpoint answers with an error."},
	{DiscoveryDown, "oidc", "", "Discovery answers 503."},
	{DiscoveryWrongIssuer, "oidc", "", "The discovery document's issuer is another one."},
	{DiscoveryRedirect, "oidc", "URL, default http://169.254.169.254/", "Discovery redirects elsewhere."},
	{JWKSDown, "oidc", "", "The key set answers 503."},
	{SlowToken, "oidc", "duration, default 30s", "The token endpoint waits before it answers."},
	{TokenHTML, "oidc", "", "The token endpoint answers 200 with an HTML page."},
	{TokenError, "oidc", "error code, default invalid_grant", "The token endpoint answers 400."},
	{NoIDToken, "oidc", "", "The token endpoint leaves id_token out."},
	{BigResponse, "oidc", "bytes, default 2097152", "Discovery, key set, token and userinfo answers are padded to this size."},
	{UserinfoWrongSub, "oidc", "", "userinfo is about somebody else."},
	{UserinfoDown, "oidc", "", "userinfo answers 503."},
	{GraphThrottled, "oidc", "seconds, default 3", "Graph and Okta APIs answer 429 with Retry-After."},
	{GraphForbidden, "oidc", "", "Graph answers 403: consent is missing."},
	{GraphDown, "oidc", "", "Graph and Okta APIs answer 503."},
}

var faultIndex = func() map[Fault]FaultInfo {
	m := make(map[Fault]FaultInfo, len(faultList))
	for _, f := range faultList {
		m[f.Fault] = f
	}
	return m
}()

// With gives a fault its value: sim.ClockSkew.With("-10m").
func (f Fault) With(value string) Fault {
	if value == "" {
		return f
	}
	return f.name() + "=" + Fault(value)
}

func (f Fault) name() Fault {
	name, _, _ := strings.Cut(string(f), "=")
	return Fault(name)
}

func (f Fault) check() error {
	name, value, has := strings.Cut(string(f), "=")
	info, ok := faultIndex[Fault(name)]
	if !ok {
		return fmt.Errorf("sim: unknown fault %q", name)
	}
	if !has {
		return nil
	}
	var err error
	switch kind, _, _ := strings.Cut(info.Value, ","); kind {
	case "":
		err = fmt.Errorf("takes no value")
	case "duration":
		_, err = time.ParseDuration(value)
	case "number", "bytes", "seconds":
		var n int
		if n, err = strconv.Atoi(value); err == nil && (n < 0 || n > 64<<20) {
			err = fmt.Errorf("out of range")
		}
	}
	if err != nil {
		return fmt.Errorf("sim: fault %q: %w", f, err)
	}
	return nil
}

// Break switches faults on. An unknown fault is an error and changes nothing.
func (t *Tenant) Break(faults ...Fault) error {
	for _, f := range faults {
		if err := f.check(); err != nil {
			return err
		}
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, f := range faults {
		_, value, _ := strings.Cut(string(f), "=")
		t.faults[f.name()] = value
	}
	return nil
}

// Mend switches faults off; without arguments, all of them.
func (t *Tenant) Mend(faults ...Fault) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if len(faults) == 0 {
		clear(t.faults)
	}
	for _, f := range faults {
		delete(t.faults, f.name())
	}
}

// Broken lists the faults that are on, with their values.
func (t *Tenant) Broken() []Fault {
	t.mu.RLock()
	defer t.mu.RUnlock()
	var out []Fault
	for f, v := range t.faults {
		out = append(out, f.With(v))
	}
	slices.Sort(out)
	return out
}

// A faultSet is what is broken while one message is made: what is switched on for the tenant, and what the caller asks for.
type faultSet map[Fault]string

func (t *Tenant) faultSet(extra ...Fault) (faultSet, error) {
	t.mu.RLock()
	set := faultSet(maps.Clone(t.faults))
	t.mu.RUnlock()
	for _, f := range extra {
		if err := f.check(); err != nil {
			return nil, err
		}
		_, value, _ := strings.Cut(string(f), "=")
		set[f.name()] = value
	}
	return set, nil
}

func (s faultSet) has(f Fault) bool { _, on := s[f]; return on }

// number is a fault's value; 0 when the fault is off. The default is the one Faults documents.
func (s faultSet) number(f Fault, off int) int {
	v, on := s[f]
	if !on {
		return off
	}
	if n, err := strconv.Atoi(or(v, f.standard())); err == nil {
		return n
	}
	return off
}

func (s faultSet) duration(f Fault) time.Duration {
	v, on := s[f]
	if !on {
		return 0
	}
	d, err := time.ParseDuration(or(v, f.standard()))
	if err != nil {
		return 0
	}
	return d
}

func (s faultSet) text(f Fault) string { return or(s[f], f.standard()) }

// standard is the default that the fault's documentation names.
func (f Fault) standard() string {
	_, after, _ := strings.Cut(faultIndex[f].Value, "default ")
	value, _, _ := strings.Cut(after, ";")
	return value
}

func (s faultSet) String() string {
	var names []string
	for f, v := range s {
		names = append(names, string(f.With(v)))
	}
	slices.Sort(names)
	return strings.Join(names, " ")
}
