package table

import (
	"encoding/json"
	"time"

	"github.com/drawbridge-id/drawbridge/account"
)

// A Feed is a row: Generation names its secret.
type Feed struct {
	account.Feed
	Generation int
}

const feedColumns = `f.account_id, f.id, f.name, f.kind, f.url, f.events, f.compat, f.peer, f.status, f.reason, f.since, f.generation, f.rotated_at,
	f.receiver_id, f.audience, f.requested, f.spelling, f.description, f.asked_at, f.created_at`

func scanFeed(s scanner) (f Feed, err error) {
	var events, requested string
	var since, rotated, asked, made int64
	err = s.Scan(&f.Account, &f.ID, &f.Name, &f.Kind, &f.URL, &events, &f.Compat, &f.Peer, &f.Status, &f.Reason, &since, &f.Generation, &rotated,
		&f.Receiver, &f.Audience, &requested, &f.Spelling, &f.Description, &asked, &made)
	if err != nil {
		return f, err
	}
	f.Since, f.RotatedAt, f.AskedAt, f.CreatedAt = instant(since), instant(rotated), instant(asked), instant(made)
	if err := json.Unmarshal([]byte(events), &f.Events); err != nil {
		return f, err
	}
	return f, json.Unmarshal([]byte(requested), &f.Requested)
}

// Feeds lists an account's feeds, oldest first.
func (tx *Tx) Feeds(a account.AccountID) ([]Feed, error) {
	return list(tx, scanFeed, `SELECT `+feedColumns+` FROM feeds f WHERE f.account_id = $1 ORDER BY f.id`, a)
}

// Feed reads one.
func (tx *Tx) Feed(a account.AccountID, id account.FeedID) (Feed, bool, error) {
	return one(tx, scanFeed, `SELECT `+feedColumns+` FROM feeds f WHERE f.account_id = $1 AND f.id = $2`, a, id)
}

// FeedOfReceiver reads the one stream of a receiver.
func (tx *Tx) FeedOfReceiver(a account.AccountID, r account.ReceiverID) (Feed, bool, error) {
	return one(tx, scanFeed, `SELECT `+feedColumns+` FROM feeds f WHERE f.account_id = $1 AND f.receiver_id = $2`, a, r)
}

// InsertFeed writes a new one and counts it.
func (tx *Tx) InsertFeed(f Feed) error {
	if _, err := tx.exec(`
		INSERT INTO feeds (account_id, id, name, kind, url, events, compat, peer, status, reason, since, generation, rotated_at, receiver_id, audience, requested, spelling, description, asked_at, created_at)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20)`,
		f.Account, f.ID, f.Name, f.Kind, f.URL, listText(f.Events), f.Compat, f.Peer, f.Status, f.Reason, micros(f.Since), f.Generation, micros(f.RotatedAt),
		f.Receiver, f.Audience, listText(f.Requested), f.Spelling, f.Description, micros(f.AskedAt), micros(f.CreatedAt)); err != nil {
		return err
	}
	return tx.countFeeds(f.Account)
}

// PutFeed writes what can change of one.
func (tx *Tx) PutFeed(f Feed) error {
	_, err := tx.exec(`
		UPDATE feeds SET name = $3, url = $4, events = $5, compat = $6, peer = $7, status = $8, reason = $9, since = $10, generation = $11, rotated_at = $12,
		       audience = $13, requested = $14, spelling = $15, description = $16, asked_at = $17
		 WHERE account_id = $1 AND id = $2`,
		f.Account, f.ID, f.Name, f.URL, listText(f.Events), f.Compat, f.Peer, f.Status, f.Reason, micros(f.Since), f.Generation, micros(f.RotatedAt),
		f.Audience, listText(f.Requested), f.Spelling, f.Description, micros(f.AskedAt))
	return err
}

// DeleteFeed removes one with everything that is under way to it.
func (tx *Tx) DeleteFeed(a account.AccountID, id account.FeedID) error {
	for _, q := range []string{
		`DELETE FROM deliveries WHERE account_id = $1 AND feed_id = $2`,
		`DELETE FROM feed_removals WHERE account_id = $1 AND feed_id = $2`,
		`DELETE FROM feeds WHERE account_id = $1 AND id = $2`,
	} {
		if _, err := tx.exec(q, a, id); err != nil {
			return err
		}
	}
	if err := tx.DropSecrets(a, string(id), ""); err != nil {
		return err
	}
	return tx.countFeeds(a)
}

func (tx *Tx) countFeeds(a account.AccountID) error {
	_, err := tx.exec(`UPDATE accounts SET feeds = (SELECT count(*) FROM feeds WHERE account_id = $1) WHERE id = $1`, a)
	return err
}

// RemovedFromFeed reports whether the receiver of a feed does not want to hear of somebody.
func (tx *Tx) RemovedFromFeed(a account.AccountID, f account.FeedID, u account.UserID) (bool, error) {
	n, _, err := one(tx, scanInt, `SELECT count(*) FROM feed_removals WHERE account_id = $1 AND feed_id = $2 AND user_id = $3`, a, f, u)
	return n > 0, err
}

// RemoveFromFeed notes that it does not.
func (tx *Tx) RemoveFromFeed(a account.AccountID, f account.FeedID, u account.UserID, at time.Time) error {
	_, err := tx.exec(`
		INSERT INTO feed_removals (account_id, feed_id, user_id, at) VALUES ($1, $2, $3, $4)
		    ON CONFLICT (account_id, feed_id, user_id) DO NOTHING`, a, f, u, micros(at))
	return err
}

// AddToFeed undoes RemoveFromFeed.
func (tx *Tx) AddToFeed(a account.AccountID, f account.FeedID, u account.UserID) error {
	_, err := tx.exec(`DELETE FROM feed_removals WHERE account_id = $1 AND feed_id = $2 AND user_id = $3`, a, f, u)
	return err
}

// A Delivery is a row.
type Delivery struct {
	account.Delivery
	Account account.AccountID
}

const deliveryColumns = `d.account_id, d.feed_id, d.subject, d.seq, d.id, d.type, d.control, d.body, d.at, d.state, d.due_at, d.attempts, d.answer, d.error, d.ended_at`

func scanDelivery(s scanner) (d Delivery, err error) {
	var body string
	var at, due, ended int64
	err = s.Scan(&d.Account, &d.Feed, &d.Subject, &d.Seq, &d.ID, &d.Type, &d.Control, &body, &at, &d.State, &due, &d.Attempts, &d.Answer, &d.Error, &ended)
	if err != nil {
		return d, err
	}
	d.At, d.DueAt, d.EndedAt = instant(at), instant(due), instant(ended)
	return d, json.Unmarshal([]byte(body), &d.About)
}

// InsertDelivery puts an announcement behind what waits of its subject. Two changes of one subject cannot take the same place: the
// later one is then run again.
func (tx *Tx) InsertDelivery(d Delivery) error {
	body, err := json.Marshal(d.About)
	if err != nil {
		return err
	}
	_, err = tx.exec(`
		INSERT INTO deliveries (account_id, feed_id, subject, seq, id, type, control, body, at, state, due_at)
		VALUES ($1, $2, $3, (SELECT COALESCE(MAX(seq), 0) + 1 FROM deliveries WHERE account_id = $1 AND feed_id = $2 AND subject = $3),
		        $4, $5, $6, $7, $8, 'waiting', $9)`,
		d.Account, d.Feed, d.Subject, d.ID, d.Type, d.Control, string(body), micros(d.At), micros(d.DueAt))
	return err
}

// A FeedRef names a feed.
type FeedRef struct {
	Account account.AccountID
	Feed    account.FeedID
}

// FeedsDue lists the feeds to which something is to be pushed now.
func (tx *Tx) FeedsDue(at time.Time, n int) ([]FeedRef, error) {
	return list(tx, func(s scanner) (r FeedRef, err error) { return r, s.Scan(&r.Account, &r.Feed) }, `
		SELECT f.account_id, f.id FROM feeds f
		 WHERE f.url <> '' AND EXISTS (
			SELECT 1 FROM deliveries d
			 WHERE d.account_id = f.account_id AND d.feed_id = f.id AND d.state = 'waiting' AND d.due_at <= $1 AND (f.status = 'enabled' OR d.control))
		 LIMIT $2`, micros(at), n)
}

// DeliveriesDue lists what is to be sent to a feed, or fetched from it, now: of each subject the earliest that waits, and nothing while
// that one is due later.
func (tx *Tx) DeliveriesDue(f Feed, at time.Time, n int) ([]Delivery, error) {
	return list(tx, scanDelivery, `
		SELECT `+deliveryColumns+` FROM deliveries d
		 WHERE d.account_id = $1 AND d.feed_id = $2 AND d.state = 'waiting' AND d.due_at <= $3 AND ($4 = 'enabled' OR d.control)
		   AND NOT EXISTS (
			SELECT 1 FROM deliveries e
			 WHERE e.account_id = d.account_id AND e.feed_id = d.feed_id AND e.subject = d.subject AND e.seq < d.seq AND e.state = 'waiting')
		 ORDER BY d.due_at, d.id LIMIT $5`, f.Account, f.ID, micros(at), f.Status, n)
}

// ClaimDelivery takes one until an instant; of several replicas one is told true.
func (tx *Tx) ClaimDelivery(d Delivery, until time.Time) (bool, error) {
	n, err := tx.exec(`
		UPDATE deliveries SET due_at = $5 WHERE account_id = $1 AND feed_id = $2 AND id = $3 AND state = 'waiting' AND due_at = $4`,
		d.Account, d.Feed, d.ID, micros(d.DueAt), micros(until))
	return n > 0, err
}

// FinishDelivery writes what came of a try, unless the claim, which is d.DueAt as it was last written, was lost.
func (tx *Tx) FinishDelivery(d Delivery, claimed time.Time) (bool, error) {
	n, err := tx.exec(`
		UPDATE deliveries SET state = $4, due_at = $5, attempts = $6, answer = $7, error = $8, ended_at = $9
		 WHERE account_id = $1 AND feed_id = $2 AND id = $3 AND state = 'waiting' AND due_at = $10`,
		d.Account, d.Feed, d.ID, d.State, micros(d.DueAt), d.Attempts, d.Answer, d.Error, micros(d.EndedAt), micros(claimed))
	return n > 0, err
}

// EndDelivery ends one that waits; false when there is none.
func (tx *Tx) EndDelivery(f Feed, id account.EventID, s account.DeliveryState, why string, at time.Time) (bool, error) {
	n, err := tx.exec(`
		UPDATE deliveries SET state = $4, error = $5, ended_at = $6 WHERE account_id = $1 AND feed_id = $2 AND id = $3 AND state = 'waiting'`,
		f.Account, f.ID, id, s, why, micros(at))
	return n > 0, err
}

// HasteDeliveries makes all that waits for a feed due.
func (tx *Tx) HasteDeliveries(f Feed, at time.Time) error {
	_, err := tx.exec(`
		UPDATE deliveries SET due_at = $3 WHERE account_id = $1 AND feed_id = $2 AND state = 'waiting' AND due_at > $3`, f.Account, f.ID, micros(at))
	return err
}

// DropWaiting forgets what waits for a feed and is not about the stream itself.
func (tx *Tx) DropWaiting(f Feed) (int64, error) {
	return tx.exec(`DELETE FROM deliveries WHERE account_id = $1 AND feed_id = $2 AND state = 'waiting' AND NOT control`, f.Account, f.ID)
}

// ReviveDelivery makes a dead delivery wait again, at its old place among those of its subject. All dead ones with id "".
func (tx *Tx) ReviveDelivery(f Feed, id account.EventID, at time.Time) (int64, error) {
	return tx.exec(`
		UPDATE deliveries SET state = 'waiting', due_at = $4, at = $4, attempts = 0, ended_at = 0
		 WHERE account_id = $1 AND feed_id = $2 AND ($3 = '' OR id = $3) AND state = 'dead'`, f.Account, f.ID, id, micros(at))
}

// Deliveries lists what goes and went to a feed, newest first, from before one ("" from the newest); in one state when s is not "".
func (tx *Tx) Deliveries(a account.AccountID, f account.FeedID, s account.DeliveryState, before account.EventID, n int) ([]Delivery, error) {
	return list(tx, scanDelivery, `
		SELECT `+deliveryColumns+` FROM deliveries d
		 WHERE d.account_id = $1 AND d.feed_id = $2 AND ($3 = '' OR d.state = $3) AND ($4 = '' OR d.id < $4) ORDER BY d.id DESC LIMIT $5`, a, f, s, before, n)
}

// Outbox says how many deliveries wait, and since when the oldest does; zero when none.
func (tx *Tx) Outbox() (depth int64, oldest time.Time, err error) {
	var at int64
	depth, _, err = one(tx, func(s scanner) (n int64, err error) { return n, s.Scan(&n, &at) }, `
		SELECT count(*), COALESCE(MIN(at), 0) FROM deliveries WHERE state = 'waiting'`)
	return depth, instant(at), err
}

// GiveUpHeld ends what has been held too long, at most n.
func (tx *Tx) GiveUpHeld(before, at time.Time, why string, n int) (int64, error) {
	return tx.exec(`
		UPDATE deliveries SET state = 'dead', error = $3, ended_at = $2 WHERE (account_id, feed_id, subject, seq) IN
			(SELECT account_id, feed_id, subject, seq FROM deliveries WHERE state = 'waiting' AND at < $1 LIMIT $4)`, micros(before), micros(at), why, n)
}

// FeedsHolding lists feeds for which more than most deliveries wait.
func (tx *Tx) FeedsHolding(most int) ([]Feed, error) {
	return list(tx, scanFeed, `
		SELECT `+feedColumns+` FROM feeds f
		 WHERE (SELECT count(*) FROM deliveries d WHERE d.account_id = f.account_id AND d.feed_id = f.id AND d.state = 'waiting') > $1`, most)
}

// GiveUpOldest ends the oldest that wait for a feed until no more than most are left.
func (tx *Tx) GiveUpOldest(f Feed, most int, at time.Time, why string) (int64, error) {
	return tx.exec(`
		UPDATE deliveries SET state = 'dead', error = $4, ended_at = $3
		 WHERE account_id = $1 AND feed_id = $2 AND state = 'waiting' AND id <=
			(SELECT id FROM deliveries WHERE account_id = $1 AND feed_id = $2 AND state = 'waiting' ORDER BY id DESC LIMIT 1 OFFSET $5)`,
		f.Account, f.ID, micros(at), why, most)
}

// PurgeDeliveries removes what ended in a state before an instant, at most n.
func (tx *Tx) PurgeDeliveries(s account.DeliveryState, before time.Time, n int) (int64, error) {
	return tx.exec(`
		DELETE FROM deliveries WHERE (account_id, feed_id, subject, seq) IN
			(SELECT account_id, feed_id, subject, seq FROM deliveries WHERE state = $1 AND state <> 'waiting' AND ended_at < $2 LIMIT $3)`, s, micros(before), n)
}

// A Receiver is a row, with the digests of its credentials.
type Receiver struct {
	account.Receiver
	Digest, Previous []byte
	PreviousUntil    time.Time
}

const receiverColumns = `r.account_id, r.id, r.name, r.audience, r.read_only, r.compat, r.digest, r.previous_digest, r.previous_until, r.last4, r.created_at, r.created_by, r.used_at`

func scanReceiver(s scanner) (r Receiver, err error) {
	var until, made, used int64
	err = s.Scan(&r.Account, &r.ID, &r.Name, &r.Audience, &r.ReadOnly, &r.Compat, &r.Digest, &r.Previous, &until, &r.Last4, &made, &r.CreatedBy, &used)
	r.PreviousUntil, r.CreatedAt, r.UsedAt = instant(until), instant(made), instant(used)
	return r, err
}

// Receivers lists an account's, oldest first.
func (tx *Tx) Receivers(a account.AccountID) ([]Receiver, error) {
	return list(tx, scanReceiver, `SELECT `+receiverColumns+` FROM receivers r WHERE r.account_id = $1 ORDER BY r.id`, a)
}

// Receiver reads one.
func (tx *Tx) Receiver(a account.AccountID, id account.ReceiverID) (Receiver, bool, error) {
	return one(tx, scanReceiver, `SELECT `+receiverColumns+` FROM receivers r WHERE r.account_id = $1 AND r.id = $2`, a, id)
}

// ReceiverByDigest finds whose credential it is.
func (tx *Tx) ReceiverByDigest(a account.AccountID, digest []byte, at time.Time) (Receiver, bool, error) {
	return one(tx, scanReceiver, `
		SELECT `+receiverColumns+` FROM receivers r
		 WHERE r.account_id = $1 AND (r.digest = $2 OR r.previous_digest = $2 AND r.previous_until > $3)`, a, digest, micros(at))
}

// InsertReceiver writes a new one.
func (tx *Tx) InsertReceiver(r Receiver) error {
	_, err := tx.exec(`
		INSERT INTO receivers (account_id, id, name, audience, read_only, compat, digest, previous_digest, last4, created_at, created_by)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)`,
		r.Account, r.ID, r.Name, r.Audience, r.ReadOnly, r.Compat, r.Digest, []byte{}, r.Last4, micros(r.CreatedAt), r.CreatedBy)
	return err
}

// RotateReceiver gives one another credential; the one before is taken until an instant.
func (tx *Tx) RotateReceiver(a account.AccountID, id account.ReceiverID, digest []byte, last4 string, until time.Time) error {
	_, err := tx.exec(`
		UPDATE receivers SET previous_digest = digest, previous_until = $5, digest = $3, last4 = $4 WHERE account_id = $1 AND id = $2`,
		a, id, digest, last4, micros(until))
	return err
}

// TouchReceiver notes its last use.
func (tx *Tx) TouchReceiver(a account.AccountID, id account.ReceiverID, at time.Time) error {
	_, err := tx.exec(`UPDATE receivers SET used_at = $3 WHERE account_id = $1 AND id = $2`, a, id, micros(at))
	return err
}

// DeleteReceiver removes one.
func (tx *Tx) DeleteReceiver(a account.AccountID, id account.ReceiverID) error {
	_, err := tx.exec(`DELETE FROM receivers WHERE account_id = $1 AND id = $2`, a, id)
	return err
}

// SigningKeys lists an account's, without the private halves: the one that signs first, then the next, then those retired.
func (tx *Tx) SigningKeys(a account.AccountID) ([]account.SigningKey, error) {
	return list(tx, func(s scanner) (k account.SigningKey, err error) {
		var made, since int64
		err = s.Scan(&k.ID, &k.Public, &k.State, &made, &since)
		k.CreatedAt, k.Since = instant(made), instant(since)
		return k, err
	}, `
		SELECT id, public, state, created_at, since FROM signing_keys WHERE account_id = $1
		 ORDER BY CASE state WHEN 'signing' THEN 0 WHEN 'next' THEN 1 ELSE 2 END, id`, a)
}

// PutSigningKey writes one, or the state of one.
func (tx *Tx) PutSigningKey(a account.AccountID, k account.SigningKey) error {
	_, err := tx.exec(`
		INSERT INTO signing_keys (account_id, id, public, state, created_at, since) VALUES ($1, $2, $3, $4, $5, $6)
		    ON CONFLICT (account_id, id) DO UPDATE SET state = excluded.state, since = excluded.since`,
		a, k.ID, k.Public, k.State, micros(k.CreatedAt), micros(k.Since))
	return err
}

// DeleteSigningKey removes one.
func (tx *Tx) DeleteSigningKey(a account.AccountID, id string) error {
	_, err := tx.exec(`DELETE FROM signing_keys WHERE account_id = $1 AND id = $2`, a, id)
	return err
}

// SessionsMeant lists the sessions that EndSessionsOf would remove.
func (tx *Tx) SessionsMeant(c account.ConnectionID, subject, providerSession string) ([]Session, error) {
	return list(tx, scanSession, `
		SELECT `+sessionColumns+` FROM sessions s
		 WHERE s.connection_id = $1 AND ($2 <> '' OR $3 <> '')
		   AND ($2 = '' OR s.subject = $2) AND ($3 = '' OR s.provider_session = $3)`, c, subject, providerSession)
}
