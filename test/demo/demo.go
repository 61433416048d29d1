// Package demo runs the main job of the product where somebody can watch it: the daemon as it ships, on a
// database of its own in a temporary folder, with two simulated companies that sign in to it. It ends with its
// context and leaves nothing behind.
package demo

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/drawbridge-id/drawbridge/test/sim"
)

// Options say which daemon to run and where to listen.
type Options struct {
	Binary  string // the drawbridge binary
	Listen  string // address of the daemon; port 0 or empty: a free port on 127.0.0.1
	Sim     string // address of the simulated providers; likewise
	Out     io.Writer
	Verbose bool // show the daemon's log
}

// Run sets everything up, prints what to open and what to try, and stays until ctx ends.
func Run(ctx context.Context, o Options) (err error) {
	dir, err := os.MkdirTemp("", "drawbridge-demo-")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	d := &demo{Options: o, dir: dir}
	simListener, err := listen(o.Sim)
	if err != nil {
		return err
	}
	// The providers are called localhost and the daemon 127.0.0.1: two sites, as in real life, so that cookies are really cross-site.
	d.providers = sim.New(sim.Options{BaseURL: "http://localhost:" + port(simListener.Addr())})
	if err := d.companies(); err != nil {
		return errors.Join(err, simListener.Close())
	}
	events, err := listen("")
	if err != nil {
		return errors.Join(err, simListener.Close())
	}
	d.sender = sim.NewTransmitter("http://localhost:"+port(events.Addr()), time.Now)
	for l, handler := range map[net.Listener]http.Handler{simListener: d.providers, events: d.sender} {
		server := &http.Server{Handler: handler, ReadHeaderTimeout: 5 * time.Second}
		go func() { _ = server.Serve(l) }()
		defer func() { err = errors.Join(err, server.Close()) }()
	}
	if err := d.prepare(ctx); err != nil {
		return err
	}
	return d.serve(ctx)
}

type demo struct {
	Options
	dir       string
	public    string // base URL of the daemon
	config    string
	providers *sim.Sim
	okta      *sim.Tenant
	entra     *sim.Tenant
	conns     map[string]connection
	scimToken string // that the simulated Okta pushes people with
	eventsKey string // that the transmitter shows
	sender    *sim.Transmitter
	stream    string // address for its tokens
	pusher    *sim.Pusher
	told      []string // what has happened before anybody looks
}

// connection is what "drawbridge apply --json" says about one.
type connection struct {
	Account  string `json:"account"`
	Name     string `json:"name"`
	ID       string `json:"id"`
	EntityID string `json:"entity_id"`
	ACS      string `json:"acs"`
	Redirect string `json:"redirect_uri"`
	Logout   string `json:"logout"`
}

const entraTenant = "6f0c1d7e-2b5a-4a55-9a53-0d5b8a0c4e11"

// companies makes the two providers: acme with an Okta that speaks SAML, globex with an Entra that speaks
// OpenID Connect and sends object ids for groups.
func (d *demo) companies() (err error) {
	d.okta, err = d.providers.AddTenant(sim.TenantConfig{
		Name: "acme", Dialect: sim.Okta, Title: "Acme Incorporated", Domain: "acme.example",
		Users: append(staff(), []sim.User{
			{Email: "ana@acme.example", GivenName: "Ana", FamilyName: "Ruiz", Groups: []string{"eng", "everyone"}},
			{Email: "ben@acme.example", GivenName: "Ben", FamilyName: "Okoye", Groups: []string{"viewers", "everyone"}},
			{Email: "cleo@acme.example", GivenName: "Cleo", FamilyName: "Lind", Groups: []string{"everyone"}},
			{Email: "olga@acme.example", GivenName: "Olga", FamilyName: "Holm", Groups: []string{"viewers"}},
			{Email: "mallory@globex.example", GivenName: "Mallory", FamilyName: "Outsider", Groups: []string{"eng"}},
		}...),
	})
	if err != nil {
		return err
	}
	d.entra, err = d.providers.AddTenant(sim.TenantConfig{
		Name: "globex", Dialect: sim.Entra, Title: "Globex Corporation", Domain: "globex.example", TenantID: entraTenant,
		Groups: []sim.Group{
			{ID: "5d0f6c2e-3a61-4c0b-9e3c-0b1a2f3c4d5e", Name: "Engineering"},
			{ID: "9b8a7c6d-1e2f-4a3b-8c4d-5e6f7a8b9c0d", Name: "Research leads"},
		},
		Users: []sim.User{
			{Email: "gus@globex.example", GivenName: "Gus", FamilyName: "Berg", Groups: []string{"Engineering"}},
			{Email: "hana@globex.example", GivenName: "Hana", FamilyName: "Sato", Groups: []string{"Engineering", "Research leads"}},
			{Email: "olaf@globex.example", GivenName: "Olaf", FamilyName: "Nyman"},
		},
	})
	return err
}

// prepare writes configuration, keys and database, applies the estate and registers us at the providers.
func (d *demo) prepare(ctx context.Context) error {
	free, err := listen(d.Listen)
	if err != nil {
		return err
	}
	address := free.Addr().String()
	if err := free.Close(); err != nil {
		return err
	}
	d.public, d.config = "http://"+address, filepath.Join(d.dir, "drawbridge.yaml")
	if _, err := d.drawbridge(ctx, "init", d.dir, "--public-url", d.public, "--listen", address); err != nil {
		return err
	}
	metadata, err := d.get(ctx, d.okta.URL()+"/saml/metadata")
	if err != nil {
		return err
	}
	estate := filepath.Join(d.dir, "estate.yaml")
	if err := os.WriteFile(filepath.Join(d.dir, "okta-metadata.xml"), metadata, 0o600); err != nil {
		return err
	}
	if err := os.WriteFile(estate, []byte(fmt.Sprintf(estateFile, time.Now().AddDate(1, 0, 0).Format(time.DateOnly), d.issuer(), entraTenant, d.sender.Issuer)), 0o600); err != nil {
		return err
	}
	for kind, into := range map[string]*string{"scim": &d.scimToken, "events": &d.eventsKey} {
		drawn, err := d.drawbridge(ctx, "credential", kind)
		if err != nil {
			return err
		}
		*into = strings.TrimSpace(string(drawn))
	}
	out, err := d.drawbridge(ctx, "apply", "-f", estate, "--json")
	if err != nil {
		return err
	}
	var done struct {
		Connections []connection `json:"connections"`
		Streams     []struct {
			Push string `json:"push"`
		} `json:"streams"`
	}
	if err := json.Unmarshal(out, &done); err != nil {
		return fmt.Errorf("drawbridge apply answered %q: %w", out, err)
	}
	d.conns = map[string]connection{}
	for _, c := range done.Connections {
		d.conns[c.Name] = c
	}
	for _, s := range done.Streams {
		d.stream = s.Push
	}
	saml, oidc := d.conns["okta"], d.conns["entra"]
	if err := d.okta.PutSAMLApp(sim.SAMLApp{EntityID: saml.EntityID, ACS: []string{saml.ACS}, SLO: saml.Logout}); err != nil {
		return err
	}
	return d.entra.PutOIDCApp(sim.OIDCApp{ClientID: "drawbridge", ClientSecret: "demo-secret", RedirectURIs: []string{oidc.Redirect},
		PostLogoutURIs: []string{d.public + "/signed-out"}, BackchannelLogoutURI: oidc.Logout})
}

// serve runs the daemon, says what to do, and waits.
func (d *demo) serve(ctx context.Context) error {
	cmd := d.command(context.WithoutCancel(ctx), "serve") // it is told to stop, and not killed
	out, err := cmd.StdoutPipe()
	if err != nil {
		return err
	}
	if d.Verbose {
		cmd.Stderr = os.Stderr
	}
	if err := cmd.Start(); err != nil {
		return err
	}
	ended := make(chan error, 1)
	ready := make(chan bool, 1)
	go func() {
		lines := bufio.NewScanner(out)
		for lines.Scan() {
			if strings.HasPrefix(lines.Text(), "ready:") {
				ready <- true
			}
		}
		ended <- cmd.Wait()
	}()
	select {
	case <-ready:
		err := d.provision(ctx)
		if err == nil {
			err = d.removals(ctx)
		}
		if err != nil && ctx.Err() == nil {
			return errors.Join(err, cmd.Process.Signal(syscall.SIGTERM), <-ended)
		}
		d.explain()
	case err := <-ended:
		return fmt.Errorf("the daemon ended before it was ready: %w", err)
	case <-time.After(30 * time.Second):
		return errors.Join(errors.New("the daemon was not ready after 30 seconds"), cmd.Process.Kill())
	case <-ctx.Done():
	}
	select {
	case err := <-ended:
		return fmt.Errorf("the daemon ended: %w", err)
	case <-ctx.Done():
	}
	if err := cmd.Process.Signal(syscall.SIGTERM); err != nil {
		return err
	}
	select {
	case err := <-ended:
		return err
	case <-time.After(15 * time.Second):
		return errors.Join(errors.New("the daemon did not stop within 15 seconds"), cmd.Process.Kill())
	}
}

func (d *demo) explain() {
	fmt.Fprintf(d.Out, `
Drawbridge runs, with two simulated companies:

  Acme Incorporated    Okta, SAML                       %[2]s/ui
  Globex Corporation   Entra ID, OpenID Connect, group ids   %[3]s/ui

Try this, in a browser:

  1. Open %[1]s/signin and type ana@acme.example. Choose Ana at the simulated Okta.
     You see the roles that her groups earn, each with the rule that gave it.
  2. Open Acme's page above, take Ana out of "eng", put her into "viewers", sign in again: the roles follow.
  3. Sign in as cleo@acme.example: no rule matches, and the page says so.
  4. Sign in as olga@acme.example: an owner, whom no rule touches.
  5. At the simulated Okta choose Mallory, whose address belongs to Globex: she is refused.
  6. Sign in as hana@globex.example through the simulated Entra, which sends object ids for groups.
  7. Switch on a fault on a company's page (wrong audience, expired, tampered …) and sign in again.

And in a terminal:

  drawbridge=%[4]s DRAWBRIDGE_CONFIG=%[5]s DRAWBRIDGE_EGRESS_ALLOW=localhost,127.0.0.1
  export DRAWBRIDGE_CONFIG DRAWBRIDGE_EGRESS_ALLOW
  $drawbridge login-test acme/okta        a real sign-in that creates nothing and explains everything
  $drawbridge rules list acme
  $drawbridge rules test acme/okta --groups eng,Viewers
  $drawbridge org show acme
  $drawbridge audit acme
  $drawbridge scim log acme/okta          what Okta asked, newest first

Shut means shut:

  %[6]s

  Yours to try: sign in as %[7]s in a browser, let the simulated Okta deactivate them, and reload the page:
    curl -X PUT %[8]s/_control/tenants/acme/users/%[7]s/active -d false

ready: %[1]s
`, d.public, d.okta.URL(), d.entra.URL(), d.Binary, d.config, strings.Join(d.told, "\n\n  "), byHand, d.providers.BaseURL())
}

func (d *demo) issuer() string { return d.entra.Issuer() }

// command is a call of the daemon's binary with the demo's configuration.
func (d *demo) command(ctx context.Context, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, d.Binary, args...)
	cmd.Dir = d.dir
	cmd.Env = append(os.Environ(), "DRAWBRIDGE_CONFIG="+d.config, "DRAWBRIDGE_OPERATOR_LISTEN=", "DRAWBRIDGE_EGRESS_ALLOW=localhost,127.0.0.1",
		"DRAWBRIDGE_LOG_FORMAT=text", "ACME_SCIM_TOKEN="+d.scimToken, "ACME_EVENTS_CREDENTIAL="+d.eventsKey)
	// A signal from the terminal goes to us alone; we tell the daemon in order.
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	return cmd
}

func (d *demo) drawbridge(ctx context.Context, args ...string) ([]byte, error) {
	cmd := d.command(ctx, args...)
	if args[0] == "init" {
		cmd.Env = append(cmd.Env, "DRAWBRIDGE_CONFIG=")
	}
	out, err := cmd.Output()
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		return nil, fmt.Errorf("drawbridge %s: %s", args[0], exit.Stderr)
	}
	return out, err
}

func (d *demo) get(ctx context.Context, url string) ([]byte, error) {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return nil, err
	}
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("GET %s: %s", url, resp.Status)
	}
	return io.ReadAll(io.LimitReader(resp.Body, 1<<20))
}

func listen(address string) (net.Listener, error) {
	if address == "" {
		address = "127.0.0.1:0"
	}
	return net.Listen("tcp", address)
}

func port(a net.Addr) string {
	_, p, _ := net.SplitHostPort(a.String())
	return p
}
