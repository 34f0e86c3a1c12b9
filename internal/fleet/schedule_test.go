package fleet

import (
	"context"
	"math/rand/v2"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"
)

// Turns come in order, the first within one interval of the start, and each next
// one of a device an interval after the last, give or take a tenth.
func TestSchedule(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		n := rapid.IntRange(1, 50).Draw(t, "devices")
		interval := time.Duration(rapid.Int64Range(1, int64(time.Hour)).Draw(t, "interval"))
		devices := make([]int, n)
		for i := range devices {
			devices[i] = 1000 + i
		}
		start := time.UnixMilli(1_700_000_000_000)
		s := newSchedule(devices, start, interval, rand.New(rand.NewPCG(1, rapid.Uint64().Draw(t, "seed"))))
		last, latest := make(map[int]time.Time), start
		for range 20 * n {
			turn := s.next()
			if turn.at.Before(latest) {
				t.Fatalf("a turn at %v after one at %v", turn.at, latest)
			}
			latest = turn.at
			from, low, high := start, 0.0, 1.0
			if before, ok := last[turn.device]; ok {
				from, low, high = before, 1-jitter, 1+jitter
			}
			gap := float64(turn.at.Sub(from))
			if gap < low*float64(interval)-1 || gap > high*float64(interval)+1 {
				t.Fatalf("device %d comes %v after %v; the interval is %v", turn.device, turn.at.Sub(from), from, interval)
			}
			last[turn.device] = turn.at
		}
		if len(last) != n {
			t.Fatalf("%d of %d devices had a turn", len(last), n)
		}
	})
}

// Under a clock of its own: every device has its turns, at their time, and the end
// of the context ends it.
func TestPace(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const devices, intervals = 40, 10
		ctx, cancel := context.WithTimeout(t.Context(), intervals*time.Minute)
		defer cancel()
		who := make([]int, devices)
		for i := range who {
			who[i] = i
		}
		var turns [devices]atomic.Int64
		began := time.Now()
		pace(ctx, newSchedule(who, began, time.Minute, rand.New(rand.NewPCG(1, 2))), 4, func(device int, late time.Duration) {
			turns[device].Add(1)
			if late != 0 {
				t.Errorf("device %d came %v late", device, late)
			}
		})
		if took := time.Since(began); took != intervals*time.Minute {
			t.Errorf("ended after %v", took)
		}
		for i := range turns {
			if n := turns[i].Load(); n < intervals-1 || n > intervals+1 {
				t.Errorf("device %d had %d turns in %d intervals", i, n, intervals)
			}
		}
	})
}

// When every worker is busy the turns wait, and are told how long.
func TestPaceLate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		var under, most, late atomic.Int64
		pace(ctx, newSchedule([]int{0, 1, 2, 3}, time.Now(), time.Second, rand.New(rand.NewPCG(3, 4))), 2, func(_ int, by time.Duration) {
			most.Store(max(most.Load(), under.Add(1)))
			late.Store(max(late.Load(), int64(by)))
			time.Sleep(10 * time.Second)
			under.Add(-1)
		})
		if most.Load() != 2 || time.Duration(late.Load()) < 30*time.Second {
			t.Errorf("%d at once, %v late", most.Load(), time.Duration(late.Load()))
		}
	})
}

func TestPaceNobody(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		pace(ctx, newSchedule(nil, time.Now(), time.Second, rand.New(rand.NewPCG(5, 6))), 2, func(int, time.Duration) { t.Error("played") })
	})
}
