package oidc

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"strings"

	"github.com/drawbridge-id/drawbridge/account"
)

// groupsByOkta completes a list of exactly 100, where Okta cuts without a word, from its API. Without a
// token, or when the API does not answer, the list stays what it is: incomplete.
func (j *judge) groupsByOkta(ctx context.Context, set account.GroupSet) account.GroupSet {
	set.State, set.Why = account.GroupsIncomplete, "Okta cuts the list at 100 groups without saying so."
	if j.o.OktaGroups != nil && !j.o.OktaGroups.Token.IsZero() {
		ctx, cancel := context.WithTimeout(ctx, directoryTime)
		defer cancel()
		names, err := j.readOkta(ctx)
		if err == nil {
			// The claim's own values stay in: a name that only the claim has is still what Okta said.
			set = account.GroupSet{State: account.GroupsComplete, Source: "okta-api"}
			set.Values = readGroups(append(asList(names), asList(j.claimed())...), "", j.s.Mapping.StripPrefix).values
			j.pass(account.StepGroups, "overage", "Too many groups for the token", fmt.Sprintf("%d read from Okta's API", len(set.Values)))
		} else {
			set.Why += " Its API did not give the rest: " + asError(err).Message
		}
	}
	j.reportGroups(set)
	return set
}

func (j *judge) claimed() []string {
	v, _, _, _ := j.groupClaim(j.groupNames())
	return readGroups(v, j.s.Mapping.Delimiter, j.s.Mapping.StripPrefix).values
}

func asList(names []string) []any {
	out := make([]any, len(names))
	for i, n := range names {
		out[i] = n
	}
	return out
}

// readOkta lists the names of all groups of a person: GET /api/v1/users/{id}/groups, following Link headers
// on the same host only.
func (j *judge) readOkta(ctx context.Context) ([]string, error) {
	base := strings.TrimSuffix(j.o.OktaGroups.BaseURL, "/")
	if base == "" {
		u, err := url.Parse(j.o.Issuer)
		if err != nil {
			return nil, err
		}
		base = u.Scheme + "://" + u.Host
	}
	id := text(j.claims, "sub")
	if uid := text(j.claims, "uid"); uid != "" { // a custom server's sub is the login; uid is the id
		id = uid
	}
	var names []string
	target := base + "/api/v1/users/" + url.PathEscape(id) + "/groups?limit=200"
	for page := 0; target != ""; page++ {
		if page == directoryPages || len(names) > directoryMax {
			return nil, account.Errorf(account.Invalid, "Okta lists more groups than can be read during a sign-in.")
		}
		answer, header, err := j.rp.directory(ctx, http.MethodGet, target, "SSWS "+j.o.OktaGroups.Token.Reveal(), "")
		if err != nil {
			return nil, err
		}
		list, isList := answer.([]any)
		if !isList {
			return nil, account.Errorf(account.Invalid, "Okta answers without a list of groups.")
		}
		for _, g := range list {
			o, _ := g.(object)
			profile, _ := o["profile"].(object)
			name := text(profile, "name")
			if name == "" {
				return nil, account.Errorf(account.Invalid, "Okta lists a group without a name.")
			}
			names = append(names, name)
		}
		if target = nextLink(header["Link"]); target != "" && !below(base, target) {
			return nil, account.Errorf(account.Invalid, "Okta's next page is at %q, outside of %s.", clip(target, 200), clip(base, 200))
		}
	}
	return names, nil
}

// nextLink finds the target of rel="next" (RFC 8288 §3). Targets with a comma inside are cut by nobody: they stand
// in angle brackets.
func nextLink(headers []string) string {
	for _, h := range headers {
		for h != "" {
			_, rest, open := strings.Cut(h, "<")
			target, rest, closed := strings.Cut(rest, ">")
			if !open || !closed {
				break
			}
			params, following, more := strings.Cut(rest, "<")
			for _, p := range strings.Split(params, ";") {
				name, value, _ := strings.Cut(p, "=")
				if strings.EqualFold(strings.TrimSpace(name), "rel") && strings.Trim(strings.TrimSpace(value), `", `) == "next" {
					return target
				}
			}
			if h = ""; more {
				h = "<" + following
			}
		}
	}
	return ""
}
