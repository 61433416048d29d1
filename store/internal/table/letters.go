package table

import (
	"time"

	"github.com/drawbridge-id/drawbridge/account"
)

// A Letter is a row; Sealed stands for Data, which is nil.
type Letter struct {
	account.Letter
	Sealed []byte
}

const letterColumns = `l.account_id, l.id, l.to_address, l.name, l.data, l.at, l.state, l.due_at, l.attempts, l.error, l.ended_at`

func scanLetter(s scanner) (l Letter, err error) {
	var at, due, ended int64
	err = s.Scan(&l.Account, &l.ID, &l.To, &l.Name, &l.Sealed, &at, &l.State, &due, &l.Attempts, &l.Error, &ended)
	l.At, l.DueAt, l.EndedAt = instant(at), instant(due), instant(ended)
	return l, err
}

// InsertLetter writes a new one.
func (tx *Tx) InsertLetter(l Letter) error {
	_, err := tx.exec(`
		INSERT INTO letters (account_id, id, to_address, name, data, at, state, due_at) VALUES ($1, $2, $3, $4, $5, $6, $7, $8)`,
		l.Account, l.ID, l.To, l.Name, l.Sealed, micros(l.At), l.State, micros(l.DueAt))
	return err
}

// LettersDue lists what is to be sent at an instant, the longest waiting first.
func (tx *Tx) LettersDue(at time.Time, n int) ([]Letter, error) {
	return list(tx, scanLetter, `
		SELECT `+letterColumns+` FROM letters l WHERE l.state = 'waiting' AND l.due_at <= $1 ORDER BY l.due_at, l.id LIMIT $2`, micros(at), n)
}

// ClaimLetter takes one until an instant; it is false when somebody else has.
func (tx *Tx) ClaimLetter(l Letter, until time.Time) (bool, error) {
	n, err := tx.exec(`
		UPDATE letters SET due_at = $4 WHERE account_id = $1 AND id = $2 AND state = 'waiting' AND due_at = $3`, l.Account, l.ID, micros(l.DueAt), micros(until))
	return n > 0, err
}

// FinishLetter notes what came of a claimed one. The words of one that is over are forgotten.
func (tx *Tx) FinishLetter(l Letter, claimed time.Time) (bool, error) {
	n, err := tx.exec(`
		UPDATE letters SET state = $4, due_at = $5, attempts = $6, error = $7, ended_at = $8, data = CASE WHEN $4 = 'done' THEN $9 ELSE data END
		 WHERE account_id = $1 AND id = $2 AND state = 'waiting' AND due_at = $3`,
		l.Account, l.ID, micros(claimed), l.State, micros(l.DueAt), l.Attempts, l.Error, micros(l.EndedAt), []byte{})
	return n > 0, err
}

// Letters lists an account's, newest first, from before one ("" from the newest); in one state when s is not "".
func (tx *Tx) Letters(a account.AccountID, s account.DeliveryState, before account.LetterID, n int) ([]Letter, error) {
	return list(tx, scanLetter, `
		SELECT `+letterColumns+` FROM letters l
		 WHERE l.account_id = $1 AND ($2 = '' OR l.state = $2) AND ($3 = '' OR l.id < $3) ORDER BY l.id DESC LIMIT $4`, a, s, before, n)
}

// ReviveLetter makes one that was given up due again.
func (tx *Tx) ReviveLetter(a account.AccountID, id account.LetterID, at time.Time) (bool, error) {
	n, err := tx.exec(`
		UPDATE letters SET state = 'waiting', due_at = $3, attempts = 0, ended_at = 0 WHERE account_id = $1 AND id = $2 AND state = 'dead'`, a, id, micros(at))
	return n > 0, err
}

// PurgeLetters forgets what was over before an instant, at most n.
func (tx *Tx) PurgeLetters(before time.Time, n int) (int64, error) {
	return tx.exec(`
		DELETE FROM letters WHERE (account_id, id) IN
			(SELECT account_id, id FROM letters WHERE state <> 'waiting' AND ended_at < $1 LIMIT $2)`, micros(before), n)
}

// LettersAfter pages through what is sealed, by id.
func (tx *Tx) LettersAfter(after account.LetterID, n int) ([]Letter, error) {
	return list(tx, scanLetter, `
		SELECT `+letterColumns+` FROM letters l WHERE l.id > $1 AND l.state <> 'done' ORDER BY l.id LIMIT $2`, after, n)
}

// ResealLetter replaces the sealed data.
func (tx *Tx) ResealLetter(l Letter) error {
	_, err := tx.exec(`UPDATE letters SET data = $3 WHERE account_id = $1 AND id = $2`, l.Account, l.ID, l.Sealed)
	return err
}
