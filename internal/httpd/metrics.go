package httpd

import (
	"strconv"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/hallmark-id/hallmark/id2"
	"github.com/hallmark-id/hallmark/openapi"
)

// Metrics counts what the doors do. Counters of the hot path are looked up
// once, at the start.
type Metrics struct {
	service map[string]*actionMetrics
	gateway map[string]prometheus.Counter
	other   prometheus.Counter

	enosResults *prometheus.CounterVec   // by call and code
	enosSeconds *prometheus.HistogramVec // by call
	cissResults *prometheus.CounterVec   // by action and result
	cissSeconds *prometheus.HistogramVec // by action
}

type actionMetrics struct {
	success prometheus.Counter
	codes   map[id2.Code]prometheus.Counter
	seconds prometheus.Observer
}

// NewMetrics registers the doors' metrics.
func NewMetrics(reg prometheus.Registerer) *Metrics {
	results := prometheus.NewCounterVec(prometheus.CounterOpts{Name: "hallmark_id2_results_total",
		Help: "Answers of the id2 door by action and service code; 200 is success."}, []string{"action", "code"})
	refusals := prometheus.NewCounterVec(prometheus.CounterOpts{Name: "hallmark_gateway_refusals_total",
		Help: "Requests refused by the gateway before they reached an action, by code."}, []string{"code"})
	seconds := prometheus.NewHistogramVec(prometheus.HistogramOpts{Name: "hallmark_id2_seconds",
		Help: "Time from a decoded request to its answer, by action.", Buckets: prometheus.ExponentialBuckets(10e-6, 4, 10)}, []string{"action"})
	enosResults := prometheus.NewCounterVec(prometheus.CounterOpts{Name: "hallmark_enos_results_total",
		Help: "Answers of the enos door by call and code; 0 is success."}, []string{"call", "code"})
	enosSeconds := prometheus.NewHistogramVec(prometheus.HistogramOpts{Name: "hallmark_enos_seconds",
		Help: "Time from a request's first byte to its answer at the enos door, by call.", Buckets: prometheus.ExponentialBuckets(50e-6, 4, 10)}, []string{"call"})
	cissResults := prometheus.NewCounterVec(prometheus.CounterOpts{Name: "hallmark_ciss_results_total",
		Help: "Requests of the ciss door by action and how they ended."}, []string{"action", "result"})
	cissSeconds := prometheus.NewHistogramVec(prometheus.HistogramOpts{Name: "hallmark_ciss_seconds",
		Help: "Time from a request of the ciss door to its answer, by action.", Buckets: prometheus.ExponentialBuckets(10e-6, 4, 10)}, []string{"action"})
	reg.MustRegister(results, refusals, seconds, enosResults, enosSeconds, cissResults, cissSeconds)

	m := &Metrics{service: make(map[string]*actionMetrics), gateway: make(map[string]prometheus.Counter),
		other: refusals.WithLabelValues("other"), enosResults: enosResults, enosSeconds: enosSeconds, cissResults: cissResults, cissSeconds: cissSeconds}
	for _, call := range enosCalls() {
		enosResults.WithLabelValues(call, "0")
		enosSeconds.WithLabelValues(call)
	}
	for name := range cissActions {
		cissResults.WithLabelValues(name, string(cissOK))
		cissSeconds.WithLabelValues(name)
	}
	for name := range id2Actions {
		a := &actionMetrics{codes: make(map[id2.Code]prometheus.Counter), seconds: seconds.WithLabelValues(name)}
		for _, code := range id2.Codes() {
			a.codes[code] = results.WithLabelValues(name, strconv.Itoa(int(code)))
		}
		a.success = a.codes[id2.CodeOK]
		m.service[name] = a
	}
	for _, e := range openapi.Errors() {
		m.gateway[e.Code] = refusals.WithLabelValues(e.Code)
	}
	return m
}

func (a *actionMetrics) answered(code id2.Code, took time.Duration) {
	if code == id2.CodeOK {
		a.success.Inc()
	} else if c, ok := a.codes[code]; ok {
		c.Inc()
	}
	a.seconds.Observe(took.Seconds())
}

func (m *Metrics) refused(code string) {
	if c, ok := m.gateway[code]; ok {
		c.Inc()
		return
	}
	m.other.Inc()
}

// enosCalls are the calls of the enos door as metrics name them.
func enosCalls() []string {
	calls := []string{"token.get", "token.refresh", "ca", "unknown", "legacy.unknown"}
	for resource, actions := range enosResources {
		for action := range actions {
			calls = append(calls, resource+"."+action)
		}
	}
	for i := range legacyCalls {
		calls = append(calls, legacyCalls[i].name)
	}
	return calls
}

// enosAnswered counts an answer of the enos door, whose calls and codes are few.
func (m *Metrics) enosAnswered(call string, code int, took time.Duration) {
	m.enosResults.WithLabelValues(call, strconv.Itoa(code)).Inc()
	m.enosSeconds.WithLabelValues(call).Observe(took.Seconds())
}

// cissAnswered counts a request of the ciss door.
func (m *Metrics) cissAnswered(action string, result cissResult, took time.Duration) {
	m.cissResults.WithLabelValues(action, string(result)).Inc()
	m.cissSeconds.WithLabelValues(action).Observe(took.Seconds())
}
