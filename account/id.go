package account

import (
	"io"
	"strings"
	"time"

	"github.com/oklog/ulid/v2"
)

// Identifiers are a kind prefix and a ULID: they sort by creation and say what they name. They are
// distinct types so that the compiler refuses a user where an org is due.
type (
	AccountID    string // acc_…: a tenancy boundary
	OrgID        string // org_…
	TeamID       string // team_…; empty means "the whole org"
	UserID       string // usr_…
	ConnectionID string // con_…: one configured identity provider
	RuleID       string // rul_…
	DomainID     string // dom_…
	SessionID    string // ses_…: names a session in lists and logs; it is not the cookie
	FlowID       string // flw_…: names a pending sign-in; it is not the handle in RelayState or state
	DiagnosisID  string // dx_…: a recorded sign-in attempt, quoted by people to their admin
	AuditID      string // aud_…
	JobID        string // job_…

	SCIMTokenID   string // sct_…: names a SCIM token in lists and logs; it is not the token
	SCIMUserID    string // scu_…: a pushed user; who they are here is a UserID
	SCIMGroupID   string // scg_…
	SCIMRequestID string // scr_…
	SCIMClientID  string // scc_…: an OAuth client of a provider that pushes

	KeyID      string // key_…: names a key in lists and logs; it is not the key
	ReceiptID  string // rcp_…: of a removal
	StreamID   string // str_…: security events that come in
	PushID     string // psh_…: names what a transmitter shows when it pushes
	EventID    string // evt_…: a security event, of theirs or ours
	FeedID     string // fed_…: where our own events go: a webhook or an SSF stream
	ReceiverID string // rcv_…: who receives a stream of our security events
	LetterID   string // ltr_…: a mail on its way
	ReplicaID  string // rep_…: one running process

	PublicationID string // pub_…: a mail of the operator to many
	TicketID      string // tkt_…: the onboarding of a connection, quoted in support

	OperatorTokenID string // opt_…: names an operator's token in lists and logs; it is not the token

	InvitationID      string // inv_…: of a person, to an account
	GroupID           string // grp_…: an external user group
	GroupInvitationID string // giv_…: one addressee of an invitation to a group

	EntitlementID  string // ent_…: somebody's right to activate a product
	SubscriptionID string // sub_…

	FactorID string // fac_…: a second factor
)

// idKind lists the prefix of each identifier.
type idKind interface {
	AccountID | OrgID | TeamID | UserID | ConnectionID | RuleID | DomainID | SessionID | FlowID | DiagnosisID | AuditID | JobID |
		SCIMTokenID | SCIMUserID | SCIMGroupID | SCIMRequestID | SCIMClientID |
		KeyID | ReceiptID | StreamID | PushID | EventID | FeedID | ReceiverID | LetterID | ReplicaID | PublicationID | TicketID | OperatorTokenID | InvitationID | GroupID | GroupInvitationID |
		EntitlementID | SubscriptionID | FactorID
}

func prefix(id any) string {
	switch id.(type) {
	case AccountID:
		return "acc_"
	case OrgID:
		return "org_"
	case TeamID:
		return "team_"
	case UserID:
		return "usr_"
	case ConnectionID:
		return "con_"
	case RuleID:
		return "rul_"
	case DomainID:
		return "dom_"
	case SessionID:
		return "ses_"
	case FlowID:
		return "flw_"
	case DiagnosisID:
		return "dx_"
	case AuditID:
		return "aud_"
	case JobID:
		return "job_"
	case SCIMTokenID:
		return "sct_"
	case SCIMUserID:
		return "scu_"
	case SCIMGroupID:
		return "scg_"
	case SCIMRequestID:
		return "scr_"
	case SCIMClientID:
		return "scc_"
	case KeyID:
		return "key_"
	case ReceiptID:
		return "rcp_"
	case StreamID:
		return "str_"
	case PushID:
		return "psh_"
	case EventID:
		return "evt_"
	case FeedID:
		return "fed_"
	case ReceiverID:
		return "rcv_"
	case LetterID:
		return "ltr_"
	case ReplicaID:
		return "rep_"
	case PublicationID:
		return "pub_"
	case TicketID:
		return "tkt_"
	case OperatorTokenID:
		return "opt_"
	case InvitationID:
		return "inv_"
	case GroupID:
		return "grp_"
	case GroupInvitationID:
		return "giv_"
	case EntitlementID:
		return "ent_"
	case SubscriptionID:
		return "sub_"
	case FactorID:
		return "fac_"
	}
	panic("account: identifier kind without a prefix")
}

// NewID makes an identifier of kind T from the given instant and 80 bits of randomness.
// It panics when random fails, as crypto/rand.Reader never does.
func NewID[T idKind](now time.Time, random io.Reader) T {
	var zero T
	id := ulid.MustNew(ulid.Timestamp(now), random)
	return T(prefix(zero) + strings.ToLower(id.String()))
}

// ParseID reads an identifier of kind T from outside. ok is false when the prefix or the shape is
// another one; callers answer that like an identifier that does not exist.
func ParseID[T idKind](s string) (id T, ok bool) {
	rest, found := strings.CutPrefix(s, prefix(id))
	if !found {
		return "", false
	}
	if _, err := ulid.ParseStrict(strings.ToUpper(rest)); err != nil || rest != strings.ToLower(rest) {
		return "", false
	}
	return T(s), true
}
