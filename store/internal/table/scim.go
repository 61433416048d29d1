package table

import (
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/drawbridge-id/drawbridge/account"
	"github.com/drawbridge-id/drawbridge/directory"
)

// A Pusher is whom a SCIM token speaks for.
type Pusher struct {
	Token      account.SCIMToken
	Account    account.AccountID
	Connection account.ConnectionID
	Name       string // of the connection
	Enabled    bool
	Options    account.SCIMOptions
	Own        []directory.Extension // what the connection declares
}

// Type is a kind of resource as the connection has it.
func (p Pusher) Type(k directory.Kind) directory.Type {
	t := directory.Type{Kind: k}
	for _, e := range p.Own {
		if e.Of == k {
			t.Own = append(t.Own, e.Schema)
		}
	}
	return t
}

func readExtensions(text string) (own []directory.Extension, err error) {
	if text == "" {
		return nil, nil
	}
	if err := json.Unmarshal([]byte(text), &own); err != nil {
		return nil, fmt.Errorf("the schemas of a connection do not read: %w", err)
	}
	return own, nil
}

// Extensions reads what a connection declares.
func (tx *Tx) Extensions(a account.AccountID, c account.ConnectionID) ([]directory.Extension, error) {
	text, _, err := one(tx, scanText, `SELECT schemas FROM scim_options WHERE account_id = $1 AND connection_id = $2`, a, c)
	if err != nil {
		return nil, err
	}
	return readExtensions(text)
}

// PutExtensions writes it; o is for a connection that has said nothing else yet.
func (tx *Tx) PutExtensions(a account.AccountID, c account.ConnectionID, o account.SCIMOptions, own []directory.Extension) error {
	text := []byte{}
	if len(own) > 0 {
		var err error
		if text, err = json.Marshal(own); err != nil {
			return err
		}
	}
	_, err := tx.exec(`
		INSERT INTO scim_options (account_id, connection_id, subject, groups, schemas) VALUES ($1, $2, $3, $4, $5)
		    ON CONFLICT (account_id, connection_id) DO UPDATE SET schemas = excluded.schemas`, a, c, o.Subject, o.Groups, string(text))
	return err
}

const scimTokenColumns = `t.id, t.connection_id, t.last4, t.created_at, t.created_by, t.expires_at, t.used_at, t.client_id`

func scanSCIMToken(s scanner) (t account.SCIMToken, err error) {
	var made, expires, used int64
	err = s.Scan(&t.ID, &t.Connection, &t.Last4, &made, &t.CreatedBy, &expires, &used, &t.Client)
	t.CreatedAt, t.ExpiresAt, t.UsedAt = instant(made), instant(expires), instant(used)
	return t, err
}

// PusherByDigest finds whom a token speaks for, if it is one of that connection and has not run out.
func (tx *Tx) PusherByDigest(c account.ConnectionID, digest []byte, at time.Time) (Pusher, bool, error) {
	return one(tx, func(s scanner) (p Pusher, err error) {
		schemas := ""
		p.Token, err = scanSCIMToken(withTail(s, &p.Account, &p.Name, &p.Enabled, &p.Options.Subject, &p.Options.Groups, &schemas))
		if err == nil {
			p.Connection = p.Token.Connection
			p.Own, err = readExtensions(schemas)
		}
		return p, err
	}, `
		SELECT `+scimTokenColumns+`, c.account_id, c.name, c.enabled, COALESCE(o.subject, 'externalId'), COALESCE(o.groups, 'merge'), COALESCE(o.schemas, '')
		  FROM scim_tokens t
		  JOIN connections c ON c.id = t.connection_id
		  LEFT JOIN scim_options o ON o.connection_id = t.connection_id
		 WHERE t.digest = $1 AND t.connection_id = $2 AND t.expires_at > $3`, digest, c, micros(at))
}

// PusherStands reports whether a pusher's token is still valid, and whether its connection is switched on.
func (tx *Tx) PusherStands(p Pusher, at time.Time) (valid, enabled bool, err error) {
	enabled, valid, err = one(tx, func(s scanner) (on bool, err error) { return on, s.Scan(&on) }, `
		SELECT c.enabled FROM scim_tokens t JOIN connections c ON c.id = t.connection_id
		 WHERE t.account_id = $1 AND t.connection_id = $2 AND t.id = $3 AND t.expires_at > $4`, p.Account, p.Connection, p.Token.ID, micros(at))
	return valid, enabled, err
}

// SCIMTokens lists the tokens of a connection that were minted by hand and have not run out, oldest first.
func (tx *Tx) SCIMTokens(a account.AccountID, c account.ConnectionID, at time.Time) ([]account.SCIMToken, error) {
	return list(tx, scanSCIMToken, `
		SELECT `+scimTokenColumns+` FROM scim_tokens t
		 WHERE t.account_id = $1 AND t.connection_id = $2 AND t.expires_at > $3 AND t.client_id = '' ORDER BY t.id`, a, c, micros(at))
}

// InsertSCIMToken writes a new one.
func (tx *Tx) InsertSCIMToken(a account.AccountID, t account.SCIMToken, digest []byte) error {
	_, err := tx.exec(`
		INSERT INTO scim_tokens (account_id, id, connection_id, digest, last4, created_at, created_by, expires_at, client_id)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)`, a, t.ID, t.Connection, digest, t.Last4, micros(t.CreatedAt), t.CreatedBy, micros(t.ExpiresAt), t.Client)
	return err
}

// SCIMTokenByDigest finds a token of any connection, also one that has run out.
func (tx *Tx) SCIMTokenByDigest(digest []byte) (account.SCIMToken, bool, error) {
	return one(tx, scanSCIMToken, `SELECT `+scimTokenColumns+` FROM scim_tokens t WHERE t.digest = $1`, digest)
}

// SetSCIMTokenEnd moves the time at which a token runs out.
func (tx *Tx) SetSCIMTokenEnd(a account.AccountID, c account.ConnectionID, id account.SCIMTokenID, at time.Time) error {
	_, err := tx.exec(`UPDATE scim_tokens SET expires_at = $4 WHERE account_id = $1 AND connection_id = $2 AND id = $3`, a, c, id, micros(at))
	return err
}

// DeleteSCIMToken is false when there is no such token.
func (tx *Tx) DeleteSCIMToken(a account.AccountID, c account.ConnectionID, id account.SCIMTokenID) (bool, error) {
	n, err := tx.exec(`DELETE FROM scim_tokens WHERE account_id = $1 AND connection_id = $2 AND id = $3`, a, c, id)
	return n > 0, err
}

// TouchSCIMToken notes a use.
func (tx *Tx) TouchSCIMToken(a account.AccountID, c account.ConnectionID, id account.SCIMTokenID, at time.Time) error {
	_, err := tx.exec(`UPDATE scim_tokens SET used_at = $4 WHERE account_id = $1 AND connection_id = $2 AND id = $3 AND used_at < $4`, a, c, id, micros(at))
	return err
}

// SCIMOptions reads those of a connection; found is false when it says nothing.
func (tx *Tx) SCIMOptions(a account.AccountID, c account.ConnectionID) (account.SCIMOptions, bool, error) {
	return one(tx, func(s scanner) (o account.SCIMOptions, err error) { return o, s.Scan(&o.Subject, &o.Groups) }, `
		SELECT subject, groups FROM scim_options WHERE account_id = $1 AND connection_id = $2`, a, c)
}

// PutSCIMOptions writes them.
func (tx *Tx) PutSCIMOptions(a account.AccountID, c account.ConnectionID, o account.SCIMOptions) error {
	_, err := tx.exec(`
		INSERT INTO scim_options (account_id, connection_id, subject, groups) VALUES ($1, $2, $3, $4)
		    ON CONFLICT (account_id, connection_id) DO UPDATE SET subject = excluded.subject, groups = excluded.groups`, a, c, o.Subject, o.Groups)
	return err
}

// GroupsPushed notes that a connection pushes groups.
func (tx *Tx) GroupsPushed(a account.AccountID, c account.ConnectionID, o account.SCIMOptions, at time.Time) error {
	_, err := tx.exec(`
		INSERT INTO scim_options (account_id, connection_id, subject, groups, pushed_at) VALUES ($1, $2, $3, $4, $5)
		    ON CONFLICT (account_id, connection_id) DO UPDATE SET pushed_at = excluded.pushed_at WHERE scim_options.pushed_at = 0`,
		a, c, o.Subject, o.Groups, micros(at))
	return err
}

// PushesGroups reports whether a connection has ever pushed a group that counts.
func (tx *Tx) PushesGroups(a account.AccountID, c account.ConnectionID) (bool, error) {
	n, _, err := one(tx, scanInt, `
		SELECT count(*) FROM scim_options WHERE account_id = $1 AND connection_id = $2 AND pushed_at > 0 AND groups <> 'ignore'`, a, c)
	return n > 0, err
}

// InsertSCIMRequest writes one line of the request log.
func (tx *Tx) InsertSCIMRequest(a account.AccountID, c account.ConnectionID, r account.SCIMRequest) error {
	_, err := tx.exec(`
		INSERT INTO scim_requests (account_id, connection_id, id, at, method, path, status, scim_type, detail, changed, body, agent, token_id, micros, dialect, lacks)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16)`,
		a, c, r.ID, micros(r.At), r.Method, r.Path, r.Status, r.SCIMType, r.Detail, r.Changed, r.Body, r.Agent, r.Token, r.Took.Microseconds(), r.Dialect, r.Lacks)
	return err
}

const scimRequestColumns = `id, at, method, path, status, scim_type, detail, changed, body, agent, token_id, micros, dialect, lacks`

func scanSCIMRequest(s scanner) (r account.SCIMRequest, err error) {
	var at, took int64
	err = s.Scan(&r.ID, &at, &r.Method, &r.Path, &r.Status, &r.SCIMType, &r.Detail, &r.Changed, &r.Body, &r.Agent, &r.Token, &took, &r.Dialect, &r.Lacks)
	r.At, r.Took = instant(at), time.Duration(took)*time.Microsecond
	return r, err
}

// SCIMRequest reads one line of the request log.
func (tx *Tx) SCIMRequest(a account.AccountID, c account.ConnectionID, id account.SCIMRequestID) (account.SCIMRequest, bool, error) {
	return one(tx, scanSCIMRequest, `SELECT `+scimRequestColumns+` FROM scim_requests WHERE account_id = $1 AND connection_id = $2 AND id = $3`, a, c, id)
}

// SCIMRequests lists the request log of a connection, newest first, from before a line ("" from the newest).
func (tx *Tx) SCIMRequests(a account.AccountID, c account.ConnectionID, before account.SCIMRequestID, n int) ([]account.SCIMRequest, error) {
	return list(tx, scanSCIMRequest, `
		SELECT `+scimRequestColumns+` FROM scim_requests
		 WHERE account_id = $1 AND connection_id = $2 AND ($3 = '' OR id < $3) ORDER BY id DESC LIMIT $4`, a, c, before, n)
}

// PurgeSCIMRequests removes what is older than an instant, at most n lines.
func (tx *Tx) PurgeSCIMRequests(before time.Time, n int) (int64, error) {
	return tx.exec(`
		DELETE FROM scim_requests WHERE (account_id, connection_id, id) IN
			(SELECT account_id, connection_id, id FROM scim_requests WHERE at < $1 LIMIT $2)`, micros(before), n)
}

// places is "$from, $from+1, …": n parameters.
func places(from, n int) string {
	var b strings.Builder
	for i := range n {
		if i > 0 {
			b.WriteByte(',')
		}
		b.WriteByte('$')
		b.WriteString(strconv.Itoa(from + i))
	}
	return b.String()
}

// inBatches hands out ids in batches of a few sizes, the last id repeated to fill one, so that few statements need be prepared.
func inBatches(ids []string, do func(batch []any) error) error {
	for len(ids) > 0 {
		size := 1
		for _, s := range []int{10, 100, 500} {
			if len(ids) > size {
				size = s
			}
		}
		n := min(size, len(ids))
		batch := make([]any, size)
		for i := range batch {
			batch[i] = ids[min(i, n-1)]
		}
		if err := do(batch); err != nil {
			return err
		}
		ids = ids[n:]
	}
	return nil
}
