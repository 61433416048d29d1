package store

import (
	"context"
	"time"

	"github.com/drawbridge-id/drawbridge/account"
	"github.com/drawbridge-id/drawbridge/store/internal/table"
)

// A Standing counts what an operator should look at, over all accounts. It names nobody.
type Standing struct {
	Paused int // connections and streams that the breaker has stopped
	Silent int // enabled streams from which nothing has come for SilentAfter
}

// SilentAfter is how long nothing may come from a stream, not even the answer to a verification, before it is called silent.
const SilentAfter = 24 * time.Hour

// Standing looks how the installation stands. Unavailable when the database does not answer.
func (l *Ledger) Standing(ctx context.Context) (s Standing, err error) {
	err = l.db.Read(ctx, func(tx *table.Tx) (err error) {
		s.Paused, s.Silent, err = tx.Standing(l.now().Add(-SilentAfter))
		return err
	})
	if err != nil {
		return s, account.Errorf(account.Unavailable, "The database does not answer.").Because(err)
	}
	return s, nil
}
