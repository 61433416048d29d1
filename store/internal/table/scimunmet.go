package table

import (
	"fmt"

	"github.com/drawbridge-id/drawbridge/account"
	"github.com/drawbridge-id/drawbridge/directory"
)

// SetUnmet notes why provisioning and sign-in do not meet in a pushed user; empty when they do.
func (tx *Tx) SetUnmet(p Pushed, why string) error {
	_, err := tx.exec(`UPDATE scim_resources SET unmet = $4 WHERE account_id = $1 AND connection_id = $2 AND id = $3`, p.Account, p.Connection, p.ID, why)
	return err
}

// SubjectsOf are the subjects that a person signs in with at a connection.
func (tx *Tx) SubjectsOf(a account.AccountID, c account.ConnectionID, u account.UserID) ([]string, error) {
	return list(tx, scanText, `
		SELECT subject FROM login_identities WHERE account_id = $1 AND user_id = $2 AND connection_id = $3 AND subject NOT LIKE $4 ORDER BY last_login DESC, subject LIMIT 10`,
		a, u, c, Retired+"%")
}

// Unmet lists the pushed users of a connection in which provisioning and sign-in do not meet, and the groups that wait for members, at
// most n of each.
func (tx *Tx) Unmet(a account.AccountID, c account.ConnectionID, n int) ([]account.Unmet, error) {
	out, err := list(tx, func(s scanner) (u account.Unmet, err error) {
		var p Pushed
		p, err = scanPushed(s)
		return account.Unmet{Kind: string(p.Kind), ID: p.ID, Name: p.Document.Name(p.Kind), Person: p.Person, Why: p.Unmet}, err
	}, `
		SELECT `+pushedColumns+` FROM scim_resources r WHERE r.account_id = $1 AND r.connection_id = $2 AND r.unmet <> '' ORDER BY r.id LIMIT $3`, a, c, n)
	if err != nil {
		return nil, err
	}
	groups, err := list(tx, func(s scanner) (u account.Unmet, err error) {
		var waiting int
		var first string
		err = s.Scan(&u.ID, &u.Name, &waiting, &first)
		u.Kind = string(directory.Group)
		u.Why = fmt.Sprintf("It names %d members that are nobody of this connection yet, among them %s. Assign them to the application, so that they are pushed.", waiting, first)
		return u, err
	}, `
		SELECT r.id, r.title, count(*), min(m.member_id)
		  FROM scim_pending m
		  JOIN scim_resources r ON r.account_id = m.account_id AND r.connection_id = m.connection_id AND r.id = m.group_id
		 WHERE m.account_id = $1 AND m.connection_id = $2 GROUP BY r.id, r.title ORDER BY r.id LIMIT $3`, a, c, n)
	return append(out, groups...), err
}
