package relay

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/hallmark-id/hallmark/id2"
	"github.com/hallmark-id/hallmark/openapi"
)

// result is what asking the upstream came to, as the metric names it.
type result string

const (
	resultOK          result = "ok"          // success
	resultRefused     result = "refused"     // the service refuses the device
	resultRejected    result = "rejected"    // the gateway refuses this server
	resultThrottled   result = "throttled"   // the gateway is asked too often
	resultFailed      result = "failed"      // the gateway has a fault
	resultTimeout     result = "timeout"     // no answer in time
	resultUnreachable result = "unreachable" // no connection, or one that broke
	resultMalformed   result = "malformed"   // an answer that is none
	resultOpen        result = "open"        // not asked: the breaker is open
	resultFull        result = "full"        // not asked: too many calls are under way
	resultLoop        result = "loop"        // not asked: it was relayed already
)

var results = []result{resultOK, resultRefused, resultRejected, resultThrottled, resultFailed, resultTimeout, resultUnreachable,
	resultMalformed, resultOpen, resultFull, resultLoop}

// code is what back ends are told in place of an answer.
func (r result) code() id2.Code {
	if r == resultRejected {
		return id2.CodeSystem
	}
	return id2.CodeBusy
}

// reply answers in place of the upstream.
func (r result) reply() openapi.Reply {
	if r == resultRejected {
		return refusal(r.code(), "the upstream service that holds this device's key refuses this server's access key: its operator has to look at hallmark relay show")
	}
	return refusal(r.code(), "the upstream service that holds this device's key gives no answer now: try again")
}

func refusal(code id2.Code, reason string) openapi.Reply {
	message := code.Message()
	if reason != "" {
		message += ": " + reason
	}
	return openapi.Reply{Code: int(code), Message: message}
}

// metrics counts what is relayed.
type metrics struct {
	requests *prometheus.CounterVec
	seconds  prometheus.Histogram
	devices  prometheus.Gauge
}

func newMetrics(reg prometheus.Registerer, open func() float64) *metrics {
	m := &metrics{
		requests: prometheus.NewCounterVec(prometheus.CounterOpts{Name: "hallmark_relay_requests_total",
			Help: "Requests for devices whose key an upstream holds, by action and what asking it came to."}, []string{"action", "result"}),
		seconds: prometheus.NewHistogram(prometheus.HistogramOpts{Name: "hallmark_relay_seconds",
			Help: "Time that upstreams took to answer, or to fail.", Buckets: prometheus.ExponentialBuckets(1e-3, 2, 16)}),
		devices: prometheus.NewGauge(prometheus.GaugeOpts{Name: "hallmark_relay_devices",
			Help: "Devices that still depend on an upstream: answered for by one in the last 30 days, and their key not held here."}),
	}
	reg.MustRegister(m.requests, m.seconds, m.devices, prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: "hallmark_relay_breakers_open",
		Help: "Upstreams that are not asked for a while because they fail."}, open))
	for action := range actions {
		for _, r := range results {
			m.requests.WithLabelValues(action, string(r))
		}
	}
	return m
}

func (m *metrics) count(action string, r result) {
	m.requests.WithLabelValues(action, string(r)).Inc()
}

// asked counts a request that was meant for the upstream.
func (m *metrics) asked(action string, r result, took time.Duration) {
	m.count(action, r)
	if r != resultOpen && r != resultFull {
		m.seconds.Observe(took.Seconds())
	}
}
