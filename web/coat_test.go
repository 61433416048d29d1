package web

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/drawbridge-id/drawbridge/account"
	"github.com/drawbridge-id/drawbridge/request"
)

// A house is a coat around a few routes, with its log and a clock that is turned by hand.
type house struct {
	*Coat
	http.Handler
	log bytes.Buffer
	now time.Time
}

func build(t *testing.T, change func(*Options), routes ...Route) *house {
	t.Helper()
	h := &house{now: time.Date(2026, 3, 14, 9, 12, 0, 0, time.UTC)}
	public, err := url.Parse("https://sso.acme.example")
	if err != nil {
		t.Fatal(err)
	}
	o := Options{PublicURL: public, Log: slog.New(slog.NewJSONHandler(&h.log, &slog.HandlerOptions{Level: slog.LevelDebug})),
		Now: func() time.Time { return h.now }}
	if change != nil {
		change(&o)
	}
	h.Coat = New(o)
	mux := http.NewServeMux()
	h.Mount(mux, routes...)
	h.Handler = h.Wrap(mux)
	return h
}

func (h *house) do(r *http.Request) *httptest.ResponseRecorder {
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w
}

// line is the last log line.
func (h *house) line(t *testing.T) map[string]any {
	t.Helper()
	lines := strings.Split(strings.TrimSpace(h.log.String()), "\n")
	var m map[string]any
	if err := json.Unmarshal([]byte(lines[len(lines)-1]), &m); err != nil {
		t.Fatalf("log %q: %v", h.log.String(), err)
	}
	return m
}

func say(text string) request.Handler {
	return func(w http.ResponseWriter, _ *http.Request) error {
		_, err := io.WriteString(w, text)
		return err
	}
}

func fails(err error) request.Handler {
	return func(http.ResponseWriter, *http.Request) error { return err }
}

func browser(r *http.Request) *http.Request {
	r.Header.Set("Accept", "text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,*/*;q=0.8")
	return r
}

func TestEveryRequestLeavesOneLineWithTheSameNames(t *testing.T) {
	h := build(t, nil, Route{Pattern: "GET /login/{connection}", Handler: func(w http.ResponseWriter, r *http.Request) error {
		request.Note(r.Context(), slog.String("connection", r.PathValue("connection")), slog.String("verb", "user.signed_in"))
		return say("hello")(w, r)
	}})
	r := httptest.NewRequest("GET", "/login/con_7?code=s3cret", nil)
	r.Header.Set("X-Request-Id", "mine")
	w := h.do(r)

	line := h.line(t)
	for name, want := range map[string]any{"msg": "request", "method": "GET", "route": "/login/{connection}", "status": 200.0, "bytes": 5.0,
		"ip": "192.0.2.1", "connection": "con_7", "verb": "user.signed_in", "outcome": "done", "request": w.Header().Get("X-Request-Id")} {
		if line[name] != want {
			t.Errorf("%s is %v, want %v", name, line[name], want)
		}
	}
	if _, ok := line["ms"]; !ok {
		t.Error("no ms")
	}
	if strings.Contains(h.log.String(), "s3cret") {
		t.Error("the log has the query")
	}
	if id := w.Header().Get("X-Request-Id"); !strings.HasPrefix(id, "req_") {
		t.Errorf("request id %q: a stranger's was taken", id)
	}
}

// THREAT SES-3: headers and caching.
func TestEveryAnswerCarriesTheSecurityHeaders(t *testing.T) {
	h := build(t, nil, Route{Pattern: "GET /x", Handler: say("x")}, Route{Pattern: "GET /bad", Handler: fails(errors.New("x"))})
	for _, path := range []string{"/x", "/bad", "/nothing"} {
		w := h.do(browser(httptest.NewRequest("GET", path, nil)))
		for name, want := range map[string]string{
			"Content-Security-Policy": policy, "X-Content-Type-Options": "nosniff", "X-Frame-Options": "DENY", "Referrer-Policy": "strict-origin",
			"Cache-Control": "no-store", "Strict-Transport-Security": "max-age=31536000",
		} {
			if got := w.Header().Get(name); got != want {
				t.Errorf("%s: %s is %q", path, name, got)
			}
		}
	}
	plain := build(t, func(o *Options) { o.PublicURL = &url.URL{Scheme: "http", Host: "localhost:8080"} }, Route{Pattern: "GET /x", Handler: say("x")})
	if got := plain.do(httptest.NewRequest("GET", "/x", nil)).Header().Get("Strict-Transport-Security"); got != "" {
		t.Errorf("HSTS %q without https", got)
	}
}

func TestAHandlerCannotLeakItsFormPolicyIntoTheNextAnswer(t *testing.T) {
	h := build(t, nil,
		Route{Pattern: "GET /out", Handler: func(w http.ResponseWriter, _ *http.Request) error {
			request.AllowForm(w, "https://idp.example")
			w.Header().Add("Cache-Control", "private")
			return nil
		}}, Route{Pattern: "GET /x", Handler: say("x")})
	h.do(httptest.NewRequest("GET", "/out", nil))
	w := h.do(httptest.NewRequest("GET", "/x", nil))
	if w.Header().Get("Content-Security-Policy") != policy || len(w.Header()["Cache-Control"]) != 1 {
		t.Errorf("headers %v", w.Header())
	}
}

// THREAT SES-5: a browser cannot be made to send our forms from elsewhere.
func TestFormsFromOtherSitesAreRefusedExceptWhereTheyBelong(t *testing.T) {
	h := build(t, nil, Route{Pattern: "POST /signout", Handler: say("bye")}, Route{Pattern: "POST /saml/{connection}/acs", Exempt: true, Handler: say("in")})
	for _, c := range []struct {
		path, site, origin string
		want               int
	}{
		{"/signout", "same-origin", "https://sso.acme.example", 200},
		{"/signout", "cross-site", "https://evil.example", 403},
		{"/signout", "same-site", "https://other.acme.example", 403},
		{"/signout", "", "https://evil.example", 403},
		{"/signout", "", "null", 403},
		{"/signout", "", "https://sso.acme.example", 200}, // a browser that predates Sec-Fetch-Site, behind a proxy that renames us
		{"/signout", "", "", 200},                         // no browser
		{"/saml/con_1/acs", "cross-site", "https://idp.example", 200},
	} {
		r := httptest.NewRequest("POST", "http://internal:8080"+c.path, nil)
		if c.site != "" {
			r.Header.Set("Sec-Fetch-Site", c.site)
		}
		if c.origin != "" {
			r.Header.Set("Origin", c.origin)
		}
		if w := h.do(r); w.Code != c.want {
			t.Errorf("POST %s from %q %q: %d, want %d", c.path, c.site, c.origin, w.Code, c.want)
		}
	}
}

func TestABodyOverTheLimitIsRefusedBeforeAndWhileReading(t *testing.T) {
	read := func(w http.ResponseWriter, r *http.Request) error {
		if _, err := io.ReadAll(r.Body); err != nil {
			return account.Errorf(account.Invalid, "The body does not read.").Because(err)
		}
		return nil
	}
	h := build(t, nil, Route{Pattern: "POST /x", Limit: 10, Handler: read}, Route{Pattern: "POST /wide", Handler: read})
	for _, c := range []struct {
		path string
		body io.Reader
		want int
	}{
		{"/x", strings.NewReader("0123456789"), 200},
		{"/x", strings.NewReader("0123456789+"), 413},                    // says its length
		{"/x", io.MultiReader(strings.NewReader("0123456789+")), 413},    // does not
		{"/wide", strings.NewReader(strings.Repeat("x", 64<<10)), 200},   // the default limit
		{"/wide", strings.NewReader(strings.Repeat("x", 64<<10+1)), 413}, //
	} {
		if w := h.do(httptest.NewRequest("POST", c.path, c.body)); w.Code != c.want {
			t.Errorf("POST %s: %d, want %d: %s", c.path, w.Code, c.want, w.Body)
		}
	}
}

func TestAPanicBecomesAPageWithAnIdAndIsCounted(t *testing.T) {
	h := build(t, nil, Route{Pattern: "GET /x", Handler: func(http.ResponseWriter, *http.Request) error { panic("kaboom") }})
	w := h.do(browser(httptest.NewRequest("GET", "/x", nil)))
	if w.Code != 500 || !strings.Contains(w.Body.String(), w.Header().Get("X-Request-Id")) || strings.Contains(w.Body.String(), "kaboom") {
		t.Errorf("%d %s", w.Code, w.Body)
	}
	if line := h.line(t); line["outcome"] != "failed" || line["level"] != "ERROR" {
		t.Errorf("line %v", line)
	}
	if !strings.Contains(h.log.String(), "kaboom") {
		t.Error("the log does not say what broke")
	}
	h.has(t, "drawbridge_http_panics_total 1")
}

func TestHalfAnAnswerIsNotTakenForAWholeOne(t *testing.T) {
	h := build(t, nil, Route{Pattern: "GET /x", Handler: func(w http.ResponseWriter, _ *http.Request) error {
		_, _ = io.WriteString(w, "half")
		panic("kaboom")
	}})
	server := httptest.NewServer(h)
	defer server.Close()
	response, err := server.Client().Get(server.URL + "/x")
	if err == nil {
		defer response.Body.Close()
		_, err = io.ReadAll(response.Body)
	}
	if err == nil {
		t.Error("the client saw a complete answer")
	}
	server.Close() // waits for the handler
	if h.log.Len() == 0 {
		t.Error("no line")
	}
}

func TestAHandlerHasADeadline(t *testing.T) {
	h := build(t, func(o *Options) { o.Handle = time.Millisecond }, Route{Pattern: "GET /x", Handler: func(_ http.ResponseWriter, r *http.Request) error {
		<-r.Context().Done()
		return r.Context().Err()
	}})
	if w := h.do(httptest.NewRequest("GET", "/x", nil)); w.Code != 503 {
		t.Errorf("%d %s", w.Code, w.Body)
	}
}

func TestAClientThatWentAwayIsNoFailureOfOurs(t *testing.T) {
	h := build(t, nil, Route{Pattern: "GET /x", Handler: func(_ http.ResponseWriter, r *http.Request) error { return r.Context().Err() }})
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	h.do(httptest.NewRequestWithContext(ctx, "GET", "/x", nil))
	if line := h.line(t); line["outcome"] != "gone" || line["level"] == "ERROR" {
		t.Errorf("line %v", line)
	}
}

func TestWrongAddressAndWrongMethodAreAnsweredApart(t *testing.T) {
	h := build(t, nil, Route{Pattern: "GET /x", Handler: say("x")}, Route{Pattern: "POST /x", Handler: say("x")})
	w := h.do(httptest.NewRequest("DELETE", "/x", nil))
	if w.Code != 405 || w.Header().Get("Allow") != "GET, HEAD, POST" || !strings.Contains(w.Body.String(), "method_not_allowed") {
		t.Errorf("%d, Allow %q: %s", w.Code, w.Header().Get("Allow"), w.Body)
	}
	w = h.do(browser(httptest.NewRequest("GET", "/secret/path", nil)))
	if w.Code != 404 || !strings.Contains(w.Body.String(), "There is nothing at this address.") {
		t.Errorf("%d %s", w.Code, w.Body)
	}
	if line := h.line(t); line["route"] != "unmatched" || strings.Contains(h.log.String(), "secret") {
		t.Errorf("line %v", line)
	}
}

func TestAMethodThatNobodyKnowsStaysOutOfTheLog(t *testing.T) {
	h := build(t, nil)
	h.do(httptest.NewRequest("INVENTED", "/x", nil))
	if line := h.line(t); line["method"] != "other" {
		t.Errorf("line %v", line)
	}
}

// THREAT RATE-1: floods from one address are answered with 429 and when to come back; others are not touched.
func TestSignInRoutesAreLimitedPerClientAddress(t *testing.T) {
	h := build(t, func(o *Options) { o.SignIn = Rate{PerMinute: 6, Burst: 2} },
		Route{Pattern: "POST /signin", Throttle: SignInThrottle, Handler: say("ok")}, Route{Pattern: "GET /x", Handler: say("x")})
	knock := func(from string) *httptest.ResponseRecorder {
		r := httptest.NewRequest("POST", "/signin", nil)
		r.RemoteAddr = from
		return h.do(r)
	}
	knock("192.0.2.9:1000")
	knock("192.0.2.9:1001")
	for range 3 { // refused knocks do not push the next one back
		w := knock("192.0.2.9:1002")
		if w.Code != 429 || w.Header().Get("Retry-After") != "10" || !strings.Contains(w.Body.String(), "Try again in 10 seconds.") {
			t.Fatalf("%d, Retry-After %q: %s", w.Code, w.Header().Get("Retry-After"), w.Body)
		}
	}
	if w := knock("192.0.2.10:1000"); w.Code != 200 {
		t.Errorf("another address: %d", w.Code)
	}
	h.now = h.now.Add(10 * time.Second)
	if w := knock("192.0.2.9:1003"); w.Code != 200 {
		t.Errorf("ten seconds later: %d", w.Code)
	}
	knock("[2001:db8:0:1::1]:1")
	knock("[2001:db8:0:1::2]:1")
	if w := knock("[2001:db8:0:1:ffff::3]:1"); w.Code != 429 {
		t.Errorf("a third address of one IPv6 network: %d", w.Code)
	}
	h.has(t, `drawbridge_http_throttled_total{limit="sign-in"} 4`)
}

func TestTheRateLimitForgetsTheLeastRecentAddress(t *testing.T) {
	l := newLimiter(Rate{PerMinute: 1, Burst: 1}, 2, time.Now)
	for _, s := range []string{"192.0.2.1", "192.0.2.2", "192.0.2.3", "192.0.2.4"} {
		l.wait(netip.MustParseAddr(s))
	}
	if n := l.buckets.Len(); n != 2 {
		t.Errorf("%d addresses are remembered", n)
	}
}

// THREAT NET-3: slow and endless peers.
func TestTheServerIsBounded(t *testing.T) {
	s := Server(http.NotFoundHandler(), Timeouts{Write: time.Minute}, slog.Default())
	if s.ReadHeaderTimeout <= 0 || s.ReadTimeout <= 0 || s.WriteTimeout != time.Minute || s.IdleTimeout <= 0 || s.MaxHeaderBytes != 16<<10 {
		t.Errorf("%+v", s)
	}
}

// THREAT NET-3: slow and endless peers.
func TestAPeerThatNeverFinishesItsHeaderIsLetGo(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := Server(http.NotFoundHandler(), Timeouts{Header: 50 * time.Millisecond}, slog.New(slog.DiscardHandler))
	go func() { _ = s.Serve(listener) }()
	defer s.Close()
	for name, c := range map[string]struct{ sent, answer string }{
		"slow":    {"GET / HTTP/1.1\r\nHost: x\r\n", ""},
		"endless": {"GET / HTTP/1.1\r\nHost: x\r\nX: " + strings.Repeat("x", 40<<10), "HTTP/1.1 431"},
	} {
		conn, err := net.Dial("tcp", listener.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		_ = conn.SetDeadline(time.Now().Add(10 * time.Second))
		_, _ = io.WriteString(conn, c.sent) // the server may hang up while we write
		got, err := io.ReadAll(conn)
		if timeout := net.Error(nil); errors.As(err, &timeout) && timeout.Timeout() {
			t.Errorf("%s: the server still listens", name)
		}
		if !strings.HasPrefix(string(got), c.answer) {
			t.Errorf("%s: answered %q", name, got)
		}
	}
}

func (h *house) has(t *testing.T, line string) {
	t.Helper()
	w := httptest.NewRecorder()
	Operators(h.opt.Metrics, func(context.Context) error { return nil }).ServeHTTP(w, httptest.NewRequest("GET", "/metrics", nil))
	if !strings.Contains(w.Body.String(), line+"\n") {
		t.Errorf("metrics lack %q", line)
	}
}
