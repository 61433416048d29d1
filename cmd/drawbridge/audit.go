package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"os"
	"time"

	"github.com/drawbridge-id/drawbridge/account"
	"github.com/drawbridge-id/drawbridge/audit"
)

type auditCmd struct {
	List   auditListCmd   `cmd:"" default:"withargs" help:"Show the newest lines of an account's audit log."`
	Export auditExportCmd `cmd:"" help:"Write the whole audit log of an account with its seals, as JSON lines."`
	Verify auditVerifyCmd `cmd:"" help:"Check an export, without a database: that nothing in it was changed, added or removed."`
}

// auditListCmd prints the newest lines of an account's audit log, one JSON object a line with --json.
type auditListCmd struct {
	Org  string `arg:"" help:"Exact name of the org."`
	N    int    `short:"n" default:"50" help:"How many lines, at most 1000."`
	JSON bool   `name:"json" help:"One JSON object a line."`
}

func (c auditListCmd) Run(a *app) error {
	l, acct, err := a.in(c.Org)
	if err != nil {
		return err
	}
	defer l.Close()
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

type auditExportCmd struct {
	Org string `arg:"" help:"Exact name of the org."`
}

func (c auditExportCmd) Run(a *app) error {
	l, acct, err := a.in(c.Org)
	if err != nil {
		return err
	}
	defer l.Close()
	out := bufio.NewWriter(a.out)
	if err := l.ExportAudit(a.ctx, operator(), acct.ID, out); err != nil {
		return err
	}
	return out.Flush()
}

type auditVerifyCmd struct {
	File string `arg:"" type:"existingfile" help:"What \"audit export\" wrote."`
	Key  string `help:"The key that it has to be sealed with, as an earlier check printed it. Without it the key in the export is believed."`
}

func (c auditVerifyCmd) Run(a *app) error {
	f, err := os.Open(c.File)
	if err != nil {
		return err
	}
	defer f.Close()
	r, err := audit.Verify(f, c.Key)
	if err != nil {
		return err
	}
	fmt.Fprintf(a.out, "intact: %d lines in %d blocks, %d not sealed yet\naccount %s\nkey     %s\nlast    block %d, sealed %s\nhash    %x\n",
		r.Lines, r.Blocks, r.Open, r.Account, r.Key, r.Blocks, r.Last.Format(time.RFC3339), []byte(r.Hash))
	return nil
}
