package bench

import (
	"context"
	"fmt"
	"net"
	"sync"
	"time"

	"github.com/hallmark-id/hallmark/internal/load"
)

// Subject is a server and what is asked of it.
type Subject struct {
	Dial func(context.Context) (net.Conn, error)
	// CPU returns the processor time the server has used; nil where nobody knows.
	CPU     func() (time.Duration, error)
	Prepare func(ctx context.Context, n int) ([]load.Request, error)
	Judge   load.Judge
}

// Plan says how a subject is measured.
type Plan struct {
	Connections int
	// Rate is how many requests are due a second, 0 for the closed loop.
	Rate float64
	// Requests is how many are sent, warm-up included; 0 for as many as fill
	// Duration.
	Requests int
	Duration time.Duration
}

// Measurement measures a subject. Its requests come in stretches: while those of
// one are made no clock runs.
type Measurement struct {
	subject Subject
	plan    Plan
	tally   load.Tally
	loop    *load.Generator

	mu       sync.Mutex // guards what follows
	phase    string
	cpu      time.Duration // of the stretches that are over
	cpuBegan time.Duration // of the one under way
	running  bool
}

// NewMeasurement returns one that has not begun.
func NewMeasurement(s Subject, p Plan) *Measurement {
	return &Measurement{subject: s, plan: p, phase: "preparing",
		loop: load.New(load.Options{Dial: s.Dial, Connections: p.Connections, Judge: s.Judge})}
}

// Result is what a measurement found.
type Result struct {
	load.Figures
	// Offered is the rate that was due, 0 in the closed loop.
	Offered float64 `json:"offered_per_second,omitempty"`
	// CPU is the server's CPU time for each answer in microseconds, and Cores how
	// many processors it kept busy; 0 where nobody knows.
	CPU   float64 `json:"server_cpu_us,omitempty"`
	Cores float64 `json:"server_cores,omitempty"`
	// Phase is what goes on: preparing, warming up, measuring.
	Phase string `json:"-"`
}

// Result returns what was found so far. It may be called meanwhile.
func (m *Measurement) Result() Result {
	m.mu.Lock()
	defer m.mu.Unlock()
	r := Result{Figures: m.tally.Figures(), Offered: m.plan.Rate, Phase: m.phase}
	cpu := m.cpu
	if m.running {
		if now, err := m.subject.CPU(); err == nil { // an interrupted server is gone
			cpu += now - m.cpuBegan
		}
	}
	if n := r.Answers(); n > 0 {
		r.CPU, r.Cores = us(cpu)/float64(n), cpu.Seconds()/r.Seconds
	}
	return r
}

func us(d time.Duration) float64 { return float64(d.Nanoseconds()) / 1000 }

// The parts of a measurement.
const (
	warmUpShare  = 10  // of the requests, one in so many
	warmUpLeast  = 200 // requests
	firstStretch = time.Second
	longStretch  = 5 * time.Second
	mostRequests = 100_000 // in memory
)

// ShortestDuration is the least that a measurement by time takes.
const ShortestDuration = 100 * time.Millisecond

// Run measures until all is done or ctx ends; then it returns ctx's error. What
// was found until then is the Result in any case.
func (m *Measurement) Run(ctx context.Context) error {
	defer m.loop.Close()
	if m.plan.Requests > 0 {
		return m.counted(ctx)
	}
	rate, err := m.warmUp(ctx)
	if err != nil {
		return err
	}
	for stretch := firstStretch; ; stretch = longStretch {
		n := m.size(rate, stretch)
		if n == 0 {
			return nil
		}
		requests, err := m.prepare(ctx, n)
		if err == nil {
			err = m.stretch(ctx, requests)
		}
		if err != nil {
			return err
		}
		if m.plan.Rate == 0 {
			rate = m.tally.Figures().Rate
		}
	}
}

// size is how many requests the next stretch has, 0 when all is done.
func (m *Measurement) size(rate float64, stretch time.Duration) int {
	f := m.tally.Figures()
	left := m.plan.Duration.Seconds() - f.Seconds
	if m.plan.Rate > 0 { // every request that is due is sent, however long that takes
		left = m.plan.Duration.Seconds() - float64(f.Answers()+f.Failed)/rate
	}
	if left < ShortestDuration.Seconds()/2 {
		return 0
	}
	return min(max(int(min(left, stretch.Seconds())*rate), 1), mostRequests)
}

// counted sends a number of requests; some of them warm the server up.
func (m *Measurement) counted(ctx context.Context) error {
	requests, err := m.prepare(ctx, m.plan.Requests)
	if err != nil {
		return err
	}
	warm := len(requests) / warmUpShare
	m.enter("warming up")
	if err := m.loop.Run(ctx, requests[:warm], 0, new(load.Tally)); err != nil {
		return err
	}
	return m.stretch(ctx, requests[warm:])
}

// warmUp sends some requests that do not count, and returns the rate that they
// were answered at, or that of the plan.
func (m *Measurement) warmUp(ctx context.Context) (float64, error) {
	requests, err := m.prepare(ctx, max(2*m.plan.Connections, warmUpLeast))
	if err != nil {
		return 0, err
	}
	m.enter("warming up")
	var t load.Tally
	if err := m.loop.Run(ctx, requests, 0, &t); err != nil {
		return 0, err
	}
	f := t.Figures()
	switch {
	case f.Answers() == 0:
		return 0, fmt.Errorf("the server does not answer: %s", f.LastFailure)
	case m.plan.Rate > 0:
		return m.plan.Rate, nil
	}
	return f.Rate, nil
}

func (m *Measurement) prepare(ctx context.Context, n int) ([]load.Request, error) {
	m.enter("preparing")
	return m.subject.Prepare(ctx, n)
}

func (m *Measurement) enter(phase string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.phase = phase
}

// stretch measures some requests.
func (m *Measurement) stretch(ctx context.Context, requests []load.Request) error {
	m.enter("measuring")
	if err := m.clockIn(); err != nil {
		return err
	}
	err := m.loop.Run(ctx, requests, m.plan.Rate, &m.tally)
	m.clockOut()
	return err
}

func (m *Measurement) clockIn() (err error) {
	if m.subject.CPU == nil {
		return nil
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.running = true
	m.cpuBegan, err = m.subject.CPU()
	return err
}

func (m *Measurement) clockOut() {
	m.mu.Lock()
	defer m.mu.Unlock()
	if !m.running {
		return
	}
	m.running = false
	if now, err := m.subject.CPU(); err == nil { // an interrupted server is gone
		m.cpu += now - m.cpuBegan
	}
}
