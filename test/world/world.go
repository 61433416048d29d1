// Package world is the stage of the whole-house stories: the house as the command builds it, behind a real
// listener, on SQLite and on PostgreSQL, with simulated identity providers behind another one and a clock that is
// turned by hand.
package world

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/drawbridge-id/drawbridge/account"
	"github.com/drawbridge-id/drawbridge/cmd/drawbridge/house"
	"github.com/drawbridge-id/drawbridge/config"
	"github.com/drawbridge-id/drawbridge/estate"
	"github.com/drawbridge-id/drawbridge/federation/saml"
	"github.com/drawbridge-id/drawbridge/store"
	"github.com/drawbridge-id/drawbridge/test/drive"
	"github.com/drawbridge-id/drawbridge/test/fresh"
	"github.com/drawbridge-id/drawbridge/test/post"
	"github.com/drawbridge-id/drawbridge/test/sim"
)

// A World is one running house with the world outside of it.
type World struct {
	testing.TB
	House *house.House
	URL   string // base URL of the daemon, http://127.0.0.1:port
	Sim   *sim.Sim
	Post  *post.Office // where letters arrive
	Clock *Clock
	Cfg   config.Config

	stop func()
	down *atomic.Bool // the providers are; shared by copies
}

// Operator is who works at the console of the installation.
var Operator = account.Actor{Kind: account.ActorOperator}

// Each runs a story once on SQLite and once on PostgreSQL.
func Each(t *testing.T, story func(*World)) {
	t.Helper()
	t.Run("sqlite", func(t *testing.T) { t.Parallel(); story(New(t, fresh.SQLite(t))) })
	t.Run("postgres", func(t *testing.T) { t.Parallel(); story(New(t, fresh.Postgres(t))) })
}

// New starts a house on the given database. Everything ends with the test.
func New(t testing.TB, database string) *World {
	t.Helper()
	w := &World{TB: t, down: new(atomic.Bool), Clock: &Clock{now: time.Now().Truncate(time.Second)}}
	dir := t.TempDir()
	keyring, err := store.NewKeyring()
	w.must(err)
	w.Cfg = config.Default()
	w.Cfg.Keyring = filepath.Join(dir, "keys")
	w.must(house.WriteKeyring(w.Cfg.Keyring, keyring))
	w.Cfg.Database = database
	w.Cfg.Egress.Allow = []string{"localhost", "127.0.0.1", "::1"}
	w.Cfg.Passwords.Memory, w.Cfg.Passwords.Passes = 64, 1 // what hashing costs makes no difference to a story
	w.Cfg.SignIn.Rate, w.Cfg.SignIn.Burst = 1000, 10_000
	w.Post, err = post.Open()
	w.must(err)
	t.Cleanup(func() { _ = w.Post.Close() })
	w.Cfg.Mail.Server, w.Cfg.Mail.From = w.Post.URL(), "Drawbridge <house@drawbridge.example>"
	w.providers()
	w.Start()
	t.Cleanup(func() { w.Stop() })
	return w
}

// providers serves the simulated identity providers under the name localhost; the house is 127.0.0.1, which to
// a browser is another site.
func (w *World) providers() {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	w.must(err)
	_, port, _ := net.SplitHostPort(l.Addr().String())
	w.Sim = sim.New(sim.Options{BaseURL: "http://localhost:" + port, Now: w.Clock.Now})
	server := &http.Server{Handler: w.reachable(), ReadHeaderTimeout: 5 * time.Second}
	go func() { _ = server.Serve(l) }()
	w.Cleanup(func() { _ = server.Close() })
}

// reachable serves the providers as long as they are not Down.
func (w *World) reachable() http.Handler {
	return http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		if w.down.Load() {
			panic(http.ErrAbortHandler) // the connection breaks
		}
		w.Sim.ServeHTTP(rw, r)
	})
}

// Down says whether the providers can be reached: they break every connection while they cannot.
func (w *World) Down(is bool) { w.down.Store(is) }

// Start runs the house; after Stop it runs again on the same database and address.
func (w *World) Start() {
	w.Helper()
	address := "127.0.0.1:0"
	if w.URL != "" {
		address = strings.TrimPrefix(w.URL, "http://")
	}
	l, err := net.Listen("tcp", address)
	w.must(err)
	w.URL = "http://" + l.Addr().String()
	w.Cfg.PublicURL, w.Cfg.Listen = w.URL, l.Addr().String()
	w.must(w.Cfg.Check())
	ctx, cancel := context.WithCancel(context.Background())
	h, err := house.New(ctx, w.Cfg, house.Tools{Now: w.Clock.Now, Log: logger(w.TB)})
	w.must(err)
	w.House = h
	ended := make(chan error, 1)
	go func() { ended <- h.Serve(ctx, l, nil) }()
	w.stop = sync.OnceFunc(func() {
		cancel()
		if err := <-ended; err != nil {
			w.Errorf("the house ended with %v", err)
		}
		if err := h.Close(); err != nil {
			w.Errorf("closing the house: %v", err)
		}
	})
}

// Stop shuts the house as SIGTERM does.
func (w *World) Stop() { w.stop() }

func logger(t testing.TB) *slog.Logger {
	if os.Getenv("DRAWBRIDGE_TEST_LOG") == "" {
		return slog.New(slog.DiscardHandler)
	}
	return slog.New(slog.NewTextHandler(t.Output(), &slog.HandlerOptions{Level: slog.LevelDebug}))
}

func (w *World) must(err error) {
	w.Helper()
	if err != nil {
		w.Fatal(err)
	}
}

// Apply brings the house to what an estate file says. Metadata is fetched from the simulated providers.
func (w *World) Apply(file string) store.Diff {
	w.Helper()
	e, err := estate.Parse([]byte(file), func(name string) ([]byte, error) { return nil, fmt.Errorf("no file %s in this story", name) }, func(string) string { return "" })
	w.must(err)
	w.must(e.Resolve(w.fetch, func(xml []byte) (account.SAMLSettings, error) {
		p, err := saml.ReadMetadata(xml, "", "", w.Clock.Now())
		return p.Settings(), err
	}))
	diff, _, err := w.House.Ledger.Apply(w.Context(), Operator, e, store.ApplyOptions{})
	w.must(err)
	return diff
}

func (w *World) fetch(url string) ([]byte, error) {
	return saml.FetchMetadata(w.Context(), http.DefaultClient, url)
}

// Account finds an account by the exact name of its org.
func (w *World) Account(org string) (account.Account, account.Org) {
	w.Helper()
	a, o, err := w.House.Ledger.OrgByName(w.Context(), Operator, org)
	w.must(err)
	return a, o
}

// Connection finds a connection by org and name.
func (w *World) Connection(org, name string) account.Connection {
	w.Helper()
	a, _ := w.Account(org)
	all, err := w.House.Ledger.Connections(w.Context(), Operator, a.ID)
	w.must(err)
	for _, c := range all {
		if c.Name == name {
			c, err := w.House.Ledger.Connection(w.Context(), c.ID)
			w.must(err)
			return c
		}
	}
	w.Fatalf("%s has no connection %s", org, name)
	return account.Connection{}
}

// Browser is a fresh browser of somebody who will sign in as user at the simulated provider.
func (w *World) Browser(user string) *Browser {
	return &Browser{Driver: &drive.Driver{User: user, Password: "correct horse battery staple", Trace: w.trace()}, w: w}
}

// trace tells every step of a browser in stories; a benchmark would drown in it.
func (w *World) trace() func(string, ...any) {
	if _, story := w.TB.(*testing.T); !story {
		return nil
	}
	return w.Logf
}

// A Browser is somebody in front of a screen.
type Browser struct {
	*drive.Driver
	w *World
}

// Open types a path of the house into the address bar and goes where it leads.
func (b *Browser) Open(path string) *drive.Page {
	b.w.Helper()
	// The simulated providers sign in whoever sits at this browser without asking.
	for _, idp := range b.w.Sim.Tenants() {
		if _, known := idp.User(b.User); known {
			idp.Auto(b.User)
		}
	}
	p, err := b.Go(b.w.Context(), b.w.URL+path)
	b.w.must(err)
	return p
}

// SignIn goes through a connection's own start page to the end of the journey.
func (b *Browser) SignIn(c account.Connection) *drive.Page {
	b.w.Helper()
	b.w.Clock.Turn(time.Second) // people are not faster, and the audit log keeps their order
	return b.Open("/login/" + string(c.ID))
}

// A Session is the answer of GET /session, as apps read it.
type Session struct {
	Status int `json:"-"`
	User   struct {
		ID    account.UserID `json:"id"`
		Email string         `json:"email"`
	} `json:"user"`
	Account struct {
		ID     account.AccountID `json:"id"`
		Number string            `json:"number"`
		Name   string            `json:"name"`
	} `json:"account"`
	Org struct {
		Name string `json:"name"`
		Type string `json:"type"`
	} `json:"org"`
	Roles []struct {
		Scope struct {
			Org  string `json:"org"`
			Team string `json:"team"`
		} `json:"scope"`
		Role    account.Role `json:"role"`
		Sources []struct {
			Kind  account.SourceKind `json:"kind"`
			Rule  account.RuleID     `json:"rule"`
			Group string             `json:"group"`
		} `json:"sources"`
	} `json:"roles"`
	Connection struct {
		ID   account.ConnectionID `json:"id"`
		Name string               `json:"name"`
	} `json:"connection"`
	Groups struct {
		State  account.GroupState `json:"state"`
		Values []string           `json:"values"`
	} `json:"groups"`
}

// Session asks who the browser is signed in as.
func (b *Browser) Session() Session {
	b.w.Helper()
	p := b.Open("/session")
	s := Session{Status: p.Status}
	if p.Status == http.StatusOK {
		b.w.must(json.Unmarshal([]byte(p.Body), &s))
	}
	return s
}

// Roles spells what somebody holds in the org as "role" and in its teams as "role@team", sorted as answered;
// account roles are left out, and what follows from a place in the account.
func (s Session) RoleNames() []string {
	out := []string{}
	for _, r := range s.Roles {
		switch {
		case r.Scope.Org == "", r.Sources[0].Kind == account.SourceMember:
		case r.Scope.Team != "":
			out = append(out, string(r.Role)+"@"+r.Scope.Team)
		default:
			out = append(out, string(r.Role))
		}
	}
	return out
}

// A Clock is turned by hand. It is safe for concurrent use.
type Clock struct {
	mu  sync.Mutex
	now time.Time
}

// Now reads the clock.
func (c *Clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

// Turn moves the clock.
func (c *Clock) Turn(by time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(by)
}

// Copy is a second browser with the same cookies.
func (w *World) Copy(b *Browser) *Browser {
	return &Browser{Driver: b.Clone(), w: w}
}

// Audit is the newest line of an org's audit log with that verb.
func (w *World) Audit(org, verb string) account.AuditLine {
	w.Helper()
	a, _ := w.Account(org)
	lines, err := w.House.Ledger.Audit(w.Context(), Operator, a.ID, "", 100)
	w.must(err)
	for _, line := range lines {
		if line.Verb == verb {
			return line
		}
	}
	w.Fatalf("the audit log of %s has no %s", org, verb)
	return account.AuditLine{}
}
