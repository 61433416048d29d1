package store

import (
	"bytes"
	"context"
	"time"

	"github.com/drawbridge-id/drawbridge/account"
	"github.com/drawbridge-id/drawbridge/keys"
	"github.com/drawbridge-id/drawbridge/store/internal/table"
)

const (
	fetchedLife   = time.Hour // of a token that a client fetches
	fetchedAtMost = 50        // living tokens of one client; older ones end
)

// MintSCIMClient makes an OAuth client for a connection's identity provider. At most two are valid at a time (code client_limit). The
// secret is shown this once. Owners and the operator may.
func (l *Ledger) MintSCIMClient(ctx context.Context, by account.Actor, c account.ConnectionID, life time.Duration) (account.SCIMClient, account.Secret, error) {
	if life <= 0 || life > longestToken {
		return account.SCIMClient{}, account.Secret{}, account.Errorf(account.Invalid, "A SCIM client lives between a moment and five years.").At("/life").
			Fix("A year is usual; have the next one ready before it ends.")
	}
	var out account.SCIMClient
	secret := account.NewSecret(keys.Mint(keys.Directory, l.opt.Random))
	err := l.changeConnection(ctx, by, c, "scim.client_minted", owners, func(h *hand, conn *table.Connection) (*note, error) {
		living, err := h.SCIMClients(h.Account.ID, c, h.now)
		if err != nil {
			return nil, err
		}
		if len(living) >= tokensAtOnce {
			return nil, account.Errorf(account.Conflict, "Connection %q has two SCIM clients already.", conn.Name).Coded("client_limit").
				Fix("Revoke the one that the provider no longer uses.")
		}
		raw := secret.Reveal()
		out = account.SCIMClient{ID: account.NewID[account.SCIMClientID](h.now, l.opt.Random), Connection: c, Last4: keys.Last4(raw),
			CreatedAt: h.now, CreatedBy: by.String(), ExpiresAt: h.now.Add(life)}
		return &note{Target: string(out.ID), Detail: map[string]any{"connection": c, "expires": out.ExpiresAt.Format(time.RFC3339)}},
			h.InsertSCIMClient(h.Account.ID, out, digest(raw))
	})
	return out, secret, err
}

// SCIMClients lists the valid clients of a connection, oldest first, without their secrets. Owners and the operator may.
func (l *Ledger) SCIMClients(ctx context.Context, by account.Actor, c account.ConnectionID) (out []account.SCIMClient, err error) {
	a, err := l.accountOfConnection(ctx, c)
	if err != nil {
		return nil, err
	}
	err = l.look(ctx, by, a, owners, func(h *hand) error {
		rows, err := h.Tx.SCIMClients(a, c, h.now)
		for _, r := range rows {
			out = append(out, r.SCIMClient)
		}
		return err
	})
	return out, hide(err, noConnection())
}

// RevokeSCIMClient makes a client and all tokens that it fetched worthless at once. Owners and the operator may.
func (l *Ledger) RevokeSCIMClient(ctx context.Context, by account.Actor, c account.ConnectionID, id account.SCIMClientID) error {
	return l.changeConnection(ctx, by, c, "scim.client_revoked", owners, func(h *hand, _ *table.Connection) (*note, error) {
		gone, err := h.DeleteSCIMClient(h.Account.ID, c, id)
		if err != nil {
			return nil, err
		}
		if !gone {
			return nil, account.Errorf(account.NotFound, "The connection has no such SCIM client.")
		}
		return &note{Target: string(id), Detail: map[string]any{"connection": c}}, nil
	})
}

// FetchSCIMToken gives a client a token of its connection, and says how long it lives (RFC 6749 §4.4). An unknown client, one that was
// revoked or has run out, one of another connection, and a wrong secret look alike: Unauthorized. Forbidden when the connection is
// switched off.
func (l *Ledger) FetchSCIMToken(ctx context.Context, by account.Actor, c account.ConnectionID, id account.SCIMClientID, secret account.Secret) (account.Secret, time.Duration, error) {
	refused := account.Errorf(account.Unauthorized, "The client and its secret are no valid ones of this connection.")
	if !keys.Is(keys.Directory, secret.Reveal()) {
		return account.Secret{}, 0, refused
	}
	now := l.now()
	known := func(tx *table.Tx) (table.SCIMClient, error) {
		client, found, err := tx.SCIMClient(c, id, now)
		switch {
		case err != nil:
		case !found || !bytes.Equal(client.Digest, digest(secret.Reveal())): // digests, of which a comparison tells nothing
			err = refused
		case !client.Enabled:
			err = account.Errorf(account.Forbidden, "The connection is switched off.").Fix("An owner can enable it.")
		}
		return client, err
	}
	// Looked at first: a stranger who guesses costs no write.
	if err := l.db.Read(ctx, func(tx *table.Tx) error { _, err := known(tx); return err }); err != nil {
		return account.Secret{}, 0, err
	}
	raw := keys.Mint(keys.Directory, l.opt.Random)
	by.Kind, by.Connection = account.ActorConnection, c
	var life time.Duration
	err := l.db.Write(ctx, func(tx *table.Tx) error {
		if err := tx.ShareHouse(c); err != nil { // a client that is being revoked fetches nothing afterwards
			return err
		}
		client, err := known(tx)
		if err != nil {
			return err
		}
		life = min(fetchedLife, client.ExpiresAt.Sub(now)) // no token outlives its client
		t := account.SCIMToken{ID: account.NewID[account.SCIMTokenID](now, l.opt.Random), Connection: c, Last4: keys.Last4(raw), CreatedAt: now, CreatedBy: by.String(),
			ExpiresAt: now.Add(life), Client: id}
		if err := tx.InsertSCIMToken(client.Account, t, digest(raw)); err != nil {
			return err
		}
		if err := tx.FetchedSCIMToken(client.Account, c, id, now, fetchedAtMost); err != nil {
			return err
		}
		return l.audit(tx, by, client.Account, "scim.token_fetched", note{Target: string(t.ID), Detail: map[string]any{"client": id, "expires": t.ExpiresAt.Format(time.RFC3339)}}, now)
	})
	return account.NewSecret(raw), life, err
}
