package main

import (
	"fmt"

	"github.com/drawbridge-id/drawbridge/account"
)

// checkCmd looks whether a database is whole, for instance after a crash or before a backup is trusted.
type checkCmd struct{}

func (checkCmd) Run(a *app) error {
	l, _, err := a.ledger()
	if err != nil {
		return err
	}
	defer l.Close()
	found, err := l.Check(a.ctx, operator())
	if err != nil {
		return err
	}
	for _, f := range found.Faults {
		fmt.Fprintln(a.out, f)
	}
	fmt.Fprintf(a.out, "checked %d invariants and %d pushed resources\n", found.Invariants, found.Resources)
	if n := len(found.Faults); n > 0 {
		return account.Errorf(account.Conflict, "The database is not whole.").
			Fix("Keep a copy of it as it is; then put back a backup that passes, or mend what is named.")
	}
	return nil
}
