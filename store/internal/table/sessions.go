package table

import (
	"encoding/json"
	"time"

	"github.com/drawbridge-id/drawbridge/account"
)

// A Session is a row: Digest stands for the Token, which is empty, and Sealed for the id token.
type Session struct {
	account.Session
	Digest  []byte
	NameID  *account.NameID
	Sealed  []byte
	TokenID string // jti of the ID token, or the assertion's ID
}

const sessionColumns = `s.account_id, s.id, s.digest, s.user_id, s.connection_id, s.subject, s.provider_session, s.created_at, s.seen_at, s.idle_until, s.expires_at,
	s.method, s.confirmed_at`

// sessionTimes are the instants of a row as they are stored.
type sessionTimes struct{ made, seen, idle, expires, confirmed int64 }

func sessionDest(r *Session, t *sessionTimes) []any {
	return []any{&r.Account, &r.ID, &r.Digest, &r.User, &r.Connection, &r.Subject, &r.ProviderSession, &t.made, &t.seen, &t.idle, &t.expires, &r.Method, &t.confirmed}
}

func (t sessionTimes) into(r *Session) {
	r.CreatedAt, r.SeenAt, r.IdleUntil, r.ExpiresAt, r.ConfirmedAt = instant(t.made), instant(t.seen), instant(t.idle), instant(t.expires), instant(t.confirmed)
}

func scanSession(s scanner) (r Session, err error) {
	var t sessionTimes
	err = s.Scan(sessionDest(&r, &t)...)
	t.into(&r)
	return r, err
}

// InsertSession writes a new one.
func (tx *Tx) InsertSession(s Session) error {
	name := ""
	if s.NameID != nil {
		text, err := json.Marshal(s.NameID)
		if err != nil {
			return err
		}
		name = string(text)
	}
	_, err := tx.exec(`
		INSERT INTO sessions (account_id, id, digest, user_id, connection_id, subject, provider_session, name_id, id_token, token_id, created_at, seen_at, idle_until, expires_at,
		                      method, confirmed_at)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16)`,
		s.Account, s.ID, s.Digest, s.User, s.Connection, s.Subject, s.ProviderSession, name, s.Sealed, s.TokenID,
		micros(s.CreatedAt), micros(s.SeenAt), micros(s.IdleUntil), micros(s.ExpiresAt), s.Method, micros(s.ConfirmedAt))
	return err
}

// A Visit is a live session with everything around it that can end it.
type Visit struct {
	Session
	User       account.User
	House      House
	Connection account.Connection // without settings
	Tenancy    account.Tenancy    // without role and sources
	Groups     account.GroupSet   // last seen at the connection
	Rules      int64              // revision of the active rules
}

// Visit reads the live session that a digest belongs to, of an active person with an active tenancy, through a connection that is on.
func (tx *Tx) Visit(digest []byte, at time.Time) (Visit, bool, error) {
	return one(tx, scanVisit, `
		SELECT `+houseColumns+`, `+sessionColumns+`, u.id, u.email, u.name, u.state, u.created_at,
		       COALESCE(c.account_id, ''), COALESCE(c.name, ''), COALESCE(c.live_revision, 0), t.status, t.since,
		       COALESCE(i.groups_state, ''), COALESCE(i.groups, '[]'), COALESCE(i.groups_why, ''), COALESCE(i.groups_source, ''), COALESCE(r.revision, 0)
		  FROM sessions s
		  JOIN users u ON u.id = s.user_id
		  JOIN accounts a ON a.id = s.account_id
		  JOIN orgs o ON o.account_id = s.account_id
		  LEFT JOIN connections c ON c.id = s.connection_id -- none for who came in by the first owner's link
		  JOIN tenancies t ON t.account_id = s.account_id AND t.user_id = s.user_id
		  LEFT JOIN login_identities i ON i.account_id = c.account_id AND i.connection_id = s.connection_id AND i.subject = s.subject
		  LEFT JOIN rule_sets r ON r.account_id = s.account_id
		 WHERE s.digest = $1 AND s.expires_at > $2 AND s.idle_until > $2
		   AND u.state = 'active' AND t.status = 'active' AND (c.enabled OR s.connection_id = '')`, digest, micros(at))
}

// VisitNowhere is Visit for a session that works in no account.
func (tx *Tx) VisitNowhere(digest []byte, at time.Time) (Visit, bool, error) {
	return one(tx, func(s scanner) (v Visit, err error) {
		var t sessionTimes
		v.User, err = scanUser(withTail(s, sessionDest(&v.Session, &t)...))
		t.into(&v.Session)
		return v, err
	}, `
		SELECT u.id, u.email, u.name, u.state, u.created_at, `+sessionColumns+`
		  FROM sessions s
		  JOIN users u ON u.id = s.user_id
		 WHERE s.digest = $1 AND s.account_id = '' AND s.expires_at > $2 AND s.idle_until > $2 AND u.state = 'active'`, digest, micros(at))
}

func scanVisit(s scanner) (v Visit, err error) {
	var t sessionTimes
	var userMade, since int64
	var groups string
	dest := append(sessionDest(&v.Session, &t),
		&v.User.ID, &v.User.Email, &v.User.Name, &v.User.State, &userMade,
		&v.Connection.Account, &v.Connection.Name, &v.Connection.LiveRevision, &v.Tenancy.Status, &since,
		&v.Groups.State, &groups, &v.Groups.Why, &v.Groups.Source, &v.Rules)
	if v.House, err = scanHouse(withTail(s, dest...)); err != nil {
		return v, err
	}
	t.into(&v.Session)
	v.User.CreatedAt, v.Tenancy.Since = instant(userMade), instant(since)
	v.Connection.ID, v.Connection.Enabled = v.Session.Connection, true
	v.Tenancy.Account, v.Tenancy.User = v.Session.Account, v.User.ID
	return v, groupValues(groups, &v.Groups)
}

func groupValues(text string, g *account.GroupSet) error {
	if text == "[]" || text == "" {
		return nil
	}
	return json.Unmarshal([]byte(text), &g.Values)
}

// TouchSession moves the idle limit of a session.
func (tx *Tx) TouchSession(digest []byte, seen, idle time.Time) error {
	_, err := tx.exec(`UPDATE sessions SET seen_at = $2, idle_until = $3 WHERE digest = $1 AND seen_at < $2`, digest, micros(seen), micros(idle))
	return err
}

// SessionByDigest reads one, live or not.
func (tx *Tx) SessionByDigest(digest []byte) (Session, bool, error) {
	return one(tx, scanSession, `SELECT `+sessionColumns+` FROM sessions s WHERE s.digest = $1`, digest)
}

// MoveSession puts a session into another account under another token; it is false when the old token no longer stands.
func (tx *Tx) MoveSession(old, digest []byte, to account.AccountID) (bool, error) {
	n, err := tx.exec(`UPDATE sessions SET digest = $2, account_id = $3 WHERE digest = $1`, old, digest, to)
	return n > 0, err
}

// ConfirmSession notes that whoever holds a session has proved again who they are, and puts it under another token; it is false when the old
// one no longer stands.
func (tx *Tx) ConfirmSession(old, digest []byte, at time.Time) (bool, error) {
	n, err := tx.exec(`UPDATE sessions SET digest = $2, confirmed_at = $3 WHERE digest = $1`, old, digest, micros(at))
	return n > 0, err
}

// EndSession removes the session of a digest and gives it back with what the provider's logout needs.
func (tx *Tx) EndSession(digest []byte) (Session, bool, error) {
	return one(tx, func(s scanner) (r Session, err error) {
		var name string
		var t sessionTimes
		if err = s.Scan(append(sessionDest(&r, &t), &name, &r.Sealed)...); err != nil {
			return r, err
		}
		t.into(&r)
		if name != "" {
			r.NameID = new(account.NameID)
			err = json.Unmarshal([]byte(name), r.NameID)
		}
		return r, err
	}, `
		DELETE FROM sessions WHERE digest = $1
		RETURNING account_id, id, digest, user_id, connection_id, subject, provider_session, created_at, seen_at, idle_until, expires_at, method, confirmed_at, name_id, id_token`, digest)
}

// EndSessionsOf removes the sessions of a connection that a provider names, and says which. An empty subject or provider session stands
// for any; one of them has to be given.
func (tx *Tx) EndSessionsOf(c account.ConnectionID, subject, providerSession string) ([]account.SessionID, error) {
	return list(tx, func(s scanner) (id account.SessionID, err error) { return id, s.Scan(&id) }, `
		DELETE FROM sessions
		 WHERE connection_id = $1 AND ($2 <> '' OR $3 <> '')
		   AND ($2 = '' OR subject = $2) AND ($3 = '' OR provider_session = $3)
		RETURNING id`, c, subject, providerSession)
}

// EndSessionsOfUser removes all of a person.
func (tx *Tx) EndSessionsOfUser(u account.UserID) (int64, error) {
	return tx.exec(`DELETE FROM sessions WHERE user_id = $1`, u)
}

// EndSessionsOfConnection removes all that came through a connection.
func (tx *Tx) EndSessionsOfConnection(c account.ConnectionID) (int64, error) {
	return tx.exec(`DELETE FROM sessions WHERE connection_id = $1`, c)
}

// SessionsAfter pages through the sessions that hold a sealed id token, in the order of their digests.
func (tx *Tx) SessionsAfter(digest []byte, n int) ([]Session, error) {
	if digest == nil {
		digest = []byte{}
	}
	return list(tx, func(s scanner) (r Session, err error) { return r, s.Scan(&r.Digest, &r.ID, &r.Connection, &r.Sealed) }, `
		SELECT digest, id, connection_id, id_token FROM sessions WHERE digest > $1 AND id_token IS NOT NULL ORDER BY digest LIMIT $2`, digest, n)
}

// ResealSession replaces the sealed id token.
func (tx *Tx) ResealSession(digest, sealed []byte) error {
	_, err := tx.exec(`UPDATE sessions SET id_token = $2 WHERE digest = $1`, digest, sealed)
	return err
}
