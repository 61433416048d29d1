package main

import (
	"fmt"
	"text/tabwriter"
	"time"

	"github.com/drawbridge-id/drawbridge/account"
	"github.com/drawbridge-id/drawbridge/store"
)

type scimCmd struct {
	Token   scimTokenCmd   `cmd:"" help:"Make, list and revoke the tokens that let an identity provider push people."`
	Client  scimClientCmd  `cmd:"" help:"Make, list and revoke OAuth clients, with which a provider fetches tokens of an hour."`
	Options scimOptionsCmd `cmd:"" help:"Say how pushed people and groups meet those that sign in."`
	Schema  scimSchemaCmd  `cmd:"" help:"Declare schemas of the connection's own, for attributes that the provider maps in addition."`
	Log     scimLogCmd     `cmd:"" help:"Show what a provider asked, newest first, and what came of it."`
	Replay  scimReplayCmd  `cmd:"" help:"Say how a request of the log would be answered now, and change nothing."`
	Unmet   scimUnmetCmd   `cmd:"" help:"List pushed people whom sign-in does not meet, with the reason."`
}

type scimTokenCmd struct {
	Create scimTokenCreateCmd `cmd:"" help:"Make a token, shown this once. Two can be valid, so that one is replaced without a gap."`
	List   scimTokenListCmd   `cmd:"" help:"List the valid tokens of a connection."`
	Revoke scimTokenRevokeCmd `cmd:"" help:"Make a token worthless at once."`
}

type scimTokenCreateCmd struct {
	Connection string        `arg:"" help:"Connection as org/name or id."`
	Life       time.Duration `default:"8760h" help:"How long it is valid."`
}

func (c scimTokenCreateCmd) Run(a *app) error {
	return with(a, c.Connection, func(l *store.Ledger, conn account.Connection, public string) error {
		t, secret, err := l.MintSCIMToken(a.ctx, operator(), conn.ID, c.Life)
		if err != nil {
			return err
		}
		fmt.Fprintf(a.out, "base URL  %s/scim/%s/v2\ntoken     %s\nid        %s\nexpires   %s\n\nThe token is not shown again.\n",
			public, conn.ID, secret.Reveal(), t.ID, t.ExpiresAt.Format(time.RFC3339))
		return nil
	})
}

type scimTokenListCmd struct {
	Connection string `arg:"" help:"Connection as org/name or id."`
}

func (c scimTokenListCmd) Run(a *app) error {
	return with(a, c.Connection, func(l *store.Ledger, conn account.Connection, _ string) error {
		all, err := l.SCIMTokens(a.ctx, operator(), conn.ID)
		if err != nil {
			return err
		}
		w := tabwriter.NewWriter(a.out, 0, 4, 2, ' ', 0)
		fmt.Fprintln(w, "ID\tENDS IN\tCREATED\tEXPIRES\tLAST USED")
		for _, t := range all {
			fmt.Fprintf(w, "%s\t…%s\t%s\t%s\t%s\n", t.ID, t.Last4, t.CreatedAt.Format(time.RFC3339), t.ExpiresAt.Format(time.RFC3339), timeOrNever(t.UsedAt))
		}
		return w.Flush()
	})
}

type scimTokenRevokeCmd struct {
	Connection string `arg:"" help:"Connection as org/name or id."`
	Token      string `arg:"" help:"The token's id, as list shows it."`
}

func (c scimTokenRevokeCmd) Run(a *app) error {
	return with(a, c.Connection, func(l *store.Ledger, conn account.Connection, _ string) error {
		if err := l.RevokeSCIMToken(a.ctx, operator(), conn.ID, account.SCIMTokenID(c.Token)); err != nil {
			return err
		}
		fmt.Fprintln(a.out, "revoked")
		return nil
	})
}

type scimOptionsCmd struct {
	Connection string `arg:"" help:"Connection as org/name or id."`
	Subject    string `default:"externalId" help:"Attribute of a pushed user that a sign-in brings as its subject: externalId or userName."`
	Groups     string `default:"merge" help:"What pushed groups count for beside those of a sign-in: merge, replace or ignore."`
}

func (c scimOptionsCmd) Run(a *app) error {
	return with(a, c.Connection, func(l *store.Ledger, conn account.Connection, _ string) error {
		return l.SetSCIMOptions(a.ctx, operator(), conn.ID, account.SCIMOptions{Subject: account.SCIMSubject(c.Subject), Groups: account.PushedGroups(c.Groups)})
	})
}

type scimLogCmd struct {
	Connection string `arg:"" help:"Connection as org/name or id."`
	Number     int    `short:"n" default:"50" help:"At most so many requests."`
	Body       bool   `help:"Show the bodies too; passwords are masked."`
}

func (c scimLogCmd) Run(a *app) error {
	return with(a, c.Connection, func(l *store.Ledger, conn account.Connection, _ string) error {
		all, err := l.SCIMRequests(a.ctx, operator(), conn.ID, "", c.Number)
		if err != nil {
			return err
		}
		for _, r := range all {
			fmt.Fprintf(a.out, "%s  %s  %s %s  %d %s  %s  %s\n", r.At.Format(time.RFC3339), r.ID, r.Method, r.Path, r.Status, r.SCIMType, r.Took.Round(time.Millisecond), r.Dialect)
			for _, line := range []string{r.Changed, r.Detail} {
				if line != "" {
					fmt.Fprintf(a.out, "    %s\n", line)
				}
			}
			if c.Body && r.Body != "" {
				fmt.Fprintf(a.out, "    %s\n", r.Body)
			}
		}
		return nil
	})
}
