package rules

import (
	"slices"
	"time"

	"github.com/drawbridge-id/drawbridge/account"
)

// A Sourced role is a role in a scope with one of its sources: the unit in which roles are given and
// taken away. An empty Scope is the account.
type Sourced struct {
	Scope  account.Scope
	Role   account.Role
	Source account.Source
}

// Skip says why a person was left alone.
type Skip string

// The reasons for leaving a person alone.
const (
	NotSkipped    Skip = ""
	SkippedOwner  Skip = "owner" // L-15
	SkippedGroups Skip = "groups unknown"
)

// A Change is what a decision does to the roles somebody holds. Taking a source away leaves the role as
// long as another one remains; After does that arithmetic.
type Change struct {
	Grant    []Sourced
	Revoke   []Sourced
	Replaced []Sourced // those of Revoke that were manual or came by invitation (Swap only)
	Skipped  Skip
}

// Empty reports whether nothing changes.
func (c Change) Empty() bool { return len(c.Grant) == 0 && len(c.Revoke) == 0 }

// Diff is what a login through conn does to held, which are all roles of one person in one account
// and its org. Only sources of kind rule and of this very connection are taken away, and only with full
// authority; owners are untouched (T-06). Applying the result and asking again gives an empty change.
func Diff(held []account.Held, org account.OrgID, isOwner bool, d Decision, conn account.ConnectionID, now time.Time) Change {
	switch {
	case isOwner:
		return Change{Skipped: SkippedOwner}
	case d.Authority == None:
		return Change{Skipped: SkippedGroups}
	}
	wanted := earned(org, d, conn, now)
	var c Change
	c.Grant = missing(held, wanted)
	if d.Authority == Full {
		c.Revoke = collect(held, org, func(s Sourced) bool {
			return s.Source.Kind == account.SourceRule && s.Source.Connection == conn && !wanted.has(s)
		})
	}
	return c
}

// wants are the sources a decision earns, in its order.
type wants struct {
	list []Sourced
	set  map[key]bool
}

// key is what makes a source the same source: who granted it and when do not count.
type key struct {
	scope account.Scope
	role  account.Role
	kind  account.SourceKind
	rule  account.RuleID
	group string
	conn  account.ConnectionID
}

func (s Sourced) key() key {
	return key{s.Scope, s.Role, s.Source.Kind, s.Source.Rule, s.Source.Group, s.Source.Connection}
}

func (w wants) has(s Sourced) bool { return w.set[s.key()] }

func earned(org account.OrgID, d Decision, conn account.ConnectionID, now time.Time) wants {
	w := wants{set: make(map[key]bool, len(d.Grants))}
	by := account.Actor{Kind: account.ActorConnection, Connection: conn}.String()
	for _, g := range d.Grants {
		s := Sourced{Scope: g.Scope(org), Role: g.Role, Source: account.Source{
			Kind: account.SourceRule, Rule: g.Rule, Group: g.Group, Connection: conn, By: by, At: now}}
		w.list, w.set[s.key()] = append(w.list, s), true
	}
	return w
}

func missing(held []account.Held, w wants) []Sourced {
	have := map[key]bool{}
	for _, h := range held {
		for _, s := range h.Sources {
			have[Sourced{h.Scope, h.Role, s}.key()] = true
		}
	}
	var out []Sourced
	for _, s := range w.list {
		if !have[s.key()] {
			out = append(out, s)
		}
	}
	return out
}

// collect gives the sources in org and in its account that match, in the order of held.
func collect(held []account.Held, org account.OrgID, match func(Sourced) bool) []Sourced {
	var out []Sourced
	for _, h := range held {
		if h.Scope.Org != org && h.Scope.Org != "" {
			continue
		}
		for _, src := range h.Sources {
			if s := (Sourced{h.Scope, h.Role, src}); match(s) {
				out = append(out, s)
			}
		}
	}
	return out
}

// After is held once the change is made, in the order of account.SortHeld. held is not touched.
func (c Change) After(held []account.Held) []account.Held {
	gone := make(map[key]bool, len(c.Revoke))
	for _, s := range c.Revoke {
		gone[s.key()] = true
	}
	type place struct {
		scope account.Scope
		role  account.Role
	}
	at, out := map[place]int{}, []account.Held{}
	add := func(s Sourced) {
		p := place{s.Scope, s.Role}
		i, ok := at[p]
		if !ok {
			i = len(out)
			at[p], out = i, append(out, account.Held{Scope: s.Scope, Role: s.Role})
		}
		out[i].Sources = append(out[i].Sources, s.Source)
	}
	for _, h := range held {
		for _, src := range h.Sources {
			if s := (Sourced{h.Scope, h.Role, src}); !gone[s.key()] {
				add(s)
			}
		}
	}
	for _, s := range c.Grant {
		add(s)
	}
	account.SortHeld(out)
	return out
}

// A Place is a role in a scope, without its sources.
type Place struct {
	Scope account.Scope `json:"scope"`
	Role  account.Role  `json:"role"`
}

// Compare says which roles somebody has only after and only before, each in the order of SortHeld.
func Compare(before, after []account.Held) (gained, lost []Place) {
	return without(after, before), without(before, after)
}

func without(from, other []account.Held) []Place {
	from = slices.Clone(from)
	account.SortHeld(from)
	var out []Place
	for _, h := range from {
		if !account.HasRole(other, h.Scope, h.Role) {
			out = append(out, Place{h.Scope, h.Role})
		}
	}
	return out
}
