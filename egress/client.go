// Package egress is the one HTTP client with which the house fetches from addresses that others
// chose: metadata, discovery documents, keys, tokens, groups, later webhooks. It decides on the
// address that is really connected to, after name resolution, so that no name can lead inside.
package egress

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"syscall"
	"time"

	"github.com/drawbridge-id/drawbridge/account"
)

// The defaults of Options.
const (
	DefaultTimeout = 5 * time.Second
	DefaultMaxBody = 1 << 20 // bytes, after decompression
)

// Options say how far the client reaches.
type Options struct {
	// Allow lists what may be reached although it is loopback, private or otherwise special, and over
	// plain http: host names (exact, without port), IP addresses, CIDR blocks. It is the setting
	// `egress.allow`; CheckAllow says whether it can be read.
	Allow   []string
	Timeout time.Duration // whole exchange, body included; zero: DefaultTimeout
	MaxBody int64         // bytes of any answer; zero: DefaultMaxBody
	Log     *slog.Logger  // refused addresses; nil: none
	// Roots are the certificate authorities that are trusted; nil: the system's.
	Roots *x509.CertPool
	// Resolver looks up names; nil: the system's.
	Resolver *net.Resolver
}

// New makes the client: https only, TLS 1.2 or newer, no redirects, no proxy from the environment, one
// bound on the time and one on the body. What it refuses comes back as an account.Error in the chain
// of the error (Explain finds it): Invalid for what the URL itself forbids, Unavailable for what was
// found on the way. Entries of Allow that cannot be read allow nothing.
//
// The client is safe for concurrent use and meant to be made once per process.
func New(o Options) *http.Client {
	if o.Timeout <= 0 {
		o.Timeout = DefaultTimeout
	}
	if o.MaxBody <= 0 {
		o.MaxBody = DefaultMaxBody
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	allow, err := parseAllow(o.Allow)
	if err != nil {
		o.Log.Error("egress.allow cannot be read in full; such entries allow nothing", "error", err)
	}
	if !allow.empty() {
		// Loud, because a list meant for a test must not stay in production unseen (NET-1).
		o.Log.Warn("outbound fetches may reach private addresses and plain http", "egress.allow", o.Allow)
	}
	g := &gate{allow: allow, resolver: o.Resolver, log: o.Log, timeout: o.Timeout}
	return &http.Client{
		Timeout:       o.Timeout,
		CheckRedirect: refuseRedirect,
		Transport: &transport{
			max:    o.MaxBody,
			secure: g.transport(false, o.Roots),
			plain:  g.transport(true, o.Roots),
		},
	}
}

func refuseRedirect(r *http.Request, via []*http.Request) error {
	return account.Errorf(account.Invalid, "%s answers with a redirect to %s, and redirects are not followed.",
		clip(via[0].URL.Redacted()), clip(r.URL.Redacted())).
		Coded("redirect_refused").Fix("Use the final URL, if it is the one you mean.")
}

// transport checks the URL, sends it over the client for its scheme, and bounds the answer. The two
// schemes have two pools, so that the gate knows at the moment of connecting which one it serves.
type transport struct {
	max           int64
	secure, plain http.RoundTripper
}

func (t *transport) RoundTrip(r *http.Request) (*http.Response, error) {
	rt, err := t.route(r)
	if err != nil {
		if r.Body != nil {
			_ = r.Body.Close() // http.RoundTripper: the body is closed on errors too
		}
		return nil, err
	}
	resp, err := rt.RoundTrip(r)
	if err != nil {
		return nil, err
	}
	resp.Body = &bounded{body: resp.Body, left: t.max, max: t.max}
	return resp, nil
}

func (t *transport) route(r *http.Request) (http.RoundTripper, error) {
	switch {
	case r.URL.User != nil:
		return nil, account.Errorf(account.Invalid, "A URL with a user name in it is not fetched.").Coded("url_userinfo")
	case r.URL.Scheme == "https":
		return t.secure, nil
	case r.URL.Scheme == "http":
		return t.plain, nil
	}
	return nil, account.Errorf(account.Invalid, "Expected an https URL, received one with scheme %q.", clip(r.URL.Scheme)).
		Coded("https_required")
}

// CloseIdleConnections lets http.Client.CloseIdleConnections reach both pools.
func (t *transport) CloseIdleConnections() {
	for _, rt := range []http.RoundTripper{t.secure, t.plain} {
		if c, ok := rt.(interface{ CloseIdleConnections() }); ok {
			c.CloseIdleConnections()
		}
	}
}

// gate stands at the socket: the last place before a connection, where the address is the one that
// the resolver gave and nothing can change it any more.
type gate struct {
	allow    allowList
	resolver *net.Resolver
	log      *slog.Logger
	timeout  time.Duration
}

func (g *gate) transport(plain bool, roots *x509.CertPool) *http.Transport {
	return &http.Transport{
		Proxy: nil, // a proxy would connect where we do not see it
		DialContext: func(ctx context.Context, network, addr string) (net.Conn, error) {
			return g.dial(ctx, network, addr, plain)
		},
		TLSClientConfig:        &tls.Config{MinVersion: tls.VersionTLS12, RootCAs: roots},
		ForceAttemptHTTP2:      true,
		TLSHandshakeTimeout:    g.timeout,
		ResponseHeaderTimeout:  g.timeout,
		ExpectContinueTimeout:  time.Second,
		IdleConnTimeout:        time.Minute,
		MaxIdleConns:           256,
		MaxIdleConnsPerHost:    16,
		MaxResponseHeaderBytes: 64 << 10,
	}
}

func (g *gate) dial(ctx context.Context, network, addr string, plain bool) (net.Conn, error) {
	host, _, err := net.SplitHostPort(addr)
	if err != nil {
		return nil, account.Errorf(account.Invalid, "The URL has no usable host.").Coded("url_host").Because(err)
	}
	// The socket layer turns ::ffff:a.b.c.d into a.b.c.d before the control function sees it.
	if ip, err := netip.ParseAddr(host); err == nil && ip.Is4In6() && !g.allow.covers(ip.Unmap()) {
		return nil, g.refuse(host, ip, "an IPv4 address dressed as IPv6")
	}
	d := net.Dialer{
		Timeout:  g.timeout,
		Resolver: g.resolver,
		Control: func(_, address string, _ syscall.RawConn) error {
			return g.check(host, address, plain)
		},
	}
	return d.DialContext(ctx, network, addr)
}

// check judges one resolved address, as "ip:port", for a URL that named host.
func (g *gate) check(host, address string, plain bool) error {
	ap, err := netip.ParseAddrPort(address)
	if err != nil {
		return account.Errorf(account.Invalid, "%s resolves to something that is no address.", clip(host)).Coded("address_refused").Because(err)
	}
	listed := g.allow.covers(ap.Addr())
	named := g.allow.hosts[hostKey(host)] && !metadata[ap.Addr().Unmap()]
	why, special := Special(ap.Addr())
	switch {
	case listed || named:
		return nil
	case special:
		return g.refuse(host, ap.Addr(), why)
	case plain:
		return account.Errorf(account.Invalid, "Expected an https URL for %s, received an http one.", clip(host)).
			Coded("https_required").Fix("Use https, or have the operator list %s under egress.allow.", clip(host))
	}
	return nil
}

func (g *gate) refuse(host string, ip netip.Addr, why string) error {
	g.log.Warn("outbound fetch refused", "host", clip(host), "address", ip.String(), "reason", why)
	return account.Errorf(account.Unavailable, "%s is at %s, %s, where this installation does not fetch from.", clip(host), ip, why).
		Coded("address_refused").
		Fix("If that is meant, the operator can list %s under egress.allow.", clip(host))
}

// Refused reports whether err says that egress itself would not go there, as opposed to a peer that
// did not answer.
func Refused(err error) bool {
	var e *account.Error
	return errors.As(err, &e) && (e.Code == "address_refused" || e.Code == "https_required" ||
		e.Code == "redirect_refused" || e.Code == "url_userinfo" || e.Code == "url_host")
}
