package api

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/url"
	"strings"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humago"

	"github.com/drawbridge-id/drawbridge/account"
	"github.com/drawbridge-id/drawbridge/request"
	"github.com/drawbridge-id/drawbridge/store"
	"github.com/drawbridge-id/drawbridge/web"
)

// What every operation can be asked for beside what it does: docs/api.md.
const (
	idempotencyKey = "Idempotency-Key"
	dryRun         = "dry_run"
	rehearsalType  = "application/vnd.drawbridge.rehearsal+json"
)

// A held answer is one that is held back until it is known what becomes of it.
type held struct {
	header http.Header
	status int
	body   bytes.Buffer
}

func newHeld() *held                        { return &held{header: http.Header{}} }
func (h *held) Header() http.Header         { return h.header }
func (h *held) Write(b []byte) (int, error) { return h.body.Write(b) }
func (h *held) WriteHeader(status int)      { h.status = status }
func (h *held) code() int                   { return max(h.status, http.StatusOK) }
func (h *held) answer() *store.Answer {
	return &store.Answer{Status: h.code(), Header: h.header, Body: h.body.Bytes()}
}
func heldOf(a *store.Answer) *held { return &held{a.Header, a.Status, *bytes.NewBuffer(a.Body)} }
func (h *held) send(w http.ResponseWriter) {
	for name, values := range h.header {
		w.Header()[name] = values
	}
	w.WriteHeader(h.code())
	_, _ = w.Write(h.body.Bytes()) // the client went away: nobody is left to be told
}

// An attempt is a change that is asked for with care: the request with its body, and what makes it happen.
type attempt struct {
	*API
	h    huma.API
	op   *huma.Operation
	r    *http.Request
	body []byte
	next func(huma.Context)
}

// careful gives answers to GET an ETag, and makes changes as their callers ask: once (Idempotency-Key), only of what they have seen
// (If-Match), or not at all (dry_run).
func (a *API) careful(h huma.API) func(huma.Context, func(huma.Context)) {
	return func(c huma.Context, next func(huma.Context)) {
		r, w := humago.Unwrap(c)
		r = r.WithContext(c.Context())
		if r.Method == http.MethodGet || r.Method == http.MethodHead {
			if c.Operation().Metadata[streamed] == nil {
				tagged(c.Operation(), r, w, next)
			} else {
				next(c)
			}
			return
		}
		rehearse, err := wantsRehearsal(r.URL.Query(), c.Operation())
		once, ifMatch := len(r.Header.Values(idempotencyKey)) > 0 && !rehearse, len(r.Header.Values("If-Match")) > 0
		if err == nil && !once && !ifMatch && !rehearse {
			next(c)
			return
		}
		try := attempt{API: a, h: h, op: c.Operation(), r: r, next: next}
		if err == nil {
			try.body, err = io.ReadAll(r.Body)
		}
		if err != nil {
			try.refuse(err).send(w)
			return
		}
		perform := try.perform
		if ifMatch {
			perform = try.ifMatch
		}
		switch {
		case once:
			try.once(r.Context(), perform).send(w)
		case rehearse:
			try.rehearse(r.Context(), perform).send(w)
		default:
			perform(r.Context()).send(w)
		}
	}
}

// perform makes the change and holds the answer back.
func (t attempt) perform(ctx context.Context) *held {
	r := t.r.WithContext(ctx)
	r.Body = io.NopCloser(bytes.NewReader(t.body))
	out := newHeld()
	t.next(humago.NewContext(t.op, r, out))
	return out
}

// refuse is a problem as the answer.
func (t attempt) refuse(err error) *held {
	p := web.ProblemOf(t.r.Context(), err)
	out := newHeld()
	out.header.Set("Content-Type", "application/problem+json")
	out.status = p.Status
	_ = json.NewEncoder(&out.body).Encode(p) // strings and numbers
	return out
}

// tagged answers a GET with the ETag of its representation (RFC 9110 section 8.8.3), and with 304 to somebody who has it already.
func tagged(op *huma.Operation, r *http.Request, w http.ResponseWriter, next func(huma.Context)) {
	out := newHeld()
	next(humago.NewContext(op, r, out))
	if out.code() == http.StatusOK {
		sum := sha256.Sum256(out.body.Bytes())
		tag := `"` + base64.RawURLEncoding.EncodeToString(sum[:16]) + `"`
		out.header.Set("ETag", tag)
		if matches(r.Header.Values("If-None-Match"), tag, true) {
			out.status = http.StatusNotModified
			out.header.Del("Content-Type")
			out.body.Reset()
		}
	}
	out.send(w)
}

// matches compares entity tags, weakly or strongly (RFC 9110 section 8.8.3.2); "*" is any.
func matches(header []string, tag string, weak bool) bool {
	for _, one := range strings.Split(strings.Join(header, ","), ",") {
		one = strings.TrimSpace(one)
		if rest, isWeak := strings.CutPrefix(one, "W/"); isWeak && weak {
			one = rest
		}
		if one == tag || one == "*" {
			return true
		}
	}
	return false
}

// ifMatch makes the change if what it is made to is still as its caller has seen it (RFC 9110 section 13.1.1): the GET of the same address, or of
// the nearest one above that has a GET, has the ETag. Both happen in one transaction, in which the account of the caller is locked.
func (t attempt) ifMatch(ctx context.Context) (out *held) {
	twin, ok := t.twin()
	if !ok {
		return t.refuse(account.Errorf(account.Stale, "There is nothing with an ETag at this address.").Coded("no_etag").Fix("Leave If-Match out."))
	}
	both := func(ctx context.Context) *held {
		if refused := t.compare(ctx, twin); refused != nil {
			return refused
		}
		return t.perform(ctx)
	}
	if reachesOut(t.op) {
		return both(ctx) // a transaction does not wait for others on the network
	}
	failed := errors.New("the change is taken back")
	v, _ := ctx.Value(visitorKey{}).(visitor)
	err := t.opt.Ledger.Together(ctx, v.account, func(ctx context.Context) error {
		if out = both(ctx); out.code() >= http.StatusInternalServerError {
			return failed
		}
		return nil
	})
	if err != nil && !errors.Is(err, failed) {
		return t.refuse(err)
	}
	return out
}

// compare is nil when the twin has the ETag that the caller has seen.
func (t attempt) compare(ctx context.Context, twin *url.URL) *held {
	r := t.r.Clone(ctx)
	r.Method, r.URL, r.Body, r.ContentLength, r.Pattern = http.MethodGet, twin, http.NoBody, 0, ""
	for _, name := range []string{"If-Match", "If-None-Match", idempotencyKey, "Content-Type", "Content-Length"} {
		r.Header.Del(name)
	}
	seen := newHeld()
	t.mux.ServeHTTP(seen, r)
	if seen.code() != http.StatusOK {
		return seen // what cannot be read cannot be compared, and says why (RFC 9110 section 13.2.1)
	}
	if matches(t.r.Header.Values("If-Match"), seen.header.Get("ETag"), false) {
		return nil
	}
	out := t.refuse(account.Errorf(account.Stale, "It has changed since you read it.").Fix("Read it again, look at what is new, and send your change with the ETag of that."))
	out.header.Set("ETag", seen.header.Get("ETag"))
	return out
}

// twin is the address whose representation a change is made to.
func (t attempt) twin() (*url.URL, bool) {
	pattern, path := t.op.Path, t.r.URL.EscapedPath()
	for strings.Count(pattern, "/") > 3 { // "/api/v1/x" is the shortest
		if p := t.h.OpenAPI().Paths[pattern]; p != nil && p.Get != nil && p.Get.Metadata[streamed] == nil {
			u, err := url.Parse(path)
			return u, err == nil
		}
		pattern, path = pattern[:strings.LastIndexByte(pattern, '/')], path[:strings.LastIndexByte(path, '/')]
	}
	return nil, false
}

// once makes the change unless the key has made it before; then the answer is the one of that time.
func (t attempt) once(ctx context.Context, perform func(context.Context) *held) *held {
	key, err := keyOf(t.r.Header.Values(idempotencyKey))
	if err != nil {
		return t.refuse(err)
	}
	v, _ := ctx.Value(visitorKey{}).(visitor)
	call := &store.Call{Caller: v.name(), Key: key, Request: []byte(strings.Join([]string{
		t.r.Method, t.r.URL.RequestURI(), strings.Join(t.r.Header.Values("If-Match"), ","), string(t.body)}, "\n"))}
	before, err := t.opt.Ledger.BeginCall(ctx, call)
	if err != nil {
		return t.refuse(err)
	}
	if before != nil {
		out := heldOf(before)
		out.header.Set("Idempotency-Replayed", "true")
		return out
	}
	out := perform(ctx)
	answer := out.answer()
	if out.code() >= http.StatusInternalServerError {
		answer = nil // it may have been done
	}
	if err := t.opt.Ledger.EndCall(context.WithoutCancel(ctx), call, answer); err != nil {
		request.Note(ctx, slog.String("idempotency", err.Error())) // what was done was done: the caller hears so
	}
	return out
}

// keyOf reads an Idempotency-Key: a string of Structured Fields (RFC 9651), or the bare text that most clients send.
func keyOf(header []string) (string, error) {
	key := strings.TrimSpace(strings.Join(header, ","))
	if rest, quoted := strings.CutPrefix(key, `"`); quoted {
		key = strings.TrimSuffix(rest, `"`)
	}
	if key == "" || len(key) > 255 || len(header) > 1 || strings.ContainsFunc(key, func(r rune) bool { return r < '!' || r > '~' || r == '"' }) {
		return "", account.Errorf(account.Invalid, "An Idempotency-Key has 1 to 255 visible ASCII characters.").Coded("idempotency_key_invalid").At("/header/" + idempotencyKey).
			Fix("Draw a UUID for each change.")
	}
	return key, nil
}

// wantsRehearsal reads dry_run. An operation without one refuses it, rather than doing what was not to be done.
func wantsRehearsal(q url.Values, op *huma.Operation) (bool, error) {
	switch q.Get(dryRun) {
	case "":
		if !q.Has(dryRun) {
			return false, nil
		}
	case "false":
		return false, nil
	case "true":
		if reachesOut(op) {
			return false, account.Errorf(account.Invalid, "This operation cannot be rehearsed: it does more than a transaction can take back.").Coded("no_dry_run").At("/query/" + dryRun).Fix("Leave dry_run out.")
		}
		return true, nil
	}
	return false, account.Errorf(account.Invalid, "dry_run is true or false.").At("/query/" + dryRun).Fix("Send dry_run=true, or leave it out.")
}

// Rehearsed is the answer to a change that was asked for with dry_run=true, and would be made.
type Rehearsed struct {
	Status int             `json:"status" doc:"That the change would be answered with."`
	Answer json.RawMessage `json:"answer,omitempty" doc:"What it would be answered with. Identifiers and secrets in it are not those of the change when it is made."`
	Audit  []AuditLine     `json:"audit" doc:"What the audit log would say. Empty: nothing would be changed."`
}

// rehearse makes the change in a transaction that is rolled back. Who may not make it hears so, as they would otherwise.
func (t attempt) rehearse(ctx context.Context, perform func(context.Context) *held) (out *held) {
	lines, err := t.opt.Ledger.Rehearse(ctx, func(ctx context.Context) error { out = perform(ctx); return nil })
	if err != nil {
		return t.refuse(err)
	}
	if out.code() >= http.StatusBadRequest {
		return out
	}
	v, _ := ctx.Value(visitorKey{}).(visitor)
	said := Rehearsed{Status: out.code(), Audit: []AuditLine{}}
	if out.body.Len() > 0 && strings.Contains(out.header.Get("Content-Type"), "json") {
		said.Answer = out.body.Bytes()
	}
	for _, line := range lines {
		if v.token != "" || line.Account == "" || line.Account == v.account { // what it does in another's account is not told
			said.Audit = append(said.Audit, auditLine(line))
		}
	}
	text, err := json.Marshal(said)
	if err != nil {
		return t.refuse(err)
	}
	shown := newHeld()
	shown.header.Set("Content-Type", rehearsalType)
	shown.status = http.StatusOK
	shown.body.Write(text)
	return shown
}
