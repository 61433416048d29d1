package store

import (
	"context"
	"errors"
	"time"

	"github.com/drawbridge-id/drawbridge/account"
	"github.com/drawbridge-id/drawbridge/store/internal/table"
)

// Fetches lists the events that say only that a SCIM resource changed, oldest first: the resource (Event.Fetch, below the transmitter's SCIM
// base) has to be fetched, and Fetched told of it.
func (l *Ledger) Fetches(ctx context.Context, n int) (out []account.Event, err error) {
	err = l.db.Read(ctx, func(tx *table.Tx) (err error) {
		out, err = tx.FetchesDue(l.now(), min(max(n, 1), 1000))
		return err
	})
	return out, err
}

// Fetched takes the resource that an event asked for, as put:full would have brought it. A failure puts the fetch off; after a few of them the
// event is a dead letter. What was fetched for an event that has been dealt with meanwhile is dropped.
func (l *Ledger) Fetched(ctx context.Context, e account.Event, resource map[string]any, failure error) (account.Event, error) {
	var out account.Event
	var names []string
	err := l.untilSettled(func(wary bool) error {
		return l.db.Write(ctx, func(tx *table.Tx) error {
			r, err := l.enterStream(tx, account.Actor{}, e.Stream)
			if err != nil && account.KindOf(err) != account.NotFound {
				return err
			}
			row, found, err := tx.Event(e.Account, e.ID)
			if err != nil || !found {
				return errors.Join(err, errorIf(!found, noEvent()))
			}
			if out = row; row.Fetch == "" || row.Attempts != e.Attempts {
				return nil
			}
			if r == nil || !r.stream.Enabled { // nothing comes through it any more
				out.Fetch, out.RetryAt, out.Outcome, out.Detail = "", time.Time{}, account.EventDeadLetter, "The stream is gone or switched off. "+row.Detail
				return tx.SetEvent(out)
			}
			attempts := row.Attempts
			err = r.attempt(&row, wary || failure != nil, func() error {
				if failure != nil {
					return &effectError{failure}
				}
				return r.applyFetched(&row, resource)
			})
			if err != nil {
				return err
			}
			switch failed := row.Attempts > attempts; {
			case failed && row.Outcome == account.EventRetrying: // it is fetched again, and not applied as it is
				row.Outcome = account.EventApplied
			case failed:
				row.Fetch = ""
			}
			out, names = row, r.appeared
			if err := r.SetEvent(row); err != nil {
				return err
			}
			return r.noted(row)
		})
	})
	if err = l.tripped(ctx, err); err != nil {
		return out, errors.Join(err, l.putOffFetch(ctx, e))
	}
	l.tell([]account.Event{out})
	l.catchUp(ctx, out.Account, names...)
	return out, nil
}

// putOffFetch lets a fetch wait in whose way something beside the event stands, such as removals that are paused: those of others go on.
func (l *Ledger) putOffFetch(ctx context.Context, e account.Event) error {
	return l.db.Write(ctx, func(tx *table.Tx) error {
		row, found, err := tx.Event(e.Account, e.ID)
		if err != nil || !found || row.Fetch == "" || row.Attempts != e.Attempts {
			return err
		}
		row.RetryAt = l.now().Add(putOff)
		return tx.SetEvent(row)
	})
}

// applyFetched is put:full with what was fetched.
func (r *reception) applyFetched(row *account.Event, resource map[string]any) error {
	kind, _, _ := resourceURI(row.Fetch)
	row.Fetch, row.RetryAt, row.Detail, row.Outcome = "", time.Time{}, "", account.EventRecorded
	t := &turn{reception: r, row: row, body: map[string]any{"data": resource}}
	var err error
	if t.whom, err = r.resolve(*row.Subject); err != nil {
		return err
	}
	row.User = t.whom.user
	if kind == "" {
		return nil
	}
	return t.scimPut()
}
