package store

import (
	"context"
	"database/sql"
	"errors"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/drawbridge-id/drawbridge/account"
	"github.com/drawbridge-id/drawbridge/test/fresh"
)

// A clock is turned by hand.
type clock struct {
	mu sync.Mutex
	at time.Time
}

func newClock() *clock { return &clock{at: time.Date(2030, 1, 2, 3, 4, 5, 0, time.UTC)} }

func (c *clock) now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.at
}

func (c *clock) turn(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.at = c.at.Add(d)
}

// A house is a ledger to try things on, with one enterprise org.
type house struct {
	*Ledger
	testing.TB
	clock *clock
	url   string
	acme  account.Account
	org   account.Org
}

var (
	theOperator = account.Actor{Kind: account.ActorOperator, IP: "192.0.2.1", Request: "req-1"}
	catalogue   = account.Catalogue{
		Services: []account.Service{
			{ID: "registry", Label: "Registry", Roles: []account.ServiceRole{{ID: "reader"}, {ID: "writer"}, {ID: "admin", Admin: true}}},
			{ID: "studio", Label: "Studio", Premium: true, Roles: []account.ServiceRole{{ID: "viewer"}, {ID: "admin", Admin: true}}},
		},
		Limits: account.Limits{OrgsPerAccount: 1, OwnersPerAccount: 1, OwnersPerOrg: 3, UsersIndividual: 1, RulesPerAccount: 1000, GroupValues: 2000,
			RulesLossShare: 0.2, DiagnosisAge: 30 * 24 * time.Hour},
	}
	// One keyring and one key pair for all tests: making an RSA key takes longer than most of them.
	sharedKeyring = sync.OnceValues(NewKeyring)
	sharedKey     = sync.OnceValues(func() (account.SPKey, error) { return newSPKey(newClock().now()) })
)

// each runs a test once on SQLite and once on PostgreSQL: both keep the same promises.
func each(t *testing.T, test func(*house)) {
	t.Run("sqlite", func(t *testing.T) { test(newHouse(t, fresh.SQLite(t))) })
	t.Run("postgres", func(t *testing.T) { test(newHouse(t, fresh.Postgres(t))) })
}

func newHouse(t testing.TB, url string) *house {
	t.Helper()
	h := &house{TB: t, clock: newClock(), url: url}
	h.Ledger = h.reopen()
	var err error
	h.acme, h.org, err = h.CreateAccount(h.ctx(), theOperator, "acme", "acme", "Acme Ltd", account.Enterprise)
	h.ok(err)
	h.ok(h.EnableService(h.ctx(), theOperator, h.acme.ID, "registry", true))
	return h
}

// reopen opens the same database once more: another replica, or the same one after a restart.
func (h *house) reopen() *Ledger {
	h.Helper()
	k, err := sharedKeyring()
	h.ok(err)
	l, err := Open(h.ctx(), Options{URL: h.url, Keyring: k, Catalogue: catalogue, Now: h.clock.now, SCIM: scimReader})
	h.ok(err)
	h.Cleanup(func() { l.Close() })
	l.newKey = func(time.Time) (account.SPKey, error) { return sharedKey() }
	return l
}

func (h *house) ctx() context.Context { return context.Background() }

func (h *house) ok(err error) {
	h.Helper()
	if err != nil {
		h.Fatal(err)
	}
}

// refuses checks the kind, and the code when one is given, of an error for people.
func (h *house) refuses(err error, kind account.ErrorKind, code string) *account.Error {
	h.Helper()
	var e *account.Error
	if !errors.As(err, &e) || e.Kind != kind || code != "" && e.Code != code {
		h.Fatalf("want %s %s, got %v", kind, code, err)
	}
	return e
}

// turnsAway checks a refused sign-in.
func (h *house) turnsAway(err error, code string) *account.Refusal {
	h.Helper()
	var r *account.Refusal
	if !errors.As(err, &r) || r.Code != code {
		h.Fatalf("want a refusal %s, got %v", code, err)
	}
	if r.Expected == "" || r.Received == "" || r.Hint[account.KindGeneric] == "" {
		h.Fatalf("a refusal says what was expected, what came and what helps: %+v", r)
	}
	return r
}

func asUser(u account.User) account.Actor {
	return account.Actor{Kind: account.ActorUser, User: u.ID, IP: "192.0.2.7"}
}

// person adds somebody with an account role.
func (h *house) person(email string, r account.Role) account.User {
	h.Helper()
	u, err := h.AddPerson(h.ctx(), theOperator, h.acme.ID, email, "", r)
	h.ok(err)
	return u
}

// owner adds an owner of the org.
func (h *house) owner(email string) account.User {
	h.Helper()
	u := h.person(email, account.Admin)
	h.ok(h.Grant(h.ctx(), theOperator, h.acme.ID, u.ID, h.whole(), account.Owner))
	return u
}

func (h *house) whole() account.Scope { return account.Scope{Org: h.org.ID} }

func (h *house) team(name string) account.Team {
	h.Helper()
	t, err := h.CreateTeam(h.ctx(), theOperator, h.acme.ID, name, "")
	h.ok(err)
	return t
}

func (h *house) in(t account.Team) account.Scope { return account.Scope{Org: h.org.ID, Team: t.ID} }

func (h *house) held(u account.User) []account.Held {
	h.Helper()
	p, err := h.Person(h.ctx(), theOperator, h.acme.ID, u.ID)
	h.ok(err)
	return p.Roles
}

func (h *house) auditHas(a account.AccountID, verb, outcome string) account.AuditLine {
	h.Helper()
	lines, err := h.Audit(h.ctx(), theOperator, a, "", 1000)
	h.ok(err)
	for _, l := range lines {
		if l.Verb == verb && l.Outcome == outcome {
			return l
		}
	}
	h.Fatalf("no audit line %s %s among %d", verb, outcome, len(lines))
	return account.AuditLine{}
}

// together runs n calls at once and gives their errors.
func together(n int, do func(i int) error) []error {
	errs, gate := make([]error, n), make(chan struct{})
	var wg sync.WaitGroup
	for i := range n {
		wg.Go(func() { <-gate; errs[i] = do(i) })
	}
	close(gate)
	wg.Wait()
	return errs
}

func countNil(errs []error) (n int) {
	for _, err := range errs {
		if err == nil {
			n++
		}
	}
	return n
}

func samlSettings() account.Settings {
	k, err := sharedKey()
	if err != nil {
		panic(err)
	}
	return account.Settings{Protocol: account.SAML, Kind: account.KindOkta, SAML: &account.SAMLSettings{
		EntityID: "https://idp.acme.example", SSORedirect: "https://idp.acme.example/sso", Certificates: []string{k.Certificate}, AllowIdPInitiated: true}}
}

func oidcSettings() account.Settings {
	return account.Settings{Protocol: account.OIDC, Kind: account.KindGeneric, OIDC: &account.OIDCSettings{
		Issuer: "https://idp.acme.example", ClientID: "drawbridge", ClientSecret: account.NewSecret("s3cret-client")}}
}

// connect makes a live connection of the account.
func (h *house) connect(name string, s account.Settings) account.Connection {
	h.Helper()
	return h.connectIn(h.acme.ID, name, s)
}

func (h *house) connectIn(a account.AccountID, name string, s account.Settings) account.Connection {
	h.Helper()
	c, err := h.SaveDraft(h.ctx(), theOperator, a, "", name, s)
	h.ok(err)
	c, err = h.Promote(h.ctx(), theOperator, c.ID, true)
	h.ok(err)
	return c
}

// proves makes a domain count.
func (h *house) proves(a account.AccountID, name string) account.Domain {
	h.Helper()
	d, err := h.ClaimDomain(h.ctx(), theOperator, a, name)
	h.ok(err)
	h.ok(h.VouchDomain(h.ctx(), theOperator, d.ID))
	return d
}

// login is what a provider says about somebody, each time in a fresh message.
func (h *house) login(c account.Connection, subject, email string, groups ...string) account.Login {
	return account.Login{Connection: c.ID, Subject: subject, Email: email, EmailVerified: account.VerifiedYes, Name: strings.ToUpper(subject),
		Groups: account.GroupSet{State: account.GroupsComplete, Values: groups, Source: "assertion"},
		Replay: h.random(16), ReplayUntil: h.clock.now().Add(5 * time.Minute), ProviderSession: "idp-session-of-" + subject}
}

// comesIn signs somebody in through an answered flow.
func (h *house) comesIn(login account.Login) (Entrance, error) {
	h.Helper()
	h.clock.turn(time.Millisecond) // so that what follows is newer
	f, err := h.StartFlow(h.ctx(), account.Flow{Connection: login.Connection, Which: account.Live, RequestID: "_" + h.random(16)})
	h.ok(err)
	return h.SignIn(h.ctx(), Entry{By: account.Actor{Kind: account.ActorConnection, IP: "192.0.2.9", Request: "req-2"}, Login: login, Flow: f})
}

func (h *house) signedIn(login account.Login) Entrance {
	h.Helper()
	e, err := h.comesIn(login)
	h.ok(err)
	return e
}

// dump is every value of every table as text: what somebody with a stolen backup reads.
func (h *house) dump() string {
	h.Helper()
	driver, source := "pgx", h.url
	tables := `SELECT table_name FROM information_schema.tables WHERE table_schema = 'public'`
	if path, ok := strings.CutPrefix(h.url, "sqlite:"); ok {
		driver, source, tables = "sqlite", path, `SELECT name FROM sqlite_master WHERE type = 'table'`
	}
	db, err := sql.Open(driver, source)
	h.ok(err)
	defer db.Close()
	var all strings.Builder
	names, err := h.rows(db, tables)
	h.ok(err)
	for _, n := range names {
		rows, err := h.rows(db, `SELECT * FROM `+n[0])
		h.ok(err)
		for _, r := range rows {
			all.WriteString(strings.Join(r, "|") + "\n")
		}
	}
	return all.String()
}

func (h *house) rows(db *sql.DB, query string) ([][]string, error) {
	rows, err := db.Query(query)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	cols, err := rows.Columns()
	if err != nil {
		return nil, err
	}
	var out [][]string
	for rows.Next() {
		values, dest := make([]sql.RawBytes, len(cols)), make([]any, len(cols))
		for i := range values {
			dest[i] = &values[i]
		}
		if err := rows.Scan(dest...); err != nil {
			return nil, err
		}
		row := make([]string, len(cols))
		for i, v := range values {
			row[i] = string(v)
		}
		out = append(out, row)
	}
	return out, rows.Err()
}
