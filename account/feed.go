package account

import (
	"slices"
	"strings"
	"time"
)

// A Feed is where an account's announcements go: a webhook of the company's own, or a stream of security events to somebody
// else's receiver (OpenID Shared Signals Framework).
type Feed struct {
	ID          FeedID
	Account     AccountID
	Name        string // unique in the account
	Kind        FeedKind
	URL         string   // where announcements are pushed to; empty: the receiver polls
	Events      []string // announcement types of a webhook, signals of a stream; none: all but those that have to be asked for by name
	Compat      bool     // a stream whose receiver wants the subject inside of the event too, and a verification event at once
	Peer        string   // issuer that the far side speaks as when it sends us events; empty: whoever speaks from the host of URL
	Status      FeedStatus
	Reason      string // why it is not enabled
	Since       time.Time
	RotatedAt   time.Time // the last change of a webhook's secret; zero: never
	CreatedAt   time.Time
	Receiver    ReceiverID // of a stream
	Audience    string     // of a stream: aud of its tokens
	Requested   []string   // of a stream: the event types its receiver asked for, as it spelled them
	Spelling    string     // of a stream: how its receiver spells the delivery method, when not as RFC 8935 and RFC 8936 do
	Description string     // of a stream
	AskedAt     time.Time  // of a stream: when verification was last asked for
}

// Push reports whether announcements are sent; otherwise they are fetched.
func (f Feed) Push() bool { return f.URL != "" }

// FeedKind is what a feed speaks.
type FeedKind string

// The kinds of feed.
const (
	Webhook FeedKind = "webhook" // Standard Webhooks
	SSF     FeedKind = "ssf"     // security event tokens
)

// FeedStatus says whether announcements flow.
type FeedStatus string

// The states of a feed (SSF 1.0 section 8.1.2.1).
const (
	FeedEnabled  FeedStatus = "enabled"
	FeedPaused   FeedStatus = "paused"   // what is announced is held, for a while
	FeedDisabled FeedStatus = "disabled" // what is announced is not kept
)

// Check says what is wrong with a feed.
func (f Feed) Check() error {
	var c checker
	if f.Name == "" || len(f.Name) > 64 || strings.ContainsFunc(f.Name, isControl) {
		c.bad("/name", "A feed needs a name of at most 64 printable characters.")
	}
	known := Words
	switch f.Kind {
	case Webhook:
		c.url("/url", f.URL)
	case SSF:
		known = Signals
		c.optionalURL("/url", f.URL)
	default:
		c.bad("/kind", "%q is no kind of feed.", clip(string(f.Kind), 60)).Fix("Use webhook or ssf.")
	}
	for _, e := range f.Events {
		if !slices.Contains(known, e) {
			c.bad("/events", "Nothing called %q is announced to a %s feed.", clip(e, 60), f.Kind).Fix("Use some of: %s.", strings.Join(known, ", "))
		}
	}
	if len(f.URL) > 2000 || len(f.Description) > 1000 || len(f.Audience) > 500 || len(f.Requested) > 100 {
		c.bad("/url", "An address has at most 2,000 characters, a description 1,000, an audience 500, and a hundred event types can be asked for.")
	}
	if len(c.problems) == 0 {
		return nil
	}
	return c.problems[0]
}

// Wants reports whether an announcement type or signal goes to the feed.
func (f Feed) Wants(event string) bool {
	if len(f.Events) == 0 {
		return event != WordSessionStarted && event != SignalSessionEstablished
	}
	return slices.Contains(f.Events, event)
}

// The types of announcements, as webhooks name them.
const (
	WordDeactivated        = "user.deactivated" // shut out of the account; data.everywhere when disabled in all
	WordReactivated        = "user.reactivated"
	WordRemoved            = "user.removed" // from the account, by hand
	WordPurged             = "user.purged"  // their provider has deleted them
	WordAdded              = "user.added"   // has a place in the account
	WordSessionStarted     = "session.started"
	WordSessionEnded       = "session.ended"
	WordRoleGranted        = "role.granted"
	WordRoleWithdrawn      = "role.withdrawn"
	WordKeyMinted          = "key.minted"
	WordKeyRevoked         = "key.revoked"
	WordConnectionPaused   = "connection.paused"
	WordConnectionResumed  = "connection.resumed"
	WordConnectionDisabled = "connection.disabled"
	WordConnectionEnabled  = "connection.enabled"
	WordFeedPaused         = "feed.paused"
	WordFeedDisabled       = "feed.disabled"
)

// Words are all types that a webhook can want. session.started has to be asked for by name.
var Words = []string{WordAdded, WordDeactivated, WordReactivated, WordRemoved, WordPurged, WordSessionStarted, WordSessionEnded, WordRoleGranted, WordRoleWithdrawn,
	WordKeyMinted, WordKeyRevoked, WordConnectionPaused, WordConnectionResumed, WordConnectionDisabled, WordConnectionEnabled,
	WordFeedPaused, WordFeedDisabled}

// The signals of a stream: the last part of the event type of CAEP 1.0, RISC 1.0 or SSF 1.0.
const (
	SignalSessionRevoked     = "session-revoked"
	SignalSessionEstablished = "session-established"
	SignalTokenClaimsChange  = "token-claims-change"
	SignalCredentialChange   = "credential-change"
	SignalAccountDisabled    = "account-disabled"
	SignalAccountEnabled     = "account-enabled"
	SignalAccountPurged      = "account-purged"

	SignalVerification  = "verification"   // of the stream itself: always wanted
	SignalStreamUpdated = "stream-updated" // likewise
)

// Signals are all that a stream can want. session-established has to be asked for by name.
var Signals = []string{SignalSessionRevoked, SignalSessionEstablished, SignalTokenClaimsChange, SignalCredentialChange,
	SignalAccountDisabled, SignalAccountEnabled, SignalAccountPurged}

// RolesChanged is what an announcement about roles is called before it is split into those granted and those withdrawn.
const RolesChanged = "roles.changed"

// An Announcement says that something happened. Whoever makes it fills in what it is about; the ledger adds who did it, when, and
// what it belongs to. It is kept as JSON while it waits to be delivered.
type Announcement struct {
	What       string       `json:"what"` // a word, RolesChanged, verification or stream-updated
	At         time.Time    `json:"at"`
	Account    AccountID    `json:"account"`
	User       UserID       `json:"user,omitempty"`
	Email      string       `json:"email,omitempty"`
	Session    SessionID    `json:"session,omitempty"`
	Sessions   int          `json:"sessions,omitempty"` // so many ended
	Keys       int          `json:"keys,omitempty"`     // so many were revoked
	Key        KeyID        `json:"key,omitempty"`
	KeyName    string       `json:"key_name,omitempty"`
	Connection ConnectionID `json:"connection,omitempty"`
	Feed       FeedID       `json:"feed,omitempty"`
	Everywhere bool         `json:"everywhere,omitempty"` // not in this account alone
	Granted    []RoleAt     `json:"granted,omitempty"`
	Withdrawn  []RoleAt     `json:"withdrawn,omitempty"`
	Holds      []RoleAt     `json:"holds,omitempty"` // all roles after the change
	Reason     string       `json:"reason,omitempty"`
	Receipt    ReceiptID    `json:"receipt,omitempty"`
	Txn        string       `json:"txn"` // what has the same cause has the same
	By         string       `json:"by"`  // Actor.String
	Initiator  string       `json:"initiator"`
	State      string       `json:"state,omitempty"`  // verification: what the receiver wants to see again
	Status     FeedStatus   `json:"status,omitempty"` // stream-updated
}

// A RoleAt is a role and where it holds.
type RoleAt struct {
	Role Role   `json:"role"`
	Org  OrgID  `json:"org,omitempty"`
	Team TeamID `json:"team,omitempty"`
}

// Words are the webhook types of an announcement.
func (a Announcement) Words() []string {
	switch a.What {
	case RolesChanged:
		var out []string
		if len(a.Granted) > 0 {
			out = append(out, WordRoleGranted)
		}
		if len(a.Withdrawn) > 0 {
			out = append(out, WordRoleWithdrawn)
		}
		return out
	case SignalVerification, SignalStreamUpdated:
		return nil
	}
	return []string{a.What}
}

// Signals are the events of a stream that an announcement makes, in the order in which they are sent. A receiver may know only one
// of the two that say that somebody is out.
func (a Announcement) Signals() []string {
	switch a.What {
	case WordDeactivated, WordRemoved:
		return []string{SignalSessionRevoked, SignalAccountDisabled}
	case WordReactivated, WordAdded:
		return []string{SignalAccountEnabled}
	case WordPurged:
		return []string{SignalAccountPurged}
	case WordSessionStarted:
		return []string{SignalSessionEstablished}
	case WordSessionEnded:
		return []string{SignalSessionRevoked}
	case RolesChanged:
		return []string{SignalTokenClaimsChange}
	case WordKeyMinted, WordKeyRevoked:
		return []string{SignalCredentialChange}
	case SignalVerification, SignalStreamUpdated:
		return []string{a.What}
	}
	return nil
}

// Subject is what keeps announcements in order: the later one of the same subject waits for the earlier one.
func (a Announcement) Subject() string {
	switch {
	case a.User != "":
		return string(a.User)
	case a.Connection != "":
		return string(a.Connection)
	}
	return string(a.Feed)
}

// InitiatorOf is who is behind a change in CAEP's words: admin, user, policy or system (CAEP 1.0 section 2).
func InitiatorOf(by Actor, about UserID) string {
	switch by.Kind {
	case ActorUser:
		if by.User == about {
			return "user"
		}
		return "admin"
	case ActorOperator:
		return "admin"
	case ActorConnection, ActorStream:
		return "policy"
	}
	return "system"
}

// A Delivery is one announcement on its way to one feed.
type Delivery struct {
	ID       EventID // webhook-id, jti
	Feed     FeedID
	Type     string // announcement type or signal
	Subject  string
	Seq      int64 // place among those of its subject
	Control  bool  // of the stream itself: sent whatever its status
	About    Announcement
	At       time.Time
	State    DeliveryState
	DueAt    time.Time // waiting: the next try
	Attempts int       // tries that failed
	Answer   int       // HTTP status of the last try; 0: none came
	Error    string    // what went wrong last
	EndedAt  time.Time
}

// DeliveryState is where a delivery stands.
type DeliveryState string

// The states of a delivery.
const (
	DeliveryWaiting DeliveryState = "waiting"
	DeliveryDone    DeliveryState = "done"
	DeliveryDead    DeliveryState = "dead" // given up; kept for a while, and can be replayed
)

// A Receiver may manage and read one stream of security events of an account. Its credential is shown once; it is a bearer token,
// and the client secret of the OAuth client credentials grant with ID as the client's id.
type Receiver struct {
	ID        ReceiverID
	Account   AccountID
	Name      string
	Audience  string // aud of its tokens
	ReadOnly  bool   // may poll, but not change its stream
	Compat    bool   // its streams are made with Feed.Compat
	Last4     string
	CreatedAt time.Time
	CreatedBy string
	UsedAt    time.Time // renewed at most once a minute
}

// A SigningKey signs an account's security event tokens (RS256). Of two at a time one signs and the next is published already.
type SigningKey struct {
	ID        string // kid
	Public    []byte // PKIX
	Private   Secret // PKCS #8; only where it is used
	State     SigningKeyState
	CreatedAt time.Time
	Since     time.Time // in its state
}

// SigningKeyState is what a key is for.
type SigningKeyState string

// The states of a signing key.
const (
	KeyNext    SigningKeyState = "next"    // published, so that receivers know it before it signs
	KeySigning SigningKeyState = "signing" // the one that signs
	KeyRetired SigningKeyState = "retired" // published while tokens of it may be under way
)
