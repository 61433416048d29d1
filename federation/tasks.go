package federation

import (
	"context"
	"time"

	"github.com/drawbridge-id/drawbridge/store"
)

// Tasks are the door's periodic work, for Ledger.Work: metadata that is due is read again, domain proofs
// are looked up again.
func (d *Door) Tasks() []store.Task {
	return []store.Task{
		{Name: "metadata", Every: time.Hour, Run: d.RefreshMetadata},
		{Name: "domains", Every: time.Minute, Run: d.CheckDomains},
	}
}

// each goes on when one item fails; only the end of the work itself stops it.
func each[T any](ctx context.Context, items []T, do func(context.Context, T) error, failed func(T, error)) error {
	for _, item := range items {
		if err := ctx.Err(); err != nil {
			return err
		}
		if err := do(ctx, item); err != nil {
			failed(item, err)
		}
	}
	return nil
}
