package web

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/drawbridge-id/drawbridge/account"
)

// EventMetrics are told how security events come in.
type EventMetrics struct {
	Event   func(account.Event)
	Refused func(code string)        // a token, by its RFC 8935 code or the status it was answered with
	Applied func(took time.Duration) // a token, from its arrival to its effect everywhere
	Keys    func(outcome string)     // a fetch of a key set: done, failed
	Polled  func(outcome string)     // done, quiet, failed
}

// Events adds what is to be known about security events that come in.
func (m *Metrics) Events() EventMetrics { return m.events() }

func (m *Metrics) newEvents() EventMetrics {
	events := prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "drawbridge_events_total", Help: "Security events received, by what came of them.",
	}, []string{"outcome"})
	lag := prometheus.NewHistogram(prometheus.HistogramOpts{
		Name: "drawbridge_event_lag_seconds", Help: "Time from when an event happened to when it was here.",
		Buckets: []float64{.1, .5, 1, 2.5, 5, 10, 30, 60, 300, 900, 3600, 86400},
	})
	refused := prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "drawbridge_set_refused_total", Help: "Security event tokens refused, by code.",
	}, []string{"code"})
	applied := prometheus.NewHistogram(prometheus.HistogramOpts{
		Name: "drawbridge_set_apply_seconds", Help: "Time from the arrival of a security event token to its effect on every replica.",
		Buckets: []float64{.0025, .005, .01, .02, .05, .1, .25, .5, 1, 2.5},
	})
	keys := prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "drawbridge_set_key_fetches_total", Help: "Key sets of transmitters fetched, by outcome.",
	}, []string{"outcome"})
	polls := prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "drawbridge_set_polls_total", Help: "Polls of transmitters, by outcome.",
	}, []string{"outcome"})
	m.registry.MustRegister(events, lag, refused, applied, keys, polls)
	events.WithLabelValues(string(account.EventDeadLetter)) // there from the start, so that the first one is an increase
	return EventMetrics{
		Event: func(e account.Event) {
			events.WithLabelValues(oneOf(e.Outcome, account.EventApplied, account.EventRecorded, account.EventIgnored, account.EventNoSubject, account.EventHeld,
				account.EventSuperseded, account.EventRetrying, account.EventDeadLetter)).Inc()
			lag.Observe(max(0, e.Received.Sub(e.At).Seconds()))
		},
		Refused: func(code string) {
			refused.WithLabelValues(oneOf(code, "invalid_request", "invalid_key", "invalid_issuer", "invalid_audience", "authentication_failed", "access_denied",
				"invalid_state", "405", "413", "415", "429", "503")).Inc()
		},
		Applied: func(took time.Duration) { applied.Observe(took.Seconds()) },
		Keys:    func(outcome string) { keys.WithLabelValues(oneOf(outcome, "done", "failed")).Inc() },
		Polled:  func(outcome string) { polls.WithLabelValues(oneOf(outcome, "done", "quiet", "failed")).Inc() },
	}
}
