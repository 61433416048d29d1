package page

import (
	"time"

	"github.com/drawbridge-id/drawbridge/account"
)

// GroupInvitation is what is behind the link of a letter that asks somebody into an external group. Looking at it uses nothing up.
type GroupInvitation struct {
	Who     *Who   // who is signed in; nil: nobody
	Path    string // our own path, with the link's token
	Org     Org
	Group   string
	Inviter string
	Email   string // whom it went to
	Role    account.Role
	Message string // plain text
	Until   time.Time
	State   account.LinkState
	Portal  bool   // the link that leads to the portal
	Wrong   bool   // somebody else is signed in
	SignIn  string // where nobody goes
	SignUp  string
	Refusal string // why accepting was refused
	Fix     string
}

func (p GroupInvitation) frame() frame { return frame{Title: "Access " + p.Org.Called(), Who: p.Who} }

// ExternalGroups are the external groups of somebody, or of an org for those who manage it.
type ExternalGroups struct {
	Who    Who
	Org    *Org // whose groups they are; nil: those that the person is in
	Groups []GroupRow
	Next   string // where the list goes on; empty: it ends
}

// A GroupRow is one group in a list.
type GroupRow struct {
	ID      account.GroupID
	Name    string
	Org     Org
	Role    account.Role // of the person; empty: none
	Gives   []Scope      // for the org's list
	Taken   int
	Pending int
	Seats   int
}

func (p ExternalGroups) frame() frame {
	return frame{Title: "External user groups", Wide: true, Who: &p.Who}
}

// ExternalGroup is the page of one external group: the portal of those who manage its people, and what its members see of it.
type ExternalGroup struct {
	Who         Who
	Path        string // /groups/grp_…
	Name        string
	Description string
	Org         Org
	Role        account.Role // of the person; empty: they manage the org
	Manages     bool         // they manage the org that owns it
	Sees        bool         // they see who is in it
	Invites     bool         // they may invite members at least
	Roles       []GroupRole  // that they may invite to
	Scopes      []Scope      // what it gives
	Denied      []string     // what it would give, and why it does not
	Taken       int
	Pending     int
	Seats       int
	Invitations []GroupAsked
	Members     []GroupMember
	MorePending string // where the list goes on; empty: it ends
	MoreMembers string
	Form        GroupForm
	Said        string // what has just been done
	Error       *FieldError
}

func (p ExternalGroup) frame() frame { return frame{Title: p.Name, Wide: true, Who: &p.Who} }

// A GroupRole is one to invite to.
type GroupRole struct {
	Role     account.Role
	Help     string
	Selected bool
}

// A GroupForm is what was typed into the form that invites.
type GroupForm struct {
	Emails, Subject, Message, Expires, ServiceURL string
	Seamless                                      bool
}

// GroupAsked is a pending invitation.
type GroupAsked struct {
	ID      account.GroupInvitationID
	Email   string
	Role    account.Role
	Until   time.Time
	Expired bool
	Mine    bool // the person may send it again and take it back
}

// GroupMember is a confirmed user.
type GroupMember struct {
	ID    account.UserID
	Email string
	Name  string
	Role  account.Role
	Since time.Time
	Shut  bool // disabled
	Mine  bool // the person may remove them
}
