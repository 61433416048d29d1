package account

import "time"

// A Receipt says that somebody was shut out: when we heard of it, when it was durable, and when the last replica had it in force (M-10).
type Receipt struct {
	ID         ReceiptID
	Account    AccountID
	User       UserID
	Email      string
	Source     RemovalSource
	By         string // Actor.String
	Why        string // what was said: inactive, deleted, account-disabled, removed from the account…
	Txn        string // correlates it with the event that caused it; may be empty
	Received   time.Time
	Committed  time.Time // zero: the process ended before it could be noted
	Everywhere time.Time // from then on no replica accepts any of what ended; zero as above
	Sessions   int       // ended
	Keys       int       // revoked
	Suspended  bool      // the place in the account was closed
	Disabled   bool      // the person was disabled everywhere
}

// Took is the time between hearing of it and nothing being accepted any more; 0 when that was not noted.
func (r Receipt) Took() time.Duration {
	if r.Everywhere.IsZero() {
		return 0
	}
	return r.Everywhere.Sub(r.Received)
}

// RemovalSource is the door through which a removal came.
type RemovalSource string

// The sources of removals.
const (
	FromSCIM    RemovalSource = "scim"
	FromEvent   RemovalSource = "event"   // a security event token, or a global token revocation
	FromLogout  RemovalSource = "logout"  // the provider's logout
	FromAPI     RemovalSource = "api"     // a person with the right, by API or console
	FromCommand RemovalSource = "command" // the operator
	FromHouse   RemovalSource = "house"   // a rule of the house: an expiry, a lost domain
)

// SourceOf is the door an actor came through.
func SourceOf(a Actor) RemovalSource {
	switch a.Kind {
	case ActorConnection:
		return FromSCIM
	case ActorStream:
		return FromEvent
	case ActorUser:
		return FromAPI
	case ActorOperator:
		return FromCommand
	}
	return FromHouse
}
