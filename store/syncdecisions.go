package store

import (
	"context"

	"github.com/drawbridge-id/drawbridge/account"
	"github.com/drawbridge-id/drawbridge/store/internal/table"
)

// RecordSyncDecision records what a company decided about telling us of people who leave (K-18); a later one replaces it. Owners and the operator may.
func (l *Ledger) RecordSyncDecision(ctx context.Context, by account.Actor, c account.ConnectionID, d account.SyncDecision) (account.SyncDecision, error) {
	if err := d.Check(); err != nil {
		return d, err
	}
	err := l.changeConnection(ctx, by, c, "connection.sync_decided", owners, func(h *hand, _ *table.Connection) (*note, error) {
		have, found, err := h.SyncDecision(h.Account.ID, c)
		if err != nil {
			return nil, err
		}
		d.RecordedAt, d.RecordedBy = have.RecordedAt, have.RecordedBy
		if found && d == have {
			return nil, nil
		}
		d.RecordedAt, d.RecordedBy = h.now, by.String()
		return &note{Target: string(c), Reason: string(d.Decision), Detail: map[string]any{"acknowledged_by": d.AcknowledgedBy, "evidence": d.Evidence}},
			h.PutSyncDecision(h.Account.ID, c, d)
	})
	return d, err
}

// Detection says whether we hear of it when somebody leaves at a connection's provider. Owners, user admins and the operator may.
func (l *Ledger) Detection(ctx context.Context, by account.Actor, c account.ConnectionID) (out account.Detection, err error) {
	a, err := l.accountOfConnection(ctx, c)
	if err != nil {
		return out, err
	}
	err = l.look(ctx, by, a, userAdmins, func(h *hand) error { out, err = h.detection(c); return err })
	return out, hide(err, noConnection())
}

func (h *hand) detection(c account.ConnectionID) (out account.Detection, err error) {
	a := h.Account.ID
	tokens, err := h.Tx.SCIMTokens(a, c, h.now)
	if err != nil {
		return out, err
	}
	for _, t := range tokens {
		if out.SCIMTokens++; t.UsedAt.After(out.SCIMUsed) {
			out.SCIMUsed = t.UsedAt
		}
	}
	streams, err := h.Tx.Streams(a)
	if err != nil {
		return out, err
	}
	for _, s := range streams {
		if s.Connection != c || !s.Enabled {
			continue
		}
		status, _, err := h.Tx.StreamStatus(a, s.ID)
		if err != nil {
			return out, err
		}
		if out.Streams++; status.LastEvent.After(out.StreamHeard) {
			out.StreamHeard = status.LastEvent
		}
	}
	out.Detected = !out.SCIMUsed.IsZero() || !out.StreamHeard.IsZero()
	if d, found, err := h.SyncDecision(a, c); err != nil {
		return out, err
	} else if found {
		out.Decision = &d
	}
	b, err := h.breaker(string(c))
	if err == nil {
		out.Breaker, err = h.breakerState(string(c), b)
	}
	return out, err
}

// decided asks, before a connection goes live for the first time, for the company's decision about removals; an integration that is set up
// says as much (K-18).
func (h *hand) decided(c *table.Connection) error {
	if c.Live != nil {
		return nil
	}
	d, err := h.detection(c.ID)
	if err != nil || d.Decision != nil || d.Integrated() {
		return err
	}
	return account.Errorf(account.Conflict, "Nobody has decided how connection %q tells of people who leave.", c.Name).Coded("sync_decision_needed").
		Fix("Without SCIM or security events their removal is not detected. Set one of them up, or record the company's acknowledgment and decision " +
			"(PUT /api/v1/connections/{connection}/sync-decision, or drawbridge connection decide).")
}

// SCIMOptions says how pushed people and groups of a connection meet those that sign in. Owners, user admins and the operator may.
func (l *Ledger) SCIMOptions(ctx context.Context, by account.Actor, c account.ConnectionID) (out account.SCIMOptions, err error) {
	a, err := l.accountOfConnection(ctx, c)
	if err != nil {
		return out, err
	}
	err = l.look(ctx, by, a, userAdmins, func(h *hand) error {
		var found bool
		if out, found, err = h.Tx.SCIMOptions(a, c); err == nil && !found {
			out = account.DefaultSCIMOptions
		}
		return err
	})
	return out, hide(err, noConnection())
}
