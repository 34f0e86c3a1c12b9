package fleet

import (
	"errors"
	"math"
	"net/url"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/hallmark-id/hallmark/id2"
)

// Every value is in a class whose bound is at or above it, by at most a 32nd.
func TestHistogramClasses(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		us := rapid.Uint64Range(0, 1<<31-1).Draw(t, "us")
		b := bound(class(us))
		if b < float64(us) || b > float64(us)*(1+1.0/steps) {
			t.Fatalf("%d has class %d up to %v", us, class(us), b)
		}
	})
	if got, last := class(math.MaxUint64), len(histogram{}.counts)-1; got != last {
		t.Errorf("the longest has class %d, the last is %d", got, last)
	}
}

// A quantile is that of the sorted list, right to 3 %.
func TestHistogramQuantiles(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		list := rapid.SliceOfN(rapid.Int64Range(0, int64(20*time.Minute)), 1, 200).Draw(t, "durations")
		var h histogram
		for _, d := range list {
			h.add(time.Duration(d))
		}
		slices.Sort(list)
		for _, share := range []float64{0.01, 0.5, 0.99, 1} {
			exact := float64(list[max(int(math.Ceil(share*float64(len(list))))-1, 0)]) / 1000
			if got := h.quantile(share); got < exact-1 || got > exact*(1+1.0/steps)+1 {
				t.Fatalf("quantile %v: %v µs, want %v", share, got, exact)
			}
		}
	})
	var none histogram
	if got := none.quantile(0.5); got != 0 {
		t.Errorf("of none: %v", got)
	}
}

func TestTally(t *testing.T) {
	var c tally
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			for range 10 {
				c.answered(id2.CodeOK, 20*time.Microsecond)
				c.answered(id2.CodeQuota, 10*time.Microsecond)
				c.answered(id2.CodeAuthCode, 30*time.Microsecond)
				c.lost(&url.Error{Op: "Get", URL: "http://h/?Signature=x", Err: errors.New("refused")})
			}
		})
	}
	wg.Wait()
	want := Figures{Succeeded: 40, Refused: []Refusal{{id2.CodeQuota, id2.CodeQuota.Message(), 40}, {id2.CodeAuthCode, id2.CodeAuthCode.Message(), 40}},
		Failed: 40, LastFailure: "refused", Seconds: 2, Rate: 60, P50: 20, P99: 30, P999: 30, Max: 30}
	if diff := cmp.Diff(want, c.figures(2*time.Second)); diff != "" {
		t.Error(diff)
	}
}
