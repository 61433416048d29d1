package store

import (
	"testing"

	"github.com/drawbridge-id/drawbridge/store/internal/table"
)

// What is compiled once for a connection serves the sign-ins after it. Nothing breaks when it is not kept: it only costs, so
// that no other test would notice.
func TestRulesAndSettingsAreKeptBetweenSignIns(t *testing.T) {
	each(t, func(h *house) {
		c := h.ruled()
		h.signedIn(h.who(c, 1))
		s, err := h.newSignIn(Entry{Login: h.who(c, 2)})
		h.ok(err)
		h.ok(h.db.Write(h.ctx(), func(tx *table.Tx) error { _, err := s.enter(tx); return err }))
		if s.cold {
			h.Error("the second sign-in finds neither rules nor settings in memory")
		}
	})
}
