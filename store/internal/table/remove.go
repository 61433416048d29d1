package table

import (
	"time"

	"github.com/drawbridge-id/drawbridge/account"
)

// Live is how many credentials of a person count in an account.
type Live struct {
	Account  account.AccountID
	Org      string
	Sessions int
	Keys     int
}

// LiveCredentials counts them in every account that a person has an active place in, or is external to.
func (tx *Tx) LiveCredentials(u account.UserID, at time.Time) ([]Live, error) {
	return list(tx, func(s scanner) (l Live, err error) { return l, s.Scan(&l.Account, &l.Org, &l.Sessions, &l.Keys) }, `
		SELECT t.account_id, o.name,
		       (SELECT count(*) FROM sessions s WHERE s.user_id = t.user_id AND s.account_id = t.account_id AND s.expires_at > $2 AND s.idle_until > $2),
		       (SELECT count(*) FROM personal_keys k WHERE k.user_id = t.user_id AND k.account_id = t.account_id AND k.state = 'active' AND (k.expires_at = 0 OR k.expires_at > $2))
		  FROM (SELECT account_id, user_id FROM tenancies WHERE user_id = $1 AND status = 'active'
		        UNION SELECT account_id, user_id FROM external_members WHERE user_id = $1) t
		  JOIN orgs o ON o.account_id = t.account_id
		 ORDER BY o.name`, u, micros(at))
}

// DropTenancy takes a person's active place in an account away; it is false when there was none. A suspended one stays, so that a
// sign-in does not make it anew.
func (tx *Tx) DropTenancy(a account.AccountID, u account.UserID) (bool, error) {
	n, err := tx.exec(`DELETE FROM tenancies WHERE account_id = $1 AND user_id = $2 AND status = 'active'`, a, u)
	return n > 0, err
}

// ResumeIn opens a person's place in an account, whoever closed it.
func (tx *Tx) ResumeIn(a account.AccountID, u account.UserID) (bool, error) {
	n, err := tx.exec(`
		UPDATE tenancies SET status = 'active', suspended_by = '' WHERE account_id = $1 AND user_id = $2 AND status = 'suspended'`, a, u)
	return n > 0, err
}

// KnownAt lists the connections of an account that know a person by a subject that still counts.
func (tx *Tx) KnownAt(a account.AccountID, u account.UserID) ([]account.ConnectionID, error) {
	return list(tx, func(s scanner) (c account.ConnectionID, err error) { return c, s.Scan(&c) }, `
		SELECT DISTINCT connection_id FROM login_identities
		 WHERE account_id = $1 AND user_id = $2 AND substr(subject, 1, 1) <> $3`, a, u, Retired)
}
