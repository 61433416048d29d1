package table

import "github.com/drawbridge-id/drawbridge/account"

// SyncDecision reads that of a connection.
func (tx *Tx) SyncDecision(a account.AccountID, c account.ConnectionID) (account.SyncDecision, bool, error) {
	return one(tx, func(s scanner) (d account.SyncDecision, err error) {
		var at int64
		err = s.Scan(&d.Decision, &d.AcknowledgedBy, &d.Evidence, &d.Note, &at, &d.RecordedBy)
		d.RecordedAt = instant(at)
		return d, err
	}, `
		SELECT decision, acknowledged_by, evidence, note, recorded_at, recorded_by FROM sync_decisions WHERE account_id = $1 AND connection_id = $2`, a, c)
}

// PutSyncDecision writes that of a connection.
func (tx *Tx) PutSyncDecision(a account.AccountID, c account.ConnectionID, d account.SyncDecision) error {
	_, err := tx.exec(`
		INSERT INTO sync_decisions (account_id, connection_id, decision, acknowledged_by, evidence, note, recorded_at, recorded_by)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8)
		    ON CONFLICT (account_id, connection_id) DO UPDATE
		   SET decision = excluded.decision, acknowledged_by = excluded.acknowledged_by, evidence = excluded.evidence, note = excluded.note,
		       recorded_at = excluded.recorded_at, recorded_by = excluded.recorded_by`,
		a, c, d.Decision, d.AcknowledgedBy, d.Evidence, d.Note, micros(d.RecordedAt), d.RecordedBy)
	return err
}
