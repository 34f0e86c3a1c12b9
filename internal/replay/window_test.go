package replay

import (
	"sync"
	"sync/atomic"
	"testing"

	"pgregory.net/rapid"
)

func TestWindow(t *testing.T) {
	w := NewWindow(100)
	type call struct{ counter, issued, now uint32 }
	tests := []struct {
		call
		want  error
		pages int
	}{
		{call{0, 0, 0}, nil, 1},
		{call{0, 0, 0}, ErrSpent, 1},
		{call{1, 0, 100}, nil, 1},
		{call{2, 0, 101}, ErrSpent, 1}, // too old
		{call{1, 0, 100}, ErrSpent, 1},
		{call{4095, 5, 100}, nil, 1},
		{call{4096, 5, 100}, nil, 2},
		{call{1<<32 - 1, 60, 100}, nil, 3},
		{call{3, 5, 105}, nil, 3},
		// A new page drops the first two, of which the newest challenge that
		// was spent is of tick 5.
		{call{8192, 150, 150}, nil, 2},
		{call{4095, 5, 105}, ErrSpent, 2}, // an asker whose clock was read before
		{call{0, 0, 100}, ErrSpent, 2},
		{call{4, 6, 106}, nil, 3}, // of a page that was dropped, but later
		{call{4, 6, 106}, ErrSpent, 3},
		{call{0, 0, 100}, ErrSpent, 3}, // its page is back, its bit is not
		{call{1<<32 - 1, 60, 150}, ErrSpent, 3},
		{call{1 << 31, 1<<32 - 1, 1<<32 - 1}, nil, 1},
		{call{1 << 31, 1<<32 - 1, 1<<32 - 1}, ErrSpent, 1},
	}
	for i, test := range tests {
		if err := w.Spend(test.counter, test.issued, test.now); err != test.want {
			t.Fatalf("%d: Spend(%+v) = %v, want %v", i, test.call, err, test.want)
		}
		if w.Pages() != test.pages {
			t.Fatalf("%d: %d pages after %+v, want %d", i, w.Pages(), test.call, test.pages)
		}
	}
}

// TestWindowConcurrent has many goroutines spend the same challenges while
// pages come and go.
func TestWindowConcurrent(t *testing.T) {
	const counters, perTick, lifetime, askers = 60_000, 500, 20, 4
	w := NewWindow(lifetime)
	winners := make([]atomic.Int32, counters)
	var all sync.WaitGroup
	for asker := range askers {
		all.Go(func() {
			for n := range counters {
				// Some askers lag behind, others repeat what they asked.
				tick := uint32(n / perTick)
				for _, c := range []int{n, max(0, n-perTick*lifetime/2*asker/askers)} {
					if w.Spend(uint32(c), uint32(c/perTick), tick) == nil {
						winners[c].Add(1)
					}
				}
			}
		})
	}
	all.Wait()
	for c := range winners {
		// Goroutines that lag by more than a lifetime may find it forgotten,
		// but the first to ask for the newest challenge finds it.
		if got := winners[c].Load(); got > 1 || got == 0 && c == counters-1 {
			t.Fatalf("challenge %d has %d winners", c, got)
		}
	}
	if got := w.Pages(); got > counters>>pageBits+1 {
		t.Errorf("%d pages", got)
	}
}

// TestWindowModel compares with a map that forgets nothing.
func TestWindowModel(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		lifetime := rapid.Uint32Range(0, 50).Draw(t, "lifetime")
		w := NewWindow(lifetime)
		var now uint32
		issued := []uint32{0} // by counter, in steps of stride
		stride := rapid.SampledFrom([]uint32{1, 100, 5000}).Draw(t, "stride")
		spent := make(map[uint32]bool)
		t.Repeat(map[string]func(*rapid.T){
			"tick":  func(t *rapid.T) { now += rapid.Uint32Range(0, 20).Draw(t, "ticks") },
			"issue": func(*rapid.T) { issued = append(issued, now) },
			"spend": func(t *rapid.T) {
				i := uint32(rapid.IntRange(0, len(issued)-1).Draw(t, "i"))
				late := rapid.Uint32Range(0, 3).Draw(t, "late")
				asked := max(now, late) - late // a clock that was read before
				fresh := !spent[i] && issued[i]+lifetime >= now
				err := w.Spend(i*stride, issued[i], max(asked, issued[i]))
				switch {
				case err == nil && spent[i]:
					t.Fatalf("challenge %d was spent twice", i)
				case err != nil && fresh:
					t.Fatalf("fresh challenge %d: %v", i, err)
				case err == nil:
					spent[i] = true
				}
			},
		})
		if max := len(issued)*int(stride)>>pageBits + 1; w.Pages() > max {
			t.Fatalf("%d pages, at most %d should be there", w.Pages(), max)
		}
	})
}
