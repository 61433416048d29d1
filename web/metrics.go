package web

import (
	"net/http"
	"regexp"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/drawbridge-id/drawbridge/account"
)

// Build says what runs.
type Build struct{ Version, Commit string }

// Metrics are what operators watch, in a registry of their own. Label values come from short lists:
// route patterns, status classes, protocols, provider kinds, outcomes, steps. Other rooms get single
// methods handed in as functions; no other room knows the library.
type Metrics struct {
	registry  *prometheus.Registry
	requests  *prometheus.CounterVec
	duration  *prometheus.HistogramVec
	inFlight  prometheus.Gauge
	panics    prometheus.Counter
	throttled *prometheus.CounterVec
	signIns   *prometheus.CounterVec
	refusals  *prometheus.CounterVec
	events    func() EventMetrics // made when they are first asked for
}

// NewMetrics makes a fresh set.
func NewMetrics(b Build) *Metrics {
	m := &Metrics{
		registry: prometheus.NewRegistry(),
		requests: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "drawbridge_http_requests_total", Help: "Requests answered, by route pattern and status class.",
		}, []string{"route", "class"}),
		duration: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "drawbridge_http_request_seconds", Help: "Time from the first byte of the header read to the last byte of the answer written.",
			Buckets: []float64{.001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10, 25},
		}, []string{"route"}),
		inFlight: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "drawbridge_http_in_flight", Help: "Requests being answered at this moment.",
		}),
		panics: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "drawbridge_http_panics_total", Help: "Handlers that broke. Any is a defect: report it with the log line.",
		}),
		throttled: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "drawbridge_http_throttled_total", Help: "Requests answered with 429, by rate limit.",
		}, []string{"limit"}),
		signIns: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "drawbridge_sign_ins_total", Help: "Answers of identity providers that were judged, by protocol, kind of provider and outcome.",
		}, []string{"protocol", "idp", "outcome"}),
		refusals: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "drawbridge_sign_in_refusals_total", Help: "Refused sign-ins, by the step at which they failed.",
		}, []string{"step"}),
	}
	build := prometheus.NewGaugeVec(prometheus.GaugeOpts{
		Name: "drawbridge_build_info", Help: "Always 1; the labels say what runs.",
	}, []string{"version", "commit", "go"})
	build.WithLabelValues(b.Version, b.Commit, runtime.Version()).Set(1)
	m.registry.MustRegister(m.requests, m.duration, m.inFlight, m.panics, m.throttled, m.signIns, m.refusals, build,
		collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	m.events = sync.OnceValue(m.newEvents)
	return m
}

// Handler answers with the text that Prometheus scrapes.
func (m *Metrics) Handler() http.Handler {
	return promhttp.HandlerFor(m.registry, promhttp.HandlerOpts{Registry: m.registry})
}

// Names lists what is registered of our own, each with its labels in order, used or not yet.
func (m *Metrics) Names() map[string][]string {
	all := make(chan *prometheus.Desc)
	go func() { m.registry.Describe(all); close(all) }()
	out := map[string][]string{}
	for d := range all {
		if found := describes.FindStringSubmatch(d.String()); found != nil {
			labels := strings.FieldsFunc(found[2], func(r rune) bool { return r == ',' || r == ' ' })
			slices.Sort(labels)
			out[found[1]] = labels
		}
	}
	return out
}

// describes reads what a Desc says of itself, which is all that it tells.
var describes = regexp.MustCompile(`fqName: "(drawbridge_[a-z0-9_]+)".*variableLabels: \{(.*)\}\}`)

// SignIn counts one judged answer of an identity provider; outcome is "passed" or "refused".
func (m *Metrics) SignIn(p account.Protocol, k account.IdPKind, outcome account.Outcome) {
	m.signIns.WithLabelValues(oneOf(p, account.SAML, account.OIDC),
		oneOf(k, account.KindOkta, account.KindEntra, account.KindGoogle, account.KindADFS, account.KindPing, account.KindGeneric),
		oneOf(outcome, account.OutcomePassed, account.OutcomeRefused)).Inc()
}

// Refusal counts one refused sign-in by the step that failed.
func (m *Metrics) Refusal(s account.Step) {
	m.refusals.WithLabelValues(oneOf(s, account.StepRequest, account.StepResponse, account.StepSignature, account.StepTimes, account.StepAudience,
		account.StepIdentity, account.StepDomains, account.StepGroups, account.StepRules, account.StepRelying)).Inc()
}

// begin counts a request in and returns what counts it out.
func (m *Metrics) begin() func(route string, status int, took time.Duration) {
	m.inFlight.Inc()
	return func(route string, status int, took time.Duration) {
		m.inFlight.Dec()
		m.requests.WithLabelValues(route, strconv.Itoa(status/100)+"xx").Inc()
		m.duration.WithLabelValues(route).Observe(took.Seconds())
	}
}

// oneOf keeps a label on its list.
func oneOf[T ~string](v T, known ...T) string {
	if slices.Contains(known, v) {
		return string(v)
	}
	return "other"
}
