package house

import (
	"net/http"

	"github.com/drawbridge-id/drawbridge/egress"
	"github.com/drawbridge-id/drawbridge/events/inbound"
	"github.com/drawbridge-id/drawbridge/web"
)

// events is the door through which security events come in. Polls have a client of their own, because a transmitter may
// leave one unanswered for a minute.
func (h *House) events(t Tools, fetch *http.Client, metrics *web.Metrics) *inbound.Door {
	m := metrics.Events()
	return inbound.New(inbound.Options{
		Ledger: h.Ledger, Fetch: fetch, PublicURL: h.cfg.PublicURL, Now: t.Now, Log: t.Log, Rate: h.cfg.Scim.Rate, Burst: h.cfg.Scim.Burst,
		Poll:    egress.New(egress.Options{Allow: h.cfg.Egress.Allow, Timeout: inbound.PollTimeout, MaxBody: inbound.PollLimit, Log: t.Log}),
		Metrics: inbound.Metrics{Refused: m.Refused, Applied: m.Applied, Keys: m.Keys, Polled: m.Polled},
	})
}
