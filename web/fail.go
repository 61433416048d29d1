package web

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"net/http"
	"net/url"
	"strings"

	"github.com/munnerz/goautoneg"

	"github.com/drawbridge-id/drawbridge/account"
	"github.com/drawbridge-id/drawbridge/request"
	"github.com/drawbridge-id/drawbridge/web/page"
)

var errPanic = errors.New("web: the handler panicked")

// A Problem is the JSON of an error answer (RFC 9457), of media type application/problem+json.
type Problem struct {
	Type      string         `json:"type"` // "urn:drawbridge:problem:" and the code
	Title     string         `json:"title"`
	Status    int            `json:"status"`
	Detail    string         `json:"detail,omitempty"`
	Code      string         `json:"code"` // stable machine word; the kind of error when there is no finer one
	Help      string         `json:"help,omitempty"`
	Errors    []ProblemField `json:"errors,omitempty"`  // per field, when fields are at fault
	Missing   []string       `json:"missing,omitempty"` // what would have helped: "role:owner"
	RequestID string         `json:"request_id,omitempty"`
}

// A ProblemField is one field at fault.
type ProblemField struct {
	Pointer string `json:"pointer"` // RFC 6901
	Message string `json:"message"`
	Fix     string `json:"fix,omitempty"`
}

// answerOf is an error on its way to becoming an answer.
type answerOf struct {
	status                    int
	code, title, detail, help string
	fields                    []ProblemField
	missing                   []string
}

// kinds says what each kind of error is in HTTP.
var kinds = map[account.ErrorKind]struct {
	status int
	title  string
}{
	account.Invalid:      {http.StatusBadRequest, "Expected something else"},
	account.Unauthorized: {http.StatusUnauthorized, "Sign in first"},
	account.Forbidden:    {http.StatusForbidden, "Not allowed"},
	account.NotFound:     {http.StatusNotFound, "Not found"},
	account.Conflict:     {http.StatusConflict, "Not possible as things are"},
	account.Stale:        {http.StatusPreconditionFailed, "Changed in the meantime"},
	account.TooLarge:     {http.StatusRequestEntityTooLarge, "Too large"},
	account.TooMany:      {http.StatusTooManyRequests, "Too many requests"},
	account.Unavailable:  {http.StatusServiceUnavailable, "Not available at the moment"},
}

// Fail answers with err: a page for browsers, a Problem for everything else. Each kind of
// account.Error has its status (Invalid is 422 when a field is at fault, 400 otherwise); a body over
// the limit is 413; a refused sign-in is a page of three lines that gives nothing away; anything
// else is a 500 without details. Causes go to the log line. A browser that asked for a page and is
// not signed in is led to /signin and back.
func Fail(w http.ResponseWriter, r *http.Request, err error) {
	ctx := r.Context()
	var refusal *account.Refusal
	if errors.As(err, &refusal) {
		request.Note(ctx, slog.String("outcome", "refused"), slog.String("step", string(refusal.Step)),
			slog.String("code", refusal.Code), slog.String("error", err.Error()))
		answer(w, r, answerOf{status: http.StatusForbidden, code: "sign_in_refused", title: "Sign-in refused",
			detail: "The answer of your identity provider was not accepted here.", help: "Send the request id to your administrator."})
		return
	}
	a := translate(err)
	request.Note(ctx, slog.String("code", a.code), slog.String("error", err.Error()))
	if a.status == http.StatusUnauthorized && wantsPage(r) && leadsToSignIn(r) {
		http.Redirect(w, r, "/signin?next="+url.QueryEscape(r.URL.RequestURI()), http.StatusSeeOther)
		return
	}
	answer(w, r, a)
}

func translate(err error) answerOf {
	var body *http.MaxBytesError
	var known *account.Error
	switch {
	case errors.As(err, &body):
		return answerOf{status: http.StatusRequestEntityTooLarge, code: string(account.TooLarge), title: kinds[account.TooLarge].title,
			detail: "The request is larger than this address takes."}
	case errors.As(err, &known):
		k, ok := kinds[known.Kind]
		if !ok {
			break
		}
		a := answerOf{status: k.status, code: cmp.Or(known.Code, string(known.Kind)), title: k.title, detail: known.Message, help: known.Help, missing: known.Missing}
		a.fields = fields(err, nil)
		if known.Kind == account.Invalid && len(a.fields) > 0 {
			a.status = http.StatusUnprocessableEntity
		}
		return a
	case errors.Is(err, context.DeadlineExceeded), errors.Is(err, context.Canceled):
		return answerOf{status: http.StatusServiceUnavailable, code: string(account.Unavailable), title: kinds[account.Unavailable].title,
			detail: "This took too long.", help: "Try again in a minute."}
	}
	return answerOf{status: http.StatusInternalServerError, code: "internal", title: "Something failed here",
		detail: "It is our fault, and it has been recorded.", help: "Try again in a minute."}
}

// fields collects every account.Error with a pointer in err's tree.
func fields(err error, list []ProblemField) []ProblemField {
	switch e := err.(type) { //nolint:errorlint // the tree is walked by hand
	case nil:
	case *account.Error:
		if e.Pointer != "" {
			list = append(list, ProblemField{Pointer: e.Pointer, Message: e.Message, Fix: e.Help})
		}
	case interface{ Unwrap() []error }:
		for _, inner := range e.Unwrap() {
			list = fields(inner, list)
		}
	case interface{ Unwrap() error }:
		return fields(e.Unwrap(), list)
	}
	return list
}

func answer(w http.ResponseWriter, r *http.Request, a answerOf) {
	id := request.ID(r.Context())
	if a.status == http.StatusUnauthorized && w.Header().Get("WWW-Authenticate") == "" {
		w.Header().Set("WWW-Authenticate", `Bearer realm="drawbridge"`) // RFC 9110 section 11.6.1
	}
	if a.status == http.StatusTooManyRequests && w.Header().Get("Retry-After") == "" {
		w.Header().Set("Retry-After", "60") // of what the ledger counts
	}
	if a.status == http.StatusServiceUnavailable && w.Header().Get("Retry-After") == "" {
		w.Header().Set("Retry-After", "1") // RFC 9110 section 10.2.3: a client keeps its credentials and asks again
	}
	w.Header().Set("Cache-Control", "no-store")
	w.Header().Add("Vary", "Accept")
	if wantsPage(r) {
		p := page.Page(page.Problem{Status: a.status, Title: a.title, Detail: a.detail, Help: a.help, Request: id})
		if a.code == "sign_in_refused" {
			p = page.Refused{What: a.detail, Request: id}
		}
		if err := page.Render(w, r, a.status, p); err == nil {
			return
		}
	}
	w.Header().Set("Content-Type", "application/problem+json")
	w.WriteHeader(a.status)
	if r.Method == http.MethodHead {
		return
	}
	_ = json.NewEncoder(w).Encode(a.problem(id)) // the client went away: nobody is left to be told
}

func (a answerOf) problem(id string) Problem {
	return Problem{Type: "urn:drawbridge:problem:" + a.code, Title: a.title, Status: a.status, Detail: a.detail, Code: a.code,
		Help: a.help, Errors: a.fields, Missing: a.missing, RequestID: id}
}

// ProblemOf is what Fail would answer a machine with, for rooms that write their own answers. The cause
// goes to the request's log line.
func ProblemOf(ctx context.Context, err error) Problem {
	a := translate(err)
	request.Note(ctx, slog.String("code", a.code), slog.String("error", err.Error()))
	return a.problem(request.ID(ctx))
}

// wantsPage reports whether the client would rather read HTML than JSON. Whoever does not say, gets JSON.
func wantsPage(r *http.Request) bool {
	const problem, plain, html = "application/problem+json", "application/json", "text/html"
	accept := strings.Join(r.Header.Values("Accept"), ",")
	return accept != "" && goautoneg.Negotiate(accept, []string{problem, plain, html}) == html
}

// leadsToSignIn reports whether signing in and coming back makes sense for r.
func leadsToSignIn(r *http.Request) bool {
	return (r.Method == http.MethodGet || r.Method == http.MethodHead) && !strings.HasPrefix(r.URL.Path, "/signin")
}
