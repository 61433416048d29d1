package store

import (
	"strings"
	"testing"

	"github.com/drawbridge-id/drawbridge/account"
)

// THREAT G-3: what a provider may send at its longest is kept by both databases; PostgreSQL indexes no value beyond 2.7 kB.
func TestTheLongestOfEverythingSignsIn(t *testing.T) {
	each(t, func(h *house) {
		c := h.ruled()
		long := strings.Repeat(h.random(96), 100) // 12,800 characters
		for strings.Count(long, "") < 20_000 {
			long += h.random(96) // and hard to compress
		}
		login := h.login(c, long[len(long)-2048:], "ana@acme.example", "everybody", long)
		login.Replay, login.NameID = long, &account.NameID{Value: "ana"}
		in := h.signedIn(login)
		_, err := h.comesIn(login)
		h.turnsAway(err, "already_used")
		p, err := h.Presence(h.ctx(), in.Session.Token)
		h.ok(err)
		if len(p.Groups.Values) != 2 || p.Groups.Values[1] != long {
			h.Errorf("%d groups", len(p.Groups.Values))
		}
		other := h.login(c, "bob", "bob@acme.example")
		other.Replay = long + "x"
		h.signedIn(other)
	})
}
