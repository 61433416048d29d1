package main

import (
	"encoding/json"
	"fmt"

	"github.com/drawbridge-id/drawbridge/account"
)

// auditCmd prints the newest lines of an account's audit log, one JSON object a line with --json.
type auditCmd struct {
	Org  string `arg:"" help:"Exact name of the org."`
	N    int    `short:"n" default:"50" help:"How many lines, at most 1000."`
	JSON bool   `name:"json" help:"One JSON object a line."`
}

func (c auditCmd) Run(a *app) error {
	l, _, err := a.ledger()
	if err != nil {
		return err
	}
	defer l.Close()
	acct, _, err := findOrg(a, l, c.Org)
	if err != nil {
		return err
	}
	lines, err := l.Audit(a.ctx, operator(), acct.ID, account.AuditID(""), min(max(c.N, 1), 1000))
	if err != nil {
		return err
	}
	out := json.NewEncoder(a.out)
	for _, line := range lines {
		if c.JSON {
			if err := out.Encode(line); err != nil {
				return err
			}
			continue
		}
		detail, err := json.Marshal(line.Detail)
		if err != nil {
			return err
		}
		fmt.Fprintf(a.out, "%s  %-10s %-24s %s  by %s  %s %s\n", line.At, line.Outcome, line.Verb, line.Target, line.Actor, line.Reason, detail)
	}
	return nil
}
