package table

import (
	"strings"

	"github.com/drawbridge-id/drawbridge/account"
)

// A Listed is a row of the list of an account's people: a tenant, or somebody who is invited and has no place yet.
type Listed struct {
	Tenant
	Key        string               // by which it is sorted
	Invitation account.InvitationID // of who is only invited; empty: a tenant
	Role       account.Role         // in the account, of who is only invited
}

// ID tells rows of one key apart.
func (l Listed) ID() string {
	if l.Invitation != "" {
		return string(l.Invitation)
	}
	return string(l.User.ID)
}

// like makes a LIKE pattern for a part of a text, "" for any; '!' escapes.
func like(part string) string {
	if part == "" {
		return ""
	}
	return "%" + strings.NewReplacer("!", "!!", "%", "!%", "_", "!_").Replace(part) + "%"
}

const (
	listedTenants = `
		  FROM tenancies t JOIN users u ON u.id = t.user_id
		 WHERE t.account_id = $1 AND (t.sort_key, t.user_id) > ($2, $3) AND ($4 = '' OR t.search LIKE $4 ESCAPE '!')
		   AND EXISTS (SELECT 1 FROM role_sources s WHERE s.account_id = t.account_id AND s.user_id = t.user_id AND s.org_id = '')`
	// The addresses of invitations are in lower case, and few wait at a time.
	listedInvited = `
		  FROM invitations i
		 WHERE i.account_id = $1 AND i.link_state = 'pending' AND (i.email, i.id) > ($2, $3) AND ($4 = '' OR i.email LIKE $4 ESCAPE '!')
		   AND NOT EXISTS (SELECT 1 FROM users v JOIN tenancies w ON w.account_id = i.account_id AND w.user_id = v.id WHERE v.email = i.email)`
)

// ListPeople lists an account's people and those invited to it in the order of their names, from after a row (its Key and ID), at most n;
// part is something that their folded names or addresses have in them, "" for all.
func (tx *Tx) ListPeople(a account.AccountID, key, id, part string, n int) ([]Listed, error) {
	return list(tx, func(s scanner) (l Listed, err error) {
		var since int64
		l.User, err = scanUser(withTail(s, &l.Tenancy.Status, &since, &l.Key, &l.Invitation, &l.Role))
		l.Tenancy.Account, l.Tenancy.User, l.Tenancy.Since = a, l.User.ID, instant(since)
		return l, err
	}, `
		SELECT user_id, email, name, state, created_at, status, since, sort_key, invitation_id, role FROM (
			SELECT * FROM (
				SELECT u.id AS user_id, u.email, u.name, u.state, u.created_at, t.status, t.since, t.sort_key, '' AS invitation_id, '' AS role, u.id AS row_id`+listedTenants+`
				 ORDER BY t.sort_key, t.user_id LIMIT $5) tenants
			UNION ALL
			SELECT * FROM (
				SELECT '' AS user_id, i.email, '' AS name, 'active' AS state, i.created_at, 'invited' AS status, i.created_at AS since, i.email AS sort_key, i.id AS invitation_id, i.role, i.id AS row_id`+listedInvited+`
				 ORDER BY i.email, i.id LIMIT $5) invited
		) everybody ORDER BY sort_key, row_id LIMIT $5`, a, key, id, like(part), n)
}

// CountPeople counts those whom ListPeople lists, up to a limit.
func (tx *Tx) CountPeople(a account.AccountID, part string, most int) (int, error) {
	n, _, err := one(tx, scanInt, `
		SELECT count(*) FROM (
			SELECT * FROM (SELECT 1 AS one`+listedTenants+` LIMIT $5) tenants
			UNION ALL
			SELECT * FROM (SELECT 1 AS one`+listedInvited+` LIMIT $5) invited) everybody`, a, "", "", like(part), most)
	return min(n, most), err
}

// HeldOf reads the roles of some people.
func (tx *Tx) HeldOf(a account.AccountID, people []account.UserID) (map[account.UserID][]account.Held, error) {
	held := map[account.UserID][]account.Held{}
	ids := make([]string, len(people))
	for i, u := range people {
		ids[i] = string(u)
	}
	err := inBatches(ids, func(batch []any) error {
		rows, err := list(tx, scanSource, `
			SELECT `+sourceColumns+` FROM role_sources WHERE account_id = $1 AND user_id IN (`+places(2, len(batch))+`)
			 ORDER BY user_id, org_id, team_id, role`, append([]any{a}, batch...)...)
		for len(rows) > 0 {
			n := 1
			for n < len(rows) && rows[n].user == rows[0].user {
				n++
			}
			held[rows[0].user] = hold(rows[:n])
			rows = rows[n:]
		}
		return err
	})
	return held, err
}
