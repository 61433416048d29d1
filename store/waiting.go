package store

import (
	"context"
	"errors"
	"slices"
	"sync"

	"github.com/drawbridge-id/drawbridge/account"
	"github.com/drawbridge-id/drawbridge/store/internal/table"
)

const (
	mostWaiting  = 10_000 // lines that are kept in memory; beyond it the oldest go
	writtenOnce  = 500    // lines in one transaction
	waitingTries = 5      // of one transaction which the database refuses, though it answers
)

// A waiting holds lines that nobody waits for until somebody writes them. A write that fails loses none of them.
type waiting[T any] struct {
	mu    sync.Mutex
	lines []T
	tries int        // of the oldest lines, that failed
	write sync.Mutex // held by who writes, so that order stays
}

// add keeps a line, and says how many wait.
func (w *waiting[T]) add(line T) int {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.lines = append(w.lines, line)
	w.lines = w.lines[max(0, len(w.lines)-mostWaiting):]
	return len(w.lines)
}

func (w *waiting[T]) take() []T {
	w.mu.Lock()
	defer w.mu.Unlock()
	n := min(len(w.lines), writtenOnce)
	taken := w.lines[:n:n]
	w.lines = w.lines[n:]
	return taken
}

// failed takes lines back, unless it is they that the database refuses.
func (w *waiting[T]) failed(lines []T, err error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	passes := account.KindOf(err) == account.Unavailable || errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded)
	if !passes {
		w.tries++
	}
	if w.tries >= waitingTries {
		w.tries = 0
		return
	}
	w.lines = slices.Concat(lines, w.lines)
	w.lines = w.lines[max(0, len(w.lines)-mostWaiting):]
}

// flush writes what waits, each line by put.
func (w *waiting[T]) flush(ctx context.Context, db *table.DB, put func(*table.Tx, T) error) error {
	w.write.Lock()
	defer w.write.Unlock()
	for lines := w.take(); len(lines) > 0; lines = w.take() {
		err := db.Write(ctx, func(tx *table.Tx) error {
			for _, line := range lines {
				if err := put(tx, line); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			w.failed(lines, err)
			return err
		}
		w.tries = 0
	}
	return nil
}
