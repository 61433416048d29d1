package store

// This file is the agreed interface of the ledger while it is being built. Each group moves to the file named
// above it as it gets its body; when the last has moved, this file is gone.

import (
	"context"
	"errors"
	"time"
)

var errUnbuilt = errors.New("store: not built yet")

// --- jobs.go (River, if its SQLite driver holds; otherwise our own table with leases) ----------------

// Work runs the jobs of the house until ctx ends: purging what has expired, resuming rule activation, and the periodic tasks handed in.
func (l *Ledger) Work(ctx context.Context, tasks ...Task) error { return errUnbuilt }

// A Task is periodic work that needs the outside world (metadata refresh, DNS re-check); on several replicas one runs it at a time.
type Task struct {
	Name  string
	Every time.Duration
	Run   func(context.Context) error
}
