package table

import (
	"encoding/json"
	"fmt"
	"time"

	"github.com/drawbridge-id/drawbridge/account"
)

// A Connection is a row: the connection with what only the ledger needs. The secrets of its settings are apart.
type Connection struct {
	account.Connection
	DraftEdition  string // random, new at each change of the draft or its secrets
	PassedEdition string // of the draft that a login test passed
	PassedTest    account.DiagnosisID
	CreatedAt     time.Time
}

const connectionColumns = `account_id, id, name, enabled, live, draft, live_revision, draft_edition, passed_edition, passed_test, groups_seen_at, created_at`

func scanConnection(s scanner) (c Connection, err error) {
	var live, draft string
	var seen, made int64
	if err = s.Scan(&c.Account, &c.ID, &c.Name, &c.Enabled, &live, &draft, &c.LiveRevision,
		&c.DraftEdition, &c.PassedEdition, &c.PassedTest, &seen, &made); err != nil {
		return c, err
	}
	c.GroupsSeen, c.CreatedAt = instant(seen), instant(made)
	if c.Live, err = settingsOf(live); err == nil {
		c.Draft, err = settingsOf(draft)
	}
	if err != nil {
		return c, fmt.Errorf("settings of connection %s do not read: %w", c.ID, err)
	}
	return c, nil
}

func settingsOf(text string) (*account.Settings, error) {
	if text == "" {
		return nil, nil
	}
	s := new(account.Settings)
	return s, json.Unmarshal([]byte(text), s)
}

// SettingsText is how settings are stored. Secrets in them have no JSON form.
func SettingsText(s *account.Settings) (string, error) {
	if s == nil {
		return "", nil
	}
	text, err := json.Marshal(s)
	return string(text), err
}

// Connection reads one by its id alone, for the doors, which find their account through it.
func (tx *Tx) Connection(id account.ConnectionID) (Connection, bool, error) {
	return one(tx, scanConnection, `SELECT `+connectionColumns+` FROM connections WHERE id = $1`, id)
}

// An Outline is what can be told of a connection without reading its settings.
type Outline struct {
	Account      account.AccountID
	Name         string
	Enabled      bool
	Live, Draft  bool // has that version
	LiveRevision int
	DraftEdition string
	GroupsSeen   time.Time
}

// Outline reads it by the id alone.
func (tx *Tx) Outline(id account.ConnectionID) (Outline, bool, error) {
	return one(tx, func(s scanner) (o Outline, err error) {
		var seen int64
		err = s.Scan(&o.Account, &o.Name, &o.Enabled, &o.Live, &o.Draft, &o.LiveRevision, &o.DraftEdition, &seen)
		o.GroupsSeen = instant(seen)
		return o, err
	}, `SELECT account_id, name, enabled, live <> '', draft <> '', live_revision, draft_edition, groups_seen_at FROM connections WHERE id = $1`, id)
}

// Connections lists those of an account by name.
func (tx *Tx) Connections(a account.AccountID) ([]Connection, error) {
	return list(tx, scanConnection, `SELECT `+connectionColumns+` FROM connections WHERE account_id = $1 ORDER BY name`, a)
}

// ConnectionNamed reads one by its name.
func (tx *Tx) ConnectionNamed(a account.AccountID, name string) (Connection, bool, error) {
	return one(tx, scanConnection, `SELECT `+connectionColumns+` FROM connections WHERE account_id = $1 AND name = $2`, a, name)
}

// PutConnection writes all columns but groups_seen_at.
func (tx *Tx) PutConnection(c Connection) error {
	live, err := SettingsText(c.Live)
	if err != nil {
		return err
	}
	draft, err := SettingsText(c.Draft)
	if err != nil {
		return err
	}
	_, err = tx.exec(`
		INSERT INTO connections (account_id, id, name, enabled, live, draft, live_revision, draft_edition, passed_edition, passed_test, created_at)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)
		    ON CONFLICT (account_id, id) DO UPDATE
		   SET name = excluded.name, enabled = excluded.enabled, live = excluded.live, draft = excluded.draft,
		       live_revision = excluded.live_revision, draft_edition = excluded.draft_edition,
		       passed_edition = excluded.passed_edition, passed_test = excluded.passed_test`,
		c.Account, c.ID, c.Name, c.Enabled, live, draft, c.LiveRevision, c.DraftEdition, c.PassedEdition, c.PassedTest, micros(c.CreatedAt))
	return err
}

// MarkPassed remembers that a login test passed for a draft; it is false when the draft has changed meanwhile.
func (tx *Tx) MarkPassed(a account.AccountID, id account.ConnectionID, edition string, test account.DiagnosisID) (bool, error) {
	n, err := tx.exec(`
		UPDATE connections SET passed_edition = $3, passed_test = $4
		 WHERE account_id = $1 AND id = $2 AND draft_edition = $3 AND draft <> ''`, a, id, edition, test)
	return n > 0, err
}

// SawGroups notes the first group claim of a connection.
func (tx *Tx) SawGroups(a account.AccountID, id account.ConnectionID, at time.Time) error {
	_, err := tx.exec(`
		UPDATE connections SET groups_seen_at = $3 WHERE account_id = $1 AND id = $2 AND groups_seen_at = 0`, a, id, micros(at))
	return err
}

// ForgetGroups takes back that group claims were seen.
func (tx *Tx) ForgetGroups(a account.AccountID, id account.ConnectionID) error {
	_, err := tx.exec(`UPDATE connections SET groups_seen_at = 0 WHERE account_id = $1 AND id = $2`, a, id)
	return err
}

// PutHistory keeps settings that were live.
func (tx *Tx) PutHistory(a account.AccountID, id account.ConnectionID, revision int, s *account.Settings, at time.Time, by string) error {
	text, err := SettingsText(s)
	if err != nil {
		return err
	}
	_, err = tx.exec(`
		INSERT INTO connection_history (account_id, connection_id, revision, settings, replaced_at, replaced_by) VALUES ($1, $2, $3, $4, $5, $6)`,
		a, id, revision, text, micros(at), by)
	return err
}

// History reads settings that were live.
func (tx *Tx) History(a account.AccountID, id account.ConnectionID, revision int) (*account.Settings, bool, error) {
	return one(tx, func(s scanner) (*account.Settings, error) {
		var text string
		if err := s.Scan(&text); err != nil {
			return nil, err
		}
		return settingsOf(text)
	}, `SELECT settings FROM connection_history WHERE account_id = $1 AND connection_id = $2 AND revision = $3`, a, id, revision)
}

// A Revision is one earlier version of a connection, without its settings.
type Revision struct {
	Revision   int
	ReplacedAt time.Time
	ReplacedBy string
}

// Revisions lists the earlier versions of a connection, newest first, at most n.
func (tx *Tx) Revisions(a account.AccountID, id account.ConnectionID, n int) ([]Revision, error) {
	return list(tx, func(s scanner) (r Revision, err error) {
		var at int64
		err = s.Scan(&r.Revision, &at, &r.ReplacedBy)
		r.ReplacedAt = instant(at)
		return r, err
	}, `
		SELECT revision, replaced_at, replaced_by FROM connection_history
		 WHERE account_id = $1 AND connection_id = $2 ORDER BY revision DESC LIMIT $3`, a, id, n)
}

// An SPKey is a row; the private key is among the secrets.
func scanSPKey(s scanner) (k account.SPKey, err error) {
	var made int64
	err = s.Scan(&k.ID, &k.Certificate, &k.Active, &made)
	k.CreatedAt = instant(made)
	return k, err
}

// SPKeys lists our key pairs for a connection, the active one first, then the newest.
func (tx *Tx) SPKeys(a account.AccountID, c account.ConnectionID) ([]account.SPKey, error) {
	return list(tx, scanSPKey, `
		SELECT id, certificate, active, created_at FROM sp_keys
		 WHERE account_id = $1 AND connection_id = $2 ORDER BY active DESC, created_at DESC, id`, a, c)
}

// InsertSPKey writes a new key pair's public half.
func (tx *Tx) InsertSPKey(a account.AccountID, c account.ConnectionID, k account.SPKey) error {
	_, err := tx.exec(`
		INSERT INTO sp_keys (account_id, connection_id, id, certificate, active, created_at) VALUES ($1, $2, $3, $4, $5, $6)`,
		a, c, k.ID, k.Certificate, k.Active, micros(k.CreatedAt))
	return err
}

// ActivateSPKey makes one the only active key of its connection.
func (tx *Tx) ActivateSPKey(a account.AccountID, c account.ConnectionID, id string) error {
	_, err := tx.exec(`UPDATE sp_keys SET active = (id = $3) WHERE account_id = $1 AND connection_id = $2`, a, c, id)
	return err
}

// DeleteSPKey removes one that is not active.
func (tx *Tx) DeleteSPKey(a account.AccountID, c account.ConnectionID, id string) error {
	_, err := tx.exec(`DELETE FROM sp_keys WHERE account_id = $1 AND connection_id = $2 AND id = $3 AND NOT active`, a, c, id)
	return err
}
