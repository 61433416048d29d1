package account

import "time"

// An OperatorToken lets a program do the operator's work over HTTP: accounts, services, entitlements, tickets. It manages nobody's users
//
type OperatorToken struct {
	ID        OperatorTokenID
	Name      string // what people call it, for instance where it is used
	Last4     string // its last four characters, to compare
	CreatedAt time.Time
	ExpiresAt time.Time
	UsedAt    time.Time // renewed at most once a minute; zero: never
	RevokedAt time.Time // zero: it is not
}

// Live reports whether it opens anything at an instant.
func (t OperatorToken) Live(at time.Time) bool { return t.RevokedAt.IsZero() && at.Before(t.ExpiresAt) }
