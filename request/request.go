// Package request carries what is known about the HTTP request being answered: its id, where it
// comes from, and what its one log line will say. The outer coat (package web) fills it in; doors
// read it and add to it without knowing the coat. Outside of a request every function answers with
// its zero value, so that verbs can be called from tests and jobs.
package request

import (
	"context"
	"log/slog"
	"net/http"
	"net/netip"
	"sync"
	"time"

	"github.com/drawbridge-id/drawbridge/account"
)

// A Handler answers a request or returns the error that the coat turns into an answer: an
// *account.Error becomes the status of its kind and its message, everything else a 500 without
// details. A handler that has begun to answer returns nil.
type Handler func(w http.ResponseWriter, r *http.Request) error

// Facts are what the coat knows about one request. They are shared by everything that serves it.
type Facts struct {
	ID string     // "req_" and a ULID, made by us; quoted by people, found in the log
	IP netip.Addr // the client; behind a listed proxy what the proxy says, otherwise the peer
	At time.Time  // when its header had been read

	mu    sync.Mutex
	notes []slog.Attr
}

type key struct{}

// With returns a context that carries f.
func With(ctx context.Context, f *Facts) context.Context { return context.WithValue(ctx, key{}, f) }

func facts(ctx context.Context) *Facts {
	f, _ := ctx.Value(key{}).(*Facts)
	return f
}

// ID is the request's id; empty outside of a request.
func ID(ctx context.Context) string {
	if f := facts(ctx); f != nil {
		return f.ID
	}
	return ""
}

// IP is the client's address; the zero Addr outside of a request.
func IP(ctx context.Context) netip.Addr {
	if f := facts(ctx); f != nil {
		return f.IP
	}
	return netip.Addr{}
}

// As completes an actor with what is known about the request through which they act: address, id, and when it came to the door.
func As(ctx context.Context, a account.Actor) account.Actor {
	if f := facts(ctx); f != nil {
		a.Request, a.Received = f.ID, f.At
	}
	if ip := IP(ctx); ip.IsValid() {
		a.IP = ip.String()
	}
	return a
}

// Note adds attributes to the one log line of the request. Said twice, the later value counts. The
// names that every line may carry are org, connection, actor, verb and outcome; secrets, claims and
// assertions never belong here.
func Note(ctx context.Context, attrs ...slog.Attr) {
	f := facts(ctx)
	if f == nil {
		return
	}
	f.mu.Lock()
	defer f.mu.Unlock()
next:
	for _, a := range attrs {
		for i := range f.notes {
			if f.notes[i].Key == a.Key {
				f.notes[i] = a
				continue next
			}
		}
		f.notes = append(f.notes, a)
	}
}

// Notes are the attributes that were added, in the order in which they were first named.
func (f *Facts) Notes() []slog.Attr {
	f.mu.Lock()
	defer f.mu.Unlock()
	return append([]slog.Attr(nil), f.notes...)
}
