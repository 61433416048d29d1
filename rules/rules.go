// Package rules decides which roles a person's group claims earn. It is pure: rules and claims in, a
// decision with its reasons out, and the difference it makes to what the person holds. Reading and
// writing memberships is the ledger's work.
package rules

import (
	"cmp"
	"errors"
	"slices"
	"strings"

	"github.com/drawbridge-id/drawbridge/account"
)

// A Definition is what a rule says: whoever the identity provider behind Connection puts into one of
// Groups becomes a tenant of the account and holds the roles of Targets.
type Definition struct {
	Name        string               `json:"name"` // its purpose, for people (L-05)
	Connection  account.ConnectionID `json:"connection"`
	Groups      []string             `json:"groups"`       // any of them matches; raw values, compared byte for byte (T-10)
	AccountRole account.Role         `json:"account_role"` // Admin or Member; empty means Member
	Targets     []Target             `json:"targets"`
}

// A Target is where a rule gives which roles. An empty Team is the whole org.
type Target struct {
	Team  account.TeamID `json:"team,omitempty"`
	Roles []account.Role `json:"roles"`
}

// A Rule is a definition in two versions: Draft is what the next activation will make active. A nil
// Draft means that activation removes the rule; a nil Active that it was never activated.
type Rule struct {
	ID     account.RuleID
	Draft  *Definition
	Active *Definition
}

// State says how the two versions of a rule differ.
type State string

// The states of a rule.
const (
	Draft   State = "draft"   // never activated
	Active  State = "active"  // what is saved is what applies
	Changed State = "changed" // saved changes wait for activation
	Removed State = "removed" // goes at the next activation
)

// State compares the versions.
func (r Rule) State() State {
	switch {
	case r.Draft == nil:
		return Removed
	case r.Active == nil:
		return Draft
	case r.Draft.Equal(*r.Active):
		return Active
	}
	return Changed
}

// Normal is the definition in a canonical order: groups and roles sorted and without repetition, one
// target per team, the account role spelled out. Two definitions that say the same are then equal.
func (d Definition) Normal() Definition {
	if d.AccountRole == "" {
		d.AccountRole = account.Member
	}
	d.Groups = sorted(d.Groups)
	byTeam := map[account.TeamID][]account.Role{}
	for _, t := range d.Targets {
		byTeam[t.Team] = append(byTeam[t.Team], t.Roles...)
	}
	d.Targets = make([]Target, 0, len(byTeam))
	for team, roles := range byTeam {
		d.Targets = append(d.Targets, Target{Team: team, Roles: sorted(roles)})
	}
	slices.SortFunc(d.Targets, func(a, b Target) int { return cmp.Compare(a.Team, b.Team) })
	return d
}

// Equal reports whether both say the same, whatever the order they say it in.
func (d Definition) Equal(other Definition) bool {
	a, b := d.Normal(), other.Normal()
	return a.Name == b.Name && a.Connection == b.Connection && a.AccountRole == b.AccountRole &&
		slices.Equal(a.Groups, b.Groups) &&
		slices.EqualFunc(a.Targets, b.Targets, func(s, t Target) bool {
			return s.Team == t.Team && slices.Equal(s.Roles, t.Roles)
		})
}

func sorted[T cmp.Ordered](in []T) []T {
	return slices.Compact(slices.Sorted(slices.Values(in)))
}

// Check says everything that keeps the definition from being saved in org, with teams being all of its
// teams: errors.Join of *account.Error, each with a pointer. It does not ask whether the connection
// exists or whether anybody was ever seen in the groups; LookAlike helps with the latter.
func (d Definition) Check(cat account.Catalogue, org account.Org, teams map[account.TeamID]account.Team) error {
	var problems []error
	refuse := func(at string, err *account.Error) { problems = append(problems, err.At(at)) }

	if org.Type == account.Individual {
		refuse("", account.Errorf(account.Conflict, "%s is an individual org: it has one user and no rules.", org.Name).
			Coded("individual_org").Fix("%s", account.WayToConvert))
	}
	switch {
	case strings.TrimSpace(d.Name) == "":
		refuse("/name", account.Errorf(account.Invalid, "A rule needs a name that says its purpose.").
			Fix("For instance \"Registry writers from Engineering\"."))
	case len(d.Name) > 200:
		refuse("/name", account.Errorf(account.Invalid, "A rule's name has at most 200 bytes."))
	}
	if d.Connection == "" {
		refuse("/connection", account.Errorf(account.Invalid, "A rule reads the groups of one connection; none is named."))
	}
	if len(d.Groups) == 0 {
		refuse("/groups", account.Errorf(account.Invalid, "A rule needs at least one group.").
			Fix("Give its value exactly as the identity provider sends it; the login test shows it."))
	}
	for _, g := range d.Groups {
		if g == "" || len(g) > 1024 {
			refuse("/groups", account.Errorf(account.Invalid, "A group value has 1 to 1,024 bytes."))
		}
	}
	switch d.AccountRole {
	case "", account.Member, account.Admin:
	case account.Owner:
		refuse("/account_role", noOwner())
	default:
		refuse("/account_role", account.Errorf(account.Invalid, "%q is no account role.", d.AccountRole).Fix("Use admin or member."))
	}
	for _, t := range d.Targets {
		if err := t.check(cat, org, teams); err != nil {
			problems = append(problems, err)
		}
	}
	return errors.Join(problems...)
}

func (t Target) check(cat account.Catalogue, org account.Org, teams map[account.TeamID]account.Team) error {
	if team, ok := teams[t.Team]; t.Team != "" && (!ok || team.Org != org.ID) {
		return account.Errorf(account.NotFound, "%s has no such team.", org.Name).At("/targets")
	}
	if len(t.Roles) == 0 {
		return account.Errorf(account.Invalid, "A target without roles gives nothing.").At("/targets").
			Fix("Name at least one role, or leave the target out.")
	}
	var problems []error
	for _, role := range t.Roles {
		if err := checkRole(cat, org, account.Scope{Org: org.ID, Team: t.Team}, role); err != nil {
			problems = append(problems, err)
		}
	}
	return errors.Join(problems...)
}

func checkRole(cat account.Catalogue, org account.Org, scope account.Scope, role account.Role) error {
	if role == account.Owner {
		return noOwner().At("/targets")
	}
	if scope.Org == "" {
		scope.Org = "org" // an org that is still to be made has no id, and its roles are org roles all the same
	}
	if err := cat.CheckRole(scope, role); err != nil {
		var e *account.Error
		if errors.As(err, &e) {
			return e.At("/targets")
		}
		return err
	}
	if s := role.Service(); s != "" && !slices.Contains(org.Services, s) {
		service, _ := cat.Service(s)
		return account.Errorf(account.Conflict, "%s (%s) is not enabled on %s, so nobody can hold %q there.", service.Label, s, org.Name, role).
			Coded("service_not_enabled").At("/targets").Fix("Enable %s on the org, or leave the role out.", s)
	}
	return nil
}

func noOwner() *account.Error {
	return account.Errorf(account.Invalid, "Rules cannot make anybody an owner.").Coded("rule_grants_owner").
		Fix("Owners are invited by an owner; give user_admin or an account role of admin instead.")
}
