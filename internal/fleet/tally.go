package fleet

import (
	"cmp"
	"errors"
	"maps"
	"math"
	"math/bits"
	"net/url"
	"slices"
	"sync"
	"time"

	"github.com/hallmark-id/hallmark/id2"
)

// Figures are what became of one kind of request. The latencies are those of
// requests that were answered, as the device sees them, right to 3 %.
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
	latencies histogram
}

// answered counts an answer of the door, [id2.CodeOK] for success.
func (t *tally) answered(code id2.Code, latency time.Duration) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.latencies.add(latency)
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
		P50: t.latencies.quantile(0.5), P99: t.latencies.quantile(0.99), P999: t.latencies.quantile(0.999), Max: t.latencies.quantile(1)}
	for _, code := range slices.SortedFunc(maps.Keys(t.refused), cmp.Compare[id2.Code]) {
		f.Refused = append(f.Refused, Refusal{code, code.Message(), t.refused[code]})
	}
	if elapsed > 0 {
		f.Rate = float64(f.answers()) / f.Seconds
	}
	return f
}

// The classes of a histogram: steps for each doubling, so that a class is at most
// 1/steps wide, from one microsecond to half an hour.
const (
	stepBits  = 5
	steps     = 1 << stepBits
	doublings = 31 - stepBits
)

// histogram counts durations in classes of microseconds, in memory that does not
// grow.
type histogram struct {
	counts [(doublings + 1) * steps]int64
	total  int64
	max    time.Duration
}

func (h *histogram) add(d time.Duration) {
	h.max = max(h.max, d)
	h.total++
	h.counts[class(uint64(max(d.Microseconds(), 0)))]++
}

// class is exact below steps; above, the highest bits of a value choose it.
func class(us uint64) int {
	us = min(us, 1<<31-1)
	if us < steps {
		return int(us)
	}
	shift := bits.Len64(us) - 1 - stepBits
	return (shift+1)*steps + int(us>>shift) - steps
}

// bound is the highest value of a class.
func bound(class int) float64 {
	if class < steps {
		return float64(class)
	}
	shift := class/steps - 1
	return float64((uint64(class%steps+steps+1) << shift) - 1)
}

// quantile returns the duration in microseconds that a share of all stay below, 0
// of none.
func (h *histogram) quantile(share float64) float64 {
	longest := float64(h.max.Nanoseconds()) / 1000
	rank, seen := int64(math.Ceil(share*float64(h.total))), int64(0)
	for class, n := range h.counts {
		if seen += n; n > 0 && seen >= rank {
			return min(bound(class), longest)
		}
	}
	return longest
}
