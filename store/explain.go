package store

import (
	"context"

	"github.com/drawbridge-id/drawbridge/account"
	"github.com/drawbridge-id/drawbridge/rules"
)

// An Explained says why somebody holds what they hold, and what each connection's rules make of their groups.
type Explained struct {
	Person
	Connections []ExplainedConnection // those that know the person
}

// An ExplainedConnection is what a connection last told of somebody, and what follows from it.
type ExplainedConnection struct {
	Connection account.ConnectionID
	Name       string
	By         AgainBy
	Groups     account.GroupSet // of the last sign-in and of pushes, joined as the connection has it
	Rules      []rules.Explanation
}

// Explain says why somebody of an account holds what they hold. Owners, user admins and the operator may, and everybody may see themselves.
func (l *Ledger) Explain(ctx context.Context, by account.Actor, a account.AccountID, u account.UserID) (out Explained, err error) {
	if out.Person, err = l.Person(ctx, by, a, u); err != nil {
		return out, err
	}
	err = l.look(ctx, by, a, mineOr(u, userAdmins), func(h *hand) error {
		back, err := h.comesBack(out.User)
		if err != nil {
			return err
		}
		set, err := h.RuleSet(a)
		if err != nil {
			return err
		}
		active, err := l.activeRules(h.Tx, a, set.Revision)
		if err != nil {
			return err
		}
		out.Connections = nil
		for _, c := range back {
			groups, err := h.groupsOf(u, c.Connection)
			if err != nil {
				return err
			}
			out.Connections = append(out.Connections, ExplainedConnection{c.Connection, c.Name, c.By, groups, active.index.Explain(c.Connection, groups)})
		}
		return nil
	})
	return out, err
}
