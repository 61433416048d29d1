package store

import (
	"context"
	"fmt"

	"github.com/drawbridge-id/drawbridge/account"
	"github.com/drawbridge-id/drawbridge/store/internal/table"
)

// A Checked is what came of looking whether a database is whole.
type Checked struct {
	Invariants int      // that were asked for
	Resources  int      // pushed users and groups whose document was compared with what they are searched by
	Faults     []string // what is not as the verbs would leave it, one sentence each; empty: nothing
}

// faultsOfAKind is how many rows are told of one kind of fault.
const faultsOfAKind = 20

// Check looks in one snapshot whether all that belongs together is there together: whoever is shut out has no credential, roles have
// holders, members are resources, and so on. It changes nothing and may run beside a working daemon. Only the operator may.
func (l *Ledger) Check(ctx context.Context, by account.Actor) (Checked, error) {
	if !by.AtConsole() {
		return Checked{}, account.Errorf(account.Forbidden, "Only the operator of this installation may do this.")
	}
	out := Checked{Invariants: len(table.Invariants)}
	err := l.db.Read(ctx, func(tx *table.Tx) error {
		damage, err := tx.Damaged()
		if err != nil {
			return err
		}
		for _, d := range damage {
			out.Faults = append(out.Faults, "The file is damaged: "+d)
		}
		for _, i := range table.Invariants {
			broken, err := tx.Broken(i, faultsOfAKind)
			if err != nil {
				return err
			}
			for _, o := range broken {
				out.Faults = append(out.Faults, fmt.Sprintf("It does not hold that %s: account %s, %s.", i.Says, o.Account, o.Row))
			}
		}
		return checkPushed(tx, &out)
	})
	return out, err
}

// checkPushed compares each pushed resource with what it is searched by.
func checkPushed(tx *table.Tx, out *Checked) error {
	const atOnce = 500
	var last table.Pushed
	for told := 0; ; {
		page, err := tx.PushedAfter(last, atOnce)
		if err != nil {
			return err
		}
		for _, p := range page {
			same, err := tx.Indexed(p)
			if err != nil {
				return err
			}
			if out.Resources++; !same && told < faultsOfAKind {
				told++
				out.Faults = append(out.Faults, fmt.Sprintf("It does not hold that a resource is searched by what its document says: account %s, %s.", p.Account, p.ID))
			}
		}
		if len(page) < atOnce {
			return nil
		}
		last = page[len(page)-1]
	}
}
