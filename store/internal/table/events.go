package table

import (
	"encoding/json"
	"strings"
	"time"

	"github.com/drawbridge-id/drawbridge/account"
)

// TakeSET remembers a token; it is false when it was here before. Two at once: the second waits for the first.
func (tx *Tx) TakeSET(a account.AccountID, s account.StreamID, issuer, jti, claims string, at time.Time) (bool, error) {
	n, err := tx.exec(`
		INSERT INTO sets (account_id, issuer, jti, stream_id, received_at, claims) VALUES ($1, $2, $3, $4, $5, $6)
		    ON CONFLICT (account_id, issuer, jti) DO NOTHING`, a, issuer, jti, s, micros(at), claims)
	return n > 0, err
}

// SETClaims reads what a token said, as JSON.
func (tx *Tx) SETClaims(a account.AccountID, issuer, jti string) (string, bool, error) {
	return one(tx, scanText, `SELECT claims FROM sets WHERE account_id = $1 AND issuer = $2 AND jti = $3`, a, issuer, jti)
}

// PurgeSETs forgets tokens from before an instant and their events, at most n of each.
func (tx *Tx) PurgeSETs(before, now time.Time, n int) (gone int64, err error) {
	for _, q := range []string{
		`DELETE FROM sets WHERE (account_id, issuer, jti) IN (SELECT account_id, issuer, jti FROM sets WHERE received_at < $1 LIMIT $2)`,
		`DELETE FROM stream_events WHERE (account_id, id) IN (SELECT account_id, id FROM stream_events WHERE received_at < $1 LIMIT $2)`,
	} {
		k, err := tx.exec(q, micros(before), n)
		if err != nil {
			return gone, err
		}
		gone = max(gone, k)
	}
	k, err := tx.exec(`
		DELETE FROM stream_waiting WHERE (account_id, name, event_id) IN
			(SELECT account_id, name, event_id FROM stream_waiting WHERE until < $1 LIMIT $2)`, micros(now), n)
	return max(gone, k), err
}

const eventColumns = `e.account_id, e.id, e.stream_id, e.issuer, e.jti, e.txn, e.type, e.at, e.received_at, e.subject, e.body, e.user_id, e.outcome,
	e.detail, e.sessions, e.keys, e.attempts, e.retry_at, e.fetch_uri`

func scanEvent(s scanner) (e account.Event, err error) {
	var at, received, retry int64
	var subject, body string
	if err = s.Scan(&e.Account, &e.ID, &e.Stream, &e.Issuer, &e.JTI, &e.Txn, &e.Type, &at, &received, &subject, &body, &e.User, &e.Outcome,
		&e.Detail, &e.Sessions, &e.Keys, &e.Attempts, &retry, &e.Fetch); err != nil {
		return e, err
	}
	e.At, e.Received, e.RetryAt, e.Body = instant(at), instant(received), instant(retry), json.RawMessage(body)
	if subject != "" {
		e.Subject = new(account.SubjectID)
		err = json.Unmarshal([]byte(subject), e.Subject)
	}
	return e, err
}

// InsertEvent writes a new one.
func (tx *Tx) InsertEvent(e account.Event) error {
	subject := ""
	if e.Subject != nil {
		text, err := json.Marshal(e.Subject)
		if err != nil {
			return err
		}
		subject = string(text)
	}
	_, err := tx.exec(`
		INSERT INTO stream_events (account_id, id, stream_id, issuer, jti, txn, type, at, received_at, subject, body, user_id, outcome,
		                           detail, sessions, keys, attempts, retry_at, fetch_uri)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19)`,
		e.Account, e.ID, e.Stream, e.Issuer, e.JTI, e.Txn, e.Type, micros(e.At), micros(e.Received), subject, string(e.Body), e.User, e.Outcome,
		e.Detail, e.Sessions, e.Keys, e.Attempts, micros(e.RetryAt), e.Fetch)
	return err
}

// SetEvent writes what came of an event.
func (tx *Tx) SetEvent(e account.Event) error {
	_, err := tx.exec(`
		UPDATE stream_events SET user_id = $3, outcome = $4, detail = $5, sessions = $6, keys = $7, attempts = $8, retry_at = $9, fetch_uri = $10
		 WHERE account_id = $1 AND id = $2`,
		e.Account, e.ID, e.User, e.Outcome, e.Detail, e.Sessions, e.Keys, e.Attempts, micros(e.RetryAt), e.Fetch)
	return err
}

// Event reads one.
func (tx *Tx) Event(a account.AccountID, id account.EventID) (account.Event, bool, error) {
	return one(tx, scanEvent, `SELECT `+eventColumns+` FROM stream_events e WHERE e.account_id = $1 AND e.id = $2`, a, id)
}

// EventsOf lists the events of one token in their order.
func (tx *Tx) EventsOf(a account.AccountID, issuer, jti string) ([]account.Event, error) {
	return list(tx, scanEvent, `
		SELECT `+eventColumns+` FROM stream_events e WHERE e.account_id = $1 AND e.issuer = $2 AND e.jti = $3 ORDER BY e.id`, a, issuer, jti)
}

// Events lists the events of a stream, newest first, from before one ("" from the newest), with an outcome ("" : any).
func (tx *Tx) Events(a account.AccountID, s account.StreamID, o account.EventOutcome, before account.EventID, n int) ([]account.Event, error) {
	return list(tx, scanEvent, `
		SELECT `+eventColumns+` FROM stream_events e
		 WHERE e.account_id = $1 AND e.stream_id = $2 AND ($3 = '' OR e.outcome = $3) AND ($4 = '' OR e.id < $4) ORDER BY e.id DESC LIMIT $5`,
		a, s, o, before, n)
}

// DueEvents lists events of all accounts whose effect is to be tried again, the longest overdue first.
func (tx *Tx) DueEvents(now time.Time, n int) ([]account.Event, error) {
	return list(tx, scanEvent, `
		SELECT `+eventColumns+` FROM stream_events e WHERE e.retry_at > 0 AND e.retry_at <= $1 AND e.outcome IN ('retrying', 'no_subject') ORDER BY e.retry_at LIMIT $2`, micros(now), n)
}

// CountEvents counts the events of a stream since an instant by outcome.
func (tx *Tx) CountEvents(a account.AccountID, s account.StreamID, since account.EventID) (map[account.EventOutcome]int, error) {
	type row struct {
		outcome account.EventOutcome
		n       int
	}
	rows, err := list(tx, func(s scanner) (r row, err error) { return r, s.Scan(&r.outcome, &r.n) }, `
		SELECT outcome, count(*) FROM stream_events WHERE account_id = $1 AND stream_id = $2 AND id >= $3 GROUP BY outcome`, a, s, since)
	counts := make(map[account.EventOutcome]int, len(rows))
	for _, r := range rows {
		counts[r.outcome] = r.n
	}
	return counts, err
}

// Lags lists how long after they happened the newest events of a stream were here, the shortest first.
func (tx *Tx) Lags(a account.AccountID, s account.StreamID, n int) ([]time.Duration, error) {
	return list(tx, func(s scanner) (d time.Duration, err error) {
		var us int64
		err = s.Scan(&us)
		return time.Duration(us) * time.Microsecond, err
	}, `
		SELECT lag FROM (SELECT received_at - at AS lag FROM stream_events WHERE account_id = $1 AND stream_id = $2 ORDER BY id DESC LIMIT $3) newest
		 ORDER BY lag`, a, s, n)
}

// Await notes that an event is about somebody who is not here yet.
func (tx *Tx) Await(a account.AccountID, name string, id account.EventID, until time.Time) error {
	_, err := tx.exec(`
		INSERT INTO stream_waiting (account_id, name, event_id, until) VALUES ($1, $2, $3, $4)
		    ON CONFLICT (account_id, name, event_id) DO NOTHING`, a, name, id, micros(until))
	return err
}

// Awaited lists the events that wait for somebody with one of these names, oldest first.
func (tx *Tx) Awaited(a account.AccountID, names []string, now time.Time) ([]account.Event, error) {
	args := []any{a, micros(now)}
	for _, n := range names {
		args = append(args, n)
	}
	return list(tx, scanEvent, `
		SELECT `+eventColumns+` FROM stream_events e
		 WHERE e.account_id = $1 AND e.outcome = 'no_subject' AND e.id IN
			(SELECT event_id FROM stream_waiting WHERE account_id = $1 AND until > $2 AND name IN (`+places(3, len(names))+`)) ORDER BY e.id`, args...)
}

// ForgetAwaited says that whoever has these names has appeared.
func (tx *Tx) ForgetAwaited(a account.AccountID, names []string) error {
	args := []any{a}
	for _, n := range names {
		args = append(args, n)
	}
	_, err := tx.exec(`DELETE FROM stream_waiting WHERE account_id = $1 AND name IN (`+places(2, len(names))+`)`, args...)
	return err
}

// A Place is what events have to know of somebody's place in an account.
type Place struct {
	Status      account.TenancyStatus
	SuspendedBy string
	DisabledBy  string
	State       account.UserState
	Since       time.Time
	LifecycleAt time.Time
	Purged      bool
	Assurance   string
}

// PlaceOf reads it.
func (tx *Tx) PlaceOf(a account.AccountID, u account.UserID) (Place, bool, error) {
	return one(tx, func(s scanner) (p Place, err error) {
		var since, lifecycle int64
		err = s.Scan(&p.Status, &p.SuspendedBy, &p.DisabledBy, &p.State, &since, &lifecycle, &p.Purged, &p.Assurance)
		p.Since, p.LifecycleAt = instant(since), instant(lifecycle)
		return p, err
	}, `
		SELECT t.status, t.suspended_by, u.disabled_by, u.state, t.since, t.lifecycle_at, t.purged_at > 0, t.assurance
		  FROM tenancies t JOIN users u ON u.id = t.user_id WHERE t.account_id = $1 AND t.user_id = $2`, a, u)
}

// Lifecycle notes the time of the newest thing that was said about whether somebody may be here.
func (tx *Tx) Lifecycle(a account.AccountID, u account.UserID, at time.Time, by string) error {
	_, err := tx.exec(`
		UPDATE tenancies SET lifecycle_at = $3, lifecycle_by = $4 WHERE account_id = $1 AND user_id = $2 AND lifecycle_at <= $3`, a, u, micros(at), by)
	return err
}

// MarkPurged notes that the provider has deleted somebody, and forgets by which subjects the account's connections know them.
func (tx *Tx) MarkPurged(a account.AccountID, u account.UserID, at time.Time) error {
	if _, err := tx.exec(`UPDATE tenancies SET purged_at = $3 WHERE account_id = $1 AND user_id = $2`, a, u, micros(at)); err != nil {
		return err
	}
	_, err := tx.exec(`DELETE FROM login_identities WHERE account_id = $1 AND user_id = $2`, a, u)
	return err
}

// AskReauth notes that the provider has to ask for somebody's credentials anew.
func (tx *Tx) AskReauth(a account.AccountID, u account.UserID, at time.Time) error {
	_, err := tx.exec(`UPDATE tenancies SET reauth_at = $3 WHERE account_id = $1 AND user_id = $2`, a, u, micros(at))
	return err
}

// Reauthenticated notes that the provider has asked for them. Keys that waited for it work again.
func (tx *Tx) Reauthenticated(a account.AccountID, u account.UserID) error {
	if _, err := tx.exec(`UPDATE personal_keys SET state = 'active', reason = '' WHERE (account_id = $1 OR home_account_id = $1) AND user_id = $2 AND state = 'suspended'`, a, u); err != nil {
		return err
	}
	_, err := tx.exec(`UPDATE tenancies SET reauth_at = 0 WHERE account_id = $1 AND user_id = $2`, a, u)
	return err
}

// SuspendKeys puts a person's active keys of an account out of use until they sign in again, and those that it stands behind elsewhere.
func (tx *Tx) SuspendKeys(a account.AccountID, u account.UserID, reason string) (int64, error) {
	return tx.exec(`UPDATE personal_keys SET state = 'suspended', reason = $3 WHERE (account_id = $1 OR home_account_id = $1) AND user_id = $2 AND state = 'active'`, a, u, reason)
}

// SetAssurance notes the level that a provider reported.
func (tx *Tx) SetAssurance(a account.AccountID, u account.UserID, level string) error {
	_, err := tx.exec(`UPDATE tenancies SET assurance = $3 WHERE account_id = $1 AND user_id = $2`, a, u, level)
	return err
}

// A NamedSession is a session with everything by which an event may name it.
type NamedSession struct {
	ID              account.SessionID
	User            account.UserID
	Connection      account.ConnectionID
	Subject         string
	ProviderSession string
	TokenID         string
	Device          string
	CreatedAt       time.Time
}

const namedColumns = `s.id, s.user_id, s.connection_id, s.subject, s.provider_session, s.token_id, s.device, s.created_at`

// inAccount bounds sessions to those that work in account $1 or came through one of its connections.
const inAccount = `(s.account_id = $1 OR s.connection_id IN (SELECT id FROM connections WHERE account_id = $1))`

func scanNamedSession(s scanner) (n NamedSession, err error) {
	var made int64
	err = s.Scan(&n.ID, &n.User, &n.Connection, &n.Subject, &n.ProviderSession, &n.TokenID, &n.Device, &made)
	n.CreatedAt = instant(made)
	return n, err
}

// SessionsIn lists a person's sessions that work in an account or came through one of its connections.
func (tx *Tx) SessionsIn(a account.AccountID, u account.UserID) ([]NamedSession, error) {
	return list(tx, scanNamedSession, `SELECT `+namedColumns+` FROM sessions s WHERE `+inAccount+` AND s.user_id = $2 ORDER BY s.id`, a, u)
}

// SessionsOfAccount lists all that work in an account or came through one of its connections.
func (tx *Tx) SessionsOfAccount(a account.AccountID) ([]NamedSession, error) {
	return list(tx, scanNamedSession, `SELECT `+namedColumns+` FROM sessions s WHERE `+inAccount+` ORDER BY s.id`, a)
}

// SessionsNamed lists those of an account that have a name: our id, the provider's, that of their token, or their device's.
func (tx *Tx) SessionsNamed(a account.AccountID, name string) ([]NamedSession, error) {
	var parts []string
	for _, column := range []string{"id", "provider_session", "token_id", "device"} { // one index each
		parts = append(parts, `SELECT `+namedColumns+` FROM sessions s WHERE s.`+column+` = $2 AND s.`+column+` <> '' AND `+inAccount)
	}
	return list(tx, scanNamedSession, strings.Join(parts, " UNION ")+` ORDER BY 1`, a, name)
}

// SetDevice notes on which device a session is.
func (tx *Tx) SetDevice(id account.SessionID, device string) error {
	_, err := tx.exec(`UPDATE sessions SET device = $2 WHERE id = $1`, id, device)
	return err
}

// EndSessionsByID ends sessions.
func (tx *Tx) EndSessionsByID(ids []account.SessionID) (n int64, err error) {
	text := make([]string, len(ids))
	for i, id := range ids {
		text[i] = string(id)
	}
	err = inBatches(text, func(batch []any) error {
		k, err := tx.exec(`DELETE FROM sessions WHERE id IN (`+places(1, len(batch))+`)`, batch...)
		n += k
		return err
	})
	return n, err
}

// IdentitiesOf lists the subjects by which connections of an account know a person; At is when their groups were last heard of.
func (tx *Tx) IdentitiesOf(a account.AccountID, u account.UserID) ([]Identity, error) {
	return list(tx, func(s scanner) (i Identity, err error) {
		var at int64
		err = s.Scan(&i.Connection, &i.Subject, &at)
		i.Account, i.User, i.At = a, u, instant(at)
		return i, err
	}, `
		SELECT connection_id, subject, groups_at FROM login_identities
		 WHERE account_id = $1 AND user_id = $2 AND substr(subject, 1, 1) <> $3 ORDER BY last_login DESC`, a, u, Retired)
}

// SetIdentityGroups replaces the groups last seen of a subject, by an event and not by a login.
func (tx *Tx) SetIdentityGroups(i Identity) error {
	_, err := tx.exec(`
		UPDATE login_identities SET groups_at = $4, groups_state = $5, groups = $6, groups_why = $7, groups_source = $8
		 WHERE account_id = $1 AND connection_id = $2 AND subject = $3`,
		i.Account, i.Connection, i.Subject, micros(i.At), i.Groups.State, i.GroupsText, i.Groups.Why, i.Groups.Source)
	return err
}

// NameResource notes what a transmitter calls a resource.
func (tx *Tx) NameResource(a account.AccountID, c account.ConnectionID, uri, id string) error {
	_, err := tx.exec(`
		INSERT INTO stream_resources (account_id, connection_id, uri, resource_id) VALUES ($1, $2, $3, $4)
		    ON CONFLICT (account_id, connection_id, uri) DO UPDATE SET resource_id = excluded.resource_id`, a, c, uri, id)
	return err
}

// ResourceCalled is the resource that a transmitter calls so.
func (tx *Tx) ResourceCalled(a account.AccountID, c account.ConnectionID, uri string) (string, bool, error) {
	return one(tx, scanText, `
		SELECT n.resource_id FROM stream_resources n
		  JOIN scim_resources r ON r.account_id = n.account_id AND r.connection_id = n.connection_id AND r.id = n.resource_id
		 WHERE n.account_id = $1 AND n.connection_id = $2 AND n.uri = $3`, a, c, uri)
}

// PushedExternal finds the resource of a kind with an externalId, if there is exactly one.
func (tx *Tx) PushedExternal(a account.AccountID, c account.ConnectionID, kind, external string) (string, bool, error) {
	ids, err := list(tx, scanText, `
		SELECT id FROM scim_resources WHERE account_id = $1 AND connection_id = $2 AND kind = $3 AND external_key = $4 LIMIT 2`, a, c, kind, []byte(external))
	if err != nil || len(ids) != 1 {
		return "", false, err
	}
	return ids[0], true, nil
}

// PushedPhone lists the people whom pushed users of a connection with one of these numbers stand for.
func (tx *Tx) PushedPhone(a account.AccountID, c account.ConnectionID, number, raw string) ([]account.UserID, error) {
	return list(tx, func(s scanner) (u account.UserID, err error) { return u, s.Scan(&u) }, `
		SELECT DISTINCT r.user_id FROM scim_values v
		  JOIN scim_resources r ON r.account_id = v.account_id AND r.connection_id = v.connection_id AND r.id = v.resource_id
		 WHERE v.account_id = $1 AND v.connection_id = $2 AND v.path = 'phoneNumbers.value' AND v.head IN ($3, $4) AND r.user_id <> '' ORDER BY 1`,
		a, c, []byte(number), []byte(raw))
}

// RevokeKeysSince revokes a person's active keys of an account that were made since an instant.
func (tx *Tx) RevokeKeysSince(a account.AccountID, u account.UserID, since time.Time, reason string, at time.Time) (int64, error) {
	return tx.exec(`
		UPDATE personal_keys SET state = 'revoked', reason = $4, ended_at = $5
		 WHERE (account_id = $1 OR home_account_id = $1) AND user_id = $2 AND state = 'active' AND created_at >= $3`,
		a, u, micros(since), reason, micros(at))
}

// FetchesDue lists the events whose resource is to be fetched, oldest first.
func (tx *Tx) FetchesDue(now time.Time, n int) ([]account.Event, error) {
	return list(tx, scanEvent, `
		SELECT `+eventColumns+` FROM stream_events e
		 WHERE e.fetch_uri <> '' AND e.outcome = 'applied' AND e.retry_at <= $1 ORDER BY e.id LIMIT $2`, micros(now), n)
}
