package console

import (
	"cmp"
	"fmt"
	"net/http"
	"slices"
	"strings"

	"github.com/drawbridge-id/drawbridge/account"
	"github.com/drawbridge-id/drawbridge/rules"
	"github.com/drawbridge-id/drawbridge/web/page"
)

// names are what ids on the result page are called.
type names struct {
	connection account.Connection
	org        account.Org
	teams      map[account.TeamID]string
	aliases    map[string]string   // of group values
	usedBy     map[string][]string // names of the rules that ask for a group value
}

// show draws the result of a test, or its waiting room.
func (c *Console) show(w http.ResponseWriter, r *http.Request, p account.Presence, d account.Diagnosis) error {
	n, err := c.names(r, p, d)
	if err != nil {
		return err
	}
	if d.Outcome == account.OutcomePending {
		return page.Render(w, r, http.StatusOK, page.LoginTestWaiting{Who: who(r, p), Connection: n.connection.Name,
			Kind: kind(n.connection, d.Which), Diagnosis: d.ID, Started: d.At, Again: makeTarget(d.Connection, d.Which)})
	}
	v := result(d, n, c.ledger.Catalogue())
	v.Who = who(r, p)
	return page.Render(w, r, http.StatusOK, v)
}

// names reads what the ids of d are called, as far as this person may know.
func (c *Console) names(r *http.Request, p account.Presence, d account.Diagnosis) (names, error) {
	n := names{teams: map[account.TeamID]string{}, aliases: map[string]string{}, usedBy: map[string][]string{}}
	by, ctx := actor(r, p), r.Context()
	connections, err := c.ledger.Connections(ctx, by, d.Account)
	if err != nil {
		return n, err
	}
	for _, con := range connections {
		if con.ID == d.Connection {
			n.connection = con
		}
	}
	if _, n.org, err = c.ledger.Account(ctx, by, d.Account); err != nil {
		return n, err
	}
	teams, err := c.ledger.Teams(ctx, by, d.Account)
	if err != nil {
		return n, err
	}
	for _, t := range teams {
		n.teams[t.ID] = t.Name
	}
	known, err := c.ledger.IdPGroups(ctx, by, d.Account)
	if err != nil {
		return n, err
	}
	for _, g := range known {
		if g.Connection == d.Connection && g.Alias != "" {
			n.aliases[g.Value] = g.Alias
		}
	}
	all, err := c.ledger.Rules(ctx, by, d.Account)
	if err != nil {
		return n, err
	}
	n.usedBy = usedBy(all, d.Connection)
	return n, nil
}

// usedBy says which rules of a connection ask for a group value, in their active version or in their draft.
func usedBy(all []rules.Rule, con account.ConnectionID) map[string][]string {
	used := map[string][]string{}
	for _, rule := range all {
		for _, version := range []*rules.Definition{rule.Active, rule.Draft} {
			if version == nil || version.Connection != con {
				continue
			}
			for _, g := range version.Groups {
				if !slices.Contains(used[g], version.Name) {
					used[g] = append(used[g], version.Name)
				}
			}
		}
	}
	return used
}

// result puts a finished diagnosis into the words of the result page (CONSOLE: verdict, checks, received,
// groups, rules, roles, services).
func result(d account.Diagnosis, n names, cat account.Catalogue) page.LoginTestResult {
	v := page.LoginTestResult{
		Real: !d.Test, Diagnosis: d.ID, Connection: cmp.Or(n.connection.Name, string(d.Connection)), Which: d.Which, Kind: kind(n.connection, d.Which), At: d.At,
		Person: cmp.Or(d.Name, d.Email), Outcome: worst(d), Checks: page.GroupChecks(d.Checks),
		Claims: claims(d.Claims), Raw: d.Raw, Again: makeTarget(d.Connection, d.Which),
	}
	if s := n.connection.Version(d.Which); s != nil {
		v.Protocol = s.Protocol
	}
	v.Groups = page.GroupResult{State: d.Groups.State, Why: d.Groups.Why, Source: sourceName(d.Groups.Source)}
	for _, g := range d.Groups.Values {
		v.Groups.Values = append(v.Groups.Values, page.GroupValue{Value: g, Alias: n.aliases[g], UsedBy: n.usedBy[g]})
	}
	if d.Preview != nil {
		v.Rules, v.Roles = ruleResults(d.Preview.Rules, n, cat), roleResults(*d.Preview, n, cat)
		v.RolesNote = rolesNote(d)
	}
	for _, r := range d.Relying {
		verdict := account.Pass
		if !r.Pass {
			verdict = account.Fail
		}
		v.Relying = append(v.Relying, page.RelyingResult{Label: r.Label, Verdict: verdict, Missing: r.Missing})
	}
	v.Sentence = sentence(d, v)
	v.Confirm = confirm(d, n)
	return v
}

// sentence is the verdict in words.
func sentence(d account.Diagnosis, v page.LoginTestResult) string {
	who := cmp.Or(v.Person, "This person")
	if !d.Test {
		if d.Outcome == account.OutcomePassed {
			return who + " was let in."
		}
		return fmt.Sprintf("%s was not let in: %d of %d checks failed.", who, v.Failed(), v.Total())
	}
	if d.Outcome != account.OutcomePassed {
		var missed []string
		for _, r := range v.Relying {
			if r.Verdict == account.Fail {
				missed = append(missed, r.Label)
			}
		}
		if d.Step == account.StepRelying && len(missed) > 0 {
			return "Sign-in would work, but not for " + strings.Join(missed, " and ") + "."
		}
		return fmt.Sprintf("Sign-in would fail: %d of %d checks.", v.Failed(), v.Total())
	}
	n := 0
	if d.Preview != nil {
		for _, h := range d.Preview.Roles {
			if h.Scope.Org != "" { // a seat in the account is not counted: it opens nothing by itself
				n++
			}
		}
	}
	switch n {
	case 0:
		return who + " would sign in and hold no role."
	case 1:
		return who + " would sign in and hold 1 role."
	}
	return fmt.Sprintf("%s would sign in and hold %d roles.", who, n)
}

// What a sign-in would do to one role of an existing person.
const (
	changeNew   = "new"
	changeKept  = "kept"
	changeLost  = "lost"
	changeDraft = "once the draft rules are active"
)

// roleResults lists what would be held, what would be lost, and what the draft rules would add.
func roleResults(p account.Preview, n names, cat account.Catalogue) []page.RoleResult {
	var out []page.RoleResult
	add := func(held []account.Held, change func(account.Held) string) {
		for _, h := range held {
			if c := change(h); c != "skip" {
				out = append(out, page.RoleResult{Label: cat.Label(h.Role), Scope: n.scope(h.Scope), Why: n.why(h.Sources, p.Rules), Change: c})
			}
		}
	}
	add(p.Roles, func(h account.Held) string {
		switch {
		case !p.Existing:
			return ""
		case account.HasRole(p.Before, h.Scope, h.Role):
			return changeKept
		}
		return changeNew
	})
	add(p.WithDrafts, func(h account.Held) string {
		if account.HasRole(p.Roles, h.Scope, h.Role) || account.HasRole(p.Before, h.Scope, h.Role) {
			return "skip"
		}
		return changeDraft
	})
	add(p.Before, func(h account.Held) string {
		if account.HasRole(p.Roles, h.Scope, h.Role) {
			return "skip"
		}
		return changeLost
	})
	return out
}

func rolesNote(d account.Diagnosis) string {
	switch {
	case d.Preview.Skipped == "owner":
		return "Owner, rules skipped: what an owner holds is not changed by rules."
	case d.Preview.Skipped != "":
		return "Rules skipped: " + d.Preview.Skipped + "."
	case d.Outcome == account.OutcomeRefused && d.Step != account.StepRelying:
		return "Nobody would be let in as it stands. These roles would result once every check passes."
	}
	return ""
}

// claims names the sources of claims for people.
func claims(all []account.Claim) []account.Claim {
	out := slices.Clone(all)
	for i := range out {
		out[i].Source = sourceName(out[i].Source)
	}
	return out
}

// sourceName is where a value came from, in words.
func sourceName(s string) string {
	switch s {
	case "assertion":
		return "the assertion"
	case "id_token":
		return "the ID token"
	case "graph":
		return "Microsoft Graph"
	case "okta-api":
		return "the Okta API"
	}
	return s
}

func ruleResults(all []account.RuleResult, n names, cat account.Catalogue) []page.RuleResult {
	var out []page.RuleResult
	for _, r := range all {
		v := page.RuleResult{Name: cmp.Or(r.Name, string(r.Rule)), Active: r.State != string(rules.Draft), Matched: r.Matched, Reason: r.Reason}
		for _, h := range r.Gives {
			v.Gives = append(v.Gives, cat.Label(h.Role)+" in "+n.scope(h.Scope))
		}
		out = append(out, v)
	}
	return out
}

// scope is "acme", "acme / build", or the account.
func (n names) scope(s account.Scope) string {
	switch {
	case s.Org == "":
		return "the account"
	case s.Team == "":
		return n.org.Name
	}
	return n.org.Name + " / " + cmp.Or(n.teams[s.Team], string(s.Team))
}

// why names the reasons of a role, rules by what they were called when the test ran.
func (n names) why(sources []account.Source, all []account.RuleResult) []string {
	var words []string
	for _, s := range sources {
		rule := ""
		for _, r := range all {
			if r.Rule == s.Rule {
				rule = r.Name
			}
		}
		words = append(words, because(s, rule, cmp.Or(n.connection.Name, "the identity provider")))
	}
	return words
}

// confirm offers to make a draft live; only a test that passed for every relying service may (K-14).
func confirm(d account.Diagnosis, n names) *page.Confirm {
	if !d.Test || d.Which != account.Draft || n.connection.Draft == nil {
		return nil
	}
	c := &page.Confirm{Action: path("/login-test/", d.ID) + "/confirm", Allowed: d.Outcome == account.OutcomePassed}
	if c.Allowed {
		return c
	}
	var failing []string
	for _, r := range d.Relying {
		if !r.Pass {
			failing = append(failing, r.Label)
		}
	}
	if len(failing) > 0 {
		c.Why = "Not served: " + strings.Join(failing, ", ") + ". Mend it and test again."
	} else {
		c.Why = "The draft can go live once its test passes."
	}
	return c
}
