package federation

import (
	"net/url"
	"slices"
	"strings"

	"github.com/drawbridge-id/drawbridge/account"
)

const maxNext = 2048 // bytes of a return path

// Next checks where a person wants to go after signing in: a path of our own, or a page at an origin that
// a relying service of the catalogue lists. Anything else is "", which means home. What passes is kept on
// the server, never in RelayState or state (SAML-L1; RFC 9700 §2.1 and §4.11: no open redirector).
//
// The reading is stricter than any browser's: browsers drop tabs and line ends, take a backslash for a
// slash and two slashes for another host, so none of these come through.
func Next(cat account.Catalogue, raw string) string {
	if raw == "" || len(raw) > maxNext || strings.ContainsFunc(raw, unwelcome) {
		return ""
	}
	u, err := url.Parse(raw)
	if err != nil || u.User != nil || u.Opaque != "" {
		return ""
	}
	if u.Scheme == "" && u.Host == "" {
		return ownPath(u, raw)
	}
	if !listed(cat, u) {
		return ""
	}
	return raw
}

func unwelcome(r rune) bool {
	return r <= ' ' || r == 0x7f || r >= 0x80 || r == '\\'
}

// ownPath accepts one leading slash and no second one behind it, spelled out or percent-encoded; the
// pages of the entrance itself lead home, so that nobody walks in circles.
func ownPath(u *url.URL, raw string) string {
	path, _, _ := strings.Cut(raw, "?")
	if !strings.HasPrefix(raw, "/") || strings.Contains(path, "//") || strings.Contains(u.Path, "//") || strings.Contains(u.Path, `\`) {
		return ""
	}
	if slices.Contains([]string{"/signin", "/signup", "/signout", "/signed-out"}, u.Path) || strings.HasPrefix(u.Path, "/login/") || strings.HasPrefix(u.Path, "/signin/") {
		return ""
	}
	return raw
}

func listed(cat account.Catalogue, u *url.URL) bool {
	origin := u.Scheme + "://" + u.Host
	return slices.ContainsFunc(cat.Relying, func(r account.Relying) bool { return slices.Contains(r.Origins, origin) })
}
