package account

import "time"

// Nowhere is the account of an actor whose session works in none: they act in no account, and only for themselves.
const Nowhere AccountID = "nowhere"

// An Actor is who makes a change happen. Verbs ask it for permission and the audit log names it.
type Actor struct {
	Kind       ActorKind
	User       UserID          // ActorUser
	Account    AccountID       // ActorUser: the account that their session works in; it acts in no other. Empty: no session
	Key        KeyID           // ActorUser: the key that spoke for them; empty: a session
	BreakGlass bool            // ActorUser: their session is one of emergency access, which changes little and is audited as such (I-06)
	Connection ConnectionID    // ActorConnection
	Stream     StreamID        // ActorStream
	Issuer     string          // ActorStream: whose events the stream carries; what they cause is not announced back to it
	Txn        string          // correlates a change with the event that caused it; may be empty
	Receiver   ReceiverID      // ActorReceiver
	Token      OperatorTokenID // ActorOperator: the token that spoke for them, which manages nobody's users; empty: at the console
	Job        string          // ActorSystem: which job or command
	Received   time.Time       // when the request reached the door; zero: when the verb was called
	IP         string          // where the request came from, if it was one
	Request    string          // request id of the outer coat, if any
}

// WorkingIn is the account of an actor whose session works in a; Nowhere when it works in none.
func WorkingIn(a AccountID) AccountID {
	if a == "" {
		return Nowhere
	}
	return a
}

// ActorKind is the kind of actor.
type ActorKind string

// The kinds of actor.
const (
	ActorUser       ActorKind = "user"       // a signed-in person
	ActorConnection ActorKind = "connection" // an identity provider, through its connection
	ActorStream     ActorKind = "stream"     // a transmitter of security events
	ActorReceiver   ActorKind = "receiver"   // a receiver of our security events, managing its stream
	ActorOperator   ActorKind = "operator"   // whoever runs this installation, at its console or by a token
	ActorSystem     ActorKind = "system"     // a job of the house
)

// String names the actor as the audit log does: "user:usr_…", "connection:con_…", "operator", "operator:opt_…", "system:refresh".
func (a Actor) String() string {
	switch a.Kind {
	case ActorUser:
		return "user:" + string(a.User)
	case ActorConnection:
		return "connection:" + string(a.Connection)
	case ActorStream:
		return "stream:" + string(a.Stream)
	case ActorReceiver:
		return "receiver:" + string(a.Receiver)
	case ActorSystem:
		return "system:" + a.Job
	case ActorOperator:
		if a.Token != "" {
			return "operator:" + string(a.Token)
		}
	}
	return string(a.Kind)
}

// AtConsole reports whether this is the operator at the console of the installation, who may do everything, and not a token of theirs.
func (a Actor) AtConsole() bool { return a.Kind == ActorOperator && a.Token == "" }

// An AuditLine is one remembered decision. It is written in the transaction of the change it
// describes. Detail never holds secrets, assertions or tokens.
type AuditLine struct {
	ID         AuditID        `json:"id"`
	Account    AccountID      `json:"account,omitempty"` // empty for the installation itself
	At         string         `json:"at"`                // RFC 3339 UTC, set by the ledger when read
	Actor      string         `json:"actor"`             // Actor.String
	Verb       string         `json:"verb"`              // for instance "user.signed_in", "rules.activated"
	Target     string         `json:"target,omitempty"`  // id of what was changed
	Outcome    string         `json:"outcome"`           // "done" or "refused"
	Reason     string         `json:"reason,omitempty"`  // code of a refusal, or why
	Connection ConnectionID   `json:"connection,omitempty"`
	IP         string         `json:"ip,omitempty"`
	Request    string         `json:"request,omitempty"`
	Detail     map[string]any `json:"detail,omitempty"`
}
