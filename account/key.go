package account

import "time"

// A Key acts for a person in one org, for scripts. The key itself is shown once; the ledger keeps its digest. What it may do is what
// its holder may do at the moment it is used.
type Key struct {
	ID        KeyID
	Account   AccountID
	Org       OrgID
	Home      AccountID // of a key of an external user: their own account, which stands behind it (N-30); empty: Account
	User      UserID
	Name      string
	Last4     string // its last four characters, for people who compare
	State     KeyState
	Reason    string // why it is no longer active, as the receipt of the removal says
	CreatedAt time.Time
	ExpiresAt time.Time // zero: never
	UsedAt    time.Time // zero: never; renewed at most once a minute
	EndedAt   time.Time
	FlaggedAt time.Time // an identity provider reported its holder's credentials as compromised; zero: never
}

// KeyState says whether a key opens anything.
type KeyState string

// The states of a key. None but an active one is ever accepted, and a revoked one never becomes active again.
const (
	KeyActive  KeyState = "active"
	KeyRevoked KeyState = "revoked"
	// KeySuspended is one that the provider had put out of use until its holder signs in again.
	KeySuspended KeyState = "suspended"
)
