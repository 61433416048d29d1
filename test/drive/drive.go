// Package drive signs in the way a browser does, without one: it follows redirects, keeps cookies,
// fills in a login form, agrees to a consent page and passes on the forms that carry a SAML message
// or an OpenID Connect answer, until a page is left that asks for nothing more, or until it comes
// to an address where the test wants to look or to meddle.
//
// It sends requests to loopback addresses only, runs no script, and is bounded in steps, time and
// bytes. Where browsers matter to the house, it behaves as they do: Secure cookies travel over
// plain http to loopback, which browsers count as trustworthy; cookies that break the rules of
// their __Host- or __Secure- prefix are dropped; SameSite is kept; Origin, Referer and
// Sec-Fetch-Site tell where a request comes from.
package drive

import (
	"bytes"
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"
)

const (
	maxSteps  = 30               // requests in one Go: the longest real journey seen has 14
	maxBody   = 8 << 20          // bytes read of one page
	maxTyped  = 3                // login forms filled in, so that a wrong password comes to an end
	patience  = 60 * time.Second // for one Go
	userAgent = "Mozilla/5.0 (drawbridge test/drive)"
)

// A Driver is one browser: its cookies stay from one Go to the next. The zero value is ready, with
// nobody to sign in as. It is not for use by several goroutines at once.
type Driver struct {
	// User and Password are typed into login forms. With an empty User forms are left alone.
	User, Password string
	// Fields overrides or adds fields of a login form, by name.
	Fields map[string]string
	// StopBefore is a URL prefix: a request that begins so is not sent but given back.
	StopBefore string
	// TLS trusts the certificates of https peers; nil trusts what the system does.
	TLS *tls.Config
	// Trace, when set, hears one line per step.
	Trace func(format string, args ...any)

	jar jar
}

// A Page is where a journey ended: a document, or, when Stopped, the request that was not sent.
type Page struct {
	URL     string
	Method  string     // of the request
	Fields  url.Values // of the request's form, when it was a POST
	Stopped bool       // StopBefore was met; the fields below are empty
	Status  int
	Header  http.Header
	Body    string

	from *origin // the page that the request comes from; nil when somebody typed the address
}

// Go opens start, as if it had been typed into the address bar, and goes on from page to page.
// It is an error to meet an address that is not loopback, not to arrive within the bounds, or to
// get no answer; a page with a status of 400 and more is not.
func (d *Driver) Go(ctx context.Context, start string) (*Page, error) {
	return d.travel(ctx, &Page{Method: http.MethodGet, URL: start})
}

// Resume sends the request of a Page that was Stopped, with whatever the test has changed in it,
// and goes on from there. StopBefore is not looked at for this first request.
func (d *Driver) Resume(ctx context.Context, stopped *Page) (*Page, error) {
	next := *stopped
	return d.travel(ctx, &next)
}

// Post submits a form to address as a page of that same origin would, and goes on from there.
func (d *Driver) Post(ctx context.Context, address string, fields url.Values) (*Page, error) {
	u, err := url.Parse(address)
	if err != nil {
		return nil, err
	}
	return d.travel(ctx, &Page{Method: http.MethodPost, URL: address, Fields: fields, from: &origin{page: u}})
}

// Cookie is the value of a cookie that would be sent to address, and whether there is one.
func (d *Driver) Cookie(address, name string) (string, bool) {
	u, err := url.Parse(address)
	if err != nil {
		return "", false
	}
	for _, c := range d.jar.give(u, http.MethodGet, sameOrigin) {
		if c.Name == name {
			return c.Value, true
		}
	}
	return "", false
}

// Plant stores a cookie as if address had set it, for tests of what an attacker would put there.
func (d *Driver) Plant(address string, c *http.Cookie) {
	if u, err := url.Parse(address); err == nil {
		d.jar.take(u, []*http.Cookie{c}, time.Now())
	}
}

// travel sends the request that step holds, and what follows from it.
func (d *Driver) travel(ctx context.Context, step *Page) (*Page, error) {
	ctx, stop := context.WithTimeout(ctx, patience)
	defer stop()
	resuming := step.Stopped
	step.Stopped = false
	typed := 0
	for range maxSteps {
		if !resuming && d.StopBefore != "" && strings.HasPrefix(step.URL, d.StopBefore) {
			step.Stopped = true
			return step, nil
		}
		resuming = false
		if err := d.send(ctx, step); err != nil {
			return nil, fmt.Errorf("drive: %s %s: %w", step.Method, step.URL, err)
		}
		d.trace("%s %s: %d %s", step.Method, step.URL, step.Status, step.Header.Get("Location"))
		next, err := d.next(step, &typed)
		if err != nil {
			return nil, fmt.Errorf("drive: at %s: %w", step.URL, err)
		}
		if next == nil {
			return step, nil
		}
		step = next
	}
	return nil, fmt.Errorf("drive: still travelling after %d requests, at %s", maxSteps, step.URL)
}

func (d *Driver) trace(format string, args ...any) {
	if d.Trace != nil {
		d.Trace(format, args...)
	}
}

// next is the request that a browser, and the person before it, would send after this page; nil
// when the journey has ended.
func (d *Driver) next(page *Page, typed *int) (*Page, error) {
	here, err := url.Parse(page.URL)
	if err != nil {
		return nil, err
	}
	if to := page.Header.Get("Location"); to != "" && page.Status >= 300 && page.Status < 400 {
		return redirected(page, here, to)
	}
	if !strings.HasPrefix(strings.TrimSpace(page.Body), "<") {
		return nil, nil
	}
	doc, err := read(page.Body)
	if err != nil {
		return nil, err
	}
	canType := d.User != "" && *typed < maxTyped
	if f := doc.choose(canType); f != nil {
		if f.isLogin() {
			*typed++
		}
		return f.submit(here, d)
	}
	if doc.refresh != "" {
		to, err := here.Parse(doc.refresh)
		if err != nil {
			return nil, err
		}
		return &Page{Method: http.MethodGet, URL: to.String(), from: &origin{page: here}}, nil
	}
	return nil, nil
}

func redirected(page *Page, here *url.URL, location string) (*Page, error) {
	to, err := here.Parse(location)
	if err != nil {
		return nil, err
	}
	next := &Page{Method: http.MethodGet, URL: to.String(), from: page.from.through(here)}
	// RFC 9110 §15.4.8 and §15.4.9: 307 and 308 keep the method and the form.
	if page.Status == http.StatusTemporaryRedirect || page.Status == http.StatusPermanentRedirect {
		next.Method, next.Fields = page.Method, page.Fields
	}
	return next, nil
}

// send fills in the answer to the request that page holds.
func (d *Driver) send(ctx context.Context, page *Page) error {
	u, err := url.Parse(page.URL)
	if err != nil {
		return err
	}
	if !Loopback(u.Hostname()) || (u.Scheme != "http" && u.Scheme != "https") {
		return fmt.Errorf("%q is not a loopback address", u.Host)
	}
	var body io.Reader
	if page.Method == http.MethodPost {
		body = strings.NewReader(page.Fields.Encode())
	}
	req, err := http.NewRequestWithContext(ctx, page.Method, page.URL, body)
	if err != nil {
		return err
	}
	d.dress(req, page)
	res, err := d.client().Do(req)
	if err != nil {
		return err
	}
	defer res.Body.Close()
	d.jar.take(u, res.Cookies(), time.Now())
	raw, err := io.ReadAll(io.LimitReader(res.Body, maxBody+1))
	if err != nil {
		return err
	}
	if len(raw) > maxBody {
		return fmt.Errorf("the page holds more than %d bytes", maxBody)
	}
	page.Status, page.Header, page.Body = res.StatusCode, res.Header, string(bytes.ToValidUTF8(raw, []byte("\uFFFD")))
	return nil
}

// dress adds the headers that a browser sends with a navigation.
func (d *Driver) dress(req *http.Request, page *Page) {
	relation := page.from.relationTo(req.URL)
	h := req.Header
	h.Set("User-Agent", userAgent)
	h.Set("Accept", "text/html,application/xhtml+xml,*/*;q=0.8")
	h.Set("Accept-Language", "en")
	h.Set("Sec-Fetch-Site", string(relation))
	h.Set("Sec-Fetch-Mode", "navigate")
	h.Set("Sec-Fetch-Dest", "document")
	if page.Method == http.MethodPost {
		h.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	if page.from != nil && page.from.page != nil {
		from := page.from.page
		if page.Method == http.MethodPost {
			h.Set("Origin", from.Scheme+"://"+from.Host)
		}
		referer := url.URL{Scheme: from.Scheme, Host: from.Host, Path: "/"}
		if relation == sameOrigin {
			referer.Path, referer.RawQuery = from.Path, from.RawQuery
		}
		h.Set("Referer", referer.String())
	}
	for _, c := range d.jar.give(req.URL, page.Method, relation) {
		req.AddCookie(c)
	}
}

// client dials loopback whatever name stands in the URL, so that tests may call their hosts
// idp.localhost and app.localhost: two sites for a browser, one address here.
func (d *Driver) client() *http.Client {
	var dialer net.Dialer
	return &http.Client{
		Transport: &http.Transport{
			DisableKeepAlives: true,
			TLSClientConfig:   d.TLS,
			DialContext: func(ctx context.Context, network, address string) (net.Conn, error) {
				host, port, err := net.SplitHostPort(address)
				if err != nil {
					return nil, err
				}
				if host != "::1" {
					host = "127.0.0.1"
				}
				return dialer.DialContext(ctx, network, net.JoinHostPort(host, port))
			},
		},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}

// Loopback says whether a host name is one that the driver speaks to: localhost, a name below it
// (RFC 6761 §6.3), 127.0.0.1 or ::1.
func Loopback(host string) bool {
	if ip := net.ParseIP(host); ip != nil {
		return ip.Equal(net.IPv6loopback) || ip.Equal(net.IPv4(127, 0, 0, 1))
	}
	return host == "localhost" || strings.HasSuffix(host, ".localhost")
}

// Clone is another browser that holds the same cookies from here on, as a thief's or a second machine's would.
func (d *Driver) Clone() *Driver {
	c := *d
	c.jar.kept = slices.Clone(d.jar.kept)
	return &c
}
