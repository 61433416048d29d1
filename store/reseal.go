package store

import (
	"context"
	"encoding/hex"

	"github.com/drawbridge-id/drawbridge/account"
	"github.com/drawbridge-id/drawbridge/store/internal/table"
)

const resealBatch = 200

// Reseal seals everything anew under the primary key, in batches, resumable: what is under it already is left alone. It returns how
// many rows it rewrote. Only the operator may. Afterwards the keyring can Forget its old keys.
func (l *Ledger) Reseal(ctx context.Context, by account.Actor) (int, error) {
	if !by.AtConsole() && by.Kind != account.ActorSystem {
		return 0, account.Errorf(account.Forbidden, "Only the operator of this installation may do this.")
	}
	total, err := l.resealAll(ctx)
	if err != nil {
		return total, err
	}
	now := l.now()
	return total, l.db.Write(ctx, func(tx *table.Tx) error {
		if err := l.putCheck(tx); err != nil {
			return err
		}
		return l.audit(tx, by, "", "secrets.resealed", note{Detail: map[string]any{"rows": total}}, now)
	})
}

// again opens a value and seals it under the primary key; nil when it is under it already.
func (l *Ledger) again(sealed []byte, parts ...string) ([]byte, error) {
	if l.opt.Keyring.current(sealed) {
		return nil, nil
	}
	plain, err := l.opt.Keyring.open(sealed, parts...)
	if err != nil {
		return nil, err
	}
	return l.opt.Keyring.seal(plain, parts...)
}

func (l *Ledger) resealAll(ctx context.Context) (int, error) {
	secrets, err := inBatches(ctx, l, (*table.Tx).SecretsAfter, func(tx *table.Tx, r table.Secret) (table.Secret, bool, error) {
		sealed, err := l.again(r.Sealed, string(r.Account), r.Owner, r.Name)
		if err != nil || sealed == nil {
			return r, false, err
		}
		wrote, err := tx.Reseal(r, sealed, l.now())
		return r, wrote, err
	})
	if err != nil {
		return secrets, err
	}
	flows, err := inBatches(ctx, l, (*table.Tx).FlowsAfter, func(tx *table.Tx, r table.Flow) (account.FlowID, bool, error) {
		sealed, err := l.again(r.Sealed, string(r.Account), string(r.ID), "verifier")
		if err != nil || sealed == nil {
			return r.ID, false, err
		}
		return r.ID, true, tx.ResealFlow(r, sealed)
	})
	if err != nil {
		return secrets + flows, err
	}
	sessions, err := inBatches(ctx, l, (*table.Tx).SessionsAfter, func(tx *table.Tx, r table.Session) ([]byte, bool, error) {
		sealed, err := l.again(r.Sealed, string(r.Connection), string(r.ID), "id_token")
		if err != nil || sealed == nil {
			return r.Digest, false, err
		}
		return r.Digest, true, tx.ResealSession(r.Digest, sealed)
	})
	if err != nil {
		return secrets + flows + sessions, err
	}
	letters, err := inBatches(ctx, l, (*table.Tx).LettersAfter, func(tx *table.Tx, r table.Letter) (account.LetterID, bool, error) {
		sealed, err := l.again(r.Sealed, letterParts(r.Letter)...)
		if err != nil || sealed == nil {
			return r.ID, false, err
		}
		r.Sealed = sealed
		return r.ID, true, tx.ResealLetter(r)
	})
	if err != nil {
		return secrets + flows + sessions + letters, err
	}
	calls, err := inBatches(ctx, l, (*table.Tx).CallsAfter, func(tx *table.Tx, r table.Call) (table.Call, bool, error) {
		sealed, err := l.again(r.Sealed, r.Caller, hex.EncodeToString(r.Key), callAnswered)
		if err != nil || sealed == nil {
			return r, false, err
		}
		r.Sealed = sealed
		return r, true, tx.ResealCall(r)
	})
	return secrets + flows + sessions + letters + calls, err
}

// inBatches goes through rows in the order of their keys, a transaction per batch, and says how many were rewritten. each gives a
// row's key.
func inBatches[Row, Key any](ctx context.Context, l *Ledger, page func(*table.Tx, Key, int) ([]Row, error), each func(*table.Tx, Row) (Key, bool, error)) (int, error) {
	total := 0
	var last Key
	for {
		var looked, wrote int
		var reached Key
		err := l.db.Write(ctx, func(tx *table.Tx) error {
			looked, wrote = 0, 0
			rows, err := page(tx, last, resealBatch)
			if err != nil {
				return err
			}
			for _, r := range rows {
				key, did, err := each(tx, r)
				if err != nil {
					return err
				}
				if looked, reached = looked+1, key; did {
					wrote++
				}
			}
			return nil
		})
		if err != nil || looked == 0 {
			return total, err
		}
		total, last = total+wrote, reached
	}
}
