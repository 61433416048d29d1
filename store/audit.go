package store

import (
	"context"

	"github.com/drawbridge-id/drawbridge/account"
	"github.com/drawbridge-id/drawbridge/store/internal/table"
)

// Audit lists an account's audit lines, newest first, from before a line ("" from the newest), at most n (up to 1,000). Owners, user
// admins and the operator may; the lines of the installation itself (account "") are the operator's.
func (l *Ledger) Audit(ctx context.Context, by account.Actor, a account.AccountID, before account.AuditID, n int) (out []account.AuditLine, err error) {
	n = min(max(n, 1), 1000)
	if a == "" {
		if by.Kind != account.ActorOperator {
			return nil, noAccount()
		}
		err = l.db.Read(ctx, func(tx *table.Tx) error { out, err = tx.Audit("", before, n); return err })
		return out, err
	}
	err = l.look(ctx, by, a, userAdmins, func(h *hand) error { out, err = h.Tx.Audit(a, before, n); return err })
	return out, err
}
