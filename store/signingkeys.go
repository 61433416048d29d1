package store

import (
	"context"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"time"

	"github.com/drawbridge-id/drawbridge/account"
	"github.com/drawbridge-id/drawbridge/store/internal/table"
)

const (
	signingBits     = 2048                // the CAEP interoperability profile asks for that much
	publishedBefore = 24 * time.Hour      // so that receivers have read a key before it signs
	retiredFor      = 14 * 24 * time.Hour // longer than anything is under way
	signingOwner    = "ssf"               // whose secrets the private halves are
)

// A signingPair is the two keys that an account begins with; empty when it has them.
type signingPair []account.SigningKey

// signingPairFor makes keys for an account that has none. It takes a while, and so is not part of a transaction.
func (l *Ledger) signingPairFor(ctx context.Context, a account.AccountID) (signingPair, error) {
	var have []account.SigningKey
	err := l.db.Read(ctx, func(tx *table.Tx) (err error) { have, err = tx.SigningKeys(a); return err })
	if err != nil || len(have) > 0 {
		return nil, err
	}
	var pair signingPair
	for _, s := range []account.SigningKeyState{account.KeySigning, account.KeyNext} {
		k, err := l.newSigningKey(s)
		if err != nil {
			return nil, err
		}
		pair = append(pair, k)
	}
	return pair, nil
}

func (l *Ledger) newSigningKey(s account.SigningKeyState) (account.SigningKey, error) {
	key, err := rsa.GenerateKey(rand.Reader, signingBits)
	if err != nil {
		return account.SigningKey{}, err
	}
	private, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return account.SigningKey{}, err
	}
	public, err := x509.MarshalPKIXPublicKey(&key.PublicKey)
	now := l.now()
	return account.SigningKey{ID: l.random(12), Public: public, Private: account.NewSecret(string(private)), State: s, CreatedAt: now, Since: now}, err
}

// keepSigningPair writes them, unless another one was faster.
func (h *hand) keepSigningPair(pair signingPair) error {
	have, err := h.Tx.SigningKeys(h.Account.ID)
	if err != nil || len(have) > 0 {
		return err
	}
	for _, k := range pair {
		if err := h.putSigningKey(k); err != nil {
			return err
		}
	}
	return nil
}

func (h *hand) putSigningKey(k account.SigningKey) error {
	name := "signing/" + k.ID
	sealed, err := h.l.opt.Keyring.seal(k.Private, string(h.Account.ID), signingOwner, name)
	if err != nil {
		return err
	}
	if err := h.PutSecret(table.Secret{Account: h.Account.ID, Owner: signingOwner, Name: name, Sealed: sealed}, h.now); err != nil {
		return err
	}
	return h.PutSigningKey(h.Account.ID, k)
}

// signingKey is the one that signs, with its private half.
func (l *Ledger) signingKey(tx *table.Tx, a account.AccountID) (account.SigningKey, error) {
	all, err := tx.SigningKeys(a)
	if err != nil {
		return account.SigningKey{}, err
	}
	if len(all) == 0 || all[0].State != account.KeySigning {
		return account.SigningKey{}, account.Errorf(account.Unavailable, "The account has no key to sign security events with.")
	}
	k := all[0]
	name := "signing/" + k.ID
	sealed, err := tx.Secrets(a, signingOwner, name)
	if err != nil {
		return k, err
	}
	k.Private, err = l.opt.Keyring.open(sealed[name], string(a), signingOwner, name)
	return k, err
}

// SigningKeys are the public halves of an account's keys, for everybody. NotFound when it sends no security events.
func (l *Ledger) SigningKeys(ctx context.Context, a account.AccountID) (out []account.SigningKey, err error) {
	err = l.db.Look(ctx, func(tx *table.Tx) (err error) { out, err = tx.SigningKeys(a); return err })
	if err == nil && len(out) == 0 {
		err = account.Errorf(account.NotFound, "There is nothing at this address.")
	}
	return out, err
}

// RotateSigningKey lets the next key sign, publishes another one as the next, and goes on publishing the one that signed so far for two
// weeks. Conflict with code key_too_young when receivers may not have read the next one yet, unless now is true. Owners and the operator may.
func (l *Ledger) RotateSigningKey(ctx context.Context, by account.Actor, a account.AccountID, now bool) error {
	fresh, err := l.newSigningKey(account.KeyNext)
	if err != nil {
		return err
	}
	return l.change(ctx, by, a, "signing_key.rotated", owners, func(h *hand) (*note, error) {
		all, err := h.Tx.SigningKeys(a)
		if err != nil {
			return nil, err
		}
		if len(all) < 2 {
			return nil, account.Errorf(account.NotFound, "The account sends no security events.").Fix("Add a feed of kind ssf, or a receiver.")
		}
		old, next := all[0], all[1]
		if ready := next.Since.Add(publishedBefore); h.now.Before(ready) && !now {
			return nil, account.Errorf(account.Conflict, "The next key has been published since %s only; receivers may not know it yet.", next.Since.Format(time.RFC3339)).
				Coded("key_too_young").Fix("Rotate after %s, or at once if the present key is lost.", ready.Format(time.RFC3339))
		}
		old.State, old.Since = account.KeyRetired, h.now
		next.State, next.Since = account.KeySigning, h.now
		for _, k := range []account.SigningKey{old, next} {
			if err := h.PutSigningKey(a, k); err != nil {
				return nil, err
			}
		}
		for _, k := range all[2:] {
			if h.now.Sub(k.Since) < retiredFor {
				continue
			}
			if err := h.DeleteSigningKey(a, k.ID); err != nil {
				return nil, err
			}
			if err := h.DropSecrets(a, signingOwner, "signing/"+k.ID); err != nil {
				return nil, err
			}
		}
		return &note{Target: next.ID, Detail: map[string]any{"before": old.ID, "next": fresh.ID}}, h.putSigningKey(fresh)
	})
}
