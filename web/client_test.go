package web

import (
	"net/http/httptest"
	"net/netip"
	"strings"
	"testing"
)

var proxies = []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8"), netip.MustParsePrefix("fd00::/8")}

// THREAT SES-4: whoever is no listed proxy cannot say where a request comes from.
func TestOnlyAListedProxyMaySayWhereARequestComesFrom(t *testing.T) {
	for _, c := range []struct {
		name, peer, want string
		lines            []string
	}{
		{"a stranger says it is somebody else", "203.0.113.5:1", "203.0.113.5", []string{"198.51.100.1"}},
		{"a proxy passes a client on", "10.0.0.1:1", "198.51.100.1", []string{"198.51.100.1"}},
		{"what stands left of the client is the client's own writing", "10.0.0.1:1", "198.51.100.1", []string{"127.0.0.1, 8.8.8.8, 198.51.100.1"}},
		{"two proxies in a row", "10.0.0.1:1", "198.51.100.1", []string{"9.9.9.9, 198.51.100.1, 10.2.3.4"}},
		{"the header comes in two lines", "10.0.0.1:1", "198.51.100.1", []string{"9.9.9.9, 198.51.100.1", "10.2.3.4"}},
		{"only proxies: the outermost", "10.0.0.1:1", "10.9.9.9", []string{"10.9.9.9, 10.2.3.4"}},
		{"no header", "10.0.0.1:1", "10.0.0.1", nil},
		{"an empty header", "10.0.0.1:1", "10.0.0.1", []string{""}},
		{"what is no address ends the search", "10.0.0.1:1", "10.2.3.4", []string{"198.51.100.1, unknown, 10.2.3.4"}},
		{"with a port", "10.0.0.1:1", "198.51.100.1", []string{"198.51.100.1:443"}},
		{"IPv6 with brackets and a port", "[fd00::1]:1", "2001:db8::7", []string{"[2001:db8::7]:443"}},
		{"IPv6 with brackets", "[fd00::1]:1", "2001:db8::7", []string{"[2001:db8::7]"}},
		{"IPv4 in IPv6, of the proxy and of the client", "[::ffff:10.0.0.1]:1", "198.51.100.1", []string{"::ffff:198.51.100.1"}},
		{"a zone is no part of the address", "[fd00::1%eth0]:1", "fe80::1", []string{"fe80::1%eth0"}},
	} {
		r := httptest.NewRequest("GET", "/", nil)
		r.RemoteAddr = c.peer
		for _, l := range c.lines {
			r.Header.Add("X-Forwarded-For", l)
		}
		if got := clientIP(r, proxies); got.String() != c.want {
			t.Errorf("%s: %s, want %s", c.name, got, c.want)
		}
	}
}

func TestWithoutAPeerAddressThereIsNoClient(t *testing.T) {
	r := httptest.NewRequest("GET", "/", nil)
	r.RemoteAddr = "@"
	r.Header.Set("X-Forwarded-For", "198.51.100.1")
	if got := clientIP(r, proxies); got.IsValid() {
		t.Errorf("client %s", got)
	}
}

// FuzzForwarded: whatever the header says, an unlisted peer is the client, and a client that was read
// from the header stands in it.
func FuzzForwarded(f *testing.F) {
	for _, s := range []string{"", "198.51.100.1", "1.2.3.4, 10.0.0.2", ",,,", "[::1]:80", "[::ffff:10.0.0.1], 10.1.1.1", "a,b", "fe80::1%x, 10.0.0.1"} {
		f.Add(s, s)
	}
	f.Fuzz(func(t *testing.T, one, two string) {
		stranger, proxy := netip.MustParseAddr("203.0.113.5"), netip.MustParseAddr("10.0.0.1")
		if got := forwarded(stranger, []string{one, two}, proxies); got != stranger {
			t.Fatalf("a stranger became %s", got)
		}
		got := forwarded(proxy, []string{one, two}, proxies)
		if !got.IsValid() || got.Zone() != "" || got.Is4In6() {
			t.Fatalf("client %v", got)
		}
		if got != proxy && !strings.ContainsAny(one+two, ".:") {
			t.Fatalf("%s came out of %q %q", got, one, two)
		}
	})
}
