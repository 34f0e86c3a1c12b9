package replaytest

import (
	"context"
	"errors"
	"sync"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/hallmark-id/hallmark/internal/registry"
	"github.com/hallmark-id/hallmark/internal/replay"
)

// Model spends codes on all nodes at once while clock and devices change, and
// compares what callers were told with what may be true at the same time.
func Model(t *testing.T, w *World) {
	guards := Guards(t, w.Nodes)
	base := 1_000_000 // keys and assets are fresh in each run, the ledger is not
	rapid.Check(t, func(rt *rapid.T) {
		base += 1000
		m := &modelRun{World: w, guards: guards, base: base, told: make(map[int][]error), at: make(map[int]time.Time)}
		for n := range modelDevices {
			m.become(n, Device{Version: 1, State: registry.Active})
		}
		rt.Repeat(map[string]func(*rapid.T){
			"spend":   m.burst,
			"advance": func(rt *rapid.T) { w.Advance(time.Duration(rapid.IntRange(0, 6).Draw(rt, "minutes")) * time.Minute) },
			"device":  m.change,
			"":        func(*rapid.T) {},
		})
		m.check(rt)
	})
}

const (
	modelDevices = 3
	modelKeys    = 12
)

type modelRun struct {
	*World
	guards  []*replay.Shared
	base    int
	devices [modelDevices]Device
	at      map[int]time.Time // of the codes seen

	mu   sync.Mutex
	told map[int][]error // by code
}

func (m *modelRun) become(n int, d Device) {
	m.devices[n] = d
	m.SetDevice(int64(m.base+n), d)
}

// change gives a device another version or state.
func (m *modelRun) change(rt *rapid.T) {
	n := rapid.IntRange(0, modelDevices-1).Draw(rt, "device")
	d := m.devices[n]
	d.Version += int64(rapid.IntRange(0, 1).Draw(rt, "newer"))
	d.State = rapid.SampledFrom([]registry.State{registry.Active, registry.Active, registry.Suspended, registry.Discarded}).Draw(rt, "state")
	m.become(n, d)
}

// burst spends some codes at the same time, several of them the same.
func (m *modelRun) burst(rt *rapid.T) {
	codes := rapid.SliceOfN(rapid.IntRange(0, modelKeys-1), 1, 30).Draw(rt, "codes")
	ahead := rapid.IntRange(-12, 12).Draw(rt, "minutes off")
	var all sync.WaitGroup
	for i, n := range codes {
		if _, seen := m.at[n]; !seen {
			m.at[n] = m.Now().Add(time.Duration(ahead) * time.Minute).Truncate(time.Second)
		}
		owner := n % modelDevices
		code := replay.Code{Key: Key(m.base + n), Timestamp: n%2 == 0, At: m.at[n], Asset: int64(m.base + owner), Version: m.devices[owner].Version}
		guard := m.guards[i%len(m.guards)]
		all.Go(func() {
			err := guard.Spend(context.Background(), code)
			m.mu.Lock()
			defer m.mu.Unlock()
			m.told[n] = append(m.told[n], err)
		})
	}
	all.Wait()
}

// check looks for answers that contradict each other.
func (m *modelRun) check(rt *rapid.T) {
	keys := m.Keys()
	for n, told := range m.told {
		var won, lost, unknown int
		for _, err := range told {
			switch {
			case err == nil:
				won++
			case errors.Is(err, replay.ErrSpent):
				lost++
			case errors.Is(err, replay.ErrUnresolved):
				unknown++
			case !errors.Is(err, replay.ErrStale) && !errors.Is(err, replay.ErrChanged) && !errors.Is(err, ErrRefused):
				rt.Fatalf("code %d: %v", n, err)
			}
		}
		kept := keys[Key(m.base+n)]
		switch {
		case won > 1:
			rt.Fatalf("code %d counted %d times", n, won)
		case (won > 0 || lost > 0) && !kept && m.remembered(n):
			rt.Fatalf("code %d: %d winners, %d losers, and nothing is kept", n, won, lost)
		case won == 0 && unknown == 0 && kept:
			rt.Fatalf("code %d is kept, and everybody was told that it did not count: %v", n, told)
		}
	}
}

// remembered tells whether a ledger must still know a code.
func (m *modelRun) remembered(n int) bool { return m.Now().Sub(m.at[n]) < replay.SharedSkew }
