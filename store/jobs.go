package store

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"sync"
	"time"

	"github.com/drawbridge-id/drawbridge/account"
	"github.com/drawbridge-id/drawbridge/store/internal/table"
)

// A Task is recurring work, often one that needs the outside world (metadata refresh, DNS re-check); on several replicas one runs it at a
// time. Run has to stand being run again: a replica that dies in the middle is followed by another one.
type Task struct {
	Name  string
	Every time.Duration
	Run   func(context.Context) error
}

const (
	jobLease   = 2 * time.Minute  // a replica that died is followed after this long
	jobLook    = 30 * time.Second // at most this long between two looks at whether a task is due
	retryFirst = 15 * time.Second // after a failure; doubled each time, up to Every
	purgeBatch = 1000
)

// Work runs the jobs of the house until ctx ends: purging what has expired, resuming rule activations, and the tasks handed in. It answers
// when the last of them has returned. Why these jobs are our own: docs/decisions/jobs.md.
func (l *Ledger) Work(ctx context.Context, tasks ...Task) error {
	tasks = append([]Task{
		{Name: "purge", Every: 5 * time.Minute, Run: l.purge},
		{Name: "seal-audit", Every: time.Minute, Run: l.SealAudit},
		{Name: "resume-activations", Every: time.Minute, Run: l.ResumeActivations},
		{Name: "expire-subscriptions", Every: time.Minute, Run: l.ExpireSubscriptions},
		{Name: "tidy-feeds", Every: 5 * time.Minute, Run: l.tidyFeeds},
		{Name: "send-publications", Every: time.Minute, Run: l.SendPublications},
		{Name: "retry-events", Every: 15 * time.Second, Run: l.retryEvents},
	}, tasks...)
	err := l.db.Write(ctx, func(tx *table.Tx) error {
		for _, t := range tasks {
			if err := tx.EnsureJob(t.Name, l.now()); err != nil {
				return err
			}
		}
		return nil
	})
	if ctx.Err() != nil {
		return nil // told to stop before it began, which is no failure
	}
	if err != nil {
		return err
	}
	var wg sync.WaitGroup
	wg.Go(func() { l.keepLease(ctx) })
	wg.Go(func() { l.keepCatalogue(ctx) })
	wg.Go(func() { l.keepRequests(ctx) })
	for _, t := range tasks {
		wg.Go(func() {
			for ctx.Err() == nil {
				wait := l.runIfDue(ctx, t)
				select {
				case <-ctx.Done():
				case <-time.After(wait):
				}
			}
		})
	}
	wg.Wait()
	return nil
}

// runIfDue runs a task when it is due and no other replica has it, and says how long to wait before the next look.
func (l *Ledger) runIfDue(ctx context.Context, t Task) time.Duration {
	look := min(t.Every, jobLook)
	job, mine, err := l.claim(ctx, t)
	if err != nil {
		if ctx.Err() == nil {
			l.opt.Log.ErrorContext(ctx, "a job could not be claimed", "job", t.Name, "error", err)
		}
		return look
	}
	if !mine {
		return max(min(look, job.DueAt.Sub(l.now())), time.Second)
	}
	began := time.Now()
	held, err := l.underLease(ctx, t, job.LeaseUntil)
	now := l.now()
	job.DueAt, job.LastError = now.Add(t.Every), ""
	switch {
	case err == nil:
		job.Attempts, job.DoneAt = 0, now
	case ctx.Err() != nil:
		job.DueAt = now // stopped, not failed: whoever is left goes on at once
	default:
		job.DueAt, job.LastError = now.Add(backOff(job.Attempts, t.Every)), clip(err.Error(), 1000)
		job.Attempts++
		l.opt.Log.ErrorContext(ctx, "a job failed", "job", t.Name, "attempts", job.Attempts, "ms", time.Since(began).Milliseconds(), "error", err)
	}
	// The lease is given back even when the house is closing.
	if err := l.db.Write(context.WithoutCancel(ctx), func(tx *table.Tx) error { return tx.FinishJob(job, held) }); err != nil {
		l.opt.Log.ErrorContext(ctx, "a finished job could not be noted", "job", t.Name, "error", err)
	}
	return min(look, max(job.DueAt.Sub(now), time.Second))
}

func backOff(failures int, most time.Duration) time.Duration {
	return min(most, retryFirst<<min(failures, 10))
}

// claim reads the job and takes its lease when it is due. Looking costs no write.
func (l *Ledger) claim(ctx context.Context, t Task) (table.Job, bool, error) {
	now := l.now()
	var job table.Job
	err := l.db.Read(ctx, func(tx *table.Tx) (err error) { job, _, err = tx.Job(t.Name); return err })
	if err != nil || job.DueAt.After(now) || job.LeaseUntil.After(now) {
		return job, false, err
	}
	mine := false
	until := now.Add(jobLease)
	err = l.db.Write(ctx, func(tx *table.Tx) (err error) { mine, err = tx.ClaimJob(t.Name, now, until); return err })
	job.LeaseUntil = until
	return job, mine, err
}

// underLease runs a task and prolongs its lease meanwhile; the task is stopped when the lease is lost. It answers with the lease as it was
// last written.
func (l *Ledger) underLease(ctx context.Context, t Task, held time.Time) (time.Time, error) {
	ctx, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	done := make(chan error, 1)
	go func() { done <- guarded(ctx, t) }()
	tick := time.NewTicker(jobLease / 4)
	defer tick.Stop()
	for {
		select {
		case err := <-done:
			return held, err
		case <-tick.C:
			until, mine := l.now().Add(jobLease), false
			err := l.db.Write(context.WithoutCancel(ctx), func(tx *table.Tx) (err error) { mine, err = tx.ExtendJob(t.Name, held, until); return err })
			if err == nil && mine {
				held = until
			} else {
				stop(errors.Join(err, errors.New("the lease was lost")))
			}
		}
	}
}

// guarded turns a panic in a task into an error, so that one defect does not end the house.
func guarded(ctx context.Context, t Task) (err error) {
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("panic in job %s: %v\n%s", t.Name, r, debug.Stack())
		}
	}()
	return t.Run(ctx)
}

// purge removes what has run out, in batches that do not hold up the writer for long.
func (l *Ledger) purge(ctx context.Context) error {
	age := l.Catalogue().Limits.DiagnosisAge
	if age <= 0 {
		age = 30 * 24 * time.Hour
	}
	for {
		var gone int64
		err := l.db.Write(ctx, func(tx *table.Tx) (err error) {
			now := l.now()
			// The first identifier of that instant: with zeros for its randomness.
			oldest := account.NewID[account.DiagnosisID](now.Add(-age), zeros{})
			if gone, err = tx.Purge(now, oldest, purgeBatch); err != nil {
				return err
			}
			identities, err := tx.PurgeIdentities(now, now.Add(-resetKept), purgeBatch)
			if err != nil {
				return err
			}
			gone = max(gone, identities)
			requests, err := tx.PurgeSCIMRequests(now.Add(-requestAge), purgeBatch)
			if err != nil {
				return err
			}
			shut, err := tx.PurgeLog(now.Add(-shutAge), purgeBatch)
			if err != nil {
				return err
			}
			sets, err := tx.PurgeSETs(now.Add(-setAge), now, purgeBatch)
			if err != nil {
				return err
			}
			letters, err := tx.PurgeLetters(now.Add(-letterAge), purgeBatch)
			if err != nil {
				return err
			}
			calls, err := tx.PurgeCalls(now.Add(-callAge), purgeBatch)
			gone = max(gone, requests, shut, sets, letters, calls)
			return err
		})
		if err != nil || gone < purgeBatch {
			return err
		}
	}
}

// zeros is the reader of nothing but zeros.
type zeros struct{}

// Read implements io.Reader.
func (zeros) Read(b []byte) (int, error) { clear(b); return len(b), nil }
