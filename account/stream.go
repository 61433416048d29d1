package account

import (
	"encoding/json"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"time"
)

// A Stream lets a transmitter tell an account about its people by security event tokens (RFC 8417, OpenID Shared Signals
// Framework 1.0). It names nobody outside of its account.
type Stream struct {
	ID      StreamID  `json:"-"`
	Account AccountID `json:"-"`
	// Connection is the identity provider that the stream belongs to: whose subjects it may name, and whose pushed users and groups SCIM
	// events are about. Empty for a security tool that belongs to no identity provider.
	Connection ConnectionID `json:"-"`
	Name       string       `json:"-"` // unique in the account
	Enabled    bool         `json:"-"`
	CreatedAt  time.Time    `json:"-"`

	Issuer     string   `json:"issuer"`            // the iss of its tokens, byte for byte
	Aliases    []string `json:"aliases,omitempty"` // other spellings of the issuer that are taken too
	Audience   []string `json:"audience"`          // one of them has to be an aud of each token
	JWKSURL    string   `json:"jwks_url,omitempty"`
	Keys       string   `json:"keys,omitempty"`       // a JWK Set as JSON, instead of JWKSURL
	Algorithms []string `json:"algorithms,omitempty"` // JWS algorithms that are taken; empty: RS256

	Method      StreamMethod `json:"method"`
	Poll        *Poll        `json:"poll,omitempty"`        // where to ask, with StreamPoll
	Transmitter *Transmitter `json:"transmitter,omitempty"` // its stream API, if it has one

	Compat StreamCompat `json:"compat,omitzero"`

	// SubjectIssuers are other connections of the account whose subjects the stream may name.
	SubjectIssuers []ConnectionID `json:"subject_issuers,omitempty"`
	// WideSubjects lets an event about a group or the whole account end sessions. Otherwise it is held.
	WideSubjects bool `json:"wide_subjects,omitempty"`
	// KeysFollowSessions lets what ends all sessions of a person revoke their keys too.
	KeysFollowSessions bool           `json:"keys_follow_sessions,omitempty"`
	GTRKeys            GTRKeys        `json:"gtr_keys,omitempty"`
	CompromisedKeys    CompromiseKeys `json:"compromised_keys,omitempty"`
}

// StreamMethod is how events get here.
type StreamMethod string

// The methods.
const (
	StreamPush StreamMethod = "push" // RFC 8935
	StreamPoll StreamMethod = "poll" // RFC 8936
)

// A Poll is where a poller asks (RFC 8936).
type Poll struct {
	Endpoint string `json:"endpoint"`
	Bearer   Secret `json:"-"` // empty: by the client credentials of the transmitter
}

// A Transmitter is the stream API at the other end (SSF 1.0 §8).
type Transmitter struct {
	Configuration string   `json:"configuration,omitempty"` // URL of its metadata document
	Stream        string   `json:"stream,omitempty"`        // its stream_id; empty: no stream was made there
	TokenURL      string   `json:"token_url,omitempty"`
	ClientID      string   `json:"client_id,omitempty"`
	ClientSecret  Secret   `json:"-"`
	Bearer        Secret   `json:"-"` // a token given out by hand, instead of a client
	Scopes        []string `json:"scopes,omitempty"`
	SCIM          string   `json:"scim,omitempty"` // base URL of its SCIM service, where resources are fetched that an event only names
}

// StreamCompat are habits of senders that a stream puts up with beyond the standards. What proves who speaks to whom cannot be relaxed.
type StreamCompat struct {
	SubjectInEvent bool `json:"subject_in_event,omitempty"` // the subject is inside the event only
	SubjectType    bool `json:"subject_type,omitempty"`     // subject_type stands for format
	NoBearer       bool `json:"no_bearer,omitempty"`        // it sends no Authorization; the path is the secret
	LaxPayload     bool `json:"lax_payload,omitempty"`
}

// GTRKeys is what a global token revocation does to a person's keys.
type GTRKeys string

// What it does. Suspended keys work again after the next sign-in.
const (
	GTRKeep    GTRKeys = "keep"
	GTRSuspend GTRKeys = "suspend"
	GTRRevoke  GTRKeys = "revoke"
)

// CompromiseKeys is what a reported compromise does to keys that were made in the last 30 days.
type CompromiseKeys string

// What it does.
const (
	CompromiseFlag   CompromiseKeys = "flag" // marked for the administrator
	CompromiseRevoke CompromiseKeys = "revoke"
)

// Speaks reports whether iss is how the transmitter spells its own name.
func (s Stream) Speaks(iss string) bool {
	return iss == s.Issuer || slices.Contains(s.Aliases, iss)
}

// Names lists the connections whose subjects the stream may name, its own first.
func (s Stream) Names() []ConnectionID {
	var out []ConnectionID
	for _, c := range append([]ConnectionID{s.Connection}, s.SubjectIssuers...) {
		if c != "" && !slices.Contains(out, c) {
			out = append(out, c)
		}
	}
	return out
}

// WithDefaults fills in what was left out.
func (s Stream) WithDefaults() Stream {
	if len(s.Algorithms) == 0 {
		s.Algorithms = []string{"RS256"}
	}
	if s.Method == "" {
		s.Method = StreamPush
	}
	if s.GTRKeys == "" {
		s.GTRKeys = GTRKeep
	}
	if s.CompromisedKeys == "" {
		s.CompromisedKeys = CompromiseFlag
	}
	return s
}

// streamAlgorithms can be allowed: asymmetric ones only, so that no public key ever serves as a secret.
var streamAlgorithms = []string{"RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA"}

// Check says what is wrong with it.
func (s Stream) Check() error {
	bad := func(at, format string, args ...any) *Error { return Errorf(Invalid, format, args...).At(at) }
	switch {
	case s.Name == "" || len(s.Name) > 80 || strings.ContainsFunc(s.Name, isControl):
		return bad("/name", "A stream has a name of at most 80 bytes.")
	case s.Issuer == "" || len(s.Issuer) > 512:
		return bad("/issuer", "A stream has the issuer of its transmitter, as its tokens spell it.").Fix("It is in the transmitter's metadata document.")
	case len(s.Audience) == 0 || slices.Contains(s.Audience, ""):
		return bad("/audience", "A stream has at least one audience: what its transmitter writes into aud.")
	case (s.JWKSURL == "") == (s.Keys == ""):
		return bad("/jwks_url", "A stream has either the address of a JWK Set or the keys themselves.")
	case s.Keys != "" && !json.Valid([]byte(s.Keys)):
		return bad("/keys", "The keys are no JWK Set.")
	case s.Method != StreamPush && s.Method != StreamPoll:
		return bad("/method", "%q is no method.", s.Method).Fix("Use push or poll.")
	case s.Method == StreamPoll && (s.Poll == nil || s.Poll.Endpoint == ""):
		return bad("/poll/endpoint", "A stream that is polled says where.")
	case !slices.Contains([]GTRKeys{GTRKeep, GTRSuspend, GTRRevoke}, s.GTRKeys):
		return bad("/gtr_keys", "%q is nothing that a global token revocation does to keys.", s.GTRKeys).Fix("Use keep, suspend or revoke.")
	case !slices.Contains([]CompromiseKeys{CompromiseFlag, CompromiseRevoke}, s.CompromisedKeys):
		return bad("/compromised_keys", "%q is nothing that a compromise does to keys.", s.CompromisedKeys).Fix("Use flag or revoke.")
	}
	for _, alg := range s.Algorithms {
		if !slices.Contains(streamAlgorithms, alg) {
			return bad("/algorithms", "%q is no algorithm that can be allowed.", alg).Fix("Use one of %s.", strings.Join(streamAlgorithms, ", "))
		}
	}
	return s.checkURLs()
}

func (s Stream) checkURLs() error {
	urls := map[string]string{"/jwks_url": s.JWKSURL}
	if s.Poll != nil {
		urls["/poll/endpoint"] = s.Poll.Endpoint
	}
	if t := s.Transmitter; t != nil {
		urls["/transmitter/configuration"], urls["/transmitter/token_url"], urls["/transmitter/scim"] = t.Configuration, t.TokenURL, t.SCIM
	}
	for at, raw := range urls {
		if raw == "" {
			continue
		}
		if u, err := url.Parse(raw); err != nil || u.Scheme != "https" && u.Scheme != "http" || u.Host == "" || u.User != nil || u.Fragment != "" {
			return Errorf(Invalid, "%q is no address to fetch from.", clip(raw, 120)).At(at)
		}
	}
	return nil
}

// A PushCredential lets a transmitter push into one stream. The credential itself is shown once.
type PushCredential struct {
	ID        PushID
	Stream    StreamID
	Path      bool   // it is part of the address, for senders that send no Authorization
	Last4     string // its last four characters, for people who compare
	CreatedAt time.Time
	CreatedBy string    // as Actor.String says
	UsedAt    time.Time // zero: never; renewed at most once a minute
}

// StreamStatus is how a stream fares.
type StreamStatus struct {
	Status       string    // as the transmitter says: enabled, paused or disabled; empty: it never said
	Why          string    // its reason
	StatusAt     time.Time // when it said so
	LastEvent    time.Time // when the last token came; zero: never
	LastCheck    time.Time // when the last verification event came
	VerifiedAt   time.Time // when a verification that we had asked for came back; zero: never
	Pending      string    // the state of a verification that we wait for
	PendingSince time.Time
	Outcomes     map[EventOutcome]int // events of the last 30 days
	Lag          Lag                  // of the last 30 days
}

// A Lag is how long after they happened events were here.
type Lag struct {
	Median, P99 time.Duration
	Events      int
}

// An Event is one event of a token: what it said, and what it did. One token may carry several.
type Event struct {
	ID       EventID
	Account  AccountID
	Stream   StreamID
	Issuer   string
	JTI      string
	Txn      string
	Type     string     // URI
	At       time.Time  // when it happened, as far as that can be believed
	Received time.Time  // when it reached us
	Subject  *SubjectID // nil: none
	Body     json.RawMessage
	User     UserID // whom it was about here; empty: nobody, or more than one
	Outcome  EventOutcome
	Detail   string // in words, for people
	Sessions int    // ended
	Keys     int    // revoked
	Attempts int    // that failed
	RetryAt  time.Time
	Fetch    string // relative URI of a SCIM resource that has to be fetched from the transmitter's side; empty: none
}

// EventOutcome is what came of an event.
type EventOutcome string

// The outcomes.
const (
	EventApplied    EventOutcome = "applied"     // it did something
	EventRecorded   EventOutcome = "recorded"    // there was nothing to do
	EventIgnored    EventOutcome = "ignored"     // of an unknown type
	EventNoSubject  EventOutcome = "no_subject"  // about nobody of this account
	EventHeld       EventOutcome = "held"        // it asks for more than the stream may do; an administrator can look at it
	EventSuperseded EventOutcome = "superseded"  // something newer has been said before
	EventRetrying   EventOutcome = "retrying"    // its effect failed and is tried again
	EventDeadLetter EventOutcome = "dead_letter" // its effect failed for good; an administrator can replay it
)

// A SubjectID says whom an event is about (RFC 9493, SSF 1.0 §3, RFC 9967 §2.1). Dialects are brought into this form before.
type SubjectID struct {
	Format string `json:"format"`
	// Values are the members of a simple format under their own names: email, iss, sub, id, uri, phone_number, url, jti, issuer,
	// assertion_id, externalId, token…
	Values map[string]string `json:"values,omitempty"`
	// Identifiers are those of format aliases.
	Identifiers []SubjectID `json:"identifiers,omitempty"`
	// Members are those of format complex: user, session, device, tenant…
	Members map[string]SubjectID `json:"members,omitempty"`
	// Addresses are those of format ip-addresses.
	Addresses []string `json:"addresses,omitempty"`
}

// The formats of subjects. One that is none of these is kept under its own name, and nobody is found by it.
const (
	SubjectAccount       = "account"
	SubjectEmail         = "email"
	SubjectIssSub        = "iss_sub"
	SubjectOpaque        = "opaque"
	SubjectPhone         = "phone_number"
	SubjectDID           = "did"
	SubjectURI           = "uri"
	SubjectAliases       = "aliases"
	SubjectJWTID         = "jwt_id"
	SubjectSAMLAssertion = "saml_assertion_id"
	SubjectIPs           = "ip-addresses"
	SubjectComplex       = "complex"
	SubjectSCIM          = "scim"
	SubjectIDTokenClaims = "id_token_claims" // Google: iss, sub, email
	SubjectOAuthToken    = "oauth_token"     // Google: token_type, token_identifier_alg, token
)

// String names it in a line for people, without what could be long.
func (s SubjectID) String() string {
	switch {
	case len(s.Identifiers) > 0:
		return fmt.Sprintf("%s %s…", s.Format, s.Identifiers[0])
	case len(s.Members) > 0:
		var parts []string
		for name, m := range s.Members {
			parts = append(parts, name+" "+m.String())
		}
		slices.Sort(parts)
		return strings.Join(parts, ", ")
	}
	for _, name := range []string{"email", "sub", "id", "uri", "phone_number", "url", "jti", "assertion_id", "externalId"} {
		if v := s.Values[name]; v != "" {
			return clip(v, 120)
		}
	}
	return s.Format
}

// A SET is a security event token (RFC 8417) after every check of it has passed.
type SET struct {
	Issuer   string
	JTI      string // not empty
	IssuedAt time.Time
	TOE      time.Time // when it happened; zero: unsaid
	Txn      string
	Claims   []byte // its payload as JSON, for the log
	Events   []SETEvent
}

// A SETEvent is one member of a token's events.
type SETEvent struct {
	Type    string         // URI
	Subject *SubjectID     // the token's sub_id, or else the event's own; nil: none
	Body    map[string]any // as encoding/json decodes it, numbers as float64 or json.Number
}
