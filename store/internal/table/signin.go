package table

import (
	"strconv"
	"time"

	"github.com/drawbridge-id/drawbridge/account"
)

// A Gate is everything about a connection and its account that a sign-in is judged by, read in one statement.
type Gate struct {
	House
	Enabled      bool
	LiveRevision int
	GroupsSeen   time.Time
	Rules        int64                // revision of the active rules
	Domain       account.DomainState  // of the address, in this account; empty: never claimed
	Pushed       account.PushedGroups // what groups that the connection has pushed count for; empty: it has pushed none
}

// ShareHouse lets sign-ins of an account go on side by side, but not while LockHouse holds it: rules that are being activated or a
// connection that is being switched off are seen either before or after, and never in between. SQLite has one writer anyway.
func (tx *Tx) ShareHouse(c account.ConnectionID) error {
	if tx.db.Dialect == SQLite {
		return nil
	}
	_, err := tx.exec(`
		SELECT 1 FROM accounts WHERE id = (SELECT account_id FROM connections WHERE id = $1) FOR SHARE`, c)
	return err
}

// Gate reads it.
func (tx *Tx) Gate(c account.ConnectionID, domain string) (Gate, bool, error) {
	return one(tx, func(s scanner) (g Gate, err error) {
		var seen int64
		g.House, err = scanHouse(withTail(s, &g.Enabled, &g.LiveRevision, &seen, &g.Rules, &g.Domain, &g.Pushed))
		g.GroupsSeen = instant(seen)
		return g, err
	}, `
		SELECT `+houseColumns+`, c.enabled, c.live_revision, c.groups_seen_at, COALESCE(r.revision, 0), COALESCE(d.state, ''),
		       COALESCE(CASE WHEN p.pushed_at > 0 THEN p.groups END, '')
		  FROM connections c
		  JOIN accounts a ON a.id = c.account_id
		  JOIN orgs o ON o.account_id = c.account_id
		  LEFT JOIN rule_sets r ON r.account_id = c.account_id
		  LEFT JOIN scim_options p ON p.connection_id = c.id
		  LEFT JOIN domains d ON d.account_id = c.account_id AND d.name = $2
		 WHERE c.id = $1`, c, domain)
}

// LiveSettings reads the live version alone.
func (tx *Tx) LiveSettings(c account.ConnectionID) (*account.Settings, error) {
	s, _, err := one(tx, func(s scanner) (*account.Settings, error) {
		var text string
		if err := s.Scan(&text); err != nil {
			return nil, err
		}
		return settingsOf(text)
	}, `SELECT live FROM connections WHERE id = $1`, c)
	return s, err
}

// A Known is a person as a sign-in finds them.
type Known struct {
	account.User
	Subject string                // by which this connection knows them; empty: it does not
	Groups  string                // JSON of the values last seen through this connection
	State   account.GroupState    // of those; empty: none were ever seen
	Tenancy account.TenancyStatus // empty: no place in this account
	Places  int                   // tenancies everywhere
	Reauth  time.Time             // when the provider asked that they prove anew who they are; zero: it did not
}

func scanKnown(s scanner) (k Known, err error) {
	var reauth int64
	k.User, err = scanUser(withTail(s, &k.Subject, &k.Groups, &k.State, &k.Tenancy, &k.Places, &reauth))
	k.Reauth = instant(reauth)
	return k, err
}

const knownColumns = `u.id, u.email, u.name, u.state, u.created_at,
	COALESCE(i.subject, ''), COALESCE(i.groups, '[]'), COALESCE(i.groups_state, ''), COALESCE(t.status, ''),
	(SELECT count(*) FROM tenancies p WHERE p.user_id = u.id), COALESCE(t.reauth_at, 0)`

// KnownBySubject finds the person that a connection asserts under a subject.
func (tx *Tx) KnownBySubject(a account.AccountID, c account.ConnectionID, subject string) (Known, bool, error) {
	return one(tx, scanKnown, `
		SELECT `+knownColumns+`
		  FROM login_identities i
		  JOIN users u ON u.id = i.user_id
		  LEFT JOIN tenancies t ON t.account_id = i.account_id AND t.user_id = i.user_id
		 WHERE i.account_id = $1 AND i.connection_id = $2 AND i.subject = $3`, a, c, subject)
}

// Retired begins the subjects that a connection's former provider gave: a character that no subject holds.
const Retired = "\x01"

// RetireIdentities puts the subjects of a connection out of use, because another provider may give them to other people. Who had them
// and which groups were seen is kept.
func (tx *Tx) RetireIdentities(a account.AccountID, c account.ConnectionID, revision int) (int64, error) {
	return tx.exec(`
		UPDATE login_identities SET subject = $3 || subject
		 WHERE account_id = $1 AND connection_id = $2 AND substr(subject, 1, 1) <> $4`, a, c, Retired+strconv.Itoa(revision)+Retired, Retired)
}

// KnownByEmail finds the person who has an address, with the newest subject by which the connection knows them.
func (tx *Tx) KnownByEmail(a account.AccountID, c account.ConnectionID, email string) (Known, bool, error) {
	return one(tx, scanKnown, `
		SELECT `+knownColumns+`
		  FROM users u
		  LEFT JOIN login_identities i ON i.account_id = $1 AND i.connection_id = $2 AND i.user_id = u.id AND substr(i.subject, 1, 1) <> $4
		  LEFT JOIN tenancies t ON t.account_id = $1 AND t.user_id = u.id
		 WHERE u.email = $3 ORDER BY COALESCE(i.last_login, 0) DESC LIMIT 1`, a, c, email, Retired)
}

// NamedBy reports whether a connection of the account has signed the person in under a subject of its own.
func (tx *Tx) NamedBy(a account.AccountID, u account.UserID) (bool, error) {
	_, found, err := one(tx, scanText, `SELECT subject FROM login_identities WHERE account_id = $1 AND user_id = $2 LIMIT 1`, a, u)
	return found, err
}

// An Identity is what is remembered of one way to come in.
type Identity struct {
	Account    account.AccountID
	Connection account.ConnectionID
	Subject    string
	User       account.UserID
	At         time.Time
	Groups     account.GroupSet
	GroupsText string // Groups.Values as JSON
}

// PutIdentity writes a new one.
func (tx *Tx) PutIdentity(i Identity) error {
	_, err := tx.exec(`
		INSERT INTO login_identities (account_id, connection_id, subject, user_id, first_login, last_login, groups_state, groups, groups_why, groups_source, groups_at)
		VALUES ($1, $2, $3, $4, $5, $5, $6, $7, $8, $9, $5)`,
		i.Account, i.Connection, i.Subject, i.User, micros(i.At), i.Groups.State, i.GroupsText, i.Groups.Why, i.Groups.Source)
	return err
}

// TouchIdentity notes a login.
func (tx *Tx) TouchIdentity(i Identity) error {
	_, err := tx.exec(`
		UPDATE login_identities SET last_login = $4 WHERE account_id = $1 AND connection_id = $2 AND subject = $3`,
		i.Account, i.Connection, i.Subject, micros(i.At))
	return err
}

// TouchIdentityGroups notes a login and the groups that came with it.
func (tx *Tx) TouchIdentityGroups(i Identity) error {
	_, err := tx.exec(`
		UPDATE login_identities SET last_login = $4, groups_at = $4, groups_state = $5, groups = $6, groups_why = $7, groups_source = $8
		 WHERE account_id = $1 AND connection_id = $2 AND subject = $3`,
		i.Account, i.Connection, i.Subject, micros(i.At), i.Groups.State, i.GroupsText, i.Groups.Why, i.Groups.Source)
	return err
}

// DropIdentity forgets one way to come in.
func (tx *Tx) DropIdentity(a account.AccountID, c account.ConnectionID, subject string) error {
	_, err := tx.exec(`DELETE FROM login_identities WHERE account_id = $1 AND connection_id = $2 AND subject = $3`, a, c, subject)
	return err
}

// LastGroups reads the groups last seen of a subject.
func (tx *Tx) LastGroups(c account.ConnectionID, subject string) (account.GroupSet, time.Time, bool, error) {
	var at time.Time
	g, found, err := one(tx, func(s scanner) (g account.GroupSet, err error) {
		var text string
		var us int64
		if err = s.Scan(&g.State, &text, &g.Why, &g.Source, &us); err != nil {
			return g, err
		}
		at = instant(us)
		return g, groupValues(text, &g)
	}, `
		SELECT i.groups_state, i.groups, i.groups_why, i.groups_source, i.groups_at
		  FROM connections c JOIN login_identities i ON i.account_id = c.account_id AND i.connection_id = c.id
		 WHERE c.id = $1 AND i.subject = $2 AND i.groups_state <> ''`, c, subject)
	return g, at, found, err
}
