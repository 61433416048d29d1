package store

import (
	"context"
	"testing"

	"github.com/drawbridge-id/drawbridge/account"
)

// An operator is told of streams that have gone silent, and when nobody can tell because the database is away.
func TestTheStandingCountsWhatAnOperatorShouldLookAt(t *testing.T) {
	each(t, func(h *house) {
		stands := func(want Standing) {
			h.Helper()
			got, err := h.Standing(h.ctx())
			h.ok(err)
			if got != want {
				h.Errorf("%+v, want %+v", got, want)
			}
		}
		stands(Standing{})
		s, err := h.AddStream(h.ctx(), theOperator, h.acme.ID, account.Stream{Name: "signals", Enabled: true, Issuer: "https://id.acme.example",
			Audience: []string{"https://login.acme.example"}, Keys: `{"keys":[]}`})
		h.ok(err)
		h.clock.turn(SilentAfter / 2)
		stands(Standing{})
		h.clock.turn(SilentAfter)
		stands(Standing{Silent: 1})
		_, err = h.UpdateStream(h.ctx(), theOperator, s.ID, func(s *account.Stream) error { s.Enabled = false; return nil })
		h.ok(err)
		stands(Standing{})

		gone, cancel := context.WithCancel(h.ctx())
		cancel()
		_, err = h.Standing(gone)
		h.refuses(err, account.Unavailable, "")
	})
}
