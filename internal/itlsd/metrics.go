package itlsd

import (
	"strconv"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/hallmark-id/hallmark/id2/itls"
)

// Why a connection was closed without an answer.
const (
	dropFailures    = "failures"    // its address has failed too often
	dropConnections = "connections" // too many are open
	dropSilent      = "silent"      // nothing came
	dropIncomplete  = "incomplete"  // not all of a hello came in time
)

// Metrics counts what the door does.
type Metrics struct {
	results *prometheus.CounterVec
	drops   *prometheus.CounterVec
	seconds prometheus.Histogram
}

// NewMetrics registers the door's metrics.
func NewMetrics(reg prometheus.Registerer) *Metrics {
	m := &Metrics{
		results: prometheus.NewCounterVec(prometheus.CounterOpts{Name: "hallmark_itls_results_total",
			Help: "Answers of the itls door by alert; 0 is a device that was provisioned."}, []string{"alert"}),
		drops: prometheus.NewCounterVec(prometheus.CounterOpts{Name: "hallmark_itls_drops_total",
			Help: "Connections of the itls door that were closed without an answer, by reason."}, []string{"reason"}),
		seconds: prometheus.NewHistogram(prometheus.HistogramOpts{Name: "hallmark_itls_seconds",
			Help: "Time from a device's hello to its answer.", Buckets: prometheus.ExponentialBuckets(10e-6, 4, 10)}),
	}
	reg.MustRegister(m.results, m.drops, m.seconds)
	for _, alert := range append(itls.Alerts(), 0) {
		m.results.WithLabelValues(label(alert))
	}
	for _, reason := range []string{dropFailures, dropConnections, dropSilent, dropIncomplete} {
		m.drops.WithLabelValues(reason)
	}
	return m
}

func label(a itls.Alert) string { return strconv.Itoa(int(a)) }

func (m *Metrics) answered(alert itls.Alert, took time.Duration) {
	m.results.WithLabelValues(label(alert)).Inc()
	m.seconds.Observe(took.Seconds())
}

func (m *Metrics) dropped(reason string) { m.drops.WithLabelValues(reason).Inc() }
