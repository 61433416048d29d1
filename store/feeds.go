package store

import (
	"context"
	"encoding/base64"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/drawbridge-id/drawbridge/account"
	"github.com/drawbridge-id/drawbridge/keys"
	"github.com/drawbridge-id/drawbridge/store/internal/table"
)

const (
	feedsPerAccount = 50             // each change of a person is written once for each
	secretOverlap   = 24 * time.Hour // for so long the credential before the last one is good too
	secretAuthorize = "authorization"
)

// hostOf is what the audit log says of an address: path and query may hold a secret.
func hostOf(address string) string {
	u, err := url.Parse(address)
	if err != nil {
		return ""
	}
	return u.Host
}

func noFeed() *account.Error {
	return account.Errorf(account.NotFound, "No such feed.").Fix("List the account's feeds, and name one of them.")
}

// AddFeed makes a feed; name, kind, address, events, compat, peer, audience and description are taken from f. A webhook's secret, or the credential of a stream's
// receiver, is shown this once. authorization, which may be empty, is the Authorization header that a stream is pushed with. Owners and
// the operator may. Conflict with code name_taken or feed_limit.
func (l *Ledger) AddFeed(ctx context.Context, by account.Actor, a account.AccountID, f account.Feed, authorization account.Secret) (account.Feed, account.Secret, error) {
	if err := f.Check(); err != nil {
		return account.Feed{}, account.Secret{}, err
	}
	if err := checkAuthorization(authorization); err != nil {
		return account.Feed{}, account.Secret{}, err
	}
	var fresh signingPair
	var err error
	if f.Kind == account.SSF {
		if fresh, err = l.signingPairFor(ctx, a); err != nil {
			return account.Feed{}, account.Secret{}, err
		}
	}
	var row table.Feed
	var secret account.Secret
	err = l.change(ctx, by, a, "feed.added", owners, func(h *hand) (*note, error) {
		row = table.Feed{Feed: f, Generation: 1}
		row.ID, row.Account, row.CreatedAt = account.NewID[account.FeedID](h.now, l.opt.Random), a, h.now
		row.Status, row.Reason, row.Since = account.FeedEnabled, "", h.now
		if f.Kind == account.Webhook {
			secret = l.webhookSecret()
			err = h.insertFeed(row)
		} else {
			var r table.Receiver
			if r, secret, err = h.newReceiver(account.Receiver{Name: f.Name, Audience: f.Audience, Compat: f.Compat, ReadOnly: true}, fresh); err == nil {
				row.Receiver, row.Audience = r.ID, r.Audience
				err = h.insertFeed(row)
			}
		}
		if err != nil {
			return nil, err
		}
		if f.Kind == account.Webhook {
			err = h.putFeedSecret(row, "secret/1", secret)
		} else if !authorization.IsZero() {
			err = h.putFeedSecret(row, secretAuthorize, authorization)
		}
		return &note{Target: string(row.ID), Detail: map[string]any{"name": f.Name, "kind": f.Kind, "host": hostOf(f.URL)}}, err
	})
	return row.Feed, secret, err
}

func checkAuthorization(header account.Secret) error {
	text := header.Reveal()
	if len(text) > 4096 || strings.ContainsFunc(text, func(r rune) bool { return r < ' ' || r > '~' }) {
		return account.Errorf(account.Invalid, "An Authorization header is one line of at most 4,096 printable ASCII characters.").At("/authorization")
	}
	return nil
}

func (l *Ledger) webhookSecret() account.Secret {
	raw := make([]byte, 32)
	if _, err := l.opt.Random.Read(raw); err != nil {
		panic("store: no randomness: " + err.Error())
	}
	return account.NewSecret("whsec_" + base64.StdEncoding.EncodeToString(raw))
}

func (h *hand) insertFeed(f table.Feed) error {
	all, err := h.Tx.Feeds(h.Account.ID)
	if err != nil {
		return err
	}
	if len(all) >= feedsPerAccount {
		return account.Errorf(account.Conflict, "An account has at most %d feeds.", feedsPerAccount).Coded("feed_limit").Fix("Remove one that nobody listens to.")
	}
	if slices.ContainsFunc(all, func(o table.Feed) bool { return o.Name == f.Name }) {
		return account.Errorf(account.Conflict, "There is a feed called %q already.", f.Name).Coded("name_taken").At("/name")
	}
	return h.InsertFeed(f)
}

func (h *hand) putFeedSecret(f table.Feed, name string, secret account.Secret) error {
	sealed, err := h.l.opt.Keyring.seal(secret, string(f.Account), string(f.ID), name)
	if err != nil {
		return err
	}
	return h.PutSecret(table.Secret{Account: f.Account, Owner: string(f.ID), Name: name, Sealed: sealed}, h.now)
}

// feed reads one of the account that is being changed.
func (h *hand) feed(id account.FeedID) (table.Feed, error) {
	f, found, err := h.Tx.Feed(h.Account.ID, id)
	if err == nil && !found {
		err = noFeed()
	}
	return f, err
}

// Feeds lists an account's feeds, oldest first. Owners and the operator may.
func (l *Ledger) Feeds(ctx context.Context, by account.Actor, a account.AccountID) (out []account.Feed, err error) {
	err = l.look(ctx, by, a, owners, func(h *hand) error {
		rows, err := h.Tx.Feeds(a)
		for _, r := range rows {
			out = append(out, r.Feed)
		}
		return err
	})
	return out, err
}

// UpdateFeed changes name, address, events, compat, peer, status and reason of a feed as change says; it may be called more than once. What is held while a feed
// is paused flows once it is enabled; what is announced while it is disabled is lost. Owners and the operator may.
func (l *Ledger) UpdateFeed(ctx context.Context, by account.Actor, a account.AccountID, id account.FeedID, change func(*account.Feed)) (out account.Feed, err error) {
	err = l.change(ctx, by, a, "feed.changed", owners, func(h *hand) (*note, error) {
		f, err := h.feed(id)
		if err != nil {
			return nil, err
		}
		next := f
		change(&next.Feed)
		next.ID, next.Account, next.Kind, next.Receiver, next.CreatedAt = f.ID, f.Account, f.Kind, f.Receiver, f.CreatedAt
		status, reason := next.Status, next.Reason
		next.Status, next.Reason = f.Status, f.Reason
		if err := next.Check(); err != nil {
			return nil, err
		}
		if next.Name != f.Name {
			all, err := h.Tx.Feeds(a)
			if err != nil {
				return nil, err
			}
			if slices.ContainsFunc(all, func(o table.Feed) bool { return o.Name == next.Name }) {
				return nil, account.Errorf(account.Conflict, "There is a feed called %q already.", next.Name).Coded("name_taken").At("/name")
			}
		}
		if next.URL != f.URL { // the header was given for another place
			if err := h.DropSecrets(a, string(id), secretAuthorize); err != nil {
				return nil, err
			}
		}
		if err := h.PutFeed(next); err != nil {
			return nil, err
		}
		if err := h.setFeedStatus(&next, status, reason, true); err != nil {
			return nil, err
		}
		out = next.Feed
		return &note{Target: string(id), Reason: reason, Detail: map[string]any{"name": next.Name, "host": hostOf(next.URL), "status": next.Status}}, nil
	})
	return out, err
}

// setFeedStatus moves a feed to a status. tell says that its receiver did not ask for it, and has to hear of it (SSF §8.1.5).
func (h *hand) setFeedStatus(f *table.Feed, s account.FeedStatus, reason string, tell bool) error {
	switch s {
	case account.FeedEnabled, account.FeedPaused, account.FeedDisabled:
	default:
		return account.Errorf(account.Invalid, "%q is no status of a feed.", clip(string(s), 60)).At("/status").Fix("Use enabled, paused or disabled.")
	}
	if f.Status == s {
		return nil
	}
	if s == account.FeedEnabled {
		reason = ""
	}
	f.Status, f.Reason, f.Since = s, clip(reason, 500), h.now
	if err := h.PutFeed(*f); err != nil {
		return err
	}
	var err error
	switch s {
	case account.FeedDisabled:
		_, err = h.DropWaiting(*f)
	case account.FeedEnabled:
		err = h.HasteDeliveries(*f, h.now)
	}
	if err != nil || f.Kind != account.SSF || !tell {
		h.Settled(func(_, _ time.Time) { h.l.bell.ring(f.ID) })
		return err
	}
	return h.post(*f, account.SignalStreamUpdated, account.Announcement{What: account.SignalStreamUpdated, Status: s, Reason: f.Reason})
}

// post is Ledger.post for what is about the feed itself.
func (h *hand) post(f table.Feed, event string, e account.Announcement) error {
	e.At, e.Account, e.Feed, e.By, e.Initiator = h.now, h.Account.ID, f.ID, h.by.String(), account.InitiatorOf(h.by, "")
	if e.Txn = h.by.Request; e.Txn == "" {
		e.Txn = string(account.NewID[account.EventID](h.now, h.l.opt.Random))
	}
	return h.l.post(h.Tx, f, event, e)
}

// RemoveFeed ends a feed: what was under way to it is dropped, and the credential of its receiver is worthless at once. Owners and the
// operator may.
func (l *Ledger) RemoveFeed(ctx context.Context, by account.Actor, a account.AccountID, id account.FeedID) error {
	return l.change(ctx, by, a, "feed.removed", owners, func(h *hand) (*note, error) {
		f, err := h.feed(id)
		if err != nil {
			return nil, err
		}
		if err := h.DeleteFeed(a, id); err != nil {
			return nil, err
		}
		if f.Receiver != "" {
			if err := h.DeleteReceiver(a, f.Receiver); err != nil {
				return nil, err
			}
		}
		h.Settled(func(_, _ time.Time) { l.bell.ring(id) })
		return &note{Target: string(id), Detail: map[string]any{"name": f.Name}}, nil
	})
}

// RotateFeedSecret gives a webhook another secret, or a stream's receiver another credential, shown this once. The one before is good for a day
// more: a webhook is signed with both. Owners and the operator may.
func (l *Ledger) RotateFeedSecret(ctx context.Context, by account.Actor, a account.AccountID, id account.FeedID) (secret account.Secret, err error) {
	err = l.change(ctx, by, a, "feed.secret_rotated", owners, func(h *hand) (*note, error) {
		f, err := h.feed(id)
		if err != nil {
			return nil, err
		}
		n := &note{Target: string(id), Detail: map[string]any{"name": f.Name, "until": h.now.Add(secretOverlap).Format(time.RFC3339)}}
		if f.Kind == account.SSF {
			secret, err = h.rotateReceiver(f.Receiver)
			return n, err
		}
		secret = l.webhookSecret()
		if err := h.DropSecrets(a, string(id), secretName(f.Generation-1)); err != nil {
			return nil, err
		}
		f.Generation, f.RotatedAt = f.Generation+1, h.now
		if err := h.putFeedSecret(f, secretName(f.Generation), secret); err != nil {
			return nil, err
		}
		return n, h.PutFeed(f)
	})
	return secret, err
}

func secretName(generation int) string { return "secret/" + strconv.Itoa(generation) }

// feedSecrets are what a webhook is signed with now, the newest first.
func (l *Ledger) feedSecrets(tx *table.Tx, f table.Feed) ([]account.Secret, error) {
	sealed, err := tx.Secrets(f.Account, string(f.ID), "secret/")
	if err != nil {
		return nil, err
	}
	names := []string{secretName(f.Generation)}
	if !f.RotatedAt.IsZero() && l.now().Before(f.RotatedAt.Add(secretOverlap)) {
		names = append(names, secretName(f.Generation-1))
	}
	var out []account.Secret
	for _, name := range names {
		secret, err := l.opt.Keyring.open(sealed[name], string(f.Account), string(f.ID), name)
		if err != nil {
			return nil, err
		}
		if !secret.IsZero() {
			out = append(out, secret)
		}
	}
	return out, nil
}

func (l *Ledger) feedAuthorization(tx *table.Tx, f table.Feed) (account.Secret, error) {
	sealed, err := tx.Secrets(f.Account, string(f.ID), secretAuthorize)
	if err != nil {
		return account.Secret{}, err
	}
	return l.opt.Keyring.open(sealed[secretAuthorize], string(f.Account), string(f.ID), secretAuthorize)
}

// AddReceiver lets somebody make and manage a stream of the account's security events for themselves; name, audience, compat and
// read-only are taken from r. The credential is shown this once. Owners and the operator may.
func (l *Ledger) AddReceiver(ctx context.Context, by account.Actor, a account.AccountID, r account.Receiver) (account.Receiver, account.Secret, error) {
	fresh, err := l.signingPairFor(ctx, a)
	if err != nil {
		return account.Receiver{}, account.Secret{}, err
	}
	var row table.Receiver
	var secret account.Secret
	err = l.change(ctx, by, a, "receiver.added", owners, func(h *hand) (*note, error) {
		row, secret, err = h.newReceiver(r, fresh)
		return &note{Target: string(row.ID), Detail: map[string]any{"name": row.Name, "audience": row.Audience}}, err
	})
	return row.Receiver, secret, err
}

func (h *hand) newReceiver(r account.Receiver, fresh signingPair) (table.Receiver, account.Secret, error) {
	if r.Name == "" || len(r.Name) > 64 || len(r.Audience) > 500 {
		return table.Receiver{}, account.Secret{}, account.Errorf(account.Invalid, "A receiver needs a name of at most 64 characters, and has an audience of at most 500.").At("/name")
	}
	all, err := h.Tx.Receivers(h.Account.ID)
	if err != nil {
		return table.Receiver{}, account.Secret{}, err
	}
	if slices.ContainsFunc(all, func(o table.Receiver) bool { return o.Name == r.Name }) {
		return table.Receiver{}, account.Secret{}, account.Errorf(account.Conflict, "There is a receiver called %q already.", r.Name).Coded("name_taken").At("/name")
	}
	if len(all) >= feedsPerAccount {
		return table.Receiver{}, account.Secret{}, account.Errorf(account.Conflict, "An account has at most %d receivers.", feedsPerAccount).Coded("feed_limit")
	}
	if err := h.keepSigningPair(fresh); err != nil {
		return table.Receiver{}, account.Secret{}, err
	}
	secret := account.NewSecret(keys.Mint(keys.Receive, h.l.opt.Random))
	r.ID, r.Account, r.CreatedAt, r.CreatedBy = account.NewID[account.ReceiverID](h.now, h.l.opt.Random), h.Account.ID, h.now, h.by.String()
	r.Last4 = keys.Last4(secret.Reveal())
	if r.Audience == "" {
		r.Audience = string(r.ID)
	}
	row := table.Receiver{Receiver: r, Digest: digest(secret.Reveal())}
	return row, secret, h.InsertReceiver(row)
}

// Receivers lists an account's receivers, oldest first. Owners and the operator may.
func (l *Ledger) Receivers(ctx context.Context, by account.Actor, a account.AccountID) (out []account.Receiver, err error) {
	err = l.look(ctx, by, a, owners, func(h *hand) error {
		rows, err := h.Tx.Receivers(a)
		for _, r := range rows {
			out = append(out, r.Receiver)
		}
		return err
	})
	return out, err
}

// RotateReceiver gives a receiver another credential, shown this once; the one before is taken for a day more. Owners and the operator may.
func (l *Ledger) RotateReceiver(ctx context.Context, by account.Actor, a account.AccountID, id account.ReceiverID) (secret account.Secret, err error) {
	err = l.change(ctx, by, a, "receiver.secret_rotated", owners, func(h *hand) (*note, error) {
		secret, err = h.rotateReceiver(id)
		return &note{Target: string(id)}, err
	})
	return secret, err
}

func (h *hand) rotateReceiver(id account.ReceiverID) (account.Secret, error) {
	if _, found, err := h.Tx.Receiver(h.Account.ID, id); err != nil || !found {
		return account.Secret{}, orElse(err, noReceiver())
	}
	secret := account.NewSecret(keys.Mint(keys.Receive, h.l.opt.Random))
	raw := secret.Reveal()
	return secret, h.Tx.RotateReceiver(h.Account.ID, id, digest(raw), keys.Last4(raw), h.now.Add(secretOverlap))
}

func orElse(err error, otherwise *account.Error) error {
	if err != nil {
		return err
	}
	return otherwise
}

func noReceiver() *account.Error { return account.Errorf(account.NotFound, "No such receiver.") }

// RemoveReceiver ends a receiver and its stream; its credential is worthless at once. Owners and the operator may.
func (l *Ledger) RemoveReceiver(ctx context.Context, by account.Actor, a account.AccountID, id account.ReceiverID) error {
	return l.change(ctx, by, a, "receiver.removed", owners, func(h *hand) (*note, error) {
		r, found, err := h.Tx.Receiver(a, id)
		if err != nil || !found {
			return nil, orElse(err, noReceiver())
		}
		f, found, err := h.FeedOfReceiver(a, id)
		if err != nil {
			return nil, err
		}
		if found {
			if err := h.DeleteFeed(a, f.ID); err != nil {
				return nil, err
			}
			h.Settled(func(_, _ time.Time) { l.bell.ring(f.ID) })
		}
		return &note{Target: string(id), Detail: map[string]any{"name": r.Name}}, h.DeleteReceiver(a, id)
	})
}
