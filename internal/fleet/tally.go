package fleet

import (
	"cmp"
	"errors"
	"maps"
	"net/url"
	"slices"
	"sync"
	"time"

	"github.com/hallmark-id/hallmark/id2"
	"github.com/hallmark-id/hallmark/internal/histogram"
)

// Figures are what became of one kind of request. The latencies are those of
// requests that were answered, as the device sees them, right to 1 %.
type Figures struct {
	Succeeded int64     `json:"succeeded"`
	Refused   []Refusal `json:"refused"`
	// Failed counts requests that got no answer, or an error of the gateway, and
	// LastFailure says why the last one did.
	Failed      int64   `json:"failed"`
	LastFailure string  `json:"last_failure,omitempty"`
	Seconds     float64 `json:"seconds"`
	// Rate is that of all answers.
	Rate float64 `json:"per_second"`
	P50  float64 `json:"p50_us"`
	P99  float64 `json:"p99_us"`
	P999 float64 `json:"p999_us"`
	Max  float64 `json:"max_us"`
	// CPU is the server's CPU time for each answer in microseconds, 0 where it is
	// not known.
	CPU float64 `json:"server_cpu_us,omitempty"`
}

// Refusal counts the answers with one code of the door.
type Refusal struct {
	Code    id2.Code `json:"code"`
	Meaning string   `json:"meaning"`
	Count   int64    `json:"count"`
}

// answers is how many requests were answered.
func (f *Figures) answers() int64 { return f.Succeeded + f.refusals() }

func (f *Figures) refusals() (n int64) {
	for _, r := range f.Refused {
		n += r.Count
	}
	return n
}

// tally counts one kind of request. It is safe for concurrent use.
type tally struct {
	mu        sync.Mutex
	succeeded int64
	refused   map[id2.Code]int64
	failed    int64
	failure   string // of the last that failed
	latencies histogram.Histogram
}

// answered counts an answer of the door, [id2.CodeOK] for success.
func (t *tally) answered(code id2.Code, latency time.Duration) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.latencies.Add(latency)
	if code == id2.CodeOK {
		t.succeeded++
		return
	}
	if t.refused == nil {
		t.refused = make(map[id2.Code]int64)
	}
	t.refused[code]++
}

// lost counts a request without an answer of the door.
func (t *tally) lost(err error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.failed++
	t.failure = reason(err)
}

// reason leaves out the request's address, which holds its parameters.
func reason(err error) string {
	var request *url.Error
	if errors.As(err, &request) {
		err = request.Err
	}
	return err.Error()
}

// figures returns what was counted in a time.
func (t *tally) figures(elapsed time.Duration) Figures {
	t.mu.Lock()
	defer t.mu.Unlock()
	f := Figures{Succeeded: t.succeeded, Refused: []Refusal{}, Failed: t.failed, LastFailure: t.failure, Seconds: elapsed.Seconds(),
		P50: t.latencies.Quantile(0.5), P99: t.latencies.Quantile(0.99), P999: t.latencies.Quantile(0.999), Max: t.latencies.Quantile(1)}
	for _, code := range slices.SortedFunc(maps.Keys(t.refused), cmp.Compare[id2.Code]) {
		f.Refused = append(f.Refused, Refusal{code, code.Message(), t.refused[code]})
	}
	if elapsed > 0 {
		f.Rate = float64(f.answers()) / f.Seconds
	}
	return f
}
