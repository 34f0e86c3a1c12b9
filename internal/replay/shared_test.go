package replay_test

import (
	"context"
	crand "crypto/rand"
	"errors"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hallmark-id/hallmark/internal/registry"
	"github.com/hallmark-id/hallmark/internal/replay"
	"github.com/hallmark-id/hallmark/internal/replay/replaytest"
)

var sharedStart = time.UnixMilli(1_700_000_000_000)

func memoryWorld(m *replaytest.Memory, nodes int) *replaytest.World {
	w := &replaytest.World{Now: m.Now, Advance: m.Advance, SetDevice: m.SetDevice, RemoveDevice: m.RemoveDevice,
		Keys: func() map[replay.Key]bool { m.Settle(); return m.Keys() }}
	for range nodes {
		w.Nodes = append(w.Nodes, m)
	}
	return w
}

func TestSharedOnMemory(t *testing.T) {
	replaytest.Run(t, func(*testing.T) *replaytest.World {
		return memoryWorld(replaytest.NewMemory(sharedStart), 3)
	})
}

// The same promises where any answer may get lost: at most one success, and
// nobody is told "not spent" of what is.
func TestSharedModelWithLosses(t *testing.T) {
	m := replaytest.NewMemory(sharedStart)
	r := rand.New(rand.NewPCG(1, 2))
	m.Lose = func() replaytest.Loss {
		if r.IntN(3) > 0 {
			return replaytest.None
		}
		return replaytest.Loss(r.IntN(int(replaytest.Late) + 1))
	}
	replaytest.Model(t, memoryWorld(m, 3))
}

// losing returns a guard over a ledger that loses the given calls in turn.
func losing(t *testing.T, losses ...replaytest.Loss) (*replay.Shared, *replaytest.Memory) {
	t.Helper()
	m := replaytest.NewMemory(sharedStart)
	m.SetDevice(1, replaytest.Device{Version: 1, State: registry.Active})
	m.Lose = func() replaytest.Loss {
		if len(losses) == 0 {
			return replaytest.None
		}
		loss := losses[0]
		losses = losses[1:]
		return loss
	}
	return replaytest.Guards(t, []replay.Ledger{m})[0], m
}

func sharedCode(n int) replay.Code {
	return replay.Code{Key: replaytest.Key(n), Timestamp: true, At: sharedStart, Asset: 1, Version: 1}
}

func TestSharedResolvesLostAnswers(t *testing.T) {
	const before, after, late, refused = replaytest.Before, replaytest.After, replaytest.Late, replaytest.Refused
	for name, c := range map[string]struct {
		losses []replaytest.Loss
		want   error
		kept   bool
	}{
		"nothing lost":            {nil, nil, true},
		"lost before":             {[]replaytest.Loss{before}, nil, true},
		"lost after":              {[]replaytest.Loss{after}, nil, true},
		"late":                    {[]replaytest.Loss{late}, nil, true},
		"lost after, then before": {[]replaytest.Loss{after, before}, nil, true},
		"lost before for good":    {[]replaytest.Loss{before, before, before}, replay.ErrUnresolved, false},
		"lost after for good":     {[]replaytest.Loss{after, after, after}, replay.ErrUnresolved, true},
		"refused":                 {[]replaytest.Loss{refused}, replaytest.ErrRefused, false},
		"lost, then refused":      {[]replaytest.Loss{after, refused}, replay.ErrUnresolved, true},
		"late, then refused":      {[]replaytest.Loss{late, refused}, replay.ErrUnresolved, true},
	} {
		t.Run(name, func(t *testing.T) {
			g, m := losing(t, c.losses...)
			if err := g.Spend(t.Context(), sharedCode(1)); !errors.Is(err, c.want) {
				t.Errorf("Spend: %v, want %v", err, c.want)
			}
			m.Settle()
			if kept := m.Keys()[replaytest.Key(1)]; kept != c.kept {
				t.Errorf("kept %v, want %v", kept, c.kept)
			}
			want := replay.ErrSpent
			if !c.kept {
				want = nil
			}
			if err := g.Spend(t.Context(), sharedCode(1)); !errors.Is(err, want) {
				t.Errorf("Spend again: %v, want %v", err, want)
			}
		})
	}
}

// A refusal is no proof once an answer was lost: the lost attempt may be on its
// way still.
func TestSharedNeverGuessesAfterALoss(t *testing.T) {
	for name, c := range map[string]struct {
		disturb func(*replaytest.Memory)
		undo    func(*replaytest.Memory)
		plain   error
	}{
		"device changed": {
			func(m *replaytest.Memory) { m.SetDevice(1, replaytest.Device{Version: 2, State: registry.Active}) },
			func(m *replaytest.Memory) { m.SetDevice(1, replaytest.Device{Version: 1, State: registry.Active}) },
			replay.ErrChanged,
		},
		"out of window": {
			func(m *replaytest.Memory) { m.Advance(time.Hour) },
			func(m *replaytest.Memory) { m.Advance(-time.Hour) },
			replay.ErrStale,
		},
	} {
		t.Run(name, func(t *testing.T) {
			g, m := losing(t, replaytest.Late)
			c.disturb(m)
			if err := g.Spend(t.Context(), sharedCode(1)); !errors.Is(err, replay.ErrUnresolved) || errors.Is(err, c.plain) {
				t.Errorf("after a loss: %v", err)
			}
			if err := g.Spend(t.Context(), sharedCode(2)); !errors.Is(err, c.plain) || errors.Is(err, replay.ErrUnresolved) {
				t.Errorf("without one: %v", err)
			}
			c.undo(m) // the server read the clock and the device before
			m.Settle()
			if err := g.Spend(t.Context(), sharedCode(1)); !errors.Is(err, replay.ErrSpent) {
				t.Errorf("the late arrival: %v", err)
			}
		})
	}
}

// blocking is a ledger that waits for a test.
type blocking struct {
	*replaytest.Memory
	gate chan struct{}
}

func (b *blocking) RecordCodes(ctx context.Context, attempts []replay.Attempt) ([]bool, error) {
	select {
	case <-b.gate:
		return b.Memory.RecordCodes(ctx, attempts)
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

func TestSharedAsksOnceForEachKeyInABatch(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := &blocking{replaytest.NewMemory(sharedStart), make(chan struct{}, 9)}
		b.SetDevice(1, replaytest.Device{Version: 1, State: registry.Active})
		g, err := replay.NewShared(b, replay.SharedOptions{Lifetime: time.Minute, Random: crand.Reader})
		if err != nil {
			t.Fatal(err)
		}
		var mu sync.Mutex
		told := make(map[int][]error)
		var all sync.WaitGroup
		spend := func(n int) {
			all.Go(func() {
				err := g.Spend(context.Background(), sharedCode(n))
				mu.Lock()
				told[n] = append(told[n], err)
				mu.Unlock()
			})
		}
		spend(0)
		synctest.Wait() // under way: what comes now collects
		for i := range 30 {
			spend(1 + i%3)
		}
		synctest.Wait()
		for range 9 {
			b.gate <- struct{}{}
		}
		all.Wait()
		g.Close()
		if got := b.Sizes(); !slices.Equal(got, []int{1, 3}) {
			t.Errorf("recordings of %v attempts", got)
		}
		for n := 1; n <= 3; n++ {
			var won int
			for _, err := range told[n] {
				if err == nil {
					won++
				} else if !errors.Is(err, replay.ErrSpent) {
					t.Errorf("code %d: %v", n, err)
				}
			}
			if won != 1 || len(told[n]) != 10 {
				t.Errorf("code %d: %d of %d won", n, won, len(told[n]))
			}
		}
	})
}

func TestSharedTimeoutAndCancellation(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := &blocking{replaytest.NewMemory(sharedStart), make(chan struct{})}
		g, err := replay.NewShared(b, replay.SharedOptions{Lifetime: time.Minute, Random: crand.Reader, Timeout: time.Second})
		if err != nil {
			t.Fatal(err)
		}
		if err := g.Spend(t.Context(), sharedCode(1)); !errors.Is(err, replay.ErrUnresolved) || errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("a ledger that does not answer: %v", err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		time.AfterFunc(time.Millisecond, cancel)
		if err := g.Spend(ctx, sharedCode(1)); !errors.Is(err, context.Canceled) {
			t.Errorf("a caller that left: %v", err)
		}
		g.Close()
		if err := g.Spend(t.Context(), sharedCode(1)); !errors.Is(err, replay.ErrClosed) {
			t.Errorf("after Close: %v", err)
		}
	})
}

func TestSharedRefusesLongLifetimes(t *testing.T) {
	for _, lifetime := range []time.Duration{0, replay.MaxSharedLifetime + 1} {
		if _, err := replay.NewShared(nil, replay.SharedOptions{Lifetime: lifetime}); err == nil {
			t.Errorf("a lifetime of %v was taken", lifetime)
		}
	}
}

func TestSharedWithoutRandomness(t *testing.T) {
	m := replaytest.NewMemory(sharedStart)
	g, err := replay.NewShared(m, replay.SharedOptions{Lifetime: time.Minute, Random: noRandom{}})
	if err != nil {
		t.Fatal(err)
	}
	defer g.Close()
	if err := g.Spend(t.Context(), sharedCode(1)); !errors.Is(err, errNoRandom) || len(m.Keys()) != 0 {
		t.Errorf("Spend: %v", err)
	}
}

var errNoRandom = errors.New("no randomness")

type noRandom struct{}

func (noRandom) Read([]byte) (int, error) { return 0, errNoRandom }
