package table

import (
	"time"

	"github.com/drawbridge-id/drawbridge/account"
)

func scanUser(s scanner) (u account.User, err error) {
	var made int64
	err = s.Scan(&u.ID, &u.Email, &u.Name, &u.State, &made)
	u.CreatedAt = instant(made)
	return u, err
}

// User reads one.
func (tx *Tx) User(id account.UserID) (account.User, bool, error) {
	return one(tx, scanUser, `SELECT id, email, name, state, created_at FROM users WHERE id = $1`, id)
}

// UserByEmail finds the person who has that address.
func (tx *Tx) UserByEmail(email string) (account.User, bool, error) {
	return one(tx, scanUser, `SELECT id, email, name, state, created_at FROM users WHERE email = $1`, email)
}

// InsertUser writes a new person. Two at once with one address: the second gets a unique violation, and Write
// runs its change again.
func (tx *Tx) InsertUser(u account.User) error {
	key, search := account.SortKeys(u.Email, u.Name)
	_, err := tx.exec(`
		INSERT INTO users (id, email, name, state, created_at, sort_key, search) VALUES ($1, $2, $3, $4, $5, $6, $7)`,
		u.ID, u.Email, u.Name, u.State, micros(u.CreatedAt), key, search)
	return err
}

// SetUser changes address and name, and by what the lists of their accounts know them.
func (tx *Tx) SetUser(id account.UserID, email, name string) error {
	key, search := account.SortKeys(email, name)
	if _, err := tx.exec(`UPDATE users SET email = $2, name = $3, sort_key = $4, search = $5 WHERE id = $1`, id, email, name, key, search); err != nil {
		return err
	}
	_, err := tx.exec(`UPDATE tenancies SET sort_key = $2, search = $3 WHERE user_id = $1`, id, key, search)
	return err
}

// SetUserState says whether it made a difference.
func (tx *Tx) SetUserState(id account.UserID, s account.UserState) (bool, error) {
	n, err := tx.exec(`UPDATE users SET state = $2, disabled_by = '' WHERE id = $1 AND (state <> $2 OR disabled_by <> '')`, id, s)
	return n > 0, err
}

// Tenancy reads a person's place in an account. Role and Sources are left to Held.
func (tx *Tx) Tenancy(a account.AccountID, u account.UserID) (account.Tenancy, bool, error) {
	return one(tx, func(s scanner) (t account.Tenancy, err error) {
		var since int64
		err = s.Scan(&t.Status, &since)
		t.Account, t.User, t.Since = a, u, instant(since)
		return t, err
	}, `SELECT status, since FROM tenancies WHERE account_id = $1 AND user_id = $2`, a, u)
}

// PutTenancy gives a person an active place; one that is there stays as it is. It says whether it is new.
func (tx *Tx) PutTenancy(a account.AccountID, u account.UserID, at time.Time) (bool, error) {
	n, err := tx.exec(`
		INSERT INTO tenancies (account_id, user_id, status, since, sort_key, search)
		SELECT $1, id, 'active', CAST($3 AS BIGINT), sort_key, search FROM users WHERE id = $2
		    ON CONFLICT (account_id, user_id) DO NOTHING`, a, u, micros(at))
	return n > 0, err
}

// AccountsOf lists the accounts a person has any place in, and those they are external to.
func (tx *Tx) AccountsOf(u account.UserID) ([]account.AccountID, error) {
	return list(tx, func(s scanner) (a account.AccountID, err error) { return a, s.Scan(&a) }, `
		SELECT account_id FROM tenancies WHERE user_id = $1
		 UNION SELECT account_id FROM external_members WHERE user_id = $1 ORDER BY account_id`, u)
}

// Places lists the accounts a person can work in: the place is active and has a source.
func (tx *Tx) Places(u account.UserID) ([]account.Place, error) {
	type row struct {
		House
		role account.Role
	}
	rows, err := list(tx, func(s scanner) (r row, err error) {
		r.House, err = scanHouse(withTail(s, &r.role))
		return r, err
	}, `
		SELECT `+houseColumns+`, s.role
		  FROM tenancies t
		  JOIN role_sources s ON s.account_id = t.account_id AND s.user_id = t.user_id AND s.org_id = '' AND s.team_id = ''
		  JOIN accounts a ON a.id = t.account_id
		  JOIN orgs o ON o.account_id = t.account_id
		 WHERE t.user_id = $1 AND t.status = 'active'
		 ORDER BY a.name`, u)
	if err != nil {
		return nil, err
	}
	var places []account.Place
	for _, r := range rows {
		if n := len(places); n > 0 && places[n-1].Account.ID == r.Account.ID {
			if r.role.Stronger(places[n-1].Role) {
				places[n-1].Role = r.role
			}
			continue
		}
		places = append(places, account.Place{Account: r.Account, Org: r.Org, Role: r.role, Status: account.TenancyActive})
	}
	return places, nil
}

// tailed scans the last columns of a row into more, so that one scan function serves several joins.
type tailed struct {
	scanner
	more []any
}

func withTail(s scanner, more ...any) scanner { return tailed{s, more} }

// Scan implements scanner.
func (t tailed) Scan(dest ...any) error { return t.scanner.Scan(append(dest, t.more...)...) }
