package store

import (
	"cmp"
	"context"
	"time"

	"github.com/drawbridge-id/drawbridge/account"
	"github.com/drawbridge-id/drawbridge/keys"
	"github.com/drawbridge-id/drawbridge/store/internal/table"
)

const (
	keysPerUser = 8                        // when a catalogue does not say
	longestKey  = 2 * 365 * 24 * time.Hour // that a key may live
)

// MintKey makes a personal key for the acting person in the org of an account; it may what they may, for as long as they may. It ends
// after life (at most two years; 0: never) and is shown this once. Nobody mints for somebody else, and no key mints another (Forbidden).
// At most the catalogue's keys_per_user are active at a time (Conflict with code key_limit).
func (l *Ledger) MintKey(ctx context.Context, by account.Actor, a account.AccountID, name string, life time.Duration) (account.Key, account.Secret, error) {
	if err := checkKey(name, life); err != nil {
		return account.Key{}, account.Secret{}, err
	}
	var k account.Key
	secret := account.NewSecret(keys.Mint(keys.Personal, l.opt.Random))
	err := l.change(ctx, by, a, "key.minted", themselves, func(h *hand) (*note, error) {
		have, err := h.Tx.Keys(a, by.User)
		if err != nil {
			return nil, err
		}
		limit := cmp.Or(l.Catalogue().Limits.KeysPerUser, keysPerUser)
		if n := countActive(have, h.now); n >= limit {
			return nil, account.Errorf(account.Conflict, "You have %d active keys in %s, which is the limit.", n, h.Org.Name).Coded("key_limit").
				Fix("Revoke one that is no longer used.")
		}
		raw := secret.Reveal()
		k = account.Key{ID: account.NewID[account.KeyID](h.now, l.opt.Random), Account: a, Org: h.Org.ID, User: by.User, Name: name,
			Last4: keys.Last4(raw), State: account.KeyActive, CreatedAt: h.now}
		detail := map[string]any{"name": name}
		if life > 0 {
			k.ExpiresAt = h.now.Add(life)
			detail["expires"] = k.ExpiresAt.Format(time.RFC3339)
		}
		if err := h.InsertKey(k, digest(raw)); err != nil {
			return nil, err
		}
		h.Gain(table.OfKey(k.ID)) // takes nothing from anybody
		return &note{Target: string(k.ID), Detail: detail}, h.announce(account.Announcement{What: account.WordKeyMinted, User: by.User, Key: k.ID, KeyName: name})
	})
	if err != nil {
		return account.Key{}, account.Secret{}, err
	}
	return k, secret, nil
}

func checkKey(name string, life time.Duration) error {
	if err := account.CheckLabel("A key's", name, "laptop"); err != nil {
		return err
	}
	if life < 0 || life > longestKey {
		return account.Errorf(account.Invalid, "A key lives at most two years.").At("/days").Fix("Give it fewer days, or 0 for a key that does not end by itself.")
	}
	return nil
}

// themselves lets people who signed in, for what is their own.
func themselves(h *hand) error {
	if h.by.Kind == account.ActorUser && h.by.Key == "" {
		return nil
	}
	return account.Errorf(account.Forbidden, "Keys are minted by the person they are for, signed in with a browser.").Coded("session_needed").Fix("Sign in, and mint it there.")
}

func countActive(all []account.Key, now time.Time) (n int) {
	for _, k := range all {
		if k.State == account.KeyActive && (k.ExpiresAt.IsZero() || now.Before(k.ExpiresAt)) {
			n++
		}
	}
	return n
}

// Keys lists somebody's keys in an account, oldest first, revoked ones included, without the keys themselves. Everybody may see their
// own; owners, user admins and the operator see anybody's, external users' too (F-30). NotFound when the person has no place there and never had a key.
func (l *Ledger) Keys(ctx context.Context, by account.Actor, a account.AccountID, u account.UserID) (out []account.Key, err error) {
	err = l.look(ctx, by, a, mineOr(u, userAdmins), func(h *hand) error {
		if out, err = h.Tx.Keys(a, u); err != nil || len(out) > 0 {
			return err
		}
		_, found, err := h.Tenant(a, u)
		if err == nil && !found {
			found, err = h.IsExternal(a, u)
		}
		if err == nil && !found {
			err = noPerson(h.Org)
		}
		return err
	})
	return out, err
}

// mineOr lets the person whose thing it is, and others by may.
func mineOr(u account.UserID, may need) need {
	return func(h *hand) error {
		if h.by.Kind == account.ActorUser && h.by.User == u {
			return nil
		}
		return may(h)
	}
}

// RevokeKey makes a key worthless at once, for good. Its holder may, and owners, user admins and the operator. Revoking it twice changes
// nothing.
func (l *Ledger) RevokeKey(ctx context.Context, by account.Actor, a account.AccountID, id account.KeyID) (account.Key, error) {
	var k account.Key
	err := l.change(ctx, by, a, "key.revoked", members, func(h *hand) (*note, error) {
		var found bool
		var err error
		if k, found, err = h.Tx.Key(a, id); err != nil {
			return nil, err
		}
		if !found || mineOr(k.User, userAdmins)(h) != nil {
			return nil, account.Errorf(account.NotFound, "No such key in %s.", h.Org.Name).Fix("The list of keys has their ids.")
		}
		return h.revokeKey(&k)
	})
	return k, err
}

// revokeKey is RevokeKey for a key that has been read, and whose end the actor may ask for.
func (h *hand) revokeKey(k *account.Key) (*note, error) {
	why := "revoked by hand"
	revoked, err := h.Tx.RevokeKey(k.Account, k.ID, why, h.now)
	if err != nil || !revoked {
		return nil, err
	}
	k.State, k.Reason, k.EndedAt = account.KeyRevoked, why, h.now
	h.Shut(table.OfKey(k.ID))
	return &note{Target: string(k.ID), Detail: map[string]any{"name": k.Name, "user": k.User}},
		h.announce(account.Announcement{What: account.WordKeyRevoked, User: k.User, Key: k.ID, KeyName: k.Name, Reason: why})
}
