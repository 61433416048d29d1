package main

import (
	"fmt"
	"text/tabwriter"
	"time"

	"github.com/drawbridge-id/drawbridge/account"
)

type operatorTokenCmd struct {
	Create operatorTokenCreateCmd `cmd:"" help:"Make a token and print it, this once."`
	List   operatorTokenListCmd   `cmd:"" help:"List all tokens, those that are over included."`
	Revoke operatorTokenRevokeCmd `cmd:"" help:"Make a token worthless at once, for good."`
}

type operatorTokenCreateCmd struct {
	Name string `arg:"" help:"What people call it, for instance where it is used."`
	Days int    `default:"90" help:"How long it lives, at most 365."`
}

func (c operatorTokenCreateCmd) Run(a *app) error {
	l, _, err := a.ledger()
	if err != nil {
		return err
	}
	defer l.Close()
	t, secret, err := l.MintOperatorToken(a.ctx, operator(), c.Name, time.Duration(c.Days)*24*time.Hour)
	if err != nil {
		return err
	}
	fmt.Fprintf(a.errOut, "%s ends on %s. It is not shown again.\n", t.ID, t.ExpiresAt.Format(time.RFC3339))
	_, err = fmt.Fprintln(a.out, secret.Reveal())
	return err
}

type operatorTokenListCmd struct{}

func (operatorTokenListCmd) Run(a *app) error {
	l, _, err := a.ledger()
	if err != nil {
		return err
	}
	defer l.Close()
	all, err := l.OperatorTokens(a.ctx, operator())
	if err != nil {
		return err
	}
	w := tabwriter.NewWriter(a.out, 0, 4, 2, ' ', 0)
	fmt.Fprintln(w, "TOKEN\tNAME\tENDS IN\tSTATE\tCREATED\tEXPIRES\tLAST USED")
	for _, t := range all {
		state := "active"
		switch {
		case !t.RevokedAt.IsZero():
			state = "revoked"
		case !t.Live(time.Now()):
			state = "expired"
		}
		fmt.Fprintf(w, "%s\t%s\t…%s\t%s\t%s\t%s\t%s\n", t.ID, t.Name, t.Last4, state, t.CreatedAt.Format(time.RFC3339), t.ExpiresAt.Format(time.RFC3339), timeOrNever(t.UsedAt))
	}
	return w.Flush()
}

type operatorTokenRevokeCmd struct {
	Token string `arg:"" help:"The token's id, as list shows it."`
}

func (c operatorTokenRevokeCmd) Run(a *app) error {
	l, _, err := a.ledger()
	if err != nil {
		return err
	}
	defer l.Close()
	t, err := l.RevokeOperatorToken(a.ctx, operator(), account.OperatorTokenID(c.Token))
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(a.out, "%s (…%s) is revoked\n", t.Name, t.Last4)
	return err
}
