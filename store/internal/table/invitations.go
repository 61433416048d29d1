package table

import (
	"encoding/json"
	"time"

	"github.com/drawbridge-id/drawbridge/account"
)

// An Invitation is a row.
type Invitation struct {
	account.Invitation
	Digest []byte
}

// SetLink gives it a new link.
func (i *Invitation) SetLink(k Link) { i.Link, i.Digest = k.Link, k.Digest }

const invitedColumns = `account_id, id, email, role, roles, message, invited_by, inviter_id, created_at, sent_at, ended_at, user_id, asked_at, ` + linkColumns

func scanInvitation(s scanner) (i Invitation, err error) {
	var roles string
	var made, sent, ended, asked int64
	var k Link
	err = linkInto(s, &k, &i.Account, &i.ID, &i.Email, &i.Role, &roles, &i.Message, &i.By, &i.Inviter, &made, &sent, &ended, &i.User, &asked)
	if err != nil {
		return i, err
	}
	i.SetLink(k)
	i.CreatedAt, i.SentAt, i.EndedAt, i.AskedAt = instant(made), instant(sent), instant(ended), instant(asked)
	return i, json.Unmarshal([]byte(roles), &i.Roles)
}

// InsertInvitation writes a new one.
func (tx *Tx) InsertInvitation(i Invitation) error {
	roles, err := rolesText(i.Roles)
	if err != nil {
		return err
	}
	_, err = tx.exec(`
		INSERT INTO invitations (account_id, id, email, role, roles, message, invited_by, inviter_id, created_at, sent_at, ended_at, user_id, asked_at, `+linkColumns+`)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17)`,
		Link{i.Link, i.Digest}.values(i.Account, i.ID, i.Email, i.Role, roles, i.Message, i.By, i.Inviter, micros(i.CreatedAt), micros(i.SentAt), micros(i.EndedAt), i.User, micros(i.AskedAt))...)
	return err
}

// SaveInvitation writes what may change: roles, link, times, and who accepted.
func (tx *Tx) SaveInvitation(i Invitation) error {
	roles, err := rolesText(i.Roles)
	if err != nil {
		return err
	}
	_, err = tx.exec(`
		UPDATE invitations SET role = $3, roles = $4, sent_at = $5, ended_at = $6, user_id = $7, asked_at = $8,
		       link_digest = $9, link_state = $10, link_validity = $11, link_until = $12
		 WHERE account_id = $1 AND id = $2`,
		Link{i.Link, i.Digest}.values(i.Account, i.ID, i.Role, roles, micros(i.SentAt), micros(i.EndedAt), i.User, micros(i.AskedAt))...)
	return err
}

func rolesText(all []account.RoleAt) (string, error) {
	if len(all) == 0 {
		return "[]", nil
	}
	text, err := json.Marshal(all)
	return string(text), err
}

// Invitation reads one.
func (tx *Tx) Invitation(a account.AccountID, id account.InvitationID) (Invitation, bool, error) {
	return one(tx, scanInvitation, `SELECT `+invitedColumns+` FROM invitations WHERE account_id = $1 AND id = $2`, a, id)
}

// InvitationByToken finds it by the digest of its link's token.
func (tx *Tx) InvitationByToken(digest []byte) (Invitation, bool, error) {
	return one(tx, scanInvitation, `SELECT `+invitedColumns+` FROM invitations WHERE link_digest = $1`, digest)
}

// PendingInvitation finds the one of an address that waits in an account, expired or not.
func (tx *Tx) PendingInvitation(a account.AccountID, email string) (Invitation, bool, error) {
	return one(tx, scanInvitation, `SELECT `+invitedColumns+` FROM invitations WHERE account_id = $1 AND email = $2 AND link_state = 'pending'`, a, email)
}

// InvitationsTo lists what waits for an address in any account, expired or not.
func (tx *Tx) InvitationsTo(email string) ([]Invitation, error) {
	return list(tx, scanInvitation, `SELECT `+invitedColumns+` FROM invitations WHERE email = $1 AND link_state = 'pending' ORDER BY account_id, id`, email)
}

// BurnInvitations takes back what waits for an address: in one account, or with "" in all. It gives what it took.
func (tx *Tx) BurnInvitations(email string, a account.AccountID, at time.Time) ([]Invitation, error) {
	return list(tx, scanInvitation, `
		UPDATE invitations SET link_state = 'revoked', ended_at = $3 WHERE email = $1 AND link_state = 'pending' AND ($2 = '' OR account_id = $2)
		RETURNING `+invitedColumns, email, a, micros(at))
}

// Invitations lists an account's, newest first, from before one ("" from the newest), at most n. A state that is not "" lists those alone:
// LinkPending those that can still be accepted at an instant, LinkExpired those that no longer can.
func (tx *Tx) Invitations(a account.AccountID, state account.LinkState, at time.Time, before account.InvitationID, n int) ([]Invitation, error) {
	kept := state
	if state == account.LinkExpired {
		kept = account.LinkPending
	}
	return list(tx, scanInvitation, `
		SELECT `+invitedColumns+` FROM invitations
		 WHERE account_id = $1 AND ($2 = '' OR id < $2) AND ($3 = '' OR link_state = $3)
		   AND ($4 <> 'pending' OR link_until > $5) AND ($4 <> 'expired' OR link_until <= $5)
		 ORDER BY id DESC LIMIT $6`, a, before, kept, state, micros(at), n)
}

// CountPending counts the invitations of an account that wait, up to a limit.
func (tx *Tx) CountPending(a account.AccountID, most int) (int, error) {
	n, _, err := one(tx, scanInt, `SELECT count(*) FROM (SELECT 1 FROM invitations WHERE account_id = $1 AND link_state = 'pending' LIMIT $2) waiting`, a, most)
	return n, err
}

// AwaitedOwners lists the invitations that make somebody an owner of the org when they are accepted, and can be at an instant.
func (tx *Tx) AwaitedOwners(a account.AccountID, at time.Time) ([]Invitation, error) {
	return list(tx, scanInvitation, `
		SELECT `+invitedColumns+` FROM invitations
		 WHERE account_id = $1 AND link_state = 'pending' AND link_until > $2 AND roles LIKE '%"role":"owner"%' ORDER BY id`, a, micros(at))
}

// MembersVerifiedOnly reports whether an account's members have to come from its proved domains.
func (tx *Tx) MembersVerifiedOnly(a account.AccountID) (bool, error) {
	only, _, err := one(tx, func(s scanner) (b bool, err error) { return b, s.Scan(&b) }, `SELECT members_verified_only FROM orgs WHERE account_id = $1`, a)
	return only, err
}

// SetMembersVerifiedOnly says whether they have to.
func (tx *Tx) SetMembersVerifiedOnly(a account.AccountID, only bool) error {
	_, err := tx.exec(`UPDATE orgs SET members_verified_only = $2 WHERE account_id = $1`, a, only)
	return err
}

// Held is what its addressee holds in the account once they accept, as if they did.
func (i Invitation) Held() []account.Held {
	return []account.Held{{Role: i.Role, Sources: []account.Source{{Kind: account.SourceInvitation}}}}
}

// InvitationByID finds it in any account, for its addressee.
func (tx *Tx) InvitationByID(id account.InvitationID) (Invitation, bool, error) {
	return one(tx, scanInvitation, `SELECT `+invitedColumns+` FROM invitations WHERE id = $1`, id)
}
