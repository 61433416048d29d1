package main

import (
	"fmt"
	"text/tabwriter"
	"time"

	"github.com/drawbridge-id/drawbridge/account"
)

type receiptsCmd struct {
	Org    string `arg:"" help:"Exact name of the org."`
	User   string `help:"Of one person alone, by e-mail address."`
	Number int    `short:"n" default:"50" help:"At most so many."`
}

func (c receiptsCmd) Run(a *app) error {
	l, acct, err := a.in(c.Org)
	if err != nil {
		return err
	}
	defer l.Close()
	var user account.UserID
	if c.User != "" {
		p, err := l.PersonByEmail(a.ctx, operator(), acct.ID, c.User)
		if err != nil {
			return err
		}
		user = p.User.ID
	}
	all, err := l.Receipts(a.ctx, operator(), acct.ID, user, "", c.Number)
	if err != nil {
		return err
	}
	w := tabwriter.NewWriter(a.out, 0, 4, 2, ' ', 0)
	fmt.Fprintln(w, "RECEIVED\tPERSON\tBY\tWHY\tSESSIONS\tKEYS\tEVERYWHERE AFTER\tRECEIPT")
	for _, r := range all {
		took := "not noted"
		if !r.Everywhere.IsZero() {
			took = r.Took().Round(time.Microsecond).String()
		}
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%d\t%d\t%s\t%s\n", r.Received.Format(time.RFC3339), r.Email, r.By, r.Why, r.Sessions, r.Keys, took, r.ID)
	}
	return w.Flush()
}
