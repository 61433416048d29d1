package rules

import (
	"slices"

	"github.com/drawbridge-id/drawbridge/account"
)

// Merge joins what a sign-in said about groups, now or last time, with the groups that the provider has pushed. A sign-in that
// never said anything leaves the word to the push; one whose claim was cut short, or is missing this time, keeps the result from
// taking roles away (promise 6).
func Merge(claims account.GroupSet, pushed []string, how account.PushedGroups) account.GroupSet {
	switch how {
	case account.GroupsReplace:
		return account.GroupSet{State: account.GroupsComplete, Values: pushed, Source: "scim"}
	case account.GroupsMerge:
	default:
		return claims
	}
	out := account.GroupSet{State: account.GroupsComplete, Values: slices.Clone(claims.Values), Source: "scim", Why: claims.Why}
	switch {
	case claims.State == account.GroupsComplete:
		out.Source = claims.Source
	case claims.State == "", claims.State == account.GroupsUnknown && claims.Absent:
		out.Why = "" // this connection sends no claim: the push knows all
	default:
		out.State = account.GroupsIncomplete
	}
	for _, v := range pushed {
		if !slices.Contains(claims.Values, v) {
			out.Values = append(out.Values, v)
		}
	}
	return out
}

// Reads reports whether any rule of a connection asks for one of the values, so that nobody else need be looked at.
func (ix *Index) Reads(conn account.ConnectionID, values ...string) bool {
	return slices.ContainsFunc(values, func(v string) bool { return len(ix.byGroup[conn][v]) > 0 })
}
