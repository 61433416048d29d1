package main

import (
	"fmt"

	"github.com/drawbridge-id/drawbridge/account"
)

type recoveryCmd struct {
	Show  recoveryShowCmd  `cmd:"" help:"Show how the owner of an org gets back in."`
	Set   recoverySetCmd   `cmd:"" help:"Set the recovery e-mail; a letter goes there, and it counts once its link was pressed."`
	Waive recoveryWaiveCmd `cmd:"" help:"Record that an org does without a recovery e-mail, and why."`
}

type recoveryShowCmd struct {
	Org string `arg:"" help:"Exact name of the org."`
}

func (c recoveryShowCmd) Run(a *app) error {
	l, acct, err := a.in(c.Org)
	if err != nil {
		return err
	}
	defer l.Close()
	r, err := l.Recovery(a.ctx, operator(), acct.ID)
	if err != nil {
		return err
	}
	return showRecovery(a, r)
}

func showRecovery(a *app, r account.Recovery) error {
	fmt.Fprintf(a.out, "status     %s\n", r.State())
	for _, line := range []struct{ name, value string }{{"e-mail", r.Email}, {"pending", r.Pending}} {
		if line.value != "" {
			fmt.Fprintf(a.out, "%-10s %s\n", line.name, line.value)
		}
	}
	if !r.RehearsedAt.IsZero() {
		fmt.Fprintf(a.out, "rehearsed  %s\n", r.RehearsedAt.Format("2006-01-02 15:04 UTC"))
	}
	if r.Waived != nil {
		fmt.Fprintf(a.out, "waived     by %s: %s\n", r.Waived.By, r.Waived.Why)
	}
	return nil
}

type recoverySetCmd struct {
	Org   string `arg:"" help:"Exact name of the org."`
	Email string `arg:"" help:"The address; none of the owners' own."`
}

func (c recoverySetCmd) Run(a *app) error {
	l, acct, err := a.in(c.Org)
	if err != nil {
		return err
	}
	defer l.Close()
	r, err := l.SetRecovery(a.ctx, operator(), acct.ID, c.Email)
	if err != nil {
		return err
	}
	return showRecovery(a, r)
}

type recoveryWaiveCmd struct {
	Org    string `arg:"" help:"Exact name of the org."`
	Reason string `required:"" help:"How an owner gets in when the identity provider does not answer."`
}

func (c recoveryWaiveCmd) Run(a *app) error {
	l, acct, err := a.in(c.Org)
	if err != nil {
		return err
	}
	defer l.Close()
	r, err := l.WaiveRecovery(a.ctx, operator(), acct.ID, c.Reason)
	if err != nil {
		return err
	}
	return showRecovery(a, r)
}
