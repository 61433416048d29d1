package table

import (
	"github.com/drawbridge-id/drawbridge/account"
	"github.com/drawbridge-id/drawbridge/directory"
)

// PushedUsersBetween reads the pushed users of all people after one user id and up to another.
func (tx *Tx) PushedUsersBetween(a account.AccountID, after, upTo account.UserID) (map[account.UserID][]Pushed, error) {
	rows, err := list(tx, scanPushed, `
		SELECT `+pushedColumns+` FROM scim_resources r
		 WHERE r.account_id = $1 AND r.user_id > $2 AND r.user_id <= $3 AND r.kind = $4 ORDER BY r.user_id, r.connection_id, r.id`, a, after, upTo, directory.User)
	out := map[account.UserID][]Pushed{}
	for _, r := range rows {
		out[r.Person] = append(out[r.Person], r)
	}
	return out, err
}

// PushingUsers lists the connections of an account that have pushed users.
func (tx *Tx) PushingUsers(a account.AccountID) ([]account.ConnectionID, error) {
	return list(tx, func(s scanner) (c account.ConnectionID, err error) { return c, s.Scan(&c) }, `
		SELECT c.id FROM connections c
		 WHERE c.account_id = $1 AND EXISTS (SELECT 1 FROM scim_resources r WHERE r.account_id = c.account_id AND r.connection_id = c.id AND r.kind = $2)
		 ORDER BY c.id`, a, directory.User)
}

// Strays pages through the pushed users of a connection that stand for nobody who has a place in the account, by id.
func (tx *Tx) Strays(a account.AccountID, c account.ConnectionID, after string, n int) ([]Pushed, error) {
	return list(tx, scanPushed, `
		SELECT `+pushedColumns+` FROM scim_resources r
		 WHERE r.account_id = $1 AND r.connection_id = $2 AND r.kind = $3 AND r.id > $4
		   AND NOT EXISTS (SELECT 1 FROM tenancies t
			JOIN role_sources s ON s.account_id = t.account_id AND s.user_id = t.user_id AND s.org_id = ''
			WHERE t.account_id = r.account_id AND t.user_id = r.user_id)
		 ORDER BY r.id LIMIT $5`, a, c, directory.User, after, n)
}

// StandFor notes whom a pushed user stands for.
func (tx *Tx) StandFor(p Pushed) error {
	_, err := tx.exec(`
		UPDATE scim_resources SET user_id = $4, unmet = '' WHERE account_id = $1 AND connection_id = $2 AND id = $3`, p.Account, p.Connection, p.ID, p.Person)
	return err
}
