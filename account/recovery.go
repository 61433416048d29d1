package account

import "time"

// A Recovery is how the owner of an account gets back in without its identity provider: by a link in a letter to an address that is none of
// theirs. The zero value is an account that has none.
type Recovery struct {
	Account     AccountID
	Email       string    // verified and in force; empty: none is
	VerifiedAt  time.Time // of Email
	Pending     string    // waits to be verified, while Email goes on counting; empty: none does
	SetAt       time.Time
	SetBy       string    // Actor.String
	RehearsedAt time.Time // the last time that a letter came through and its link was pressed; zero: never for this address
	UsedAt      time.Time // the last emergency access; zero: never
	Waived      *Waiver   // nil: not waived
}

// A Waiver says who took it upon them to do without a recovery e-mail, and why (I-07).
type Waiver struct {
	At  time.Time
	By  string // Actor.String
	Why string
}

// RecoveryState is what people are shown of a recovery e-mail.
type RecoveryState string

// The states of a recovery e-mail.
const (
	RecoveryNone     RecoveryState = "not_set"
	RecoveryPending  RecoveryState = "pending"
	RecoveryVerified RecoveryState = "verified"
)

// State is pending as long as a newly set address waits (I-01), whatever counts meanwhile.
func (r Recovery) State() RecoveryState {
	switch {
	case r.Pending != "":
		return RecoveryPending
	case r.Email != "":
		return RecoveryVerified
	}
	return RecoveryNone
}

// Covered reports whether the account may be made to depend on its identity provider (I-07).
func (r Recovery) Covered() bool { return r.Email != "" || r.Waived != nil }

// RecoveryPurpose is what a link in a letter of recovery does when its button is pressed.
type RecoveryPurpose string

// The purposes of links.
const (
	RecoveryVerify   RecoveryPurpose = "verify"   // the address is somebody's who reads it (I-03)
	RecoveryRehearse RecoveryPurpose = "rehearse" // the letter comes through; nobody is let in
	RecoveryEnter    RecoveryPurpose = "enter"    // emergency access (I-05)
	RecoveryAddress  RecoveryPurpose = "address"  // the owner's new address is theirs (I-04)
)

// A RecoveryLink is what a letter's link is about.
type RecoveryLink struct {
	Purpose RecoveryPurpose
	Account Account
	Org     Org
	Email   string // where the letter went
	User    UserID // enter, address: whom it is about
	Link    Link
}
