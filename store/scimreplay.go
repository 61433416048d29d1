package store

import (
	"cmp"
	"context"

	"github.com/drawbridge-id/drawbridge/account"
	"github.com/drawbridge-id/drawbridge/store/internal/table"
)

// CodeNotReplayable is the code of a request whose line in the log lacks a part of it.
const CodeNotReplayable = "not_replayable"

// ReplaySCIM runs a request of a connection's log again, as it would be answered now, inside of a transaction that is rolled back. run is
// handed a ledger that works in that transaction, and may be called more than once. What would have changed comes back in the lines that the
// request log would have. Invalid with code not_replayable when the log does not have all of the request. Owners, user admins and the
// operator may.
func (l *Ledger) ReplaySCIM(ctx context.Context, by account.Actor, c account.ConnectionID, id account.SCIMRequestID,
	run func(*Ledger, Pusher, account.SCIMRequest) error) (changes []account.SCIMRequest, err error) {
	if err := l.flushRequests(ctx); err != nil {
		return nil, err
	}
	a, err := l.accountOfConnection(ctx, c)
	if err != nil {
		return nil, err
	}
	var p Pusher
	var r account.SCIMRequest
	err = l.look(ctx, by, a, userAdmins, func(h *hand) (err error) {
		var found bool
		if r, found, err = h.SCIMRequest(a, c, id); err == nil && !found {
			err = account.Errorf(account.NotFound, "The request log has no request %s.", clip(string(id), 60)).Fix("drawbridge scim log shows them, of the last 30 days.")
		}
		if err != nil {
			return err
		}
		p, err = h.pusherOf(c)
		return err
	})
	if err = hide(err, noConnection()); err != nil {
		return nil, err
	}
	if r.Lacks != "" {
		return nil, account.Errorf(account.Invalid, "This request cannot be replayed: the log keeps it without %s.", r.Lacks).Coded(CodeNotReplayable)
	}
	err = l.db.Rehearse(ctx, func(db *table.DB) error {
		changes = nil
		// Its memory is its own: what it caches may never be committed.
		inner := &Ledger{db: db, opt: l.opt, memory: newMemory(), newKey: l.newKey, pushed: func(line account.SCIMRequest) { changes = append(changes, line) }}
		inner.catalogue.Store(l.catalogue.Load())
		return run(inner, p, r)
	})
	return changes, err
}

// pusherOf is a connection of the account as one that pushes.
func (h *hand) pusherOf(c account.ConnectionID) (Pusher, error) {
	o, found, err := h.Outline(c)
	if err != nil || !found {
		return Pusher{}, cmp.Or[error](err, noConnection())
	}
	p := Pusher{Account: h.Account.ID, Connection: c, Name: o.Name, Enabled: o.Enabled}
	if p.Options, found, err = h.SCIMOptions(h.Account.ID, c); err != nil {
		return p, err
	}
	if !found {
		p.Options = account.DefaultSCIMOptions
	}
	p.Own, err = h.Extensions(h.Account.ID, c)
	return p, err
}
