package replay

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"
)

// TestDamage harms a directory that was closed, so that everything in it is
// known to be complete.
func TestDamage(t *testing.T) {
	tests := map[string]struct {
		reason string
		harm   func(dir string) error
	}{
		"directory deleted":  {"missing", os.RemoveAll},
		"floor file deleted": {"missing", func(dir string) error { return os.Remove(filepath.Join(dir, floorName)) }},
		"floor file empty":   {"bad floor file", func(dir string) error { return os.Truncate(filepath.Join(dir, floorName), 0) }},
		"floor file long":    {"too long", func(dir string) error { return os.Truncate(filepath.Join(dir, floorName), maxFloorBytes+1) }},
		"segment deleted":    {"no such file", func(dir string) error { return os.Remove(filepath.Join(dir, segmentName(2))) }},
		"segment long":       {"too long", func(dir string) error { return os.Truncate(filepath.Join(dir, segmentName(2)), maxSegmentBytes+1) }},
		"segment shorter by a batch": {"not as it was", func(dir string) error {
			return os.Truncate(filepath.Join(dir, segmentName(2)), headerSize+recordSize)
		}},
		"segment shorter by a byte": {"not as it was", func(dir string) error {
			return os.Truncate(filepath.Join(dir, segmentName(2)), headerSize+2*recordSize-1)
		}},
		"segment without header": {"header", func(dir string) error { return os.Truncate(filepath.Join(dir, segmentName(3)), headerSize-1) }},
		"segments exchanged": {"", func(dir string) error {
			return errors.Join(os.Rename(filepath.Join(dir, segmentName(1)), filepath.Join(dir, "x")),
				os.Rename(filepath.Join(dir, segmentName(2)), filepath.Join(dir, segmentName(1))),
				os.Rename(filepath.Join(dir, "x"), filepath.Join(dir, segmentName(2))))
		}},
		"segment from elsewhere": {"not in the floor file", func(dir string) error {
			return os.Rename(filepath.Join(dir, segmentName(1)), filepath.Join(dir, segmentName(9)))
		}},
	}
	for name, test := range tests {
		for _, fresh := range []bool{false, true} {
			if fresh && name == "directory deleted" {
				continue
			}
			t.Run(fmt.Sprintf("%s, fresh %v", name, fresh), func(t *testing.T) {
				c := newClock()
				o := options(t, c)
				o.SegmentRecords = 2
				j := mustOpen(t, o)
				for n := range 6 {
					spend(t, j, n+10, c.now(), nil)
				}
				j.Close()
				if err := test.harm(o.Dir); err != nil {
					t.Fatal(err)
				}
				o.Fresh = fresh
				wantReset(t, o, c, test.reason).Close()
				j = mustOpen(t, o)
				if got := j.Opening(); got != (Opening{}) {
					t.Errorf("next start: Opening = %+v", got)
				}
			})
		}
	}
}

// TestEveryBitMatters flips each bit of each file of a closed directory.
func TestEveryBitMatters(t *testing.T) {
	c, disk := newClock(), newDisk()
	o := options(t, c)
	o.Dir, o.FS, o.SegmentRecords = "/data/guard", disk, 2
	j := mustOpen(t, o)
	for n := range 3 {
		spend(t, j, n, c.now(), nil)
	}
	j.Close()
	backup := disk.entries
	o.Fresh = false
	for name, f := range backup {
		for bit := range 8 * len(f.data) {
			harmed := newDisk()
			for name, f := range backup {
				harmed.entries[name] = f.clone(f.id)
			}
			harmed.inodes = disk.inodes
			if err := harmed.flip(name, bit); err != nil {
				t.Fatal(err)
			}
			o.FS = harmed
			j, err := OpenJournal(o)
			if err != nil {
				t.Fatal(err)
			}
			if j.Opening().Reset == "" {
				t.Errorf("bit %d of %s is not noticed: %+v", bit, name, j.Opening())
			}
			for n := range 3 {
				spend(t, j, n, c.now(), ErrStale)
			}
			j.Close()
		}
	}
}

// TestDamageAfterKill flips a bit in each record of a segment that was being
// appended to. Only the last batch can pass for torn.
func TestDamageAfterKill(t *testing.T) {
	for n := range 3 {
		c := newClock()
		o := options(t, c)
		j, kill := startKilled(t, o)
		for n := range 3 {
			spend(t, j, n+10, c.now(), nil)
		}
		kill()
		path := filepath.Join(o.Dir, segmentName(1))
		data, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		slot(data, n)[5] ^= 1
		if err := os.WriteFile(path, data, 0o600); err != nil {
			t.Fatal(err)
		}
		o.Fresh = false
		if n < 2 {
			wantReset(t, o, c, "damaged")
			continue
		}
		j = mustOpen(t, o)
		if got := j.Opening(); got != (Opening{Records: 2, Torn: recordSize}) {
			t.Errorf("Opening = %+v", got)
		}
	}
}

// TestFloorNeverFalls loses the memory twice, with the clock set back between.
func TestFloorNeverFalls(t *testing.T) {
	c := newClock()
	o := options(t, c)
	o.Fresh = false
	j := wantReset(t, o, c, "missing")
	floor := j.Floor()
	j.Close()
	j, kill := startKilled(t, o)
	c.advance(10*time.Minute + time.Millisecond)
	spend(t, j, 10, c.now(), nil)
	kill()
	c.advance(-time.Hour)
	if err := os.Remove(filepath.Join(o.Dir, segmentName(2))); err != nil {
		t.Fatal(err)
	}
	j = mustOpen(t, o)
	if got := j.Opening().Reset; got == "" || !j.Floor().Equal(floor) {
		t.Errorf("Reset = %q, Floor = %v, want %v", got, j.Floor(), floor)
	}
}

// TestDamageKeepsFutureRecords accepts codes while the clock is far ahead. What
// can be read of them is kept when the rest is lost.
func TestDamageKeepsFutureRecords(t *testing.T) {
	c := newClock()
	o := options(t, c)
	o.SegmentRecords = 2
	j := mustOpen(t, o)
	c.advance(24 * time.Hour)
	ahead := c.now()
	for n := range 4 {
		spend(t, j, n+10, ahead, nil)
	}
	j.Close()
	c.advance(-24 * time.Hour)
	if err := os.Truncate(filepath.Join(o.Dir, segmentName(1)), headerSize+recordSize); err != nil {
		t.Fatal(err)
	}
	o.Fresh = false
	for start := range 2 {
		j = mustOpen(t, o)
		if got := j.Opening(); got.Records != 3 || (got.Reset == "") != (start > 0) {
			t.Errorf("start %d: Opening = %+v", start, got)
		}
		j.Close()
	}
	j = mustOpen(t, o)
	c.ms.Store(ahead.UnixMilli())
	spend(t, j, 10, ahead, ErrSpent)
	spend(t, j, 11, ahead, nil) // the one that is lost
	spend(t, j, 12, ahead, ErrSpent)
	spend(t, j, 13, ahead, ErrSpent)
}
