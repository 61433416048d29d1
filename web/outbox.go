package web

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/drawbridge-id/drawbridge/account"
)

// Outbox adds what is to be known about announcements on their way out: delivered counts a try by kind of feed and outcome, outbox says how
// many wait and for how long the oldest has. Call it once.
func (m *Metrics) Outbox() (delivered func(kind account.FeedKind, outcome string), outbox func(depth int, oldest time.Duration)) {
	tries := prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "drawbridge_deliveries_total", Help: "Tries to deliver an announcement, by kind of feed and outcome.",
	}, []string{"kind", "outcome"})
	depth := prometheus.NewGauge(prometheus.GaugeOpts{
		Name: "drawbridge_outbox_depth", Help: "Announcements that wait to be delivered, in the whole installation.",
	})
	oldest := prometheus.NewGauge(prometheus.GaugeOpts{
		Name: "drawbridge_outbox_oldest_seconds", Help: "For how long the oldest of them has waited.",
	})
	m.registry.MustRegister(tries, depth, oldest)
	for _, kind := range []account.FeedKind{account.Webhook, account.SSF} {
		tries.WithLabelValues(string(kind), "dead") // there from the start, so that the first one is an increase
	}
	delivered = func(kind account.FeedKind, outcome string) {
		tries.WithLabelValues(oneOf(kind, account.Webhook, account.SSF), oneOf(outcome, "delivered", "again", "dead", "paused", "disabled")).Inc()
	}
	return delivered, func(n int, age time.Duration) {
		depth.Set(float64(n))
		oldest.Set(age.Seconds())
	}
}
