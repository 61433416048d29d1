// Package store is the ledger: the only room that knows a database. Each exported method that changes
// something is a verb: it asks whether the actor may, makes the change in one transaction together with
// its audit line, and answers only when the change is durable.
package store

import (
	"context"
	"io"
	"log/slog"
	"time"

	"github.com/drawbridge-id/drawbridge/account"
	"github.com/drawbridge-id/drawbridge/store/internal/table"
)

// Options say which database, under which key, by whose clock.
type Options struct {
	URL       string            // "sqlite:PATH" or "postgres://…"
	Keyring   *Keyring          // seals secrets at rest; lives outside the database
	Catalogue account.Catalogue // services, roles, limits
	Now       func() time.Time  // the one clock
	Random    io.Reader         // crypto/rand.Reader outside of tests
	Log       *slog.Logger
	Sessions  SessionLimits
	FlowAge   time.Duration // how long a started sign-in may take; at most 15 minutes, the default
}

// SessionLimits bound how long a browser stays signed in.
type SessionLimits struct {
	Idle     time.Duration // default 8 h
	Absolute time.Duration // default 24 h
}

// A Ledger is an open store. It is safe for concurrent use.
type Ledger struct {
	db  *table.DB
	opt Options
}

// Close waits for the writes under way.
func (l *Ledger) Close() error { return l.db.Close() }

// Ready answers whether the store can serve: reachable and migrated.
func (l *Ledger) Ready(ctx context.Context) error { return l.db.Ping(ctx) }
