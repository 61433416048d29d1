package table

import (
	"time"

	"github.com/drawbridge-id/drawbridge/account"
)

const keyColumns = `k.account_id, k.id, k.org_id, k.user_id, k.name, k.last4, k.state, k.reason, k.created_at, k.expires_at, k.used_at, k.ended_at, k.flagged_at, k.home_account_id`

// A keyRow is a key on its way out of a row.
type keyRow struct {
	account.Key
	made, expires, used, ended, flagged int64
}

func (k *keyRow) dest() []any {
	return []any{&k.Account, &k.ID, &k.Org, &k.User, &k.Name, &k.Last4, &k.State, &k.Reason, &k.made, &k.expires, &k.used, &k.ended, &k.flagged, &k.Home}
}

func (k *keyRow) key() account.Key {
	k.CreatedAt, k.ExpiresAt, k.UsedAt, k.EndedAt, k.FlaggedAt = instant(k.made), instant(k.expires), instant(k.used), instant(k.ended), instant(k.flagged)
	return k.Key
}

func scanKey(s scanner) (account.Key, error) {
	var k keyRow
	err := s.Scan(k.dest()...)
	return k.key(), err
}

// InsertKey writes a new one.
func (tx *Tx) InsertKey(k account.Key, digest []byte) error {
	_, err := tx.exec(`
		INSERT INTO personal_keys (account_id, id, org_id, user_id, digest, name, last4, state, created_at, expires_at, home_account_id)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)`,
		k.Account, k.ID, k.Org, k.User, digest, k.Name, k.Last4, k.State, micros(k.CreatedAt), micros(k.ExpiresAt), k.Home)
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
		UPDATE personal_keys SET state = 'revoked', reason = $3, ended_at = $4 WHERE account_id = $1 AND id = $2 AND state <> 'revoked'`, a, id, reason, micros(at))
	return n > 0, err
}

// RevokeKeys revokes the active keys of a person: those for one account and those that it stands behind elsewhere, or all when it is "".
func (tx *Tx) RevokeKeys(a account.AccountID, u account.UserID, reason string, at time.Time) (int64, error) {
	return tx.exec(`
		UPDATE personal_keys SET state = 'revoked', reason = $3, ended_at = $4
		 WHERE user_id = $2 AND ($1 = '' OR account_id = $1 OR home_account_id = $1) AND state <> 'revoked'`, a, u, reason, micros(at))
}

// FlagKeys marks a person's active keys of an account that were made since an instant.
func (tx *Tx) FlagKeys(a account.AccountID, u account.UserID, since, at time.Time) (int64, error) {
	return tx.exec(`
		UPDATE personal_keys SET flagged_at = $4
		 WHERE (account_id = $1 OR home_account_id = $1) AND user_id = $2 AND state = 'active' AND created_at >= $3`,
		a, u, micros(since), micros(at))
}

// A HeldKey is a key with whom it speaks for.
type HeldKey struct {
	Key   account.Key
	User  account.User
	House House
}

// KeyByDigest reads the active key that a digest belongs to, of an active person with an active place in its account; for a key of
// an external user that is the account which stands behind it, and they are in a group of the other.
func (tx *Tx) KeyByDigest(digest []byte, at time.Time) (HeldKey, bool, error) {
	return one(tx, func(s scanner) (h HeldKey, err error) {
		var k keyRow
		var made int64
		u := &h.User
		h.House, err = scanHouse(withTail(s, append(k.dest(), &u.ID, &u.Email, &u.Name, &u.State, &made)...))
		h.Key, u.CreatedAt = k.key(), instant(made)
		return h, err
	}, `
		SELECT `+houseColumns+`, `+keyColumns+`, u.id, u.email, u.name, u.state, u.created_at
		  FROM personal_keys k
		  JOIN users u ON u.id = k.user_id
		  JOIN accounts a ON a.id = k.account_id
		  JOIN orgs o ON o.account_id = k.account_id
		  JOIN tenancies t ON t.account_id = CASE WHEN k.home_account_id = '' THEN k.account_id ELSE k.home_account_id END AND t.user_id = k.user_id
		 WHERE k.digest = $1 AND k.state = 'active' AND (k.expires_at = 0 OR k.expires_at > $2) AND u.state = 'active' AND t.status = 'active'
		   AND EXISTS (SELECT 1 FROM role_sources s WHERE s.account_id = t.account_id AND s.user_id = k.user_id AND s.org_id = '' AND s.team_id = '')
		   AND (k.home_account_id = '' OR
		        EXISTS (SELECT 1 FROM external_members m WHERE m.account_id = k.account_id AND m.user_id = k.user_id)
		        AND NOT EXISTS (SELECT 1 FROM tenancies x WHERE x.account_id = k.account_id AND x.user_id = k.user_id AND x.status <> 'active'))`,
		digest, micros(at))
}

// TouchKey notes a use.
func (tx *Tx) TouchKey(a account.AccountID, id account.KeyID, at time.Time) error {
	_, err := tx.exec(`UPDATE personal_keys SET used_at = $3 WHERE account_id = $1 AND id = $2 AND used_at < $3`, a, id, micros(at))
	return err
}
