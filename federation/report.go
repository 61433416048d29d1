package federation

import (
	"fmt"
	"slices"
	"strings"

	"github.com/drawbridge-id/drawbridge/account"
)

// Verdict is a test in one sentence: "Ana Ruiz would sign in and get 2 roles." It names nobody when the
// sign-in would fail.
func Verdict(d account.Diagnosis) string {
	switch {
	case d.Outcome == account.OutcomePending:
		return "Nobody has used the test link yet."
	case d.Outcome == account.OutcomePassed:
		return called(d) + " would sign in and get " + roles(d) + "."
	case d.Step == account.StepRelying:
		return "Sign-in would work, but not for " + strings.Join(unserved(d), " and ") + "."
	}
	return fmt.Sprintf("Sign-in would fail: %d of %s.", countChecks(d, account.Fail), plural(len(d.Checks), "check"))
}

// unserved are the relying services that need more than was sent.
func unserved(d account.Diagnosis) (labels []string) {
	for _, r := range d.Relying {
		if !r.Pass {
			labels = append(labels, r.Label)
		}
	}
	return labels
}

func called(d account.Diagnosis) string {
	for _, s := range []string{d.Name, d.Email, d.Subject} {
		if s != "" {
			return s
		}
	}
	return "This person"
}

func roles(d account.Diagnosis) string {
	if d.Preview == nil {
		return "no roles"
	}
	n := 0
	for _, h := range d.Preview.Roles {
		if h.Scope.Org != "" {
			n++
		}
	}
	if n == 0 {
		return "no roles"
	}
	return plural(n, "role")
}

func countChecks(d account.Diagnosis, v account.Verdict) (n int) {
	for _, k := range d.Checks {
		if k.Verdict == v {
			n++
		}
	}
	return n
}

func plural(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}

// Report is a test as text for a terminal: the verdict, who it was, groups, rules with reasons, the roles that
// would result, and everything that needs a hand, with what to do in the provider of kind. Values that a
// stranger sent are shown without control characters.
func Report(d account.Diagnosis, cat account.Catalogue, kind account.IdPKind) string {
	r := &report{cat: cat, kind: kind}
	r.head(d)
	r.row("Who", identified(d))
	r.groups(d.Groups)
	if d.Preview != nil {
		r.rules(*d.Preview)
	}
	for _, res := range d.Relying {
		if !res.Pass {
			r.row("Relying", "- "+res.Label+" lacks "+strings.Join(res.Missing, ", "))
		}
	}
	r.checks(d, account.Fail)
	r.checks(d, account.Warn)
	return r.String()
}

type report struct {
	strings.Builder
	cat  account.Catalogue
	kind account.IdPKind
	last string
}

// row writes a label and a line; the label is left out when it repeats.
func (r *report) row(label, text string) {
	shown := label
	if label == r.last {
		shown = ""
	}
	r.last = label
	fmt.Fprintf(r, "%-10s %s\n", shown, printable(text))
}

func (r *report) head(d account.Diagnosis) {
	word := map[account.Outcome]string{account.OutcomePassed: "PASS", account.OutcomeRefused: "FAIL", account.OutcomePending: "WAIT"}[d.Outcome]
	line := fmt.Sprintf("%-5s %d of %s", word, countChecks(d, account.Pass), plural(len(d.Checks), "check"))
	if n := countChecks(d, account.Fail); n > 0 {
		line += fmt.Sprintf(", %d failed", n)
	}
	if n := countChecks(d, account.Warn); n > 0 {
		line += ", " + plural(n, "warning")
	}
	if d.ID != "" {
		line = fmt.Sprintf("%-62s diagnosis %s", line, d.ID)
	}
	fmt.Fprintf(r, "%s\n%s\n", line, printable(Verdict(d)))
}

func identified(d account.Diagnosis) string {
	if d.Subject == "" {
		return "not known"
	}
	email := d.Email
	if email == "" {
		email = "no address"
	}
	return fmt.Sprintf("%s  (subject %s)", email, d.Subject)
}

func (r *report) groups(g account.GroupSet) {
	switch {
	case g.State == "":
		return
	case len(g.Values) == 0:
		r.row("Groups", "none ("+string(g.State)+")")
	default:
		shown, more := g.Values, ""
		if len(shown) > 20 {
			shown, more = shown[:20], fmt.Sprintf(" and %d more", len(g.Values)-20)
		}
		r.row("Groups", strings.Join(shown, ", ")+more)
	}
	if g.State != account.GroupsComplete && g.Why != "" {
		r.row("Groups", string(g.State)+": "+g.Why)
	}
	if g.Source != "" {
		r.row("Groups", "source: "+g.Source)
	}
}

func (r *report) rules(p account.Preview) {
	if p.Skipped != "" {
		r.row("Rules", "skipped: "+p.Skipped)
	}
	for _, rule := range p.Rules {
		if !rule.Matched {
			r.row("Rules", fmt.Sprintf("- %q%s  %s", rule.Name, state(rule), rule.Reason))
			continue
		}
		var gives []string
		for _, h := range rule.Gives {
			gives = append(gives, r.cat.Label(h.Role)+" ("+where(h.Scope)+")")
		}
		r.row("Rules", fmt.Sprintf("+ %q%s  -> %s", rule.Name, state(rule), strings.Join(gives, ", ")))
	}
	for _, h := range p.Roles {
		r.row("Roles", r.cat.Label(h.Role)+" ("+where(h.Scope)+")")
	}
	for _, h := range p.WithDrafts {
		if !account.HasRole(p.Roles, h.Scope, h.Role) {
			r.row("Drafts", "would add "+r.cat.Label(h.Role)+" ("+where(h.Scope)+")")
		}
	}
}

func state(r account.RuleResult) string {
	if r.State == "" || r.State == "active" {
		return ""
	}
	return " [" + r.State + "]"
}

func where(s account.Scope) string {
	switch {
	case s.Org == "":
		return "account"
	case s.Team == "":
		return "org"
	}
	return "team " + string(s.Team)
}

// checks lists those with one verdict and what to do about each.
func (r *report) checks(d account.Diagnosis, v account.Verdict) {
	for _, k := range d.Checks {
		if k.Verdict != v {
			continue
		}
		r.last = ""
		r.row(strings.ToUpper(string(v)), k.Title+" ["+k.Code+"]")
		if k.Expected != "" {
			r.row("", "expected "+k.Expected)
		}
		if k.Received != "" {
			r.row("", "received "+k.Received)
		}
		for _, kind := range slices.Compact([]account.IdPKind{r.kind, account.KindGeneric}) {
			if fix := k.Fix[kind]; fix != "" {
				r.row("", "fix: "+fix)
				break
			}
		}
	}
}

// printable drops control characters, so that nothing received can drive the terminal.
func printable(s string) string {
	return strings.Map(func(r rune) rune {
		if r < 0x20 && r != '\t' || r == 0x7f || r >= 0x80 && r < 0xa0 {
			return -1
		}
		return r
	}, s)
}
