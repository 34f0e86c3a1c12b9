package load

import (
	"cmp"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/hallmark-id/hallmark/internal/histogram"
)

// Figures are what became of requests. Latencies are in microseconds, right to a
// hundredth, of all that were answered.
type Figures struct {
	Succeeded int64     `json:"succeeded"`
	Refused   []Refusal `json:"refused"`
	// Failed counts requests that got no answer, and LastFailure says why the last
	// one did not.
	Failed      int64  `json:"failed"`
	LastFailure string `json:"last_failure,omitempty"`
	// Seconds is how long requests were sent, without the pauses between runs.
	Seconds float64 `json:"seconds"`
	// Rate is that of all answers.
	Rate float64 `json:"requests_per_second"`
	P50  float64 `json:"p50_us"`
	P99  float64 `json:"p99_us"`
	P999 float64 `json:"p999_us"`
	Max  float64 `json:"max_us"`
}

// Refusal counts the answers with one code that is no success.
type Refusal struct {
	Code    string `json:"code"`
	Message string `json:"message"` // of the first
	Count   int64  `json:"count"`
}

// Answers is how many requests were answered.
func (f *Figures) Answers() int64 {
	n := f.Succeeded
	for _, r := range f.Refused {
		n += r.Count
	}
	return n
}

// Tally counts what becomes of requests, over any number of runs. The zero value
// is ready, and it is safe for concurrent use.
type Tally struct {
	mu        sync.Mutex
	succeeded int64
	refused   map[string]*Refusal
	failed    int64
	failure   string
	latencies histogram.Histogram
	began     time.Time // of the run under way, zero while there is none
	spent     time.Duration
}

func (t *Tally) begin(now time.Time) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.began = now
}

func (t *Tally) end(now time.Time) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.spent += now.Sub(t.began)
	t.began = time.Time{}
}

func (t *Tally) answered(code, message string, latency time.Duration) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.latencies.Add(latency)
	if code == "" {
		t.succeeded++
		return
	}
	if t.refused == nil {
		t.refused = make(map[string]*Refusal)
	}
	if t.refused[code] == nil {
		t.refused[code] = &Refusal{Code: code, Message: message}
	}
	t.refused[code].Count++
}

func (t *Tally) lost(err error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.failed++
	t.failure = err.Error()
}

// Figures returns what was counted so far.
func (t *Tally) Figures() Figures {
	t.mu.Lock()
	defer t.mu.Unlock()
	spent := t.spent
	if !t.began.IsZero() {
		spent += time.Since(t.began)
	}
	f := Figures{Succeeded: t.succeeded, Refused: []Refusal{}, Failed: t.failed, LastFailure: t.failure, Seconds: spent.Seconds(),
		P50: t.latencies.Quantile(0.5), P99: t.latencies.Quantile(0.99), P999: t.latencies.Quantile(0.999), Max: t.latencies.Quantile(1)}
	for _, r := range slices.SortedFunc(maps.Values(t.refused), func(a, b *Refusal) int { return cmp.Compare(a.Code, b.Code) }) {
		f.Refused = append(f.Refused, *r)
	}
	if spent > 0 {
		f.Rate = float64(f.Answers()) / f.Seconds
	}
	return f
}
