package main

import (
	"fmt"

	"github.com/drawbridge-id/drawbridge/cmd/drawbridge/house"
)

// resealCmd changes the key under which secrets are sealed. Each step leaves a keyring that opens everything, so that it
// can be interrupted and repeated.
type resealCmd struct {
	Keep bool `help:"Keep the old keys in the keyring, for replicas that have not read the new one yet. Run again without it later."`
}

func (c resealCmd) Run(a *app) error {
	cfg, err := a.config()
	if err != nil {
		return err
	}
	keyring, err := house.ReadKeyring(cfg.Keyring)
	if err != nil {
		return err
	}
	if err := keyring.Rotate(); err != nil {
		return err
	}
	if err := house.WriteKeyring(cfg.Keyring, keyring); err != nil {
		return err
	}
	l, _, err := a.ledger()
	if err != nil {
		return err
	}
	defer l.Close()
	n, err := l.Reseal(a.ctx, operator())
	if err != nil {
		return err
	}
	fmt.Fprintf(a.out, "sealed %d secrets under a new key\n", n)
	if c.Keep {
		fmt.Fprintln(a.out, "the old keys are still in the keyring; restart every replica, then run reseal again")
		return nil
	}
	if err := keyring.Forget(); err != nil {
		return err
	}
	if err := house.WriteKeyring(cfg.Keyring, keyring); err != nil {
		return err
	}
	fmt.Fprintln(a.out, "the old keys are forgotten; restart the daemon so that it reads the new keyring")
	return nil
}
