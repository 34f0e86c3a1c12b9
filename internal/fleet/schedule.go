package fleet

import (
	"container/heap"
	"context"
	"math/rand/v2"
	"sync"
	"time"
)

// jitter is how far a turn may be from its place in the interval, as a share of
// it, both ways.
const jitter = 0.1

// turn is the time of a device to do something.
type turn struct {
	device int
	at     time.Time
}

// schedule gives every device a turn in each interval. It only knows the times it
// was told; [pace] waits for them.
type schedule struct {
	interval time.Duration
	random   *rand.Rand
	turns    turns
}

// newSchedule spreads the first turns over the interval after start.
func newSchedule(devices []int, start time.Time, interval time.Duration, random *rand.Rand) *schedule {
	s := &schedule{interval: interval, random: random, turns: make(turns, len(devices))}
	for i, device := range devices {
		s.turns[i] = turn{device, start.Add(s.share(random.Float64()))}
	}
	heap.Init(&s.turns)
	return s
}

func (s *schedule) share(part float64) time.Duration {
	return time.Duration(part * float64(s.interval))
}

// next takes the earliest turn and gives its device another one, an interval
// later, give or take the jitter.
func (s *schedule) next() turn {
	t := s.turns[0]
	s.turns[0].at = t.at.Add(s.share(1 - jitter + 2*jitter*s.random.Float64()))
	heap.Fix(&s.turns, 0)
	return t
}

// turns is a heap, the earliest on top.
type turns []turn

func (t turns) Len() int           { return len(t) }
func (t turns) Less(i, j int) bool { return t[i].at.Before(t[j].at) }
func (t turns) Swap(i, j int)      { t[i], t[j] = t[j], t[i] }

// Push is there for heap.Interface: the number of turns never changes.
func (t turns) Push(any) { panic("a schedule does not grow") }

// Pop is there for heap.Interface.
func (t turns) Pop() any { panic("a schedule does not shrink") }

// pace calls play for every turn, at its time, until ctx ends. At most workers
// calls are under way; a turn for which none is free waits, and play is told how
// late it comes.
func pace(ctx context.Context, s *schedule, workers int, play func(device int, late time.Duration)) {
	if len(s.turns) == 0 {
		<-ctx.Done()
		return
	}
	due := make(chan turn)
	var wg sync.WaitGroup
	defer wg.Wait()
	defer close(due)
	for range workers {
		wg.Go(func() {
			for t := range due {
				play(t.device, time.Since(t.at))
			}
		})
	}
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		t := s.next()
		timer.Reset(time.Until(t.at))
		select {
		case <-timer.C:
		case <-ctx.Done():
			return
		}
		select {
		case due <- t:
		case <-ctx.Done():
			return
		}
	}
}
