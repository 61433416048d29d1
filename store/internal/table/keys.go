package table

import (
	"time"

	"github.com/drawbridge-id/drawbridge/account"
)

const keyColumns = `k.account_id, k.id, k.org_id, k.user_id, k.name, k.last4, k.state, k.reason, k.created_at, k.expires_at, k.used_at, k.ended_at, k.flagged_at`

func scanKey(s scanner) (k account.Key, err error) {
	var made, expires, used, ended, flagged int64
	err = s.Scan(&k.Account, &k.ID, &k.Org, &k.User, &k.Name, &k.Last4, &k.State, &k.Reason, &made, &expires, &used, &ended, &flagged)
	k.CreatedAt, k.ExpiresAt, k.UsedAt, k.EndedAt, k.FlaggedAt = instant(made), instant(expires), instant(used), instant(ended), instant(flagged)
	return k, err
}

// InsertKey writes a new one.
func (tx *Tx) InsertKey(k account.Key, digest []byte) error {
	_, err := tx.exec(`
		INSERT INTO personal_keys (account_id, id, org_id, user_id, digest, name, last4, state, created_at, expires_at)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)`,
		k.Account, k.ID, k.Org, k.User, digest, k.Name, k.Last4, k.State, micros(k.CreatedAt), micros(k.ExpiresAt))
	return err
}

// Keys lists a person's keys of an account, oldest first, revoked ones included.
func (tx *Tx) Keys(a account.AccountID, u account.UserID) ([]account.Key, error) {
	return list(tx, scanKey, `SELECT `+keyColumns+` FROM personal_keys k WHERE k.account_id = $1 AND k.user_id = $2 ORDER BY k.id`, a, u)
}

// Key reads one.
func (tx *Tx) Key(a account.AccountID, id account.KeyID) (account.Key, bool, error) {
	return one(tx, scanKey, `SELECT `+keyColumns+` FROM personal_keys k WHERE k.account_id = $1 AND k.id = $2`, a, id)
}

// RevokeKey is false when it is not active.
func (tx *Tx) RevokeKey(a account.AccountID, id account.KeyID, reason string, at time.Time) (bool, error) {
	n, err := tx.exec(`
		UPDATE personal_keys SET state = 'revoked', reason = $3, ended_at = $4 WHERE account_id = $1 AND id = $2 AND state = 'active'`, a, id, reason, micros(at))
	return n > 0, err
}

// RevokeKeys revokes the active keys of a person: in one account, or in all when it is "".
func (tx *Tx) RevokeKeys(a account.AccountID, u account.UserID, reason string, at time.Time) (int64, error) {
	return tx.exec(`
		UPDATE personal_keys SET state = 'revoked', reason = $3, ended_at = $4
		 WHERE user_id = $2 AND ($1 = '' OR account_id = $1) AND state = 'active'`, a, u, reason, micros(at))
}

// FlagKeys marks a person's active keys of an account that were made since an instant.
func (tx *Tx) FlagKeys(a account.AccountID, u account.UserID, since, at time.Time) (int64, error) {
	return tx.exec(`
		UPDATE personal_keys SET flagged_at = $4 WHERE account_id = $1 AND user_id = $2 AND state = 'active' AND created_at >= $3`,
		a, u, micros(since), micros(at))
}
