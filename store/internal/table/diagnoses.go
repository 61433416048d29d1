package table

import (
	"encoding/json"
	"time"

	"github.com/drawbridge-id/drawbridge/account"
)

func diagnosisOf(text string) (d account.Diagnosis, err error) {
	return d, json.Unmarshal([]byte(text), &d)
}

func scanDiagnosis(s scanner) (account.Diagnosis, error) {
	var text string
	if err := s.Scan(&text); err != nil {
		return account.Diagnosis{}, err
	}
	return diagnosisOf(text)
}

// InsertDiagnosis writes one; edition is that of the draft, for a login test.
func (tx *Tx) InsertDiagnosis(d account.Diagnosis, edition string) error {
	text, err := json.Marshal(d)
	if err != nil {
		return err
	}
	_, err = tx.exec(`
		INSERT INTO diagnoses (account_id, id, connection_id, which, test, asked_by, outcome, step, code, email, edition, result, at)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13)`,
		d.Account, d.ID, d.Connection, d.Which, d.Test, d.AskedBy, d.Outcome, d.Step, d.Code, d.Email, edition, string(text), micros(d.At))
	return err
}

// FinishDiagnosis writes the outcome of a pending login test and gives the edition it was started for; found is false when there is
// none, or it has an outcome already.
func (tx *Tx) FinishDiagnosis(d account.Diagnosis) (edition string, found bool, err error) {
	text, err := json.Marshal(d)
	if err != nil {
		return "", false, err
	}
	return one(tx, scanText, `
		UPDATE diagnoses SET outcome = $4, step = $5, code = $6, email = $7, result = $8, at = $9
		 WHERE id = $2 AND account_id = $1 AND connection_id = $3 AND test AND outcome = 'pending'
		RETURNING edition`,
		d.Account, d.ID, d.Connection, d.Outcome, d.Step, d.Code, d.Email, string(text), micros(d.At))
}

// Diagnosis reads one by its id alone; the caller asks for its account.
func (tx *Tx) Diagnosis(id account.DiagnosisID) (account.Diagnosis, bool, error) {
	return one(tx, scanDiagnosis, `SELECT result FROM diagnoses WHERE id = $1`, id)
}

// Diagnoses lists the newest of a connection, at most n.
func (tx *Tx) Diagnoses(a account.AccountID, c account.ConnectionID, n int) ([]account.Diagnosis, error) {
	return list(tx, scanDiagnosis, `
		SELECT result FROM diagnoses WHERE account_id = $1 AND connection_id = $2 ORDER BY id DESC LIMIT $3`, a, c, n)
}

// Purge removes what has run out, and diagnoses whose ids sort before one: at most n rows of each kind, so that the writer is not held
// up. It gives the largest number of rows of one kind that went, so that n means there may be more.
func (tx *Tx) Purge(at time.Time, diagnosesBefore account.DiagnosisID, n int) (int64, error) {
	var most int64
	for _, p := range []struct {
		query string
		until any
	}{
		{`DELETE FROM flows WHERE (account_id, id) IN (SELECT account_id, id FROM flows WHERE expires_at <= $1 LIMIT $2)`, micros(at)},
		{`DELETE FROM replays WHERE (account_id, connection_id, message) IN
			(SELECT account_id, connection_id, message FROM replays WHERE until <= $1 LIMIT $2)`, micros(at)},
		{`DELETE FROM sessions WHERE digest IN (SELECT digest FROM sessions WHERE expires_at <= $1 LIMIT $2)`, micros(at)},
		{`DELETE FROM diagnoses WHERE id IN (SELECT id FROM diagnoses WHERE id < $1 LIMIT $2)`, diagnosesBefore},
	} {
		rows, err := tx.exec(p.query, p.until, n)
		if err != nil {
			return most, err
		}
		most = max(most, rows)
	}
	return most, nil
}
