package store

import (
	"context"
	"crypto/sha256"
	"sync/atomic"
	"time"

	"github.com/drawbridge-id/drawbridge/account"
	"github.com/drawbridge-id/drawbridge/keys"
	"github.com/drawbridge-id/drawbridge/store/internal/table"
)

// A KeyHolder is whom a key speaks for. Callers do not change it: others find it in memory.
type KeyHolder struct {
	Key     account.Key // UsedAt as it was when the database was last asked
	User    account.User
	Account account.Account
	Org     account.Org

	// External holders have no place in the account: they may what Roles says, and nothing that members may (F-01).
	External bool
	Roles    []account.Held
	Denied   []DeniedRole // what their groups give, and the org does not have at the moment

	used atomic.Int64 // microseconds; what is known of its last use
}

func badKey() *account.Error {
	return account.Errorf(account.Unauthorized, "The key is not a valid one.").Coded("bad_key").
		Fix("Check that it is spelled as it was shown, and ask its owner whether it is still valid.")
}

// VerifyKey says whom a key speaks for at this moment. Unauthorized, and nothing more, when it is mistyped, unknown, revoked or has run
// out, and when its holder is disabled, or suspended or removed in its account; Unavailable when that cannot be known at the moment.
// A mistyped one costs no look into the database.
func (l *Ledger) VerifyKey(ctx context.Context, key account.Secret) (*KeyHolder, error) {
	if !keys.Is(keys.Personal, key.Reveal()) {
		return nil, badKey()
	}
	d := sha256.Sum256([]byte(key.Reveal()))
	if h, ok := l.recallKey(d); ok {
		return h, nil
	}
	now := l.now()
	e, err := learn(ctx, l, &l.keys, d, func(tx *table.Tx) (*KeyHolder, []table.Target, error) {
		k, found, err := tx.KeyByDigest(d[:], now)
		if err != nil {
			return nil, nil, err
		}
		if !found {
			return nil, nil, badKey()
		}
		h := &KeyHolder{Key: k.Key, User: k.User, Account: k.House.Account, Org: k.House.Org}
		if !k.Key.UsedAt.IsZero() {
			h.used.Store(k.Key.UsedAt.UnixMicro())
		}
		on := []table.Target{table.OfKey(k.Key.ID), table.OfUser(k.User.ID), table.OfAccount(k.Key.Account)}
		if k.Key.Home == "" {
			return h, on, nil
		}
		e, err := l.externalNow(tx, k.House, k.User.ID)
		if err != nil {
			return nil, nil, err
		}
		if len(e.In) == 0 {
			return nil, nil, badKey()
		}
		h.External, h.Roles, h.Denied = true, e.Held, e.Denied
		return h, append(append(on, table.OfAccount(k.Key.Home)), e.on()...), nil
	})
	if err != nil {
		return nil, err
	}
	l.used(e.value, now)
	return e.value, nil
}

// RecallKey is VerifyKey from memory alone; ok is false when that says nothing about the key, good or bad.
func (l *Ledger) RecallKey(key account.Secret) (*KeyHolder, bool) {
	if len(key.Reveal()) == 0 {
		return nil, false
	}
	return l.recallKey(sha256.Sum256([]byte(key.Reveal())))
}

func (l *Ledger) recallKey(d digested) (*KeyHolder, bool) {
	e, ok := recall(l, &l.keys, d)
	if !ok {
		return nil, false
	}
	now := l.now()
	if until := e.value.Key.ExpiresAt; !until.IsZero() && !now.Before(until) {
		return nil, false
	}
	l.used(e.value, now)
	return e.value, true
}

// A keyUse is the last use of a key, which waits to be written: no check waits for that.
type keyUse struct {
	account account.AccountID
	key     account.KeyID
	at      time.Time
}

// used remembers a use that is to be written, at most once a minute for each key.
func (l *Ledger) used(h *KeyHolder, now time.Time) {
	before, at := h.used.Load(), now.UnixMicro()
	if at-before < touchEvery.Microseconds() || !h.used.CompareAndSwap(before, at) {
		return
	}
	l.uses.add(keyUse{h.Key.Account, h.Key.ID, now})
}

// flushUses writes when keys were last used.
func (l *Ledger) flushUses(ctx context.Context) error {
	return l.uses.flush(ctx, l.db, func(tx *table.Tx, u keyUse) error { return tx.TouchKey(u.account, u.key, u.at) })
}
