package table

import (
	"slices"
	"strings"

	"github.com/drawbridge-id/drawbridge/account"
	"github.com/drawbridge-id/drawbridge/directory"
)

// An Offence is a row that breaks an invariant.
type Offence struct {
	Account account.AccountID
	Row     string // what identifies it
}

// An Invariant holds between the rows of any database that verbs alone have written, after each of their transactions.
type Invariant struct {
	Says  string
	query string // account and row of what breaks it
}

// Invariants are all that can be asked in one statement.
var Invariants = []Invariant{
	{"an account has an org", `
		SELECT a.id, a.name FROM accounts a WHERE NOT EXISTS (SELECT 1 FROM orgs o WHERE o.account_id = a.id)`},
	{"a place is somebody's, in an account that there is", `
		SELECT t.account_id, t.user_id FROM tenancies t
		 WHERE NOT EXISTS (SELECT 1 FROM users u WHERE u.id = t.user_id) OR NOT EXISTS (SELECT 1 FROM accounts a WHERE a.id = t.account_id)`},
	{"who holds a role has a place in the account", `
		SELECT s.account_id, s.user_id || ' ' || s.role FROM role_sources s
		 WHERE NOT EXISTS (SELECT 1 FROM tenancies t WHERE t.account_id = s.account_id AND t.user_id = s.user_id)`},
	{"a login identity is that of a person, at a connection", `
		SELECT i.account_id, i.connection_id || ' ' || i.user_id FROM login_identities i
		 WHERE NOT EXISTS (SELECT 1 FROM users u WHERE u.id = i.user_id) OR NOT EXISTS (SELECT 1 FROM connections c WHERE c.id = i.connection_id)`},
	{"who is disabled has no session", `
		SELECT s.account_id, s.id FROM sessions s
		 WHERE NOT EXISTS (SELECT 1 FROM users u WHERE u.id = s.user_id AND u.state = 'active')`},
	{"whose place is suspended has no session in the account", `
		SELECT s.account_id, s.id FROM sessions s
		  JOIN tenancies t ON t.account_id = s.account_id AND t.user_id = s.user_id WHERE t.status <> 'active'`},
	{"who is shut out has no active key", `
		SELECT k.account_id, k.id FROM personal_keys k
		 WHERE k.state = 'active' AND NOT EXISTS (
			SELECT 1 FROM users u JOIN tenancies t ON t.user_id = u.id
			 WHERE u.id = k.user_id AND u.state = 'active' AND t.status = 'active'
			   AND t.account_id = CASE WHEN k.home_account_id = '' THEN k.account_id ELSE k.home_account_id END)`},
	{"who has an active key for an org that they are external to is in a group of it", `
		SELECT k.account_id, k.id FROM personal_keys k
		 WHERE k.state = 'active' AND k.home_account_id <> ''
		   AND NOT EXISTS (SELECT 1 FROM external_members m WHERE m.account_id = k.account_id AND m.user_id = k.user_id)`},
	{"members, permissions and invitations are those of an external group", `
		SELECT m.account_id, m.group_id FROM (
			SELECT account_id, group_id FROM external_members UNION SELECT account_id, group_id FROM external_permissions
			UNION SELECT account_id, group_id FROM external_invitations) m
		 WHERE NOT EXISTS (SELECT 1 FROM external_groups g WHERE g.account_id = m.account_id AND g.id = m.group_id)`},
	{"an external group admits people that there are", `
		SELECT m.account_id, m.user_id FROM external_members m WHERE NOT EXISTS (SELECT 1 FROM users u WHERE u.id = m.user_id)`},
	{"what is pushed belongs to a connection of the account", `
		SELECT r.account_id, r.id FROM scim_resources r
		 WHERE NOT EXISTS (SELECT 1 FROM connections c WHERE c.id = r.connection_id AND c.account_id = r.account_id)`},
	{"a pushed user stands for a person who has a place in the account", `
		SELECT r.account_id, r.id FROM scim_resources r
		 WHERE r.user_id <> '' AND (r.kind <> 'User' OR NOT EXISTS (SELECT 1 FROM tenancies t WHERE t.account_id = r.account_id AND t.user_id = r.user_id))`},
	{"a person is one pushed user of a connection", `
		SELECT r.account_id, r.connection_id || ' ' || r.user_id FROM scim_resources r
		 WHERE r.user_id <> '' GROUP BY r.account_id, r.connection_id, r.user_id HAVING count(*) > 1`},
	{"members are pushed resources of the group's own connection", `
		SELECT m.account_id, m.group_id || ' ' || m.member_id FROM scim_members m
		 WHERE NOT EXISTS (SELECT 1 FROM scim_resources g
				WHERE g.account_id = m.account_id AND g.connection_id = m.connection_id AND g.id = m.group_id AND g.kind = 'Group')
		    OR NOT EXISTS (SELECT 1 FROM scim_resources r
				WHERE r.account_id = m.account_id AND r.connection_id = m.connection_id AND r.id = m.member_id AND r.kind = m.kind)`},
	{"a group waits for nobody who is there", `
		SELECT p.account_id, p.group_id || ' ' || p.member_id FROM scim_pending p
		 WHERE NOT EXISTS (SELECT 1 FROM scim_resources g
				WHERE g.account_id = p.account_id AND g.connection_id = p.connection_id AND g.id = p.group_id AND g.kind = 'Group')
		    OR EXISTS (SELECT 1 FROM scim_resources r
				WHERE r.account_id = p.account_id AND r.connection_id = p.connection_id AND r.id = p.member_id)`},
	{"values are those of a pushed resource", `
		SELECT v.account_id, v.resource_id FROM scim_values v
		 WHERE v.pos = 0 AND NOT EXISTS (SELECT 1 FROM scim_resources r
				WHERE r.account_id = v.account_id AND r.connection_id = v.connection_id AND r.id = v.resource_id)`},
	{"a token for pushing belongs to a connection of the account", `
		SELECT t.account_id, t.id FROM scim_tokens t
		 WHERE NOT EXISTS (SELECT 1 FROM connections c WHERE c.id = t.connection_id AND c.account_id = t.account_id)`},
}

// Broken are up to n rows that break an invariant.
func (tx *Tx) Broken(i Invariant, n int) ([]Offence, error) {
	return list(tx, func(s scanner) (o Offence, err error) { return o, s.Scan(&o.Account, &o.Row) }, i.query+` LIMIT $1`, n)
}

// Damaged are what SQLite's own check says about the file; nothing on PostgreSQL, whose operators have amcheck for it.
func (tx *Tx) Damaged() ([]string, error) {
	if tx.db.Dialect == Postgres {
		return nil, nil
	}
	said, err := list(tx, scanText, `PRAGMA quick_check(10)`)
	return slices.DeleteFunc(said, func(s string) bool { return s == "ok" }), err
}

// PushedAfter lists pushed resources of all connections in the order of their keys, behind one.
func (tx *Tx) PushedAfter(last Pushed, n int) ([]Pushed, error) {
	return list(tx, scanPushed, `
		SELECT `+pushedColumns+` FROM scim_resources r
		 WHERE (r.account_id, r.connection_id, r.id) > ($1, $2, $3) ORDER BY r.account_id, r.connection_id, r.id LIMIT $4`,
		last.Account, last.Connection, last.ID, n)
}

// Indexed reports whether what a resource is searched by is what its document says. Values of a connection's own schemas, which may have
// been taken away since, are not looked at.
func (tx *Tx) Indexed(p Pushed) (bool, error) {
	names, _, err := one(tx, func(s scanner) (k [2][]byte, err error) { return k, s.Scan(&k[0], &k[1]) }, `
		SELECT name_key, external_key FROM scim_resources WHERE account_id = $1 AND connection_id = $2 AND id = $3`, p.Account, p.Connection, p.ID)
	if err != nil || string(names[0]) != directory.Fold(p.Document.Name(p.Kind)) || string(names[1]) != p.Document.Text("externalId") {
		return false, err
	}
	type value struct {
		path    string
		element int
		value   string
	}
	have, err := list(tx, func(s scanner) (v value, err error) {
		var raw []byte
		err = s.Scan(&v.path, &v.element, &raw)
		v.value = string(raw)
		return v, err
	}, `SELECT path, element, value FROM scim_values WHERE account_id = $1 AND connection_id = $2 AND resource_id = $3 ORDER BY pos`, p.Account, p.Connection, p.ID)
	if err != nil {
		return false, err
	}
	var want []value
	for _, v := range (directory.Type{Kind: p.Kind}).Values(p.Document) {
		if !hasColumn(p.Kind, v.Key) {
			want = append(want, value{v.Key, v.Element, v.Value})
		}
	}
	own := func(v value) bool {
		return strings.HasPrefix(v.path, "urn:") && !strings.HasPrefix(v.path, directory.EnterpriseURN+":") || hasColumn(p.Kind, v.path)
	}
	return slices.Equal(want, slices.DeleteFunc(have, own)), nil
}
