package account

import (
	"slices"
	"time"
)

// Operator is the role of somebody to whom a group's members are entrusted; Admin and Member are the others of a group (F-18..F-20).
const Operator Role = "operator"

// An ExternalGroup lets people from elsewhere use what an org shares with them (F-01). It is a tenancy of its own: its members are no tenants
// of the account, and whoever manages the org does not manage its members (F-07, F-08).
type ExternalGroup struct {
	ID          GroupID
	Account     AccountID
	Name        string // unique in the account
	Description string
	Connections []ConnectionID // only who signs in through one of these may join and use it; empty: anybody (F-10)
	CreatedAt   time.Time
	CreatedBy   string // Actor.String
}

// Takes reports whether somebody who signed in through a connection may use the group; "" stands for a password.
func (g ExternalGroup) Takes(c ConnectionID) bool {
	return len(g.Connections) == 0 || slices.Contains(g.Connections, c)
}

// A GroupPermission is a role that every confirmed member of a group holds: in the whole org, or in one team (F-11).
type GroupPermission struct {
	Team TeamID // empty: the whole org
	Role Role   // "service:role"
	By   string // Actor.String
	At   time.Time
}

// A GroupMember is somebody who accepted an invitation to a group.
type GroupMember struct {
	Group GroupID
	User  User
	Role  Role // Admin, Operator or Member
	Since time.Time
	By    string // who invited them, as Actor.String says
}

// A GroupInvitation is one addressee of an invitation to a group; those of one invitation share their role and words (F-17).
type GroupInvitation struct {
	Link
	ID         GroupInvitationID
	Account    AccountID
	Group      GroupID
	Email      string // addressee, as NormalEmail makes them
	Role       Role
	Subject    string
	Message    string // plain text
	ServiceURL string // role Member only: where accepting leads to, at an origin that a relying service lists; empty: to the org (F-23)
	By         string // the inviter's address, or Actor.String
	At         time.Time
	User       UserID // who accepted it
}

// CheckGroupRole says why a role is none of a group.
func CheckGroupRole(r Role) error {
	if r == Admin || r == Operator || r == Member {
		return nil
	}
	return Errorf(Invalid, "%q is no role of a group.", r).At("/role").Fix("Use admin, operator or member.")
}

// ManagesMember reports whether somebody with role r in a group may invite, change and remove those with another: admins everybody (F-18),
// operators members only (F-19), members nobody (F-20).
func (r Role) ManagesMember(other Role) bool { return r == Admin || r == Operator && other == Member }

// ManagesGroup reports whether r sees the people of its group.
func (r Role) ManagesGroup() bool { return r == Admin || r == Operator }
