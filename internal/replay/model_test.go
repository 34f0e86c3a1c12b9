package replay

import (
	"context"
	"math/rand/v2"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"
)

// model drives a journal through random events and knows what was accepted.
type model struct {
	disk *memDisk
	proc *process
	j    *Journal
	c    *fakeClock
	o    JournalOptions

	next     int
	accepted map[int]time.Time
	// forgotten are codes about which nothing is promised any more: those
	// stamped more than the skew ahead of the clock when memory was lost.
	forgotten map[int]bool
	// last is the code accepted last since the start, or -1. A bit that rots
	// in its record before the next start cannot be told from a torn batch.
	last int
	// lost says that memory was lost since the last start.
	lost bool
	// ceiling is the highest floor that there is reason for.
	ceiling int64
	backup  map[string]*memFile
}

const modelSkew = 10 * time.Minute

// newModel starts a journal with small segments on a new disk.
func newModel(t *rapid.T) *model {
	m := &model{disk: newDisk(), c: newClock(), accepted: map[int]time.Time{}, forgotten: map[int]bool{}}
	m.o = JournalOptions{
		Dir: "/data/guard", Fresh: true, Now: m.c.now, Fatal: func(error) {},
		SegmentRecords: rapid.IntRange(1, 5).Draw(t, "per segment"), MaxLive: 1000,
	}
	m.start(t)
	return m
}

// start opens the journal and checks what it says it found.
func (m *model) start(t *rapid.T) {
	m.ceiling = max(m.ceiling, m.c.now().Add(-modelSkew).UnixMilli())
	m.proc = newProcess(m.disk)
	m.o.FS = m.proc
	j, err := OpenJournal(m.o)
	if err != nil {
		t.Fatal(err)
	}
	m.j, m.o.Fresh, m.last = j, false, -1
	if got := j.Opening().Reset; (got != "") != m.lost {
		t.Fatalf("Reset = %q, memory lost: %v", got, m.lost)
	}
	if m.lost {
		m.ceiling = max(m.ceiling, m.c.now().Add(modelSkew).UnixMilli())
		if j.Floor().Before(m.c.now().Add(modelSkew)) {
			t.Fatalf("Floor = %v after a loss at %v", j.Floor(), m.c.now())
		}
		for n, at := range m.accepted {
			if at.After(j.Floor()) {
				m.forgotten[n] = true
			}
		}
		m.lost = false
	}
}

// kill ends the process.
func (m *model) kill() {
	m.proc.kill()
	m.j.Close()
}

// spend asks for a code and checks the answer against what was accepted.
func (m *model) spend(t *rapid.T, n int, at time.Time) error {
	now := m.c.now()
	m.ceiling = max(m.ceiling, now.Add(-modelSkew).UnixMilli())
	floor := m.j.Floor()
	err := m.j.Spend(context.Background(), keyOf(n), at)
	_, before := m.accepted[n]
	if err == nil && before && !m.forgotten[n] {
		t.Fatalf("code %d at %v accepted again, now %v, floor %v", n, at, now, floor)
	}
	if err != nil && !before && at.After(floor) && at.Sub(now).Abs() < modelSkew {
		t.Fatalf("fresh code %d at %v: %v, now %v, floor %v", n, at, err, now, floor)
	}
	if m.j.Floor().Before(floor) || m.j.Floor().UnixMilli() > m.ceiling {
		t.Fatalf("Floor went from %v to %v, ceiling %v", floor, m.j.Floor(), time.UnixMilli(m.ceiling))
	}
	if err == nil {
		m.accepted[n], m.last = at, n
		delete(m.forgotten, n)
	}
	return err
}

// pick draws one of the codes accepted so far.
func (m *model) pick(t *rapid.T) (int, bool) {
	if len(m.accepted) == 0 {
		return 0, false
	}
	all := make([]int, 0, len(m.accepted))
	for n := range m.accepted {
		all = append(all, n)
	}
	slices.Sort(all)
	return rapid.SampledFrom(all).Draw(t, "code"), true
}

// events are what may happen.
func (m *model) events() map[string]func(*rapid.T) {
	return map[string]func(*rapid.T){
		"accept": func(t *rapid.T) {
			for range rapid.IntRange(1, 6).Draw(t, "count") {
				offset := rapid.Int64Range(-600_000, 600_000).Draw(t, "offset")
				m.next++
				m.spend(t, m.next, m.c.now().Add(time.Duration(offset)*time.Millisecond))
			}
		},
		"replay": func(t *rapid.T) {
			if n, ok := m.pick(t); ok {
				m.spend(t, n, m.accepted[n])
			}
		},
		"replay at its time": func(t *rapid.T) {
			if n, ok := m.pick(t); ok {
				present := m.c.ms.Load()
				m.c.ms.Store(m.accepted[n].UnixMilli())
				m.spend(t, n, m.accepted[n])
				m.c.ms.Store(present)
			}
		},
		"time passes": func(t *rapid.T) {
			m.c.ms.Add(rapid.Int64Range(1, 900_000).Draw(t, "ms"))
		},
		"clock jumps": func(t *rapid.T) {
			m.c.ms.Add(rapid.Int64Range(-5_000_000, 5_000_000).Draw(t, "ms"))
		},
		"power fails": func(t *rapid.T) {
			m.kill()
			m.disk = m.disk.crash(rand.New(rand.NewPCG(rapid.Uint64().Draw(t, "seed"), 0)))
			m.start(t)
		},
		"killed": func(t *rapid.T) { m.kill(); m.start(t) },
		"restart": func(t *rapid.T) {
			if err := m.j.Close(); err != nil {
				t.Fatal(err)
			}
			m.start(t)
		},
		"fails": func(t *rapid.T) {
			// Some operation from here on fails; the process ends of it.
			// A sync that fails halfway is left out: what it leaves in
			// memory alone may be taken for damage one start later.
			how := mode(rapid.IntRange(0, int(modes)-2).Draw(t, "mode"))
			m.proc.failAfter(rapid.IntRange(0, 40).Draw(t, "operations"), how)
			for range 20 {
				m.next++
				at := m.c.now()
				if at.After(m.j.Floor()) && m.j.Spend(context.Background(), keyOf(m.next), at) == nil {
					m.accepted[m.next], m.last = at, m.next
				}
			}
			m.ceiling = max(m.ceiling, m.c.now().Add(-modelSkew).UnixMilli())
			m.kill()
			m.start(t)
		},
		"backup":  func(*rapid.T) { m.backup = m.disk.copyTree(m.o.Dir) },
		"restore": m.restore,
		"deleted": func(t *rapid.T) {
			m.kill()
			m.disk.replaceTree(m.o.Dir, nil)
			m.lost = true
			m.start(t)
		},
		"rot": m.rot,
	}
}

// restore puts the backup in the place of the directory.
func (m *model) restore(t *rapid.T) {
	if m.backup == nil {
		return
	}
	m.kill()
	m.disk.replaceTree(m.o.Dir, m.backup)
	m.lost = true
	m.start(t)
}

// rot flips a bit of some file while the journal is not open.
func (m *model) rot(t *rapid.T) {
	stopped := rapid.Bool().Draw(t, "clean stop")
	if stopped {
		if err := m.j.Close(); err != nil {
			t.Fatal(err)
		}
	}
	m.kill()
	names, err := m.disk.List(m.o.Dir)
	if err != nil {
		t.Fatal(err)
	}
	name := filepath.Join(m.o.Dir, rapid.SampledFrom(names).Draw(t, "file"))
	if len(m.disk.entries[name].data) > 0 {
		if err := m.disk.flip(name, rapid.IntRange(0, 8*len(m.disk.entries[name].data)-1).Draw(t, "bit")); err != nil {
			t.Fatal(err)
		}
	}
	// Whether it is noticed is told by the floor: a segment that has
	// expired is not read again, and a broken last batch counts as torn.
	m.startAfterRot(t)
}

// startAfterRot is start where it is not known whether memory was lost.
func (m *model) startAfterRot(t *rapid.T) {
	last := m.last
	probe, err := OpenJournal(JournalOptions{Dir: m.o.Dir, Now: m.c.now, FS: m.disk.crash(rand.New(rand.NewPCG(1, 1))), Fatal: func(error) {}})
	if err != nil {
		t.Fatal(err)
	}
	m.lost = probe.Opening().Reset != ""
	torn := probe.Opening().Torn > 0
	probe.Close()
	m.start(t)
	if torn && last >= 0 {
		m.forgotten[last] = true
	}
}

// TestModel checks that a code is accepted at most once ever, that fresh codes
// above the floor are accepted, that the floor never falls and rises only for
// a reason, and that nothing but loss of memory makes it jump.
func TestModel(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		m := newModel(t)
		defer m.kill()
		t.Repeat(m.events())
	})
}
