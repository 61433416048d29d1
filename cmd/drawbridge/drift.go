package main

import (
	"fmt"

	"github.com/drawbridge-id/drawbridge/account"
)

type driftCmd struct {
	Org    string `arg:"" help:"Exact name of the org."`
	Repair bool   `help:"Do about each what the provider said already; what needs a decision is left."`
}

func (c driftCmd) Run(a *app) error {
	l, acct, err := a.in(c.Org)
	if err != nil {
		return err
	}
	defer l.Close()
	found, mended := 0, 0
	var kept error
	repaired := map[account.UserID]bool{} // all of a person's rows at once
	for after := ""; ; {
		rows, next, err := l.Drift(a.ctx, operator(), acct.ID, after, 200)
		if err != nil {
			return err
		}
		for _, d := range rows {
			found++
			fmt.Fprintf(a.out, "%s  %s\n    %s\n", d.Kind, d.Email, d.Detail)
			for mark, roles := range map[string][]account.RoleAt{"+": d.Gain, "-": d.Lose} {
				for _, r := range roles {
					fmt.Fprintf(a.out, "    %s %s\n", mark, l.Catalogue().Label(r.Role))
				}
			}
			if len(d.Pushed)+len(d.Claimed) > 0 {
				fmt.Fprintf(a.out, "    pushed only %q, claimed only %q\n", d.Pushed, d.Claimed)
			}
			if !c.Repair || d.Repair == "" || repaired[d.User] {
				continue
			}
			repaired[d.User] = d.User != ""
			done, err := l.RepairDrift(a.ctx, operator(), acct.ID, d)
			if err != nil {
				kept = err
				fmt.Fprintf(a.out, "    not repaired: %v\n", err)
				continue
			}
			for _, r := range done {
				mended++
				fmt.Fprintf(a.out, "    repaired: %s\n", r.Repair)
			}
		}
		if next == "" {
			break
		}
		after = next
	}
	fmt.Fprintf(a.out, "%d found, %d repaired\n", found, mended)
	return kept
}
