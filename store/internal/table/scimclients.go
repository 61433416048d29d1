package table

import (
	"time"

	"github.com/drawbridge-id/drawbridge/account"
)

// A SCIMClient is an OAuth client as a row.
type SCIMClient struct {
	account.SCIMClient
	Account account.AccountID
	Digest  []byte // of its secret
	Enabled bool   // its connection
}

func scanSCIMClient(s scanner) (c SCIMClient, err error) {
	var made, expires, used int64
	err = s.Scan(&c.Account, &c.ID, &c.Connection, &c.Digest, &c.Last4, &made, &c.CreatedBy, &expires, &used, &c.Enabled)
	c.CreatedAt, c.ExpiresAt, c.UsedAt = instant(made), instant(expires), instant(used)
	return c, err
}

const scimClientColumns = `k.account_id, k.id, k.connection_id, k.digest, k.last4, k.created_at, k.created_by, k.expires_at, k.used_at, c.enabled`

// SCIMClient finds a client of a connection that has not run out.
func (tx *Tx) SCIMClient(c account.ConnectionID, id account.SCIMClientID, at time.Time) (SCIMClient, bool, error) {
	return one(tx, scanSCIMClient, `
		SELECT `+scimClientColumns+` FROM scim_clients k JOIN connections c ON c.id = k.connection_id
		 WHERE k.id = $1 AND k.connection_id = $2 AND k.expires_at > $3`, id, c, micros(at))
}

// SCIMClients lists the clients of a connection that have not run out, oldest first.
func (tx *Tx) SCIMClients(a account.AccountID, c account.ConnectionID, at time.Time) ([]SCIMClient, error) {
	return list(tx, scanSCIMClient, `
		SELECT `+scimClientColumns+` FROM scim_clients k JOIN connections c ON c.id = k.connection_id
		 WHERE k.account_id = $1 AND k.connection_id = $2 AND k.expires_at > $3 ORDER BY k.id`, a, c, micros(at))
}

// InsertSCIMClient writes a new one.
func (tx *Tx) InsertSCIMClient(a account.AccountID, c account.SCIMClient, digest []byte) error {
	_, err := tx.exec(`
		INSERT INTO scim_clients (account_id, id, connection_id, digest, last4, created_at, created_by, expires_at)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8)`, a, c.ID, c.Connection, digest, c.Last4, micros(c.CreatedAt), c.CreatedBy, micros(c.ExpiresAt))
	return err
}

// DeleteSCIMClient removes a client with the tokens that it fetched; it is false when there is none.
func (tx *Tx) DeleteSCIMClient(a account.AccountID, c account.ConnectionID, id account.SCIMClientID) (bool, error) {
	if _, err := tx.exec(`DELETE FROM scim_tokens WHERE account_id = $1 AND connection_id = $2 AND client_id = $3`, a, c, id); err != nil {
		return false, err
	}
	n, err := tx.exec(`DELETE FROM scim_clients WHERE account_id = $1 AND connection_id = $2 AND id = $3`, a, c, id)
	return n > 0, err
}

// FetchedSCIMToken notes that a client fetched a token, and keeps the newest n of its living ones.
func (tx *Tx) FetchedSCIMToken(a account.AccountID, c account.ConnectionID, id account.SCIMClientID, at time.Time, n int) error {
	if _, err := tx.exec(`UPDATE scim_clients SET used_at = $4 WHERE account_id = $1 AND connection_id = $2 AND id = $3`, a, c, id, micros(at)); err != nil {
		return err
	}
	_, err := tx.exec(`
		DELETE FROM scim_tokens WHERE account_id = $1 AND connection_id = $2 AND client_id = $3 AND (expires_at <= $4 OR id NOT IN
			(SELECT id FROM scim_tokens WHERE account_id = $1 AND connection_id = $2 AND client_id = $3 ORDER BY id DESC LIMIT $5))`, a, c, id, micros(at), n)
	return err
}
