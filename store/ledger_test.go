package store

import (
	"bytes"
	"context"
	"errors"
	"os"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/drawbridge-id/drawbridge/account"
	"github.com/drawbridge-id/drawbridge/store/internal/table"
	"github.com/drawbridge-id/drawbridge/test/pg"
)

// THREAT SEC-2
func TestALostKeyringIsNoticedAtStart(t *testing.T) {
	each(t, func(h *house) {
		other, err := NewKeyring()
		h.ok(err)
		_, err = Open(h.ctx(), Options{URL: h.url, Keyring: other, Catalogue: catalogue})
		h.refuses(err, account.Unavailable, "keyring_mismatch")
		_, err = Open(h.ctx(), Options{URL: h.url, Catalogue: catalogue})
		h.refuses(err, account.Invalid, "")
		_, err = ReadKeyring(strings.NewReader(`{"primaryKeyId":1}`))
		h.refuses(err, account.Invalid, "")
	})
}

// THREAT SEC-1 SEC-2
func TestEverythingIsSealedAnewUnderANewKey(t *testing.T) {
	each(t, func(h *house) {
		ring, err := NewKeyring()
		h.ok(err)
		h.Ledger.Close()
		h.url = freshURL(t, h.url)
		open := func(k *Keyring) *Ledger {
			l, err := Open(h.ctx(), Options{URL: h.url, Keyring: k, Catalogue: catalogue, Now: h.clock.now})
			h.ok(err)
			t.Cleanup(func() { l.Close() })
			return l
		}
		h.Ledger = open(ring)
		h.acme, h.org, err = h.CreateAccount(h.ctx(), theOperator, "acme", "acme", "", account.Enterprise)
		h.ok(err)
		c := h.connect("idp", oidcSettings())
		h.proves(h.acme.ID, "acme.example")
		f, err := h.StartFlow(h.ctx(), account.Flow{Connection: c.ID, Which: account.Live, Verifier: account.NewSecret("pkce")})
		h.ok(err)
		login := h.login(c, "ana", "ana@acme.example")
		login.IDToken = account.NewSecret("id.token")
		in := h.signedIn(login)

		h.ok(ring.Rotate())
		n, err := h.Reseal(h.ctx(), theOperator)
		h.ok(err)
		if n != 4 { // client secret, our private key, verifier, id token
			h.Errorf("%d rows sealed anew, want 4", n)
		}
		if again, err := h.Reseal(h.ctx(), theOperator); err != nil || again != 0 {
			h.Errorf("a second run rewrote %d: %v", again, err)
		}
		h.ok(ring.Forget())
		var file bytes.Buffer
		h.ok(ring.Write(&file))
		kept, err := ReadKeyring(&file)
		h.ok(err)
		l := open(kept)
		got, err := l.Connection(h.ctx(), c.ID)
		h.ok(err)
		if got.Live.OIDC.ClientSecret.Reveal() != "s3cret-client" {
			h.Error("the client secret is gone")
		}
		h.ok(last(l.SPKeys(h.ctx(), c.ID)))
		if g, err := l.Flow(h.ctx(), c.ID, f.Handle, "", f.Browser); err != nil || g.Verifier.Reveal() != "pkce" {
			h.Errorf("%v", err)
		}
		if out, err := l.SignOut(h.ctx(), account.Actor{}, in.Session.Token); err != nil || out.IDToken.Reveal() != "id.token" {
			h.Errorf("%v", err)
		}
		h.refuses(last(l.Reseal(h.ctx(), asUser(in.User))), account.Forbidden, "")
	})
}

func freshURL(t *testing.T, like string) string {
	if strings.HasPrefix(like, "sqlite:") {
		return "sqlite:" + t.TempDir() + "/fresh.db"
	}
	return pg.URL(t)
}

func TestReplicasThatStartAtOnceMigrateOnce(t *testing.T) {
	for name, url := range map[string]func(*testing.T) string{
		"sqlite":   func(t *testing.T) string { return "sqlite:" + t.TempDir() + "/new.db" },
		"postgres": func(t *testing.T) string { return pg.URL(t) },
	} {
		t.Run(name, func(t *testing.T) {
			k, err := sharedKeyring()
			if err != nil {
				t.Fatal(err)
			}
			at := url(t)
			errs := together(4, func(int) error {
				l, err := Open(context.Background(), Options{URL: at, Keyring: k, Catalogue: catalogue})
				if err == nil {
					err = errors.Join(l.Ready(context.Background()), l.Close())
				}
				return err
			})
			if countNil(errs) != 4 {
				t.Error(errs)
			}
		})
	}
}

func TestADatabaseFileIsReadableByItsOwnerOnly(t *testing.T) {
	h := newHouse(t, "sqlite:"+t.TempDir()+"/house.db")
	for _, suffix := range []string{"", "-wal", "-shm"} {
		info, err := os.Stat(strings.TrimPrefix(h.url, "sqlite:") + suffix)
		h.ok(err)
		if info.Mode().Perm() != 0o600 {
			t.Errorf("%s has mode %v", info.Name(), info.Mode())
		}
	}
}

// THREAT SES-1 SAML-R4
func TestWhatHasRunOutIsPurged(t *testing.T) {
	each(t, func(h *house) {
		c := h.ruled()
		in := h.signedIn(h.login(c, "ana", "ana@acme.example"))
		h.ok(last(h.StartFlow(h.ctx(), account.Flow{Connection: c.ID, Which: account.Live, RequestID: "_left-behind"})))
		h.clock.turn(time.Hour)
		h.ok(h.purge(h.ctx()))
		h.ok(last(h.Presence(h.ctx(), in.Session.Token)))
		if strings.Contains(h.dump(), "_left-behind") {
			h.Error("a flow that ran out is still there")
		}
		h.clock.turn(31 * 24 * time.Hour)
		h.ok(h.purge(h.ctx()))
		dump := h.dump()
		if strings.Contains(dump, string(in.Session.ID)+"|") {
			h.Error("a session that ran out is still there")
		}
		if dx, err := h.Diagnoses(h.ctx(), theOperator, c.ID, 10); err != nil || len(dx) != 0 {
			h.Errorf("%d diagnoses, %v", len(dx), err)
		}
		h.auditHas(h.acme.ID, "user.signed_in", "done") // stays
	})
}

func TestARecurringTaskRunsOnOneReplicaAndAgainAfterItFailed(t *testing.T) {
	each(t, func(h *house) {
		replica := h.reopen()
		var runs atomic.Int32
		task := Task{Name: "refresh", Every: time.Hour, Run: func(context.Context) error {
			if runs.Add(1) == 1 {
				return errors.New("the provider does not answer")
			}
			return nil
		}}
		h.ok(h.db.Write(h.ctx(), func(tx *table.Tx) error { return tx.EnsureJob(task.Name, h.clock.now()) }))
		round := func(want int32, advance time.Duration) {
			h.Helper()
			h.clock.turn(advance)
			together(8, func(i int) error { []*Ledger{h.Ledger, replica}[i%2].runIfDue(h.ctx(), task); return nil })
			if runs.Load() != want {
				h.Fatalf("%d runs after %s, want %d", runs.Load(), advance, want)
			}
		}
		round(1, 0)
		round(1, 10*time.Second)
		round(2, 10*time.Second) // tried again sooner than in an hour
		round(2, 59*time.Minute)
		round(3, 2*time.Minute)
		var job table.Job
		h.ok(h.db.Read(h.ctx(), func(tx *table.Tx) (err error) { job, _, err = tx.Job(task.Name); return err }))
		if job.Attempts != 0 || job.LastError != "" || job.DoneAt.IsZero() || !job.LeaseUntil.IsZero() {
			h.Errorf("%+v", job)
		}
	})
}

func TestWorkEndsWithItsContextAndPanicsStayInTheirTask(t *testing.T) {
	h := newHouse(t, "sqlite:"+t.TempDir()+"/house.db")
	ctx, stop := context.WithCancel(h.ctx())
	ran, done := make(chan struct{}), make(chan error, 1)
	go func() {
		done <- h.Work(ctx,
			Task{Name: "defect", Every: time.Hour, Run: func(context.Context) error { panic("a defect") }},
			Task{Name: "slow", Every: time.Hour, Run: func(ctx context.Context) error { close(ran); <-ctx.Done(); return ctx.Err() }})
	}()
	<-ran
	stop()
	h.ok(<-done)
	var slow table.Job
	h.ok(h.db.Read(h.ctx(), func(tx *table.Tx) (err error) { slow, _, err = tx.Job("slow"); return err }))
	if slow.Attempts != 0 || !slow.LeaseUntil.IsZero() || slow.DueAt.After(h.clock.now()) {
		t.Errorf("a task that was stopped is due at once: %+v", slow)
	}
}
