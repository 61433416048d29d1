package test

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/url"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/drawbridge-id/drawbridge/account"
	"github.com/drawbridge-id/drawbridge/cmd/drawbridge/house"
	"github.com/drawbridge-id/drawbridge/config"
	"github.com/drawbridge-id/drawbridge/test/drive"
	"github.com/drawbridge-id/drawbridge/test/pg"
	"github.com/drawbridge-id/drawbridge/test/world"
)

// long has the crash stories go on for hundreds of rounds (make test-long).
var long = flag.Bool("long", false, "hundreds of rounds where a few are usual")

// A standing is what a provider has made of one person.
type standing struct {
	There, Active, Member bool
	Name                  string
}

// A soul is one pushed person and what is known of them: how the last acknowledged request left them, and how the one would that was under
// way when the daemon was killed. Of these two the ledger has one, and nothing in between.
type soul struct {
	email, id string
	is        standing
	would     *standing
	in        *drive.Driver // signed in; nil: never
	out       bool          // a removal was acknowledged since
}

// A crashSite is a company whose provider pushes and whose people sign in while the daemon is killed.
type crashSite struct {
	*gate
	push  *pusher
	http  *http.Client
	group string
	mu    sync.Mutex
	souls []*soul
	acked *atomic.Int64
}

// DESIGN promises 1, 2 and 3, for what identity providers push: what was acknowledged is there after kill -9, nothing is half done, and no
// session lives on whose end was acknowledged.
func TestKillingTheDaemonDuringProvisioning(t *testing.T) {
	if testing.Short() {
		t.Skip("kills daemons under load; runs without -short")
	}
	t.Run("sqlite", func(t *testing.T) { killedWhilePushing(t, "") })
	t.Run("postgres", func(t *testing.T) { killedWhilePushing(t, pg.URL(t)) })
}

func killedWhilePushing(t *testing.T, database string) {
	sh := newShell(t)
	address := freeAddress(t)
	at := "http://" + address
	sh.env = append(sh.env, "DRAWBRIDGE_OPERATOR_LISTEN=", "DRAWBRIDGE_EGRESS_ALLOW=localhost,127.0.0.1", "DRAWBRIDGE_SIGN_IN_RATE=10000", "DRAWBRIDGE_SIGN_IN_BURST=100000",
		"DRAWBRIDGE_SCIM_RATE=100000", "DRAWBRIDGE_SCIM_BURST=100000")
	line := "drawbridge init house --public-url " + at + " --listen " + address
	if database != "" {
		line += " --database " + database
		sh.env = append(sh.env, "DRAWBRIDGE_DATABASE="+database)
	}
	sh.run(line).exits(0)
	sh.env = append(sh.env, "DRAWBRIDGE_CONFIG="+filepath.Join(sh.dir, "house", "drawbridge.yaml"))
	var acked atomic.Int64
	sites := crashSites(t, sh, at, &acked)
	seed := uint64(time.Now().UnixNano())
	r := rand.New(rand.NewPCG(seed, 1))
	rounds := 3
	if *long {
		rounds = 150
	}
	d := sh.serve()
	for _, s := range sites {
		s.group = s.push.send("POST", "/Groups", aGroup("Staff")).is(201).text("id")
	}
	for round := range rounds {
		acked.Store(0)
		enough, then := int64(5+r.IntN(60)), time.Duration(r.IntN(15_000))*time.Microsecond
		ctx, stop := context.WithTimeout(t.Context(), time.Minute)
		var wg sync.WaitGroup
		for i, s := range sites {
			for n := range 4 {
				own := rand.New(rand.NewPCG(seed, uint64(1000*round+10*i+n+2)))
				wg.Go(func() { s.work(ctx, t, at, own, n == 0, func() bool { return acked.Load() >= enough }) })
			}
		}
		for acked.Load() < enough && ctx.Err() == nil && !t.Failed() {
			time.Sleep(time.Millisecond)
		}
		time.Sleep(then) // anywhere in what comes next
		d.kill()
		stop()
		wg.Wait()
		if n := acked.Load(); n < enough {
			t.Fatalf("round %d (seed %d): only %d requests were acknowledged:\n%s", round, seed, n, d.log.String())
		}
		d = sh.serve()
		for _, s := range sites {
			s.settled(t, at)
		}
		sh.run("drawbridge check").exits(0).says("checked")
		if t.Failed() {
			t.Fatalf("round %d, seed %d", round, seed)
		}
		if round%10 == 9 {
			t.Logf("%d rounds", round+1)
		}
	}
	people, shut := 0, 0
	for _, s := range sites {
		for _, one := range s.souls {
			people++
			if one.in != nil && one.out {
				shut++
			}
		}
	}
	t.Logf("%d rounds, %d people, %d of them signed in and shut out", rounds, people, shut)
	if shut == 0 {
		t.Error("nobody who had signed in was shut out")
	}
	if code := d.stop(); code != 0 {
		t.Errorf("the daemon ended with %d:\n%s", code, d.log.String())
	}
}

// crashSites are two companies with tokens for their providers, and no breaker: half of their people leave at once.
func crashSites(t *testing.T, sh *shell, at string, acked *atomic.Int64) []*crashSite {
	t.Helper()
	gates := openGates(t, sh, providers(t), 2)
	cfg, err := config.Load(filepath.Join(sh.dir, "house", "drawbridge.yaml"), sh.env)
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range []*string{&cfg.Keyring, &cfg.Database} {
		if file, sqlite := strings.CutPrefix(*path, "sqlite:"); !strings.Contains(file, "://") && !filepath.IsAbs(file) {
			*path = filepath.Join(sh.dir, "house", file)
			if sqlite {
				*path = "sqlite:" + *path
			}
		}
	}
	l, err := house.OpenLedger(t.Context(), cfg, house.Tools{})
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	var out []*crashSite
	for _, g := range gates {
		c := account.ConnectionID(g.conn.ID)
		if _, err := l.SetBreaker(t.Context(), world.Operator, g.conn.ID, account.Breaker{Off: true, Share: 100, Within: time.Minute, Least: 1000}); err != nil {
			t.Fatal(err)
		}
		_, token, err := l.MintSCIMToken(t.Context(), world.Operator, c, time.Hour)
		if err != nil {
			t.Fatal(err)
		}
		p := &pusher{World: &world.World{TB: t, URL: at}, base: at + "/scim/" + g.conn.ID + "/v2", token: token.Reveal(), vars: map[string]string{}}
		out = append(out, &crashSite{gate: g, push: p, http: &http.Client{Timeout: 20 * time.Second, Transport: &http.Transport{MaxIdleConnsPerHost: 8}}, acked: acked})
	}
	return out
}

// work pushes people and changes them until the daemon is gone; one of the workers of a company has its people sign in first. Before the
// kill nothing may go wrong.
func (s *crashSite) work(ctx context.Context, t *testing.T, at string, r *rand.Rand, signs bool, over func() bool) {
	gone := func(what string, err error) {
		if !over() && ctx.Err() == nil {
			t.Errorf("%s: %v", what, err)
		}
	}
	for n := 0; ctx.Err() == nil; n++ {
		one := &soul{email: fmt.Sprintf("q%d@%s.example", r.Uint64(), s.conn.Account)}
		if signs {
			a, err := s.arrive(ctx, at)
			if err != nil || !a.in {
				gone("a sign-in", err)
				return
			}
			one.email, one.in = a.user, a.browser
			s.acked.Add(1)
		}
		s.mu.Lock()
		s.souls = append(s.souls, one)
		s.mu.Unlock()
		steps := []func(*soul) error{s.create}
		if signs {
			steps = append(steps, s.deactivate)
		}
		for range 1 + r.IntN(4) {
			steps = append(steps, []func(*soul) error{s.rename, s.join, s.leave, s.deactivate, s.reactivate}[r.IntN(5)])
		}
		if r.IntN(3) > 0 {
			steps = append(steps, s.deactivate)
		}
		if r.IntN(2) > 0 {
			steps = append(steps, s.remove)
		}
		for _, step := range steps {
			if err := step(one); err != nil {
				gone(one.email, err)
				return
			}
			s.acked.Add(1)
		}
	}
}

// change makes one request that is to leave a person in a standing.
func (s *crashSite) change(one *soul, to standing, method, path string, body any, want int) error {
	one.would = &to
	if err := s.push.ask(s.http, method, path, body, want); err != nil {
		return err
	}
	if one.is.Active && !to.Active {
		one.out = true
	}
	one.is, one.would = to, nil
	return nil
}

func (s *crashSite) create(one *soul) error {
	one.would = &standing{There: true, Active: true, Name: "Somebody"}
	id, err := s.made(one)
	if err == nil {
		one.id, one.is, one.would = id, *one.would, nil
	}
	return err
}

func (s *crashSite) made(one *soul) (string, error) {
	raw, err := json.Marshal(aUser(one.email, "ext-"+one.email))
	if err != nil {
		return "", err
	}
	r, err := http.NewRequest("POST", s.push.base+"/Users", strings.NewReader(string(raw)))
	if err != nil {
		return "", err
	}
	r.Header.Set("Authorization", "Bearer "+s.push.token)
	resp, err := s.http.Do(r)
	if err != nil {
		return "", err
	}
	defer resp.Body.Close()
	var answer struct{ ID string }
	if err := json.NewDecoder(resp.Body).Decode(&answer); err != nil || resp.StatusCode != 201 {
		return "", errors.Join(err, fmt.Errorf("a creation is answered %s", resp.Status))
	}
	return answer.ID, nil
}

func (s *crashSite) patch(one *soul, to standing, operation map[string]any) error {
	return s.change(one, to, "PATCH", "/Users/"+one.id, patch(operation), http.StatusOK)
}

func (s *crashSite) rename(one *soul) error {
	to := one.is
	to.Name = fmt.Sprint("Name ", rand.Uint64())
	return s.patch(one, to, op("replace", "displayName", to.Name))
}

func (s *crashSite) deactivate(one *soul) error {
	to := one.is
	to.Active = false
	return s.patch(one, to, op("replace", "", map[string]any{"active": false}))
}

func (s *crashSite) reactivate(one *soul) error {
	to := one.is
	to.Active = true
	return s.patch(one, to, op("Replace", "active", "True"))
}

func (s *crashSite) moveTo(one *soul, member bool, word string) error {
	to := one.is
	to.Member = member
	return s.change(one, to, "PATCH", "/Groups/"+s.group, patch(op(word, "members", []any{map[string]any{"value": one.id}})), http.StatusNoContent)
}

func (s *crashSite) join(one *soul) error  { return s.moveTo(one, true, "add") }
func (s *crashSite) leave(one *soul) error { return s.moveTo(one, false, "remove") }

func (s *crashSite) remove(one *soul) error {
	return s.change(one, standing{}, "DELETE", "/Users/"+one.id, nil, http.StatusNoContent)
}

// settled compares everybody with what is known of them. What was in doubt is known from then on.
func (s *crashSite) settled(t *testing.T, at string) {
	t.Helper()
	s.http.CloseIdleConnections()
	members := map[string]bool{}
	list, _ := s.push.send("GET", "/Groups/"+s.group, nil).is(200).at("members").([]any)
	for _, m := range list {
		members[fmt.Sprint(lookUp(m, "value"))] = true
	}
	for _, one := range s.souls {
		if one.would == nil && one.is == (standing{}) && one.in == nil {
			continue // gone for good
		}
		found := s.push.send("GET", "/Users?filter="+url.QueryEscape(fmt.Sprintf(`userName eq "%s"`, one.email)), nil).is(200)
		var now standing
		if found.at("totalResults") == 1.0 {
			id := found.text("Resources.0.id")
			name, _ := found.at("Resources.0.displayName").(string)
			now = standing{There: true, Active: found.at("Resources.0.active") == true, Member: members[id], Name: name}
			if one.id == "" {
				one.id = id
			}
			if groups, _ := found.at("Resources.0.groups").([]any); len(groups) > 0 != now.Member {
				t.Errorf("%s is shown in %d groups, and the group says %v", one.email, len(groups), now.Member)
			}
		}
		if now != one.is && (one.would == nil || now != *one.would) {
			t.Errorf("%s is %+v, was acknowledged as %+v, and %+v was under way", one.email, now, one.is, one.would)
		}
		if one.is.Active && !now.Active {
			one.out = true
		}
		one.is, one.would = now, nil
		if one.in == nil {
			continue
		}
		status, _, _ := whoami(t, at, one.in)
		if want := map[bool]int{false: http.StatusOK, true: http.StatusUnauthorized}[one.out]; status != want {
			t.Errorf("the session of %s, who is %+v and was shut out: %v, is answered %d", one.email, now, one.out, status)
		}
	}
}
