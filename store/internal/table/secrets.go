package table

import (
	"time"

	"github.com/drawbridge-id/drawbridge/account"
)

// A Secret is a sealed value with the place that it was sealed for.
type Secret struct {
	Account account.AccountID
	Owner   string // connection id
	Name    string // live/client_secret, draft/okta_token, history/3/client_secret, sp_key/<id>
	Sealed  []byte
}

// PutSecret writes one.
func (tx *Tx) PutSecret(s Secret, at time.Time) error {
	_, err := tx.exec(`
		INSERT INTO secrets (account_id, owner, name, sealed, updated_at) VALUES ($1, $2, $3, $4, $5)
		    ON CONFLICT (account_id, owner, name) DO UPDATE SET sealed = excluded.sealed, updated_at = excluded.updated_at`,
		s.Account, s.Owner, s.Name, s.Sealed, micros(at))
	return err
}

// Secrets reads those of an owner whose names begin with prefix.
func (tx *Tx) Secrets(a account.AccountID, owner, prefix string) (map[string][]byte, error) {
	rows, err := list(tx, func(s scanner) (r Secret, err error) { return r, s.Scan(&r.Name, &r.Sealed) }, `
		SELECT name, sealed FROM secrets WHERE account_id = $1 AND owner = $2 AND substr(name, 1, length($3)) = $3`, a, owner, prefix)
	out := make(map[string][]byte, len(rows))
	for _, r := range rows {
		out[r.Name] = r.Sealed
	}
	return out, err
}

// DropSecrets removes those of an owner whose names begin with prefix.
func (tx *Tx) DropSecrets(a account.AccountID, owner, prefix string) error {
	_, err := tx.exec(`
		DELETE FROM secrets WHERE account_id = $1 AND owner = $2 AND substr(name, 1, length($3)) = $3`, a, owner, prefix)
	return err
}

// SecretsAfter pages through all secrets of the installation in the order of their keys.
func (tx *Tx) SecretsAfter(last Secret, n int) ([]Secret, error) {
	return list(tx, func(s scanner) (r Secret, err error) { return r, s.Scan(&r.Account, &r.Owner, &r.Name, &r.Sealed) }, `
		SELECT account_id, owner, name, sealed FROM secrets
		 WHERE (account_id, owner, name) > ($1, $2, $3) ORDER BY account_id, owner, name LIMIT $4`,
		last.Account, last.Owner, last.Name, n)
}

// Reseal replaces a sealed value that is still what it was.
func (tx *Tx) Reseal(s Secret, sealed []byte, at time.Time) (bool, error) {
	n, err := tx.exec(`
		UPDATE secrets SET sealed = $4, updated_at = $5 WHERE account_id = $1 AND owner = $2 AND name = $3 AND sealed = $6`,
		s.Account, s.Owner, s.Name, sealed, micros(at), s.Sealed)
	return n > 0, err
}
