package egress

import (
	"bytes"
	"compress/gzip"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/drawbridge-id/drawbridge/account"
	"golang.org/x/net/dns/dnsmessage"
)

// THREAT NET-1
func TestOnlyPublicAddressesAreReached(t *testing.T) {
	for _, tc := range []struct {
		ip   string
		what string // "" is public
	}{
		{"8.8.8.8", ""}, {"1.1.1.1", ""}, {"172.15.255.255", ""}, {"172.32.0.1", ""}, {"100.63.255.255", ""}, {"100.128.0.1", ""},
		{"2606:4700::1111", ""}, {"2a00:1450:4001::200e", ""}, {"2001:4860:4860::8888", ""},
		{"127.0.0.1", "loopback"}, {"127.8.9.1", "loopback"}, {"::1", "loopback"},
		{"10.0.0.1", "private"}, {"172.16.0.1", "private"}, {"172.31.255.255", "private"}, {"192.168.1.1", "private"}, {"fd12::1", "private"}, {"fc00::1", "private"},
		{"169.254.1.1", "link-local"}, {"fe80::1", "link-local"}, {"fe80::1%eth0", "interface"}, {"fec0::1", "site-local"},
		{"224.0.0.1", "multicast"}, {"239.255.255.255", "multicast"}, {"ff02::1", "multicast"},
		{"0.0.0.0", "unspecified"}, {"0.1.2.3", "unspecified"}, {"::", "unspecified"},
		{"100.64.0.1", "carrier"}, {"100.127.255.255", "carrier"},
		{"::ffff:127.0.0.1", "dressed"}, {"::ffff:8.8.8.8", "dressed"}, {"64:ff9b::7f00:1", "dressed"}, {"64:ff9b::808:808", "dressed"},
		{"64:ff9b:1::a00:1", "dressed"}, {"2002:7f00:1::", "dressed"}, {"2001::1", "protocol"}, {"::127.0.0.1", "outside"},
		{"169.254.169.254", "metadata"}, {"169.254.170.2", "metadata"}, {"fd00:ec2::254", "metadata"}, {"168.63.129.16", "metadata"}, {"100.100.100.200", "metadata"},
		{"255.255.255.255", "reserved"}, {"240.0.0.1", "reserved"}, {"192.0.0.8", "protocol"}, {"192.0.2.1", "documentation"}, {"198.18.0.1", "benchmarking"},
		{"198.51.100.7", "documentation"}, {"203.0.113.7", "documentation"}, {"192.88.99.1", "6to4"}, {"2001:db8::1", "documentation"}, {"3fff::1", "documentation"},
		{"100::1", "outside"}, {"5f00::1", "outside"}, {"4000::1", "outside"},
	} {
		what, special := Special(netip.MustParseAddr(tc.ip))
		if special != (tc.what != "") || !strings.Contains(what, tc.what) {
			t.Errorf("%s: got %q (special %v), want something with %q", tc.ip, what, special, tc.what)
		}
	}
}

// THREAT NET-1: whatever spelling, an address that embeds or is an inner IPv4 one is never public.
func FuzzSpecial(f *testing.F) {
	f.Add([]byte{127, 0, 0, 1})
	f.Add([]byte{10, 1, 2, 3})
	f.Add([]byte{169, 254, 169, 254})
	f.Add(bytes.Repeat([]byte{0xfd}, 16))
	f.Fuzz(func(t *testing.T, b []byte) {
		ip, ok := netip.AddrFromSlice(b)
		if !ok {
			return
		}
		_, special := Special(ip)
		std := ip.IsLoopback() || ip.IsPrivate() || ip.IsLinkLocalUnicast() || ip.IsMulticast() || ip.IsUnspecified() || ip.Is4In6() || !ip.IsGlobalUnicast()
		if std && !special {
			t.Fatalf("%s passes", ip)
		}
		if !ip.Is4() {
			return
		}
		v4 := ip.As4()
		for _, dressed := range [][16]byte{
			{10: 0xff, 11: 0xff, 12: v4[0], 13: v4[1], 14: v4[2], 15: v4[3]},
			{0: 0, 1: 0x64, 2: 0xff, 3: 0x9b, 12: v4[0], 13: v4[1], 14: v4[2], 15: v4[3]},
			{0: 0x20, 1: 0x02, 2: v4[0], 3: v4[1], 4: v4[2], 5: v4[3]},
			{12: v4[0], 13: v4[1], 14: v4[2], 15: v4[3]},
		} {
			if _, special := Special(netip.AddrFrom16(dressed)); !special {
				t.Fatalf("%s passes", netip.AddrFrom16(dressed))
			}
		}
	})
}

func get(t *testing.T, c *http.Client, url string) (string, *account.Error) {
	t.Helper()
	resp, err := c.Get(url)
	if err != nil {
		return "", Explain(url, err)
	}
	b, err := Read(resp, DefaultMaxBody)
	return string(b), Explain(url, err)
}

func code(e *account.Error) string {
	if e == nil {
		return ""
	}
	return e.Code
}

func hello(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "hello") }

// THREAT NET-1
func TestLoopbackIsRefusedUnlessListed(t *testing.T) {
	srv := httptest.NewServer(http.HandlerFunc(hello))
	defer srv.Close()
	_, port, _ := net.SplitHostPort(srv.Listener.Addr().String())

	for _, host := range []string{"127.0.0.1", "localhost", "[::ffff:127.0.0.1]", "0.0.0.0", "[::1]", "2130706433", "0x7f000001", "127.1"} {
		_, err := get(t, New(Options{}), "http://"+host+":"+port)
		if c := code(err); c != "address_refused" && c != "name_not_found" && c != "name_lookup_failed" {
			t.Errorf("%s: got %v", host, err)
		}
	}
	_, err := get(t, New(Options{}), srv.URL)
	if err == nil || err.Kind != account.Unavailable || !strings.Contains(err.Help, "egress.allow") || !strings.Contains(err.Message, "loopback") {
		t.Errorf("the refusal does not help: %v", err)
	}
	for _, allow := range []string{"127.0.0.1", "127.0.0.0/8", "::ffff:127.0.0.1"} {
		if body, err := get(t, New(Options{Allow: []string{allow}}), srv.URL); body != "hello" {
			t.Errorf("allow %s: %v", allow, err)
		}
	}
	if body, err := get(t, New(Options{Allow: []string{"LocalHost"}}), "http://localhost:"+port); body != "hello" {
		t.Errorf("allow by name: %v", err)
	}
	if _, err := get(t, New(Options{Allow: []string{"localhost"}}), srv.URL); code(err) != "address_refused" {
		t.Errorf("a listed name opens only that name: %v", err)
	}
}

// THREAT NET-1: a name that is public when it is checked and private when it is used has no gap to
// slip through, since the check sits on the address that is connected to.
func TestNamesAreJudgedByWhereTheyLead(t *testing.T) {
	srv := httptest.NewServer(http.HandlerFunc(hello))
	defer srv.Close()
	_, port, _ := net.SplitHostPort(srv.Listener.Addr().String())
	dns := serveDNS(t, map[string][4]byte{
		"rebind.acme.example.":   {127, 0, 0, 1},
		"metadata.acme.example.": {169, 254, 169, 254},
		"inside.acme.example.":   {127, 0, 0, 1},
	})
	c := New(Options{Resolver: dns, Allow: []string{"inside.acme.example", "metadata.acme.example"}})

	if _, err := get(t, c, "http://rebind.acme.example:"+port); code(err) != "address_refused" {
		t.Errorf("rebind: %v", err)
	}
	if _, err := get(t, c, "http://metadata.acme.example:"+port); code(err) != "address_refused" || !strings.Contains(err.Message, "metadata") {
		t.Errorf("a listed name does not open the metadata service: %v", err)
	}
	if body, err := get(t, c, "http://inside.acme.example:"+port); body != "hello" {
		t.Errorf("inside: %v", err)
	}
	if _, err := get(t, c, "https://nobody.acme.example"); code(err) != "name_not_found" {
		t.Errorf("unknown name: %v", err)
	}
}

func TestPlainHTTPNeedsAListing(t *testing.T) {
	g := &gate{log: slog.New(slog.DiscardHandler)}
	g.allow, _ = parseAllow([]string{"idp.internal", "9.9.9.0/24"})
	for _, tc := range []struct {
		host, address string
		plain         bool
		want          string
	}{
		{"idp.acme.example", "8.8.8.8:443", false, ""},
		{"idp.acme.example", "8.8.8.8:80", true, "https_required"},
		{"idp.internal", "8.8.8.8:80", true, ""},
		{"IDP.internal.", "10.0.0.1:80", true, ""},
		{"other", "9.9.9.9:80", true, ""},
		{"other", "10.0.0.1:443", false, "address_refused"},
		{"other", "[fe80::1%1]:443", false, "address_refused"},
	} {
		var e *account.Error
		errors.As(g.check(tc.host, tc.address, tc.plain), &e)
		if code(e) != tc.want {
			t.Errorf("%+v: got %v", tc, e)
		}
	}
	for _, u := range []string{"ftp://x/", "javascript:alert(1)", "file:///etc/passwd", "gopher://x"} {
		if _, err := get(t, New(Options{}), u); code(err) != "https_required" {
			t.Errorf("%s: %v", u, err)
		}
	}
	if _, err := get(t, New(Options{}), "https://user:pw@idp.acme.example/"); code(err) != "url_userinfo" || strings.Contains(err.Error(), "pw@") {
		t.Errorf("user info: %v", err)
	}
}

// THREAT NET-1
func TestRedirectsAndProxiesAreNotFollowed(t *testing.T) {
	proxied := make(chan struct{}, 1)
	proxy := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { proxied <- struct{}{} }))
	defer proxy.Close()
	t.Setenv("HTTP_PROXY", proxy.URL)
	t.Setenv("HTTPS_PROXY", proxy.URL)
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, "http://169.254.169.254/latest?token=secret", http.StatusFound)
	}))
	defer srv.Close()
	_, err := get(t, New(Options{Allow: []string{"127.0.0.1"}}), srv.URL)
	if code(err) != "redirect_refused" || !Refused(err) {
		t.Errorf("got %v", err)
	}
	if len(proxied) != 0 {
		t.Error("the proxy of the environment was used")
	}
}

// THREAT OIDC-D1: a small compressed answer cannot grow without bound, and a cut answer is an error.
func TestAnswersAreBounded(t *testing.T) {
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/exact":
			_, _ = w.Write(make([]byte, 1000))
		case "/over":
			_, _ = w.Write(make([]byte, 1001))
		case "/bomb":
			w.Header().Set("Content-Encoding", "gzip")
			z := gzip.NewWriter(w)
			_, _ = z.Write(make([]byte, 8<<20))
			_ = z.Close()
		}
	}))
	defer srv.Close()
	c := New(Options{Allow: []string{"127.0.0.1"}, MaxBody: 1000})
	if body, err := get(t, c, srv.URL+"/exact"); len(body) != 1000 || err != nil {
		t.Errorf("exact: %d bytes, %v", len(body), err)
	}
	for _, path := range []string{"/over", "/bomb"} {
		if _, err := get(t, c, srv.URL+path); code(err) != "answer_too_large" || err.Kind != account.TooLarge {
			t.Errorf("%s: %v", path, err)
		}
	}
	resp, err := c.Get(srv.URL + "/exact")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := Read(resp, 999); account.KindOf(err) != account.TooLarge {
		t.Errorf("Read with its own limit: %v", err)
	}
}

// THREAT NET-3
func TestSlowPeersEnd(t *testing.T) {
	release := make(chan struct{})
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/body" {
			_, _ = io.WriteString(w, "begin")
			w.(http.Flusher).Flush()
		}
		<-release
	}))
	defer srv.Close()
	defer close(release)
	c := New(Options{Allow: []string{"127.0.0.1"}, Timeout: 50 * time.Millisecond})
	for _, path := range []string{"/headers", "/body"} {
		if _, err := get(t, c, srv.URL+path); code(err) != "timeout" {
			t.Errorf("%s: %v", path, err)
		}
	}
}

// THREAT NET-3
func TestTLSIsModernAndChecked(t *testing.T) {
	srv := httptest.NewUnstartedServer(http.HandlerFunc(hello))
	srv.Config.ErrorLog = slog.NewLogLogger(slog.DiscardHandler, slog.LevelError)
	srv.StartTLS()
	defer srv.Close()
	roots := x509.NewCertPool()
	roots.AddCert(srv.Certificate())
	allow := []string{"127.0.0.1", "localhost"}

	if body, err := get(t, New(Options{Allow: allow, Roots: roots}), srv.URL); body != "hello" {
		t.Errorf("trusted: %v", err)
	}
	if _, err := get(t, New(Options{Allow: allow}), srv.URL); code(err) != "tls_authority" {
		t.Errorf("unknown authority: %v", err)
	}
	if _, err := get(t, New(Options{Allow: allow, Roots: roots}), strings.Replace(srv.URL, "127.0.0.1", "localhost", 1)); code(err) != "tls_name" {
		t.Errorf("other name: %v", err)
	}
	plain := httptest.NewServer(http.HandlerFunc(hello))
	defer plain.Close()
	if _, err := get(t, New(Options{Allow: allow}), strings.Replace(plain.URL, "http", "https", 1)); code(err) != "tls_failed" {
		t.Errorf("not TLS: %v", err)
	}
	old := httptest.NewUnstartedServer(http.HandlerFunc(hello))
	old.Config.ErrorLog = srv.Config.ErrorLog
	old.TLS = &tls.Config{MaxVersion: tls.VersionTLS11, MinVersion: tls.VersionTLS10}
	old.StartTLS()
	defer old.Close()
	if _, err := get(t, New(Options{Allow: allow, Roots: roots}), old.URL); code(err) != "tls_failed" {
		t.Errorf("TLS 1.1: %v", err)
	}
	gone := httptest.NewServer(nil)
	gone.Close()
	if _, err := get(t, New(Options{Allow: allow}), gone.URL); code(err) != "connect_failed" || Refused(err) {
		t.Errorf("nobody listens: %v", err)
	}
}

func TestAllowListIsChecked(t *testing.T) {
	if err := CheckAllow([]string{"idp.internal", "10.0.0.0/8", "::1", "[::1]", "192.168.1.7", "fd00::/8"}); err != nil {
		t.Error(err)
	}
	for _, bad := range []string{"", "*", "https://idp.internal", "10.0.0.0/99", "idp.internal:8080", "*.acme.example", "a b"} {
		var e *account.Error
		if err := CheckAllow([]string{"ok", bad}); !errors.As(err, &e) || e.Pointer != "/egress/allow/1" {
			t.Errorf("%q: %v", bad, err)
		}
	}
	var log bytes.Buffer
	New(Options{Allow: []string{"127.0.0.1"}, Log: slog.New(slog.NewTextHandler(&log, nil))})
	if !strings.Contains(log.String(), "level=WARN") {
		t.Error("an allow list is not loud")
	}
}

// serveDNS answers A questions over loopback UDP from the table and NXDOMAIN for all else.
func serveDNS(t *testing.T, table map[string][4]byte) *net.Resolver {
	t.Helper()
	pc, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = pc.Close() })
	go func() {
		buf := make([]byte, 1500)
		for {
			n, peer, err := pc.ReadFrom(buf)
			if err != nil {
				return
			}
			var q dnsmessage.Message
			if q.Unpack(buf[:n]) != nil || len(q.Questions) == 0 {
				continue
			}
			a := dnsmessage.Message{Header: dnsmessage.Header{ID: q.ID, Response: true, RecursionAvailable: true}, Questions: q.Questions}
			ip, known := table[strings.ToLower(q.Questions[0].Name.String())]
			switch {
			case !known:
				a.RCode = dnsmessage.RCodeNameError
			case q.Questions[0].Type == dnsmessage.TypeA:
				a.Answers = []dnsmessage.Resource{{
					Header: dnsmessage.ResourceHeader{Name: q.Questions[0].Name, Type: dnsmessage.TypeA, Class: dnsmessage.ClassINET},
					Body:   &dnsmessage.AResource{A: ip},
				}}
			}
			if out, err := a.Pack(); err == nil {
				_, _ = pc.WriteTo(out, peer)
			}
		}
	}()
	return &net.Resolver{PreferGo: true, Dial: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "udp", pc.LocalAddr().String())
	}}
}
