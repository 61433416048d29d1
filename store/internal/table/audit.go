package table

import (
	"encoding/json"
	"time"

	"github.com/drawbridge-id/drawbridge/account"
	"github.com/drawbridge-id/drawbridge/audit"
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
	if err == nil && tx.heard {
		l.At = instant(micros(at)).Format(time.RFC3339Nano)
		tx.audited = append(tx.audited, l)
	}
	return err
}

// Audit lists an account's lines, newest first, from before (empty: from the newest), at most n.
func (tx *Tx) Audit(a account.AccountID, before account.AuditID, n int) ([]account.AuditLine, error) {
	if before == "" {
		before = "b" // behind every id, all of which begin with aud_
	}
	return list(tx, scanAudit(a), `
		SELECT `+auditColumns+`
		  FROM audit WHERE account_id = $1 AND id < $2 ORDER BY id DESC LIMIT $3`, a, before, n)
}

// An AuditFilter picks lines of an audit log; empty fields pick all.
type AuditFilter struct {
	Actor, Verb, Target, Outcome, Request string // the verb by its beginning
	From, Until                           account.AuditID
}

// auditLooked is how many lines one look goes through for those that are asked for.
const auditLooked = 20_000

// AuditPage lists an account's lines that f picks, newest first, from before one ("" from the newest), at most n. It goes through the newest
// 20,000 of them and no further: next is where to go on, empty at the end of the log.
func (tx *Tx) AuditPage(a account.AccountID, f AuditFilter, before account.AuditID, n int) (lines []account.AuditLine, next account.AuditID, err error) {
	if before == "" {
		before = "b" // behind every id, all of which begin with aud_
	}
	if f.Until != "" {
		before = min(before, f.Until)
	}
	const looked = ` FROM audit WHERE account_id = $1 AND id < $2 AND id >= $3 ORDER BY id DESC LIMIT `
	lines, err = list(tx, scanAudit(a), `
		SELECT `+auditColumns+` FROM (SELECT *`+looked+`20000) AS looked
		 WHERE ($4 = '' OR actor = $4) AND ($5 = '' OR substr(verb, 1, length($5)) = $5) AND ($6 = '' OR target = $6)
		   AND ($7 = '' OR outcome = $7) AND ($8 = '' OR request = $8)
		 ORDER BY id DESC LIMIT $9`, a, before, f.From, f.Actor, f.Verb, f.Target, f.Outcome, f.Request, n)
	if err != nil {
		return nil, "", err
	}
	if len(lines) == n {
		return lines, lines[n-1].ID, nil
	}
	next, _, err = one(tx, func(s scanner) (id account.AuditID, err error) { return id, s.Scan(&id) }, `
		SELECT id`+looked+`1 OFFSET $4`, a, before, f.From, auditLooked-1)
	return lines, next, err
}

const auditColumns = `id, at, actor, verb, target, outcome, reason, connection_id, ip, request, detail`

func scanAudit(a account.AccountID) func(scanner) (account.AuditLine, error) {
	return func(s scanner) (l account.AuditLine, err error) {
		var at int64
		var detail string
		l.Account = a
		if err = s.Scan(&l.ID, &at, &l.Actor, &l.Verb, &l.Target, &l.Outcome, &l.Reason, &l.Connection, &l.IP, &l.Request, &detail); err != nil {
			return l, err
		}
		l.At = instant(at).Format(time.RFC3339Nano)
		return l, json.Unmarshal([]byte(detail), &l.Detail)
	}
}

// AuditBlock lists the lines of one block in the order in which they are sealed; of block 0 the first n that are not sealed yet, after one.
func (tx *Tx) AuditBlock(a account.AccountID, block int64, after account.AuditID, n int) ([]account.AuditLine, error) {
	return list(tx, scanAudit(a), `
		SELECT `+auditColumns+`
		  FROM audit WHERE account_id = $1 AND block = $2 AND id > $3 ORDER BY id LIMIT $4`, a, block, after, n)
}

// CloseAuditBlock puts the oldest lines that are in no block, at most n, into one, and gives exactly those, in no order.
func (tx *Tx) CloseAuditBlock(a account.AccountID, block int64, n int) ([]account.AuditLine, error) {
	return list(tx, scanAudit(a), `
		UPDATE audit SET block = $2
		 WHERE account_id = $1 AND id IN (SELECT id FROM audit WHERE account_id = $1 AND block = 0 ORDER BY id LIMIT $3)
		RETURNING `+auditColumns, a, block, n)
}

// AccountsToSeal lists accounts with lines in no block, the installation's own as ""; at most n, after one.
func (tx *Tx) AccountsToSeal(n int) ([]account.AccountID, error) {
	return list(tx, func(s scanner) (a account.AccountID, err error) { return a, s.Scan(&a) }, `
		SELECT DISTINCT account_id FROM audit WHERE block = 0 ORDER BY account_id LIMIT $1`, n)
}

func scanSeal(s scanner) (l audit.Seal, err error) {
	var at int64
	err = s.Scan(&l.Account, &l.Block, &l.Lines, (*[]byte)(&l.Hash), &at, (*[]byte)(&l.Signature))
	l.At = instant(at)
	return l, err
}

// InsertSeal writes one.
func (tx *Tx) InsertSeal(s audit.Seal) error {
	_, err := tx.exec(`
		INSERT INTO audit_seals (account_id, block, lines, hash, sealed_at, signature) VALUES ($1, $2, $3, $4, $5, $6)`,
		s.Account, s.Block, s.Lines, []byte(s.Hash), micros(s.At), []byte(s.Signature))
	return err
}

// Seals lists those of an account in order, after a block, at most n.
func (tx *Tx) Seals(a account.AccountID, after int64, n int) ([]audit.Seal, error) {
	return list(tx, scanSeal, `
		SELECT account_id, block, lines, hash, sealed_at, signature FROM audit_seals WHERE account_id = $1 AND block > $2 ORDER BY block LIMIT $3`, a, after, n)
}

// LastSeal is the newest of an account.
func (tx *Tx) LastSeal(a account.AccountID) (audit.Seal, bool, error) {
	return one(tx, scanSeal, `
		SELECT account_id, block, lines, hash, sealed_at, signature FROM audit_seals WHERE account_id = $1 ORDER BY block DESC LIMIT 1`, a)
}
