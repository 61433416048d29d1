package page

import (
	"time"

	"github.com/drawbridge-id/drawbridge/account"
)

// Invitation is what is behind the link of a letter that asks somebody into an account. Looking at it uses nothing up.
type Invitation struct {
	Who     *Who   // who is signed in; nil: nobody
	Path    string // our own path, with the link's token
	Org     Org
	Inviter string // address; empty: the operator
	Email   string // whom it went to
	Role    string // account role, for people
	Scopes  []Scope
	Message string // plain text
	Until   time.Time
	State   account.LinkState
	Mine    bool    // accepted, by who is signed in
	Wrong   bool    // somebody else is signed in
	Again   bool    // who is signed in has to prove once more who they are
	SignIn  string  // where nobody, and who has to prove it, goes
	SignUp  string  // where nobody goes who has no identity
	Asked   bool    // a new link has been asked for
	Left    []Scope // just accepted: roles that can be given no more
	Refusal string  // why accepting was refused
	Fix     string
}

func (p Invitation) frame() frame {
	return frame{Title: "Invitation to " + p.Org.Called(), Who: p.Who}
}
