package page

import (
	"time"

	"github.com/drawbridge-id/drawbridge/account"
)

// Recover asks which account somebody wants emergency access to, and says after the question what it says to everybody (I-05).
type Recover struct {
	What  string // what was typed, kept
	Asked bool   // the answer instead of the form
	Error *FieldError
}

func (Recover) frame() frame { return frame{Title: "Emergency access"} }

// RecoveryLink is behind the link of a letter of recovery: what it is about, and the button that uses it up.
type RecoveryLink struct {
	Path    string // where the form goes: our own path, with the link's token
	Purpose account.RecoveryPurpose
	Org     Org
	Email   string // where the letter went
	Factor  bool   // asks for the second factor
	Error   *FieldError
	Done    bool // it was pressed; of all purposes but entering
}

func (p RecoveryLink) frame() frame { return frame{Title: p.Heading()} }

// Heading is the question, or what came of it.
func (p RecoveryLink) Heading() string {
	switch {
	case p.Purpose == account.RecoveryVerify && p.Done:
		return "The recovery e-mail is verified"
	case p.Purpose == account.RecoveryVerify:
		return "Verify this recovery e-mail"
	case p.Purpose == account.RecoveryRehearse && p.Done:
		return "Emergency access works"
	case p.Purpose == account.RecoveryRehearse:
		return "Finish the rehearsal"
	case p.Purpose == account.RecoveryAddress && p.Done:
		return "The address is confirmed"
	case p.Purpose == account.RecoveryAddress:
		return "Confirm your new address"
	}
	return "Emergency access to " + p.Org.Called()
}

// Recovery shows an owner how they get back in, and lets them change it.
type Recovery struct {
	Who       Who
	Org       Org
	Owner     string // the address of the account's owner
	State     account.RecoveryState
	Email     string // that counts
	Pending   string
	Verified  time.Time
	Rehearsed time.Time
	Used      time.Time
	Waived    *account.Waiver
	MayChange bool
	Emergency bool   // the session is one of emergency access: a new address may be set
	Typed     string // kept
	Said      string // what was done, said to assistive technology too
	Error     *FieldError
}

func (p Recovery) frame() frame {
	return frame{Title: "Recovery e-mail · " + p.Org.Called(), Wide: true, Who: &p.Who}
}
