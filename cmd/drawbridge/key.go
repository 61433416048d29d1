package main

import (
	"fmt"
	"io"
	"text/tabwriter"
	"time"

	"github.com/drawbridge-id/drawbridge/account"
	"github.com/drawbridge-id/drawbridge/store"
)

type keyCmd struct {
	List   keyListCmd   `cmd:"" help:"List somebody's keys in an org, revoked ones included."`
	Revoke keyRevokeCmd `cmd:"" help:"Make a key worthless at once, for good."`
}

type keyListCmd struct{ personArg }

func (c keyListCmd) Run(a *app) error {
	return withPerson(a, c.personArg, func(l *store.Ledger, acct account.Account, p store.Person) error {
		keys, err := l.Keys(a.ctx, operator(), acct.ID, p.User.ID)
		if err != nil {
			return err
		}
		return keyTable(a.out, keys)
	})
}

func keyTable(to io.Writer, keys []account.Key) error {
	w := tabwriter.NewWriter(to, 0, 4, 2, ' ', 0)
	fmt.Fprintln(w, "KEY\tNAME\tENDS IN\tSTATE\tCREATED\tEXPIRES\tLAST USED")
	for _, k := range keys {
		state := string(k.State)
		if k.Reason != "" {
			state += " (" + k.Reason + ")"
		}
		fmt.Fprintf(w, "%s\t%s\t…%s\t%s\t%s\t%s\t%s\n", k.ID, k.Name, k.Last4, state, k.CreatedAt.Format(time.RFC3339), timeOrNever(k.ExpiresAt), timeOrNever(k.UsedAt))
	}
	return w.Flush()
}

type keyRevokeCmd struct {
	Org string `arg:"" help:"Exact name of the org."`
	Key string `arg:"" help:"The key's id, as list shows it."`
}

func (c keyRevokeCmd) Run(a *app) error {
	l, acct, err := a.in(c.Org)
	if err != nil {
		return err
	}
	defer l.Close()
	k, err := l.RevokeKey(a.ctx, operator(), acct.ID, account.KeyID(c.Key))
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(a.out, "%s (…%s) is revoked\n", k.Name, k.Last4)
	return err
}
