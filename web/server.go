package web

import (
	"cmp"
	"context"
	"errors"
	"log/slog"
	"net/http"
	"net/http/pprof"
	"time"

	"github.com/drawbridge-id/drawbridge/account"
	"github.com/drawbridge-id/drawbridge/request"
)

// Timeouts bound what one connection may cost (NET-3). The zero value of each means its default.
type Timeouts struct {
	Header time.Duration // to send the request header; 5 s
	Read   time.Duration // to send header and body; 15 s
	Write  time.Duration // from the header read to the last byte of the answer; 30 s, longer than Options.Handle
	Idle   time.Duration // between two requests of one connection; 120 s
}

// Server is an http.Server for h that slow and endless peers cannot hold: every timeout is set and a
// header has at most 16 kB. What the server itself complains about goes to log at level Warn.
func Server(h http.Handler, t Timeouts, log *slog.Logger) *http.Server {
	return &http.Server{
		Handler:           h,
		ReadHeaderTimeout: cmp.Or(t.Header, 5*time.Second),
		ReadTimeout:       cmp.Or(t.Read, 15*time.Second),
		WriteTimeout:      cmp.Or(t.Write, 30*time.Second),
		IdleTimeout:       cmp.Or(t.Idle, 120*time.Second),
		MaxHeaderBytes:    16 << 10,
		ErrorLog:          slog.NewLogLogger(log.Handler(), slog.LevelWarn),
	}
}

// Operators is the second listener, which strangers never reach: /metrics, /debug/pprof, and the
// health checks for those who keep them off the public one.
func Operators(m *Metrics, ready func(context.Context) error) http.Handler {
	mux := http.NewServeMux()
	mux.Handle("GET /metrics", m.Handler())
	mux.HandleFunc("GET /debug/pprof/", pprof.Index)
	mux.HandleFunc("GET /debug/pprof/cmdline", pprof.Cmdline)
	mux.HandleFunc("GET /debug/pprof/profile", pprof.Profile)
	mux.HandleFunc("GET /debug/pprof/symbol", pprof.Symbol)
	mux.HandleFunc("POST /debug/pprof/symbol", pprof.Symbol)
	mux.HandleFunc("GET /debug/pprof/trace", pprof.Trace)
	mux.HandleFunc("GET /healthz", Healthz)
	readyz := Readyz(ready)
	mux.HandleFunc("GET /readyz", func(w http.ResponseWriter, r *http.Request) { _ = readyz(w, r) })
	return mux
}

// Healthz says that the process lives and answers; it asks nobody else.
func Healthz(w http.ResponseWriter, _ *http.Request) { plain(w, http.StatusOK, "alive") }

// Readyz says whether this replica should get requests: 200 "ready", or 503 with the reason when
// check fails. The reason is an account.Error's sentence; other errors only go to the log.
func Readyz(check func(context.Context) error) request.Handler {
	return func(w http.ResponseWriter, r *http.Request) error {
		ctx, cancel := context.WithTimeout(r.Context(), 2*time.Second)
		defer cancel()
		err := check(ctx)
		if err == nil {
			plain(w, http.StatusOK, "ready")
			return nil
		}
		request.Note(r.Context(), slog.String("error", err.Error()))
		reason := "not ready"
		var known *account.Error
		if errors.As(err, &known) {
			reason = known.Message
		}
		plain(w, http.StatusServiceUnavailable, reason)
		return nil
	}
}

func plain(w http.ResponseWriter, status int, text string) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.WriteHeader(status)
	_, _ = w.Write([]byte(text + "\n")) // the client went away: nobody is left to be told
}
