package account

import (
	"crypto/x509"
	"time"
)

// A Connection is one configured identity provider of an account. It has a draft and a live
// version (K-23); everything outside the Versions is common to both.
type Connection struct {
	ID      ConnectionID
	Account AccountID
	Name    string // unique in the account, for people and estate files
	Enabled bool   // off: refuses at once, sign-ins already pending too
	Live    *Settings
	Draft   *Settings
	// LiveRevision counts promotions; sign-ins record the one they were judged by.
	LiveRevision int
	// GroupsSeen is when a group claim was first received from this provider; zero: never (T-05).
	GroupsSeen time.Time
}

// Which names one version of a connection.
type Which string

// The versions of a connection.
const (
	Live  Which = "live"
	Draft Which = "draft"
)

// Version is the live or draft settings; nil when there is none.
func (c Connection) Version(w Which) *Settings {
	if w == Draft {
		return c.Draft
	}
	return c.Live
}

// Protocol is what a connection speaks.
type Protocol string

// The protocols.
const (
	SAML Protocol = "saml"
	OIDC Protocol = "oidc"
)

// IdPKind is whose identity provider it is; it chooses wording of fixes and known habits, and never
// relaxes a check.
type IdPKind string

// The kinds of identity provider that we know habits of.
const (
	KindOkta    IdPKind = "okta"
	KindEntra   IdPKind = "entra"
	KindGoogle  IdPKind = "google"
	KindADFS    IdPKind = "adfs"
	KindPing    IdPKind = "ping"
	KindGeneric IdPKind = "generic"
)

// Settings are one version of a connection. Exactly one of SAML and OIDC is set, as Protocol says.
// They are JSON in the ledger; secrets in them (fields of type Secret) are sealed apart.
type Settings struct {
	Protocol Protocol
	Kind     IdPKind
	SAML     *SAMLSettings
	OIDC     *OIDCSettings
	Mapping  Mapping
	// MaxSession caps a session made through this connection; zero: the installation's limit.
	MaxSession time.Duration
	// RelinkByEmail lets a new subject take over an existing user with the same address, when the
	// provider says that the address is verified. Off by default (OIDC-N3), audited.
	RelinkByEmail bool
}

// Mapping says where in the assertion or token a value stands. Each list is tried in order; empty
// lists mean the built-in defaults for the protocol and Kind. For SAML an entry is an attribute Name
// or FriendlyName (letter case ignored); for OIDC a claim name or a JSON pointer (starting with "/").
type Mapping struct {
	Subject     []string // overrides NameID / sub
	Email       []string
	Name        []string
	Groups      []string // for instance ["groups"], ["roles"], ["wids"], ["/realm_access/roles"]
	Delimiter   string   // splits a group value into several; empty: never split
	StripPrefix string   // cut from the front of group values, for instance "/"
}

// SAMLSettings are what we know of a SAML identity provider and how strict we are with it. Every
// relaxation is off by default and audited (G-5).
type SAMLSettings struct {
	EntityID     string // the provider's, compared byte for byte
	SSORedirect  string // https URL; empty when the provider has no such endpoint
	SSOPost      string
	SLORedirect  string
	SLOPost      string
	Certificates []string // PEM, signing, at most 5; keys count, dates only warn unless StrictDates
	NameIDFormat string   // asked for in the request; empty: none asked (AD FS, Entra)
	SignRequests bool
	ForceAuthn   bool
	AuthnContext []string // requested classes; empty: none asked

	Skew               time.Duration // 0 to 5 min; the zero value means 3 min, negative means none
	AllowIdPInitiated  bool
	AllowSHA1          bool // RSA-SHA1 signatures and SHA-1 digests
	AllowRSA1024       bool
	AllowNoAudience    bool
	AllowCBC           bool // AES-CBC content encryption; GCM is always accepted
	RequireEncrypted   bool
	StrictDates        bool     // refuse signatures by a certificate outside its dates
	IgnoreInResponseTo []string // fixed, meaningless values that some providers send on IdP-initiated sign-in

	MetadataURL    string // refreshed on schedule when set
	MetadataKeyPin string // SHA-256 hex of a certificate that must sign the metadata; empty: unsigned is fine
}

// DefaultSkew is the clock difference that is tolerated each way when a connection sets none.
const DefaultSkew = 3 * time.Minute

// ClockSkew is Skew with its zero value resolved.
func (s SAMLSettings) ClockSkew() time.Duration {
	switch {
	case s.Skew == 0:
		return DefaultSkew
	case s.Skew < 0:
		return 0
	}
	return min(s.Skew, 5*time.Minute)
}

// Keys parses Certificates. A certificate that does not parse is skipped and named in bad, so that one
// bad entry does not stop every login.
func (s SAMLSettings) Keys() (good []*x509.Certificate, bad []error) {
	return parseCertificates(s.Certificates)
}

// OIDCSettings are what we know of an OpenID provider.
type OIDCSettings struct {
	Issuer       string // byte for byte what discovery and tokens say; for Entra the tenant's own
	ClientID     string
	ClientSecret Secret   `json:"-"` // sealed apart
	AuthMethod   string   // client_secret_basic, client_secret_post, private_key_jwt; empty: by what discovery offers
	Scopes       []string // beside openid; empty: profile email
	ResponseMode string   // "query" (default) or "form_post"
	Algorithms   []string // accepted for ID tokens; empty: RS/PS/ES256-512 and EdDSA cut down to what discovery offers
	EntraTenant  string   // tenant id that tid must equal; required for Kind entra
	GoogleDomain string   // hd must equal it; several are not supported by the provider's claim
	ACRValues    []string
	MaxAge       time.Duration // asked for and checked against auth_time when positive
	Userinfo     string        // "missing" (default: when mapped claims are missing), "always", "never"
	// Overage says what to do when Entra leaves the groups out because there are too many.
	Graph             *GraphSettings // nil: sign in with an unknown group set and say so
	OktaGroups        *OktaGroups    // nil: exactly 100 groups are taken as incomplete
	SkipEmailVerified bool           // accept email_verified=false; never the default
}

// GraphSettings let us read the groups that did not fit into an Entra token.
type GraphSettings struct {
	BaseURL  string // default https://graph.microsoft.com/v1.0; sovereign clouds differ
	TokenURL string // default: from the issuer
	// OnFailure: "last" signs in with the groups last known, "refuse" refuses, default "unknown" changes nothing.
	OnFailure string
}

// OktaGroups let us read the groups beyond the provider's silent cut at 100.
type OktaGroups struct {
	BaseURL string // org URL; default: scheme and host of the issuer
	Token   Secret `json:"-"` // API token, sealed apart
}

// A SPKey is a key pair that we own for one connection: it signs requests, opens encrypted assertions
// and authenticates us with private_key_jwt. Two are published while one is being replaced.
type SPKey struct {
	ID          string // key id, also JWKS kid
	Certificate string // PEM
	Private     Secret `json:"-"` // PKCS #8 PEM, sealed
	Active      bool   // signs; the others still open what was encrypted for them
	CreatedAt   time.Time
}
