package fleet

import (
	"context"
	"sync"
	"time"

	"github.com/hallmark-id/hallmark/id2"
	"github.com/hallmark-id/hallmark/internal/target"
)

// phase is a part of a run: what is counted in it, how long it takes and what it
// costs the server. The zero value has not begun.
type phase struct {
	tally tally

	mu       sync.Mutex // guards what follows
	target   *target.Target
	began    time.Time
	elapsed  time.Duration // once it has ended
	cpuBegan time.Duration
	cpu      time.Duration // 0 while it is not known
}

func (p *phase) begin(t *target.Target) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.target, p.began = t, time.Now()
	if t.CPU != nil {
		p.cpuBegan, _ = t.CPU() // without it the cost is not told
	}
}

func (p *phase) end() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.elapsed = time.Since(p.began)
	if p.target.CPU == nil {
		return
	}
	if now, err := p.target.CPU(); err == nil { // an interrupted server is gone
		p.cpu = now - p.cpuBegan
	}
}

// noAnswerPause is how long a connection rests after a request that got no answer.
const noAnswerPause = 100 * time.Millisecond

// measure makes a request and counts what becomes of it. One that the end of the
// run cut off counts for nothing.
func (p *phase) measure(ctx context.Context, request func() (id2.Code, error)) {
	sent := time.Now()
	code, err := request()
	if err == nil {
		p.tally.answered(code, time.Since(sent))
		return
	}
	// An interrupt at a terminal ends a server of our own too, and its end may be
	// seen before the interrupt is.
	pause := time.NewTimer(noAnswerPause)
	defer pause.Stop()
	select {
	case <-ctx.Done():
	case <-pause.C:
		p.tally.lost(err)
	}
}

// figures are those so far.
func (p *phase) figures() Figures {
	p.mu.Lock()
	elapsed, cpu := p.elapsed, p.cpu
	if elapsed == 0 && !p.began.IsZero() {
		elapsed = time.Since(p.began)
	}
	p.mu.Unlock()
	f := p.tally.figures(elapsed)
	if n := f.answers(); n > 0 {
		f.CPU = float64(cpu.Nanoseconds()) / 1000 / float64(n)
	}
	return f
}
