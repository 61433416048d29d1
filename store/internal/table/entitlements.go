package table

import (
	"time"

	"github.com/drawbridge-id/drawbridge/account"
)

// An Entitlement is a row.
type Entitlement struct {
	account.Entitlement
	Link Link // stands for that of the words, too
}

const entitlementColumns = `id, source, product, label, term, email, holder, tail, note, previous, account_id, created_at, created_by, ended_at, ended_by, ` + linkColumns

func scanEntitlement(s scanner) (e Entitlement, err error) {
	var term, made, ended int64
	err = linkInto(s, &e.Link, &e.ID, &e.Source, &e.Product, &e.Label, &term, &e.Email, &e.Holder, &e.Tail, &e.Note, &e.Previous, &e.Account, &made, &e.By, &ended, &e.EndedBy)
	e.Term, e.CreatedAt, e.EndedAt, e.Entitlement.Link = time.Duration(term)*time.Microsecond, instant(made), instant(ended), e.Link.Link
	return e, err
}

// InsertEntitlement writes a new one.
func (tx *Tx) InsertEntitlement(e Entitlement) error {
	_, err := tx.exec(`
		INSERT INTO entitlements (`+entitlementColumns+`)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19)`,
		e.Link.values(e.ID, e.Source, e.Product, e.Label, e.Term.Microseconds(), e.Email, e.Holder, e.Tail, e.Note, e.Previous, e.Account,
			micros(e.CreatedAt), e.By, micros(e.EndedAt), e.EndedBy)...)
	return err
}

// Entitlement reads one.
func (tx *Tx) Entitlement(id account.EntitlementID) (Entitlement, bool, error) {
	return one(tx, scanEntitlement, `SELECT `+entitlementColumns+` FROM entitlements WHERE id = $1`, id)
}

// EntitlementByLink reads the one that a link, or the number of a certificate, belongs to.
func (tx *Tx) EntitlementByLink(digest []byte) (Entitlement, bool, error) {
	return one(tx, scanEntitlement, `SELECT `+entitlementColumns+` FROM entitlements WHERE link_digest = $1`, digest)
}

// EntitlementsOf lists the invitations of a person, newest first.
func (tx *Tx) EntitlementsOf(email string) ([]Entitlement, error) {
	return list(tx, scanEntitlement, `
		SELECT `+entitlementColumns+` FROM entitlements WHERE email = $1 AND source = 'invitation' ORDER BY id DESC`, email)
}

// Entitlements lists all, newest first, from before one ("" from the newest); those of an address when email is not "".
func (tx *Tx) Entitlements(email string, before account.EntitlementID, n int) ([]Entitlement, error) {
	return list(tx, scanEntitlement, `
		SELECT `+entitlementColumns+` FROM entitlements
		 WHERE ($1 = '' OR email = $1) AND ($2 = '' OR id < $2) ORDER BY id DESC LIMIT $3`, email, before, n)
}

// EndEntitlement closes the link of a pending one, for good: of two that try, one does. The account is where it was activated, or is to be.
func (tx *Tx) EndEntitlement(id account.EntitlementID, s account.LinkState, a account.AccountID, by string, at time.Time) (bool, error) {
	n, err := tx.exec(`
		UPDATE entitlements SET link_state = $2, account_id = $3, ended_by = $4, ended_at = $5 WHERE id = $1 AND link_state = 'pending'`, id, s, a, by, micros(at))
	return n > 0, err
}

// RenewEntitlement replaces the link of a pending one.
func (tx *Tx) RenewEntitlement(id account.EntitlementID, k Link) (bool, error) {
	n, err := tx.exec(`
		UPDATE entitlements SET link_digest = $2, link_validity = $3, link_until = $4 WHERE id = $1 AND link_state = 'pending'`,
		id, k.Digest, k.Validity.Microseconds(), micros(k.Until))
	return n > 0, err
}

// InsertRegistration keeps what somebody said when they registered; details is JSON.
func (tx *Tx) InsertRegistration(a account.AccountID, s account.SubscriptionID, details, by string, at time.Time) error {
	_, err := tx.exec(`
		INSERT INTO registrations (account_id, subscription_id, details, registered_by, at) VALUES ($1, $2, $3, $4, $5)`, a, s, details, by, micros(at))
	return err
}

// Registration reads it.
func (tx *Tx) Registration(a account.AccountID, s account.SubscriptionID) (string, bool, error) {
	return one(tx, scanText, `SELECT details FROM registrations WHERE account_id = $1 AND subscription_id = $2`, a, s)
}
