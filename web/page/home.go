package page

import (
	"time"

	"github.com/drawbridge-id/drawbridge/account"
)

// Home is what a signed-in person holds, where, and why.
type Home struct {
	Who         Who
	Account     string // name
	Number      string // of account and org
	Org         Org
	AccountRole string   // "Owner", "Administrator", "Member"
	AccountWhy  []string // its sources, in words
	Scopes      []Scope  // the org first, then teams; empty: the person holds no role
	Groups      Groups
	Connection  string    // name of the connection that signed the person in
	SignedInAt  time.Time // UTC
	ExpiresAt   time.Time
	Places      []Place // other accounts of the person
	MayTest     bool    // may run the login test
	Remind      bool    // owns the org, and a password alone lets them in (H-09)
	Ask         bool    // nobody has asked them yet what they want mail about (P-03)
}

// Org is an org, for people.
type Org struct {
	Name  string // exact name
	Title string // may be empty
	Type  account.OrgType
}

// Called is the title when there is one, otherwise the exact name.
func (o Org) Called() string {
	if o.Title != "" {
		return o.Title
	}
	return o.Name
}

// A Scope is the org or one team with the roles held in it.
type Scope struct {
	Team  string // name; empty: the whole org
	Roles []Role
}

// A Role is one role with the reasons for which it is held.
type Role struct {
	Label string   // "Registry Writer"
	Role  string   // "registry:writer"
	Help  string   // one line; may be empty
	Why   []string // for instance: rule “Engineering admins”, because Okta says eng-admins
}

// Groups are what the identity provider said about groups, last.
type Groups struct {
	State  account.GroupState // empty: nothing was ever received
	Values []string
	Why    string // for incomplete and unknown
}

// A Place is one account the person can work in.
type Place struct {
	Account account.AccountID
	Name    string // account name
	Org     Org
	Role    string // account role, for people
	Owner   bool   // gets the owner tag
	Current bool
}

func (p Home) frame() frame { return frame{Title: p.Org.Called(), Wide: true, Who: &p.Who} }

// NoAccount meets somebody who is signed in and has a place in no account.
type NoAccount struct{ Who Who }

func (p NoAccount) frame() frame { return frame{Title: "No account yet", Who: &p.Who} }

// Choose lets a person with several accounts pick one, last used first.
type Choose struct {
	Who      Who
	Places   []Place
	External []Place // where the person is an external user (F-27)
	Next     string
}

func (p Choose) frame() frame { return frame{Title: "Choose an organization", Who: &p.Who} }

// NoAccess meets a person who is signed in and holds nothing, because no rule matched (L-14).
type NoAccess struct {
	Who       Who
	Org       Org
	Provider  string // the connection's name
	Groups    Groups
	Diagnosis account.DiagnosisID // of the last sign-in; empty when unknown
	Contact   string              // an administrator's address; empty: the person fills it in
}

func (p NoAccess) frame() frame { return frame{Title: "No access yet", Who: &p.Who} }

// Mail is the letter to the administrator, prefilled.
func (p NoAccess) Mail() string {
	body := "I signed in to " + p.Org.Called() + " as " + p.Who.Email + ", but none of my groups gives me a role."
	if p.Diagnosis != "" {
		body += "\n\nThe diagnosis id is " + string(p.Diagnosis) + "."
	}
	return mailto(p.Contact, "Access to "+p.Org.Called(), body)
}
