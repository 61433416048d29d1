package house

import (
	"time"

	"github.com/drawbridge-id/drawbridge/egress"
	"github.com/drawbridge-id/drawbridge/events/outbound"
	"github.com/drawbridge-id/drawbridge/web"
)

// feeds is the door through which announcements leave. Its client is its own: receivers may be slow, and say little.
func (h *House) feeds(t Tools, metrics *web.Metrics) *outbound.Door {
	delivered, outbox := metrics.Outbox()
	return outbound.New(outbound.Options{
		Ledger: h.Ledger, PublicURL: h.cfg.PublicURL, Now: t.Now, Log: t.Log,
		Fetch:   egress.New(egress.Options{Allow: h.cfg.Egress.Allow, Timeout: 10 * time.Second, MaxBody: 64 << 10, Log: t.Log}),
		Metrics: outbound.Metrics{Delivered: delivered, Outbox: outbox},
	})
}
