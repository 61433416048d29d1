// Command drawbridge-sim serves simulated identity providers (package sim) on the loopback interface,
// for demos, scripts and tests by hand. docs/simulators.md describes the file it reads.
//
//	drawbridge-sim --config idps.yaml --listen 127.0.0.1:8400
//	ready: http://127.0.0.1:8400
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"os/signal"
	"path/filepath"
	"strconv"
	"syscall"
	"time"

	"github.com/alecthomas/kong"
	"github.com/goccy/go-yaml"

	"github.com/drawbridge-id/drawbridge/test/demo"
	"github.com/drawbridge-id/drawbridge/test/sim"
)

type command struct {
	Config  string `short:"c" help:"YAML or JSON file with the tenants; - reads standard input. Without it, one tenant per dialect is made up." placeholder:"FILE"`
	Listen  string `default:"127.0.0.1:0" help:"Loopback address and port; port 0 takes a free one."`
	BaseURL string `name:"base-url" help:"Absolute URL the simulators are reached at, when it is not the listening address." placeholder:"URL"`
	Seed    string `help:"Whole number that makes ids and keys repeatable." placeholder:"N"`
	Verbose bool   `short:"v" help:"Log every message to standard error."`
}

// A file is what --config holds.
type file struct {
	Tenants []sim.TenantConfig `yaml:"tenants"`
}

func main() {
	var c struct {
		Serve command     `cmd:"" default:"withargs" help:"Serve simulated providers."`
		Demo  demoCommand `cmd:"" help:"Run the daemon with two simulated companies and say what to try."`
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	parsed := kong.Parse(&c, kong.Name("drawbridge-sim"), kong.Description("Simulated identity providers: Okta, Entra ID, Google, AD FS, PingOne, Keycloak, OneLogin, JumpCloud, Shibboleth."), kong.UsageOnError())
	var err error
	if parsed.Command() == "demo" {
		if c.Demo.Drawbridge == "" {
			self, err := os.Executable()
			parsed.FatalIfErrorf(err)
			c.Demo.Drawbridge = filepath.Join(filepath.Dir(self), "drawbridge")
		}
		err = demo.Run(ctx, demo.Options{Binary: c.Demo.Drawbridge, Listen: c.Demo.Listen, Sim: c.Demo.Sim, Out: os.Stdout, Verbose: c.Demo.Verbose})
	} else {
		err = c.Serve.run(ctx, os.Stdin, os.Stdout, os.Stderr)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "drawbridge-sim:", err)
		os.Exit(1)
	}
}

// demoCommand is the product's main job with nothing to set up: package demo.
type demoCommand struct {
	Drawbridge string `type:"existingfile" help:"The daemon's binary; drawbridge beside this one when left out." placeholder:"FILE"`
	Listen     string `help:"Address of the daemon; a free port when left out." placeholder:"127.0.0.1:8080"`
	Sim        string `help:"Address of the simulated providers; a free port when left out." placeholder:"127.0.0.1:8400"`
	Verbose    bool   `short:"v" help:"Show the daemon's log."`
}

// run serves until ctx ends. It prints "ready: URL" to out once requests are answered.
func (c command) run(ctx context.Context, in io.Reader, out, errs io.Writer) error {
	tenants, err := c.tenants(in)
	if err != nil {
		return err
	}
	options := sim.Options{}
	if c.Verbose {
		options.Log = slog.New(slog.NewTextHandler(errs, nil))
	}
	if c.Seed != "" {
		n, err := strconv.ParseUint(c.Seed, 10, 64)
		if err != nil {
			return fmt.Errorf("--seed: %w", err)
		}
		var seed [32]byte
		for i := range 8 {
			seed[i] = byte(n >> (8 * i))
		}
		options.Rand = rand.NewChaCha8(seed)
	}
	listener, err := listen(ctx, c.Listen)
	if err != nil {
		return err
	}
	defer listener.Close()
	base := c.BaseURL
	if base == "" {
		base = "http://" + listener.Addr().String()
	}
	s := sim.New(options)
	s.SetBaseURL(base)
	for _, t := range tenants {
		if _, err := s.AddTenant(t); err != nil {
			return err
		}
	}
	fmt.Fprintln(out, "ready:", s.BaseURL())
	return serve(ctx, listener, s)
}

// listen opens a port that only this machine reaches: whoever reaches a simulator can be anybody.
func listen(ctx context.Context, address string) (net.Listener, error) {
	host, _, err := net.SplitHostPort(address)
	if err != nil {
		return nil, fmt.Errorf("--listen: %w", err)
	}
	if ip := net.ParseIP(host); host != "localhost" && (ip == nil || !ip.IsLoopback()) {
		return nil, fmt.Errorf("--listen %s: simulators serve the loopback interface only (127.0.0.1, ::1 or localhost)", address)
	}
	var lc net.ListenConfig
	return lc.Listen(ctx, "tcp", address)
}

func serve(ctx context.Context, l net.Listener, h http.Handler) error {
	server := &http.Server{Handler: h, ReadHeaderTimeout: 10 * time.Second, MaxHeaderBytes: 64 << 10}
	done := make(chan error, 1)
	go func() { done <- server.Serve(l) }()
	select {
	case err := <-done:
		return err
	case <-ctx.Done():
	}
	// A slow-token fault may hold a request for long; it need not hold us.
	grace, cancel := context.WithTimeout(context.Background(), 2*time.Second)
	defer cancel()
	if err := server.Shutdown(grace); err != nil {
		server.Close()
	}
	if err := <-done; !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return nil
}

// tenants reads the file, or makes up one tenant per dialect.
func (c command) tenants(in io.Reader) ([]sim.TenantConfig, error) {
	if c.Config == "" {
		return madeUp(), nil
	}
	if c.Config != "-" {
		f, err := os.Open(c.Config)
		if err != nil {
			return nil, err
		}
		defer f.Close()
		in = f
	}
	var f file
	// Every JSON document is YAML too; unknown fields are reported with their line.
	if err := yaml.NewDecoder(io.LimitReader(in, 16<<20), yaml.Strict()).Decode(&f); err != nil {
		return nil, fmt.Errorf("%s: %w", c.Config, err)
	}
	if len(f.Tenants) == 0 {
		return nil, fmt.Errorf("%s: no tenants", c.Config)
	}
	return f.Tenants, nil
}

func madeUp() []sim.TenantConfig {
	var out []sim.TenantConfig
	for _, d := range sim.Dialects() {
		domain := string(d) + ".example"
		out = append(out, sim.TenantConfig{Name: string(d), Dialect: d, Domain: domain, Users: []sim.User{
			{Email: "amy.adams@" + domain, Groups: []string{"engineering", "registry-admins"}, MFA: true},
			{Email: "bob.baker@" + domain, Groups: []string{"engineering"}},
			{Email: "cy.clark@" + domain},
		}})
	}
	return out
}
