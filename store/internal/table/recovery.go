package table

import (
	"time"

	"github.com/drawbridge-id/drawbridge/account"
)

// Recovery reads how an account's owner gets back in; the zero value when nothing was ever said about it.
func (tx *Tx) Recovery(a account.AccountID) (account.Recovery, error) {
	r, found, err := one(tx, func(s scanner) (r account.Recovery, err error) {
		var verified, set, rehearsed, used, waived int64
		var w account.Waiver
		err = s.Scan(&r.Email, &verified, &r.Pending, &set, &r.SetBy, &rehearsed, &used, &waived, &w.By, &w.Why)
		r.VerifiedAt, r.SetAt, r.RehearsedAt, r.UsedAt = instant(verified), instant(set), instant(rehearsed), instant(used)
		if waived != 0 {
			w.At = instant(waived)
			r.Waived = &w
		}
		return r, err
	}, `SELECT email, verified_at, pending, set_at, set_by, rehearsed_at, used_at, waived_at, waived_by, waived_why FROM recovery WHERE account_id = $1`, a)
	if !found {
		r = account.Recovery{}
	}
	r.Account = a
	return r, err
}

// PutRecovery replaces it.
func (tx *Tx) PutRecovery(r account.Recovery) error {
	var w account.Waiver
	if r.Waived != nil {
		w = *r.Waived
	}
	_, err := tx.exec(`
		INSERT INTO recovery (account_id, email, verified_at, pending, set_at, set_by, rehearsed_at, used_at, waived_at, waived_by, waived_why)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)
		    ON CONFLICT (account_id) DO UPDATE
		   SET email = excluded.email, verified_at = excluded.verified_at, pending = excluded.pending, set_at = excluded.set_at, set_by = excluded.set_by,
		       rehearsed_at = excluded.rehearsed_at, used_at = excluded.used_at, waived_at = excluded.waived_at, waived_by = excluded.waived_by,
		       waived_why = excluded.waived_why`,
		r.Account, r.Email, micros(r.VerifiedAt), r.Pending, micros(r.SetAt), r.SetBy, micros(r.RehearsedAt), micros(r.UsedAt), micros(w.At), w.By, w.Why)
	return err
}

// A RecoveryLink is a row.
type RecoveryLink struct {
	Account account.AccountID
	Purpose account.RecoveryPurpose
	Email   string
	User    account.UserID
	Link
}

// PutRecoveryLink writes the link of a purpose, in place of the one before.
func (tx *Tx) PutRecoveryLink(r RecoveryLink) error {
	_, err := tx.exec(`
		INSERT INTO recovery_links (account_id, purpose, email, user_id, `+linkColumns+`) VALUES ($1, $2, $3, $4, $5, $6, $7, $8)
		    ON CONFLICT (account_id, purpose) DO UPDATE
		   SET email = excluded.email, user_id = excluded.user_id, link_digest = excluded.link_digest, link_state = excluded.link_state,
		       link_validity = excluded.link_validity, link_until = excluded.link_until`, r.values(r.Account, r.Purpose, r.Email, r.User)...)
	return err
}

// RecoveryLink finds one by the digest of its token.
func (tx *Tx) RecoveryLink(digest []byte) (RecoveryLink, bool, error) {
	return one(tx, func(s scanner) (r RecoveryLink, err error) {
		return r, linkInto(s, &r.Link, &r.Account, &r.Purpose, &r.Email, &r.User)
	}, `SELECT account_id, purpose, email, user_id, `+linkColumns+` FROM recovery_links WHERE link_digest = $1`, digest)
}

// UseRecoveryLink uses one up; of several at once one is told true.
func (tx *Tx) UseRecoveryLink(digest []byte, at time.Time) (bool, error) {
	n, err := tx.exec(`UPDATE recovery_links SET link_state = 'accepted' WHERE link_digest = $1 AND link_state = 'pending' AND link_until > $2`, digest, micros(at))
	return n > 0, err
}

// DropRecoveryLinks forgets those of an account, about one person only when u is not "".
func (tx *Tx) DropRecoveryLinks(a account.AccountID, u account.UserID) error {
	_, err := tx.exec(`DELETE FROM recovery_links WHERE account_id = $1 AND ($2 = '' OR user_id = $2)`, a, u)
	return err
}

// WakePlace opens a place in an account that identity providers closed, for good or not. What they said until then counts no more.
func (tx *Tx) WakePlace(a account.AccountID, u account.UserID, at time.Time) (bool, error) {
	n, err := tx.exec(`
		UPDATE tenancies SET status = 'active', suspended_by = '', purged_at = 0, lifecycle_at = $3, lifecycle_by = 'recovery'
		 WHERE account_id = $1 AND user_id = $2 AND status = 'suspended' AND suspended_by <> ''`, a, u, micros(at))
	return n > 0, err
}

// Keepers lists who keeps an account: its owners, those of its org and its admins, whose place there is open.
func (tx *Tx) Keepers(a account.AccountID) ([]account.User, error) {
	return list(tx, scanUser, `
		SELECT DISTINCT u.id, u.email, u.name, u.state, u.created_at
		  FROM role_sources s
		  JOIN users u ON u.id = s.user_id
		  JOIN tenancies t ON t.account_id = s.account_id AND t.user_id = s.user_id
		 WHERE s.account_id = $1 AND s.team_id = '' AND (s.role = 'owner' OR s.org_id = '' AND s.role = 'admin')
		   AND u.state = 'active' AND t.status = 'active'
		 ORDER BY u.id`, a)
}

// AccountsMeant lists the accounts with that number or name, and those that the person with that address owns, at most n.
func (tx *Tx) AccountsMeant(what, email string, n int) ([]account.AccountID, error) {
	return list(tx, func(s scanner) (a account.AccountID, err error) { return a, s.Scan(&a) }, `
		SELECT id FROM accounts WHERE number = $1 OR name = $1
		UNION
		SELECT s.account_id FROM users u JOIN role_sources s ON s.user_id = u.id
		 WHERE u.email = $2 AND s.org_id = '' AND s.team_id = '' AND s.role = 'owner'
		 ORDER BY 1 LIMIT $3`, what, email, n)
}
