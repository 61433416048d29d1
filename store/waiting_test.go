package store

import (
	"context"
	"testing"
	"time"

	"github.com/drawbridge-id/drawbridge/account"
)

func TestAWriteThatFailsLosesNoLine(t *testing.T) {
	inTown(t, func(w *town) {
		_, token, err := w.MintSCIMToken(w.ctx(), theOperator, w.connection.ID, time.Hour)
		w.ok(err)
		p, err := w.Pusher(w.ctx(), w.connection.ID, token)
		w.ok(err)
		for _, path := range []string{"/Users/1", "/Users/2"} {
			w.clock.turn(time.Millisecond)
			w.ok(w.JotRequest(w.ctx(), p, account.SCIMRequest{At: w.clock.now(), Method: "GET", Path: path, Status: 404}))
		}
		jane := w.jane()
		w.ok(w.flushStamps(w.ctx()))
		w.is(w.hears(caep+"session-revoked", email("jane@acme.example"), nil), account.EventApplied)
		key := w.key(jane.User.ID)
		w.used(&KeyHolder{Key: w.keyOf(key)}, w.clock.now())

		gone, cancel := context.WithCancel(w.ctx())
		cancel()
		for name, flush := range map[string]func(context.Context) error{"requests": w.flushRequests, "receipts": w.flushStamps, "uses": w.flushUses} {
			if flush(gone) == nil {
				t.Errorf("%s: nothing was to be written", name)
			}
		}
		w.ok(w.flushUses(w.ctx()))
		if k := w.keyOf(key); !k.UsedAt.Equal(w.clock.now()) {
			t.Errorf("the use of a key is lost: %+v", k)
		}
		all, err := w.SCIMRequests(w.ctx(), theOperator, w.connection.ID, "", 10)
		w.ok(err)
		if len(all) != 2 || all[0].Path != "/Users/2" || all[1].Path != "/Users/1" {
			t.Errorf("lines of the request log are lost: %+v", all)
		}
		r, err := w.Receipts(w.ctx(), theOperator, w.acme.ID, jane.User.ID, "", 10)
		w.ok(err)
		if len(r) != 1 || r[0].Committed.IsZero() || r[0].Everywhere.IsZero() {
			t.Errorf("the times of a receipt are lost: %+v", r)
		}
	})
}

func TestWhatWaitsIsBounded(t *testing.T) {
	var w waiting[int]
	for i := range mostWaiting + 10 {
		w.add(i)
	}
	if taken := w.take(); len(taken) != writtenOnce || taken[0] != 10 {
		t.Fatalf("%d are taken, from %d", len(taken), taken[0])
	} else {
		for range waitingTries - 1 { // what a database refuses is not tried for ever
			w.failed(taken, account.Errorf(account.Invalid, "no"))
			if again := w.take(); len(again) != writtenOnce || again[0] != 10 {
				t.Fatalf("lost: %v", again[0])
			}
		}
		w.failed(taken, account.Errorf(account.Invalid, "no"))
	}
	if again := w.take(); again[0] != 10+writtenOnce {
		t.Errorf("the next begin at %d", again[0])
	}
}
