package table

import (
	"encoding/json"
	"time"

	"github.com/drawbridge-id/drawbridge/account"
)

// InsertAudit writes one line; its At is taken from at.
func (tx *Tx) InsertAudit(l account.AuditLine, at time.Time) error {
	detail := "{}"
	if len(l.Detail) > 0 {
		text, err := json.Marshal(l.Detail)
		if err != nil {
			return err
		}
		detail = string(text)
	}
	_, err := tx.exec(`
		INSERT INTO audit (account_id, id, at, actor, verb, target, outcome, reason, connection_id, ip, request, detail)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)`,
		l.Account, l.ID, micros(at), l.Actor, l.Verb, l.Target, l.Outcome, l.Reason, l.Connection, l.IP, l.Request, detail)
	return err
}

// Audit lists an account's lines, newest first, from before (empty: from the newest), at most n.
func (tx *Tx) Audit(a account.AccountID, before account.AuditID, n int) ([]account.AuditLine, error) {
	if before == "" {
		before = "b" // behind every id, all of which begin with aud_
	}
	return list(tx, func(s scanner) (l account.AuditLine, err error) {
		var at int64
		var detail string
		l.Account = a
		if err = s.Scan(&l.ID, &at, &l.Actor, &l.Verb, &l.Target, &l.Outcome, &l.Reason, &l.Connection, &l.IP, &l.Request, &detail); err != nil {
			return l, err
		}
		l.At = instant(at).Format(time.RFC3339Nano)
		return l, json.Unmarshal([]byte(detail), &l.Detail)
	}, `
		SELECT id, at, actor, verb, target, outcome, reason, connection_id, ip, request, detail
		  FROM audit WHERE account_id = $1 AND id < $2 ORDER BY id DESC LIMIT $3`, a, before, n)
}
