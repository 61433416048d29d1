package test

import (
	"context"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/drawbridge-id/drawbridge/account"
	"github.com/drawbridge-id/drawbridge/federation/session"
	"github.com/drawbridge-id/drawbridge/test/drive"
	"github.com/drawbridge-id/drawbridge/test/pg"
	"github.com/drawbridge-id/drawbridge/test/sim"
)

// providers serves simulated identity providers under the name localhost for daemons of their own.
func providers(t testing.TB) *sim.Sim {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	_, port, _ := net.SplitHostPort(l.Addr().String())
	s := sim.New(sim.Options{BaseURL: "http://localhost:" + port})
	server := &http.Server{Handler: s, ReadHeaderTimeout: 5 * time.Second}
	go func() { _ = server.Serve(l) }()
	t.Cleanup(func() { _ = server.Close() })
	return s
}

// An appliedConnection is what "drawbridge apply --json" says has to be copied into the provider.
type appliedConnection struct {
	Account  string `json:"account"`
	Name     string `json:"name"`
	ID       string `json:"id"`
	EntityID string `json:"entity_id"`
	ACS      string `json:"acs"`
	Redirect string `json:"redirect_uri"`
	Logout   string `json:"logout"`
}

// connections reads what apply printed.
func (p printout) connections() []appliedConnection {
	p.sh.t.Helper()
	var out struct {
		Connections []appliedConnection `json:"connections"`
	}
	if err := json.Unmarshal([]byte(p.out), &out); err != nil {
		p.sh.t.Fatalf("$ %s\nprints %v\n%s", p.line, err, p.out)
	}
	return out.Connections
}

// A gate is one company at whose provider one person after the other signs in: a provider of its own, so that who comes next is
// nobody else's business.
type gate struct {
	idp  *sim.Tenant
	conn appliedConnection
	stop string // where the message of the provider arrives
	next int
}

// An arrival is one sign-in up to the message that the provider sends, and what came of sending it on.
type arrival struct {
	user    string
	browser *drive.Driver
	message *drive.Page
	in      bool // the daemon acknowledged a session
}

// arrive signs the next person in.
func (g *gate) arrive(ctx context.Context, house string) (arrival, error) {
	user := fmt.Sprintf("p%03d@%s.example", g.next, g.conn.Account)
	g.next++
	if err := g.idp.PutUser(sim.User{Email: user, Groups: []string{"eng"}}); err != nil {
		return arrival{}, err
	}
	g.idp.Auto(user)
	a := arrival{user: user, browser: &drive.Driver{User: user, StopBefore: g.stop}}
	p, err := a.browser.Go(ctx, house+"/login/"+g.conn.ID)
	if err != nil {
		return a, err
	}
	if !p.Stopped {
		return a, fmt.Errorf("%s ended at %s with %d: %s", user, p.URL, p.Status, p.Body)
	}
	a.message = p
	a.browser.StopBefore = house + "/" // the answer to the message is what counts, and not the page behind it
	sent := *p
	if _, err = a.browser.Resume(ctx, &sent); err != nil {
		return a, err
	}
	_, a.in = a.browser.Cookie(house, session.Cookie)
	return a, nil
}

// whoami is what GET /session answers a browser.
func whoami(t testing.TB, house string, b *drive.Driver) (status int, email string, roles int) {
	t.Helper()
	c := b.Clone()
	c.StopBefore = ""
	p, err := c.Go(t.Context(), house+"/session")
	if err != nil {
		t.Fatal(err)
	}
	var s struct {
		User  struct{ Email string }
		Roles []any
	}
	if p.Status == http.StatusOK {
		if err := json.Unmarshal([]byte(p.Body), &s); err != nil {
			t.Fatal(err)
		}
	}
	return p.Status, s.User.Email, len(s.Roles)
}

// DESIGN promises 2 and 3: what was acknowledged is there after kill -9, what was used up stays used up, and nobody is half made.
//
// THREAT SAML-R4, SAML-R5, OIDC-F7
func TestKillingTheDaemonLosesNothingThatItAcknowledged(t *testing.T) {
	if testing.Short() {
		t.Skip("kills daemons under load; runs without -short")
	}
	t.Run("sqlite", func(t *testing.T) { killed(t, "") })
	t.Run("postgres", func(t *testing.T) { killed(t, pg.URL(t)) })
}

func killed(t *testing.T, database string) {
	sh := newShell(t)
	address := freeAddress(t)
	house := "http://" + address
	sh.env = append(sh.env, "DRAWBRIDGE_OPERATOR_LISTEN=", "DRAWBRIDGE_EGRESS_ALLOW=localhost,127.0.0.1", "DRAWBRIDGE_SIGN_IN_RATE=10000", "DRAWBRIDGE_SIGN_IN_BURST=100000")
	line := "drawbridge init house --public-url " + house + " --listen " + address
	if database != "" {
		line += " --database " + database
	}
	sh.run(line).exits(0)
	sh.env = append(sh.env, "DRAWBRIDGE_CONFIG="+filepath.Join(sh.dir, "house", "drawbridge.yaml"))
	if database != "" {
		sh.env = append(sh.env, "DRAWBRIDGE_DATABASE="+database) // init keeps the password out of the file
	}
	gates := openGates(t, sh, providers(t), 6)

	var all []arrival
	for round, enough := range []int{10, 25, 40} {
		d := sh.serve()
		before := len(all)
		all = append(all, underLoad(t, d, gates, enough)...)
		if t.Failed() {
			return
		}
		d = sh.serve()
		acknowledged := 0
		for _, a := range all[before:] {
			if a.message == nil {
				continue
			}
			if a.in {
				acknowledged++
				if status, email, roles := whoami(t, house, a.browser); status != http.StatusOK || email != a.user || roles == 0 {
					t.Errorf("round %d: %s had a session, and is answered %d (%s, %d roles)", round, a.user, status, email, roles)
				}
			}
			again := a.browser.Clone()
			again.StopBefore = ""
			again.Plant(house, &http.Cookie{Name: session.Cookie, Path: "/", Secure: true, MaxAge: -1}) // what is left is the cookie of the flow
			sent := *a.message
			p, err := again.Resume(t.Context(), &sent)
			if err != nil {
				t.Fatal(err)
			}
			_, twice := again.Cookie(house, session.Cookie)
			if a.in && (twice || !strings.Contains(p.Body, "already used")) {
				t.Errorf("round %d: the message of %s counts twice: %d at %s", round, a.user, p.Status, p.URL)
			}
		}
		if acknowledged < enough {
			t.Errorf("round %d: only %d sign-ins were acknowledged before the kill", round, acknowledged)
		}
		t.Logf("round %d: killed with %d sign-ins acknowledged, %d under way", round, acknowledged, len(all[before:])-acknowledged)
		// Sessions of earlier rounds too.
		for _, a := range all[:before] {
			if status, _, _ := whoami(t, house, a.browser); a.in && status != http.StatusOK {
				t.Errorf("round %d: the session of %s from an earlier round is answered %d", round, a.user, status)
			}
		}
		if code := d.stop(); code != 0 {
			t.Errorf("round %d: the daemon ended with %d:\n%s", round, code, d.log.String())
		}
	}
	for _, g := range gates {
		nobodyHalfMade(t, sh, g, all)
	}
}

// openGates applies an estate of n companies, SAML and OpenID Connect in turn.
func openGates(t *testing.T, sh *shell, s *sim.Sim, n int) []*gate {
	t.Helper()
	var estate strings.Builder
	estate.WriteString("accounts:\n")
	gates := map[string]*gate{}
	for i := range n {
		name := fmt.Sprintf("company%d", i)
		idp, err := s.AddTenant(sim.TenantConfig{Name: name, Dialect: []sim.Dialect{sim.Okta, sim.Keycloak}[i%2], Domain: name + ".example",
			Users: []sim.User{{Email: "owner@" + name + ".example"}}})
		if err != nil {
			t.Fatal(err)
		}
		gates[name] = &gate{idp: idp}
		settings, group := fmt.Sprintf("kind: generic, oidc: {issuer: %q, client_id: drawbridge, client_secret: between-us}", idp.Issuer()), "/eng"
		if i%2 == 0 {
			metadata, err := idp.Metadata()
			if err != nil {
				t.Fatal(err)
			}
			sh.write(name+".xml", string(metadata))
			settings, group = fmt.Sprintf("kind: okta, saml: {metadata: file:%s.xml}", name), "eng"
		}
		fmt.Fprintf(&estate, `  - name: %[1]s
    services: [registry]
    owners: [owner@%[1]s.example]
    domains: [{name: %[1]s.example, connection: idp, proved: true}]
    connections: [{name: idp, %[2]s}]
    rules: [{name: Engineering, groups: [%[3]s], org: [registry:writer], state: active}]
`, name, settings, group)
	}
	sh.write("estate.yaml", estate.String())
	for _, c := range sh.run("drawbridge apply -f estate.yaml --json").exits(0).connections() {
		g := gates[c.Account]
		g.conn, g.stop = c, c.ACS
		var err error
		if c.ACS != "" {
			err = g.idp.PutSAMLApp(sim.SAMLApp{EntityID: c.EntityID, ACS: []string{c.ACS}, SLO: c.Logout})
		} else {
			g.stop = c.Redirect
			err = g.idp.PutOIDCApp(sim.OIDCApp{ClientID: "drawbridge", ClientSecret: "between-us", RedirectURIs: []string{c.Redirect}})
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	var out []*gate
	for i := range n {
		out = append(out, gates[fmt.Sprintf("company%d", i)])
	}
	return out
}

// underLoad lets people come through all gates at once and kills the daemon as soon as enough sessions were acknowledged.
func underLoad(t *testing.T, d *daemon, gates []*gate, enough int) []arrival {
	t.Helper()
	ctx, stop := context.WithTimeout(t.Context(), 2*time.Minute)
	defer stop()
	var mu sync.Mutex
	var came []arrival
	in, kill := 0, make(chan struct{})
	var wg sync.WaitGroup
	for _, g := range gates {
		wg.Go(func() {
			for ctx.Err() == nil {
				a, err := g.arrive(ctx, d.url)
				mu.Lock()
				came = append(came, a)
				if a.in {
					if in++; in == enough {
						close(kill)
					}
				}
				over := in >= enough
				mu.Unlock()
				if err != nil {
					if !over { // before the kill nothing may go wrong
						t.Errorf("%s: %v", a.user, err)
					}
					return
				}
			}
		})
	}
	select {
	case <-kill:
	case <-ctx.Done():
		t.Errorf("only %d sign-ins within two minutes:\n%s", in, d.log.String())
	}
	d.kill()
	wg.Wait()
	return came
}

// nobodyHalfMade checks that whoever is in the ledger has a place in the account, what their groups earn, and an audit line of
// their sign-in; and that nobody is missing who was let in.
func nobodyHalfMade(t *testing.T, sh *shell, g *gate, all []arrival) {
	t.Helper()
	shown := sh.run("drawbridge org show " + g.conn.Account).exits(0).out
	audit := map[account.UserID]bool{}
	for line := range strings.Lines(sh.run("drawbridge audit " + g.conn.Account + " --json -n 1000").exits(0).out) {
		var l account.AuditLine
		if err := json.Unmarshal([]byte(line), &l); err != nil {
			t.Fatal(err)
		}
		if l.Verb == "user.signed_in" && l.Outcome == "done" {
			audit[account.UserID(l.Target)] = true
		}
	}
	var people []string
	roles := map[string][]string{}
	for _, row := range strings.Split(shown, "\n") {
		f := strings.Fields(row)
		if len(f) > 2 && strings.HasSuffix(f[0], "@"+g.conn.Account+".example") && !strings.HasPrefix(f[0], "owner@") {
			roles[f[0]] = append(roles[f[0]], f[1])
		}
	}
	for email, scopes := range roles {
		people = append(people, email)
		if !slices.Contains(scopes, "account") || !slices.Contains(scopes, "org") {
			t.Errorf("%s is half made: holds roles in %v only", email, scopes)
		}
	}
	for _, a := range all {
		if a.in && strings.HasSuffix(a.user, "@"+g.conn.Account+".example") && !slices.Contains(people, a.user) {
			t.Errorf("%s was let in and is not there", a.user)
		}
	}
	if len(audit) != len(people) {
		t.Errorf("%s: %d people, and the audit log knows of %d sign-ins", g.conn.Account, len(people), len(audit))
	}
	if len(people) == 0 {
		t.Errorf("nobody came to %s", g.conn.Account)
	}
}
