package drive

import (
	"cmp"
	"net/http"
	"net/url"
	"path"
	"slices"
	"strings"
	"time"
)

// A relation is how the page that causes a request stands to the request's address, in the words
// of the Sec-Fetch-Site header (W3C Fetch Metadata).
type relation string

const (
	typedIn    relation = "none" // no page: somebody typed the address
	sameOrigin relation = "same-origin"
	sameSite   relation = "same-site" // another port or subdomain
	crossSite  relation = "cross-site"
)

// An origin is the page a request comes from, and the redirects it went through.
type origin struct {
	page *url.URL // nil: somebody typed the address
	hops []*url.URL
}

func (o *origin) through(hop *url.URL) *origin {
	if o == nil {
		return &origin{hops: []*url.URL{hop}}
	}
	return &origin{page: o.page, hops: append(slices.Clone(o.hops), hop)}
}

// relationTo is the weakest of the relations along the way, as browsers reckon it.
func (o *origin) relationTo(to *url.URL) relation {
	if o == nil || o.page == nil {
		return typedIn
	}
	worst := between(o.page, to)
	for _, hop := range o.hops {
		switch r := between(o.page, hop); {
		case r == crossSite:
			worst = crossSite
		case r == sameSite && worst == sameOrigin:
			worst = sameSite
		}
	}
	return worst
}

func between(a, b *url.URL) relation {
	switch {
	case a.Scheme == b.Scheme && a.Host == b.Host:
		return sameOrigin
	case a.Scheme == b.Scheme && site(a.Hostname()) == site(b.Hostname()):
		return sameSite
	}
	return crossSite
}

// site is the part of a host name that one owner holds: for x.app.localhost it is app.localhost,
// because localhost counts as a public suffix.
func site(host string) string {
	if rest, ok := strings.CutSuffix(host, ".localhost"); ok {
		return rest[strings.LastIndex(rest, ".")+1:] + ".localhost"
	}
	return host
}

// A jar keeps cookies by host, path and name; ports do not part them (RFC 6265 §8.5).
type jar struct{ kept []kept }

type kept struct {
	host   string
	cookie *http.Cookie
}

// take stores what a browser would store of an answer's cookies.
func (j *jar) take(from *url.URL, cookies []*http.Cookie, now time.Time) {
	for _, c := range cookies {
		if c.Path == "" || c.Path[0] != '/' {
			c.Path = path.Dir("/" + strings.TrimPrefix(from.Path, "/")) // RFC 6265 §5.1.4
		}
		// One host is one server here, so that a Domain could only widen what is sent.
		if !prefixHolds(c) || (c.Domain != "" && c.Domain != from.Hostname()) {
			continue
		}
		// Browsers refuse SameSite=None without Secure.
		if c.SameSite == http.SameSiteNoneMode && !c.Secure {
			continue
		}
		j.kept = slices.DeleteFunc(j.kept, func(k kept) bool {
			return k.host == from.Hostname() && k.cookie.Path == c.Path && k.cookie.Name == c.Name
		})
		if c.MaxAge < 0 || (c.MaxAge == 0 && !c.Expires.IsZero() && c.Expires.Before(now)) {
			continue
		}
		j.kept = append(j.kept, kept{from.Hostname(), c})
	}
}

// prefixHolds checks the promises of cookie name prefixes (RFC 6265bis §4.1.3).
func prefixHolds(c *http.Cookie) bool {
	name := strings.ToLower(c.Name)
	switch {
	case strings.HasPrefix(name, "__host-"):
		return c.Secure && c.Domain == "" && c.Path == "/"
	case strings.HasPrefix(name, "__secure-"):
		return c.Secure
	}
	return true
}

// give lists the cookies for a request, longest path first (RFC 6265 §5.4). A cookie without a
// SameSite attribute is Lax, as in Chromium, without its two minutes of grace for POST.
func (j *jar) give(to *url.URL, method string, from relation) []*http.Cookie {
	var out []*http.Cookie
	for _, k := range j.kept {
		if k.host == to.Hostname() && pathMatches(to.Path, k.cookie.Path) && siteAllows(k.cookie, method, from) {
			out = append(out, k.cookie)
		}
	}
	slices.SortStableFunc(out, func(a, b *http.Cookie) int { return len(b.Path) - len(a.Path) })
	return out
}

func siteAllows(c *http.Cookie, method string, from relation) bool {
	if from != crossSite || c.SameSite == http.SameSiteNoneMode {
		return true
	}
	return c.SameSite != http.SameSiteStrictMode && method == http.MethodGet
}

func pathMatches(asked, of string) bool {
	asked = cmp.Or(asked, "/")
	return asked == of || strings.HasPrefix(asked, strings.TrimSuffix(of, "/")+"/")
}
