package store

import (
	"context"
	"strings"
	"time"

	"github.com/drawbridge-id/drawbridge/account"
	"github.com/drawbridge-id/drawbridge/store/internal/table"
)

// MetadataDue lists enabled connections whose live version is SAML with a metadata URL that was last looked at more than age ago; at most 100,
// longest waiting first, without secrets.
func (l *Ledger) MetadataDue(ctx context.Context, age time.Duration) ([]account.Connection, error) {
	var out []account.Connection
	err := l.db.Read(ctx, func(tx *table.Tx) error {
		rows, err := tx.LiveUnchecked(l.now().Add(-age), 100)
		out = nil
		for _, r := range rows {
			if r.Live != nil && r.Live.SAML != nil && r.Live.SAML.MetadataURL != "" {
				out = append(out, r.Connection)
			}
		}
		return err
	})
	return out, err
}

// RecordRefresh stores what came of a check: updated settings are applied to live (audited) unless they need approval, in which case
// they wait. A new entity id always waits. What failed or waits is audited when that is news.
func (l *Ledger) RecordRefresh(ctx context.Context, by account.Actor, r account.Refresh) error {
	return l.changeConnection(ctx, by, r.Connection, "metadata.checked", owners, func(h *hand, c *table.Connection) (*note, error) {
		before, _, err := h.Refresh(c.Account, c.ID)
		if err != nil {
			return nil, err
		}
		now := table.Refresh{Account: c.Account, Connection: c.ID, Hash: r.Hash, CheckedAt: h.now, Outcome: "unchanged", Note: clip(strings.Join(r.Changes, "; "), 2000)}
		if now.Hash == "" {
			now.Hash = before.Hash
		}
		switch {
		case r.Err != nil:
			now.Outcome, now.Note, now.Proposed = "failed", clip(r.Err.Error(), 2000), before.Proposed
		case r.Settings == nil:
			now.Proposed = before.Proposed
			if now.Proposed != nil {
				now.Outcome, now.Note = "waiting", before.Note
			}
		case c.Live == nil || c.Live.SAML == nil:
			return nil, account.Errorf(account.Conflict, "Connection %q has no live SAML version.", c.Name).Coded("not_live")
		case r.NeedsApproval || r.Settings.EntityID != c.Live.SAML.EntityID:
			now.Outcome, now.Proposed = "waiting", r.Settings
		default:
			now.Outcome = "updated"
			if err := l.applyRefresh(h, c, r.Settings); err != nil {
				return nil, err
			}
		}
		if err := h.PutRefresh(now); err != nil {
			return nil, err
		}
		if now.Outcome == "unchanged" || now.Outcome == before.Outcome && now.Outcome != "updated" && now.Note == before.Note {
			return nil, nil
		}
		return &note{Target: string(c.ID), Reason: now.Outcome, Detail: map[string]any{"changes": now.Note, "hash": now.Hash, "revision": c.LiveRevision}}, nil
	})
}

func (l *Ledger) applyRefresh(h *hand, c *table.Connection, s *account.SAMLSettings) error {
	next := cloneSettings(*c.Live)
	saml := *s
	next.SAML = &saml
	if err := next.Check(); err != nil {
		return err
	}
	return l.goLive(h, c, next)
}

// ApproveRefresh applies what waits for approval. Conflict when nothing does. Owners and the operator may.
func (l *Ledger) ApproveRefresh(ctx context.Context, by account.Actor, id account.ConnectionID) error {
	return l.changeConnection(ctx, by, id, "metadata.approved", owners, func(h *hand, c *table.Connection) (*note, error) {
		r, found, err := h.Refresh(c.Account, id)
		if err != nil {
			return nil, err
		}
		if !found || r.Proposed == nil || c.Live == nil || c.Live.SAML == nil {
			return nil, account.Errorf(account.Conflict, "No new metadata waits for approval.").Coded("nothing_waiting")
		}
		if err := l.applyRefresh(h, c, r.Proposed); err != nil {
			return nil, err
		}
		r.Outcome, r.Proposed = "updated", nil
		return &note{Target: string(id), Detail: map[string]any{"changes": r.Note, "hash": r.Hash, "revision": c.LiveRevision}}, h.PutRefresh(r)
	})
}
