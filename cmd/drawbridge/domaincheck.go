package main

import (
	"fmt"

	"github.com/drawbridge-id/drawbridge/account"
)

type domainCheckCmd struct {
	Org    string `arg:"" help:"Exact name of the org."`
	Domain string `arg:"" help:"The e-mail domain."`
}

func (c domainCheckCmd) Run(a *app) error {
	h, _, err := a.house()
	if err != nil {
		return err
	}
	defer h.Close()
	d, err := findDomain(a, h.Ledger, c.Org, c.Domain)
	if err != nil {
		return err
	}
	if d, err = h.Door.CheckDomain(a.ctx, operator(), d); err != nil {
		return err
	}
	fmt.Fprintf(a.out, "%s is %s: %s\n", d.Name, d.State, d.LastAnswer)
	if !d.Counts() {
		return account.Errorf(account.Invalid, "%s is not proved.", d.Name).Fix("Publish TXT \"%s\" at %s; DNS may need a while.", d.ChallengeValue(), d.ChallengeName())
	}
	return nil
}
