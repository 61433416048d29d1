package store

import (
	"fmt"
	"os"
	"sync/atomic"
	"testing"
	"time"

	"github.com/drawbridge-id/drawbridge/account"
	"github.com/drawbridge-id/drawbridge/test/fresh"
	"github.com/drawbridge-id/drawbridge/test/pg"
)

// people is how many different people the benchmarks let come and go.
const people = 200

// benchHouse is a house with a rule that gives what everybody has already, so that the steady state is measured.
func benchHouse(b *testing.B, url string) (*house, account.Connection) {
	h := newHouse(b, url)
	c := h.ruled()
	for i := range people {
		h.signedIn(h.who(c, i))
	}
	b.ResetTimer()
	return h, c
}

func (h *house) who(c account.Connection, i int) account.Login {
	return h.login(c, fmt.Sprint("p", i), fmt.Sprintf("p%d@acme.example", i), "eng", "all", "site-berlin")
}

// BenchmarkSignIn is unsolicited sign-ins of known people by many callers at once, each durable before it is answered.
func BenchmarkSignIn(b *testing.B) {
	onBoth(b, func(b *testing.B, h *house, c account.Connection) {
		var n atomic.Int64
		b.SetParallelism(32)
		b.RunParallel(func(next *testing.PB) {
			for next.Next() {
				if _, err := h.SignIn(h.ctx(), Entry{Login: h.who(c, int(n.Add(1)%people))}); err != nil {
					b.Error(err)
				}
			}
		})
		b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "sign-ins/s")
	})
}

func BenchmarkStartFlow(b *testing.B) {
	onBoth(b, func(b *testing.B, h *house, c account.Connection) {
		b.SetParallelism(32)
		b.RunParallel(func(next *testing.PB) {
			for next.Next() {
				if _, err := h.StartFlow(h.ctx(), account.Flow{Connection: c.ID, Which: account.Live, RequestID: "_" + h.random(16)}); err != nil {
					b.Error(err)
				}
			}
		})
	})
}

func BenchmarkPresence(b *testing.B) {
	onBoth(b, func(b *testing.B, h *house, c account.Connection) {
		in := h.signedIn(h.who(c, 1))
		b.ResetTimer()
		b.RunParallel(func(next *testing.PB) {
			for next.Next() {
				if _, err := h.Presence(h.ctx(), in.Session.Token); err != nil {
					b.Error(err)
				}
			}
		})
	})
}

// BenchmarkVerifyKey is a check from memory and one in the database.
func BenchmarkVerifyKey(b *testing.B) {
	onBoth(b, func(b *testing.B, h *house, c account.Connection) {
		key := h.keyOf(h.signedIn(h.who(c, 1)).User.ID, time.Time{})
		check := func(b *testing.B) {
			b.RunParallel(func(next *testing.PB) {
				for next.Next() {
					if _, err := h.VerifyKey(h.ctx(), key); err != nil {
						b.Error(err)
					}
				}
			})
		}
		b.Run("database", check)
		h.trusting()
		b.Run("memory", func(b *testing.B) {
			h.keys = newMemos[*KeyHolder](keysRemembered)
			if _, err := h.VerifyKey(h.ctx(), key); err != nil {
				b.Fatal(err)
			}
			b.ResetTimer()
			check(b)
		})
	})
}

// BenchmarkOpen is starting on a database that is up to date.
func BenchmarkOpen(b *testing.B) {
	h := newHouse(b, "sqlite:"+b.TempDir()+"/house.db")
	k, err := sharedKeyring()
	h.ok(err)
	for b.Loop() {
		l, err := Open(h.ctx(), Options{URL: h.url, Keyring: k, Catalogue: catalogue})
		h.ok(err)
		b.StopTimer()
		l.Close()
		b.StartTimer()
	}
	b.ReportMetric(float64(b.Elapsed().Milliseconds())/float64(b.N), "ms/start")
}

func onBoth(b *testing.B, run func(*testing.B, *house, account.Connection)) {
	b.Run("sqlite", func(b *testing.B) {
		h, c := benchHouse(b, fresh.SQLite(b))
		run(b, h, c)
	})
	b.Run("postgres", func(b *testing.B) {
		if os.Getenv(pg.Env) == "" {
			b.Skip("no PostgreSQL")
		}
		h, c := benchHouse(b, fresh.Postgres(b))
		run(b, h, c)
	})
}
