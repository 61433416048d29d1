package table

import (
	"github.com/drawbridge-id/drawbridge/account"
)

// ShareUser lets sign-ins of a person go on side by side, but not while somebody locks one of these accounts or changes the person's state:
// see ShareHouse. Accounts come first, as everywhere.
func (tx *Tx) ShareUser(u account.UserID, in []account.AccountID) error {
	if tx.db.Dialect == SQLite {
		return nil
	}
	for _, a := range in {
		if _, err := tx.exec(`SELECT 1 FROM accounts WHERE id = $1 FOR SHARE`, a); err != nil {
			return err
		}
	}
	_, err := tx.exec(`SELECT 1 FROM users WHERE id = $1 FOR SHARE`, u)
	return err
}

// EndLocalSessionsOf ends the sessions of everybody but one in a domain who signed in by themselves, and says whose they were.
func (tx *Tx) EndLocalSessionsOf(domain string, but account.UserID) ([]account.UserID, error) {
	return list(tx, func(s scanner) (u account.UserID, err error) { return u, s.Scan(&u) }, `
		DELETE FROM sessions
		 WHERE connection_id = '' AND method IN ('password', 'passkey') AND user_id <> $2
		   AND EXISTS (SELECT 1 FROM users u WHERE u.id = sessions.user_id AND substr(u.email, length(u.email) - length(CAST($1 AS TEXT))) = '@' || CAST($1 AS TEXT))
		RETURNING user_id`, domain, but)
}
