package store

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/drawbridge-id/drawbridge/account"
	"github.com/drawbridge-id/drawbridge/store/internal/table"
)

// A town is a house with people whom a stream speaks of.
type town struct {
	*house
	connection account.Connection
	stream     account.Stream
	n          int
}

func newTown(h *house) *town {
	h.Helper()
	h.proves(h.acme.ID, "acme.example")
	w := &town{house: h, connection: h.connect("idp", oidcSettings())}
	var err error
	w.stream, err = h.AddStream(h.ctx(), theOperator, h.acme.ID, w.streamOf("events"))
	h.ok(err)
	return w
}

func (w *town) streamOf(name string) account.Stream {
	return account.Stream{Name: name, Enabled: true, Connection: w.connection.ID, Issuer: "https://events.acme.example", Audience: []string{"https://bridge.example"},
		Keys: `{"keys":[]}`}
}

// inTown runs a test on both databases.
func inTown(t *testing.T, test func(*town)) { each(t, func(h *house) { test(newTown(h)) }) }

// set changes the stream.
func (w *town) set(change func(*account.Stream)) {
	w.Helper()
	var err error
	w.stream, err = w.UpdateStream(w.ctx(), theOperator, w.stream.ID, func(s *account.Stream) error { change(s); return nil })
	w.ok(err)
}

// jane signs in; each time is a session more.
func (w *town) jane() Entrance {
	return w.signedIn(w.login(w.connection, "00ujane7", "jane@acme.example"))
}

func (w *town) omar() Entrance {
	return w.signedIn(w.login(w.connection, "00uomar8", "omar@acme.example"))
}

// key gives somebody a key.
func (w *town) key(u account.UserID) account.KeyID {
	w.Helper()
	id := account.NewID[account.KeyID](w.clock.now(), zeros{})
	id = account.KeyID(strings.TrimSuffix(string(id), "00") + fmt.Sprintf("%02d", w.n))
	w.n++
	w.ok(w.db.Write(w.ctx(), func(tx *table.Tx) error {
		return tx.InsertKey(account.Key{Account: w.acme.ID, ID: id, Org: w.org.ID, User: u, Name: "laptop", Last4: "1234", State: account.KeyActive, CreatedAt: w.clock.now()},
			digest(string(id)))
	}))
	return id
}

func (w *town) keyOf(id account.KeyID) (k account.Key) {
	w.Helper()
	w.ok(w.db.Read(w.ctx(), func(tx *table.Tx) (err error) { k, _, err = tx.Key(w.acme.ID, id); return err }))
	return k
}

// lives reports whether a session is still accepted.
func (w *town) lives(e Entrance) bool {
	w.Helper()
	_, err := w.Presence(w.ctx(), e.Session.Token)
	if err != nil && account.KindOf(err) != account.Unauthorized {
		w.Fatal(err)
	}
	return err == nil
}

func email(address string) *account.SubjectID {
	return &account.SubjectID{Format: account.SubjectEmail, Values: map[string]string{"email": address}}
}

func issSub(iss, sub string) *account.SubjectID {
	return &account.SubjectID{Format: account.SubjectIssSub, Values: map[string]string{"iss": iss, "sub": sub}}
}

func opaque(id string) account.SubjectID {
	return account.SubjectID{Format: account.SubjectOpaque, Values: map[string]string{"id": id}}
}

func complexOf(m map[string]account.SubjectID) *account.SubjectID {
	return &account.SubjectID{Format: account.SubjectComplex, Members: m}
}

// token is one with a single event that has just happened.
func (w *town) token(uri string, s *account.SubjectID, body map[string]any) account.SET {
	w.n++
	if body == nil {
		body = map[string]any{}
	}
	return account.SET{Issuer: w.stream.Issuer, JTI: fmt.Sprintf("jti-%d", w.n), IssuedAt: w.clock.now(), Txn: fmt.Sprintf("txn-%d", w.n), Claims: []byte(`{"iss":"x"}`),
		Events: []account.SETEvent{{Type: uri, Subject: s, Body: body}}}
}

// takes receives a token and gives its only event.
func (w *town) takes(in account.SET) account.Event {
	w.Helper()
	w.clock.turn(time.Millisecond)
	out, err := w.Receive(w.ctx(), account.Actor{}, w.stream.ID, in)
	w.ok(err)
	if len(out.Events) != len(in.Events) {
		w.Fatalf("%d events came of %d", len(out.Events), len(in.Events))
	}
	return out.Events[0]
}

// hears is takes for an event that has just happened.
func (w *town) hears(uri string, s *account.SubjectID, body map[string]any) account.Event {
	w.Helper()
	return w.takes(w.token(uri, s, body))
}

func (w *town) is(e account.Event, want account.EventOutcome) {
	w.Helper()
	if e.Outcome != want {
		w.Fatalf("%s is %s (%s), want %s", shortType(e.Type), e.Outcome, e.Detail, want)
	}
}

func (w *town) place(u account.UserID) (p table.Place) {
	w.Helper()
	w.ok(w.db.Read(w.ctx(), func(tx *table.Tx) (err error) { p, _, err = tx.PlaceOf(w.acme.ID, u); return err }))
	return p
}

func TestARevokedSessionEndsAndKeysStay(t *testing.T) {
	inTown(t, func(w *town) {
		first, second, omar := w.jane(), w.jane(), w.omar()
		key := w.key(first.User.ID)
		e := w.hears(caep+"session-revoked", email("JANE@acme.example"), nil)
		w.is(e, account.EventApplied)
		if e.Sessions != 2 || e.User != first.User.ID || w.lives(first) || w.lives(second) {
			t.Errorf("%+v", e)
		}
		if !w.lives(omar) || w.keyOf(key).State != account.KeyActive {
			t.Error("somebody else's session ended, or a key did")
		}
		r, err := w.Receipts(w.ctx(), theOperator, w.acme.ID, first.User.ID, "", 10)
		w.ok(err)
		if len(r) != 1 || r[0].Source != account.FromEvent || r[0].Sessions != 2 || r[0].Suspended || r[0].By != "stream:"+string(w.stream.ID) || r[0].Txn != e.Txn {
			t.Errorf("%+v", r)
		}
		w.auditHas(w.acme.ID, "event.applied", "done")
		w.is(w.hears(caep+"session-revoked", email("jane@acme.example"), nil), account.EventRecorded)
	})
}

func TestADisabledAccountLosesAllAtOnce(t *testing.T) {
	inTown(t, func(w *town) {
		jane, omar := w.jane(), w.omar()
		key, other := w.key(jane.User.ID), w.key(omar.User.ID)
		e := w.hears(risc+"account-disabled", issSub("https://idp.acme.example", "00ujane7"), map[string]any{"reason": "hijacking"})
		w.is(e, account.EventApplied)
		if e.Sessions != 1 || e.Keys != 1 || w.lives(jane) || w.keyOf(key).State != account.KeyRevoked {
			t.Errorf("%+v", e)
		}
		if !w.lives(omar) || w.keyOf(other).State != account.KeyActive {
			t.Error("somebody else was shut out")
		}
		_, err := w.comesIn(w.login(w.connection, "00ujane7", "jane@acme.example"))
		w.turnsAway(err, "user_disabled")
		w.is(w.hears(risc+"account-disabled", email("jane@acme.example"), nil), account.EventRecorded)
	})
}

// THREAT SET-3
func TestARepeatedTokenIsAnsweredLikeTheFirstAndChangesNothing(t *testing.T) {
	inTown(t, func(w *town) {
		jane := w.jane()
		in := w.token(caep+"session-revoked", email("jane@acme.example"), nil)
		first := w.takes(in)
		w.is(first, account.EventApplied)
		w.clock.turn(time.Hour)
		again := w.jane()
		in.Events[0].Body["event_timestamp"] = float64(w.clock.now().Unix()) // even if it says something else by now
		out, err := w.Receive(w.ctx(), account.Actor{}, w.stream.ID, in)
		w.ok(err)
		if !out.Repeat || len(out.Events) != 1 || out.Events[0].ID != first.ID || !w.lives(again) || w.lives(jane) {
			t.Errorf("%+v", out)
		}
		// Of eight copies at once one has an effect.
		in = w.token(caep+"session-revoked", email("jane@acme.example"), nil)
		var fresh [8]bool
		errs := together(8, func(i int) error {
			out, err := w.Receive(w.ctx(), account.Actor{}, w.stream.ID, in)
			fresh[i] = err == nil && !out.Repeat
			return err
		})
		n := 0
		for i, err := range errs {
			w.ok(err)
			if fresh[i] {
				n++
			}
		}
		if n != 1 {
			t.Errorf("%d of eight copies counted", n)
		}
	})
}
