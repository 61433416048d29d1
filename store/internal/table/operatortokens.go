package table

import (
	"time"

	"github.com/drawbridge-id/drawbridge/account"
)

const operatorTokenColumns = `id, name, last4, created_at, expires_at, used_at, revoked_at`

func scanOperatorToken(s scanner) (t account.OperatorToken, err error) {
	var made, expires, used, revoked int64
	err = s.Scan(&t.ID, &t.Name, &t.Last4, &made, &expires, &used, &revoked)
	t.CreatedAt, t.ExpiresAt, t.UsedAt, t.RevokedAt = instant(made), instant(expires), instant(used), instant(revoked)
	return t, err
}

// InsertOperatorToken writes a new one.
func (tx *Tx) InsertOperatorToken(t account.OperatorToken, digest []byte) error {
	_, err := tx.exec(`
		INSERT INTO operator_tokens (id, digest, name, last4, created_at, expires_at) VALUES ($1, $2, $3, $4, $5, $6)`,
		t.ID, digest, t.Name, t.Last4, micros(t.CreatedAt), micros(t.ExpiresAt))
	return err
}

// OperatorTokens lists all of them, oldest first.
func (tx *Tx) OperatorTokens() ([]account.OperatorToken, error) {
	return list(tx, scanOperatorToken, `SELECT `+operatorTokenColumns+` FROM operator_tokens ORDER BY id`)
}

// OperatorToken reads the one that a digest belongs to.
func (tx *Tx) OperatorToken(digest []byte) (account.OperatorToken, bool, error) {
	return one(tx, scanOperatorToken, `SELECT `+operatorTokenColumns+` FROM operator_tokens WHERE digest = $1`, digest)
}

// RevokeOperatorToken gives the one that was revoked; found is false when there is none that is not.
func (tx *Tx) RevokeOperatorToken(id account.OperatorTokenID, at time.Time) (account.OperatorToken, bool, error) {
	return one(tx, scanOperatorToken, `
		UPDATE operator_tokens SET revoked_at = $2 WHERE id = $1 AND revoked_at = 0 RETURNING `+operatorTokenColumns, id, micros(at))
}

// TouchOperatorToken notes a use.
func (tx *Tx) TouchOperatorToken(id account.OperatorTokenID, at time.Time) error {
	_, err := tx.exec(`UPDATE operator_tokens SET used_at = $2 WHERE id = $1 AND used_at < $2`, id, micros(at))
	return err
}
