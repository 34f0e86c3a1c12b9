package server

import (
	"syscall"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/hallmark-id/hallmark/internal/limit"
)

// reservedFiles is how many of the process's open files are kept from
// connections: the store and the guard open new ones as they go.
const reservedFiles = 256

// maxConnections is the bound of a listener's connections: as set, or fewer when
// the system lets the process open fewer files.
func (s *Server) maxConnections() int {
	var files syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &files); err != nil {
		return s.config.Connections
	}
	bound := boundConnections(s.config.Connections, uint64(files.Cur))
	if bound < s.config.Connections {
		s.config.Log.Warn("fewer connections are taken than are allowed: raise the limit of open files (ulimit -n, LimitNOFILE=)",
			"connections", bound, "allowed", s.config.Connections, "files", files.Cur)
	}
	return bound
}

// boundConnections leaves reservedFiles of files, or half when they are few.
func boundConnections(wanted int, files uint64) int {
	return int(min(uint64(wanted), max(files-min(files, reservedFiles), files/2, 1)))
}

// connectionMetrics tell how full the listeners are.
type connectionMetrics struct {
	reg     prometheus.Registerer
	refused *prometheus.CounterVec
}

func newConnectionMetrics(reg prometheus.Registerer) *connectionMetrics {
	m := &connectionMetrics{reg: reg, refused: prometheus.NewCounterVec(prometheus.CounterOpts{Name: "hallmark_connections_refused_total",
		Help: "Connections closed at once because too many were open, in all or from their address, by listener."}, []string{"listener"})}
	reg.MustRegister(m.refused)
	return m
}

// watch shows a listener's places, and returns what counts those it had none for.
func (m *connectionMetrics) watch(name string, places *limit.Connections) (refused func()) {
	m.reg.MustRegister(prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: "hallmark_connections", Help: "Open connections by listener.",
		ConstLabels: prometheus.Labels{"listener": name}}, func() float64 { return float64(places.Count()) }))
	return m.refused.WithLabelValues(name).Inc
}
