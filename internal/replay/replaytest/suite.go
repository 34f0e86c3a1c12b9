package replaytest

import (
	"context"
	"crypto/rand"
	"errors"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/hallmark-id/hallmark/internal/registry"
	"github.com/hallmark-id/hallmark/internal/replay"
)

// World is a ledger that several nodes share, and what a test may do to it.
type World struct {
	// Nodes are the ways to the ledger, one for each process.
	Nodes []replay.Ledger
	// Now is the ledger's time, of which no more than a second passes while a test
	// runs except by Advance.
	Now     func() time.Time
	Advance func(time.Duration)
	// SetDevice makes a device, which exists only after it, what it says.
	SetDevice    func(asset int64, d Device)
	RemoveDevice func(asset int64)
	// Keys returns the keys that are kept, after all that was under way arrived.
	Keys func() map[replay.Key]bool
}

// Lifetime is that of challenges in these tests.
const Lifetime = 5 * time.Minute

// Guards returns a guard for each node, which are closed when the test ends.
func Guards(tb interface {
	Fatal(...any)
	Cleanup(func())
}, ledgers []replay.Ledger) []*replay.Shared {
	guards := make([]*replay.Shared, len(ledgers))
	for i, l := range ledgers {
		g, err := replay.NewShared(l, replay.SharedOptions{Lifetime: Lifetime, Random: rand.Reader})
		if err != nil {
			tb.Fatal(err)
		}
		tb.Cleanup(g.Close)
		guards[i] = g
	}
	return guards
}

// Key returns the nth of many different keys, in no order.
func Key(n int) (k replay.Key) {
	for i := range k {
		k[i] = byte(n*167 + n>>8*59 + i*31*n)
	}
	k[14], k[15] = byte(n>>8), byte(n)
	return k
}

// asset is the device of the codes of these tests.
const asset = 7001

// Run runs the suite, each test in a world of its own.
func Run(t *testing.T, world func(t *testing.T) *World) {
	for name, test := range map[string]func(*testing.T, *World){
		"Windows":            windows,
		"Device":             device,
		"DuplicatesInABatch": duplicates,
		"OppositeOrder":      oppositeOrder,
		"Recording":          recording,
		"Model":              Model,
	} {
		t.Run(name, func(t *testing.T) { test(t, world(t)) })
	}
}

// windows spends codes at the edges of their windows.
func windows(t *testing.T, w *World) {
	w.SetDevice(asset, Device{Version: 1, State: registry.Active})
	guard := Guards(t, w.Nodes)[0]
	const near = 2 * time.Second // more than passes in a test
	for i, c := range []struct {
		name      string
		timestamp bool
		at        time.Duration
		want      error
	}{
		{"timestamp of now", true, 0, nil},
		{"timestamp almost too old", true, -replay.SharedSkew + near, nil},
		{"timestamp too old", true, -replay.SharedSkew, replay.ErrStale},
		{"timestamp almost too far ahead", true, replay.SharedSkew - near, nil},
		{"timestamp too far ahead", true, replay.SharedSkew + near, replay.ErrStale},
		{"timestamp an hour ahead", true, time.Hour, replay.ErrStale},
		{"timestamp of a year ago", true, -365 * 24 * time.Hour, replay.ErrStale},
		{"timestamp of 1970", true, -time.Duration(w.Now().UnixNano()), replay.ErrStale},
		{"challenge of now", false, 0, nil},
		{"challenge almost too old", false, -Lifetime - replay.SharedTolerance + near, nil},
		{"challenge too old", false, -Lifetime - replay.SharedTolerance, replay.ErrStale},
		{"challenge an hour ahead", false, time.Hour, replay.ErrStale},
	} {
		code := replay.Code{Key: Key(i), Timestamp: c.timestamp, At: w.Now().Add(c.at), Asset: asset, Version: 1}
		if err := guard.Spend(t.Context(), code); !errors.Is(err, c.want) {
			t.Errorf("%s: %v, want %v", c.name, err, c.want)
		}
		want := c.want
		if want == nil {
			want = replay.ErrSpent
		}
		if err := guard.Spend(t.Context(), code); !errors.Is(err, want) {
			t.Errorf("%s, again: %v, want %v", c.name, err, want)
		}
	}
}

// device changes a device behind the back of nodes that remember it as it was.
func device(t *testing.T, w *World) {
	guards := Guards(t, w.Nodes)
	spend := func(n int, version int64) error {
		return guards[n%len(guards)].Spend(t.Context(), replay.Code{Key: Key(n), Timestamp: true, At: w.Now(), Asset: asset, Version: version})
	}
	for i, c := range []struct {
		name    string
		become  Device
		version int64
		want    error
	}{
		{"as it was judged", Device{Version: 1, State: registry.Unactivated}, 1, nil},
		{"a newer version", Device{Version: 2, State: registry.Active}, 1, replay.ErrChanged},
		{"an older version", Device{Version: 2, State: registry.Active}, 3, replay.ErrChanged},
		{"suspended since", Device{Version: 3, State: registry.Suspended}, 2, replay.ErrChanged},
		{"suspended under the same version", Device{Version: 3, State: registry.Suspended}, 3, replay.ErrChanged},
		{"discarded under the same version", Device{Version: 3, State: registry.Discarded}, 3, replay.ErrChanged},
		{"resumed", Device{Version: 4, State: registry.Active}, 4, nil},
	} {
		w.SetDevice(asset, c.become)
		if err := spend(i, c.version); !errors.Is(err, c.want) {
			t.Errorf("%s: %v, want %v", c.name, err, c.want)
		}
		if kept := w.Keys()[Key(i)]; kept != (c.want == nil) {
			t.Errorf("%s: kept %v", c.name, kept)
		}
	}
	w.SetDevice(asset, Device{Version: 9, State: registry.Active})
	if err := spend(1, 9); err != nil {
		t.Errorf("a code that was refused because the device had changed: %v", err)
	}
	w.RemoveDevice(asset)
	if err := spend(100, 9); !errors.Is(err, replay.ErrChanged) {
		t.Errorf("a device that is gone: %v", err)
	}
	if err := spend(1, 9); !errors.Is(err, replay.ErrSpent) {
		t.Errorf("a spent code of a device that is gone: %v", err)
	}
}

// duplicates spends one key many times in what become few batches.
func duplicates(t *testing.T, w *World) {
	w.SetDevice(asset, Device{Version: 1, State: registry.Active})
	guards := Guards(t, w.Nodes)
	for key := range 5 {
		var won atomic.Int64
		var all sync.WaitGroup
		code := replay.Code{Key: Key(key), At: w.Now(), Asset: asset, Version: 1}
		for n := range 60 {
			all.Go(func() {
				switch err := guards[n%len(guards)].Spend(context.WithoutCancel(t.Context()), code); {
				case err == nil:
					won.Add(1)
				case !errors.Is(err, replay.ErrSpent):
					t.Errorf("Spend: %v", err)
				}
			})
		}
		all.Wait()
		if won.Load() != 1 {
			t.Errorf("key %d: %d winners", key, won.Load())
		}
	}
}

// oppositeOrder has all nodes record the same keys at the same time, one
// forwards and one backwards: what waits for each other would never end.
func oppositeOrder(t *testing.T, w *World) {
	w.SetDevice(asset, Device{Version: 1, State: registry.Active})
	guards := Guards(t, w.Nodes)
	const rounds, keys = 12, 40
	for round := range rounds {
		at := w.Now()
		var won [keys]atomic.Int64
		var all sync.WaitGroup
		for n, guard := range guards {
			for i := range keys {
				k := i
				if n%2 == 1 {
					k = keys - 1 - i
				}
				all.Go(func() {
					err := guard.Spend(context.WithoutCancel(t.Context()), replay.Code{Key: Key(1000*round + k), Timestamp: true, At: at, Asset: asset, Version: 1})
					if err == nil {
						won[k].Add(1)
					} else if !errors.Is(err, replay.ErrSpent) {
						t.Errorf("round %d key %d: %v", round, k, err)
					}
				})
			}
		}
		all.Wait()
		for k := range won {
			if won[k].Load() != 1 {
				t.Errorf("round %d key %d: %d winners", round, k, won[k].Load())
			}
		}
	}
}

// recording asks the ledger itself: an attempt recorded again is the same one.
func recording(t *testing.T, w *World) {
	w.SetDevice(asset, Device{Version: 1, State: registry.Active})
	at := w.Now().UnixMilli()
	attempt := func(key int, id byte) replay.Attempt {
		return replay.Attempt{Key: Key(key), ID: [16]byte{id, byte(key)}, At: at, Until: at + 60_000, Asset: asset, Version: 1}
	}
	first, second := w.Nodes[0], w.Nodes[len(w.Nodes)-1]
	record := func(l replay.Ledger, a replay.Attempt) bool {
		kept, err := l.RecordCodes(t.Context(), []replay.Attempt{a})
		if err != nil || len(kept) != 1 {
			t.Fatal(kept, err)
		}
		return kept[0]
	}
	if !record(first, attempt(1, 1)) || record(first, attempt(1, 1)) || record(second, attempt(1, 2)) {
		t.Error("of three recordings at a key not the first alone was kept")
	}
	stale, changed := attempt(4, 1), attempt(5, 1)
	stale.Until, changed.Version = at-1, 2
	got, err := second.JudgeCodes(t.Context(), []replay.Attempt{attempt(1, 2), attempt(1, 1), attempt(3, 1), stale, changed})
	want := []replay.Verdict{replay.VerdictSpent, replay.VerdictMine, replay.VerdictOpen, replay.VerdictStale, replay.VerdictChanged}
	if err != nil || len(got) != len(want) {
		t.Fatal(got, err)
	}
	for i := range want {
		if got[i] != want[i] {
			t.Errorf("verdict %d is %d, want %d", i, got[i], want[i])
		}
	}
}
