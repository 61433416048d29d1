package test

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/drawbridge-id/drawbridge/account"
	"github.com/drawbridge-id/drawbridge/cmd/drawbridge/house"
	"github.com/drawbridge-id/drawbridge/test/pg"
	"github.com/drawbridge-id/drawbridge/test/world"
)

// Key checks over HTTP, answered from memory, against a bare handler that reads the same question and gives the same bytes, in one run.
func BenchmarkKeyCheck(b *testing.B) {
	w := world.New(b, "sqlite:"+filepath.Join(b.TempDir(), "house.db"))
	key := memberKey(b, w, 0)
	question := `{"key":"` + key.secret.Reveal() + `"}`
	var bytes []byte
	bare := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		w.Header().Set("Content-Type", "application/json")
		_, _ = w.Write(bytes)
	}))
	defer bare.Close()
	c := client()
	c.Transport.(*http.Transport).MaxIdleConnsPerHost = 128
	ask := func(url string) ([]byte, error) {
		res, err := c.Post(url+"/keys/verify", "application/json", strings.NewReader(question))
		if err != nil {
			return nil, err
		}
		defer res.Body.Close()
		raw, err := io.ReadAll(res.Body)
		if err == nil && (res.StatusCode != http.StatusOK || url == w.URL && !strings.Contains(string(raw), `"active":true`)) {
			err = fmt.Errorf("%d %s", res.StatusCode, raw)
		}
		return raw, err
	}
	var err error
	if bytes, err = ask(w.URL); err != nil {
		b.Fatal(err)
	}
	var door, reference cost
	b.ResetTimer()
	const round = 2000 // in turns, so that both see the same neighbours
	for from := 0; from < b.N; from += round {
		n := min(round, b.N-from)
		door.add(share(b, n, func(int) error { _, err := ask(w.URL); return err }))
		reference.add(share(b, n, func(int) error { _, err := ask(bare.URL); return err }))
	}
	b.ReportMetric(float64(b.N)/door.clock.Seconds(), "checks/s")
	b.ReportMetric(reference.clock.Seconds()/door.clock.Seconds(), "x-bare")
	b.ReportMetric(reference.processor.Seconds()/door.processor.Seconds(), "x-bare-cpu")
}

type memberOf struct {
	user   account.UserID
	secret account.Secret
}

func memberKey(b *testing.B, w *world.World, n int) memberOf {
	b.Helper()
	l, ctx := w.House.Ledger, b.Context()
	a, _, err := l.OrgByName(ctx, world.Operator, "acme")
	if err != nil {
		if a, _, err = l.CreateAccount(ctx, world.Operator, "acme", "acme", "", account.Enterprise); err != nil {
			b.Fatal(err)
		}
	}
	u, err := l.AddPerson(ctx, world.Operator, a.ID, fmt.Sprintf("p%d@acme.example", n), "", account.Member)
	if err != nil {
		b.Fatal(err)
	}
	_, secret, err := l.MintKey(ctx, account.Actor{Kind: account.ActorUser, User: u.ID}, a.ID, "ci", 0)
	if err != nil {
		b.Fatal(err)
	}
	return memberOf{u.ID, secret}
}

// A removal, from the call to its answer: when it is in force on every replica.
func BenchmarkRemoval(b *testing.B) {
	removals := func(b *testing.B, database string, others int) {
		w := world.New(b, database)
		for range others {
			h, err := house.New(b.Context(), w.Cfg, house.Tools{Now: w.Clock.Now})
			if err != nil {
				b.Fatal(err)
			}
			ctx, cancel := context.WithCancel(b.Context())
			done := make(chan error, 1)
			go func() { done <- h.Ledger.Work(ctx) }()
			b.Cleanup(func() { cancel(); <-done; h.Close() })
			for held := false; !held; held, _ = h.Ledger.Lease() {
				time.Sleep(time.Millisecond)
			}
		}
		people := make([]memberOf, b.N)
		for i := range people {
			people[i] = memberKey(b, w, i)
		}
		took := make([]time.Duration, b.N)
		b.ResetTimer()
		for i, p := range people {
			began := time.Now()
			if err := w.House.Ledger.SetUserState(b.Context(), world.Operator, p.user, account.UserDisabled); err != nil {
				b.Fatal(err)
			}
			took[i] = time.Since(began)
		}
		slices.Sort(took)
		b.ReportMetric(took[b.N/2].Seconds()*1000, "p50-ms")
		b.ReportMetric(took[b.N*99/100].Seconds()*1000, "p99-ms")
	}
	b.Run("sqlite", func(b *testing.B) { removals(b, "sqlite:"+filepath.Join(b.TempDir(), "house.db"), 0) })
	b.Run("postgres-3", func(b *testing.B) {
		if os.Getenv(pg.Env) == "" {
			b.Skip("no PostgreSQL")
		}
		removals(b, pg.URL(b), 2)
	})
}
