package table

import (
	"encoding/json"
	"fmt"
	"time"

	"github.com/drawbridge-id/drawbridge/account"
	"github.com/drawbridge-id/drawbridge/rules"
)

// Rules lists an account's rules in the order they were made.
func (tx *Tx) Rules(a account.AccountID) ([]rules.Rule, error) {
	return list(tx, scanRule, `
		SELECT id, draft, active FROM rules WHERE account_id = $1 ORDER BY id`, a)
}

// Rule reads one.
func (tx *Tx) Rule(a account.AccountID, id account.RuleID) (rules.Rule, bool, error) {
	return one(tx, scanRule, `
		SELECT id, draft, active FROM rules WHERE account_id = $1 AND id = $2`, a, id)
}

// PutRule writes both versions of a rule.
func (tx *Tx) PutRule(a account.AccountID, r rules.Rule, at time.Time) error {
	draft, err := definitionText(r.Draft)
	if err != nil {
		return err
	}
	active, err := definitionText(r.Active)
	if err != nil {
		return err
	}
	_, err = tx.exec(`
		INSERT INTO rules (account_id, id, draft, active, changed_at) VALUES ($1, $2, $3, $4, $5)
		    ON CONFLICT (account_id, id) DO UPDATE
		   SET draft = excluded.draft, active = excluded.active, changed_at = excluded.changed_at`,
		a, r.ID, draft, active, micros(at))
	return err
}

// DeleteRule removes a rule with both its versions.
func (tx *Tx) DeleteRule(a account.AccountID, id account.RuleID) error {
	_, err := tx.exec(`DELETE FROM rules WHERE account_id = $1 AND id = $2`, a, id)
	return err
}

// A RuleSet is what is common to the active rules of an account.
type RuleSet struct {
	Revision    int64 // of the active rules; compiled indexes may be cached by it
	ActivatedAt time.Time
	ActivatedBy string
	Cursor      account.UserID // where a running activation has got to
	Running     bool
}

// RuleSet reads it; its zero value stands for an account that never activated rules.
func (tx *Tx) RuleSet(a account.AccountID) (RuleSet, error) {
	rs, _, err := one(tx, func(s scanner) (r RuleSet, err error) {
		var at int64
		err = s.Scan(&r.Revision, &at, &r.ActivatedBy, &r.Cursor, &r.Running)
		r.ActivatedAt = instant(at)
		return r, err
	}, `
		SELECT revision, activated_at, activated_by, cursor_user, running FROM rule_sets WHERE account_id = $1`, a)
	return rs, err
}

// PutRuleSet writes it.
func (tx *Tx) PutRuleSet(a account.AccountID, r RuleSet) error {
	_, err := tx.exec(`
		INSERT INTO rule_sets (account_id, revision, activated_at, activated_by, cursor_user, running)
		VALUES ($1, $2, $3, $4, $5, $6)
		    ON CONFLICT (account_id) DO UPDATE
		   SET revision = excluded.revision, activated_at = excluded.activated_at, activated_by = excluded.activated_by,
		       cursor_user = excluded.cursor_user, running = excluded.running`,
		a, r.Revision, micros(r.ActivatedAt), r.ActivatedBy, r.Cursor, r.Running)
	return err
}

// RunningActivations lists the accounts whose activation is not finished.
func (tx *Tx) RunningActivations() ([]account.AccountID, error) {
	return list(tx, func(s scanner) (a account.AccountID, err error) { return a, s.Scan(&a) }, `
		SELECT account_id FROM rule_sets WHERE running ORDER BY account_id`)
}

// IdPGroups lists the groups of an account that were added as tenants or seen, by connection and value.
func (tx *Tx) IdPGroups(a account.AccountID) ([]account.IdPGroup, error) {
	return list(tx, func(s scanner) (g account.IdPGroup, err error) {
		var first, last int64
		g.Account = a
		err = s.Scan(&g.Connection, &g.Value, &g.Alias, &g.AccountRole, &first, &last)
		g.FirstSeen, g.LastSeen = instant(first), instant(last)
		return g, err
	}, `
		SELECT connection_id, value, alias, account_role, first_seen, last_seen
		  FROM idp_groups WHERE account_id = $1 ORDER BY connection_id, value`, a)
}

// PutIdPGroup adds a group as a tenant, or changes its alias and account role. When it was seen stays.
func (tx *Tx) PutIdPGroup(g account.IdPGroup) error {
	_, err := tx.exec(`
		INSERT INTO idp_groups (account_id, connection_id, value, alias, account_role) VALUES ($1, $2, $3, $4, $5)
		    ON CONFLICT (account_id, connection_id, value) DO UPDATE
		   SET alias = excluded.alias, account_role = excluded.account_role`,
		g.Account, g.Connection, g.Value, g.Alias, g.AccountRole)
	return err
}

// SawIdPGroups notes when group values were asserted. Recent is how fresh a note may be without being
// renewed, so that a busy group does not cost a write at each sign-in. Values too long for a key are passed over: no rule names them.
func (tx *Tx) SawIdPGroups(a account.AccountID, c account.ConnectionID, values []string, at time.Time, recent time.Duration) error {
	for _, v := range values {
		if len(v) > maxKeyText {
			continue
		}
		if _, err := tx.exec(`
			INSERT INTO idp_groups (account_id, connection_id, value, first_seen, last_seen) VALUES ($1, $2, $3, $4, $4)
			    ON CONFLICT (account_id, connection_id, value) DO UPDATE
			   SET last_seen = excluded.last_seen,
			       first_seen = CASE idp_groups.first_seen WHEN 0 THEN excluded.first_seen ELSE idp_groups.first_seen END
			 WHERE idp_groups.last_seen < $5`, a, c, v, micros(at), micros(at.Add(-recent))); err != nil {
			return err
		}
	}
	return nil
}

// SeenBetween reads the groups last seen of all people after one user id and up to another: the newest of each
// connection, where a person has several subjects.
func (tx *Tx) SeenBetween(a account.AccountID, after, upTo account.UserID) (map[account.UserID][]rules.Seen, error) {
	type row struct {
		user account.UserID
		rules.Seen
	}
	rows, err := list(tx, func(s scanner) (r row, err error) {
		var values string
		var at int64
		if err = s.Scan(&r.user, &r.Connection, &r.Groups.State, &values, &r.Groups.Why, &r.Groups.Source, &at); err != nil {
			return r, err
		}
		r.At = instant(at)
		return r, json.Unmarshal([]byte(values), &r.Groups.Values)
	}, `
		SELECT user_id, connection_id, groups_state, groups, groups_why, groups_source, groups_at
		  FROM login_identities
		 WHERE account_id = $1 AND user_id > $2 AND user_id <= $3 AND groups_state <> ''
		 ORDER BY user_id, connection_id, groups_at DESC`, a, after, upTo)
	if err != nil {
		return nil, err
	}
	seen := map[account.UserID][]rules.Seen{}
	for i, r := range rows {
		if i > 0 && rows[i-1].user == r.user && rows[i-1].Connection == r.Connection {
			continue
		}
		seen[r.user] = append(seen[r.user], r.Seen)
	}
	return seen, nil
}

// CountTenants counts the people of an account.
func (tx *Tx) CountTenants(a account.AccountID) (int, error) {
	n, _, err := one(tx, scanInt, `SELECT count(*) FROM tenancies WHERE account_id = $1`, a)
	return n, err
}

// DropIdPGroup takes a group off the account's tenants; when it was seen is kept.
func (tx *Tx) DropIdPGroup(a account.AccountID, c account.ConnectionID, value string) error {
	_, err := tx.exec(`
		UPDATE idp_groups SET alias = '', account_role = '' WHERE account_id = $1 AND connection_id = $2 AND value = $3`, a, c, value)
	return err
}

func scanInt(s scanner) (n int, err error) { return n, s.Scan(&n) }

func scanRule(s scanner) (r rules.Rule, err error) {
	var draft, active string
	if err = s.Scan(&r.ID, &draft, &active); err != nil {
		return r, err
	}
	if r.Draft, err = definitionOf(draft); err == nil {
		r.Active, err = definitionOf(active)
	}
	if err != nil {
		return r, fmt.Errorf("rule %s does not read: %w", r.ID, err)
	}
	return r, nil
}

func definitionOf(text string) (*rules.Definition, error) {
	if text == "" {
		return nil, nil
	}
	d := new(rules.Definition)
	return d, json.Unmarshal([]byte(text), d)
}

// definitionText writes the normal form, so that equal definitions are equal text.
func definitionText(d *rules.Definition) (string, error) {
	if d == nil {
		return "", nil
	}
	text, err := json.Marshal(d.Normal())
	return string(text), err
}
