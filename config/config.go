// Package config is what an operator can set: one struct whose fields carry their manual, read from a YAML
// file and then from the environment. Only the command reads it; every room takes options of its own.
package config

import (
	"bytes"
	"errors"
	"fmt"
	"net/netip"
	"net/url"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/goccy/go-yaml"

	"github.com/drawbridge-id/drawbridge/account"
	"github.com/drawbridge-id/drawbridge/egress"
)

// Config is everything an operator can set. The help tag of a field is its manual; Print shows it.
type Config struct {
	PublicURL      string    `yaml:"public_url" help:"The address people and identity providers use, scheme and host, for instance https://login.acme.example. Every absolute URL is made from it; host headers are never believed."`
	Listen         string    `yaml:"listen" help:"Address of the public listener. Port 0 picks a free one."`
	TLS            TLS       `yaml:"tls" help:"Serve HTTPS ourselves. Leave empty behind a proxy that does."`
	TrustedProxies []string  `yaml:"trusted_proxies" help:"Addresses or networks (CIDR) of proxies whose X-Forwarded-For is believed. Empty: none."`
	Operator       Operator  `yaml:"operator" help:"The second listener, for operators: /metrics and /debug/pprof."`
	Database       string    `yaml:"database" help:"sqlite:PATH for one machine, or postgres://user:password@host/name for as many replicas as wanted."`
	Keyring        string    `yaml:"keyring" help:"File with the keys that seal secrets in the database. Keep a copy apart from the database: without it client secrets and our private keys are lost."`
	Catalogue      string    `yaml:"catalogue" help:"YAML file with services, roles and limits. Empty: the shipped one."`
	Log            Log       `yaml:"log" help:"One line per request and decision."`
	Sessions       Sessions  `yaml:"sessions" help:"How long a browser stays signed in. A connection or its provider can only shorten this."`
	Lease          Duration  `yaml:"lease" help:"How long this replica may answer session and key checks from memory without having heard from the database, 250ms to 10s. A removal may take as long while a replica is cut off; an outage of the database that is shorter goes unnoticed."`
	SignIn         SignIn    `yaml:"sign_in" help:"The sign-in door."`
	Passwords      Passwords `yaml:"passwords" help:"How passwords of people who sign in by themselves are kept. What one has to be like is in the catalogue (limits.password)."`
	Scim           Scim      `yaml:"scim" help:"What identity providers push."`
	Egress         Egress    `yaml:"egress" help:"What the daemon fetches from outside: metadata, discovery, keys, group listings."`
	DNS            DNS       `yaml:"dns" help:"How domain ownership is looked up."`
	Mail           Mail      `yaml:"mail" help:"How letters to people leave the house. Without a server they wait, up to a month."`
	Metadata       Metadata  `yaml:"metadata" help:"How SAML metadata with a URL is kept fresh."`
	Shutdown       Duration  `yaml:"shutdown" help:"How long requests under way may take to finish when the daemon is asked to stop."`
}

// TLS names the certificate of the public listener.
type TLS struct {
	Certificate string `yaml:"certificate" help:"PEM file with the certificate chain."`
	Key         string `yaml:"key" help:"PEM file with its private key."`
}

// Operator is the second listener.
type Operator struct {
	Listen string `yaml:"listen" help:"Address of the operators' listener; loopback unless you protect it otherwise. Empty: none."`
}

// Log is how much is said, and in which form.
type Log struct {
	Level  string `yaml:"level" help:"debug, info, warn or error."`
	Format string `yaml:"format" help:"json or text."`
}

// Sessions are the limits of a browser session.
type Sessions struct {
	Idle     Duration `yaml:"idle" help:"Signed out after this long without a request."`
	Absolute Duration `yaml:"absolute" help:"Signed out after this long in any case."`
}

// SignIn are the limits of the sign-in door.
type SignIn struct {
	FlowAge  Duration `yaml:"flow_age" help:"How long a started sign-in may take, at most 15m."`
	Rate     float64  `yaml:"rate" help:"Requests a second that one address may make to sign-in routes, on average. A sign-in takes three, and a whole office may share an address."`
	Burst    int      `yaml:"burst" help:"How many of them at once."`
	Parallel int      `yaml:"parallel" help:"How many SAML responses are judged at the same time; the others wait. 0: two per core."`
}

// Passwords says what keeping them costs, and which are refused.
type Passwords struct {
	Memory   int    `yaml:"memory" help:"KiB that hashing one password takes (argon2id). Whoever signs in has their hash made anew when this or passes changed."`
	Passes   int    `yaml:"passes" help:"Passes over that memory."`
	Parallel int    `yaml:"parallel" help:"How many passwords are worked on at the same time; the others wait. 0: half of the cores."`
	Breached string `yaml:"breached" help:"Passwords that attackers try first, which nobody may choose: common for the shipped list, or a file with one password a line, or with sorted SHA-1 sums. Empty: none are refused."`
}

// Scim bounds what identity providers push.
type Scim struct {
	Rate  float64 `yaml:"rate" help:"Requests a second that one connection may make, on average; beyond it the provider is told to wait. 100,000 people arrive in 17 minutes at 100."`
	Burst int     `yaml:"burst" help:"How many of them at once."`
}

// Egress bounds outbound fetches.
type Egress struct {
	Allow   []string `yaml:"allow" help:"Hosts, addresses or networks that may be fetched although they are loopback, private or link-local, also over plain HTTP. Empty: only public addresses over HTTPS."`
	Timeout Duration `yaml:"timeout" help:"Longest time for one fetch, reading included."`
}

// DNS says whom to ask for TXT records.
type DNS struct {
	Resolvers []string `yaml:"resolvers" help:"Name servers as address:port; with two or more, two have to agree. Empty: the system's resolver."`
	Recheck   Duration `yaml:"recheck" help:"How often a proved domain is looked up again."`
}

// Mail names the server that takes our letters, and their words.
type Mail struct {
	Server   string `yaml:"server" help:"smtp://host:587 with STARTTLS, smtps://host:465, or smtp+plain://127.0.0.1:25 for a relay on this machine. Empty: nothing is sent."`
	Username string `yaml:"username" help:"Login at the server. Empty: none."`
	Password string `yaml:"password" help:"Its password; better in the environment than in the file."`
	From     string `yaml:"from" help:"Address that letters come from, as in Acme Sign-in <login@acme.example>."`
	Product  string `yaml:"product" help:"What letters call this installation."`
	Letters  string `yaml:"letters" help:"YAML file with words of your own for subjects and texts. Empty: the shipped ones."`
}

// Metadata says how often provider metadata is fetched.
type Metadata struct {
	Refresh Duration `yaml:"refresh" help:"How old provider metadata may get before it is fetched again."`
}

// Duration is a time.Duration spelled as in "90s", "8h" or "7d".
type Duration time.Duration

// UnmarshalText reads a duration; "d" counts days of 24 hours.
func (d *Duration) UnmarshalText(text []byte) error {
	s := string(text)
	if days, ok := strings.CutSuffix(s, "d"); ok {
		if n, err := strconv.Atoi(days); err == nil && n >= 0 && n < 10_000 {
			*d = Duration(time.Duration(n) * 24 * time.Hour)
			return nil
		}
	}
	v, err := time.ParseDuration(s)
	if err != nil || v < 0 {
		return fmt.Errorf("expected a duration such as 90s, 8h or 7d, received %q", s)
	}
	*d = Duration(v)
	return nil
}

// MarshalText writes the shortest spelling.
func (d Duration) MarshalText() ([]byte, error) { return []byte(d.String()), nil }

// String is the shortest spelling: 8h, not 8h0m0s.
func (d Duration) String() string {
	v := time.Duration(d)
	if v > 0 && v%(24*time.Hour) == 0 {
		return fmt.Sprintf("%dd", v/(24*time.Hour))
	}
	s := v.String()
	if strings.HasSuffix(s, "m0s") {
		s = strings.TrimSuffix(s, "0s")
	}
	if strings.HasSuffix(s, "h0m") {
		s = strings.TrimSuffix(s, "0m")
	}
	return s
}

// Default is what holds where nothing is set.
func Default() Config {
	return Config{
		PublicURL: "http://127.0.0.1:8080",
		Listen:    "127.0.0.1:8080",
		Operator:  Operator{Listen: "127.0.0.1:9090"},
		Database:  "sqlite:drawbridge.db",
		Keyring:   "drawbridge.keys",
		Log:       Log{Level: "info", Format: "json"},
		Sessions:  Sessions{Idle: Duration(8 * time.Hour), Absolute: Duration(24 * time.Hour)},
		Lease:     Duration(time.Second),
		SignIn:    SignIn{FlowAge: Duration(15 * time.Minute), Rate: 20, Burst: 300},
		Passwords: Passwords{Memory: 19 << 10, Passes: 2},
		Scim:      Scim{Rate: 100, Burst: 400},
		Egress:    Egress{Timeout: Duration(5 * time.Second)},
		DNS:       DNS{Recheck: Duration(24 * time.Hour)},
		Mail:      Mail{Product: "Drawbridge"},
		Metadata:  Metadata{Refresh: Duration(24 * time.Hour)},
		Shutdown:  Duration(10 * time.Second),
	}
}

// Load reads the file (none when path is "") over the defaults and the environment over both, and
// checks the whole. Unknown fields are refused with their line.
func Load(path string, environ []string) (Config, error) {
	c := Default()
	if path != "" {
		data, err := os.ReadFile(path)
		if err != nil {
			return c, account.Errorf(account.Invalid, "The configuration file %s does not open.", path).
				Fix("Write one with \"drawbridge init\", or name another with --config.").Because(err)
		}
		if err := Parse(data, &c); err != nil {
			return c, account.Errorf(account.Invalid, "The configuration file %s is not understood:\n%s", path, err)
		}
	}
	if err := fromEnvironment(&c, environ); err != nil {
		return c, err
	}
	return c, c.Check()
}

// Parse reads YAML over what c already holds; unknown fields are refused with the line they stand in.
func Parse(data []byte, c *Config) error {
	if len(bytes.TrimSpace(data)) == 0 {
		return nil
	}
	err := yaml.NewDecoder(bytes.NewReader(data), yaml.Strict()).Decode(c)
	if err == nil {
		return nil
	}
	return errors.New(yaml.FormatError(err, false, true))
}

// Check reports everything that is wrong at once.
func (c Config) Check() error {
	var wrong []error
	bad := func(field, format string, args ...any) {
		wrong = append(wrong, fmt.Errorf("%s: %s", field, fmt.Sprintf(format, args...)))
	}
	u, err := url.Parse(c.PublicURL)
	switch {
	case err != nil || u.Host == "" || (u.Scheme != "https" && u.Scheme != "http") || u.Path != "" || u.RawQuery != "" || u.User != nil:
		bad("public_url", "expected scheme and host such as https://login.acme.example, received %q", c.PublicURL)
	case u.Scheme == "http" && !loopback(u.Hostname()):
		bad("public_url", "plain http is for loopback only: session cookies need https, received %q", c.PublicURL)
	}
	if (c.TLS.Certificate == "") != (c.TLS.Key == "") {
		bad("tls", "certificate and key go together")
	}
	for _, p := range c.TrustedProxies {
		if _, err := Network(p); err != nil {
			bad("trusted_proxies", "expected an address or a network such as 10.0.0.0/8, received %q", p)
		}
	}
	if err := egress.CheckAllow(c.Egress.Allow); err != nil {
		bad("egress.allow", "%v", err)
	}
	if c.Mail.Server != "" && c.Mail.From == "" {
		bad("mail.from", "expected the address that letters come from")
	}
	for _, r := range c.DNS.Resolvers {
		if _, err := netip.ParseAddrPort(r); err != nil {
			bad("dns.resolvers", "expected address:port such as 192.0.2.53:53, received %q", r)
		}
	}
	if !strings.HasPrefix(c.Database, "sqlite:") && !strings.HasPrefix(c.Database, "postgres://") && !strings.HasPrefix(c.Database, "postgresql://") {
		bad("database", "expected sqlite:PATH or postgres://…")
	}
	if c.Keyring == "" {
		bad("keyring", "expected a file")
	}
	switch c.Log.Level {
	case "debug", "info", "warn", "error":
	default:
		bad("log.level", "expected debug, info, warn or error, received %q", c.Log.Level)
	}
	if c.Log.Format != "json" && c.Log.Format != "text" {
		bad("log.format", "expected json or text, received %q", c.Log.Format)
	}
	between := func(field string, d Duration, least, most time.Duration) {
		if time.Duration(d) < least || time.Duration(d) > most {
			bad(field, "expected between %s and %s, received %s", Duration(least), Duration(most), d)
		}
	}
	between("sessions.idle", c.Sessions.Idle, time.Minute, 30*24*time.Hour)
	between("sessions.absolute", c.Sessions.Absolute, time.Minute, 90*24*time.Hour)
	between("lease", c.Lease, 250*time.Millisecond, 10*time.Second)
	between("sign_in.flow_age", c.SignIn.FlowAge, time.Minute, 15*time.Minute)
	between("egress.timeout", c.Egress.Timeout, 100*time.Millisecond, time.Minute)
	between("dns.recheck", c.DNS.Recheck, time.Minute, 30*24*time.Hour)
	between("metadata.refresh", c.Metadata.Refresh, time.Minute, 30*24*time.Hour)
	between("shutdown", c.Shutdown, 0, 10*time.Minute)
	if c.Passwords.Memory < 8 || c.Passwords.Memory > 1<<20 || c.Passwords.Passes < 1 || c.Passwords.Passes > 64 || c.Passwords.Parallel < 0 {
		bad("passwords", "memory is 8 to 1048576 KiB, passes are 1 to 64")
	}
	if c.SignIn.Rate <= 0 || c.SignIn.Burst < 1 {
		bad("sign_in", "rate and burst have to be above zero")
	}
	if c.Scim.Rate <= 0 || c.Scim.Burst < 1 {
		bad("scim", "rate and burst have to be above zero")
	}
	if c.SignIn.Parallel < 0 {
		bad("sign_in.parallel", "expected zero or more")
	}
	if len(wrong) > 0 {
		return account.Errorf(account.Invalid, "The configuration needs mending:\n%s", errors.Join(wrong...))
	}
	return nil
}

// Network reads an address or a CIDR network.
func Network(s string) (netip.Prefix, error) {
	if p, err := netip.ParsePrefix(s); err == nil {
		return p.Masked(), nil
	}
	a, err := netip.ParseAddr(s)
	if err != nil {
		return netip.Prefix{}, err
	}
	return netip.PrefixFrom(a, a.BitLen()), nil
}

func loopback(host string) bool {
	if host == "localhost" || strings.HasSuffix(host, ".localhost") {
		return true
	}
	a, err := netip.ParseAddr(host)
	return err == nil && a.IsLoopback()
}
