package server

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
)

// newMetrics makes the registry of this server's metrics, with those of its
// inner parts in it.
func (s *Server) newMetrics() *prometheus.Registry {
	reg := prometheus.NewRegistry()
	reg.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	gauge := func(name, help string, value func() float64) {
		reg.MustRegister(prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: name, Help: help}, value))
	}
	counter := func(name, help string, value func() float64) {
		reg.MustRegister(prometheus.NewCounterFunc(prometheus.CounterOpts{Name: name, Help: help}, value))
	}
	gauge("hallmark_cache_blind", "1 while changes made by other nodes cannot be heard, so that nothing cached is used.",
		func() float64 {
			if s.registry.Blind() {
				return 1
			}
			return 0
		})
	gauge("hallmark_clock_offset_seconds", "How far the store's clock, by which all windows go, is ahead of this node's.",
		func() float64 { return time.Duration(s.clock.offset.Load()).Seconds() })
	if s.journal != nil {
		gauge("hallmark_replay_live_records", "Timestamp codes held by the replay journal.",
			func() float64 { return float64(s.journal.Live()) })
		gauge("hallmark_replay_floor_seconds", "Timestamp codes at or before this time (seconds since 1970) are refused.",
			func() float64 { return float64(s.journal.Floor().UnixMilli()) / 1000 })
		counter("hallmark_replay_records_total", "Timestamp codes written to the replay journal.",
			func() float64 { return float64(s.journal.Stats().Records) })
		counter("hallmark_replay_syncs_total", "Syncs of the replay journal; records per sync is the size of its groups.",
			func() float64 { return float64(s.journal.Stats().Syncs) })
	}
	return reg
}
