package test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/drawbridge-id/drawbridge/account"
	"github.com/drawbridge-id/drawbridge/cmd/drawbridge/house"
	"github.com/drawbridge-id/drawbridge/config"
	"github.com/drawbridge-id/drawbridge/store"
	"github.com/drawbridge-id/drawbridge/test/freeze"
	"github.com/drawbridge-id/drawbridge/test/pg"
	"github.com/drawbridge-id/drawbridge/test/world"
)

// replicas are three daemons on one PostgreSQL: the first is stopped and continued, the second killed and started, the third is cut off
// from the database. Whoever removes people is a fourth process, which answers no checks.
type replicas struct {
	*testing.T
	sh      *shell
	base    []string
	daemons [3]*daemon
	net     *freeze.Proxy
	by      *store.Ledger
	acme    account.Account
	client  *http.Client

	mu      sync.Mutex
	dead    map[string]time.Time // keys whose removal was answered, and when
	asked   sync.WaitGroup
	answers [3]atomic.Int64 // good, bad, unknown
}

func newReplicas(t *testing.T) *replicas {
	t.Helper()
	db := pg.URL(t)
	r := &replicas{T: t, sh: newShell(t), dead: map[string]time.Time{}, client: &http.Client{Timeout: 20 * time.Second}}
	r.sh.run("drawbridge init house --public-url http://127.0.0.1:1 --database " + db).exits(0)
	r.base = []string{"DRAWBRIDGE_OPERATOR_LISTEN=", "DRAWBRIDGE_LOG_LEVEL=warn", "DRAWBRIDGE_CONFIG=" + filepath.Join(r.sh.dir, "house", "drawbridge.yaml")}
	cfg, err := config.Load(filepath.Join(r.sh.dir, "house", "drawbridge.yaml"), []string{"DRAWBRIDGE_DATABASE=" + db})
	r.ok(err)
	r.by, err = house.OpenLedger(t.Context(), cfg, house.Tools{})
	r.ok(err)
	t.Cleanup(func() { r.by.Close() })
	r.acme, _, err = r.by.CreateAccount(t.Context(), world.Operator, "acme", "acme", "", account.Enterprise)
	r.ok(err)
	var cut string
	r.net, cut = freeze.InFrontOf(t, db)
	for i := range r.daemons {
		through := db
		if i == 2 {
			through = cut
		}
		r.start(i, freeAddress(t), through)
	}
	return r
}

func (r *replicas) ok(err error) {
	r.Helper()
	if err != nil {
		r.Fatal(err)
	}
}

func (r *replicas) start(i int, address, db string) {
	r.Helper()
	r.sh.env = append(slices.Clone(r.base), "DRAWBRIDGE_LISTEN="+address, "DRAWBRIDGE_PUBLIC_URL=http://"+address, "DRAWBRIDGE_DATABASE="+db)
	r.daemons[i] = r.sh.serve()
}

// restart kills the second and starts it again at the same place.
func (r *replicas) restart() {
	r.Helper()
	address := strings.TrimPrefix(r.daemons[1].url, "http://")
	r.daemons[1].kill()
	var db string
	for _, e := range r.daemons[1].cmd.Env {
		if v, ok := strings.CutPrefix(e, "DRAWBRIDGE_DATABASE="); ok {
			db = v
		}
	}
	r.start(1, address, db)
}

func (r *replicas) signal(s syscall.Signal) {
	r.Helper()
	r.ok(r.daemons[0].cmd.Process.Signal(s))
}

// mint gives a new person a key.
func (r *replicas) mint(n int) (account.UserID, account.KeyID, string) {
	r.Helper()
	u, err := r.by.AddPerson(r.Context(), world.Operator, r.acme.ID, fmt.Sprintf("p%d@acme.example", n), "", account.Member)
	r.ok(err)
	k, secret, err := r.by.MintKey(r.Context(), account.Actor{Kind: account.ActorUser, User: u.ID}, r.acme.ID, "ci", 0)
	r.ok(err)
	return u.ID, k.ID, secret.Reveal()
}

// verify asks a replica about a key. It is an error when it accepts one whose removal was answered before it was asked.
func (r *replicas) verify(i int, key string) (active, known bool) {
	r.mu.Lock()
	died, dead := r.dead[key]
	r.mu.Unlock()
	began := time.Now()
	body, _ := json.Marshal(map[string]string{"key": key}) // two strings
	res, err := r.client.Post(r.daemons[i].url+"/keys/verify", "application/json", bytes.NewReader(body))
	if err != nil {
		r.answers[2].Add(1)
		return false, false
	}
	defer res.Body.Close()
	raw, err := io.ReadAll(res.Body)
	var v struct{ Active bool }
	if err != nil || res.StatusCode != http.StatusOK || json.Unmarshal(raw, &v) != nil {
		if err == nil && (res.StatusCode != http.StatusServiceUnavailable || res.Header.Get("Retry-After") == "") {
			r.Errorf("replica %d answers a check with %d %s", i, res.StatusCode, raw)
		}
		r.answers[2].Add(1)
		return false, false
	}
	if v.Active {
		r.answers[0].Add(1)
	} else {
		r.answers[1].Add(1)
	}
	if v.Active && dead && began.After(died) {
		r.Errorf("replica %d accepts a key %v after its removal was answered", i, began.Sub(died))
	}
	return v.Active, true
}

// removes has a removal answered, and notes when.
func (r *replicas) removes(key string, do func(context.Context) error) {
	r.Helper()
	r.ok(do(r.Context()))
	r.mu.Lock()
	r.dead[key] = time.Now()
	r.mu.Unlock()
}

// recovers waits until a replica answers about a good key again.
func (r *replicas) recovers(i int, key string) {
	r.Helper()
	for end := time.Now().Add(time.Minute); ; time.Sleep(5 * time.Millisecond) {
		if active, _ := r.verify(i, key); active {
			return
		}
		if time.Now().After(end) {
			r.Fatalf("replica %d did not go on by itself", i)
		}
	}
}

// 6: a process that is stopped while somebody is removed, and continued afterwards, does not go by what it knew.
//
// REQ M-01~, T-13~
func TestAStoppedProcessWakesUpAndAcceptsNothingThatEnded(t *testing.T) {
	r := newReplicas(t)
	_, _, good := r.mint(0)
	for i := range r.daemons {
		r.recovers(i, good)
	}
	u, _, key := r.mint(1)
	for i := range r.daemons {
		if active, _ := r.verify(i, key); !active {
			t.Fatalf("replica %d refuses a good key", i)
		}
	}
	r.signal(syscall.SIGSTOP)
	r.removes(key, func(ctx context.Context) error {
		return r.by.SetUserState(ctx, world.Operator, u, account.UserDisabled)
	})
	for range 8 { // wait in its socket until it is continued
		r.asked.Go(func() { r.verify(0, key) })
	}
	r.signal(syscall.SIGCONT)
	r.asked.Wait()
	r.restart()
	for i := range r.daemons {
		r.recovers(i, good)
		if active, known := r.verify(i, key); active || !known {
			t.Errorf("replica %d: active %v, known %v", i, active, known)
		}
	}
}

// Three replicas of which one is stopped, one killed and one cut off at any moment: whatever happens in whatever order, no replica accepts a
// credential once its removal was answered, and all good ones work where nothing is wrong. The model is a set of keys.
//
// REQ M-01~, T-13~
func TestNoOrderOfEventsLetsARemovedKeyIn(t *testing.T) {
	r := newReplicas(t)
	_, _, always := r.mint(0)
	budget := 40 * time.Second
	if testing.Short() {
		budget = 8 * time.Second
	}
	began, people, removals := time.Now(), 1, 0
	rapid.Check(t, func(rt *rapid.T) {
		if time.Since(began) > budget || t.Failed() {
			return
		}
		type held struct {
			user account.UserID
			id   account.KeyID
			key  string
		}
		var alive, gone []held
		stopped, cut := false, false
		r.signal(syscall.SIGCONT)
		r.net.Thaw()
		for i := range r.daemons {
			r.recovers(i, always)
		}
		one := func(all *[]held) held { return rapid.SampledFrom(*all).Draw(rt, "key") }
		mint := func(*rapid.T) {
			u, id, key := r.mint(people)
			people++
			alive = append(alive, held{u, id, key})
		}
		mint(rt)
		remove := func(how func(context.Context, held) error) func(*rapid.T) {
			return func(*rapid.T) {
				if len(alive) == 0 {
					return
				}
				h := one(&alive)
				r.removes(h.key, func(ctx context.Context) error { return how(ctx, h) })
				removals++
				alive = slices.DeleteFunc(alive, func(o held) bool { return o.key == h.key })
				gone = append(gone, h)
				for i := range r.daemons {
					if i == 0 && stopped || i == 2 && cut {
						r.asked.Go(func() { r.verify(i, h.key) })
						continue
					}
					r.verify(i, h.key)
				}
			}
		}
		rt.Repeat(map[string]func(*rapid.T){
			"mint": mint,
			"check": func(*rapid.T) {
				if len(alive) == 0 {
					return
				}
				h := one(&alive)
				for i := range r.daemons {
					if i == 0 && stopped || i == 2 && cut {
						continue
					}
					if active, known := r.verify(i, h.key); known && !active {
						rt.Fatalf("replica %d refuses a good key", i)
					}
				}
			},
			"check what is gone": func(*rapid.T) {
				if len(gone) > 0 {
					h, i := one(&gone), rapid.IntRange(0, 2).Draw(rt, "replica")
					r.asked.Go(func() { r.verify(i, h.key) })
				}
			},
			"disable": remove(func(ctx context.Context, h held) error {
				return r.by.SetUserState(ctx, world.Operator, h.user, account.UserDisabled)
			}),
			"remove": remove(func(ctx context.Context, h held) error {
				_, err := r.by.RemoveFromAccount(ctx, world.Operator, r.acme.ID, h.user)
				return err
			}),
			"revoke": remove(func(ctx context.Context, h held) error {
				_, err := r.by.RevokeKey(ctx, world.Operator, r.acme.ID, h.id)
				return err
			}),
			"stop":        func(*rapid.T) { r.signal(syscall.SIGSTOP); stopped = true },
			"continue":    func(*rapid.T) { r.signal(syscall.SIGCONT); stopped = false },
			"cut off":     func(*rapid.T) { r.net.Freeze(); cut = true },
			"mend":        func(*rapid.T) { r.net.Thaw(); cut = false },
			"kill, start": func(*rapid.T) { r.restart() },
		})
	})
	r.signal(syscall.SIGCONT)
	r.net.Thaw()
	r.asked.Wait()
	t.Logf("%d removals among %d people: %d checks were good, %d not, %d without an answer", removals, people, r.answers[0].Load(), r.answers[1].Load(), r.answers[2].Load())
	if removals == 0 {
		t.Error("nobody was removed")
	}
}
