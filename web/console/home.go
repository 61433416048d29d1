package console

import (
	"net/http"
	"slices"
	"time"

	"github.com/drawbridge-id/drawbridge/account"
	"github.com/drawbridge-id/drawbridge/federation/session"
	"github.com/drawbridge-id/drawbridge/web/page"
)

// home puts a presence into the words of the home page.
func home(p account.Presence, cat account.Catalogue, top page.Who) page.Home {
	h := page.Home{
		Who: top, Account: p.Account.Name, Number: p.Account.Number, Org: org(p.Org),
		AccountRole: cat.Label(p.Tenancy.Role), AccountWhy: why(p.Tenancy.Sources, p),
		Scopes: scopes(p, cat), Groups: groups(p.Groups), Connection: p.Connection.Name,
		SignedInAt: p.Session.CreatedAt, ExpiresAt: p.Session.ExpiresAt, MayTest: mayTest(p),
	}
	if p.External {
		h.AccountRole = "External user"
	}
	for _, place := range append(places(p, cat), externalIn(p)...) {
		if !place.Current {
			h.Places = append(h.Places, place)
		}
	}
	return h
}

// mayTest reports whether the login test is worth offering. The ledger asks again when it is used.
func mayTest(p account.Presence) bool {
	whole := account.Scope{Org: p.Org.ID}
	return account.HasRole(p.Roles, whole, account.Owner) || account.HasRole(p.Roles, whole, account.UserAdmin)
}

// scopes sorts the roles by where they hold: the whole org first, then teams by name.
func scopes(p account.Presence, cat account.Catalogue) []page.Scope {
	held := slices.DeleteFunc(slices.Clone(p.Roles), func(h account.Held) bool { return h.Scope.Org == "" })
	account.SortHeld(held)
	var out []page.Scope
	for _, h := range held {
		team := p.Teams[h.Scope.Team].Name
		if team == "" {
			team = string(h.Scope.Team) // a team without a name is better shown by its id than as the whole org
		}
		i := slices.IndexFunc(out, func(s page.Scope) bool { return s.Team == team })
		if i < 0 {
			out, i = append(out, page.Scope{Team: team}), len(out)
		}
		out[i].Roles = append(out[i].Roles, page.Role{Label: cat.Label(h.Role), Role: string(h.Role), Help: help(h.Role, cat), Why: why(h.Sources, p)})
	}
	slices.SortStableFunc(out, func(a, b page.Scope) int {
		switch {
		case a.Team < b.Team:
			return -1
		case a.Team > b.Team:
			return 1
		}
		return 0
	})
	return out
}

func help(r account.Role, cat account.Catalogue) string {
	switch r {
	case account.Owner:
		return "Decides everything in the organization."
	case account.UserAdmin:
		return "Adds people and gives roles."
	}
	_, sr, _ := cat.Role(r)
	return sr.Help
}

// why says in words for which reasons a role is held.
func why(sources []account.Source, p account.Presence) []string {
	var words []string
	for _, s := range sources {
		provider := "the identity provider"
		if s.Connection != "" && s.Connection == p.Connection.ID && p.Connection.Name != "" {
			provider = p.Connection.Name
		}
		words = append(words, because(s, p.Rules[s.Rule], provider))
	}
	return words
}

// because puts one source into words.
func because(s account.Source, rule, provider string) string {
	if rule == "" {
		rule = string(s.Rule)
	}
	switch s.Kind {
	case account.SourceManual:
		if s.By == string(account.ActorOperator) {
			return "granted by the operator" + on(s.At)
		}
		return "granted by hand" + on(s.At)
	case account.SourceInvitation:
		return "came with an invitation" + on(s.At)
	case account.SourceRule:
		return "rule “" + rule + "”, because " + provider + " says " + s.Group
	case account.SourceSCIM:
		return "pushed by " + provider + on(s.At)
	case account.SourceSignIn:
		return "signed in through " + provider + on(s.At)
	case account.SourceMember:
		return "because you have a place in the account"
	case account.SourceExternal:
		return "through the external user group " + s.Group
	}
	return string(s.Kind)
}

// on dates a sentence; nothing when the date is unknown.
func on(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return " on " + t.UTC().Format("2 Jan 2006")
}

// remind reports whether an owner should be reminded of a second factor: their password alone lets them in, and they have not said that it can wait (H-09).
func (c *Console) remind(r *http.Request, p account.Presence) (bool, error) {
	if p.Session.Method != account.ByPassword || !account.HasRole(p.Roles, account.Scope{Org: p.Org.ID}, account.Owner) || !session.Reminded(r) {
		return false, nil
	}
	set, _, err := c.ledger.Factors(r.Context(), actor(r, p))
	return len(set) == 0, err
}
