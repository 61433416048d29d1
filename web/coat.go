// Package web is the outer coat of every route. A request comes in; it gets an id, the client's
// address, a body limit, a deadline and a safe set of headers, passes the cross-origin check and the
// rate limit, is served, and leaves one log line and its metrics behind. Errors and panics become
// answers here, once. Doors do not import this package; they read what it knows through package request.
package web

import (
	"context"
	"crypto/rand"
	"log/slog"
	"math"
	"net/http"
	"net/netip"
	"net/url"
	"runtime/debug"
	"strings"
	"time"

	"github.com/oklog/ulid/v2"

	"github.com/drawbridge-id/drawbridge/account"
	"github.com/drawbridge-id/drawbridge/request"
)

// Options are what the coat needs to know. The zero value of a limit means its default.
type Options struct {
	PublicURL *url.URL       // how browsers reach us; https makes the coat send HSTS
	Proxies   []netip.Prefix // peers whose X-Forwarded-For is believed; nobody else's is
	Log       *slog.Logger   // default: slog.Default()
	Metrics   *Metrics       // default: a registry of its own
	SignIn    Rate           // per client address on sign-in routes; default 30 a minute, 20 at once
	Addresses int            // client addresses remembered for rate limits, least recent forgotten first; default 65536
	Handle    time.Duration  // longest time a handler may take; default 25 s
	Now       func() time.Time
}

// A Coat wraps routes. It is safe for concurrent use.
type Coat struct {
	opt     Options
	headers http.Header
	origins *http.CrossOriginProtection
	signIn  *limiter
}

// New makes a coat. It panics when PublicURL is no absolute URL, which configuration has checked before.
func New(o Options) *Coat {
	if o.Log == nil {
		o.Log = slog.Default()
	}
	if o.Metrics == nil {
		o.Metrics = NewMetrics(Build{})
	}
	if o.SignIn == (Rate{}) {
		o.SignIn = Rate{PerMinute: 30, Burst: 20}
	}
	if o.Addresses <= 0 {
		o.Addresses = 1 << 16
	}
	if o.Handle <= 0 {
		o.Handle = 25 * time.Second
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	c := &Coat{opt: o, headers: securityHeaders(o.PublicURL), origins: http.NewCrossOriginProtection()}
	c.signIn = newLimiter(o.SignIn, o.Addresses, o.Now)
	// A proxy may call us by another name than browsers do; to them, only the public one is ours.
	if err := c.origins.AddTrustedOrigin(o.PublicURL.Scheme + "://" + o.PublicURL.Host); err != nil {
		panic("web: public URL: " + err.Error())
	}
	return c
}

// Wrap puts the coat around mux, which Mount has filled.
func (c *Coat) Wrap(mux *http.ServeMux) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		started := c.opt.Now()
		facts := &request.Facts{ID: newID(started), IP: clientIP(r, c.opt.Proxies), At: started}
		client := request.With(r.Context(), facts) // ends when the client goes away
		ctx, cancel := context.WithTimeout(client, c.opt.Handle)
		defer cancel()
		r = r.WithContext(ctx)
		rec := &recorder{ResponseWriter: w}
		for name, values := range c.headers {
			w.Header()[name] = values
		}
		w.Header().Set("X-Request-Id", facts.ID)

		done := c.opt.Metrics.begin()
		defer func() {
			if p := recover(); p != nil {
				c.panicked(rec, r, p)
			}
			took := c.opt.Now().Sub(started)
			done(route(r), rec.code(), took)
			if client.Err() != nil {
				request.Note(client, slog.String("outcome", "gone"))
			}
			c.log(r, rec, facts, took)
			if rec.broken {
				panic(http.ErrAbortHandler) // the client must not take half an answer for a whole one
			}
		}()

		if h, pattern := mux.Handler(r); pattern == "" {
			unmatched(rec, r, h)
			return
		}
		mux.ServeHTTP(rec, r)
	})
}

func newID(now time.Time) string {
	return "req_" + strings.ToLower(ulid.MustNew(ulid.Timestamp(now), rand.Reader).String())
}

// Mux is mux for a room with a table of its own: what is not in it is answered as everywhere else.
func Mux(mux *http.ServeMux) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if h, pattern := mux.Handler(r); pattern == "" {
			unmatched(w, r, h)
			return
		}
		mux.ServeHTTP(w, r)
	})
}

// unmatched answers what the table has no route for: 405 with Allow when only the method is wrong.
func unmatched(w http.ResponseWriter, r *http.Request, h http.Handler) {
	probe := &recorder{ResponseWriter: discard{header: http.Header{}}}
	h.ServeHTTP(probe, r)
	if probe.code() == http.StatusMethodNotAllowed {
		allow := probe.Header().Get("Allow")
		w.Header().Set("Allow", allow)
		answer(w, r, answerOf{status: http.StatusMethodNotAllowed, code: "method_not_allowed", title: "Method not allowed",
			detail: "This address does not take " + method(r.Method) + ".", help: "It takes " + allow + "."})
		return
	}
	Fail(w, r, account.Errorf(account.NotFound, "There is nothing at this address.").Fix("Check the address, or go to the start page."))
}

// panicked answers for a handler that broke, when nothing was sent yet, and cuts the line otherwise.
func (c *Coat) panicked(rec *recorder, r *http.Request, p any) {
	if p == http.ErrAbortHandler {
		rec.broken = true
		return
	}
	c.opt.Metrics.panics.Inc()
	c.opt.Log.ErrorContext(r.Context(), "panic", slog.Any("panic", p), slog.String("request", request.ID(r.Context())),
		slog.String("route", route(r)), slog.String("stack", string(debug.Stack())))
	if rec.status != 0 {
		rec.broken = true
		return
	}
	Fail(rec, r, errPanic)
}

// log writes the one line of a request.
func (c *Coat) log(r *http.Request, rec *recorder, f *request.Facts, took time.Duration) {
	status, outcome, level := rec.code(), "done", slog.LevelInfo
	switch {
	case status >= 500 && status != http.StatusServiceUnavailable:
		outcome, level = "failed", slog.LevelError
	case status >= 500:
		outcome, level = "failed", slog.LevelWarn
	case status >= 400:
		outcome = "refused"
	case quiet[r.Pattern]:
		level = slog.LevelDebug // what balancers, style sheets and apps ask for all the time would bury the rest
	}
	if !c.opt.Log.Enabled(r.Context(), level) {
		return
	}
	attrs := []slog.Attr{
		slog.String("method", method(r.Method)),
		slog.String("route", route(r)), // never the path: it may carry what must not be kept
		slog.Int("status", status),
		slog.Int64("bytes", rec.bytes),
		slog.Float64("ms", math.Round(took.Seconds()*1e4)/10),
		slog.String("ip", f.IP.String()),
		slog.String("request", f.ID),
	}
	said := false
	for _, n := range f.Notes() {
		said = said || n.Key == "outcome"
		attrs = append(attrs, n)
	}
	if !said {
		attrs = append(attrs, slog.String("outcome", outcome))
	}
	c.opt.Log.LogAttrs(r.Context(), level, "request", attrs...)
}

var quiet = map[string]bool{"GET /healthz": true, "GET /readyz": true, "GET /static/{file}": true, "POST /keys/verify": true}

// route is the pattern that matched, without its method; "unmatched" when none did.
func route(r *http.Request) string {
	if r.Pattern == "" {
		return "unmatched"
	}
	if _, path, found := strings.Cut(r.Pattern, " "); found {
		return path
	}
	return r.Pattern
}

// method is m when it is one that HTTP names, so that logs and labels hold no inventions.
func method(m string) string {
	switch m {
	case http.MethodGet, http.MethodHead, http.MethodPost, http.MethodPut, http.MethodPatch, http.MethodDelete, http.MethodOptions,
		http.MethodConnect, http.MethodTrace:
		return m
	}
	return "other"
}
