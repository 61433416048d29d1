package main

import (
	"cmp"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"text/tabwriter"

	"github.com/drawbridge-id/drawbridge/account"
	"github.com/drawbridge-id/drawbridge/rules"
)

type rulesCmd struct {
	List     rulesListCmd     `cmd:"" help:"List the rules of an org with their state."`
	Test     rulesTestCmd     `cmd:"" help:"Say which rules a set of group values would match, and why the others would not."`
	Plan     rulesPlanCmd     `cmd:"" help:"Dry run: who would gain, lose or keep what if the drafts were activated now."`
	Activate rulesActivateCmd `cmd:"" help:"Make the drafts active and apply them."`
}

type rulesListCmd struct {
	Org string `arg:"" help:"Exact name of the org."`
}

func (c rulesListCmd) Run(a *app) error {
	l, acct, err := a.in(c.Org)
	if err != nil {
		return err
	}
	defer l.Close()
	all, err := l.Rules(a.ctx, operator(), acct.ID)
	if err != nil {
		return err
	}
	teams, err := teamNames(a, l, acct.ID)
	if err != nil {
		return err
	}
	w := tabwriter.NewWriter(a.out, 0, 4, 2, ' ', 0)
	fmt.Fprintln(w, "STATE\tRULE\tGROUPS\tGIVES\tID")
	for _, r := range all {
		d := r.Draft
		if d == nil {
			d = r.Active
		}
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\n", r.State(), d.Name, strings.Join(d.Groups, ", "), gives(*d, teams), r.ID)
	}
	return w.Flush()
}

// gives says in one cell what a rule grants.
func gives(d rules.Definition, teams map[account.TeamID]string) string {
	parts := []string{"account " + string(cmp.Or(d.AccountRole, account.Member))}
	for _, t := range d.Targets {
		for _, r := range t.Roles {
			if t.Team != "" {
				parts = append(parts, string(r)+" in team "+teams[t.Team])
			} else {
				parts = append(parts, string(r))
			}
		}
	}
	return strings.Join(parts, ", ")
}

type rulesTestCmd struct {
	Connection string   `arg:"" help:"Connection as org/name or id."`
	Groups     []string `required:"" sep:"," help:"Group values as the identity provider sends them."`
	Email      string   `help:"Address of the person, to start from the roles held now."`
}

func (c rulesTestCmd) Run(a *app) error {
	l, _, err := a.ledger()
	if err != nil {
		return err
	}
	defer l.Close()
	conn, err := findConnection(a, l, c.Connection)
	if err != nil {
		return err
	}
	p, err := l.Preview(a.ctx, operator(), account.Login{Connection: conn.ID, Email: c.Email,
		Groups: account.GroupSet{State: account.GroupsComplete, Values: c.Groups}})
	if err != nil {
		return err
	}
	for _, r := range p.Rules {
		sign := "-"
		if r.Matched {
			sign = "+"
		}
		fmt.Fprintf(a.out, "%s %-8s %q  %s\n", sign, r.State, r.Name, r.Reason)
	}
	teams, err := teamNames(a, l, conn.Account)
	if err != nil {
		return err
	}
	fmt.Fprintln(a.out, "roles    "+heldWords(l.Catalogue(), teams, p.Roles))
	fmt.Fprintln(a.out, "drafts   "+heldWords(l.Catalogue(), teams, p.WithDrafts))
	return nil
}

func heldWords(cat account.Catalogue, teams map[account.TeamID]string, held []account.Held) string {
	var words []string
	for _, h := range held {
		w := cat.Label(h.Role)
		switch {
		case h.Scope.Org == "":
			w += " (account)"
		case h.Scope.Team != "":
			w += " (team " + teams[h.Scope.Team] + ")"
		}
		words = append(words, w)
	}
	if len(words) == 0 {
		return "none"
	}
	slices.Sort(words)
	return strings.Join(slices.Compact(words), ", ")
}

type rulesPlanCmd struct {
	Org  string `arg:"" help:"Exact name of the org."`
	JSON bool   `name:"json" help:"Print the whole plan as JSON."`
}

func (c rulesPlanCmd) Run(a *app) error {
	l, acct, err := a.in(c.Org)
	if err != nil {
		return err
	}
	defer l.Close()
	plan, err := l.PlanRules(a.ctx, operator(), acct.ID)
	if err != nil {
		return err
	}
	return printPlan(a, l, acct.ID, plan, c.JSON)
}

type rulesActivateCmd struct {
	Org string `arg:"" help:"Exact name of the org."`
	Yes bool   `help:"Activate; without it the plan is printed and nothing changes."`
	// Confirm is apart from Yes: a script that always says yes must still stop at a mistake that strips half of the company.
	Confirm string `help:"The org's name again, needed when more people lose roles than the limit rules_loss_share allows."`
}

func (c rulesActivateCmd) Run(a *app) error {
	l, acct, err := a.in(c.Org)
	if err != nil {
		return err
	}
	defer l.Close()
	var plan rules.Plan
	if c.Yes {
		plan, err = l.ActivateRules(a.ctx, operator(), acct.ID, c.Confirm == c.Org)
	} else {
		plan, err = l.PlanRules(a.ctx, operator(), acct.ID)
	}
	if err != nil {
		return err
	}
	if err := printPlan(a, l, acct.ID, plan, false); err != nil {
		return err
	}
	if !c.Yes {
		return account.Errorf(account.Invalid, "Nothing was changed.").Fix("Read the plan, then run it again with --yes.")
	}
	_, err = fmt.Fprintln(a.out, "activated")
	return err
}

func printJSON(a *app, v any) error {
	e := json.NewEncoder(a.out)
	e.SetIndent("", "  ")
	e.SetEscapeHTML(false)
	return e.Encode(v)
}
