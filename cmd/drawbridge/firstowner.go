package main

import (
	"fmt"

	"github.com/drawbridge-id/drawbridge/config"
	"github.com/drawbridge-id/drawbridge/store"
)

// firstOwnerCmd prints a fresh link for whoever is to own the first (or a further) account.
type firstOwnerCmd struct{}

func (firstOwnerCmd) Run(a *app) error {
	l, cfg, err := a.ledger()
	if err != nil {
		return err
	}
	defer l.Close()
	return inviteFirstOwner(a, l, cfg)
}

func inviteFirstOwner(a *app, l *store.Ledger, cfg config.Config) error {
	token, err := l.InviteFirstOwner(a.ctx, operator())
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(a.out, "then     open %s/setup/%s\n         to name an account and become its owner; the link works once, for 24 hours.\n", cfg.PublicURL, token.Reveal())
	return err
}
