package web

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"github.com/drawbridge-id/drawbridge/account"
)

func TestEachKindOfErrorHasItsStatus(t *testing.T) {
	for _, c := range []struct {
		err    error
		status int
		code   string
	}{
		{account.Errorf(account.Invalid, "x"), 400, "invalid"},
		{account.Errorf(account.Invalid, "x").At("/name"), 422, "invalid"},
		{account.Errorf(account.Unauthorized, "x"), 401, "unauthorized"},
		{account.Errorf(account.Forbidden, "x"), 403, "forbidden"},
		{account.Errorf(account.NotFound, "x"), 404, "not_found"},
		{account.Errorf(account.Conflict, "x").Coded("individual_org"), 409, "individual_org"},
		{account.Errorf(account.Stale, "x"), 412, "stale"},
		{account.Errorf(account.TooLarge, "x"), 413, "too_large"},
		{account.Errorf(account.TooMany, "x"), 429, "rate_limited_or_too_many"},
		{account.Errorf(account.Unavailable, "x"), 503, "unavailable"},
		{fmt.Errorf("wrapped: %w", account.Errorf(account.NotFound, "x")), 404, "not_found"},
		{account.Errorf("unheard of", "x"), 500, "internal"},
		{errors.New("database password is hunter2"), 500, "internal"},
		{context.DeadlineExceeded, 503, "unavailable"},
		{account.Errorf(account.Invalid, "x").Because(&http.MaxBytesError{Limit: 1}), 413, "too_large"},
	} {
		h := build(t, nil, Route{Pattern: "GET /x", Handler: fails(c.err)})
		w := h.do(httptest.NewRequest("GET", "/x", nil))
		var p Problem
		if err := json.Unmarshal(w.Body.Bytes(), &p); err != nil {
			t.Fatal(err)
		}
		if c.code == "rate_limited_or_too_many" {
			c.code = "too_many"
		}
		if w.Code != c.status || p.Status != c.status || p.Code != c.code || p.Type != "urn:drawbridge:problem:"+c.code || p.RequestID == "" {
			t.Errorf("%v: %d %+v", c.err, w.Code, p)
		}
		if w.Header().Get("Content-Type") != "application/problem+json" || strings.Contains(w.Body.String(), "hunter2") {
			t.Errorf("%v: %s %s", c.err, w.Header().Get("Content-Type"), w.Body)
		}
		if c.status == 401 && w.Header().Get("WWW-Authenticate") == "" {
			t.Error("401 without a challenge")
		}
	}
}

func TestSeveralFieldsAtFaultAreAllNamed(t *testing.T) {
	h := build(t, nil, Route{Pattern: "POST /x", Handler: fails(errors.Join(
		account.Errorf(account.Invalid, "An account needs a name.").At("/name").Fix("Give a short name."),
		account.Errorf(account.Invalid, "Expected one e-mail address.").At("/email")))})
	w := h.do(httptest.NewRequest("POST", "/x", nil))
	var p Problem
	if err := json.Unmarshal(w.Body.Bytes(), &p); err != nil {
		t.Fatal(err)
	}
	want := []ProblemField{{"/name", "An account needs a name.", "Give a short name."}, {"/email", "Expected one e-mail address.", ""}}
	if w.Code != 422 || !slices.Equal(p.Errors, want) {
		t.Errorf("%d %+v", w.Code, p.Errors)
	}
}

func TestBrowsersReadPagesAndProgramsReadProblems(t *testing.T) {
	for accept, html := range map[string]bool{
		"text/html,application/xhtml+xml,*/*;q=0.8": true,
		"text/html;q=0.5, application/json":         false,
		"application/problem+json":                  false,
		"*/*":                                       false,
		"":                                          false,
		"image/png":                                 false,
		";;;q=,,":                                   false,
	} {
		r := httptest.NewRequest("GET", "/x", nil)
		r.Header.Set("Accept", accept)
		w := httptest.NewRecorder()
		Fail(w, r, account.Errorf(account.Conflict, "Three owners are the limit.").Fix("Remove one first."))
		if got := strings.HasPrefix(w.Header().Get("Content-Type"), "text/html"); got != html || w.Code != 409 {
			t.Errorf("Accept %q: %d %s", accept, w.Code, w.Header().Get("Content-Type"))
		}
		if !strings.Contains(w.Body.String(), "Three owners are the limit.") || !strings.Contains(w.Body.String(), "Remove one first.") {
			t.Errorf("Accept %q: %s", accept, w.Body)
		}
	}
}

func TestABrowserThatIsNotSignedInIsLedToSignInAndBack(t *testing.T) {
	h := build(t, nil, Route{Pattern: "/o/{org}", Handler: fails(account.Errorf(account.Unauthorized, "Nobody is signed in."))},
		Route{Pattern: "GET /signin", Handler: fails(account.Errorf(account.Unauthorized, "Nobody is signed in."))})
	w := h.do(browser(httptest.NewRequest("GET", "/o/acme?tab=rules&x=1", nil)))
	if w.Code != 303 || w.Header().Get("Location") != "/signin?next=%2Fo%2Facme%3Ftab%3Drules%26x%3D1" {
		t.Errorf("%d %s", w.Code, w.Header().Get("Location"))
	}
	if w := h.do(browser(httptest.NewRequest("POST", "/o/acme", nil))); w.Code != 401 {
		t.Errorf("a form is not repeated after sign-in: %d", w.Code)
	}
	if w := h.do(browser(httptest.NewRequest("GET", "/signin", nil))); w.Code != 401 {
		t.Errorf("in a circle: %d", w.Code)
	}
}

// THREAT SAML-O1: a stranger does not learn why a sign-in was refused; the log does.
func TestARefusalTellsTheLogAndNotTheStranger(t *testing.T) {
	refusal := account.Refuse(account.Check{Step: account.StepAudience, Code: "audience_mismatch", Expected: "https://ours", Received: "https://theirs"})
	h := build(t, nil, Route{Pattern: "POST /acs", Exempt: true, Handler: fails(refusal)})
	for _, r := range []*http.Request{httptest.NewRequest("POST", "/acs", nil), browser(httptest.NewRequest("POST", "/acs", nil))} {
		w := h.do(r)
		for _, secret := range []string{"audience", "ours", "theirs"} {
			if w.Code != 403 || strings.Contains(w.Body.String(), secret) {
				t.Errorf("%d %s", w.Code, w.Body)
			}
		}
		if line := h.line(t); line["code"] != "audience_mismatch" || line["step"] != "audience" || line["outcome"] != "refused" {
			t.Errorf("line %v", line)
		}
	}
}
