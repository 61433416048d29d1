package table

import (
	"encoding/json"
	"errors"
	"slices"

	"github.com/drawbridge-id/drawbridge/account"
)

// orgColumns go with scanHouse.
const houseColumns = `a.id, a.number, a.name, a.created_at, o.id, o.name, o.title, o.type, o.services, o.created_at, o.subscribed, a.feeds`

// A House is an account with its one org.
type House struct {
	Account account.Account
	Org     account.Org // its services are those enabled by hand and those of subscriptions
	ByHand  []string    // the services that are enabled by hand
	Feeds   int         // how many feeds its announcements go to
}

func scanHouse(s scanner) (h House, err error) {
	var made, orgMade int64
	var services, subscribed string
	err = s.Scan(&h.Account.ID, &h.Account.Number, &h.Account.Name, &made,
		&h.Org.ID, &h.Org.Name, &h.Org.Title, &h.Org.Type, &services, &orgMade, &subscribed, &h.Feeds)
	if err != nil {
		return h, err
	}
	h.Org.Account, h.Org.Number = h.Account.ID, h.Account.Number
	h.Account.CreatedAt, h.Org.CreatedAt = instant(made), instant(orgMade)
	var more []string
	if err := errors.Join(json.Unmarshal([]byte(services), &h.ByHand), json.Unmarshal([]byte(subscribed), &more)); err != nil {
		return h, err
	}
	h.Org.Services = slices.Concat(h.ByHand, more)
	slices.Sort(h.Org.Services)
	h.Org.Services = slices.Compact(h.Org.Services)
	return h, nil
}

// LockHouse reads an account and its org after raising the account's edition: whoever else changes this
// account waits until the transaction ends, so that limits can be counted.
func (tx *Tx) LockHouse(id account.AccountID) (House, bool, error) {
	n, err := tx.exec(`UPDATE accounts SET edition = edition + 1 WHERE id = $1`, id)
	if err != nil || n == 0 {
		return House{}, false, err
	}
	return tx.House(id)
}

// House reads an account and its org.
func (tx *Tx) House(id account.AccountID) (House, bool, error) {
	return one(tx, scanHouse, `
		SELECT `+houseColumns+` FROM accounts a JOIN orgs o ON o.account_id = a.id WHERE a.id = $1`, id)
}

// HouseByOrg reads by the org's exact name.
func (tx *Tx) HouseByOrg(name string) (House, bool, error) {
	return one(tx, scanHouse, `
		SELECT `+houseColumns+` FROM accounts a JOIN orgs o ON o.account_id = a.id WHERE o.name = $1`, name)
}

// NameTaken reports whether an account has that name or number.
func (tx *Tx) NameTaken(name, number string) (byName, byNumber bool, err error) {
	type taken struct{ name, number string }
	all, err := list(tx, func(s scanner) (t taken, err error) { return t, s.Scan(&t.name, &t.number) }, `
		SELECT name, number FROM accounts WHERE name = $1 OR number = $2`, name, number)
	for _, t := range all {
		byName, byNumber = byName || t.name == name, byNumber || t.number == number
	}
	return byName, byNumber, err
}

// InsertHouse writes a new account and its org.
func (tx *Tx) InsertHouse(h House) error {
	if _, err := tx.exec(`
		INSERT INTO accounts (id, number, name, created_at) VALUES ($1, $2, $3, $4)`,
		h.Account.ID, h.Account.Number, h.Account.Name, micros(h.Account.CreatedAt)); err != nil {
		return err
	}
	_, err := tx.exec(`
		INSERT INTO orgs (account_id, id, name, title, type, services, created_at) VALUES ($1, $2, $3, $4, $5, $6, $7)`,
		h.Account.ID, h.Org.ID, h.Org.Name, h.Org.Title, h.Org.Type, listText(h.Org.Services), micros(h.Org.CreatedAt))
	return err
}

// SetServices replaces the services that are enabled by hand on an account's org.
func (tx *Tx) SetServices(a account.AccountID, services []string) error {
	_, err := tx.exec(`UPDATE orgs SET services = $2 WHERE account_id = $1`, a, listText(services))
	return err
}

// listText writes a list as JSON; nil is the empty list.
func listText(l []string) string {
	if len(l) == 0 {
		return "[]"
	}
	text, _ := json.Marshal(l) // strings always marshal
	return string(text)
}

// SetTitle changes what people call an account's org.
func (tx *Tx) SetTitle(a account.AccountID, title string) error {
	_, err := tx.exec(`UPDATE orgs SET title = $2 WHERE account_id = $1`, a, title)
	return err
}
