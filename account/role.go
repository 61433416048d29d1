package account

import (
	"cmp"
	"slices"
	"strings"
	"time"
)

// A Role is what a person may do in a scope. Owner, Admin and Member are account roles; Owner and
// UserAdmin hold in an org (UserAdmin in a team too); all others belong to a catalogue service and
// are spelled "service:role", for instance "registry:writer".
type Role string

// The roles that are not catalogue data.
const (
	Owner     Role = "owner"
	Admin     Role = "admin"
	Member    Role = "member"
	UserAdmin Role = "user_admin"
)

// Service is the catalogue service a role belongs to; empty for the built-in roles.
func (r Role) Service() string {
	service, _, found := strings.Cut(string(r), ":")
	if !found {
		return ""
	}
	return service
}

// Stronger reports whether account role r outranks other: owner over admin over member over none.
func (r Role) Stronger(other Role) bool { return r.rank() > other.rank() }

func (r Role) rank() int { return slices.Index([]Role{Member, Admin, Owner}, r) + 1 }

// A Scope is where a role holds: the account itself (Org empty), a whole org (Team empty), or a team.
type Scope struct {
	Org  OrgID  `json:"org,omitempty"`
	Team TeamID `json:"team,omitempty"`
}

// SourceKind is the kind of reason for which a role is held.
type SourceKind string

// The kinds of source. Taking one source away leaves the role as long as another remains.
const (
	SourceManual     SourceKind = "manual"         // somebody granted it
	SourceInvitation SourceKind = "invitation"     // came with an accepted invitation
	SourceRule       SourceKind = "rule"           // a membership rule gave it at sign-in or activation
	SourceSCIM       SourceKind = "scim"           // pushed by the identity provider
	SourceExternal   SourceKind = "external"       // through an external user group
	SourceSignIn     SourceKind = "signin"         // an account member because a connection of the account lets them in (L-14)
	SourceMember     SourceKind = "account_member" // follows from a place in the account; worked out, never stored
)

// A Source is one reason for which somebody holds a role.
type Source struct {
	Kind       SourceKind   `json:"kind"`
	Rule       RuleID       `json:"rule,omitempty"`       // SourceRule only
	Group      string       `json:"group,omitempty"`      // SourceRule: the group value that matched
	Connection ConnectionID `json:"connection,omitempty"` // SourceRule, SourceSCIM and SourceSignIn
	By         string       `json:"by,omitempty"`         // who granted it, as Actor.String says
	At         time.Time    `json:"at"`
}

// A Held role is a role in a scope with all its sources, at least one.
type Held struct {
	Scope   Scope    `json:"scope"`
	Role    Role     `json:"role"`
	Sources []Source `json:"sources"`
}

// SortHeld orders roles for people: account first, then org, then teams, then by role.
func SortHeld(held []Held) {
	slices.SortFunc(held, func(a, b Held) int {
		return cmp.Or(cmp.Compare(a.Scope.Org, b.Scope.Org), cmp.Compare(a.Scope.Team, b.Scope.Team), cmp.Compare(a.Role, b.Role))
	})
}

// HasRole reports whether one of held is role in exactly that scope.
func HasRole(held []Held, scope Scope, role Role) bool {
	return slices.ContainsFunc(held, func(h Held) bool { return h.Scope == scope && h.Role == role })
}

// Reaches reports whether role holds for something that belongs to team (or, with an empty team, to
// the org as a whole): an org-scoped role reaches everything in the org, a team-scoped one only its
// team (C-06).
func Reaches(held []Held, org OrgID, team TeamID, role Role) bool {
	return HasRole(held, Scope{Org: org}, role) || (team != "" && HasRole(held, Scope{Org: org, Team: team}, role))
}

// InOrg reports whether one of held is a role in an org or team that somebody gave: more than what follows from a place in the account.
func InOrg(held []Held) bool {
	return slices.ContainsFunc(held, func(h Held) bool { return h.Scope.Org != "" && h.given() })
}

func (h Held) given() bool {
	return slices.ContainsFunc(h.Sources, func(s Source) bool { return s.Kind != SourceMember })
}

// SeesTeam reports whether a team exists for somebody: they hold a given role in it, or one in the whole org (C-03, C-06).
func SeesTeam(held []Held, org OrgID, team TeamID) bool {
	return slices.ContainsFunc(held, func(h Held) bool {
		return h.Scope.Org == org && (h.Scope.Team == "" || h.Scope.Team == team) && h.given()
	})
}
