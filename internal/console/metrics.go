package console

import (
	"github.com/prometheus/client_golang/prometheus"

	"github.com/hallmark-id/hallmark/internal/scanlogin"
)

// metrics counts what the first page does.
type metrics struct {
	logins *prometheus.CounterVec
	codes  prometheus.Counter
}

func newMetrics(reg prometheus.Registerer, scans *scanlogin.Service) *metrics {
	m := &metrics{
		logins: prometheus.NewCounterVec(prometheus.CounterOpts{Name: "hallmark_console_logins_total",
			Help: "Attempts to sign in to the console by method and result."}, []string{"method", "result"}),
		codes: prometheus.NewCounter(prometheus.CounterOpts{Name: "hallmark_scan_codes_total",
			Help: "QR codes made for the console's first page."}),
	}
	reg.MustRegister(m.logins, m.codes, prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: "hallmark_scan_open_pages",
		Help: "Pages of this node that wait for a scan."}, func() float64 { return float64(scans.Watching()) }))
	m.logins.WithLabelValues("password", "ok") // so that it shows before anybody signs in
	return m
}

func (m *metrics) login(method, result string) { m.logins.WithLabelValues(method, result).Inc() }
