package table

import "time"

// A Call is a change that its caller named with a key.
type Call struct {
	Caller      string
	Key         []byte // SHA-256 of the key
	Fingerprint []byte // SHA-256 of what was asked
	BegunAt     time.Time
	EndedAt     time.Time // zero: under way, or it ended with the process
	Sealed      []byte    // the answer; empty: not known
}

func scanCall(s scanner) (c Call, err error) {
	var begun, ended int64
	err = s.Scan(&c.Caller, &c.Key, &c.Fingerprint, &begun, &ended, &c.Sealed)
	c.BegunAt, c.EndedAt = instant(begun), instant(ended)
	return c, err
}

const callColumns = `caller, key, fingerprint, begun_at, ended_at, answer`

// Call reads one.
func (tx *Tx) Call(caller string, key []byte) (Call, bool, error) {
	return one(tx, scanCall, `SELECT `+callColumns+` FROM api_calls WHERE caller = $1 AND key = $2`, caller, key)
}

// Calls counts a caller's, up to most.
func (tx *Tx) Calls(caller string, most int) (int, error) {
	n, _, err := one(tx, func(s scanner) (n int, err error) { return n, s.Scan(&n) }, `
		SELECT COUNT(*) FROM (SELECT 1 FROM api_calls WHERE caller = $1 LIMIT $2) AS counted`, caller, most)
	return n, err
}

// InsertCall writes one that begins.
func (tx *Tx) InsertCall(c Call) error {
	_, err := tx.exec(`
		INSERT INTO api_calls (caller, key, fingerprint, begun_at, answer) VALUES ($1, $2, $3, $4, $5)`,
		c.Caller, c.Key, c.Fingerprint, micros(c.BegunAt), []byte{})
	return err
}

// DropCall forgets one.
func (tx *Tx) DropCall(caller string, key []byte) error {
	_, err := tx.exec(`DELETE FROM api_calls WHERE caller = $1 AND key = $2`, caller, key)
	return err
}

// EndCall writes what came of one.
func (tx *Tx) EndCall(c Call) error {
	_, err := tx.exec(`
		UPDATE api_calls SET ended_at = $4, answer = $5 WHERE caller = $1 AND key = $2 AND begun_at = $3`,
		c.Caller, c.Key, micros(c.BegunAt), micros(c.EndedAt), c.Sealed)
	return err
}

// PurgeCalls forgets those from before an instant, at most n.
func (tx *Tx) PurgeCalls(before time.Time, n int) (int64, error) {
	return tx.exec(`
		DELETE FROM api_calls WHERE (caller, key) IN (SELECT caller, key FROM api_calls WHERE begun_at < $1 LIMIT $2)`, micros(before), n)
}

// CallsAfter pages through what is sealed, in the order of the keys.
func (tx *Tx) CallsAfter(last Call, n int) ([]Call, error) {
	if last.Key == nil {
		last.Key = []byte{}
	}
	return list(tx, scanCall, `
		SELECT `+callColumns+` FROM api_calls WHERE (caller, key) > ($1, $2) AND length(answer) > 0 ORDER BY caller, key LIMIT $3`, last.Caller, last.Key, n)
}

// ResealCall replaces the sealed answer.
func (tx *Tx) ResealCall(c Call) error {
	_, err := tx.exec(`UPDATE api_calls SET answer = $3 WHERE caller = $1 AND key = $2`, c.Caller, c.Key, c.Sealed)
	return err
}
