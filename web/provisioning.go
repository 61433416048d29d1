package web

import (
	"context"
	"net/http"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/drawbridge-id/drawbridge/account"
)

// quick are the buckets of what should take milliseconds and must not take seconds.
var quick = []float64{.001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10}

// Removals adds how long it takes from hearing that somebody is out until nothing accepts what they held (M-10). Call it once.
func (m *Metrics) Removals() func(account.Receipt) {
	took := prometheus.NewHistogramVec(prometheus.HistogramOpts{
		Name: "drawbridge_removal_seconds", Help: "Time from hearing that somebody is out until no replica accepts what they held, by source.", Buckets: quick,
	}, []string{"source"})
	m.registry.MustRegister(took)
	return func(r account.Receipt) {
		took.WithLabelValues(oneOf(r.Source, account.FromSCIM, account.FromEvent, account.FromLogout, account.FromAPI, account.FromCommand, account.FromHouse)).
			Observe(r.Took().Seconds())
	}
}

// SCIM adds what identity providers ask: dialect is whose client it is, outcome follows from the status. Call it once.
func (m *Metrics) SCIM() func(dialect string, status int, took time.Duration) {
	requests := prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "drawbridge_scim_requests_total", Help: "SCIM requests answered, by the provider's dialect and outcome.",
	}, []string{"dialect", "outcome"})
	seconds := prometheus.NewHistogram(prometheus.HistogramOpts{
		Name: "drawbridge_scim_request_seconds", Help: "Time to answer a SCIM request.", Buckets: quick,
	})
	m.registry.MustRegister(requests, seconds)
	return func(dialect string, status int, took time.Duration) {
		requests.WithLabelValues(oneOf(dialect, "okta", "entra", "google", "onelogin", "jumpcloud", "ping"), scimOutcome(status)).Inc()
		seconds.Observe(took.Seconds())
	}
}

// scimOutcome is a status as an operator thinks of it: looking for somebody who is not there, or is there already, is a provider's daily work.
func scimOutcome(status int) string {
	switch {
	case status < 400:
		return "ok"
	case status == http.StatusUnauthorized, status == http.StatusForbidden:
		return "unauthorized"
	case status == http.StatusNotFound:
		return "not_found"
	case status == http.StatusConflict, status == http.StatusPreconditionFailed:
		return "conflict"
	case status == http.StatusTooManyRequests:
		return "throttled"
	case status >= 500:
		return "failed"
	}
	return "invalid"
}

// Lease adds the right to answer checks from memory: look says at each scrape whether this replica holds it, and how long ago it last asked
// the database. Call it once.
func (m *Metrics) Lease(look func() (held bool, age time.Duration)) {
	m.registry.MustRegister(
		prometheus.NewGaugeFunc(prometheus.GaugeOpts{
			Name: "drawbridge_lease_held", Help: "1 while this replica answers session and key checks from memory; 0 while each asks the database.",
		}, func() float64 { held, _ := look(); return truth(held) }),
		prometheus.NewGaugeFunc(prometheus.GaugeOpts{
			Name: "drawbridge_lease_age_seconds", Help: "How long ago this replica last heard from the database what has been shut.",
		}, func() float64 { _, age := look(); return age.Seconds() }))
}

// Waits adds how long removals wait for other replicas before they are answered. Call it once.
func (m *Metrics) Waits() func(time.Duration) {
	waited := prometheus.NewHistogram(prometheus.HistogramOpts{
		Name: "drawbridge_revocation_wait_seconds", Help: "How long a change that took power away waited for other replicas before it was answered.", Buckets: quick,
	})
	m.registry.MustRegister(waited)
	return func(d time.Duration) { waited.Observe(d.Seconds()) }
}

func truth(b bool) float64 {
	if b {
		return 1
	}
	return 0
}

// A Standing is how the installation stands, beside what happens in it.
type Standing struct {
	Paused int // connections that the breaker has stopped
	Silent int // enabled streams from which nothing has come for a day
}

// Watch adds how the installation stands. look is asked at a scrape, at most once a minute; an error of its says that the database is not
// available. Call it once.
func (m *Metrics) Watch(look func(context.Context) (Standing, error)) {
	m.registry.MustRegister(&watch{look: look,
		up:     prometheus.NewDesc("drawbridge_database_up", "1 while the database answers this replica.", nil, nil),
		paused: prometheus.NewDesc("drawbridge_connections_paused", "Connections whose provider removed so many people that the breaker stopped it, in the whole installation.", nil, nil),
		silent: prometheus.NewDesc("drawbridge_streams_silent", "Enabled streams of security events from which nothing has come for a day, in the whole installation.", nil, nil),
	})
}

const (
	watchEvery   = time.Minute
	watchPatient = 2 * time.Second
)

// watch is a prometheus.Collector.
type watch struct {
	look               func(context.Context) (Standing, error)
	up, paused, silent *prometheus.Desc

	mu   sync.Mutex
	at   time.Time
	last Standing
	err  error
}

// Describe names the metrics.
func (w *watch) Describe(to chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{w.up, w.paused, w.silent} {
		to <- d
	}
}

// Collect looks, unless it did a moment ago. While the database is away it looks each time, and counts are left out.
func (w *watch) Collect(to chan<- prometheus.Metric) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.at.IsZero() || w.err != nil || time.Since(w.at) >= watchEvery {
		ctx, cancel := context.WithTimeout(context.Background(), watchPatient)
		defer cancel()
		w.last, w.err = w.look(ctx)
		w.at = time.Now()
	}
	to <- prometheus.MustNewConstMetric(w.up, prometheus.GaugeValue, truth(w.err == nil))
	if w.err == nil {
		to <- prometheus.MustNewConstMetric(w.paused, prometheus.GaugeValue, float64(w.last.Paused))
		to <- prometheus.MustNewConstMetric(w.silent, prometheus.GaugeValue, float64(w.last.Silent))
	}
}
