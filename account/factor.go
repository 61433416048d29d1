package account

import "time"

// A Factor is something that a person shows beside their password.
type Factor struct {
	ID        FactorID
	User      UserID
	Kind      FactorKind
	Name      string // given by the person
	Confirmed bool   // it was shown to work once; it counts from then on
	CreatedAt time.Time
	UsedAt    time.Time // zero: never
}

// FactorKind is what a second factor is.
type FactorKind string

// TOTP is an app's code (RFC 6238): six digits, 30 seconds, SHA-1, as the apps have it.
const TOTP FactorKind = "totp"
