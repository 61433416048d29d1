package web

import (
	"fmt"
	"math"
	"net/http"
	"strconv"

	"github.com/drawbridge-id/drawbridge/account"
	"github.com/drawbridge-id/drawbridge/request"
)

// DefaultLimit is how many bytes of body a route takes when it names no limit: 64 kB.
const DefaultLimit = 64 << 10

// A Route is one line of the route table: where one knocks, how much one may carry, who answers.
type Route struct {
	Pattern string // as http.ServeMux reads it, method first: "POST /saml/{connection}/acs"
	Limit   int64  // bytes of body; 0 means DefaultLimit; more is a 413
	// Exempt routes take unsafe requests that a browser sends from another site, because that is
	// what they are for: identity providers post SAML responses and form_post answers, machines
	// call SCIM and events. They prove themselves by other means.
	Exempt   bool
	Throttle Throttle
	Handler  request.Handler
}

// Throttle names a rate limit.
type Throttle string

// The rate limits.
const (
	NoThrottle     Throttle = ""
	SignInThrottle Throttle = "sign-in" // per client address, Options.SignIn
)

// Mount adds routes to mux, each in its part of the coat. Like ServeMux it panics on a pattern that
// does not parse or is there twice.
func (c *Coat) Mount(mux *http.ServeMux, routes ...Route) {
	for _, rt := range routes {
		mux.Handle(rt.Pattern, c.serve(rt))
	}
}

func (c *Coat) serve(rt Route) http.Handler {
	limit := rt.Limit
	if limit <= 0 {
		limit = DefaultLimit
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if err := c.admit(w, r, rt); err != nil {
			Fail(w, r, err)
			return
		}
		if r.ContentLength > limit {
			Fail(w, r, &http.MaxBytesError{Limit: limit})
			return
		}
		r.Body = http.MaxBytesReader(bare(w), r.Body, limit)
		if err := rt.Handler(w, r); err != nil {
			Fail(w, r, err)
		}
	})
}

// admit holds a request against the route's rate limit and the cross-origin check.
func (c *Coat) admit(w http.ResponseWriter, r *http.Request, rt Route) error {
	if rt.Throttle == SignInThrottle {
		if wait := c.signIn.wait(request.IP(r.Context())); wait > 0 {
			seconds := int(math.Ceil(wait.Seconds()))
			w.Header().Set("Retry-After", strconv.Itoa(seconds))
			c.opt.Metrics.throttled.WithLabelValues(string(rt.Throttle)).Inc()
			return account.Errorf(account.TooMany, "Too many attempts came from your network.").
				Fix("Try again in %s.", inSeconds(seconds)).Coded("rate_limited")
		}
	}
	if rt.Exempt {
		return nil
	}
	if err := c.origins.Check(r); err != nil {
		return account.Errorf(account.Forbidden, "This form was sent from another site.").
			Fix("Open the page here and send it again.").Coded("cross_origin").Because(err)
	}
	return nil
}

func inSeconds(n int) string {
	if n == 1 {
		return "1 second"
	}
	return fmt.Sprintf("%d seconds", n)
}

// bare is the server's own ResponseWriter, which MaxBytesReader asks to close the connection.
func bare(w http.ResponseWriter) http.ResponseWriter {
	if rec, ok := w.(*recorder); ok {
		return rec.ResponseWriter
	}
	return w
}

// Plain makes a Handler of one that answers for itself.
func Plain(h http.HandlerFunc) request.Handler {
	return func(w http.ResponseWriter, r *http.Request) error {
		h(w, r)
		return nil
	}
}
