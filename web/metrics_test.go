package web

import (
	"context"
	"errors"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/drawbridge-id/drawbridge/account"
)

func TestOperatorsSeeWhatHappened(t *testing.T) {
	h := build(t, func(o *Options) { o.Metrics = NewMetrics(Build{Version: "v1.2.3", Commit: "abc"}) },
		Route{Pattern: "GET /x", Handler: say("x")}, Route{Pattern: "GET /o/{org}", Handler: fails(account.Errorf(account.NotFound, "x"))})
	for _, path := range []string{"/x", "/x", "/o/acme", "/o/globex", "/nothing", "/nowhere"} {
		h.do(httptest.NewRequest("GET", path, nil))
	}
	m := h.opt.Metrics
	m.SignIn(account.SAML, account.KindOkta, account.OutcomePassed)
	m.SignIn("gopher", "acme", "x")
	m.Refusal(account.StepAudience)
	m.Refusal("whatever a stranger can cause")

	h.has(t, `drawbridge_http_requests_total{class="2xx",route="/x"} 2`)
	h.has(t, `drawbridge_http_requests_total{class="4xx",route="/o/{org}"} 2`)
	h.has(t, `drawbridge_http_requests_total{class="4xx",route="unmatched"} 2`)
	h.has(t, `drawbridge_http_request_seconds_count{route="/x"} 2`)
	h.has(t, `drawbridge_http_in_flight 0`)
	h.has(t, `drawbridge_sign_ins_total{idp="okta",outcome="passed",protocol="saml"} 1`)
	h.has(t, `drawbridge_sign_ins_total{idp="other",outcome="other",protocol="other"} 1`)
	h.has(t, `drawbridge_sign_in_refusals_total{step="audience"} 1`)
	h.has(t, `drawbridge_sign_in_refusals_total{step="other"} 1`)
}

func TestReadinessNamesItsReason(t *testing.T) {
	for _, c := range []struct {
		err  error
		code int
		text string
	}{
		{nil, 200, "ready\n"},
		{account.Errorf(account.Unavailable, "The ledger does not answer.").Because(errors.New("dial tcp 10.0.0.7:5432")), 503, "The ledger does not answer.\n"},
		{errors.New("dial tcp 10.0.0.7:5432"), 503, "not ready\n"},
	} {
		check := func(context.Context) error { return c.err }
		h := build(t, nil, Route{Pattern: "GET /readyz", Handler: Readyz(check)}, Route{Pattern: "GET /healthz", Handler: Plain(Healthz)})
		w := h.do(httptest.NewRequest("GET", "/readyz", nil))
		if w.Code != c.code || w.Body.String() != c.text {
			t.Errorf("%v: %d %q", c.err, w.Code, w.Body)
		}
		if w := h.do(httptest.NewRequest("GET", "/healthz", nil)); w.Code != 200 {
			t.Errorf("alive, but %d", w.Code)
		}
		second := httptest.NewRecorder()
		Operators(h.opt.Metrics, check).ServeHTTP(second, httptest.NewRequest("GET", "/readyz", nil))
		if second.Code != c.code {
			t.Errorf("second listener: %d", second.Code)
		}
	}
}

func TestThePublicListenerHasNoProfiles(t *testing.T) {
	h := build(t, nil)
	for _, path := range []string{"/metrics", "/debug/pprof/"} {
		if w := h.do(httptest.NewRequest("GET", path, nil)); w.Code != 404 {
			t.Errorf("%s: %d", path, w.Code)
		}
		w := httptest.NewRecorder()
		Operators(h.opt.Metrics, nil).ServeHTTP(w, httptest.NewRequest("GET", path, nil))
		if w.Code != 200 || strings.TrimSpace(w.Body.String()) == "" {
			t.Errorf("operators get %d at %s", w.Code, path)
		}
	}
}
