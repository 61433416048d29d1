package federation

import (
	"net/url"
	"strings"
	"testing"

	"github.com/drawbridge-id/drawbridge/account"
)

var relying = account.Catalogue{Relying: []account.Relying{
	{ID: "registry", Origins: []string{"https://registry.acme.example", "http://127.0.0.1:9000"}},
}}

// THREAT SAML-L1
func TestNextIsAnOwnPathOrARegisteredOrigin(t *testing.T) {
	for _, tc := range []struct{ raw, want string }{
		{"/", "/"},
		{"/o/acme/teams?sort=name&u=https://x.example//y", "/o/acme/teams?sort=name&u=https://x.example//y"},
		{"/s/abc#key", "/s/abc#key"},
		{"https://registry.acme.example/images?x=1", "https://registry.acme.example/images?x=1"},
		{"http://127.0.0.1:9000/cb", "http://127.0.0.1:9000/cb"},

		{"", ""}, {"o/acme", ""}, {"//evil.example", ""}, {"///evil.example", ""}, {`/\evil.example`, ""}, {`\\evil.example`, ""},
		{"/\t/evil.example", ""}, {"/\n/evil.example", ""}, {"\t//evil.example", ""}, {" /x", ""}, {"/x\r\nSet-Cookie: a=b", ""},
		{"/.//evil.example", ""}, {"/%2f/evil.example", ""}, {"/%5cevil.example", ""}, {"/x//y", ""},
		{"https://evil.example", ""}, {"https://registry.acme.example.evil.example/", ""}, {"https://registry.acme.example@evil.example/", ""},
		{"https://evil@registry.acme.example/", ""}, {"http://registry.acme.example/", ""}, {"https://registry.acme.example:8443/", ""},
		{"https:registry.acme.example", ""}, {"javascript:alert(1)", ""}, {"data:text/html,x", ""}, {"mailto:a@b", ""},
		{"https:///evil.example", ""}, {"/ünïcode", ""}, {"/" + strings.Repeat("x", 3000), ""},
		{"/signin", ""}, {"/signin?next=/signin", ""}, {"/signout", ""}, {"/login/con_1", ""},
	} {
		if got := Next(relying, tc.raw); got != tc.want {
			t.Errorf("Next(%q) = %q, want %q", tc.raw, got, tc.want)
		}
	}
}

// THREAT SAML-L1: whatever comes in, what goes out leads to our own host or to a registered origin, also
// in the eyes of a browser that drops tabs and takes backslashes for slashes.
func FuzzNext(f *testing.F) {
	for _, s := range []string{"/", "//x", `/\x`, "/\t/x", "/a?b=//c", "https://registry.acme.example/", "https://registry.acme.example@x/", "/%2e%2e//x", "x:y", "/#//x"} {
		f.Add(s)
	}
	base, _ := url.Parse("https://id.acme.example/login/con_1/callback")
	f.Fuzz(func(t *testing.T, raw string) {
		got := Next(relying, raw)
		if got == "" {
			return
		}
		seen := strings.NewReplacer("\t", "", "\n", "", "\r", "", `\`, "/").Replace(strings.TrimLeft(got, "\x00 "))
		u, err := base.Parse(seen)
		if err != nil {
			t.Fatalf("Next(%q) = %q, which does not parse: %v", raw, got, err)
		}
		switch u.Scheme + "://" + u.Host {
		case "https://id.acme.example", "https://registry.acme.example", "http://127.0.0.1:9000":
		default:
			t.Fatalf("Next(%q) = %q leads to %s", raw, got, u)
		}
		if u.User != nil || strings.HasPrefix(u.Path, "//") || strings.ContainsAny(got, "\r\n") {
			t.Fatalf("Next(%q) = %q", raw, got)
		}
	})
}
