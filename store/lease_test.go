package store

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/drawbridge-id/drawbridge/account"
	"github.com/drawbridge-id/drawbridge/directory"
	"github.com/drawbridge-id/drawbridge/store/internal/table"
	"github.com/drawbridge-id/drawbridge/test/freeze"
	"github.com/drawbridge-id/drawbridge/test/fresh"
)

// A peer is another process that serves: a ledger of its own on the same database, that holds a lease.
type peer struct {
	*Ledger
	stop func()
}

// peerAt opens a ledger and lets it work for a lease; set may change it before.
func (h *house) peerAt(url string, o Options, set func(*Ledger)) *peer {
	h.Helper()
	k, err := sharedKeyring()
	h.ok(err)
	o.URL, o.Keyring, o.Catalogue, o.Now = url, k, catalogue, h.clock.now
	l, err := Open(h.ctx(), o)
	h.ok(err)
	h.Cleanup(func() { l.Close() })
	l.newKey = func(time.Time) (account.SPKey, error) { return sharedKey() }
	if set != nil {
		set(l)
	}
	p := &peer{Ledger: l}
	p.start(h)
	h.until("a lease is granted", func() bool { held, _ := l.Lease(); return held })
	return p
}

func (h *house) peer() *peer { h.Helper(); return h.peerAt(h.url, Options{}, nil) }

func (p *peer) start(h *house) {
	ctx, cancel := context.WithCancel(context.Background())
	var done sync.WaitGroup
	done.Go(func() { p.keepLease(ctx) })
	p.stop = func() { cancel(); done.Wait() }
	h.Cleanup(func() { p.stop() })
}

// until polls a condition, for at most half a minute.
func (h *house) until(what string, is func() bool) {
	h.Helper()
	for end := time.Now().Add(30 * time.Second); !is(); time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			h.Fatalf("waited in vain until %s", what)
		}
	}
}

// accepts is what a peer says about a key: true, false, or that it cannot know.
func (p *peer) accepts(h *house, key account.Secret) (good, known bool) {
	h.Helper()
	switch _, err := p.VerifyKey(h.ctx(), key); {
	case err == nil:
		return true, true
	case account.KindOf(err) == account.Unauthorized:
		return false, true
	case account.KindOf(err) == account.Unavailable:
		return false, false
	default:
		h.Errorf("a check is answered with %v", err)
		return false, false
	}
}

// warms makes a peer remember a key.
func (p *peer) warms(h *house, key account.Secret) {
	h.Helper()
	if good, _ := p.accepts(h, key); !good {
		h.Fatal("a good key is refused")
	}
	if _, ok := p.RecallKey(key); !ok {
		h.Fatal("a good key is not remembered")
	}
}

// someone is a fresh person of acme who has signed in, with a key.
func (h *house) someone(c account.Connection) (account.User, account.Secret) {
	h.Helper()
	name := "p" + fmt.Sprint(someoneNumber.Add(1))
	in := h.signedIn(h.login(c, name, name+"@acme.example", "eng"))
	return in.User, h.keyOf(in.User.ID, time.Time{})
}

var someoneNumber atomic.Int64

func onPostgres(t *testing.T) *house { return newHouse(t, fresh.Postgres(t)) }

// The rules of a lease, at instants that no network would deal out twice. docs/decisions/lease.md
func TestALeaseIsGrantedOnlyToWhomOthersWaitFor(t *testing.T) {
	start := time.Now()
	at := func(ms int) time.Time { return start.Add(time.Duration(ms) * time.Millisecond) }
	type refresh struct {
		sent, answered int
		news           table.News
		until          int // the lease that comes of it; 0: none
	}
	beat := table.News{Beat: true}
	for name, rows := range map[string][]refresh{
		"the first beat only registers":                         {{0, 5, beat, 0}, {6, 9, beat, 1006}, {250, 255, beat, 1250}},
		"the lease counts from before the asking":               {{0, 5, beat, 0}, {10, 900, beat, 1010}},
		"an answer after the lease only registers":              {{0, 5, beat, 0}, {10, 20, beat, 1010}, {260, 1011, beat, 0}, {1012, 1020, beat, 2012}},
		"a late answer within the time of the last beat counts": {{0, 5, beat, 0}, {10, 20, beat, 1010}, {260, 1009, beat, 1260}},
		"after a pause it begins anew":                          {{0, 5, beat, 0}, {10, 20, beat, 1010}, {9000, 9005, beat, 0}, {9006, 9007, beat, 10006}},
		"another history takes the lease":                       {{0, 5, beat, 0}, {10, 20, beat, 1010}, {30, 35, table.News{Beat: true, Missed: true}, 0}, {36, 38, beat, 0}, {39, 41, beat, 1039}},
		"a look that is no beat does not prolong":               {{0, 5, beat, 0}, {10, 20, beat, 1010}, {500, 510, table.News{}, 1010}},
	} {
		l := &lease{length: time.Second, window: time.Second}
		for i, r := range rows {
			l.answered(at(r.sent), at(r.answered), r.news)
			held := l.current.Load()
			if held == nil && r.until != 0 || held != nil && !held.until.Equal(at(r.until)) {
				t.Errorf("%s: after refresh %d the lease is %v, want until %d ms", name, i, held, r.until)
			}
		}
	}
	l := &lease{length: time.Second, window: 100 * time.Second} // a file, where a beat costs a sync
	l.answered(at(0), at(1), beat)
	l.answered(at(50_000), at(50_001), table.News{})
	if h := l.current.Load(); h == nil || !h.until.Equal(at(51_000)) {
		t.Errorf("a look long after the beat, within its time: %v", h)
	}
	h := &held{until: start.Add(time.Second)}
	if !h.at(start) || h.at(start.Add(time.Second)) || (*held)(nil).at(start) {
		t.Error("a lease holds until its end")
	}
}

// REVOCATION tests 1: nobody is told, and everybody hears of it all the same.
func TestRemovalsHoldWithEveryNotificationLost(t *testing.T) {
	h := onPostgres(t)
	c := h.connected()
	a, b := h.peer(), h.peerAt(h.url, Options{}, func(l *Ledger) { l.lease.deaf = true })
	for range 20 {
		u, key := h.someone(c)
		b.warms(h, key)
		began := time.Now()
		h.ok(a.SetUserState(h.ctx(), theOperator, u.ID, account.UserDisabled))
		if good, _ := b.accepts(h, key); good {
			t.Fatal("accepted after the removal was answered")
		}
		if took := time.Since(began); took > 5*time.Second {
			t.Errorf("took %v", took)
		}
	}
}

// 2 and 3: a replica whose database is out of reach accepts nothing once its lease has run out, says that it cannot know, and goes on by
// itself when the database is back. A late answer brings no lease.
//
// THREAT KEY-3
func TestAReplicaThatIsCutOffStopsAccepting(t *testing.T) {
	h := onPostgres(t)
	c := h.connected()
	net, url := freeze.InFrontOf(t, h.url)
	a, b := h.peer(), h.peerAt(url, Options{}, nil)
	for range 2 {
		u, key := h.someone(c)
		_, otherKey := h.someone(c)
		b.warms(h, key)
		b.warms(h, otherKey)
		net.Freeze()
		cut := time.Now()
		h.ok(a.SetUserState(h.ctx(), theOperator, u.ID, account.UserDisabled))
		if took := time.Since(cut); took < 300*time.Millisecond {
			t.Errorf("the removal was answered after %v, while the replica that is cut off may hold a lease", took)
		}
		if good, _ := b.accepts(h, key); good {
			t.Fatal("accepted after the removal was answered")
		}
		h.until("the lease has run out", func() bool { held, _ := b.Lease(); return !held })
		if good, known := b.accepts(h, otherKey); good || known {
			t.Errorf("cut off, it says good %v, known %v", good, known)
		}
		if account.KindOf(b.Ready(h.ctx())) != account.Unavailable {
			t.Error("a replica without a lease says that it is ready")
		}
		net.Thaw()
		h.until("it goes on by itself", func() bool { held, _ := b.Lease(); return held })
		if good, known := b.accepts(h, key); good || !known {
			t.Errorf("back again, it says of the dead key: good %v, known %v", good, known)
		}
		h.until("good keys are good again", func() bool { good, _ := b.accepts(h, otherKey); return good })
	}
}

// rounds is how often a race is tried.
func rounds(t *testing.T, n, short int) int {
	if testing.Short() {
		return short
	}
	if os.Getenv("DRAWBRIDGE_TEST_LONG") != "" {
		return 5000
	}
	return n
}

// 4 and 5: replicas join, lose their connection, forget and fill their memory while somebody is being removed. None accepts a check that
// begins after the removal was answered.
//
// REQ M-01~
func TestNoReplicaAcceptsAfterTheAnswerWhateverItWasDoing(t *testing.T) {
	h := onPostgres(t)
	c := h.connected()
	a := h.peer()
	replicas := []*peer{h.peer(), h.peerAt(h.url, Options{}, func(l *Ledger) { l.lease.deaf = true })}
	pool := replicas[0].db.SQL()
	for round := range rounds(t, 150, 25) {
		u, key := h.someone(c)
		var answered atomic.Int64 // nanoseconds since start; 0: not yet
		start := time.Now()
		var wg sync.WaitGroup
		for _, p := range replicas {
			wg.Go(func() {
				for after := 0; after < 20; {
					began, over := time.Since(start), answered.Load()
					if over != 0 {
						after++
					}
					if rand.IntN(4) == 0 {
						p.keys[rand.IntN(len(p.keys))].Purge() // what follows is a fill
						p.keys.shelf(sumOf(key)).Purge()
					}
					if good, _ := p.accepts(h, key); good && over != 0 && int64(began) > over {
						t.Errorf("round %d: accepted %v after the answer", round, began-time.Duration(over))
						return
					}
				}
			})
		}
		wg.Go(func() {
			switch rand.IntN(3) {
			case 0: // one wakes up, or joins, meanwhile
				replicas[round%2].stop()
				replicas[round%2].start(h)
			case 1: // one loses all its connections
				_, err := pool.ExecContext(h.ctx(), `SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE query LIKE '%revocation_log%' AND pid <> pg_backend_pid() AND datname = current_database()`)
				if err != nil && !errors.Is(err, context.Canceled) {
					t.Log(err)
				}
			}
		})
		h.until("the key works", func() bool { good, _ := replicas[0].accepts(h, key); return good })
		for {
			err := a.SetUserState(h.ctx(), theOperator, u.ID, account.UserDisabled)
			if err == nil {
				break
			}
			if account.KindOf(err) != account.Unavailable { // its own connection was among those
				t.Fatal(err)
			}
		}
		answered.Store(int64(time.Since(start)))
		wg.Wait()
		if t.Failed() {
			return
		}
	}
}

func sumOf(key account.Secret) (d digested) { copy(d[:], digest(key.Reveal())); return d }

// 7: connections that break are made anew, and another history of the database, as after a restored backup, takes all that was remembered.
func TestAnotherHistoryOfTheDatabaseForgetsEverything(t *testing.T) {
	each(t, func(h *house) {
		c := h.connected()
		p := h.peer()
		u, key := h.someone(c)
		p.warms(h, key)
		history := func(what string, statements ...string) {
			h.Helper()
			// Behind everybody's back, as a restore does it: the person is disabled, and no line of the log says so.
			h.ok(h.db.Write(h.ctx(), func(tx *table.Tx) error {
				for _, s := range append(statements, `UPDATE users SET state = 'disabled' WHERE id = '`+string(u.ID)+`'`) {
					if _, err := tx.SQL().Exec(s); err != nil {
						return err
					}
				}
				return nil
			}))
			h.until(what+" is noticed", func() bool { _, ok := p.RecallKey(key); return !ok })
			if good, known := p.accepts(h, key); good || !known {
				h.Errorf("%s: good %v, known %v", what, good, known)
			}
			h.ok(h.db.Write(h.ctx(), func(tx *table.Tx) error {
				_, err := tx.SQL().Exec(`UPDATE users SET state = 'active' WHERE id = '` + string(u.ID) + `'`)
				return err
			}))
			h.until("a lease is granted again", func() bool { held, _ := p.Lease(); return held })
			h.until("the key is good again", func() bool { good, _ := p.accepts(h, key); return good })
		}
		history("a smaller head", `DELETE FROM revocation_log WHERE rev = (SELECT rev FROM revocation_head)`, `UPDATE revocation_head SET rev = rev - 1`)
		history("another end", `UPDATE revocation_log SET nonce = 'other' WHERE rev = (SELECT rev FROM revocation_head)`)
		history("a gap", `UPDATE revocation_head SET rev = rev + 2`,
			`INSERT INTO revocation_log (rev, kind, target, nonce, at, writer) SELECT rev, 'user', 'x', 'n', 0, '' FROM revocation_head`)
	})
}

// A line for everything stands for more targets than are worth a line each, and for kinds that a later release has.
func TestManyTargetsAreEverything(t *testing.T) {
	h := newHouse(t, "sqlite:"+t.TempDir()+"/house.db")
	c := h.connected()
	_, key := h.someone(c)
	p := h.peer()
	p.warms(h, key)
	h.ok(h.db.Write(h.ctx(), func(tx *table.Tx) error {
		for i := range 300 {
			tx.Shut(table.OfUser(account.UserID(fmt.Sprint("usr_", i))))
		}
		return nil
	}))
	if _, ok := p.RecallKey(key); ok {
		t.Error("it is still remembered")
	}
	h.until("remembered again", func() bool { p.accepts(h, key); _, ok := p.RecallKey(key); return ok })
	h.ok(h.db.Write(h.ctx(), func(tx *table.Tx) error { tx.Shut(table.Target{Kind: "planet", ID: "earth"}); return nil }))
	if _, ok := p.RecallKey(key); ok {
		t.Error("what a later release shuts is still remembered")
	}
}

// A command works on the same SQLite file as the daemon: what it shuts is in force there before it says so.
func TestACommandBesideTheDaemonWaitsForIt(t *testing.T) {
	h := newHouse(t, "sqlite:"+t.TempDir()+"/house.db")
	c := h.connected()
	daemon := h.peer()
	for range 5 {
		u, key := h.someone(c)
		daemon.warms(h, key)
		h.ok(h.SetUserState(h.ctx(), theOperator, u.ID, account.UserDisabled)) // h answers no checks: it is the command
		if good, _ := daemon.accepts(h, key); good {
			t.Fatal("accepted after the command had answered")
		}
	}
	daemon.stop()
	u, _ := h.someone(c)
	began := time.Now()
	h.ok(h.SetUserState(h.ctx(), theOperator, u.ID, account.UserDisabled))
	if took := time.Since(began); took > 900*time.Millisecond {
		t.Errorf("the command waited %v for a daemon that is not there", took)
	}
}

// A receipt has the times at which a removal was committed and in force on every replica.
//
// REQ M-10~
func TestAReceiptSaysWhenARemovalWasInForceEverywhere(t *testing.T) {
	h := onPostgres(t)
	c := h.connected()
	var told []account.Receipt
	var waited []time.Duration
	a := h.peerAt(h.url, Options{Removed: func(r account.Receipt) { told = append(told, r) }, Waited: func(d time.Duration) { waited = append(waited, d) }}, nil)
	u, _ := h.someone(c)
	h.ok(a.SetUserState(h.ctx(), theOperator, u.ID, account.UserDisabled))
	if len(told) != 1 || len(waited) != 1 || told[0].Everywhere.Before(told[0].Committed) {
		t.Errorf("told %+v, waited %v", told, waited)
	}
}

// 9: every kind of credential by every way of shutting, on the replica that did not hear of it. A new kind or way belongs here.
//
// REQ M-01~
// THREAT SES-6 KEY-3
func TestEveryCredentialDiesByEveryWay(t *testing.T) {
	h := onPostgres(t)
	a, b := h.peer(), h.peer()
	kinds := []string{"session", "key", "pending sign-in", "SCIM token"}
	ways := map[string]struct {
		do   func(s *stage) error
		dies []string
	}{
		"user state":            {func(s *stage) error { return a.SetUserState(h.ctx(), theOperator, s.in.User.ID, account.UserDisabled) }, []string{"session", "key"}},
		"disable by API":        {func(s *stage) error { return last(a.Disable(h.ctx(), theOperator, h.acme.ID, s.in.User.ID)) }, []string{"session", "key"}},
		"removal from account":  {func(s *stage) error { return last(a.RemoveFromAccount(h.ctx(), theOperator, h.acme.ID, s.in.User.ID)) }, []string{"session", "key"}},
		"removal from org":      {func(s *stage) error { return last(a.RemoveFromOrg(h.ctx(), theOperator, h.acme.ID, s.in.User.ID)) }, []string{"key"}},
		"RISC account disabled": {func(s *stage) error { return s.hears(h, a.Ledger, risc+"account-disabled") }, []string{"session", "key"}},
		"CAEP session revoked":  {func(s *stage) error { return s.hears(h, a.Ledger, caep+"session-revoked") }, []string{"session"}},
		"SCIM deactivate":       {func(s *stage) error { return s.patchedBy(h, a.Ledger, s.pushed(h), "active", false) }, []string{"session", "key"}},
		"SCIM delete":           {func(s *stage) error { return a.Deprovision(h.ctx(), s.push(h), directory.User, s.pushed(h)) }, []string{"session", "key"}},
		"connection off":        {func(s *stage) error { return a.EnableConnection(h.ctx(), theOperator, s.c.ID, false) }, []string{"session", "pending sign-in", "SCIM token"}},
		"the provider's logout": {func(s *stage) error {
			return last(a.EndSessions(h.ctx(), account.Actor{}, s.c.ID, "ana", "", "", time.Time{}))
		}, []string{"session"}},
		"sign-out":                {func(s *stage) error { return last(a.SignOut(h.ctx(), account.Actor{}, s.in.Session.Token)) }, []string{"session"}},
		"revocation of the key":   {func(s *stage) error { return s.revoke(h, a.Ledger) }, []string{"key"}},
		"revocation of the token": {func(s *stage) error { return a.RevokeSCIMToken(h.ctx(), theOperator, s.c.ID, s.by.Token.ID) }, []string{"SCIM token"}},
	}
	for way, w := range ways {
		t.Run(way, func(t *testing.T) {
			n := someoneNumber.Add(1)
			acct, org, err := h.CreateAccount(h.ctx(), theOperator, fmt.Sprint("way", n), fmt.Sprint("way", n), "", account.Enterprise)
			h.ok(err)
			was, wasOrg := h.acme, h.org
			h.acme, h.org = acct, org
			defer func() { h.acme, h.org = was, wasOrg }()
			domain := fmt.Sprintf("way%d.example", n)
			h.proves(acct.ID, domain)
			s := &stage{c: h.connect("okta", samlSettings()), email: "ana@" + domain}
			s.in = h.signedIn(h.login(s.c, "ana", s.email, "eng"))
			s.key = h.keyOf(s.in.User.ID, time.Time{})
			s.push(h)
			flow, err := h.StartFlow(h.ctx(), account.Flow{Connection: s.c.ID, Which: account.Live, RequestID: "_" + h.random(16)})
			h.ok(err)
			works := map[string]func() error{
				"session":         func() error { return last(b.Presence(h.ctx(), s.in.Session.Token)) },
				"key":             func() error { return last(b.VerifyKey(h.ctx(), s.key)) },
				"pending sign-in": func() error { return last(b.Flow(h.ctx(), s.c.ID, flow.Handle, "", flow.Browser)) },
				"SCIM token":      func() error { return last(b.Pusher(h.ctx(), s.c.ID, s.token)) },
			}
			for kind, is := range works {
				if err := is(); err != nil {
					t.Fatalf("%s does not work before: %v", kind, err)
				}
			}
			h.ok(w.do(s))
			for _, kind := range kinds {
				err := works[kind]()
				if want := slices.Contains(w.dies, kind); (err != nil) != want {
					t.Errorf("%s: works after %s: %v, want dead %v", kind, way, err, want)
				}
				if k := account.KindOf(err); err != nil && k != account.Unauthorized && k != account.Forbidden && k != account.NotFound {
					t.Errorf("%s dies with %v", kind, err)
				}
			}
		})
	}
}

// hears has a stream of the provider's tell of an event about the person on the stage.
func (s *stage) hears(h *house, l *Ledger, event string) error {
	stream, err := l.AddStream(h.ctx(), theOperator, h.acme.ID, account.Stream{Name: "events", Enabled: true, Connection: s.c.ID, Issuer: "https://idp.example",
		Audience: []string{"us"}, JWKSURL: "https://idp.example/jwks"})
	if err != nil {
		return err
	}
	_, err = l.Receive(h.ctx(), account.Actor{}, stream.ID, account.SET{Issuer: stream.Issuer, JTI: "jti-1", IssuedAt: h.clock.now(), Claims: []byte(`{}`),
		Events: []account.SETEvent{{Type: event, Subject: email(s.email), Body: map[string]any{}}}})
	return err
}

// 10: a burst of removals; each is asked about on two replicas at the first moment after its answer.
//
// REQ M-01~
func TestABurstOfRemovalsHoldsFromTheFirstMoment(t *testing.T) {
	h := onPostgres(t)
	c := h.connected()
	a, others := h.peer(), []*peer{h.peer(), h.peer()}
	n := 200
	if testing.Short() {
		n = 40
	}
	users, secrets := make([]account.User, n), make([]account.Secret, n)
	for i := range n {
		users[i], secrets[i] = h.someone(c)
		for _, p := range others {
			p.warms(h, secrets[i])
		}
	}
	took := make([]time.Duration, n)
	var next atomic.Int64
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for i := int(next.Add(1)) - 1; i < n; i = int(next.Add(1)) - 1 {
				began := time.Now()
				if err := a.SetUserState(h.ctx(), theOperator, users[i].ID, account.UserDisabled); err != nil {
					t.Error(err)
					return
				}
				took[i] = time.Since(began)
				for j, p := range others {
					if good, known := p.accepts(h, secrets[i]); good || !known {
						t.Errorf("removal %d: replica %d says good %v, known %v", i, j, good, known)
					}
				}
			}
		})
	}
	wg.Wait()
	slices.Sort(took)
	t.Logf("removals, 8 at a time, 3 replicas: p50 %v, p99 %v", took[n/2], took[n*99/100])
}
