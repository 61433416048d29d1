package table

import (
	"encoding/json"
	"time"

	"github.com/drawbridge-id/drawbridge/account"
)

const subscriptionColumns = `account_id, id, product, label, services, state, from_at, until_at, quantity, source, entitlement_id, activated_by`

func scanSubscription(s scanner) (out account.Subscription, err error) {
	var services string
	var from, until int64
	if err := s.Scan(&out.Account, &out.ID, &out.Product, &out.Label, &services, &out.State, &from, &until, &out.Quantity, &out.Source, &out.Entitlement, &out.By); err != nil {
		return out, err
	}
	out.From, out.Until = instant(from), instant(until)
	return out, json.Unmarshal([]byte(services), &out.Services)
}

// InsertSubscription writes a new one.
func (tx *Tx) InsertSubscription(s account.Subscription) error {
	_, err := tx.exec(`
		INSERT INTO subscriptions (`+subscriptionColumns+`) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)`,
		s.Account, s.ID, s.Product, s.Label, listText(s.Services), s.State, micros(s.From), micros(s.Until), s.Quantity, s.Source, s.Entitlement, s.By)
	return err
}

// Subscriptions lists an account's, newest first.
func (tx *Tx) Subscriptions(a account.AccountID) ([]account.Subscription, error) {
	return list(tx, scanSubscription, `
		SELECT `+subscriptionColumns+` FROM subscriptions WHERE account_id = $1 ORDER BY id DESC`, a)
}

// SubscriptionsOver lists accounts that hold subscriptions which have ended by an instant and still count as active, at most n.
func (tx *Tx) SubscriptionsOver(at time.Time, n int) ([]account.AccountID, error) {
	return list(tx, func(s scanner) (a account.AccountID, err error) { return a, s.Scan(&a) }, `
		SELECT account_id FROM subscriptions WHERE state = 'active' AND until_at > 0 AND until_at <= $1 GROUP BY account_id LIMIT $2`, micros(at), n)
}

// ExpireSubscription closes an active one.
func (tx *Tx) ExpireSubscription(a account.AccountID, id account.SubscriptionID) error {
	_, err := tx.exec(`UPDATE subscriptions SET state = 'expired' WHERE account_id = $1 AND id = $2 AND state = 'active'`, a, id)
	return err
}

// EndSubscription ends an active one before its time.
func (tx *Tx) EndSubscription(a account.AccountID, id account.SubscriptionID, at time.Time) (bool, error) {
	n, err := tx.exec(`UPDATE subscriptions SET state = 'expired', until_at = $3 WHERE account_id = $1 AND id = $2 AND state = 'active'`, a, id, micros(at))
	return n > 0, err
}

// SetSubscribed replaces the services that subscriptions carry to an account's org.
func (tx *Tx) SetSubscribed(a account.AccountID, services []string) error {
	_, err := tx.exec(`UPDATE orgs SET subscribed = $2 WHERE account_id = $1`, a, listText(services))
	return err
}
