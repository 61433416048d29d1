package table

import (
	"time"

	"github.com/drawbridge-id/drawbridge/account"
)

// A Domain is a row: the domain with what only the ledger needs.
type Domain struct {
	account.Domain
	FailingSince time.Time
	CreatedAt    time.Time
}

const domainColumns = `account_id, id, name, connection_id, token, state, cut_over, proved_at, proved_by, checked_at, failing_since, last_answer, created_at`

func scanDomain(s scanner) (d Domain, err error) {
	var proved, checked, failing, made int64
	err = s.Scan(&d.Account, &d.ID, &d.Name, &d.Connection, &d.Token, &d.State, &d.CutOver, &proved, &d.ProvedBy, &checked, &failing, &d.LastAnswer, &made)
	d.ProvedAt, d.CheckedAt, d.FailingSince, d.CreatedAt = instant(proved), instant(checked), instant(failing), instant(made)
	return d, err
}

// Domain reads one by its id alone; the caller asks for its account.
func (tx *Tx) Domain(id account.DomainID) (Domain, bool, error) {
	return one(tx, scanDomain, `SELECT `+domainColumns+` FROM domains WHERE id = $1`, id)
}

// Domains lists those of an account by name.
func (tx *Tx) Domains(a account.AccountID) ([]Domain, error) {
	return list(tx, scanDomain, `SELECT `+domainColumns+` FROM domains WHERE account_id = $1 ORDER BY name`, a)
}

// DomainNamed reads an account's claim of a name.
func (tx *Tx) DomainNamed(a account.AccountID, name string) (Domain, bool, error) {
	return one(tx, scanDomain, `SELECT `+domainColumns+` FROM domains WHERE account_id = $1 AND name = $2`, a, name)
}

// HeldDomain reads the one claim of a name that counts, whosever it is.
func (tx *Tx) HeldDomain(name string) (Domain, bool, error) {
	return one(tx, scanDomain, `SELECT `+domainColumns+` FROM domains WHERE name = $1 AND state IN ('proved', 'failing')`, name)
}

// PutDomain writes all columns.
func (tx *Tx) PutDomain(d Domain) error {
	_, err := tx.exec(`
		INSERT INTO domains (account_id, id, name, connection_id, token, state, cut_over, proved_at, proved_by, checked_at, failing_since, last_answer, created_at)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13)
		    ON CONFLICT (account_id, id) DO UPDATE
		   SET connection_id = excluded.connection_id, state = excluded.state, cut_over = excluded.cut_over, proved_at = excluded.proved_at,
		       proved_by = excluded.proved_by, checked_at = excluded.checked_at, failing_since = excluded.failing_since, last_answer = excluded.last_answer`,
		d.Account, d.ID, d.Name, d.Connection, d.Token, d.State, d.CutOver, micros(d.ProvedAt), d.ProvedBy, micros(d.CheckedAt),
		micros(d.FailingSince), d.LastAnswer, micros(d.CreatedAt))
	return err
}

// DomainsDue lists what DNS has to be asked about: fresh claims last asked about before fresh, failing ones before failing, all
// others before settled. Domains that an operator vouched for have no record to look for.
func (tx *Tx) DomainsDue(young, fresh, failing, settled time.Time, n int) ([]Domain, error) {
	return list(tx, scanDomain, `
		SELECT `+domainColumns+` FROM domains
		 WHERE proved_by IN ('', 'dns')
		   AND (checked_at < $4 OR (state = 'failing' AND checked_at < $3) OR (state = 'pending' AND created_at > $1 AND checked_at < $2))
		 ORDER BY checked_at LIMIT $5`, micros(young), micros(fresh), micros(failing), micros(settled), n)
}

// ConnectionOfDomain reads the claim of a name that counts and the connection it is tied to.
func (tx *Tx) ConnectionOfDomain(name string) (c Connection, d Domain, found bool, err error) {
	c, found, err = one(tx, func(s scanner) (Connection, error) {
		var proved, checked int64
		c, err := scanConnection(withTail(s, &d.ID, &d.Name, &d.Token, &d.State, &d.CutOver, &proved, &d.ProvedBy, &checked))
		d.Account, d.Connection, d.ProvedAt, d.CheckedAt = c.Account, c.ID, instant(proved), instant(checked)
		return c, err
	}, `
		SELECT c.account_id, c.id, c.name, c.enabled, c.live, c.draft, c.live_revision, c.draft_edition, c.passed_edition, c.passed_test, c.groups_seen_at, c.created_at,
		       d.id, d.name, d.token, d.state, d.cut_over, d.proved_at, d.proved_by, d.checked_at
		  FROM domains d JOIN connections c ON c.account_id = d.account_id AND c.id = d.connection_id
		 WHERE d.name = $1 AND d.state IN ('proved', 'failing')`, name)
	return c, d, found, err
}
