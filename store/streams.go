package store

import (
	"context"
	"errors"
	"reflect"
	"time"

	"github.com/drawbridge-id/drawbridge/account"
	"github.com/drawbridge-id/drawbridge/keys"
	"github.com/drawbridge-id/drawbridge/store/internal/table"
)

const streamsPerAccount = 50 // each that is polled holds a connection and its answer

// streamSecrets are the values of a stream that are kept apart, by the name they are sealed under.
func streamSecrets(s *account.Stream) map[string]*account.Secret {
	fields := map[string]*account.Secret{}
	if s.Poll != nil {
		fields["poll_bearer"] = &s.Poll.Bearer
	}
	if s.Transmitter != nil {
		fields["transmitter_client_secret"] = &s.Transmitter.ClientSecret
		fields["transmitter_bearer"] = &s.Transmitter.Bearer
	}
	return fields
}

// cloneStream copies a stream as deep as the ledger changes it.
func cloneStream(s account.Stream) account.Stream {
	if s.Poll != nil {
		poll := *s.Poll
		s.Poll = &poll
	}
	if s.Transmitter != nil {
		t := *s.Transmitter
		s.Transmitter = &t
	}
	return s
}

// openStream fills in the secrets of a stream from its sealed rows.
func (l *Ledger) openStream(tx *table.Tx, s *account.Stream) error {
	fields := streamSecrets(s)
	if len(fields) == 0 {
		return nil
	}
	sealed, err := tx.Secrets(s.Account, string(s.ID), "")
	if err != nil {
		return err
	}
	for name, field := range fields {
		if *field, err = l.opt.Keyring.open(sealed[name], string(s.Account), string(s.ID), name); err != nil {
			return err
		}
	}
	return nil
}

// putStream writes a stream and its secrets.
func (h *hand) putStream(s account.Stream) error {
	if err := h.PutStream(s); err != nil {
		return err
	}
	if err := h.DropSecrets(s.Account, string(s.ID), ""); err != nil {
		return err
	}
	for name, field := range streamSecrets(&s) {
		if field.IsZero() {
			continue
		}
		sealed, err := h.l.opt.Keyring.seal(*field, string(s.Account), string(s.ID), name)
		if err != nil {
			return err
		}
		if err := h.PutSecret(table.Secret{Account: s.Account, Owner: string(s.ID), Name: name, Sealed: sealed}, h.now); err != nil {
			return err
		}
	}
	return nil
}

func noStream() *account.Error {
	return account.Errorf(account.NotFound, "No such stream.").Fix("Check the address; the stream's page shows it.")
}

// AddStream lets a transmitter send events about people of an account. What is left out has its default. Conflict with code name_taken
// when another stream has the name. Owners and the operator may.
func (l *Ledger) AddStream(ctx context.Context, by account.Actor, a account.AccountID, s account.Stream) (account.Stream, error) {
	s = cloneStream(s).WithDefaults()
	if err := s.Check(); err != nil {
		return s, err
	}
	err := l.change(ctx, by, a, "stream.added", owners, func(h *hand) (*note, error) {
		all, err := h.Tx.Streams(a)
		if err != nil {
			return nil, err
		}
		if len(all) >= streamsPerAccount {
			return nil, account.Errorf(account.Conflict, "An account has at most %d streams.", streamsPerAccount).Coded("stream_limit").Fix("Remove one that nobody sends through.")
		}
		s.Account, s.ID, s.CreatedAt = a, account.NewID[account.StreamID](h.now, l.opt.Random), h.now
		if err := h.checkStream(s); err != nil {
			return nil, err
		}
		return &note{Target: string(s.ID), Detail: map[string]any{"name": s.Name, "issuer": s.Issuer, "connection": s.Connection}}, h.putStream(s)
	})
	return s, err
}

// checkStream asks what only the ledger knows: that the name is free and the connections are the account's own.
func (h *hand) checkStream(s account.Stream) error {
	if other, found, err := h.StreamNamed(s.Account, s.Name); err != nil {
		return err
	} else if found && other.ID != s.ID {
		return account.Errorf(account.Conflict, "There is a stream %q already.", s.Name).Coded("name_taken").At("/name")
	}
	for _, c := range s.Names() {
		o, found, err := h.Outline(c)
		if err != nil {
			return err
		}
		if !found || o.Account != s.Account {
			return noConnection().At("/subject_issuers")
		}
	}
	return nil
}

// changeStream is change for one stream, found by its id: streams of other accounts do not exist. Its secrets are open.
func (l *Ledger) changeStream(ctx context.Context, by account.Actor, id account.StreamID, verb string, may need,
	do func(*hand, *account.Stream) (*note, error)) error {
	a, err := l.accountOfStream(ctx, id)
	if err != nil {
		return err
	}
	err = l.change(ctx, by, a, verb, may, func(h *hand) (*note, error) {
		s, found, err := h.Tx.Stream(id)
		if err != nil || !found {
			return nil, errors.Join(err, errorIf(!found, noStream()))
		}
		if err := l.openStream(h.Tx, &s); err != nil {
			return nil, err
		}
		return do(h, &s)
	})
	return hide(err, noStream())
}

func (l *Ledger) accountOfStream(ctx context.Context, id account.StreamID) (a account.AccountID, err error) {
	err = l.db.Look(ctx, func(tx *table.Tx) error {
		s, found, err := tx.Stream(id)
		if err == nil && !found {
			err = noStream()
		}
		a = s.Account
		return err
	})
	return a, err
}

// lookStream is look for one stream.
func (l *Ledger) lookStream(ctx context.Context, by account.Actor, id account.StreamID, may need, do func(*hand) error) error {
	a, err := l.accountOfStream(ctx, id)
	if err != nil {
		return err
	}
	return hide(l.look(ctx, by, a, may, do), noStream())
}

// UpdateStream changes a stream: change is given it as it is, with its secrets, and may be called more than once. Secrets stay only as
// long as they go to the same place. Owners and the operator may.
func (l *Ledger) UpdateStream(ctx context.Context, by account.Actor, id account.StreamID, change func(*account.Stream) error) (account.Stream, error) {
	var out account.Stream
	err := l.changeStream(ctx, by, id, "stream.changed", owners, func(h *hand, s *account.Stream) (*note, error) {
		before := cloneStream(*s)
		if err := change(s); err != nil {
			return nil, err
		}
		s.ID, s.Account, s.CreatedAt = before.ID, before.Account, before.CreatedAt
		*s = s.WithDefaults()
		forgetStraySecrets(s, before)
		if err := s.Check(); err != nil {
			return nil, err
		}
		if out = *s; reflect.DeepEqual(before, *s) {
			return nil, nil
		}
		if err := h.checkStream(*s); err != nil {
			return nil, err
		}
		return &note{Target: string(id), Detail: map[string]any{"name": s.Name, "issuer": s.Issuer, "enabled": s.Enabled, "compat": s.Compat}}, h.putStream(*s)
	})
	return out, err
}

// forgetStraySecrets drops a secret that was given for another place than the one it would go to now.
func forgetStraySecrets(s *account.Stream, before account.Stream) {
	if s.Poll != nil && before.Poll != nil && s.Poll.Endpoint != before.Poll.Endpoint && s.Poll.Bearer == before.Poll.Bearer {
		s.Poll.Bearer = account.Secret{}
	}
	t, old := s.Transmitter, before.Transmitter
	if t == nil || old == nil {
		return
	}
	// What is got for the client secret goes where the bearer token goes: to the stream API, which the issuer leads to.
	moved := t.Configuration != old.Configuration || t.Configuration == "" && s.Issuer != before.Issuer
	if (t.TokenURL != old.TokenURL || t.ClientID != old.ClientID || moved) && t.ClientSecret == old.ClientSecret {
		t.ClientSecret = account.Secret{}
	}
	if moved && t.Bearer == old.Bearer {
		t.Bearer = account.Secret{}
	}
}

// RemoveStream forgets a stream with its credentials and secrets. What it sent stays in the log until it is old. Owners and the operator may.
func (l *Ledger) RemoveStream(ctx context.Context, by account.Actor, id account.StreamID) error {
	return l.changeStream(ctx, by, id, "stream.removed", owners, func(h *hand, s *account.Stream) (*note, error) {
		if err := h.DropSecrets(s.Account, string(id), ""); err != nil {
			return nil, err
		}
		return &note{Target: string(id), Detail: map[string]any{"name": s.Name, "issuer": s.Issuer}}, h.DeleteStream(s.Account, id)
	})
}

// Streams lists those of an account by name, without secrets. Owners, user admins and the operator may.
func (l *Ledger) Streams(ctx context.Context, by account.Actor, a account.AccountID) (out []account.Stream, err error) {
	err = l.look(ctx, by, a, userAdmins, func(h *hand) error { out, err = h.Tx.Streams(a); return err })
	return out, err
}

// Stream reads one, without secrets. Owners, user admins and the operator may.
func (l *Ledger) Stream(ctx context.Context, by account.Actor, id account.StreamID) (s account.Stream, err error) {
	err = l.lookStream(ctx, by, id, userAdmins, func(h *hand) error {
		var found bool
		if s, found, err = h.Tx.Stream(id); err == nil && !found {
			err = noStream()
		}
		return err
	})
	return s, err
}

// AllStreams lists the enabled streams of the installation with their secrets, for the poller and whoever renews keys.
func (l *Ledger) AllStreams(ctx context.Context) (out []account.Stream, err error) {
	err = l.db.Read(ctx, func(tx *table.Tx) error {
		all, err := tx.Streams("")
		if err != nil {
			return err
		}
		out = nil
		for _, s := range all {
			if !s.Enabled {
				continue
			}
			if err := l.openStream(tx, &s); err != nil { // those of others go on
				if ctx.Err() != nil {
					return err
				}
				l.opt.Log.ErrorContext(ctx, "the secrets of a stream do not open", "account", s.Account, "stream", s.ID, "error", err)
				continue
			}
			out = append(out, s)
		}
		return nil
	})
	return out, err
}

// OpenStream reads one with its secrets, for whoever speaks to its transmitter. NotFound when there is none.
func (l *Ledger) OpenStream(ctx context.Context, id account.StreamID) (s account.Stream, err error) {
	err = l.db.Read(ctx, func(tx *table.Tx) error {
		var found bool
		if s, found, err = tx.Stream(id); err != nil || !found {
			return errors.Join(err, errorIf(!found, noStream()))
		}
		return l.openStream(tx, &s)
	})
	return s, err
}

// MintPushCredential makes what a transmitter shows when it pushes: a bearer token, or with path a part of the address for senders that
// send no header. At most two are valid at a time (code token_limit), so that one is replaced without a gap. It is shown this once. Owners
// and the operator may.
func (l *Ledger) MintPushCredential(ctx context.Context, by account.Actor, id account.StreamID, path bool) (account.PushCredential, account.Secret, error) {
	var c account.PushCredential
	secret := account.NewSecret(keys.Mint(keys.Push, l.opt.Random))
	err := l.changeStream(ctx, by, id, "stream.credential_minted", owners, func(h *hand, s *account.Stream) (*note, error) {
		living, err := h.Tx.PushCredentials(s.Account, id)
		if err != nil {
			return nil, err
		}
		if len(living) >= tokensAtOnce {
			return nil, account.Errorf(account.Conflict, "Stream %q has two credentials already.", s.Name).Coded("token_limit").
				Fix("Revoke the one that the transmitter no longer uses.")
		}
		raw := secret.Reveal()
		c = account.PushCredential{ID: account.NewID[account.PushID](h.now, l.opt.Random), Stream: id, Path: path, Last4: keys.Last4(raw), CreatedAt: h.now, CreatedBy: by.String()}
		return &note{Target: string(c.ID), Detail: map[string]any{"stream": id, "path": path}}, h.InsertPushCredential(s.Account, c, digest(raw))
	})
	return c, secret, err
}

// PushCredentials lists those of a stream, oldest first. Owners and the operator may.
func (l *Ledger) PushCredentials(ctx context.Context, by account.Actor, id account.StreamID) (out []account.PushCredential, err error) {
	err = l.lookStream(ctx, by, id, owners, func(h *hand) error { out, err = h.Tx.PushCredentials(h.Account.ID, id); return err })
	return out, err
}

// RevokePushCredential makes one worthless at once. Owners and the operator may.
func (l *Ledger) RevokePushCredential(ctx context.Context, by account.Actor, id account.StreamID, credential account.PushID) error {
	return l.changeStream(ctx, by, id, "stream.credential_revoked", owners, func(h *hand, s *account.Stream) (*note, error) {
		gone, err := h.DeletePushCredential(s.Account, id, credential)
		if err != nil {
			return nil, err
		}
		if !gone {
			return nil, account.Errorf(account.NotFound, "The stream has no such credential.")
		}
		return &note{Target: string(credential), Detail: map[string]any{"stream": id}}, nil
	})
}

// StreamFor finds the stream that a transmitter pushes into by its address and what it shows: the bearer token, or with path what the
// address ends with. An unknown stream, a wrong, revoked or mistyped credential and one of another stream look alike: Unauthorized (KEY-3).
// Forbidden when the stream is switched off. Secrets are not opened.
func (l *Ledger) StreamFor(ctx context.Context, id account.StreamID, credential account.Secret, path bool) (account.Stream, error) {
	refused := account.Errorf(account.Unauthorized, "The credential is not a valid one of this stream.").
		Fix("Mint one for this stream, and give it to the transmitter as the value of its Authorization header, after \"Bearer \".")
	if !keys.Is(keys.Push, credential.Reveal()) {
		return account.Stream{}, refused
	}
	var p table.PushedStream
	err := l.db.Look(ctx, func(tx *table.Tx) (err error) {
		var found bool
		if p, found, err = tx.StreamByDigest(id, digest(credential.Reveal())); err == nil && (!found || p.Credential.ID == "" || p.Credential.Path != path) {
			err = refused
		}
		return err
	})
	now := l.now()
	switch {
	case err != nil:
		return account.Stream{}, err
	case !p.Enabled:
		return account.Stream{}, account.Errorf(account.Forbidden, "Stream %q is switched off.", p.Name).Fix("An owner can enable it.")
	case now.Sub(p.Credential.UsedAt) >= touchEvery:
		err = l.db.Write(ctx, func(tx *table.Tx) error { return tx.TouchPushCredential(p.Account, id, p.Credential.ID, now) })
	}
	return p.Stream, err
}

// pendingFor is how long we wait for a verification that we asked for.
const pendingFor = time.Hour

// AskVerification makes the state of a verification that is about to be requested from the transmitter (SSF 1.0 §8.1.4); it waits for that
// state for an hour. Owners and the operator may.
func (l *Ledger) AskVerification(ctx context.Context, by account.Actor, id account.StreamID) (state string, err error) {
	state = l.random(16)
	err = l.changeStream(ctx, by, id, "stream.verification_asked", owners, func(h *hand, s *account.Stream) (*note, error) {
		return &note{Target: string(id)}, h.AskedVerification(s.Account, id, state, h.now)
	})
	return state, err
}

// newestLags is how many events the lag is taken from.
const newestLags = 1000

// StreamStatus tells how a stream fares. Owners, user admins and the operator may.
func (l *Ledger) StreamStatus(ctx context.Context, by account.Actor, id account.StreamID) (out account.StreamStatus, err error) {
	err = l.lookStream(ctx, by, id, userAdmins, func(h *hand) error {
		a := h.Account.ID
		var found bool
		if out, found, err = h.Tx.StreamStatus(a, id); err != nil || !found {
			return errors.Join(err, errorIf(!found, noStream()))
		}
		since := account.NewID[account.EventID](h.now.Add(-setAge), zeros{})
		if out.Outcomes, err = h.CountEvents(a, id, since); err != nil {
			return err
		}
		lags, err := h.Lags(a, id, newestLags)
		if n := len(lags); n > 0 {
			out.Lag = account.Lag{Median: lags[n/2], P99: lags[min(n-1, n*99/100)], Events: n}
		}
		return err
	})
	return out, err
}

// StreamEvents lists what a stream sent, newest first, from before an event ("" from the newest), of one outcome ("" : any), at most n (up to
// 1,000). Owners, user admins and the operator may.
func (l *Ledger) StreamEvents(ctx context.Context, by account.Actor, id account.StreamID, o account.EventOutcome, before account.EventID, n int) (out []account.Event, err error) {
	err = l.lookStream(ctx, by, id, userAdmins, func(h *hand) error {
		out, err = h.Events(h.Account.ID, id, o, before, min(max(n, 1), 1000))
		return err
	})
	return out, err
}

// DeadLetters lists the events of a stream whose effect failed for good. Owners, user admins and the operator may.
func (l *Ledger) DeadLetters(ctx context.Context, by account.Actor, id account.StreamID, before account.EventID, n int) ([]account.Event, error) {
	return l.StreamEvents(ctx, by, id, account.EventDeadLetter, before, n)
}

// EventClaims reads the whole payload of the token that an event came in, as JSON. Owners, user admins and the operator may.
func (l *Ledger) EventClaims(ctx context.Context, by account.Actor, id account.StreamID, event account.EventID) (claims string, err error) {
	err = l.lookStream(ctx, by, id, userAdmins, func(h *hand) error {
		e, found, err := h.Event(h.Account.ID, event)
		if err != nil || !found || e.Stream != id {
			return errors.Join(err, errorIf(err == nil, noEvent()))
		}
		claims, _, err = h.SETClaims(h.Account.ID, e.Issuer, e.JTI)
		return err
	})
	return claims, err
}

func noEvent() *account.Error {
	return account.Errorf(account.NotFound, "The stream has no such event.").Fix("Events are kept for 30 days.")
}
