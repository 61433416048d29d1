package store

import (
	"bytes"
	"context"
	"encoding/hex"
	"encoding/json"
	"slices"
	"time"

	"github.com/drawbridge-id/drawbridge/account"
	"github.com/drawbridge-id/drawbridge/keys"
	"github.com/drawbridge-id/drawbridge/store/internal/table"
)

const (
	// ReceiverTokenAge is how long a token of the client credentials grant lives: the CAEP interoperability profile allows an hour.
	ReceiverTokenAge = 55 * time.Minute
	// VerificationInterval is how often a receiver may ask for verification (SSF min_verification_interval).
	VerificationInterval = 5 * time.Second
)

// A Grant is what a receiver's token allows: to read the one stream of the receiver, and perhaps to manage it.
type Grant struct {
	account.Receiver
	Manage bool
}

// a ticket is what a token of the client credentials grant says, sealed.
type ticket struct {
	Receiver account.ReceiverID
	Digest   string // of the credential that it was got for: it ends with it
	Manage   bool
	Until    time.Time
}

func unknownReceiver() *account.Error {
	return account.Errorf(account.Unauthorized, "The token is not a valid one of a receiver of this account.").Fix("Get one with the receiver's credential.")
}

// Receiver finds whom a token lets in at an account's transmitter: the credential itself, or a token that was got for it. A mistyped, an unknown
// and an expired one, one of another account and one of an account that does not exist look alike: Unauthorized.
func (l *Ledger) Receiver(ctx context.Context, a account.AccountID, token account.Secret) (Grant, error) {
	now, raw := l.now(), token.Reveal()
	var t ticket
	direct := keys.Is(keys.Receive, raw)
	if !direct {
		if err := json.Unmarshal([]byte(l.OpenCursor(raw, "ssf", string(a))), &t); err != nil || !now.Before(t.Until) {
			return Grant{}, unknownReceiver()
		}
	}
	var row table.Receiver
	err := l.db.Look(ctx, func(tx *table.Tx) error {
		var found bool
		var err error
		if direct {
			row, found, err = tx.ReceiverByDigest(a, digest(raw), now)
		} else {
			row, found, err = tx.Receiver(a, t.Receiver)
			found = found && (sameDigest(t.Digest, row.Digest) || sameDigest(t.Digest, row.Previous) && now.Before(row.PreviousUntil))
		}
		if err == nil && !found {
			err = unknownReceiver()
		}
		return err
	})
	if err != nil {
		return Grant{}, err
	}
	if now.Sub(row.UsedAt) >= touchEvery {
		err = l.db.Write(ctx, func(tx *table.Tx) error { return tx.TouchReceiver(a, row.ID, now) })
	}
	return Grant{Receiver: row.Receiver, Manage: !row.ReadOnly && (direct || t.Manage)}, err
}

// ReceiverToken is the client credentials grant (RFC 6749 §4.4): a token for a receiver's credential, with less power if that is all it
// asks for. Unauthorized when client and secret do not belong together.
func (l *Ledger) ReceiverToken(ctx context.Context, a account.AccountID, client account.ReceiverID, secret account.Secret, manage bool) (account.Secret, Grant, error) {
	g, err := l.Receiver(ctx, a, secret)
	if err != nil {
		return account.Secret{}, g, err
	}
	if g.ID != client || !keys.Is(keys.Receive, secret.Reveal()) {
		return account.Secret{}, Grant{}, unknownReceiver()
	}
	g.Manage = g.Manage && manage
	text, err := json.Marshal(ticket{g.ID, hex.EncodeToString(digest(secret.Reveal())), g.Manage, l.now().Add(ReceiverTokenAge)})
	if err != nil {
		return account.Secret{}, g, err
	}
	token, err := l.SealCursor(string(text), "ssf", string(a))
	return account.NewSecret(token), g, err
}

func noFeedOf() *account.Error { return account.Errorf(account.NotFound, "No such stream.") }

// manage is the frame of a verb of a receiver: its account is locked, and its stream, if it has one, is read.
func (l *Ledger) manage(ctx context.Context, by account.Actor, g Grant, verb string, do func(*hand, table.Feed, bool) (*note, error)) error {
	now := l.now()
	by.Kind, by.Receiver = account.ActorReceiver, g.ID
	return l.db.Write(ctx, func(tx *table.Tx) error {
		house, found, err := tx.LockHouse(g.Account)
		if err != nil || !found {
			return orElse(err, unknownReceiver())
		}
		h := &hand{Tx: tx, House: house, l: l, by: by, now: now, master: true}
		if _, found, err := h.Tx.Receiver(g.Account, g.ID); err != nil || !found {
			return orElse(err, unknownReceiver())
		}
		f, found, err := h.FeedOfReceiver(g.Account, g.ID)
		if err != nil {
			return err
		}
		n, err := do(h, f, found)
		if err != nil || n == nil {
			return err
		}
		return h.audit(verb, *n)
	})
}

// OpenFeed makes a receiver's stream; address, events, requested, spelling and description are taken from f. Conflict when it has one.
func (l *Ledger) OpenFeed(ctx context.Context, by account.Actor, g Grant, f account.Feed, authorization account.Secret) (out account.Feed, err error) {
	if err := checkAuthorization(authorization); err != nil {
		return out, err
	}
	err = l.manage(ctx, by, g, "stream.created", func(h *hand, _ table.Feed, found bool) (*note, error) {
		if found {
			return nil, account.Errorf(account.Conflict, "The receiver has a stream already.").Coded("stream_exists").Fix("Change it, or delete it first.")
		}
		row := table.Feed{Feed: f, Generation: 1}
		row.ID, row.Account, row.Kind, row.CreatedAt = account.NewID[account.FeedID](h.now, l.opt.Random), g.Account, account.SSF, h.now
		row.Status, row.Since, row.Receiver, row.Audience, row.Compat = account.FeedEnabled, h.now, g.ID, g.Audience, g.Compat
		if row.Name, err = h.streamName(g.Name, row.ID); err != nil {
			return nil, err
		}
		if err := row.Check(); err != nil {
			return nil, err
		}
		if err := h.insertFeed(row); err != nil {
			return nil, err
		}
		if !authorization.IsZero() {
			if err := h.putFeedSecret(row, secretAuthorize, authorization); err != nil {
				return nil, err
			}
		}
		if g.Compat { // some wait for it before they believe in the stream
			if err := h.post(row, account.SignalVerification, account.Announcement{What: account.SignalVerification}); err != nil {
				return nil, err
			}
		}
		out = row.Feed
		return &note{Target: string(row.ID), Detail: map[string]any{"receiver": g.ID, "host": hostOf(f.URL)}}, nil
	})
	return out, err
}

// streamName is the receiver's, or if a feed is called so already, with the stream's id.
func (h *hand) streamName(name string, id account.FeedID) (string, error) {
	all, err := h.Tx.Feeds(h.Account.ID)
	if slices.ContainsFunc(all, func(o table.Feed) bool { return o.Name == name }) {
		name = string(id)
	}
	return name, err
}

// FeedOf reads a receiver's stream; NotFound when it has none.
func (l *Ledger) FeedOf(ctx context.Context, g Grant) (account.Feed, error) {
	var f table.Feed
	err := l.db.Look(ctx, func(tx *table.Tx) error {
		var found bool
		var err error
		if f, found, err = tx.FeedOfReceiver(g.Account, g.ID); err == nil && !found {
			err = noFeedOf()
		}
		return err
	})
	return f.Feed, err
}

// ChangeFeed changes address, events, requested, spelling and description of a receiver's stream. A nil authorization leaves the one there is.
func (l *Ledger) ChangeFeed(ctx context.Context, by account.Actor, g Grant, id account.FeedID, authorization *account.Secret, change func(*account.Feed) error) (out account.Feed, err error) {
	err = l.manage(ctx, by, g, "stream.changed", func(h *hand, f table.Feed, found bool) (*note, error) {
		if !found || f.ID != id {
			return nil, noFeedOf()
		}
		next := f.Feed
		if err := change(&next); err != nil {
			return nil, err
		}
		f.URL, f.Events, f.Requested, f.Spelling, f.Description = next.URL, next.Events, next.Requested, next.Spelling, next.Description
		if err := f.Check(); err != nil {
			return nil, err
		}
		if authorization != nil {
			if err := checkAuthorization(*authorization); err != nil {
				return nil, err
			}
			err := h.DropSecrets(f.Account, string(f.ID), secretAuthorize)
			if err == nil && !authorization.IsZero() {
				err = h.putFeedSecret(f, secretAuthorize, *authorization)
			}
			if err != nil {
				return nil, err
			}
		}
		out = f.Feed
		h.Settled(func(_, _ time.Time) { l.bell.ring(f.ID) })
		return &note{Target: string(id), Detail: map[string]any{"host": hostOf(f.URL)}}, h.PutFeed(f)
	})
	return out, err
}

// CloseFeed ends a receiver's stream; what was under way is dropped.
func (l *Ledger) CloseFeed(ctx context.Context, by account.Actor, g Grant, id account.FeedID) error {
	return l.manage(ctx, by, g, "stream.deleted", func(h *hand, f table.Feed, found bool) (*note, error) {
		if !found || f.ID != id {
			return nil, noFeedOf()
		}
		h.Settled(func(_, _ time.Time) { l.bell.ring(id) })
		return &note{Target: string(id)}, h.DeleteFeed(f.Account, id)
	})
}

// SetFeedStatus is how a receiver pauses, disables and enables its stream.
func (l *Ledger) SetFeedStatus(ctx context.Context, by account.Actor, g Grant, id account.FeedID, s account.FeedStatus, reason string) (out account.Feed, err error) {
	err = l.manage(ctx, by, g, "stream.status_changed", func(h *hand, f table.Feed, found bool) (*note, error) {
		if !found || f.ID != id {
			return nil, noFeedOf()
		}
		before := f.Status
		err := h.setFeedStatus(&f, s, reason, false)
		if out = f.Feed; err != nil || before == s {
			return nil, err
		}
		return &note{Target: string(id), Reason: reason, Detail: map[string]any{"status": s}}, nil
	})
	return out, err
}

// WantSubject says whether a receiver wants to hear of somebody, found by address or id. Whom the account does not know, nobody is told:
// the answer is the same (SSF §9.3).
func (l *Ledger) WantSubject(ctx context.Context, by account.Actor, g Grant, id account.FeedID, email string, u account.UserID, want bool) error {
	return l.manage(ctx, by, g, "stream.subject_changed", func(h *hand, f table.Feed, found bool) (*note, error) {
		if !found || f.ID != id {
			return nil, noFeedOf()
		}
		if email != "" {
			known, _, err := h.UserByEmail(email)
			if err != nil {
				return nil, err
			}
			u = known.ID
		}
		if _, here, err := h.Tenancy(f.Account, u); err != nil || !here {
			return nil, err
		}
		n := &note{Target: string(id), Detail: map[string]any{"user": u, "wanted": want}}
		if want {
			return n, h.AddToFeed(f.Account, f.ID, u)
		}
		return n, h.RemoveFromFeed(f.Account, f.ID, u, h.now)
	})
}

// VerifyFeed sends a verification event through a receiver's stream, with a state that the receiver made up. TooMany when it asked
// just now.
func (l *Ledger) VerifyFeed(ctx context.Context, by account.Actor, g Grant, id account.FeedID, state string) error {
	return l.manage(ctx, by, g, "stream.verification_asked", func(h *hand, f table.Feed, found bool) (*note, error) {
		if !found || f.ID != id {
			return nil, noFeedOf()
		}
		if h.now.Sub(f.AskedAt) < VerificationInterval {
			return nil, account.Errorf(account.TooMany, "Verification was asked for just now.").Fix("Ask again in a few seconds.")
		}
		f.AskedAt = h.now
		if err := h.PutFeed(f); err != nil {
			return nil, err
		}
		return &note{Target: string(id)}, h.post(f, account.SignalVerification, account.Announcement{What: account.SignalVerification, State: state})
	})
}

// A Rejection is what a receiver says is wrong with a token (RFC 8936 §2.4).
type Rejection struct{ Err, Description string }

// Fetch is one poll of a receiver: what it acknowledges and what it rejects is done with, and at most n of what is due comes back, with whether
// there is more. Identifiers that nobody waits for are passed over.
func (l *Ledger) Fetch(ctx context.Context, g Grant, id account.FeedID, acks []account.EventID, rejects map[account.EventID]Rejection, n int) (p Parcel, more bool, err error) {
	f, err := l.FeedOf(ctx, g)
	if err != nil {
		return p, false, err
	}
	if f.ID != id || f.Push() {
		return p, false, noFeedOf()
	}
	if len(acks)+len(rejects) > 0 {
		err := l.db.Write(ctx, func(tx *table.Tx) error {
			row, now := table.Feed{Feed: f}, l.now()
			for _, d := range acks {
				if _, err := tx.EndDelivery(row, d, account.DeliveryDone, "", now); err != nil {
					return err
				}
			}
			for d, r := range rejects {
				if _, err := tx.EndDelivery(row, d, account.DeliveryDead, clip(r.Err+": "+r.Description, 500), now); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			return p, false, err
		}
	}
	ref := FeedRef{Account: f.Account, Feed: f.ID}
	if p, err = l.parcel(ctx, ref, n+1); err != nil {
		return p, false, err
	}
	if more = len(p.Deliveries) > n; more {
		p.Deliveries = p.Deliveries[:n]
	}
	return p, more, nil
}

func sameDigest(text string, d []byte) bool {
	given, err := hex.DecodeString(text)
	return err == nil && len(d) > 0 && bytes.Equal(given, d)
}
