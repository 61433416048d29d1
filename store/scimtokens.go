package store

import (
	"context"
	"encoding/base64"
	"errors"
	"strings"
	"time"

	"github.com/drawbridge-id/drawbridge/account"
	"github.com/drawbridge-id/drawbridge/keys"
	"github.com/drawbridge-id/drawbridge/store/internal/table"
)

const (
	tokensAtOnce = 2 // so that one can be replaced without a gap
	longestToken = 5 * 365 * 24 * time.Hour
)

// MintSCIMToken makes a token that lets an identity provider push people through a connection. At most two are valid at a time
// (code token_limit). It is shown this once. Owners and the operator may.
func (l *Ledger) MintSCIMToken(ctx context.Context, by account.Actor, c account.ConnectionID, life time.Duration) (account.SCIMToken, account.Secret, error) {
	if life <= 0 || life > longestToken {
		return account.SCIMToken{}, account.Secret{}, account.Errorf(account.Invalid, "A SCIM token lives between a moment and five years.").At("/life").
			Fix("A year is usual; have the next one ready before it ends.")
	}
	var t account.SCIMToken
	secret := account.NewSecret(keys.Mint(keys.Directory, l.opt.Random))
	err := l.changeConnection(ctx, by, c, "scim.token_minted", owners, func(h *hand, conn *table.Connection) (*note, error) {
		living, err := h.SCIMTokens(h.Account.ID, c, h.now)
		if err != nil {
			return nil, err
		}
		if len(living) >= tokensAtOnce {
			return nil, account.Errorf(account.Conflict, "Connection %q has two SCIM tokens already.", conn.Name).Coded("token_limit").
				Fix("Revoke the one that the provider no longer uses.")
		}
		raw := secret.Reveal()
		t = account.SCIMToken{ID: account.NewID[account.SCIMTokenID](h.now, l.opt.Random), Connection: c, Last4: keys.Last4(raw),
			CreatedAt: h.now, CreatedBy: by.String(), ExpiresAt: h.now.Add(life)}
		return &note{Target: string(t.ID), Detail: map[string]any{"connection": c, "expires": t.ExpiresAt.Format(time.RFC3339)}},
			h.InsertSCIMToken(h.Account.ID, t, digest(raw))
	})
	return t, secret, err
}

// SCIMTokens lists the valid tokens of a connection, oldest first, without the tokens themselves. Owners and the operator may.
func (l *Ledger) SCIMTokens(ctx context.Context, by account.Actor, c account.ConnectionID) (out []account.SCIMToken, err error) {
	a, err := l.accountOfConnection(ctx, c)
	if err != nil {
		return nil, err
	}
	err = l.look(ctx, by, a, owners, func(h *hand) error { out, err = h.SCIMTokens(a, c, h.now); return err })
	return out, hide(err, noConnection())
}

// RevokeSCIMToken makes a token worthless at once. Owners and the operator may.
func (l *Ledger) RevokeSCIMToken(ctx context.Context, by account.Actor, c account.ConnectionID, id account.SCIMTokenID) error {
	return l.changeConnection(ctx, by, c, "scim.token_revoked", owners, func(h *hand, _ *table.Connection) (*note, error) {
		gone, err := h.DeleteSCIMToken(h.Account.ID, c, id)
		if err != nil {
			return nil, err
		}
		if !gone {
			return nil, account.Errorf(account.NotFound, "The connection has no such SCIM token.")
		}
		return &note{Target: string(id), Detail: map[string]any{"connection": c}}, nil
	})
}

// SetSCIMOptions says how pushed people and groups meet those that sign in. What was pushed before is matched anew as it changes.
// Owners and the operator may.
func (l *Ledger) SetSCIMOptions(ctx context.Context, by account.Actor, c account.ConnectionID, o account.SCIMOptions) error {
	if err := o.Check(); err != nil {
		return err
	}
	return l.changeConnection(ctx, by, c, "scim.options_changed", owners, func(h *hand, _ *table.Connection) (*note, error) {
		have, found, err := h.SCIMOptions(h.Account.ID, c)
		if err != nil || found && have == o || !found && o == account.DefaultSCIMOptions {
			return nil, err
		}
		return &note{Target: string(c), Detail: map[string]any{"subject": o.Subject, "groups": o.Groups}}, h.PutSCIMOptions(h.Account.ID, c, o)
	})
}

// A Pusher is whom a SCIM token speaks for: one connection of one account.
type Pusher = table.Pusher

// Pusher finds whom a token speaks for. A mistyped, unknown, revoked or expired token, and one of another connection, look alike:
// Unauthorized (KEY-3). Forbidden when the connection is switched off.
func (l *Ledger) Pusher(ctx context.Context, c account.ConnectionID, token account.Secret) (Pusher, error) {
	if !keys.Is(keys.Directory, token.Reveal()) {
		return Pusher{}, noPusher()
	}
	now := l.now()
	var p Pusher
	err := l.db.Look(ctx, func(tx *table.Tx) error {
		var found bool
		var err error
		if p, found, err = tx.PusherByDigest(c, digest(token.Reveal()), now); err == nil && !found {
			return noPusher()
		}
		return err
	})
	switch {
	case err != nil:
		return Pusher{}, err
	case !p.Enabled:
		return Pusher{}, switchedOff(p)
	case now.Sub(p.Token.UsedAt) >= touchEvery:
		err = l.db.Write(ctx, func(tx *table.Tx) error { return tx.TouchSCIMToken(p.Account, c, p.Token.ID, now) })
	}
	return p, err
}

func noPusher() *account.Error {
	return account.Errorf(account.Unauthorized, "The token is not a valid one of this connection.").
		Fix("Mint one for this connection, and give it to the provider as the bearer token.")
}

func switchedOff(p Pusher) *account.Error {
	return account.Errorf(account.Forbidden, "Connection %q is switched off.", p.Name).Fix("An owner can enable it.")
}

// SCIMRequests lists what a connection's provider asked, newest first, from before a line ("" from the newest), at most n (up to
// 1,000). Owners, user admins and the operator may.
func (l *Ledger) SCIMRequests(ctx context.Context, by account.Actor, c account.ConnectionID, before account.SCIMRequestID, n int) (out []account.SCIMRequest, err error) {
	if err := l.flushRequests(ctx); err != nil {
		return nil, err
	}
	a, err := l.accountOfConnection(ctx, c)
	if err != nil {
		return nil, err
	}
	err = l.look(ctx, by, a, userAdmins, func(h *hand) error { out, err = h.Tx.SCIMRequests(a, c, before, min(max(n, 1), 1000)); return err })
	return out, hide(err, noConnection())
}

// requestAge is how long the request log goes back.
const requestAge = 30 * 24 * time.Hour

// A jotted line of the request log waits for others, so that looking something up does not cost a commit of its own. What changes
// something is written with the change.
type jotted struct {
	account    account.AccountID
	connection account.ConnectionID
	account.SCIMRequest
}

const jotsAtOnce = 100

// JotRequest puts a request that changed nothing into the request log, soon.
func (l *Ledger) JotRequest(ctx context.Context, p Pusher, r account.SCIMRequest) error {
	r.ID = account.NewID[account.SCIMRequestID](r.At, l.opt.Random)
	for _, text := range []*string{&r.Method, &r.Path, &r.Detail, &r.Body, &r.Agent} {
		*text = strings.ReplaceAll(strings.ToValidUTF8(*text, "\uFFFD"), "\x00", "\uFFFD") // what strangers write, PostgreSQL may not hold
	}
	if l.jots.add(jotted{p.Account, p.Connection, r})%jotsAtOnce == 0 {
		return l.flushRequests(ctx)
	}
	return nil
}

// flushRequests writes what waits for the request log.
func (l *Ledger) flushRequests(ctx context.Context) error {
	return l.jots.flush(ctx, l.db, func(tx *table.Tx, j jotted) error {
		return tx.InsertSCIMRequest(j.account, j.connection, j.SCIMRequest)
	})
}

// keepRequests writes the request log, the last times of receipts and the last uses of keys every few seconds until ctx ends.
func (l *Ledger) keepRequests(ctx context.Context) {
	tick := time.NewTicker(2 * time.Second)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			if err := errors.Join(l.flushRequests(ctx), l.flushStamps(ctx), l.flushUses(ctx)); err != nil && ctx.Err() == nil {
				l.opt.Log.ErrorContext(ctx, "the SCIM request log, receipts or uses of keys could not be written", "error", err)
			}
		}
	}
}

// SealCursor makes a text of where a list goes on that nobody can read or make; scope is what it belongs to.
func (l *Ledger) SealCursor(where string, scope ...string) (string, error) {
	sealed, err := l.opt.Keyring.seal(account.NewSecret(where), append([]string{"cursor"}, scope...)...)
	return base64.RawURLEncoding.EncodeToString(sealed), err
}

// OpenCursor reads one; empty when it is not of that scope.
func (l *Ledger) OpenCursor(cursor string, scope ...string) string {
	sealed, err := base64.RawURLEncoding.DecodeString(cursor)
	if err != nil {
		return ""
	}
	where, err := l.opt.Keyring.open(sealed, append([]string{"cursor"}, scope...)...)
	if err != nil {
		return ""
	}
	return where.Reveal()
}
