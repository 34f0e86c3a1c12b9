package batch

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

// server is a Run that takes as long as a test wants.
type server struct {
	mu    sync.Mutex
	runs  [][]int
	takes time.Duration
	err   error
}

func (s *server) run(_ context.Context, requests []int) ([]int, error) {
	s.mu.Lock()
	s.runs = append(s.runs, slices.Clone(requests))
	s.mu.Unlock()
	time.Sleep(s.takes)
	if s.err != nil {
		return nil, s.err
	}
	results := make([]int, len(requests))
	for i, r := range requests {
		results[i] = -r
	}
	return results, nil
}

func (s *server) sizes() (n []int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, r := range s.runs {
		n = append(n, len(r))
	}
	return n
}

// calls makes n calls at once and fails the test for a wrong answer.
func calls(t *testing.T, b *Batcher[int, int], from, n int, done *sync.WaitGroup) {
	t.Helper()
	for i := range n {
		done.Go(func() {
			if got, err := b.Do(context.Background(), from+i); err != nil || got != -from-i {
				t.Errorf("Do(%d) = %d, %v", from+i, got, err)
			}
		})
	}
	synctest.Wait()
}

const oneRun = 10 * time.Millisecond

func TestLoneCallWaitsForNobody(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &server{takes: oneRun}
		b := New(t.Context(), Options{}, s.run)
		defer b.Close()
		began := time.Now()
		if got, err := b.Do(t.Context(), 7); got != -7 || err != nil {
			t.Errorf("Do = %d, %v", got, err)
		}
		if took := time.Since(began); took != oneRun {
			t.Errorf("took %v, the run itself %v", took, oneRun)
		}
	})
}

func TestCollectsDuringARun(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &server{takes: oneRun}
		b := New(t.Context(), Options{Flights: 1}, s.run)
		defer b.Close()
		var done sync.WaitGroup
		calls(t, b, 1, 1, &done)
		calls(t, b, 100, 50, &done)
		time.Sleep(oneRun / 2)
		calls(t, b, 200, 30, &done)
		done.Wait()
		if got := s.sizes(); !slices.Equal(got, []int{1, 80}) {
			t.Errorf("runs of %v", got)
		}
	})
}

func TestSecondRunStartsAfterTheWait(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &server{takes: oneRun}
		b := New(t.Context(), Options{Flights: 2}, s.run)
		defer b.Close()
		var done sync.WaitGroup
		calls(t, b, 1, 1, &done)
		calls(t, b, 100, 50, &done)
		time.Sleep(time.Millisecond - time.Nanosecond)
		synctest.Wait()
		if got := s.sizes(); len(got) != 1 {
			t.Errorf("runs of %v before the wait was over", got)
		}
		calls(t, b, 200, 5, &done) // joins those who wait, and waits no longer than they
		time.Sleep(time.Nanosecond)
		synctest.Wait()
		if got := s.sizes(); !slices.Equal(got, []int{1, 55}) {
			t.Errorf("runs of %v after the wait", got)
		}
		calls(t, b, 300, 9, &done) // both runs are taken: these wait for one to return
		time.Sleep(5 * time.Millisecond)
		synctest.Wait()
		if got := s.sizes(); len(got) != 2 {
			t.Errorf("runs of %v, more than two at once", got)
		}
		time.Sleep(oneRun)
		done.Wait()
		if got := s.sizes(); !slices.Equal(got, []int{1, 55, 9}) {
			t.Errorf("runs of %v in all", got)
		}
	})
}

func TestFullBatchGoesAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &server{takes: oneRun}
		b := New(t.Context(), Options{Flights: 2, Size: 10}, s.run)
		defer b.Close()
		var done sync.WaitGroup
		calls(t, b, 1, 1, &done)
		calls(t, b, 100, 25, &done)
		if got := s.sizes(); !slices.Equal(got, []int{1, 10}) {
			t.Errorf("runs of %v", got)
		}
		done.Wait()
		if got := s.sizes(); !slices.Equal(got, []int{1, 10, 10, 5}) {
			t.Errorf("runs of %v in all", got)
		}
	})
}

func TestErrorIsEverybodys(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &server{takes: oneRun, err: errors.New("broken")}
		b := New(t.Context(), Options{}, s.run)
		defer b.Close()
		var done sync.WaitGroup
		for i := range 5 {
			done.Go(func() {
				if _, err := b.Do(context.Background(), i); !errors.Is(err, s.err) {
					t.Errorf("Do(%d): %v", i, err)
				}
			})
		}
		done.Wait()
	})
}

func TestLeaving(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &server{takes: oneRun}
		b := New(t.Context(), Options{Flights: 1}, s.run)
		defer b.Close()
		ctx, cancel := context.WithCancel(t.Context())
		var done sync.WaitGroup
		leaver := func(n int) {
			done.Go(func() {
				if _, err := b.Do(ctx, n); !errors.Is(err, context.Canceled) {
					t.Errorf("Do(%d): %v", n, err)
				}
			})
			synctest.Wait()
		}
		leaver(1) // under way: it is made all the same
		leaver(2) // waits: it is not
		calls(t, b, 3, 1, &done)
		cancel()
		if _, err := b.Do(ctx, 4); !errors.Is(err, context.Canceled) {
			t.Errorf("a call that was over before it began: %v", err)
		}
		done.Wait()
		s.mu.Lock()
		defer s.mu.Unlock()
		if want := [][]int{{1}, {3}}; !slices.EqualFunc(s.runs, want, slices.Equal) {
			t.Errorf("runs %v, want %v", s.runs, want)
		}
	})
}

// All who waited have left: the run that was to come does not.
func TestEmptyFlight(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &server{takes: oneRun}
		b := New(t.Context(), Options{Flights: 1}, s.run)
		var done sync.WaitGroup
		calls(t, b, 1, 1, &done)
		ctx, cancel := context.WithCancel(t.Context())
		done.Go(func() { _, _ = b.Do(ctx, 2) })
		synctest.Wait()
		cancel()
		done.Wait()
		b.Close()
		if got := s.sizes(); !slices.Equal(got, []int{1}) {
			t.Errorf("runs of %v", got)
		}
	})
}

func TestQueueIsBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &server{takes: oneRun}
		b := New(t.Context(), Options{Flights: 1, Queue: 3}, s.run)
		defer b.Close()
		var done sync.WaitGroup
		calls(t, b, 1, 1, &done)
		calls(t, b, 10, 3, &done)
		if _, err := b.Do(t.Context(), 99); !errors.Is(err, ErrFull) {
			t.Errorf("one too many: %v", err)
		}
		done.Wait()
	})
}

func TestCloseDrains(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &server{takes: oneRun}
		b := New(t.Context(), Options{Flights: 2, Size: 10}, s.run)
		var done sync.WaitGroup
		calls(t, b, 1, 35, &done)
		var closers sync.WaitGroup
		for range 3 {
			closers.Go(b.Close)
		}
		synctest.Wait()
		if _, err := b.Do(t.Context(), 99); !errors.Is(err, ErrClosed) {
			t.Errorf("a call after Close: %v", err)
		}
		closers.Wait()
		if got := len(slices.Concat(s.runs...)); got != 35 {
			t.Errorf("%d calls were made when Close returned, want 35", got)
		}
		done.Wait()
	})
}

// A run that panics ends the process, with everybody who waits for it.
func TestPanicIsNotSwallowed(t *testing.T) {
	const name = "BATCH_TEST_PANIC"
	switch os.Getenv(name) {
	case "panic":
		b := New(t.Context(), Options{}, func(context.Context, []int) ([]int, error) { panic("the run's own") })
		_, _ = b.Do(t.Context(), 1)
		return
	case "short":
		b := New(t.Context(), Options{}, func(context.Context, []int) ([]int, error) { return nil, nil })
		_, _ = b.Do(t.Context(), 1)
		return
	}
	for how, want := range map[string]string{"panic": "the run's own", "short": "0 results for 1 requests"} {
		again := exec.CommandContext(t.Context(), os.Args[0], "-test.run", "^TestPanicIsNotSwallowed$")
		again.Env = append(os.Environ(), name+"="+how)
		if out, err := again.CombinedOutput(); err == nil || !strings.Contains(string(out), "panic: ") || !strings.Contains(string(out), want) {
			t.Errorf("%s: %v\n%s", how, err, out)
		}
	}
}

// Everybody gets the answer to their own question, under load and for real.
func TestStorm(t *testing.T) {
	var most, runs atomic.Int64
	b := New(t.Context(), Options{Size: 16, Flights: 3}, func(_ context.Context, requests []int) ([]int, error) {
		runs.Add(1)
		most.Store(max(most.Load(), int64(len(requests))))
		results := make([]int, len(requests))
		for i, r := range requests {
			results[i] = -r
		}
		return results, nil
	})
	var done sync.WaitGroup
	for g := range 50 {
		done.Go(func() {
			for i := range 200 {
				ctx, cancel := context.WithCancel(t.Context())
				if i%7 == 0 {
					cancel()
				}
				n := 1000*g + i
				if got, err := b.Do(ctx, n); err == nil && got != -n || err != nil && i%7 != 0 {
					t.Errorf("Do(%d) = %d, %v", n, got, err)
				}
				cancel()
			}
		})
	}
	done.Wait()
	b.Close()
	if most.Load() > 16 || runs.Load() == 0 {
		t.Errorf("a run of %d calls, %d runs", most.Load(), runs.Load())
	}
}

// BenchmarkDo is the batcher's own cost for each call.
func BenchmarkDo(b *testing.B) {
	batcher := New(b.Context(), Options{}, func(_ context.Context, requests []int) ([]int, error) { return requests, nil })
	defer batcher.Close()
	b.SetParallelism(64)
	b.ReportAllocs()
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			if _, err := batcher.Do(context.Background(), 1); err != nil {
				b.Error(err)
			}
		}
	})
}
