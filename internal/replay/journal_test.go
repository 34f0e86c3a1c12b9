package replay

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"path/filepath"
	"sync/atomic"
	"testing"
	"time"
)

// fakeClock is a clock that tests set. It is safe for concurrent use.
type fakeClock struct{ ms atomic.Int64 }

// newClock returns a clock that stands at an arbitrary time.
func newClock() *fakeClock {
	c := new(fakeClock)
	c.ms.Store(1_800_000_000_000)
	return c
}

func (c *fakeClock) now() time.Time          { return time.UnixMilli(c.ms.Load()) }
func (c *fakeClock) advance(d time.Duration) { c.ms.Add(d.Milliseconds()) }

// keyOf returns the n-th of a sequence of uniformly distributed keys.
func keyOf(n int) Key {
	sum := sha256.Sum256(binary.BigEndian.AppendUint64(nil, uint64(n)))
	return Key(sum[:16])
}

// options returns options for a journal that must not break.
func options(t testing.TB, c *fakeClock) JournalOptions {
	return JournalOptions{
		Dir: filepath.Join(t.TempDir(), "guard"), Fresh: true, Now: c.now,
		Fatal: func(err error) { t.Errorf("journal broke: %v", err) },
	}
}

// mustOpen opens a journal and closes it when the test ends.
func mustOpen(t testing.TB, o JournalOptions) *Journal {
	t.Helper()
	j, err := OpenJournal(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { j.Close() })
	return j
}

// spend spends key n with the given timestamp and checks the answer.
func spend(t testing.TB, j *Journal, n int, at time.Time, want error) {
	t.Helper()
	if err := j.Spend(context.Background(), keyOf(n), at); !errors.Is(err, want) {
		t.Fatalf("Spend(key %d, %v) = %v, want %v", n, at, err, want)
	}
}

func TestSpendOnce(t *testing.T) {
	c := newClock()
	o := options(t, c)
	j := mustOpen(t, o)
	spend(t, j, 1, c.now(), nil)
	spend(t, j, 1, c.now(), ErrSpent)
	spend(t, j, 2, c.now(), nil)
	if err := j.Close(); err != nil {
		t.Fatal(err)
	}
	spend(t, j, 3, c.now(), ErrClosed)

	o.Fresh = false
	j = mustOpen(t, o)
	if got := j.Opening(); got != (Opening{Records: 2}) {
		t.Errorf("Opening = %+v", got)
	}
	spend(t, j, 1, c.now(), ErrSpent)
	spend(t, j, 2, c.now(), ErrSpent)
	spend(t, j, 3, c.now(), nil)
}
