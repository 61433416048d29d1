package table

import (
	"time"

	"github.com/drawbridge-id/drawbridge/account"
)

const receiptColumns = `r.account_id, r.id, r.user_id, r.email, r.source, r.actor, r.why, r.txn, r.received_at, r.committed_at, r.everywhere_at,
	r.sessions, r.keys, r.suspended, r.disabled`

func scanReceipt(s scanner) (r account.Receipt, err error) {
	var received, committed, everywhere int64
	err = s.Scan(&r.Account, &r.ID, &r.User, &r.Email, &r.Source, &r.By, &r.Why, &r.Txn, &received, &committed, &everywhere,
		&r.Sessions, &r.Keys, &r.Suspended, &r.Disabled)
	r.Received, r.Committed, r.Everywhere = instant(received), instant(committed), instant(everywhere)
	return r, err
}

// InsertReceipt writes a new one.
func (tx *Tx) InsertReceipt(r account.Receipt) error {
	_, err := tx.exec(`
		INSERT INTO receipts (account_id, id, user_id, email, source, actor, why, txn, received_at, sessions, keys, suspended, disabled)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13)`,
		r.Account, r.ID, r.User, r.Email, r.Source, r.By, r.Why, r.Txn, micros(r.Received), r.Sessions, r.Keys, r.Suspended, r.Disabled)
	return err
}

// StampReceipt notes what can only be known after the commit.
func (tx *Tx) StampReceipt(a account.AccountID, id account.ReceiptID, committed, everywhere time.Time) error {
	_, err := tx.exec(`
		UPDATE receipts SET committed_at = $3, everywhere_at = $4 WHERE account_id = $1 AND id = $2`, a, id, micros(committed), micros(everywhere))
	return err
}

// Receipts lists an account's removals, newest first, from before one ("" from the newest); of one person when u is not "".
func (tx *Tx) Receipts(a account.AccountID, u account.UserID, before account.ReceiptID, n int) ([]account.Receipt, error) {
	return list(tx, scanReceipt, `
		SELECT `+receiptColumns+` FROM receipts r
		 WHERE r.account_id = $1 AND ($2 = '' OR r.user_id = $2) AND ($3 = '' OR r.id < $3) ORDER BY r.id DESC LIMIT $4`, a, u, before, n)
}
