package rules

import (
	"cmp"
	"maps"
	"slices"

	"github.com/drawbridge-id/drawbridge/account"
)

// An Index answers quickly which rules a group value matches. It is made once per rule set and may be
// read by many goroutines.
type Index struct {
	rules   []compiled // by rule id
	byGroup map[account.ConnectionID]map[string][]int32
	byID    map[account.RuleID]int32
}

type compiled struct {
	id account.RuleID
	Definition
	gives []given
}

// given is one role of a rule in one place.
type given struct {
	account bool
	team    account.TeamID
	role    account.Role
}

// A Grant is one role that one matching rule gives, and the group value that earned it.
type Grant struct {
	Account bool           // an account role; Team is empty
	Team    account.TeamID // empty: in the whole org (or the account)
	Role    account.Role
	Rule    account.RuleID
	Name    string // of the rule
	Group   string
}

// Scope is where the grant holds, given the org of the account whose rules these are.
func (g Grant) Scope(org account.OrgID) account.Scope {
	if g.Account {
		return account.Scope{}
	}
	return account.Scope{Org: org, Team: g.Team}
}

// Authority says what a decision may do to roles that it does not grant.
type Authority string

// The authorities.
const (
	Full    Authority = "full"     // complete group set: may take away
	AddOnly Authority = "add-only" // incomplete: only adds
	None    Authority = "none"     // unknown: nothing changes
)

// A Decision is what one login's groups earn.
//
//	Grants       registry:writer in the org, by rul_7Q, from "eng"
//	AccountRole  member, the strongest that a matching rule gives
//	Unused       "all-staff": no rule asks for it
type Decision struct {
	Grants      []Grant      // account roles first, then org, then teams, by role, rule and group
	AccountRole account.Role // empty: no rule matched
	Unused      []string     // in the order they were received
	Authority   Authority
	Why         string // for AddOnly and None: the group set's own words
}

// Mapped reports whether any rule matched (L-17, L-18).
func (d Decision) Mapped() bool { return len(d.Grants) > 0 }

// Compile makes an index of definitions: the active ones for sign-ins, the drafts for a dry run.
func Compile(defs map[account.RuleID]Definition) *Index {
	ix := &Index{
		byGroup: map[account.ConnectionID]map[string][]int32{},
		byID:    make(map[account.RuleID]int32, len(defs)),
	}
	for _, id := range slices.Sorted(maps.Keys(defs)) {
		d, n := defs[id].Normal(), int32(len(ix.rules))
		gives := []given{{account: true, role: d.AccountRole}}
		for _, t := range d.Targets {
			for _, role := range t.Roles {
				gives = append(gives, given{team: t.Team, role: role})
			}
		}
		ix.rules = append(ix.rules, compiled{id: id, Definition: d, gives: gives})
		ix.byID[id] = n
		groups := ix.byGroup[d.Connection]
		if groups == nil {
			groups = map[string][]int32{}
			ix.byGroup[d.Connection] = groups
		}
		for _, g := range d.Groups {
			groups[g] = append(groups[g], n)
		}
	}
	return ix
}

// CompileActive indexes what applies now.
func CompileActive(all []Rule) *Index {
	return compileVersion(all, func(r Rule) *Definition { return r.Active })
}

// CompileDraft indexes what would apply after the next activation.
func CompileDraft(all []Rule) *Index {
	return compileVersion(all, func(r Rule) *Definition { return r.Draft })
}

func compileVersion(all []Rule, version func(Rule) *Definition) *Index {
	defs := make(map[account.RuleID]Definition, len(all))
	for _, r := range all {
		if d := version(r); d != nil {
			defs[r.ID] = *d
		}
	}
	return Compile(defs)
}

// Len is the number of rules.
func (ix *Index) Len() int { return len(ix.rules) }

// Connections are those that any rule reads, sorted.
func (ix *Index) Connections() []account.ConnectionID {
	return slices.Sorted(maps.Keys(ix.byGroup))
}

// Evaluate matches the groups that a provider asserted against the rules of its connection: the union
// over all matching rules (L-13). Its cost follows the number of groups and of matching rules, not the
// number of rules.
func (ix *Index) Evaluate(conn account.ConnectionID, groups account.GroupSet) Decision {
	d := Decision{Authority: authority(groups.State), Why: groups.Why}
	if d.Authority == None {
		return d
	}
	byGroup := ix.byGroup[conn]
	for i, value := range groups.Values {
		matches := byGroup[value]
		if len(matches) == 0 {
			if d.Unused == nil {
				d.Unused = make([]string, 0, len(groups.Values)-i)
			}
			d.Unused = append(d.Unused, value)
			continue
		}
		for _, n := range matches {
			d.Grants = append(d.Grants, ix.rules[n].grants(value)...)
		}
	}
	slices.SortFunc(d.Grants, compareGrants)
	d.Grants = slices.Compact(d.Grants) // a provider may repeat a value
	for _, g := range d.Grants {
		if g.Account && g.Role.Stronger(d.AccountRole) {
			d.AccountRole = g.Role
		}
	}
	return d
}

func (c compiled) grants(group string) []Grant {
	out := make([]Grant, len(c.gives))
	for i, g := range c.gives {
		out[i] = Grant{Account: g.account, Team: g.team, Role: g.role, Rule: c.id, Name: c.Name, Group: group}
	}
	return out
}

func authority(s account.GroupState) Authority {
	switch s {
	case account.GroupsComplete:
		return Full
	case account.GroupsIncomplete:
		return AddOnly
	}
	return None
}

func compareGrants(a, b Grant) int {
	if a.Account != b.Account {
		if a.Account {
			return -1
		}
		return 1
	}
	return cmp.Or(cmp.Compare(a.Team, b.Team), cmp.Compare(a.Role, b.Role), cmp.Compare(a.Rule, b.Rule), cmp.Compare(a.Group, b.Group))
}

// earns reports whether the rule that a source names still gives role there for that group.
func (ix *Index) earns(s account.Source, scope account.Scope, role account.Role) bool {
	n, ok := ix.byID[s.Rule]
	if !ok || ix.rules[n].Connection != s.Connection || !slices.Contains(ix.rules[n].Groups, s.Group) {
		return false
	}
	return slices.Contains(ix.rules[n].gives, given{account: scope.Org == "", team: scope.Team, role: role})
}

// name is what people call a rule; its id when the index does not know it.
func (ix *Index) name(id account.RuleID) string {
	if n, ok := ix.byID[id]; ok {
		return ix.rules[n].Name
	}
	return string(id)
}

// Settle decides what a missing group claim means (T-05). On a connection that has sent the claim
// before, a login with neither claim nor marker comes from somebody in no group, since providers drop an
// empty claim; before the first one it may as well be a missing setting, and stays unknown. Everything
// else, overage markers among it, is returned as it came.
func Settle(groups account.GroupSet, claimSeenOnConnection bool) account.GroupSet {
	if groups.State != account.GroupsUnknown || !groups.Absent || !claimSeenOnConnection {
		return groups
	}
	groups.State = account.GroupsComplete
	groups.Values = nil
	groups.Why = "no group claim, and this connection has sent one before: in no group"
	return groups
}
