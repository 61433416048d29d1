package table

import (
	"encoding/json"
	"fmt"
	"time"

	"github.com/drawbridge-id/drawbridge/account"
)

const streamColumns = `s.account_id, s.id, s.connection_id, s.name, s.enabled, s.settings, s.created_at`

func scanStream(s scanner) (r account.Stream, err error) {
	var head account.Stream
	var settings string
	var made int64
	if err = s.Scan(&head.Account, &head.ID, &head.Connection, &head.Name, &head.Enabled, &settings, &made); err != nil {
		return r, err
	}
	if err = json.Unmarshal([]byte(settings), &r); err != nil {
		return r, fmt.Errorf("settings of stream %s do not read: %w", head.ID, err)
	}
	r.Account, r.ID, r.Connection, r.Name, r.Enabled, r.CreatedAt = head.Account, head.ID, head.Connection, head.Name, head.Enabled, instant(made)
	return r, nil
}

// Stream reads one by its id alone, for the doors, which find their account through it. Its secrets are apart.
func (tx *Tx) Stream(id account.StreamID) (account.Stream, bool, error) {
	return one(tx, scanStream, `SELECT `+streamColumns+` FROM streams s WHERE s.id = $1`, id)
}

// StreamNamed reads one by its name.
func (tx *Tx) StreamNamed(a account.AccountID, name string) (account.Stream, bool, error) {
	return one(tx, scanStream, `SELECT `+streamColumns+` FROM streams s WHERE s.account_id = $1 AND s.name = $2`, a, name)
}

// Streams lists those of an account by name; of all accounts when it is "".
func (tx *Tx) Streams(a account.AccountID) ([]account.Stream, error) {
	return list(tx, scanStream, `SELECT `+streamColumns+` FROM streams s WHERE $1 = '' OR s.account_id = $1 ORDER BY s.name, s.id`, a)
}

// PutStream writes all but how it fares.
func (tx *Tx) PutStream(s account.Stream) error {
	settings, err := json.Marshal(s)
	if err != nil {
		return err
	}
	_, err = tx.exec(`
		INSERT INTO streams (account_id, id, connection_id, name, enabled, settings, created_at) VALUES ($1, $2, $3, $4, $5, $6, $7)
		    ON CONFLICT (account_id, id) DO UPDATE
		   SET connection_id = excluded.connection_id, name = excluded.name, enabled = excluded.enabled, settings = excluded.settings`,
		s.Account, s.ID, s.Connection, s.Name, s.Enabled, string(settings), micros(s.CreatedAt))
	return err
}

// DeleteStream removes a stream with its credentials. What it sent stays until it is old.
func (tx *Tx) DeleteStream(a account.AccountID, id account.StreamID) error {
	for _, q := range []string{
		`DELETE FROM stream_credentials WHERE account_id = $1 AND stream_id = $2`,
		`DELETE FROM streams WHERE account_id = $1 AND id = $2`,
	} {
		if _, err := tx.exec(q, a, id); err != nil {
			return err
		}
	}
	return nil
}

// A PushedStream is a stream as its door finds it: with the credential that was shown.
type PushedStream struct {
	account.Stream
	Credential account.PushCredential // its ID is empty when none fits
}

// StreamByDigest finds a stream and, when one fits, the credential of a digest.
func (tx *Tx) StreamByDigest(id account.StreamID, digest []byte) (PushedStream, bool, error) {
	return one(tx, func(s scanner) (p PushedStream, err error) {
		var used int64
		p.Stream, err = scanStream(withTail(s, &p.Credential.ID, &p.Credential.Path, &used))
		p.Credential.Stream, p.Credential.UsedAt = p.Stream.ID, instant(used)
		return p, err
	}, `
		SELECT `+streamColumns+`, COALESCE(c.id, ''), COALESCE(c.path, FALSE), COALESCE(c.used_at, 0)
		  FROM streams s
		  LEFT JOIN stream_credentials c ON c.account_id = s.account_id AND c.stream_id = s.id AND c.digest = $2
		 WHERE s.id = $1`, id, digest)
}

// PushCredentials lists those of a stream, oldest first.
func (tx *Tx) PushCredentials(a account.AccountID, id account.StreamID) ([]account.PushCredential, error) {
	return list(tx, scanPushCredential, `
		SELECT `+pushCredentialColumns+` FROM stream_credentials
		 WHERE account_id = $1 AND stream_id = $2 ORDER BY created_at, id`, a, id)
}

// PushCredentialByDigest finds one of any stream.
func (tx *Tx) PushCredentialByDigest(digest []byte) (account.PushCredential, bool, error) {
	return one(tx, scanPushCredential, `SELECT `+pushCredentialColumns+` FROM stream_credentials WHERE digest = $1`, digest)
}

const pushCredentialColumns = `id, stream_id, path, last4, created_at, created_by, used_at`

func scanPushCredential(s scanner) (c account.PushCredential, err error) {
	var made, used int64
	err = s.Scan(&c.ID, &c.Stream, &c.Path, &c.Last4, &made, &c.CreatedBy, &used)
	c.CreatedAt, c.UsedAt = instant(made), instant(used)
	return c, err
}

// InsertPushCredential writes a new one.
func (tx *Tx) InsertPushCredential(a account.AccountID, c account.PushCredential, digest []byte) error {
	_, err := tx.exec(`
		INSERT INTO stream_credentials (account_id, stream_id, id, path, digest, last4, created_at, created_by) VALUES ($1, $2, $3, $4, $5, $6, $7, $8)`,
		a, c.Stream, c.ID, c.Path, digest, c.Last4, micros(c.CreatedAt), c.CreatedBy)
	return err
}

// DeletePushCredential is false when there is none.
func (tx *Tx) DeletePushCredential(a account.AccountID, s account.StreamID, id account.PushID) (bool, error) {
	n, err := tx.exec(`DELETE FROM stream_credentials WHERE account_id = $1 AND stream_id = $2 AND id = $3`, a, s, id)
	return n > 0, err
}

// TouchPushCredential notes a use.
func (tx *Tx) TouchPushCredential(a account.AccountID, s account.StreamID, id account.PushID, at time.Time) error {
	_, err := tx.exec(`UPDATE stream_credentials SET used_at = $4 WHERE account_id = $1 AND stream_id = $2 AND id = $3 AND used_at < $4`, a, s, id, micros(at))
	return err
}

// StreamStatus reads how a stream fares, without counts.
func (tx *Tx) StreamStatus(a account.AccountID, id account.StreamID) (account.StreamStatus, bool, error) {
	return one(tx, func(s scanner) (r account.StreamStatus, err error) {
		var status, pending, verified, checked, event int64
		err = s.Scan(&r.Status, &r.Why, &status, &r.Pending, &pending, &verified, &checked, &event)
		r.StatusAt, r.PendingSince, r.VerifiedAt = instant(status), instant(pending), instant(verified)
		r.LastCheck, r.LastEvent = instant(checked), instant(event)
		return r, err
	}, `
		SELECT status, status_why, status_at, pending_state, pending_at, verified_at, checked_at, event_at FROM streams
		 WHERE account_id = $1 AND id = $2`, a, id)
}

// AskedVerification notes the state that we wait for.
func (tx *Tx) AskedVerification(a account.AccountID, id account.StreamID, state string, at time.Time) error {
	_, err := tx.exec(`UPDATE streams SET pending_state = $3, pending_at = $4 WHERE account_id = $1 AND id = $2`, a, id, state, micros(at))
	return err
}

// Verified notes that the state we waited for came back.
func (tx *Tx) Verified(a account.AccountID, id account.StreamID, at time.Time) error {
	_, err := tx.exec(`
		UPDATE streams SET pending_state = '', pending_at = 0, verified_at = $3, checked_at = $3 WHERE account_id = $1 AND id = $2`, a, id, micros(at))
	return err
}

// Checked notes a verification event that nobody here asked for.
func (tx *Tx) Checked(a account.AccountID, id account.StreamID, at time.Time) error {
	_, err := tx.exec(`UPDATE streams SET checked_at = $3 WHERE account_id = $1 AND id = $2`, a, id, micros(at))
	return err
}

// StreamSays notes what the transmitter says about the stream.
func (tx *Tx) StreamSays(a account.AccountID, id account.StreamID, status, why string, at time.Time) error {
	_, err := tx.exec(`UPDATE streams SET status = $3, status_why = $4, status_at = $5 WHERE account_id = $1 AND id = $2`, a, id, status, why, micros(at))
	return err
}

// StreamHeard notes that a token came.
func (tx *Tx) StreamHeard(a account.AccountID, id account.StreamID, at time.Time) error {
	_, err := tx.exec(`UPDATE streams SET event_at = $3 WHERE account_id = $1 AND id = $2`, a, id, micros(at))
	return err
}
