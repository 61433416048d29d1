package table

import (
	"time"

	"github.com/drawbridge-id/drawbridge/account"
)

// A Factor is a second factor with what it is checked by.
type Factor struct {
	account.Factor
	LastCounter int64 // time step of the last code that was taken
}

const factorColumns = `user_id, id, kind, name, confirmed, last_counter, created_at, used_at`

func scanFactor(s scanner) (f Factor, err error) {
	var created, used int64
	err = s.Scan(&f.User, &f.ID, &f.Kind, &f.Name, &f.Confirmed, &f.LastCounter, &created, &used)
	f.CreatedAt, f.UsedAt = instant(created), instant(used)
	return f, err
}

// InsertFactor writes a new one.
func (tx *Tx) InsertFactor(f Factor) error {
	_, err := tx.exec(`INSERT INTO factors (`+factorColumns+`) VALUES ($1, $2, $3, $4, $5, $6, $7, $8)`,
		f.User, f.ID, f.Kind, f.Name, f.Confirmed, f.LastCounter, micros(f.CreatedAt), micros(f.UsedAt))
	return err
}

// Factors lists somebody's, oldest first.
func (tx *Tx) Factors(u account.UserID) ([]Factor, error) {
	return list(tx, scanFactor, `SELECT `+factorColumns+` FROM factors WHERE user_id = $1 ORDER BY id`, u)
}

// HasFactor reports whether somebody has one that counts.
func (tx *Tx) HasFactor(u account.UserID) (bool, error) {
	n, _, err := one(tx, scanInt, `SELECT COUNT(*) FROM factors WHERE user_id = $1 AND confirmed`, u)
	return n > 0, err
}

// UseFactor notes that one was shown. Of several at once with the same counter one is told true: what was shown works once.
func (tx *Tx) UseFactor(f Factor, counter int64, at time.Time) (bool, error) {
	n, err := tx.exec(`
		UPDATE factors SET confirmed = TRUE, last_counter = $4, used_at = $5
		 WHERE user_id = $1 AND id = $2 AND last_counter = $3`, f.User, f.ID, f.LastCounter, counter, micros(at))
	return n > 0, err
}

// DropFactor forgets one.
func (tx *Tx) DropFactor(u account.UserID, id account.FactorID) (bool, error) {
	n, err := tx.exec(`DELETE FROM factors WHERE user_id = $1 AND id = $2`, u, id)
	return n > 0, err
}

// PutRecoveryCodes replaces somebody's codes.
func (tx *Tx) PutRecoveryCodes(u account.UserID, digests [][]byte) error {
	if _, err := tx.exec(`DELETE FROM recovery_codes WHERE user_id = $1`, u); err != nil {
		return err
	}
	for _, d := range digests {
		if _, err := tx.exec(`INSERT INTO recovery_codes (user_id, digest) VALUES ($1, $2)`, u, d); err != nil {
			return err
		}
	}
	return nil
}

// UseRecoveryCode uses one up.
func (tx *Tx) UseRecoveryCode(u account.UserID, digest []byte) (bool, error) {
	n, err := tx.exec(`DELETE FROM recovery_codes WHERE user_id = $1 AND digest = $2`, u, digest)
	return n > 0, err
}

// RecoveryCodes counts those that are left.
func (tx *Tx) RecoveryCodes(u account.UserID) (int, error) {
	n, _, err := one(tx, scanInt, `SELECT COUNT(*) FROM recovery_codes WHERE user_id = $1`, u)
	return n, err
}
