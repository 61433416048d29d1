package main

import (
	"fmt"
	"text/tabwriter"

	"github.com/drawbridge-id/drawbridge/account"
	"github.com/drawbridge-id/drawbridge/store"
)

type domainCmd struct {
	List    domainListCmd    `cmd:"" help:"List the domains of an org with the TXT record each one needs."`
	Claim   domainClaimCmd   `cmd:"" help:"Claim a domain for an org and print the TXT record that proves it."`
	Check   domainCheckCmd   `cmd:"" help:"Ask DNS for the TXT record now."`
	Vouch   domainVouchCmd   `cmd:"" help:"Mark a domain as proved without DNS, on the operator's word."`
	CutOver domainCutOverCmd `cmd:"" name:"cut-over" help:"Send the people of a domain straight to their identity provider."`
}

type domainListCmd struct {
	Org string `arg:"" help:"Exact name of the org."`
}

func (c domainListCmd) Run(a *app) error {
	l, acct, err := a.in(c.Org)
	if err != nil {
		return err
	}
	defer l.Close()
	all, err := l.Domains(a.ctx, operator(), acct.ID)
	if err != nil {
		return err
	}
	w := tabwriter.NewWriter(a.out, 0, 4, 2, ' ', 0)
	fmt.Fprintln(w, "DOMAIN\tSTATE\tCUT OVER\tTXT NAME\tTXT VALUE\tLAST ANSWER")
	for _, d := range all {
		fmt.Fprintf(w, "%s\t%s\t%t\t%s\t%s\t%s\n", d.Name, d.State, d.CutOver, d.ChallengeName(), d.ChallengeValue(), d.LastAnswer)
	}
	return w.Flush()
}

type domainClaimCmd struct {
	Org    string `arg:"" help:"Exact name of the org."`
	Domain string `arg:"" help:"The e-mail domain."`
}

func (c domainClaimCmd) Run(a *app) error {
	l, acct, err := a.in(c.Org)
	if err != nil {
		return err
	}
	defer l.Close()
	d, err := l.ClaimDomain(a.ctx, operator(), acct.ID, c.Domain)
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(a.out, "Publish this TXT record, then run \"drawbridge domain check %s %s\":\n%s  TXT  \"%s\"\n",
		c.Org, d.Name, d.ChallengeName(), d.ChallengeValue())
	return err
}

// findDomain finds a domain of an org by its name.
func findDomain(a *app, l *store.Ledger, org, name string) (account.Domain, error) {
	acct, _, err := findOrg(a, l, org)
	if err != nil {
		return account.Domain{}, err
	}
	normal, err := account.NormalDomain(name)
	if err != nil {
		return account.Domain{}, err
	}
	all, err := l.Domains(a.ctx, operator(), acct.ID)
	if err != nil {
		return account.Domain{}, err
	}
	for _, d := range all {
		if d.Name == normal {
			return d, nil
		}
	}
	return account.Domain{}, account.Errorf(account.NotFound, "%s has not claimed %s.", org, normal).Fix("Claim it: drawbridge domain claim %s %s", org, normal)
}

type domainVouchCmd struct {
	Org    string `arg:"" help:"Exact name of the org."`
	Domain string `arg:"" help:"The e-mail domain."`
}

func (c domainVouchCmd) Run(a *app) error {
	l, _, err := a.ledger()
	if err != nil {
		return err
	}
	defer l.Close()
	d, err := findDomain(a, l, c.Org, c.Domain)
	if err != nil {
		return err
	}
	if err := l.VouchDomain(a.ctx, operator(), d.ID); err != nil {
		return err
	}
	_, err = fmt.Fprintf(a.out, "%s counts as proved, by the operator\n", d.Name)
	return err
}

type domainCutOverCmd struct {
	Org    string `arg:"" help:"Exact name of the org."`
	Domain string `arg:"" help:"The e-mail domain."`
	Undo   bool   `help:"Let both ways work again."`
}

func (c domainCutOverCmd) Run(a *app) error {
	l, _, err := a.ledger()
	if err != nil {
		return err
	}
	defer l.Close()
	d, err := findDomain(a, l, c.Org, c.Domain)
	if err != nil {
		return err
	}
	if err := l.CutOver(a.ctx, operator(), d.ID, !c.Undo); err != nil {
		return err
	}
	if c.Undo {
		_, err = fmt.Fprintf(a.out, "people of %s choose again how to sign in\n", d.Name)
		return err
	}
	_, err = fmt.Fprintf(a.out, "people of %s are sent to their identity provider\n", d.Name)
	return err
}
