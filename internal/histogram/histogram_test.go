package histogram

import (
	"math"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"
)

// Every value is in a class whose bound is at or above it, by at most a 128th.
func TestClasses(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		us := rapid.Uint64Range(0, 1<<31-1).Draw(t, "us")
		b := bound(class(us))
		if b < float64(us) || b > float64(us)*(1+1.0/steps) {
			t.Fatalf("%d has class %d up to %v", us, class(us), b)
		}
	})
	if got, last := class(math.MaxUint64), len(Histogram{}.counts)-1; got != last {
		t.Errorf("the longest has class %d, the last is %d", got, last)
	}
}

// A quantile is that of the sorted list, right to 1 %.
func TestQuantiles(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		list := rapid.SliceOfN(rapid.Int64Range(0, int64(20*time.Minute)), 1, 200).Draw(t, "durations")
		var h Histogram
		for _, d := range list {
			h.Add(time.Duration(d))
		}
		slices.Sort(list)
		for _, share := range []float64{0.01, 0.5, 0.99, 1} {
			exact := float64(list[max(int(math.Ceil(share*float64(len(list))))-1, 0)]) / 1000
			if got := h.Quantile(share); got < exact-1 || got > exact*(1+1.0/steps)+1 {
				t.Fatalf("quantile %v: %v µs, want %v", share, got, exact)
			}
		}
	})
	var none Histogram
	if got := none.Quantile(0.5); got != 0 {
		t.Errorf("of none: %v", got)
	}
}
