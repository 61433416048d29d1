package house

import (
	"context"

	"github.com/drawbridge-id/drawbridge/config"
	"github.com/drawbridge-id/drawbridge/store"
	"github.com/drawbridge-id/drawbridge/web"
)

// openMeasured is OpenLedger for the daemon, whose ledger tells what it does.
func openMeasured(ctx context.Context, c config.Config, t Tools, m *web.Metrics) (*store.Ledger, error) {
	o, err := ledgerOptions(c, t)
	if err != nil {
		return nil, err
	}
	o.Removed, o.Waited, o.Event = m.Removals(), m.Waits(), m.Events().Event
	l, err := store.Open(ctx, o)
	if err != nil {
		return nil, err
	}
	m.Lease(l.Lease)
	m.Watch(func(ctx context.Context) (web.Standing, error) {
		s, err := l.Standing(ctx)
		return web.Standing(s), err
	})
	return l, nil
}
