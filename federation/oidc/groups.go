package oidc

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"github.com/drawbridge-id/drawbridge/account"
)

// oktaCut is where Okta ends a groups claim without saying so.
const oktaCut = 100

// groups reads what the provider says about groups, and above all whether it is everything: only a
// complete set may take roles away (OIDC-G1, OIDC-G2, L-21).
func (j *judge) groups(ctx context.Context) (account.GroupSet, error) {
	names := j.groupNames()
	if len(names) == 0 {
		return j.noGroups("This kind of provider sends no groups.", false), nil
	}
	if j.overage(names) {
		return j.groupsByGraph(ctx)
	}
	value, name, source, found := j.groupClaim(names)
	switch {
	case !found && j.infoLost:
		return j.noGroups("The ID token has no groups and userinfo did not answer.", false), nil
	case !found:
		return j.noGroups("The provider sent no claim "+strings.Join(names, " or ")+".", true), nil
	case value == nil: // null is not []: it says nothing
		return j.noGroups("The claim "+name+" is null.", false), nil
	}
	read := readGroups(value, j.s.Mapping.Delimiter, j.s.Mapping.StripPrefix)
	set := account.GroupSet{State: account.GroupsComplete, Values: read.values, Source: source}
	switch {
	case read.odd > 0 && len(read.values) == 0:
		return j.noGroups(fmt.Sprintf("The claim %s has no value that can be read as a group.", name), false), nil
	case read.odd > 0:
		set.State, set.Why = account.GroupsIncomplete, fmt.Sprintf("%d values of the claim %s cannot be read as groups.", read.odd, name)
	case j.s.Kind == account.KindOkta && read.elements == oktaCut:
		return j.groupsByOkta(ctx, set), nil
	}
	j.reportGroups(set)
	return set, nil
}

// groupClaim is the first of the names that is there, null included: first all of them in the ID token, which is
// what the provider says about this sign-in, then in userinfo.
func (j *judge) groupClaim(names []string) (v any, name, source string, found bool) {
	for _, from := range []struct {
		claims object
		source string
	}{{j.claims, "id_token"}, {j.info, "userinfo"}} {
		for _, n := range names {
			if v, ok := lookup(from.claims, n); ok {
				return v, n, from.source, true
			}
		}
	}
	return nil, "", "", false
}

// overage is whether the provider left the groups out because there are too many: Entra names them in
// _claim_names (OC §5.6.2), with or without _claim_sources, or sends hasgroups. Where the sources point to
// is nobody's business: that address is the provider's choice and is never fetched.
func (j *judge) overage(names []string) bool {
	for _, claims := range []object{j.claims, j.info} {
		marked, _ := claims["_claim_names"].(object)
		for _, n := range names {
			_, elsewhere := marked[strings.TrimPrefix(n, "/")]
			more, _ := looseBool(claims["hasgroups"])
			if elsewhere || more && n == "groups" {
				return true
			}
		}
	}
	return false
}

// noGroups is an unknown set. absent is whether there was neither a claim nor a sign of one.
func (j *judge) noGroups(why string, absent bool) account.GroupSet {
	set := account.GroupSet{State: account.GroupsUnknown, Why: why, Absent: absent}
	j.reportGroups(set)
	return set
}

func (j *judge) reportGroups(set account.GroupSet) {
	received := fmt.Sprintf("%d groups from the %s", len(set.Values), strings.ReplaceAll(set.Source, "_", " "))
	switch set.State {
	case account.GroupsComplete:
		j.pass(account.StepGroups, "groups", "Groups", received)
	case account.GroupsIncomplete:
		j.warn(check(account.StepGroups, "groups_incomplete", "All groups arrive", "the complete list", received+". "+set.Why, fixes("Have the provider send only the groups that this application needs. Until then no role is taken away.",
			account.KindOkta, "Narrow the groups claim filter to fewer than 100 groups, or give the connection an API token that may read groups.",
			account.KindEntra, "Token configuration > groups claim: Groups assigned to the application.")))
	default:
		code := "groups_unknown"
		if set.Absent {
			code = "groups_absent"
		}
		j.warn(check(account.StepGroups, code, "The provider sends groups", strings.Join(j.groupNames(), " or "), set.Why, fixes("Add a groups claim to the ID token or to userinfo, or map groups to the claim that has them. Until then roles stay as they are.",
			account.KindOkta, "Sign On > OpenID Connect ID Token: set the groups claim filter. A custom server needs its own claim under Security > API > Claims.",
			account.KindEntra, "Token configuration > Add groups claim > Groups assigned to the application. Above 200 groups none is sent.",
			account.KindGoogle, "Google sends no groups with a sign-in: give roles by hand or push groups with SCIM.",
			account.KindADFS, "Add a claim rule that sends group membership as groups.")))
	}
}

// reading is what a group claim's value turned out to hold.
type reading struct {
	values   []string // without repetition
	elements int      // how many values the provider sent, before anything was dropped
	odd      int      // how many cannot be read as a group
}

// readGroups reads a group claim in every shape that providers use (OIDC-G1): a text, a list of texts or
// numbers, objects with a name or value, an object whose members are the groups, a list as JSON text. It never
// splits a text unless a delimiter is given: "Sales, EMEA" is one group.
func readGroups(v any, delimiter, prefix string) reading {
	var r reading
	seen := map[string]bool{}
	add := func(s string) {
		parts := []string{s}
		if delimiter != "" {
			parts = strings.Split(s, delimiter)
		}
		for _, p := range parts {
			if delimiter != "" {
				p = strings.TrimSpace(p)
			}
			p = strings.TrimPrefix(p, prefix)
			switch {
			case p == "" || seen[p]:
			case strings.ContainsFunc(p, control):
				r.odd++
			default:
				seen[p] = true
				r.values = append(r.values, p)
			}
		}
	}
	switch v := v.(type) {
	case []any:
		r.elements = len(v)
		for _, e := range v {
			if s, ok := groupName(e); ok {
				add(s)
				continue
			}
			r.odd++
		}
	case string:
		if list, ok := jsonList(v); ok {
			return readGroups(list, delimiter, prefix)
		}
		r.elements = 1
		add(v)
	case object:
		if s, ok := groupName(v); ok {
			r.elements = 1
			add(s)
			break
		}
		r.elements = len(v)
		for _, name := range slices.Sorted(keysOf(v)) { // {"eng":true,"ops":{…}}
			if member := v[name]; member != nil && member != false {
				add(name)
			}
		}
	default:
		if s, ok := groupName(v); ok {
			r.elements = 1
			add(s)
			break
		}
		r.odd = 1
	}
	return r
}

// groupName reads one group: a text, a number as it is spelled, or an object's name or value.
func groupName(v any) (string, bool) {
	switch v := v.(type) {
	case string:
		return v, true
	case json.Number:
		return v.String(), true
	case object:
		for _, member := range []string{"name", "value", "displayName"} {
			if s, isText := v[member].(string); isText && s != "" {
				return s, true
			}
		}
	}
	return "", false
}

// jsonList reads a list that was put into a text, as some providers' attribute mappings do. It has to be a list
// of texts or objects in full: anything else is a group with an odd name.
func jsonList(s string) ([]any, bool) {
	s = strings.TrimSpace(s)
	if !strings.HasPrefix(s, "[") || !strings.HasSuffix(s, "]") {
		return nil, false
	}
	o, err := readObject([]byte(`{"list":` + s + `}`))
	list, isList := o["list"].([]any)
	if err != nil || !isList || len(o) != 1 {
		return nil, false
	}
	for _, e := range list {
		_, isNumber := e.(json.Number)
		if _, ok := groupName(e); !ok || isNumber {
			return nil, false
		}
	}
	return list, true
}
