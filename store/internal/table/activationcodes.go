package table

import (
	"time"

	"github.com/drawbridge-id/drawbridge/account"
)

// An ActivationCode is a row.
type ActivationCode struct {
	Digest    []byte // SHA-256
	Tail      string // its end, for people who compare
	Product   string
	Label     string
	Term      time.Duration
	Batch     string
	CreatedAt time.Time
	Account   account.AccountID // where it was used; empty: it was not
}

const codeColumns = `digest, tail, product, label, term, batch, created_at, account_id`

func scanCode(s scanner) (c ActivationCode, err error) {
	var term, made int64
	err = s.Scan(&c.Digest, &c.Tail, &c.Product, &c.Label, &term, &c.Batch, &made, &c.Account)
	c.Term, c.CreatedAt = time.Duration(term)*time.Microsecond, instant(made)
	return c, err
}

// InsertCode writes a new one; it is false when it is there already.
func (tx *Tx) InsertCode(c ActivationCode) (bool, error) {
	n, err := tx.exec(`
		INSERT INTO activation_codes (digest, tail, product, label, term, batch, created_at) VALUES ($1, $2, $3, $4, $5, $6, $7)
		    ON CONFLICT (digest) DO NOTHING`, c.Digest, c.Tail, c.Product, c.Label, c.Term.Microseconds(), c.Batch, micros(c.CreatedAt))
	return n > 0, err
}

// Code reads one.
func (tx *Tx) Code(digest []byte) (ActivationCode, bool, error) {
	return one(tx, scanCode, `SELECT `+codeColumns+` FROM activation_codes WHERE digest = $1`, digest)
}

// UseCode uses one up; it is false when somebody else has.
func (tx *Tx) UseCode(digest []byte, a account.AccountID, s account.SubscriptionID, at time.Time) (bool, error) {
	n, err := tx.exec(`
		UPDATE activation_codes SET account_id = $2, subscription_id = $3, used_at = $4 WHERE digest = $1 AND account_id = ''`, digest, a, s, micros(at))
	return n > 0, err
}

// A CodeBatch counts the codes that came together.
type CodeBatch struct {
	Batch, Product string
	Codes, Used    int
	Since          time.Time
}

// CodeBatches lists them, newest first.
func (tx *Tx) CodeBatches() ([]CodeBatch, error) {
	return list(tx, func(s scanner) (b CodeBatch, err error) {
		var since int64
		err = s.Scan(&b.Batch, &b.Product, &b.Codes, &b.Used, &since)
		b.Since = instant(since)
		return b, err
	}, `
		SELECT batch, product, COUNT(*), COUNT(CASE WHEN account_id <> '' THEN 1 END), MIN(created_at)
		  FROM activation_codes GROUP BY batch, product ORDER BY MIN(created_at) DESC, batch LIMIT 1000`)
}
