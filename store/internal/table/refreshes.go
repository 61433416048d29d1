package table

import (
	"encoding/json"
	"time"

	"github.com/drawbridge-id/drawbridge/account"
)

// A Refresh is what came of the last look at a provider's metadata.
type Refresh struct {
	Account    account.AccountID
	Connection account.ConnectionID
	Hash       string
	CheckedAt  time.Time
	Outcome    string // unchanged, updated, waiting, failed
	Note       string
	Proposed   *account.SAMLSettings // waiting for approval
}

// Refresh reads it.
func (tx *Tx) Refresh(a account.AccountID, c account.ConnectionID) (Refresh, bool, error) {
	return one(tx, func(s scanner) (r Refresh, err error) {
		var at int64
		var proposed string
		r.Account, r.Connection = a, c
		if err = s.Scan(&r.Hash, &at, &r.Outcome, &r.Note, &proposed); err != nil {
			return r, err
		}
		r.CheckedAt = instant(at)
		if proposed != "" {
			r.Proposed = new(account.SAMLSettings)
			err = json.Unmarshal([]byte(proposed), r.Proposed)
		}
		return r, err
	}, `SELECT hash, checked_at, outcome, note, proposed FROM metadata_refreshes WHERE account_id = $1 AND connection_id = $2`, a, c)
}

// PutRefresh writes it.
func (tx *Tx) PutRefresh(r Refresh) error {
	proposed := ""
	if r.Proposed != nil {
		text, err := json.Marshal(r.Proposed)
		if err != nil {
			return err
		}
		proposed = string(text)
	}
	_, err := tx.exec(`
		INSERT INTO metadata_refreshes (account_id, connection_id, hash, checked_at, outcome, note, proposed) VALUES ($1, $2, $3, $4, $5, $6, $7)
		    ON CONFLICT (account_id, connection_id) DO UPDATE
		   SET hash = excluded.hash, checked_at = excluded.checked_at, outcome = excluded.outcome, note = excluded.note, proposed = excluded.proposed`,
		r.Account, r.Connection, r.Hash, micros(r.CheckedAt), r.Outcome, r.Note, proposed)
	return err
}

// LiveUnchecked lists enabled connections with a metadata address in their live version, which was last looked at before
// an instant; at most n.
func (tx *Tx) LiveUnchecked(before time.Time, n int) ([]Connection, error) {
	return list(tx, scanConnection, `
		SELECT c.account_id, c.id, c.name, c.enabled, c.live, c.draft, c.live_revision, c.draft_edition, c.passed_edition, c.passed_test, c.groups_seen_at, c.created_at
		  FROM connections c
		  LEFT JOIN metadata_refreshes r ON r.account_id = c.account_id AND r.connection_id = c.id
		 WHERE c.enabled AND c.live LIKE '%"MetadataURL":"h%' AND COALESCE(r.checked_at, 0) < $1
		 ORDER BY COALESCE(r.checked_at, 0), c.id LIMIT $2`, micros(before), n)
}
