package inbound

import (
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"math"
	"mime"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/drawbridge-id/drawbridge/account"
	"github.com/drawbridge-id/drawbridge/events/set"
	"github.com/drawbridge-id/drawbridge/request"
	"github.com/drawbridge-id/drawbridge/store"
)

// later is when a sender may try again what failed for our own reasons.
const later = 5 * time.Second

// A refusal is an answer with a status of its own (RFC 8935 §2.3, and HTTP where that is silent).
type refusal struct {
	status int
	code   string // RFC 8935 §2.4; empty: no body
	text   string
	retry  time.Duration
	err    error
}

// Push takes a token at /events/{stream}, or at /events/{stream}/{credential} from a sender that shows none otherwise
// (RFC 8935 §2.1). It answers 202 when what the token says is in force everywhere and durable, also for a repeat.
func (d *Door) Push(w http.ResponseWriter, r *http.Request) error {
	ctx := r.Context()
	id, _ := account.ParseID[account.StreamID](r.PathValue("stream"))
	request.Note(ctx, slog.String("stream", string(id)), slog.String("verb", "event.received"))
	token, err := d.push(w, r, id)
	if token.JTI != "" {
		request.Note(ctx, slog.String("jti", token.JTI))
	}
	if err != nil {
		d.refuse(w, r, err)
		return nil
	}
	w.WriteHeader(http.StatusAccepted) // RFC 8935 §2.2: with an empty body
	return nil
}

func (d *Door) push(w http.ResponseWriter, r *http.Request, id account.StreamID) (account.SET, error) {
	ctx := r.Context()
	by := actor(r, d.o.Now())
	credential, inPath := shown(r)
	s, err := d.o.Ledger.StreamFor(ctx, id, credential, inPath)
	if err != nil {
		return account.SET{}, err
	}
	request.Note(ctx, slog.String("actor", account.Actor{Kind: account.ActorStream, Stream: id}.String()))
	body, err := d.admit(w, r, s, "application/secevent+jwt", set.MaxToken)
	if err != nil {
		return account.SET{}, err
	}
	token, err := d.judge(ctx, s, strings.TrimSpace(string(body)))
	if err == nil {
		err = d.receive(ctx, by, s, token)
	}
	return token, err
}

// shown is the credential that a sender shows: what follows Bearer in its Authorization, or all of it, or else the end
// of the address.
func shown(r *http.Request) (credential account.Secret, inPath bool) {
	if c := r.PathValue("credential"); c != "" {
		return account.NewSecret(c), true
	}
	value := strings.TrimSpace(r.Header.Get("Authorization"))
	if scheme, token, ok := strings.Cut(value, " "); ok && strings.EqualFold(scheme, "Bearer") {
		value = strings.TrimSpace(token)
	}
	return account.NewSecret(value), false
}

// actor is who sends the request. Received is the instant at which it came.
func actor(r *http.Request, now time.Time) account.Actor {
	a := account.Actor{Kind: account.ActorStream, Received: now, Request: request.ID(r.Context())}
	if ip := request.IP(r.Context()); ip.IsValid() {
		a.IP = ip.String()
	}
	return a
}

// admit asks what is asked of every request of a stream, after its credential: method, rate, media type, size.
func (d *Door) admit(w http.ResponseWriter, r *http.Request, s account.Stream, media string, limit int64) ([]byte, error) {
	if r.Method != http.MethodPost {
		w.Header().Set("Allow", http.MethodPost)
		return nil, &refusal{status: http.StatusMethodNotAllowed}
	}
	if wait := d.wait(s.ID); wait > 0 {
		return nil, &refusal{status: http.StatusTooManyRequests, retry: wait}
	}
	if t, _, err := mime.ParseMediaType(r.Header.Get("Content-Type")); err != nil || t != media || r.Header.Get("Content-Encoding") != "" {
		w.Header().Set("Accept", media)
		return nil, &refusal{status: http.StatusUnsupportedMediaType}
	}
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, limit))
	var large *http.MaxBytesError
	switch {
	case errors.As(err, &large):
		return nil, &refusal{status: http.StatusRequestEntityTooLarge, err: err}
	case err != nil:
		return nil, &refusal{status: http.StatusBadRequest, code: set.InvalidRequest, text: "The body did not arrive whole.", err: err}
	}
	return body, nil
}

// Error is the operator's text.
func (e *refusal) Error() string {
	if e.err != nil {
		return e.err.Error()
	}
	return http.StatusText(e.status)
}

// judged turns an error into an answer. What is not the token's fault is never a 400: the sender would not send it again.
func judged(err error) *refusal {
	var own *refusal
	var bad *set.Error
	var e *account.Error
	errors.As(err, &e)
	switch {
	case errors.As(err, &own):
		return own
	case errors.As(err, &bad):
		return &refusal{status: http.StatusBadRequest, code: bad.Code, text: bad.Description, err: err}
	case e == nil:
	case e.Kind == account.Unauthorized:
		return &refusal{status: http.StatusBadRequest, code: set.AuthenticationFailed, text: "The credential is not one of this stream.", err: err}
	case e.Kind == account.Forbidden:
		return &refusal{status: http.StatusBadRequest, code: set.AccessDenied, text: "The stream is switched off.", err: err}
	case e.Kind == account.Invalid && (e.Code == store.CodeInvalidRequest || e.Code == store.CodeInvalidState):
		return &refusal{status: http.StatusBadRequest, code: e.Code, text: e.Message, err: err}
	case e.Kind == account.NotFound: // it was removed a moment ago
		return &refusal{status: http.StatusBadRequest, code: set.AuthenticationFailed, text: "The credential is not one of this stream.", err: err}
	}
	return &refusal{status: http.StatusServiceUnavailable, retry: later, err: err}
}

// refuse answers with an error (RFC 8935 §2.3, §2.4). A description comes with its language.
func (d *Door) refuse(w http.ResponseWriter, r *http.Request, err error) {
	a := judged(err)
	code := a.code
	if code == "" {
		code = strconv.Itoa(a.status)
	}
	d.o.Metrics.Refused(code)
	request.Note(r.Context(), slog.String("outcome", "refused"), slog.String("code", code), slog.String("error", err.Error()))
	h := w.Header()
	h.Set("Cache-Control", "no-store")
	if a.retry > 0 {
		h.Set("Retry-After", strconv.Itoa(seconds(a.retry)))
	}
	if a.code == "" {
		w.WriteHeader(a.status)
		return
	}
	h.Set("Content-Type", "application/json")
	h.Set("Content-Language", "en")
	w.WriteHeader(a.status)
	_ = json.NewEncoder(w).Encode(map[string]string{"err": a.code, "description": a.text}) // the sender has gone
}

func seconds(d time.Duration) int { return int(math.Ceil(d.Seconds())) }
