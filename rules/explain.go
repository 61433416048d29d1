package rules

import (
	"fmt"
	"strings"

	"github.com/drawbridge-id/drawbridge/account"
)

// An Explanation says of one rule whether it matched and why not. The login test shows them all.
type Explanation struct {
	Rule    account.RuleID
	Name    string
	Matched bool
	Group   string   // the value that matched; the first one in the order received
	Wanted  []string // the rule's groups
	Near    string   // a received value that was probably meant
	Why     string   // a sentence; for a match, what matched
	Grants  []Grant  // of a match
}

// Explain goes through every rule of conn, in the order of rule ids: matched by which value, or why
// not. Unlike Evaluate it looks at all of them and searches for look-alikes.
func (ix *Index) Explain(conn account.ConnectionID, groups account.GroupSet) []Explanation {
	var out []Explanation
	seen := newLookup(groups.Values)
	for _, rule := range ix.rules {
		if rule.Connection != conn {
			continue
		}
		out = append(out, rule.explain(groups, seen))
	}
	return out
}

func (c compiled) explain(groups account.GroupSet, seen *lookup) Explanation {
	e := Explanation{Rule: c.id, Name: c.Name, Wanted: c.Groups}
	first := -1
	for _, g := range c.Groups {
		if i, ok := seen.exact[g]; ok && groups.State != account.GroupsUnknown {
			e.Grants = append(e.Grants, c.grants(g)...)
			if first < 0 || i < first {
				first = i
			}
		}
	}
	if first >= 0 {
		e.Matched, e.Group = true, groups.Values[first]
		e.Why = fmt.Sprintf("received %q", e.Group)
		return e
	}
	needs := "needs " + quoted(c.Groups, 3)
	switch {
	case groups.State == account.GroupsUnknown:
		e.Why = needs + ", and the groups are unknown" + inBrackets(groups.Why)
		return e
	case len(groups.Values) == 0:
		e.Why = needs + ", received no groups"
		return e
	}
	for _, g := range c.Groups {
		if near, why, ok := seen.near(g); ok {
			e.Near, e.Why = near, fmt.Sprintf("needs %q, received %q: %s", g, near, why)
			return e
		}
	}
	e.Why = fmt.Sprintf("%s, which is not among the %d groups received", needs, len(groups.Values))
	if groups.State == account.GroupsIncomplete {
		e.Why = needs + ", which is not among the groups received; the list is incomplete" + inBrackets(groups.Why)
	}
	return e
}

func quoted(values []string, most int) string {
	var b strings.Builder
	for i, v := range values {
		switch {
		case i == most:
			fmt.Fprintf(&b, " or one of %d more", len(values)-most)
			return b.String()
		case i > 0:
			b.WriteString(" or ")
		}
		fmt.Fprintf(&b, "%q", v)
	}
	return b.String()
}

func inBrackets(why string) string {
	if why == "" {
		return ""
	}
	return " (" + why + ")"
}
