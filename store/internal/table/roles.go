package table

import (
	"github.com/drawbridge-id/drawbridge/account"
	"github.com/drawbridge-id/drawbridge/rules"
)

const sourceColumns = `user_id, org_id, team_id, role, kind, rule_id, group_value, connection_id, granted_by, granted_at`

type sourceRow struct {
	user account.UserID
	rules.Sourced
}

func scanSource(s scanner) (r sourceRow, err error) {
	var at int64
	err = s.Scan(&r.user, &r.Scope.Org, &r.Scope.Team, &r.Role, &r.Source.Kind, &r.Source.Rule, &r.Source.Group,
		&r.Source.Connection, &r.Source.By, &at)
	r.Source.At = instant(at)
	return r, err
}

// hold gathers sources into held roles; rows of one role stand together.
func hold(rows []sourceRow) []account.Held {
	var held []account.Held
	for _, r := range rows {
		n := len(held)
		if n == 0 || held[n-1].Scope != r.Scope || held[n-1].Role != r.Role {
			held = append(held, account.Held{Scope: r.Scope, Role: r.Role})
			n++
		}
		held[n-1].Sources = append(held[n-1].Sources, r.Source)
	}
	account.SortHeld(held) // a database's collation may order otherwise
	return held
}

// Held reads every role that somebody holds in an account and its org, with its sources, in the order of account.SortHeld.
func (tx *Tx) Held(a account.AccountID, u account.UserID) ([]account.Held, error) {
	rows, err := list(tx, scanSource, `
		SELECT `+sourceColumns+` FROM role_sources WHERE account_id = $1 AND user_id = $2
		 ORDER BY org_id, team_id, role`, a, u)
	return hold(rows), err
}

// HeldBetween reads the roles of all people after one user id and up to another.
func (tx *Tx) HeldBetween(a account.AccountID, after, upTo account.UserID) (map[account.UserID][]account.Held, error) {
	rows, err := list(tx, scanSource, `
		SELECT `+sourceColumns+` FROM role_sources WHERE account_id = $1 AND user_id > $2 AND user_id <= $3
		 ORDER BY user_id, org_id, team_id, role`, a, after, upTo)
	if err != nil {
		return nil, err
	}
	held := map[account.UserID][]account.Held{}
	for len(rows) > 0 {
		n := 1
		for n < len(rows) && rows[n].user == rows[0].user {
			n++
		}
		held[rows[0].user] = hold(rows[:n])
		rows = rows[n:]
	}
	return held, nil
}

// AddSource adds one reason to hold a role; it says whether that is new.
func (tx *Tx) AddSource(a account.AccountID, u account.UserID, s rules.Sourced) (bool, error) {
	n, err := tx.exec(`
		INSERT INTO role_sources (account_id, user_id, org_id, team_id, role, kind, rule_id, group_value, connection_id, granted_by, granted_at)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)
		    ON CONFLICT DO NOTHING`,
		a, u, s.Scope.Org, s.Scope.Team, s.Role, s.Source.Kind, s.Source.Rule, s.Source.Group, s.Source.Connection, s.Source.By, micros(s.Source.At))
	return n > 0, err
}

// DropSource takes one reason away; it says whether it was there.
func (tx *Tx) DropSource(a account.AccountID, u account.UserID, s rules.Sourced) (bool, error) {
	n, err := tx.exec(`
		DELETE FROM role_sources
		 WHERE account_id = $1 AND user_id = $2 AND org_id = $3 AND team_id = $4 AND role = $5 AND kind = $6
		   AND rule_id = $7 AND group_value = $8 AND connection_id = $9`,
		a, u, s.Scope.Org, s.Scope.Team, s.Role, s.Source.Kind, s.Source.Rule, s.Source.Group, s.Source.Connection)
	return n > 0, err
}

// ApplyChange writes what a rules.Change gives and takes.
func (tx *Tx) ApplyChange(a account.AccountID, u account.UserID, c rules.Change) error {
	for _, s := range c.Revoke {
		if _, err := tx.DropSource(a, u, s); err != nil {
			return err
		}
	}
	for _, s := range c.Grant {
		if _, err := tx.AddSource(a, u, s); err != nil {
			return err
		}
	}
	return nil
}

// Holders lists who holds a role in the whole org, or with an empty org in the account, by user id.
func (tx *Tx) Holders(a account.AccountID, org account.OrgID, r account.Role) ([]account.User, error) {
	return list(tx, scanUser, `
		SELECT DISTINCT u.id, u.email, u.name, u.state, u.created_at
		  FROM role_sources s JOIN users u ON u.id = s.user_id
		 WHERE s.account_id = $1 AND s.org_id = $2 AND s.team_id = '' AND s.role = $3
		 ORDER BY u.id`, a, org, r)
}

// OrgUsers counts the people other than u who hold any role in an org.
func (tx *Tx) OrgUsers(a account.AccountID, org account.OrgID, u account.UserID) (int, error) {
	n, _, err := one(tx, scanInt, `
		SELECT count(DISTINCT user_id) FROM role_sources WHERE account_id = $1 AND org_id = $2 AND user_id <> $3`, a, org, u)
	return n, err
}

// A Tenant is one person of an account.
type Tenant struct {
	User    account.User
	Tenancy account.Tenancy // without role and sources
}

func scanTenant(a account.AccountID) func(scanner) (Tenant, error) {
	return func(s scanner) (t Tenant, err error) {
		var since int64
		t.User, err = scanUser(withTail(s, &t.Tenancy.Status, &since))
		t.Tenancy.Account, t.Tenancy.User, t.Tenancy.Since = a, t.User.ID, instant(since)
		return t, err
	}
}

const tenantQuery = `
	SELECT u.id, u.email, u.name, u.state, u.created_at, t.status, t.since
	  FROM tenancies t JOIN users u ON u.id = t.user_id
	 WHERE t.account_id = $1
	   AND EXISTS (SELECT 1 FROM role_sources s WHERE s.account_id = t.account_id AND s.user_id = t.user_id AND s.org_id = '')`

// Tenants pages through the people of an account by user id.
func (tx *Tx) Tenants(a account.AccountID, after account.UserID, n int) ([]Tenant, error) {
	return list(tx, scanTenant(a), tenantQuery+` AND t.user_id > $2 ORDER BY t.user_id LIMIT $3`, a, after, n)
}

// Tenant reads one person of an account.
func (tx *Tx) Tenant(a account.AccountID, u account.UserID) (Tenant, bool, error) {
	return one(tx, scanTenant(a), tenantQuery+` AND t.user_id = $2`, a, u)
}
