package table

import (
	"encoding/json"
	"strings"
	"time"

	"github.com/drawbridge-id/drawbridge/account"
)

// A Profile is what the people of an account say about it.
type Profile struct {
	Description string
	Company     account.Company
}

// Profile reads it; its zero value stands for an account of which nothing was said.
func (tx *Tx) Profile(a account.AccountID) (Profile, error) {
	p, _, err := one(tx, func(s scanner) (p Profile, err error) {
		var company string
		if err = s.Scan(&p.Description, &company); err != nil || company == "" {
			return p, err
		}
		return p, json.Unmarshal([]byte(company), &p.Company)
	}, `SELECT description, company FROM account_profiles WHERE account_id = $1`, a)
	return p, err
}

// PutProfile writes it.
func (tx *Tx) PutProfile(a account.AccountID, p Profile) error {
	company := ""
	if p.Company != (account.Company{}) {
		text, err := json.Marshal(p.Company)
		if err != nil {
			return err
		}
		company = string(text)
	}
	_, err := tx.exec(`
		INSERT INTO account_profiles (account_id, description, company) VALUES ($1, $2, $3)
		    ON CONFLICT (account_id) DO UPDATE SET description = excluded.description, company = excluded.company`, a, p.Description, company)
	return err
}

// Billing reads where an account's invoices go; found is false when nothing was said.
func (tx *Tx) Billing(a account.AccountID) (b account.Billing, found bool, err error) {
	text, _, err := one(tx, scanText, `SELECT billing FROM account_profiles WHERE account_id = $1`, a)
	if err != nil || text == "" {
		return b, false, err
	}
	return b, true, json.Unmarshal([]byte(text), &b)
}

// PutBilling writes it.
func (tx *Tx) PutBilling(a account.AccountID, b account.Billing) error {
	text, err := json.Marshal(b)
	if err != nil {
		return err
	}
	_, err = tx.exec(`
		INSERT INTO account_profiles (account_id, billing) VALUES ($1, $2)
		    ON CONFLICT (account_id) DO UPDATE SET billing = excluded.billing`, a, string(text))
	return err
}

// OpenedBy notes who made an account by themselves, and when.
func (tx *Tx) OpenedBy(a account.AccountID, u account.UserID, at time.Time) error {
	_, err := tx.exec(`
		INSERT INTO account_profiles (account_id, opened_by, opened_at) VALUES ($1, $2, $3)
		    ON CONFLICT (account_id) DO UPDATE SET opened_by = excluded.opened_by, opened_at = excluded.opened_at`, a, u, micros(at))
	return err
}

// CountOpened counts the accounts that somebody has made since an instant, whoever owns them now.
func (tx *Tx) CountOpened(u account.UserID, since time.Time) (int, error) {
	n, _, err := one(tx, scanInt, `SELECT count(*) FROM account_profiles WHERE opened_by = $1 AND opened_by <> '' AND opened_at > $2`, u, micros(since))
	return n, err
}

// CountOwned counts the accounts that somebody owns.
func (tx *Tx) CountOwned(u account.UserID) (int, error) {
	n, _, err := one(tx, scanInt, `
		SELECT count(*) FROM tenancies t
		 WHERE t.user_id = $1 AND EXISTS (
		       SELECT 1 FROM role_sources s WHERE s.account_id = t.account_id AND s.user_id = t.user_id AND s.org_id = '' AND s.team_id = '' AND s.role = 'owner')`, u)
	return n, err
}

// LockUser reads a person after holding them for this transaction: whoever else does so waits until it ends, so that limits of a person can be counted.
func (tx *Tx) LockUser(u account.UserID) (account.User, bool, error) {
	if _, err := tx.exec(`UPDATE users SET name = name WHERE id = $1`, u); err != nil {
		return account.User{}, false, err
	}
	return tx.User(u)
}

// PlacesLike pages through the accounts that somebody has a place in, suspended ones included, by the account's name: after one, at most n, whose
// account or org is called so that like is a part of it ("" is part of every name).
func (tx *Tx) PlacesLike(u account.UserID, like, after string, n int) ([]account.Place, error) {
	return list(tx, func(s scanner) (p account.Place, err error) {
		var h House
		var owner, admin bool
		h, err = scanHouse(withTail(s, &p.Status, &owner, &admin))
		p.Account, p.Org, p.Role = h.Account, h.Org, account.Member
		if owner {
			p.Role = account.Owner
		} else if admin {
			p.Role = account.Admin
		}
		return p, err
	}, `
		SELECT `+houseColumns+`, t.status,
		       EXISTS (SELECT 1 FROM role_sources s WHERE s.account_id = t.account_id AND s.user_id = t.user_id AND s.org_id = '' AND s.team_id = '' AND s.role = 'owner'),
		       EXISTS (SELECT 1 FROM role_sources s WHERE s.account_id = t.account_id AND s.user_id = t.user_id AND s.org_id = '' AND s.team_id = '' AND s.role = 'admin')
		  FROM tenancies t
		  JOIN accounts a ON a.id = t.account_id
		  JOIN orgs o ON o.account_id = t.account_id
		 WHERE t.user_id = $1 AND a.name > $2
		   AND (lower(a.name) LIKE $3 ESCAPE '\' OR lower(o.name) LIKE $3 ESCAPE '\' OR lower(o.title) LIKE $3 ESCAPE '\')
		   AND EXISTS (SELECT 1 FROM role_sources s WHERE s.account_id = t.account_id AND s.user_id = t.user_id AND s.org_id = '')
		 ORDER BY a.name LIMIT $4`, u, after, partOf(like), n)
}

// partOf is a pattern of LIKE ESCAPE '\' for what has s in it.
func partOf(s string) string {
	return "%" + strings.NewReplacer(`\`, `\\`, `%`, `\%`, `_`, `\_`).Replace(strings.ToLower(s)) + "%"
}

// Houses pages through all accounts by name.
func (tx *Tx) Houses(like, after string, n int) ([]House, error) {
	return list(tx, scanHouse, `
		SELECT `+houseColumns+`
		  FROM accounts a JOIN orgs o ON o.account_id = a.id
		 WHERE a.name > $1 AND (lower(a.name) LIKE $2 ESCAPE '\' OR lower(o.name) LIKE $2 ESCAPE '\' OR lower(o.title) LIKE $2 ESCAPE '\')
		 ORDER BY a.name LIMIT $3`, after, partOf(like), n)
}

// SetOrgType changes the type of an account's org.
func (tx *Tx) SetOrgType(a account.AccountID, t account.OrgType) error {
	_, err := tx.exec(`UPDATE orgs SET type = $2 WHERE account_id = $1`, a, t)
	return err
}

// CountSuspended counts the people of an account whose place in it is suspended.
func (tx *Tx) CountSuspended(a account.AccountID) (int, error) {
	n, _, err := one(tx, scanInt, `SELECT count(*) FROM tenancies WHERE account_id = $1 AND status <> 'active'`, a)
	return n, err
}
