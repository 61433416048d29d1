package main

import (
	"fmt"
	"strings"
	"text/tabwriter"

	"github.com/drawbridge-id/drawbridge/account"
	"github.com/drawbridge-id/drawbridge/rules"
	"github.com/drawbridge-id/drawbridge/store"
)

// printPlan shows who would gain, lose or keep what; people for whom nothing changes are counted only.
func printPlan(a *app, l *store.Ledger, acct account.AccountID, plan rules.Plan, asJSON bool) error {
	if asJSON {
		return printJSON(a, plan)
	}
	teams, err := teamNames(a, l, acct)
	if err != nil {
		return err
	}
	c := plan.Counts
	fmt.Fprintf(a.out, "%d people: %d gain, %d lose, %d unchanged, %d unknown, %d owners skipped\n",
		c.All, c.Gained, c.Lost, c.Unchanged, c.Unknown, c.Owners)
	w := tabwriter.NewWriter(a.out, 0, 4, 2, ' ', 0)
	for _, p := range plan.People {
		if p.Outcome == rules.Unchanged && len(p.Change.Replaced) == 0 && !p.Unmapped {
			continue
		}
		note := ""
		if p.Unmapped {
			note = "maps to no rule; "
		}
		fmt.Fprintf(w, "%s\t%s\t%s -> %s\t%s%s\n", p.Email, p.Outcome, heldWords(l.Catalogue(), teams, p.Before), heldWords(l.Catalogue(), teams, p.After), note, strings.Join(p.Reasons, " "))
	}
	return w.Flush()
}
