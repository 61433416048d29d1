package table

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/drawbridge-id/drawbridge/account"
	"github.com/drawbridge-id/drawbridge/directory"
)

// A Pushed is a resource that an identity provider pushed, as a row.
type Pushed struct {
	directory.Resource
	Account account.AccountID
	Meets   string // the subject, or group value, that a sign-in brings for it
	Unmet   string // why provisioning and sign-in do not meet in it, in words; empty while they do
}

const pushedColumns = `r.account_id, r.connection_id, r.kind, r.id, r.meets, r.user_id, r.document, r.version, r.created_at, r.modified_at, r.unmet`

func scanPushed(s scanner) (p Pushed, err error) {
	var document string
	var made, changed int64
	if err = s.Scan(&p.Account, &p.Connection, &p.Kind, &p.ID, &p.Meets, &p.Person, &document, &p.Version, &made, &changed, &p.Unmet); err != nil {
		return p, err
	}
	p.Created, p.Modified = instant(made), instant(changed)
	if err = json.Unmarshal([]byte(document), &p.Document); err != nil {
		return p, fmt.Errorf("document of %s does not read: %w", p.ID, err)
	}
	return p, nil
}

// lockRows ends a SELECT whose rows must stay as they are until the transaction ends. SQLite has one writer anyway.
func (tx *Tx) lockRows(how string) string {
	if tx.db.Dialect == SQLite {
		return ""
	}
	return " FOR " + how
}

// Pushed reads one resource of a connection. lock keeps everybody else from changing it.
func (tx *Tx) Pushed(a account.AccountID, c account.ConnectionID, k directory.Kind, id string, lock bool) (Pushed, bool, error) {
	q := `SELECT ` + pushedColumns + ` FROM scim_resources r WHERE r.account_id = $1 AND r.connection_id = $2 AND r.kind = $3 AND r.id = $4`
	if lock {
		q += tx.lockRows("UPDATE")
	}
	return one(tx, scanPushed, q, a, c, k, id)
}

// PushedNamed finds who has a name already, as it is compared.
func (tx *Tx) PushedNamed(a account.AccountID, c account.ConnectionID, k directory.Kind, name string) (id string, found bool, err error) {
	return one(tx, scanText, `
		SELECT id FROM scim_resources WHERE account_id = $1 AND connection_id = $2 AND kind = $3 AND name_key = $4`,
		a, c, k, []byte(directory.Fold(name)))
}

// PushedExternally finds resources of a kind with an externalId, two at most.
func (tx *Tx) PushedExternally(a account.AccountID, c account.ConnectionID, k directory.Kind, external string) ([]string, error) {
	return list(tx, scanText, `
		SELECT id FROM scim_resources WHERE account_id = $1 AND connection_id = $2 AND kind = $3 AND external_key = $4 ORDER BY id LIMIT 2`,
		a, c, k, []byte(external))
}

// PushedFor finds the pushed user that stands for a person at a connection.
func (tx *Tx) PushedFor(a account.AccountID, c account.ConnectionID, u account.UserID) (Pushed, bool, error) {
	return one(tx, scanPushed, `
		SELECT `+pushedColumns+` FROM scim_resources r
		 WHERE r.account_id = $1 AND r.user_id = $2 AND r.connection_id = $3 AND r.kind = 'User'`, a, u, c)
}

// PutPushed writes a resource and its values. fresh says that it is not there yet.
func (tx *Tx) PutPushed(p Pushed, t directory.Type, fresh bool) error {
	document, err := json.Marshal(p.Document)
	if err != nil {
		return err
	}
	args := []any{p.Account, p.Connection, p.Kind, p.ID, []byte(directory.Fold(p.Document.Name(p.Kind))), []byte(p.Document.Text("externalId")), p.Meets,
		p.Person, string(document), p.Document.Title(), p.Version, micros(p.Created), micros(p.Modified), p.Unmet}
	if fresh {
		_, err = tx.exec(`
			INSERT INTO scim_resources (account_id, connection_id, kind, id, name_key, external_key, meets, user_id, document, title, version, created_at, modified_at, unmet)
			VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14)`, args...)
	} else {
		_, err = tx.exec(`
			UPDATE scim_resources SET name_key = $5, external_key = $6, meets = $7, user_id = $8, document = $9, title = $10, version = $11, created_at = $12, modified_at = $13, unmet = $14
			 WHERE account_id = $1 AND connection_id = $2 AND kind = $3 AND id = $4`, args...)
		if err == nil {
			err = tx.dropValues(p.Account, p.Connection, p.ID)
		}
	}
	if err != nil {
		return err
	}
	return tx.putValues(p, t)
}

// TouchPushed notes that the members of a group changed.
func (tx *Tx) TouchPushed(p Pushed) error {
	_, err := tx.exec(`
		UPDATE scim_resources SET version = $4, modified_at = $5 WHERE account_id = $1 AND connection_id = $2 AND id = $3`,
		p.Account, p.Connection, p.ID, p.Version, micros(p.Modified))
	return err
}

// headBytes is how much of a value an index holds.
const headBytes = 200

func headOf(v string) []byte { return []byte(v[:min(len(v), headBytes)]) }

// rowsAtOnce is how many values go into one statement.
const rowsAtOnce = 16

// hasColumn tells what is searched and sorted by in a column of the resource.
func hasColumn(k directory.Kind, key string) bool {
	return key == "externalId" || key == "userName" || key == "displayName" && k == directory.Group
}

func (tx *Tx) putValues(p Pushed, t directory.Type) error {
	values := slices.DeleteFunc(t.Values(p.Document), func(v directory.Value) bool { return hasColumn(p.Kind, v.Key) })
	for from := 0; from < len(values); from += rowsAtOnce {
		batch := values[from:min(from+rowsAtOnce, len(values))]
		args := []any{p.Account, p.Connection, p.ID}
		var rows []string
		for i, v := range batch {
			prime := 0
			if v.Primary {
				prime = 1
			}
			rows = append(rows, "($1, $2, $3, "+places(len(args)+1, 6)+")")
			args = append(args, from+i, v.Key, v.Element, prime, headOf(v.Value), []byte(v.Value))
		}
		if _, err := tx.exec(`
			INSERT INTO scim_values (account_id, connection_id, resource_id, pos, path, element, prime, head, value)
			VALUES `+strings.Join(rows, ", "), args...); err != nil {
			return err
		}
	}
	return nil
}

func (tx *Tx) dropValues(a account.AccountID, c account.ConnectionID, id string) error {
	_, err := tx.exec(`DELETE FROM scim_values WHERE account_id = $1 AND connection_id = $2 AND resource_id = $3`, a, c, id)
	return err
}

// DeletePushed removes a resource with its values and memberships.
func (tx *Tx) DeletePushed(p Pushed) error {
	if err := tx.dropValues(p.Account, p.Connection, p.ID); err != nil {
		return err
	}
	for _, q := range []string{
		`DELETE FROM scim_members WHERE account_id = $1 AND connection_id = $2 AND group_id = $3`,
		`DELETE FROM scim_pending WHERE account_id = $1 AND connection_id = $2 AND group_id = $3`,
		`DELETE FROM scim_members WHERE account_id = $1 AND connection_id = $2 AND member_id = $3`,
		`DELETE FROM scim_resources WHERE account_id = $1 AND connection_id = $2 AND id = $3`,
	} {
		if _, err := tx.exec(q, p.Account, p.Connection, p.ID); err != nil {
			return err
		}
	}
	return nil
}

// TouchGroupsOf gives every group that lists a member a new version.
func (tx *Tx) TouchGroupsOf(p Pushed, at time.Time) error {
	_, err := tx.exec(`
		UPDATE scim_resources SET version = version + 1, modified_at = $4
		 WHERE account_id = $1 AND connection_id = $2 AND id IN
			(SELECT group_id FROM scim_members WHERE account_id = $1 AND connection_id = $2 AND member_id = $3)`,
		p.Account, p.Connection, p.ID, micros(at))
	return err
}

// AddMembers lists those of ids that exist, and are not the group itself, as members, and says which are new. Ids that name nothing
// of this connection are left out. Existing has been asked for them in the same transaction.
func (tx *Tx) AddMembers(g Pushed, ids []string) (added []string, err error) {
	err = inBatches(ids, func(batch []any) error {
		more, err := list(tx, scanText, `
			INSERT INTO scim_members (account_id, connection_id, group_id, member_id, kind)
			SELECT r.account_id, r.connection_id, $3, r.id, r.kind FROM scim_resources r
			 WHERE r.account_id = $1 AND r.connection_id = $2 AND r.id <> $3 AND r.id IN (`+places(4, len(batch))+`)
			    ON CONFLICT (account_id, connection_id, group_id, member_id) DO NOTHING
			RETURNING member_id`, append([]any{g.Account, g.Connection, g.ID}, batch...)...)
		added = append(added, more...)
		return err
	})
	return added, err
}

// Existing are those of ids that name a resource of a connection. Nobody may delete them until the transaction ends.
func (tx *Tx) Existing(a account.AccountID, c account.ConnectionID, ids []string) (found map[string]bool, err error) {
	found = make(map[string]bool, len(ids))
	err = inBatches(ids, func(batch []any) error {
		some, err := list(tx, scanText, `
			SELECT id FROM scim_resources WHERE account_id = $1 AND connection_id = $2 AND id IN (`+places(3, len(batch))+`) ORDER BY id`+tx.lockRows("SHARE"), append([]any{a, c}, batch...)...)
		for _, id := range some {
			found[id] = true
		}
		return err
	})
	return found, err
}

// Called finds the resource that a provider calls by its own name for it: its externalId, else the userName.
func (tx *Tx) Called(a account.AccountID, c account.ConnectionID, name string) (id string, found bool, err error) {
	return one(tx, scanText, `
		SELECT id FROM (
			SELECT id, 1 AS choice FROM scim_resources
			 WHERE account_id = $1 AND connection_id = $2 AND external_key = $3
			 UNION ALL
			SELECT id, 2 FROM scim_resources WHERE account_id = $1 AND connection_id = $2 AND kind = 'User' AND name_key = $4) AS called
		 ORDER BY choice, id DESC LIMIT 1`, a, c, []byte(name), []byte(directory.Fold(name)))
}

// AddPending notes members that are nobody yet.
func (tx *Tx) AddPending(g Pushed, names []string, at time.Time) error {
	for _, name := range names {
		if _, err := tx.exec(`
			INSERT INTO scim_pending (account_id, connection_id, group_id, member_id, member_key, since) VALUES ($1, $2, $3, $4, $5, $6)
			    ON CONFLICT (account_id, connection_id, group_id, member_id) DO NOTHING`,
			g.Account, g.Connection, g.ID, name, []byte(directory.Fold(name)), micros(at)); err != nil {
			return err
		}
	}
	return nil
}

// DropPending forgets some of those whom a group waits for.
func (tx *Tx) DropPending(g Pushed, names []string) error {
	return inBatches(names, func(batch []any) error {
		_, err := tx.exec(`
			DELETE FROM scim_pending WHERE account_id = $1 AND connection_id = $2 AND group_id = $3 AND member_id IN (`+places(4, len(batch))+`)`,
			append([]any{g.Account, g.Connection, g.ID}, batch...)...)
		return err
	})
}

// PendingOf are those whom a group waits for.
func (tx *Tx) PendingOf(g Pushed) ([]string, error) {
	return list(tx, scanText, `
		SELECT member_id FROM scim_pending WHERE account_id = $1 AND connection_id = $2 AND group_id = $3 ORDER BY member_id`, g.Account, g.Connection, g.ID)
}

// TakePending forgets that groups wait for a resource, by its id, its externalId or its userName, and says which did.
func (tx *Tx) TakePending(p Pushed) (groups []string, err error) {
	name := []byte{}
	if p.Kind == directory.User {
		name = []byte(directory.Fold(p.Document.Name(p.Kind)))
	}
	return list(tx, scanText, `
		DELETE FROM scim_pending WHERE account_id = $1 AND connection_id = $2 AND (member_id = $3 OR member_id = $4 OR member_key = $5)
		RETURNING group_id`, p.Account, p.Connection, p.ID, p.Document.Text("externalId"), name)
}

// RemoveMembers takes members off and says which there were.
func (tx *Tx) RemoveMembers(g Pushed, ids []string) (removed []string, err error) {
	err = inBatches(ids, func(batch []any) error {
		gone, err := list(tx, scanText, `
			DELETE FROM scim_members WHERE account_id = $1 AND connection_id = $2 AND group_id = $3 AND member_id IN (`+places(4, len(batch))+`)
			RETURNING member_id`, append([]any{g.Account, g.Connection, g.ID}, batch...)...)
		removed = append(removed, gone...)
		return err
	})
	return removed, err
}

// MemberIDs lists the members of a group.
func (tx *Tx) MemberIDs(g Pushed) ([]string, error) {
	return list(tx, scanText, `
		SELECT member_id FROM scim_members WHERE account_id = $1 AND connection_id = $2 AND group_id = $3 ORDER BY member_id`, g.Account, g.Connection, g.ID)
}

func scanMember(s scanner) (m directory.Member, err error) {
	return m, s.Scan(&m.ID, &m.Kind, &m.Display)
}

// Members lists the members of a group with their names.
func (tx *Tx) Members(a account.AccountID, c account.ConnectionID, group string) ([]directory.Member, error) {
	return list(tx, scanMember, `
		SELECT m.member_id, r.kind, r.title
		  FROM scim_members m
		  JOIN scim_resources r ON r.account_id = m.account_id AND r.connection_id = m.connection_id AND r.id = m.member_id
		 WHERE m.account_id = $1 AND m.connection_id = $2 AND m.group_id = $3 ORDER BY m.member_id`, a, c, group)
}

// GroupsOf lists the groups that list a member, with their names.
func (tx *Tx) GroupsOf(a account.AccountID, c account.ConnectionID, member string) ([]directory.Member, error) {
	return list(tx, scanMember, `
		SELECT m.group_id, r.kind, r.title
		  FROM scim_members m
		  JOIN scim_resources r ON r.account_id = m.account_id AND r.connection_id = m.connection_id AND r.id = m.group_id
		 WHERE m.account_id = $1 AND m.connection_id = $2 AND m.member_id = $3 ORDER BY m.group_id`, a, c, member)
}

// PeopleOf are the people whom pushed users of a connection stand for, each once.
func (tx *Tx) PeopleOf(a account.AccountID, c account.ConnectionID, ids []string) (people []account.UserID, err error) {
	err = inBatches(ids, func(batch []any) error {
		more, err := list(tx, func(s scanner) (u account.UserID, err error) { return u, s.Scan(&u) }, `
			SELECT user_id FROM scim_resources
			 WHERE account_id = $1 AND connection_id = $2 AND user_id <> '' AND id IN (`+places(3, len(batch))+`) ORDER BY user_id`,
			append([]any{a, c}, batch...)...)
		people = append(people, more...)
		return err
	})
	return people, err
}

// PushedGroups are the values of the pushed groups that a person is in; found is false when no pushed user stands for them.
func (tx *Tx) PushedGroups(a account.AccountID, c account.ConnectionID, u account.UserID) (values []string, found bool, err error) {
	rows, err := list(tx, scanText, `
		SELECT COALESCE(g.meets, '')
		  FROM scim_resources r
		  LEFT JOIN scim_members m ON m.account_id = r.account_id AND m.connection_id = r.connection_id AND m.member_id = r.id
		  LEFT JOIN scim_resources g ON g.account_id = m.account_id AND g.connection_id = m.connection_id AND g.id = m.group_id
		 WHERE r.account_id = $1 AND r.user_id = $2 AND r.connection_id = $3 AND r.kind = 'User' ORDER BY 1`, a, u, c)
	for _, v := range rows {
		if v != "" {
			values = append(values, v)
		}
	}
	return values, len(rows) > 0, err
}

// A PushedSet is what a connection has pushed about the groups of a person.
type PushedSet struct {
	User       account.UserID
	Connection account.ConnectionID
	How        account.PushedGroups
	Values     []string
}

// PushedBetween is PushedGroups for all people after one user id and up to another, at connections that push groups.
func (tx *Tx) PushedBetween(a account.AccountID, after, upTo account.UserID) ([]PushedSet, error) {
	type row struct {
		PushedSet
		value string
	}
	rows, err := list(tx, func(s scanner) (r row, err error) { return r, s.Scan(&r.User, &r.Connection, &r.How, &r.value) }, `
		SELECT r.user_id, r.connection_id, o.groups, COALESCE(g.meets, '')
		  FROM scim_resources r
		  JOIN scim_options o ON o.connection_id = r.connection_id AND o.pushed_at > 0 AND o.groups <> 'ignore'
		  LEFT JOIN scim_members m ON m.account_id = r.account_id AND m.connection_id = r.connection_id AND m.member_id = r.id
		  LEFT JOIN scim_resources g ON g.account_id = m.account_id AND g.connection_id = m.connection_id AND g.id = m.group_id
		 WHERE r.account_id = $1 AND r.user_id > $2 AND r.user_id <= $3 AND r.kind = 'User' ORDER BY 1, 2, 4`, a, after, upTo)
	if err != nil {
		return nil, err
	}
	var out []PushedSet
	for _, r := range rows {
		if n := len(out); n == 0 || out[n-1].User != r.User || out[n-1].Connection != r.Connection {
			out = append(out, r.PushedSet)
		}
		if last := &out[len(out)-1]; r.value != "" {
			last.Values = append(last.Values, r.value)
		}
	}
	return out, nil
}

// LastClaims are the groups that a person's last sign-in through a connection brought; the zero set when there were none.
func (tx *Tx) LastClaims(a account.AccountID, c account.ConnectionID, u account.UserID) (account.GroupSet, error) {
	g, _, err := one(tx, func(s scanner) (g account.GroupSet, err error) {
		var text string
		if err = s.Scan(&g.State, &text, &g.Why, &g.Source); err != nil {
			return g, err
		}
		return g, groupValues(text, &g)
	}, `
		SELECT groups_state, groups, groups_why, groups_source FROM login_identities
		 WHERE account_id = $1 AND user_id = $2 AND connection_id = $3 AND groups_state <> '' ORDER BY groups_at DESC LIMIT 1`, a, u, c)
	return g, err
}

// KnownByPush finds the person that a pushed user of a connection stands for, by the subject that a sign-in brings. The
// connection does not know them by a subject of its own yet. A subject that was pushed for two people tells neither.
func (tx *Tx) KnownByPush(a account.AccountID, c account.ConnectionID, subject string) (Known, bool, error) {
	return one(tx, scanKnown, `
		SELECT u.id, u.email, u.name, u.state, u.created_at, '', '[]', '', COALESCE(t.status, ''), (SELECT count(*) FROM tenancies p WHERE p.user_id = u.id), COALESCE(t.reauth_at, 0)
		  FROM scim_resources r
		  JOIN users u ON u.id = r.user_id
		  LEFT JOIN tenancies t ON t.account_id = r.account_id AND t.user_id = r.user_id
		 WHERE r.account_id = $1 AND r.connection_id = $2 AND r.kind = 'User' AND r.meets = $3
		   AND NOT EXISTS (SELECT 1 FROM scim_resources d
			WHERE d.account_id = r.account_id AND d.connection_id = r.connection_id AND d.kind = r.kind AND d.meets = r.meets AND d.id <> r.id AND d.user_id <> '')`, a, c, subject)
}

// Suspend closes an active place in an account; seal says who did it.
func (tx *Tx) Suspend(a account.AccountID, u account.UserID, seal string) (bool, error) {
	n, err := tx.exec(`
		UPDATE tenancies SET status = 'suspended', suspended_by = $3
		 WHERE account_id = $1 AND user_id = $2 AND (status = 'active' OR $3 = '' AND suspended_by <> '')`, a, u, seal)
	return n > 0, err
}

// Resume opens a place that was closed under the same seal.
func (tx *Tx) Resume(a account.AccountID, u account.UserID, seal string) (bool, error) {
	n, err := tx.exec(`
		UPDATE tenancies SET status = 'active', suspended_by = '' WHERE account_id = $1 AND user_id = $2 AND status = 'suspended' AND suspended_by = $3`, a, u, seal)
	return n > 0, err
}

// ResumeAll opens the places of a person that identity providers closed, for good or not. What they said until then counts no more.
func (tx *Tx) ResumeAll(u account.UserID, at time.Time) error {
	_, err := tx.exec(`
		UPDATE tenancies SET status = 'active', suspended_by = '', purged_at = 0, lifecycle_at = $2, lifecycle_by = 'hand'
		 WHERE user_id = $1 AND status = 'suspended' AND suspended_by <> ''`, u, micros(at))
	return err
}

// Disable shuts a person out everywhere; seal says who did it.
func (tx *Tx) Disable(u account.UserID, seal string) (bool, error) {
	n, err := tx.exec(`UPDATE users SET state = 'disabled', disabled_by = $2 WHERE id = $1 AND state = 'active'`, u, seal)
	return n > 0, err
}

// Enable lets a person in again who was disabled under the same seal.
func (tx *Tx) Enable(u account.UserID, seal string) (bool, error) {
	n, err := tx.exec(`UPDATE users SET state = 'active', disabled_by = '' WHERE id = $1 AND state = 'disabled' AND disabled_by = $2`, u, seal)
	return n > 0, err
}

// EndSessionsIn ends a person's sessions that work in an account or came through one of its connections.
func (tx *Tx) EndSessionsIn(a account.AccountID, u account.UserID) (int64, error) {
	return tx.exec(`
		DELETE FROM sessions WHERE user_id = $2 AND (account_id = $1 OR connection_id IN (SELECT id FROM connections WHERE account_id = $1))`, a, u)
}

// DropSourcesOf takes away what a person holds by rules and pushes of a connection, and by signing in through it.
func (tx *Tx) DropSourcesOf(a account.AccountID, u account.UserID, c account.ConnectionID) error {
	_, err := tx.exec(`
		DELETE FROM role_sources WHERE account_id = $1 AND user_id = $2 AND connection_id = $3 AND kind IN ('rule', 'scim', 'signin')`, a, u, c)
	return err
}
