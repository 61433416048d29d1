package table

import (
	"encoding/json"
	"fmt"
	"time"

	"github.com/drawbridge-id/drawbridge/account"
)

const groupColumns = `g.account_id, g.id, g.name, g.description, g.connections, g.created_at, g.created_by`

// A groupRow is a group on its way out of a row.
type groupRow struct {
	account.ExternalGroup
	connections string
	made        int64
}

func (g *groupRow) dest() []any {
	return []any{&g.Account, &g.ID, &g.Name, &g.Description, &g.connections, &g.made, &g.CreatedBy}
}

func (g *groupRow) group() (account.ExternalGroup, error) {
	g.CreatedAt = instant(g.made)
	if g.connections == "[]" {
		return g.ExternalGroup, nil
	}
	return g.ExternalGroup, json.Unmarshal([]byte(g.connections), &g.Connections)
}

func scanGroup(s scanner) (account.ExternalGroup, error) {
	var g groupRow
	if err := s.Scan(g.dest()...); err != nil {
		return g.ExternalGroup, err
	}
	return g.group()
}

// Group reads one external user group.
func (tx *Tx) Group(id account.GroupID) (account.ExternalGroup, bool, error) {
	return one(tx, scanGroup, `SELECT `+groupColumns+` FROM external_groups g WHERE g.id = $1`, id)
}

// GroupNamed finds one by its name.
func (tx *Tx) GroupNamed(a account.AccountID, name string) (account.ExternalGroup, bool, error) {
	return one(tx, scanGroup, `SELECT `+groupColumns+` FROM external_groups g WHERE g.account_id = $1 AND g.name = $2`, a, name)
}

// CountGroups says how many groups an account has.
func (tx *Tx) CountGroups(a account.AccountID) (int, error) {
	n, _, err := one(tx, scanInt, `SELECT count(*) FROM external_groups WHERE account_id = $1`, a)
	return n, err
}

// InsertGroup writes a new one.
func (tx *Tx) InsertGroup(g account.ExternalGroup) error {
	_, err := tx.exec(`
		INSERT INTO external_groups (account_id, id, name, description, connections, created_at, created_by) VALUES ($1, $2, $3, $4, $5, $6, $7)`,
		g.Account, g.ID, g.Name, g.Description, connectionsText(g.Connections), micros(g.CreatedAt), g.CreatedBy)
	return err
}

// SetGroup writes name, description and connections.
func (tx *Tx) SetGroup(g account.ExternalGroup) error {
	_, err := tx.exec(`
		UPDATE external_groups SET name = $3, description = $4, connections = $5 WHERE account_id = $1 AND id = $2`,
		g.Account, g.ID, g.Name, g.Description, connectionsText(g.Connections))
	return err
}

func connectionsText(all []account.ConnectionID) string {
	texts := make([]string, len(all))
	for i, c := range all {
		texts[i] = string(c)
	}
	return listText(texts)
}

// DeleteGroup removes a group with all that is its own, and says how many members it had.
func (tx *Tx) DeleteGroup(a account.AccountID, g account.GroupID) (members int64, err error) {
	for _, q := range []string{`DELETE FROM external_groups WHERE account_id = $1 AND id = $2`,
		`DELETE FROM external_permissions WHERE account_id = $1 AND group_id = $2`,
		`DELETE FROM external_invitations WHERE account_id = $1 AND group_id = $2`,
		`DELETE FROM external_members WHERE account_id = $1 AND group_id = $2`} {
		if members, err = tx.exec(q, a, g); err != nil {
			return 0, err
		}
	}
	return members, nil
}

// A SeatedGroup is a group with how many of its seats are taken.
type SeatedGroup struct {
	account.ExternalGroup
	Members int
	Pending int // seats that invitations hold which have not run out
}

const seatColumns = `(SELECT count(*) FROM external_members m WHERE m.account_id = g.account_id AND m.group_id = g.id),
	       (SELECT count(*) FROM external_invitations i WHERE i.account_id = g.account_id AND i.group_id = g.id AND i.link_state = 'pending' AND i.link_until > %s)`

// Groups lists the groups of an account by id, behind one.
func (tx *Tx) Groups(a account.AccountID, after account.GroupID, at time.Time, n int) ([]SeatedGroup, error) {
	return list(tx, scanSeated, `
		SELECT `+groupColumns+`, `+seats("$3")+`
		  FROM external_groups g WHERE g.account_id = $1 AND g.id > $2 ORDER BY g.id LIMIT $4`, a, after, micros(at), n)
}

// Seats reads how many seats of a group are taken.
func (tx *Tx) Seats(g account.GroupID, at time.Time) (SeatedGroup, error) {
	s, _, err := one(tx, scanSeated, `SELECT `+groupColumns+`, `+seats("$2")+` FROM external_groups g WHERE g.id = $1`, g, micros(at))
	return s, err
}

func seats(at string) string { return fmt.Sprintf(seatColumns, at) }

func scanSeated(s scanner) (out SeatedGroup, err error) {
	var g groupRow
	if err = s.Scan(append(g.dest(), &out.Members, &out.Pending)...); err != nil {
		return out, err
	}
	out.ExternalGroup, err = g.group()
	return out, err
}

// GroupPermissions lists what a group gives: the org's first, then by team.
func (tx *Tx) GroupPermissions(a account.AccountID, g account.GroupID) ([]account.GroupPermission, error) {
	return list(tx, func(s scanner) (p account.GroupPermission, err error) {
		var at int64
		err = s.Scan(&p.Team, &p.Role, &p.By, &at)
		p.At = instant(at)
		return p, err
	}, `SELECT team_id, role, added_by, added_at FROM external_permissions WHERE account_id = $1 AND group_id = $2 ORDER BY team_id, role`, a, g)
}

// AddGroupPermission says whether it is new.
func (tx *Tx) AddGroupPermission(a account.AccountID, g account.GroupID, p account.GroupPermission) (bool, error) {
	n, err := tx.exec(`
		INSERT INTO external_permissions (account_id, group_id, team_id, role, added_by, added_at) VALUES ($1, $2, $3, $4, $5, $6)
		    ON CONFLICT DO NOTHING`, a, g, p.Team, p.Role, p.By, micros(p.At))
	return n > 0, err
}

// DropGroupPermission says whether it was there.
func (tx *Tx) DropGroupPermission(a account.AccountID, g account.GroupID, team account.TeamID, r account.Role) (bool, error) {
	n, err := tx.exec(`DELETE FROM external_permissions WHERE account_id = $1 AND group_id = $2 AND team_id = $3 AND role = $4`, a, g, team, r)
	return n > 0, err
}

// GroupsGiving lists the groups of an account that give something in a team.
func (tx *Tx) GroupsGiving(a account.AccountID, team account.TeamID) ([]account.GroupID, error) {
	return list(tx, func(s scanner) (g account.GroupID, err error) { return g, s.Scan(&g) }, `
		SELECT DISTINCT group_id FROM external_permissions WHERE account_id = $1 AND team_id = $2`, a, team)
}

const groupMemberQuery = `
	SELECT u.id, u.email, u.name, u.state, u.created_at, m.group_id, m.role, m.since, m.invited_by
	  FROM external_members m JOIN users u ON u.id = m.user_id
	 WHERE m.account_id = $1 AND m.group_id = $2`

func scanGroupMember(s scanner) (m account.GroupMember, err error) {
	var since int64
	m.User, err = scanUser(withTail(s, &m.Group, &m.Role, &since, &m.By))
	m.Since = instant(since)
	return m, err
}

// GroupMembers pages through the people of a group by user id.
func (tx *Tx) GroupMembers(a account.AccountID, g account.GroupID, after account.UserID, n int) ([]account.GroupMember, error) {
	return list(tx, scanGroupMember, groupMemberQuery+` AND m.user_id > $3 ORDER BY m.user_id LIMIT $4`, a, g, after, n)
}

// GroupMember reads one person of a group.
func (tx *Tx) GroupMember(a account.AccountID, g account.GroupID, u account.UserID) (account.GroupMember, bool, error) {
	return one(tx, scanGroupMember, groupMemberQuery+` AND m.user_id = $3`, a, g, u)
}

// GroupAdmins lists the admins of a group who may come in: those who are neither disabled nor shut out of the account.
func (tx *Tx) GroupAdmins(a account.AccountID, g account.GroupID) ([]account.GroupMember, error) {
	return list(tx, scanGroupMember, groupMemberQuery+` AND m.role = 'admin' AND u.state = 'active'
	   AND NOT EXISTS (SELECT 1 FROM tenancies t WHERE t.account_id = m.account_id AND t.user_id = m.user_id AND t.status <> 'active')
	 ORDER BY m.user_id`, a, g)
}

// PutGroupMember gives somebody a place in a group, or another role there.
func (tx *Tx) PutGroupMember(a account.AccountID, g account.GroupID, u account.UserID, r account.Role, by string, at time.Time) error {
	_, err := tx.exec(`
		INSERT INTO external_members (account_id, group_id, user_id, role, since, invited_by) VALUES ($1, $2, $3, $4, $5, $6)
		    ON CONFLICT (account_id, group_id, user_id) DO UPDATE SET role = excluded.role`, a, g, u, r, micros(at), by)
	return err
}

// DropGroupMember says whether somebody was in the group.
func (tx *Tx) DropGroupMember(a account.AccountID, g account.GroupID, u account.UserID) (bool, error) {
	n, err := tx.exec(`DELETE FROM external_members WHERE account_id = $1 AND group_id = $2 AND user_id = $3`, a, g, u)
	return n > 0, err
}

// A GroupPlace is one group that somebody is in, with its org.
type GroupPlace struct {
	Group account.ExternalGroup
	House House
	Role  account.Role // in the group
	Since time.Time
	Shut  bool // the account has shut the person out
	Own   bool // the person has a place in the account, too
}

// GroupPlaces lists the groups that somebody is in, those of an org together.
func (tx *Tx) GroupPlaces(u account.UserID) ([]GroupPlace, error) {
	return list(tx, func(s scanner) (p GroupPlace, err error) {
		var g groupRow
		var since int64
		if p.House, err = scanHouse(withTail(s, append(g.dest(), &p.Role, &since, &p.Shut, &p.Own)...)); err != nil {
			return p, err
		}
		p.Since = instant(since)
		p.Group, err = g.group()
		return p, err
	}, `
		SELECT `+houseColumns+`, `+groupColumns+`, m.role, m.since,
		       EXISTS (SELECT 1 FROM tenancies t WHERE t.account_id = m.account_id AND t.user_id = m.user_id AND t.status <> 'active'),
		       EXISTS (SELECT 1 FROM tenancies t JOIN role_sources r ON r.account_id = t.account_id AND r.user_id = t.user_id AND r.org_id = '' AND r.team_id = ''
		                WHERE t.account_id = m.account_id AND t.user_id = m.user_id)
		  FROM external_members m
		  JOIN external_groups g ON g.account_id = m.account_id AND g.id = m.group_id
		  JOIN accounts a ON a.id = m.account_id
		  JOIN orgs o ON o.account_id = m.account_id
		 WHERE m.user_id = $1 ORDER BY o.name, g.name`, u)
}

// An ExternalRow is one role that a group gives somebody; Role is empty in the one row of a group that gives nothing.
type ExternalRow struct {
	account.GroupPermission
	Group account.ExternalGroup
	Since time.Time // when they joined
}

// ExternalRoles lists what groups of an account give to somebody.
func (tx *Tx) ExternalRoles(a account.AccountID, u account.UserID) ([]ExternalRow, error) {
	return list(tx, func(s scanner) (r ExternalRow, err error) {
		var g groupRow
		var since int64
		if err = s.Scan(append(g.dest(), &r.Team, &r.Role, &since)...); err != nil {
			return r, err
		}
		r.Since = instant(since)
		r.Group, err = g.group()
		return r, err
	}, `
		SELECT `+groupColumns+`, COALESCE(p.team_id, ''), COALESCE(p.role, ''), m.since
		  FROM external_members m
		  JOIN external_groups g ON g.account_id = m.account_id AND g.id = m.group_id
		  LEFT JOIN external_permissions p ON p.account_id = m.account_id AND p.group_id = m.group_id
		 WHERE m.user_id = $2 AND m.account_id = $1 ORDER BY m.group_id, p.team_id, p.role`, a, u)
}

// VisitExternal is Visit for a session that works in an account of which the person is no tenant, through a group of it.
func (tx *Tx) VisitExternal(digest []byte, at time.Time) (Visit, bool, error) {
	return one(tx, scanVisit, `
		SELECT `+houseColumns+`, `+sessionColumns+`, u.id, u.email, u.name, u.state, u.created_at,
		       COALESCE(c.account_id, ''), COALESCE(c.name, ''), COALESCE(c.live_revision, 0), 'active', 0,
		       COALESCE(i.groups_state, ''), COALESCE(i.groups, '[]'), COALESCE(i.groups_why, ''), COALESCE(i.groups_source, ''), 0
		  FROM sessions s
		  JOIN users u ON u.id = s.user_id
		  JOIN accounts a ON a.id = s.account_id
		  JOIN orgs o ON o.account_id = s.account_id
		  LEFT JOIN connections c ON c.id = s.connection_id
		  LEFT JOIN login_identities i ON i.account_id = c.account_id AND i.connection_id = s.connection_id AND i.subject = s.subject
		 WHERE s.digest = $1 AND s.expires_at > $2 AND s.idle_until > $2
		   AND u.state = 'active' AND (c.enabled OR s.connection_id = '')
		   AND EXISTS (SELECT 1 FROM external_members m WHERE m.account_id = s.account_id AND m.user_id = s.user_id)
		   AND NOT EXISTS (SELECT 1 FROM tenancies t WHERE t.account_id = s.account_id AND t.user_id = s.user_id)`, digest, micros(at))
}

// KnownThrough lists the connections, of any account, that know a person by a subject that still counts.
func (tx *Tx) KnownThrough(u account.UserID) ([]account.ConnectionID, error) {
	return list(tx, func(s scanner) (c account.ConnectionID, err error) { return c, s.Scan(&c) }, `
		SELECT DISTINCT connection_id FROM login_identities WHERE user_id = $1 AND substr(subject, 1, 1) <> $2`, u, Retired)
}

// LeaveGroups takes somebody out of all groups of an account, and says which.
func (tx *Tx) LeaveGroups(a account.AccountID, u account.UserID) ([]account.GroupID, error) {
	return list(tx, func(s scanner) (g account.GroupID, err error) { return g, s.Scan(&g) }, `
		DELETE FROM external_members WHERE account_id = $1 AND user_id = $2 RETURNING group_id`, a, u)
}

// EndStrays ends the sessions that work in an account, and the keys for its org, of those who have no place left there: of one person, or of
// everybody with "".
func (tx *Tx) EndStrays(a account.AccountID, u account.UserID, why string, at time.Time) (sessions, keys int64, err error) {
	if sessions, err = tx.exec(`
		DELETE FROM sessions WHERE account_id = $1 AND ($2 = '' OR user_id = $2)
		   AND NOT EXISTS (SELECT 1 FROM tenancies t WHERE t.account_id = $1 AND t.user_id = sessions.user_id)
		   AND NOT EXISTS (SELECT 1 FROM external_members m WHERE m.account_id = $1 AND m.user_id = sessions.user_id)`, a, u); err != nil {
		return 0, 0, err
	}
	keys, err = tx.exec(`
		UPDATE personal_keys SET state = 'revoked', reason = $3, ended_at = $4
		 WHERE account_id = $1 AND ($2 = '' OR user_id = $2) AND home_account_id <> '' AND state <> 'revoked'
		   AND NOT EXISTS (SELECT 1 FROM external_members m WHERE m.account_id = $1 AND m.user_id = personal_keys.user_id)`, a, u, why, micros(at))
	return sessions, keys, err
}

// An ExternalUser is somebody in a group of an account, with what is known of their keys for its org.
type ExternalUser struct {
	User   account.User
	Groups int
	Keys   int       // active ones
	UsedAt time.Time // when one of them was last used; zero: never
}

// ExternalUsers pages through the people in groups of an account by user id.
func (tx *Tx) ExternalUsers(a account.AccountID, after account.UserID, at time.Time, n int) ([]ExternalUser, error) {
	return list(tx, func(s scanner) (e ExternalUser, err error) {
		var used int64
		e.User, err = scanUser(withTail(s, &e.Groups, &e.Keys, &used))
		e.UsedAt = instant(used)
		return e, err
	}, `
		SELECT u.id, u.email, u.name, u.state, u.created_at,
		       (SELECT count(*) FROM external_members m WHERE m.account_id = $1 AND m.user_id = u.id),
		       (SELECT count(*) FROM personal_keys k WHERE k.account_id = $1 AND k.user_id = u.id AND k.home_account_id <> '' AND k.state = 'active' AND (k.expires_at = 0 OR k.expires_at > $3)),
		       COALESCE((SELECT max(k.used_at) FROM personal_keys k WHERE k.account_id = $1 AND k.user_id = u.id AND k.home_account_id <> ''), 0)
		  FROM users u
		 WHERE u.id IN (SELECT m.user_id FROM external_members m WHERE m.account_id = $1 AND m.user_id > $2) ORDER BY u.id LIMIT $4`, a, after, micros(at), n)
}

// IsExternal reports whether somebody is in a group of an account.
func (tx *Tx) IsExternal(a account.AccountID, u account.UserID) (bool, error) {
	n, _, err := one(tx, scanInt, `SELECT count(*) FROM external_members WHERE account_id = $1 AND user_id = $2`, a, u)
	return n > 0, err
}

// A GroupInvitation is a row.
type GroupInvitation struct {
	account.GroupInvitation
	Digest []byte
}

const groupInvitationColumns = `account_id, id, group_id, email, role, subject, message, service_url, invited_by, at, user_id, ` + linkColumns

func scanGroupInvitation(s scanner) (i GroupInvitation, err error) {
	var k Link
	var at int64
	err = linkInto(s, &k, &i.Account, &i.ID, &i.Group, &i.Email, &i.Role, &i.Subject, &i.Message, &i.ServiceURL, &i.By, &at, &i.User)
	i.Link, i.Digest, i.At = k.Link, k.Digest, instant(at)
	return i, err
}

// InsertGroupInvitation writes a new one.
func (tx *Tx) InsertGroupInvitation(i account.GroupInvitation, k Link) error {
	_, err := tx.exec(`
		INSERT INTO external_invitations (`+groupInvitationColumns+`) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15)`,
		k.values(i.Account, i.ID, i.Group, i.Email, i.Role, i.Subject, i.Message, i.ServiceURL, i.By, micros(i.At), i.User)...)
	return err
}

// GroupInvitation reads one of a group.
func (tx *Tx) GroupInvitation(a account.AccountID, g account.GroupID, id account.GroupInvitationID) (GroupInvitation, bool, error) {
	return one(tx, scanGroupInvitation, `
		SELECT `+groupInvitationColumns+` FROM external_invitations WHERE account_id = $1 AND group_id = $2 AND id = $3`, a, g, id)
}

// GroupInvitationByToken finds one by the digest of its token.
func (tx *Tx) GroupInvitationByToken(digest []byte) (GroupInvitation, bool, error) {
	return one(tx, scanGroupInvitation, `SELECT `+groupInvitationColumns+` FROM external_invitations WHERE link_digest = $1`, digest)
}

// GroupInvitations lists those of a group that nobody accepted and nobody took back, oldest first, behind one.
func (tx *Tx) GroupInvitations(a account.AccountID, g account.GroupID, after account.GroupInvitationID, n int) ([]GroupInvitation, error) {
	return list(tx, scanGroupInvitation, `
		SELECT `+groupInvitationColumns+` FROM external_invitations
		 WHERE account_id = $1 AND group_id = $2 AND id > $3 AND link_state = 'pending' ORDER BY id LIMIT $4`, a, g, after, n)
}

// PendingGroupInvitation finds the one to an address that is open, run out or not.
func (tx *Tx) PendingGroupInvitation(a account.AccountID, g account.GroupID, email string) (GroupInvitation, bool, error) {
	return one(tx, scanGroupInvitation, `
		SELECT `+groupInvitationColumns+` FROM external_invitations WHERE account_id = $1 AND group_id = $2 AND email = $3 AND link_state = 'pending'`, a, g, email)
}

// SetGroupLink gives an invitation another link.
func (tx *Tx) SetGroupLink(a account.AccountID, id account.GroupInvitationID, k Link) error {
	_, err := tx.exec(`
		UPDATE external_invitations SET link_digest = $3, link_state = $4, link_validity = $5, link_until = $6 WHERE account_id = $1 AND id = $2`,
		k.values(a, id)...)
	return err
}

// CloseGroupInvitation uses a pending one up, or takes it back; user is who accepted it.
func (tx *Tx) CloseGroupInvitation(a account.AccountID, id account.GroupInvitationID, s account.LinkState, user account.UserID) (bool, error) {
	n, err := tx.exec(`
		UPDATE external_invitations SET link_state = $3, user_id = $4 WHERE account_id = $1 AND id = $2 AND link_state = 'pending'`, a, id, s, user)
	return n > 0, err
}

// RevokeGroupInvitationsTo takes back what is pending to an address, and says what that was: in one account, or in all when it is "".
func (tx *Tx) RevokeGroupInvitationsTo(a account.AccountID, email string) ([]GroupInvitation, error) {
	return list(tx, scanGroupInvitation, `
		UPDATE external_invitations SET link_state = 'revoked' WHERE email = $2 AND ($1 = '' OR account_id = $1) AND link_state = 'pending'
		RETURNING `+groupInvitationColumns, a, email)
}
