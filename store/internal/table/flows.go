package table

import (
	"crypto/sha256"
	"fmt"
	"time"

	"github.com/drawbridge-id/drawbridge/account"
)

// maxKeyText bounds text from outside that becomes part of a key, in bytes: PostgreSQL indexes no row beyond 2.7 kB.
const maxKeyText = 1024

// A Flow is a row: the digests stand for Handle and Browser, which are empty, and Sealed for the Verifier.
type Flow struct {
	account.Flow
	Account       account.AccountID
	HandleDigest  []byte
	BrowserDigest []byte
	Sealed        []byte
}

const flowColumns = `account_id, id, connection_id, which, browser_digest, request_id, nonce, verifier, issuer, next, login_hint,
	test, test_by, diagnosis_id, forced, created_at, expires_at`

func scanFlow(s scanner) (f Flow, err error) {
	var made, expires int64
	err = s.Scan(&f.Account, &f.ID, &f.Connection, &f.Which, &f.BrowserDigest, &f.RequestID, &f.Nonce, &f.Sealed, &f.Issuer, &f.Next, &f.LoginHint,
		&f.Test, &f.TestBy, &f.Diagnosis, &f.Forced, &made, &expires)
	f.CreatedAt, f.ExpiresAt = instant(made), instant(expires)
	return f, err
}

// InsertFlow writes a started sign-in.
func (tx *Tx) InsertFlow(f Flow) error {
	_, err := tx.exec(`
		INSERT INTO flows (account_id, id, connection_id, which, handle_digest, browser_digest, request_id, nonce, verifier, issuer, next, login_hint,
		                   test, test_by, diagnosis_id, forced, created_at, expires_at)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18)`,
		f.Account, f.ID, f.Connection, f.Which, f.HandleDigest, f.BrowserDigest, f.RequestID, f.Nonce, f.Sealed, f.Issuer, f.Next, f.LoginHint,
		f.Test, f.TestBy, f.Diagnosis, f.Forced, micros(f.CreatedAt), micros(f.ExpiresAt))
	return err
}

// FlowByHandle reads one of an enabled connection that has not run out.
func (tx *Tx) FlowByHandle(c account.ConnectionID, handle []byte, at time.Time) (Flow, bool, error) {
	return one(tx, scanFlow, `
		SELECT `+flowColumns+` FROM flows
		 WHERE handle_digest = $1 AND connection_id = $2 AND expires_at > $3
		   AND EXISTS (SELECT 1 FROM connections c WHERE c.id = $2 AND c.enabled)`, handle, c, micros(at))
}

// FlowByRequest is FlowByHandle for a SAML request id.
func (tx *Tx) FlowByRequest(c account.ConnectionID, request string, at time.Time) (Flow, bool, error) {
	return one(tx, scanFlow, `
		SELECT `+flowColumns+` FROM flows
		 WHERE connection_id = $2 AND request_id = $1 AND request_id <> '' AND expires_at > $3
		   AND EXISTS (SELECT 1 FROM connections c WHERE c.id = $2 AND c.enabled)`, request, c, micros(at))
}

// TakeFlow uses up a flow; of several takers one is told true.
func (tx *Tx) TakeFlow(c account.ConnectionID, id account.FlowID, at time.Time) (bool, error) {
	n, err := tx.exec(`
		DELETE FROM flows
		 WHERE account_id = (SELECT account_id FROM connections WHERE id = $1) AND id = $2 AND connection_id = $1 AND expires_at > $3`, c, id, micros(at))
	return n > 0, err
}

// DropFlowsOf ends every pending sign-in of a connection.
func (tx *Tx) DropFlowsOf(a account.AccountID, c account.ConnectionID) (int64, error) {
	return tx.exec(`DELETE FROM flows WHERE account_id = $1 AND connection_id = $2`, a, c)
}

// FlowsAfter pages through the flows that hold a sealed verifier.
func (tx *Tx) FlowsAfter(id account.FlowID, n int) ([]Flow, error) {
	return list(tx, scanFlow, `
		SELECT `+flowColumns+` FROM flows WHERE id > $1 AND verifier IS NOT NULL ORDER BY id LIMIT $2`, id, n)
}

// ResealFlow replaces the sealed verifier.
func (tx *Tx) ResealFlow(f Flow, sealed []byte) error {
	_, err := tx.exec(`UPDATE flows SET verifier = $3 WHERE account_id = $1 AND id = $2`, f.Account, f.ID, sealed)
	return err
}

// UseMessage remembers that a message was used; it is false when it was used before. Within the transaction, so that of two
// copies one waits for the other. A long name of a message is known by its digest.
func (tx *Tx) UseMessage(a account.AccountID, c account.ConnectionID, message string, until time.Time) (bool, error) {
	if len(message) > maxKeyText {
		message = fmt.Sprintf("sha256 %x", sha256.Sum256([]byte(message)))
	}
	n, err := tx.exec(`
		INSERT INTO replays (account_id, connection_id, message, until) VALUES ($1, $2, $3, $4)
		    ON CONFLICT (account_id, connection_id, message) DO NOTHING`, a, c, message, micros(until))
	return n > 0, err
}
