package federation_test

import (
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/drawbridge-id/drawbridge/account"
	"github.com/drawbridge-id/drawbridge/egress"
	"github.com/drawbridge-id/drawbridge/federation"
	"github.com/drawbridge-id/drawbridge/federation/oidc"
	"github.com/drawbridge-id/drawbridge/federation/saml"
	"github.com/drawbridge-id/drawbridge/federation/session"
	"github.com/drawbridge-id/drawbridge/rules"
	"github.com/drawbridge-id/drawbridge/store"
	"github.com/drawbridge-id/drawbridge/test/drive"
	"github.com/drawbridge-id/drawbridge/test/sim"
	"github.com/drawbridge-id/drawbridge/web"
	"github.com/drawbridge-id/drawbridge/web/page"
)

var operator = account.Actor{Kind: account.ActorOperator}

var catalogue = account.Catalogue{
	Services: []account.Service{{ID: "registry", Label: "Registry", Roles: []account.ServiceRole{
		{ID: "reader", Label: "Reader"}, {ID: "writer", Label: "Writer"}, {ID: "admin", Label: "Admin", Admin: true},
	}}},
	Relying: []account.Relying{
		{ID: "portal", Label: "Portal", Requires: []string{"email"}},
		{ID: "images", Label: "Image registry", Requires: []string{"email", "groups"}, Origins: []string{"https://images.acme.example"}},
	},
	Limits: account.Limits{
		OrgsPerAccount: 1, OwnersPerAccount: 3, OwnersPerOrg: 3, UsersIndividual: 1, RulesPerAccount: 1000,
		GroupValues: 5000, RulesLossShare: 1, DiagnosisAge: 30 * 24 * time.Hour,
	},
}

// A clock is turned by hand.
type clock struct {
	mu  sync.Mutex
	now time.Time
}

func (c *clock) Now() time.Time { c.mu.Lock(); defer c.mu.Unlock(); return c.now }

func (c *clock) turn(d time.Duration) { c.mu.Lock(); defer c.mu.Unlock(); c.now = c.now.Add(d) }

// A world is the door over real HTTP with a real ledger behind it, and simulated identity providers. The door
// is 127.0.0.1 and the providers are localhost, which to a browser are two sites.
type world struct {
	*testing.T
	clock  *clock
	ledger *store.Ledger
	door   *federation.Door
	url    string
	sim    *sim.Sim
	seen   counts

	newDoor func() *federation.Door
	swap    func(*federation.Door)
}

// counts is what the door's metrics heard.
type counts struct {
	mu        sync.Mutex
	refused   []account.Step
	ended     []account.Outcome
	tested    []account.Outcome
	refreshed []string
}

func newWorld(t *testing.T, resolvers ...federation.Resolver) *world {
	t.Helper()
	t.Parallel()
	w := &world{T: t, clock: &clock{now: time.Now().UTC().Truncate(time.Second)}}
	keyring, err := store.NewKeyring()
	w.must(err)
	w.ledger, err = store.Open(t.Context(), store.Options{
		URL: "sqlite:" + filepath.Join(t.TempDir(), "house.db"), Keyring: keyring, Catalogue: catalogue, Now: w.clock.Now,
	})
	w.must(err)
	t.Cleanup(func() { w.must(w.ledger.Close()) })

	var providers http.Handler
	idp := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) { providers.ServeHTTP(rw, r) }))
	t.Cleanup(idp.Close)
	w.sim = sim.New(sim.Options{BaseURL: strings.Replace(idp.URL, "127.0.0.1", "localhost", 1), Now: w.clock.Now})
	providers = w.sim

	var doors atomic.Value
	house := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) { doors.Load().(http.HandlerFunc)(rw, r) }))
	t.Cleanup(house.Close)
	w.url = house.URL
	w.newDoor = func() *federation.Door {
		fetch := egress.New(egress.Options{Allow: []string{"localhost", "127.0.0.1"}})
		return federation.New(federation.Options{
			Ledger: w.ledger, Fetch: fetch, PublicURL: w.url, Now: w.clock.Now, Resolvers: resolvers, Log: logger(t),
			RP:      oidc.New(oidc.Options{Client: fetch, Now: w.clock.Now}),
			Metrics: w.seen.metrics(),
		})
	}
	w.swap = func(d *federation.Door) { w.door = d; doors.Store(w.mux()) }
	w.restart()
	return w
}

// metrics is where the door tells what happened.
func (c *counts) metrics() federation.Metrics {
	return federation.Metrics{
		Refused: func(s account.Step) { c.mu.Lock(); defer c.mu.Unlock(); c.refused = append(c.refused, s) },
		SignedIn: func(_ account.Protocol, _ account.IdPKind, o account.Outcome) {
			c.mu.Lock()
			defer c.mu.Unlock()
			c.ended = append(c.ended, o)
		},
		Tested:    func(o account.Outcome) { c.mu.Lock(); defer c.mu.Unlock(); c.tested = append(c.tested, o) },
		Refreshed: func(s string) { c.mu.Lock(); defer c.mu.Unlock(); c.refreshed = append(c.refreshed, s) },
	}
}

func logger(t *testing.T) *slog.Logger {
	if os.Getenv("DRAWBRIDGE_TEST_LOG") == "" {
		return slog.New(slog.DiscardHandler)
	}
	return slog.New(slog.NewTextHandler(t.Output(), nil))
}

// mux hangs the door's handlers in the coat, as the route table of the house does.
func (w *world) mux() http.HandlerFunc {
	d := w.door
	public, err := url.Parse(w.url)
	w.must(err)
	coat := web.New(web.Options{PublicURL: public, Log: logger(w.T), SignIn: web.Rate{PerMinute: -1}, Now: w.clock.Now})
	mux := http.NewServeMux()
	const message = 2 << 20
	coat.Mount(mux,
		web.Route{Pattern: page.AssetPattern, Handler: web.Plain(page.Assets)},
		web.Route{Pattern: "GET /signin", Handler: d.SignInPage},
		web.Route{Pattern: "POST /signin", Handler: d.FindConnection},
		web.Route{Pattern: "GET /login/{connection}", Handler: d.Login},
		web.Route{Pattern: "GET /session", Handler: d.Session},
		web.Route{Pattern: "GET /signout", Handler: d.SignOutPage},
		web.Route{Pattern: "POST /signout", Handler: d.SignOut},
		web.Route{Pattern: "GET /signed-out", Handler: d.SignedOutPage},
		web.Route{Pattern: "GET /saml/{connection}/metadata", Handler: d.Metadata},
		web.Route{Pattern: "POST /saml/{connection}/acs", Limit: message, Exempt: true, Handler: d.ACS},
		web.Route{Pattern: "GET /saml/{connection}/slo", Handler: d.SLO},
		web.Route{Pattern: "POST /saml/{connection}/slo", Limit: message, Exempt: true, Handler: d.SLO},
		web.Route{Pattern: "GET /oidc/{connection}/initiate", Handler: d.Initiate},
		web.Route{Pattern: "POST /oidc/{connection}/initiate", Exempt: true, Handler: d.Initiate},
		web.Route{Pattern: "GET /oidc/{connection}/callback", Handler: d.Callback},
		web.Route{Pattern: "POST /oidc/{connection}/callback", Limit: message, Exempt: true, Handler: d.Callback},
		web.Route{Pattern: "POST /oidc/{connection}/backchannel-logout", Exempt: true, Handler: d.BackchannelLogout},
		web.Route{Pattern: "GET /login-test/start/{connection}/{ticket}", Handler: d.OpenTest},
	)
	// Where sign-ins lead: pages of the console, of which only the address and a way out matter here.
	for _, pattern := range []string{"GET /{$}", "GET /choose", "GET /no-access", "GET /o/", "GET /login-test/{diagnosis}"} {
		coat.Mount(mux, web.Route{Pattern: pattern, Handler: func(rw http.ResponseWriter, r *http.Request) error {
			return page.Render(rw, r, http.StatusOK, page.NoAccess{Who: page.Who{Email: r.URL.Path, Token: session.FormToken(session.Token(r))}})
		}})
	}
	return coat.Wrap(mux).ServeHTTP
}

func (w *world) must(err error) {
	w.Helper()
	if err != nil {
		w.Fatal(err)
	}
}

// A company is an account whose people sign in at a simulated provider.
type company struct {
	*world
	account account.Account
	org     account.Org
	owner   account.User
	domain  account.Domain
	con     account.Connection
	idp     *sim.Tenant
	urls    federation.URLs
}

// company founds one with an enterprise org, an owner and a proved domain {name}.example.
func (w *world) company(name string, idp sim.TenantConfig) *company {
	w.Helper()
	ctx := w.Context()
	c := &company{world: w}
	var err error
	c.account, c.org, err = w.ledger.CreateAccount(ctx, operator, name, name, "", account.Enterprise)
	w.must(err)
	w.must(w.ledger.EnableService(ctx, operator, c.account.ID, "registry", true))
	c.owner, err = w.ledger.AddPerson(ctx, operator, c.account.ID, "olga@"+name+".example", "Olga", account.Owner)
	w.must(err)
	w.must(w.ledger.Grant(ctx, operator, c.account.ID, c.owner.ID, account.Scope{Org: c.org.ID}, account.Owner))
	c.domain, err = w.ledger.ClaimDomain(ctx, operator, c.account.ID, name+".example")
	w.must(err)
	w.must(w.ledger.VouchDomain(ctx, operator, c.domain.ID))
	idp.Name, idp.Domain = name, name+".example"
	if len(idp.Users) == 0 {
		idp.Users = []sim.User{
			{Email: "ana@" + name + ".example", GivenName: "Ana", FamilyName: "Ruiz", Groups: []string{"eng", "everyone"}},
			{Email: "ben@" + name + ".example", GivenName: "Ben", FamilyName: "Okoye", Groups: []string{"everyone"}},
			{Email: "olga@" + name + ".example", GivenName: "Olga", FamilyName: "Holm", Groups: []string{"viewers"}},
		}
	}
	c.idp, err = w.sim.AddTenant(idp)
	w.must(err)
	return c
}

// saml connects a company over SAML and makes it live; change adapts the settings.
func (w *world) saml(name string, dialect sim.Dialect, change ...func(*account.Settings)) *company {
	w.Helper()
	c := w.company(name, sim.TenantConfig{Dialect: dialect})
	s := account.Settings{Protocol: account.SAML, Kind: kindOf(dialect), SAML: &account.SAMLSettings{
		EntityID: c.idp.EntityID(), SSORedirect: c.idp.SSOURL(), SLORedirect: c.idp.SLOURL(),
	}}
	for _, crt := range c.idp.Certificates() {
		s.SAML.Certificates = append(s.SAML.Certificates, account.PEM(crt))
	}
	c.live(s, change...)
	keys, err := w.ledger.SPKeys(w.Context(), c.con.ID)
	w.must(err)
	w.must(c.idp.PutSAMLApp(sim.SAMLApp{EntityID: c.urls.EntityID, ACS: []string{c.urls.ACS}, SLO: c.urls.SLO, Certificates: []string{keys[0].Certificate}}))
	return c
}

// oidc connects a company over OpenID Connect and makes it live.
func (w *world) oidc(name string, dialect sim.Dialect, change ...func(*account.Settings)) *company {
	w.Helper()
	c := w.company(name, sim.TenantConfig{Dialect: dialect})
	s := account.Settings{Protocol: account.OIDC, Kind: kindOf(dialect), OIDC: &account.OIDCSettings{
		Issuer: c.idp.Issuer(), ClientID: "client-1", ClientSecret: account.NewSecret("not-a-secret"),
	}}
	if dialect == sim.Entra {
		s.OIDC.EntraTenant = c.idp.Config().TenantID
	}
	c.live(s, change...)
	w.must(c.idp.PutOIDCApp(sim.OIDCApp{
		ClientID: "client-1", ClientSecret: "not-a-secret", RedirectURIs: []string{c.urls.Callback},
		PostLogoutURIs: []string{c.urls.SignedOut}, BackchannelLogoutURI: c.urls.BackchannelLogout,
	}))
	return c
}

func kindOf(d sim.Dialect) account.IdPKind {
	switch d {
	case sim.Okta, sim.Entra, sim.Google, sim.ADFS, sim.Ping:
		return account.IdPKind(d)
	}
	return account.KindGeneric
}

// live saves settings and promotes them past the login test, as an operator may.
func (c *company) live(s account.Settings, change ...func(*account.Settings)) {
	c.Helper()
	for _, f := range change {
		f(&s)
	}
	var err error
	c.con, err = c.ledger.SaveDraft(c.Context(), operator, c.account.ID, c.con.ID, "idp", s)
	c.must(err)
	c.con, err = c.ledger.Promote(c.Context(), operator, c.con.ID, true)
	c.must(err)
	c.must(c.ledger.TieDomain(c.Context(), operator, c.domain.ID, c.con.ID))
	c.urls = c.door.URLs(c.con.ID)
}

// rule gives a role in the org to a group, and is active at once.
func (c *company) rule(name, group string, roles ...account.Role) account.RuleID {
	c.Helper()
	r, err := c.ledger.SaveRule(c.Context(), operator, c.account.ID, "", rules.Definition{
		Name: name, Connection: c.con.ID, Groups: []string{group}, Targets: []rules.Target{{Roles: roles}},
	})
	c.must(err)
	return r.ID
}

// activate makes the rules active; somebody has signed in before, so that group claims were seen.
func (c *company) activate() {
	c.Helper()
	c.signIn("ben")
	_, err := c.ledger.ActivateRules(c.Context(), operator, c.account.ID, true)
	c.must(err)
}

// A browser belongs to one person.
type browser struct {
	*drive.Driver
	w *world
}

// browser opens one that signs in at the provider as the person.
func (c *company) browser(local string) *browser {
	c.idp.Auto(c.mail(local))
	return &browser{&drive.Driver{Trace: c.trace()}, c.world}
}

func (c *company) mail(local string) string {
	if strings.Contains(local, "@") {
		return local
	}
	return local + "@" + c.account.Name + ".example"
}

func (w *world) trace() func(string, ...any) {
	if os.Getenv("DRAWBRIDGE_TEST_LOG") == "" {
		return nil
	}
	return w.Logf
}

// open types an address of the door.
func (b *browser) open(path string) *drive.Page {
	b.w.Helper()
	if !strings.HasPrefix(path, "http") {
		path = b.w.url + path
	}
	b.w.clock.turn(time.Millisecond) // what is remembered is listed by time
	p, err := b.Go(b.w.Context(), path)
	b.w.must(err)
	return p
}

// signIn starts at the door and comes back from the provider.
func (c *company) signIn(local string) (*browser, *drive.Page) {
	c.Helper()
	b := c.browser(local)
	return b, b.open("/login/" + string(c.con.ID))
}

// upTo goes on until the answer of the provider would be sent to the door, and gives it back unsent.
func (c *company) upTo(b *browser, start, stop string) *drive.Page {
	c.Helper()
	b.StopBefore = stop
	p := b.open(start)
	b.StopBefore = ""
	if !p.Stopped {
		c.Fatalf("the journey ended at %s with %d, before %s:\n%s", p.URL, p.Status, stop, p.Body)
	}
	return p
}

// resume sends what upTo stopped.
func (b *browser) resume(p *drive.Page) *drive.Page {
	b.w.Helper()
	b.w.clock.turn(time.Millisecond)
	out, err := b.Resume(b.w.Context(), p)
	b.w.must(err)
	return out
}

// whoami reads GET /session; ok is false for 401.
func (b *browser) whoami() (id federation.Identity, ok bool) {
	b.w.Helper()
	p := b.open("/session")
	if p.Header.Get("Cache-Control") != "no-store" || !strings.HasPrefix(p.Header.Get("Content-Type"), "application/json") {
		b.w.Errorf("GET /session: headers %v", p.Header)
	}
	if p.Status == http.StatusUnauthorized {
		return id, false
	}
	b.w.must(json.Unmarshal([]byte(p.Body), &id))
	return id, true
}

// roles are those of GET /session, as "role@org" or "role@org/team", each with its first source.
func (b *browser) roles() map[string]federation.IdentitySource {
	b.w.Helper()
	id, ok := b.whoami()
	if !ok {
		b.w.Fatal("nobody is signed in")
	}
	out := map[string]federation.IdentitySource{}
	for _, r := range id.Roles {
		where := r.Scope.Org
		if r.Scope.Team != "" {
			where += "/" + r.Scope.Team
		}
		if where == "" {
			where = "account"
		}
		out[string(r.Role)+"@"+where] = r.Sources[0]
	}
	return out
}

// at says where a journey ended on the door's side.
func (w *world) at(p *drive.Page) string {
	rest, ours := strings.CutPrefix(p.URL, w.url)
	if !ours {
		return p.URL
	}
	return rest
}

// isRefused checks a refusal: an error status, a page without details, no session, and one record with the step
// and code for the administrator. It gives that record back.
func (c *company) isRefused(b *browser, p *drive.Page, step account.Step, code string) account.Diagnosis {
	c.Helper()
	if p.Status < 400 || p.Status > 499 {
		c.Errorf("refused with status %d at %s", p.Status, p.URL)
	}
	if b != nil {
		if _, in := b.whoami(); in {
			c.Error("a refused sign-in left a session")
		}
	}
	all, err := c.ledger.Diagnoses(c.Context(), operator, c.con.ID, 1)
	c.must(err)
	if len(all) != 1 {
		c.Fatal("nothing was remembered for the administrator")
	}
	d := all[0]
	if d.Outcome != account.OutcomeRefused || d.Step != step || code != "" && d.Code != code {
		c.Errorf("remembered as %s at %s (%s), want %s (%s)", d.Outcome, d.Step, d.Code, step, code)
	}
	if strings.Contains(p.Body, string(d.Code)) && len(d.Code) > 8 {
		c.Errorf("the page tells the reason %q", d.Code)
	}
	return d
}

// people are the addresses of everybody in the account.
func (c *company) people() map[string]store.Person {
	c.Helper()
	all, err := c.ledger.People(c.Context(), operator, c.account.ID, "", 1000)
	c.must(err)
	out := map[string]store.Person{}
	for _, p := range all {
		out[p.User.Email] = p
	}
	return out
}

// post sends a form to the door without a browser, with these cookies.
func (w *world) post(path string, form url.Values, cookies ...string) *http.Response {
	w.Helper()
	return w.send("POST", path, "application/x-www-form-urlencoded", strings.NewReader(form.Encode()), cookies...)
}

func (w *world) send(method, path, kind string, body io.Reader, cookies ...string) *http.Response {
	w.Helper()
	if !strings.HasPrefix(path, "http") {
		path = w.url + path
	}
	r, err := http.NewRequestWithContext(w.Context(), method, path, body)
	w.must(err)
	if kind != "" {
		r.Header.Set("Content-Type", kind)
	}
	r.Header.Set("Accept", "text/html")
	if len(cookies) > 0 {
		r.Header.Set("Cookie", strings.Join(cookies, "; "))
	}
	res, err := (&http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}).Do(r)
	w.must(err)
	w.Cleanup(func() { _ = res.Body.Close() })
	return res
}

// madeSession reports whether an answer gives a session cookie.
func madeSession(res *http.Response) bool {
	for _, c := range res.Cookies() {
		if c.Name == session.Cookie && c.Value != "" {
			return true
		}
	}
	return false
}

func text(res *http.Response) string {
	b, _ := io.ReadAll(res.Body)
	return string(b)
}

// restart puts another door in front of the same ledger, as a second replica or a new process would.
func (w *world) restart() { w.swap(w.newDoor()) }

var traces = regexp.MustCompile(`(req|dx)_[0-9a-z]+|/login/[^"]*`)

// trim takes out of a page what differs between two requests of any kind.
func trim(body string) string { return traces.ReplaceAllString(body, "") }

// requestID is the id that a response answers.
func requestID(t *testing.T, c *company, form url.Values) string {
	t.Helper()
	id, err := saml.Peek(form.Get("SAMLResponse"))
	if err != nil || id == "" {
		t.Fatalf("the response answers %q: %v", id, err)
	}
	return id
}
