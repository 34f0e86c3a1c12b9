package replay

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

// history is what a journal's callers were told.
type history struct {
	next     int
	accepted map[int]time.Time
	fatal    int
}

// script uses a journal in every way there is until something fails: two
// starts, rotations by number and by age, deletions, a full journal, closing.
func (h *history) script(o JournalOptions, c *fakeClock) error {
	o.SegmentRecords, o.SegmentAge, o.MaxLive = 3, 5*time.Minute, 9
	o.Fatal = func(error) { h.fatal++ }
	h.accepted = make(map[int]time.Time)
	for start := range 2 {
		o.Fresh = start == 0
		j, err := OpenJournal(o)
		if err != nil {
			return err
		}
		for range 4 {
			for i := range 4 {
				if err := h.spendNew(j, c.now().Add(time.Duration(i-2)*time.Minute)); err != nil && !errors.Is(err, ErrFull) {
					j.Close()
					return err
				}
			}
			c.advance(9 * time.Minute)
		}
		if err := j.Close(); err != nil {
			return err
		}
	}
	return nil
}

// spendNew spends a key that was not spent before.
func (h *history) spendNew(j *Journal, at time.Time) error {
	h.next++
	err := j.Spend(context.Background(), keyOf(h.next), at)
	if err == nil {
		h.accepted[h.next] = at
	}
	return err
}

// check opens a journal on what is left and makes sure that no accepted code
// is accepted again, now or when the clock is set back to its time, and that a
// code above the floor is accepted.
func (h *history) check(t *testing.T, fsys FS, c *fakeClock) {
	t.Helper()
	j, err := OpenJournal(JournalOptions{
		Dir: "/data/guard", Fresh: len(h.accepted) == 0, Now: c.now, FS: fsys,
		Fatal: func(err error) { t.Errorf("journal broke: %v", err) },
	})
	if err != nil {
		t.Fatal(err)
	}
	defer j.Close()
	present := c.ms.Load()
	for n, at := range h.accepted {
		for _, now := range []int64{present, at.UnixMilli()} {
			c.ms.Store(now)
			err := j.Spend(context.Background(), keyOf(n), at)
			if !errors.Is(err, ErrSpent) && !errors.Is(err, ErrStale) {
				t.Fatalf("accepted code %d at %v again: %v; %+v, floor %v", n, at, err, j.Opening(), j.Floor())
			}
		}
	}
	c.ms.Store(max(present, j.Floor().UnixMilli()) + 1)
	spend(t, j, -1, c.now(), nil)
}

// TestEveryOperationFails fails each file system operation of the script in
// turn, in each way it can fail, and looks at what a restart of the process
// and what losses of power leave.
func TestEveryOperationFails(t *testing.T) {
	clean, c := newProcess(newDisk()), newClock()
	if err := new(history).script(JournalOptions{Dir: "/data/guard", Now: c.now, FS: clean}, c); err != nil {
		t.Fatal(err)
	}
	names := clean.ops()
	for op, count := range map[string]int{"mkdir": 1, "sync": 20, "rename": 8, "remove": 5, "truncate": 0, "close": 8} {
		got := len(slices.DeleteFunc(slices.Clone(names), func(s string) bool { return !strings.HasPrefix(s, op+" ") }))
		if got < count {
			t.Errorf("the script does %q %d times, want at least %d", op, got, count)
		}
	}
	struck, all := 0, 0
	for i, name := range names {
		for m := range modes {
			t.Run(fmt.Sprintf("%d %s %v", i, name, m), func(t *testing.T) {
				all++
				if failOperation(t, i, m) {
					struck++
				}
			})
		}
	}
	if struck < all*3/4 {
		t.Errorf("%d of %d operations were there to fail", struck, all)
	}
}

// failOperation runs the script with one operation failing. It reports false if
// the script came to its end before: when expired segments are deleted depends
// on when the journal's own goroutine runs, and with it how many operations
// there are.
func failOperation(t *testing.T, index int, m mode) (struck bool) {
	disk, c, h := newDisk(), newClock(), new(history)
	p := newProcess(disk)
	p.failAt, p.mode = index, m
	err := h.script(JournalOptions{Dir: "/data/guard", Now: c.now, FS: p}, c)
	if err == nil && len(p.ops()) <= index {
		return false
	}
	if !errors.Is(err, errInjected) {
		t.Fatalf("script ended with %v", err)
	}
	if want := errors.Is(err, ErrBroken); (h.fatal == 1) != want {
		t.Errorf("Fatal was called %d times after %v", h.fatal, err)
	}
	p.kill()
	for seed := range uint64(6) {
		after, clock := disk.crash(rand.New(rand.NewPCG(seed, 0))), newClock()
		clock.ms.Store(c.ms.Load())
		h.check(t, after, clock)
	}
	h.check(t, disk, c) // not the machine, only the process
	return true
}

// TestEveryOperationOfRecoveryFails does the same while a torn directory is
// opened.
func TestEveryOperationOfRecoveryFails(t *testing.T) {
	for i := 0; ; i++ {
		for m := range modes {
			disk, h, c := tornDirectory()
			p := newProcess(disk)
			p.failAt, p.mode = i, m
			j, err := OpenJournal(JournalOptions{Dir: "/data/guard", Now: c.now, FS: p, Fatal: func(error) {}})
			if err == nil {
				// All of the start went well; only the end may fail.
				if j.Opening().Torn == 0 || j.Opening().Reset != "" {
					t.Errorf("Opening = %+v, want a torn batch", j.Opening())
				}
				j.Close()
				return
			}
			if !errors.Is(err, errInjected) {
				t.Fatal(err)
			}
			present := c.ms.Load()
			h.check(t, disk.crash(rand.New(rand.NewPCG(uint64(i), 0))), c)
			c.ms.Store(present)
			h.check(t, disk, c)
		}
	}
}

// tornDirectory returns a disk after a process that ended while it wrote the
// records of a batch.
func tornDirectory() (*memDisk, *history, *fakeClock) {
	for op := 50; ; op++ {
		disk, h, c := newDisk(), new(history), newClock()
		p := newProcess(disk)
		p.failAt, p.mode = op, halfway
		h.script(JournalOptions{Dir: "/data/guard", Now: c.now, FS: p}, c)
		log := p.ops()
		if strings.HasPrefix(log[op], "write 0") && !strings.HasPrefix(log[op-1], "identity") {
			p.kill()
			return disk, h, c
		}
	}
}

// gather spends keys so that all are answered together: the file system is
// held up until all have come. It returns when all wait.
func gather(t *testing.T, j *Journal, p *process, keys []int, at time.Time) (release func() []error) {
	t.Helper()
	hold, held := make(chan struct{}), make(chan struct{})
	var once sync.Once
	p.before = func(op string) {
		if strings.HasPrefix(op, "sync 0") {
			once.Do(func() { close(held); <-hold })
		}
	}
	var all sync.WaitGroup
	all.Go(func() { j.Spend(context.Background(), Key{1}, at) })
	<-held
	errs := make([]error, len(keys))
	for i, n := range keys {
		all.Go(func() { errs[i] = j.Spend(context.Background(), keyOf(n), at) })
	}
	for j.waiting() < distinct(keys) {
		runtime.Gosched()
	}
	return func() []error {
		close(hold)
		all.Wait()
		return errs
	}
}

// distinct returns the number of different keys.
func distinct(keys []int) int {
	keys = slices.Clone(keys)
	slices.Sort(keys)
	return len(slices.Compact(keys))
}

func TestDuplicatesInOneBatch(t *testing.T) {
	c, p := newClock(), newProcess(newDisk())
	o := options(t, c)
	o.Dir, o.FS = "/data/guard", p
	j := mustOpen(t, o)
	keys := []int{1, 1, 2, 1, 2, 3}
	errs := gather(t, j, p, keys, c.now())()
	winners := make(map[int]int)
	for i, err := range errs {
		if err == nil {
			winners[keys[i]]++
		} else if err != ErrSpent {
			t.Errorf("key %d: %v", keys[i], err)
		}
	}
	if winners[1] != 1 || winners[2] != 1 || winners[3] != 1 {
		t.Errorf("winners per key: %v", winners)
	}
	if got := j.Stats(); got != (Stats{Records: 4, Batches: 2, Syncs: 2}) {
		t.Errorf("Stats = %+v", got)
	}
}

// TestTornBatch crashes while a batch of four is written, with every subset of
// its records on disk and the file ending at every byte.
func TestTornBatch(t *testing.T) {
	c, p := newClock(), newProcess(newDisk())
	o := options(t, c)
	o.Dir, o.FS = "/data/guard", p
	j := mustOpen(t, o)
	h := &history{accepted: map[int]time.Time{}}
	for range 3 {
		if err := h.spendNew(j, c.now()); err != nil {
			t.Fatal(err)
		}
	}
	gather(t, j, p, []int{101, 102, 103, 104}, c.now())()
	disk := p.FS.(*memDisk)
	const batch = 4 * recordSize
	size := len(disk.entries["/data/guard/0000000001.seg"].data)
	for lost := range 1 << 4 {
		for end := size - batch; end <= size; end++ {
			after := disk.crash(rand.New(rand.NewPCG(0, 0)))
			f := after.entries["/data/guard/0000000001.seg"]
			for i := range 4 {
				if lost>>i&1 != 0 {
					clear(f.data[size-batch+i*recordSize:][:recordSize])
				}
			}
			f.data, f.state = f.data[:end], f.state[:end]
			q, err := OpenJournal(JournalOptions{Dir: "/data/guard", Now: c.now, FS: after})
			if err != nil {
				t.Fatal(err)
			}
			complete := lost == 0 && end == size
			want := Opening{Records: 4, Torn: int64(end - (size - batch))}
			if complete {
				want = Opening{Records: 8}
			}
			if q.Opening() != want {
				t.Fatalf("lost %04b, end %d: Opening = %+v, want %+v", lost, end-size, q.Opening(), want)
			}
			for n, at := range h.accepted {
				spend(t, q, n, at, ErrSpent)
			}
			if !complete {
				spend(t, q, 101, c.now(), nil)
			}
			q.Close()
		}
	}
}

// TestCancelledContext leaves a code spent whose caller did not wait.
func TestCancelledContext(t *testing.T) {
	c, p := newClock(), newProcess(newDisk())
	o := options(t, c)
	o.Dir, o.FS = "/data/guard", p
	j := mustOpen(t, o)
	release := gather(t, j, p, nil, c.now())
	ctx, cancel := context.WithCancel(context.Background())
	answer := make(chan error)
	go func() { answer <- j.Spend(ctx, keyOf(1), c.now()) }()
	for j.waiting() < 1 {
		runtime.Gosched()
	}
	cancel()
	if err := <-answer; err != context.Canceled {
		t.Errorf("Spend = %v, want %v", err, context.Canceled)
	}
	if err := j.Spend(ctx, keyOf(2), c.now()); err != context.Canceled {
		t.Errorf("Spend = %v, want %v", err, context.Canceled)
	}
	release()
	spend(t, j, 1, c.now(), ErrSpent)
	spend(t, j, 2, c.now(), nil)
}

// TestBrokenAnswersAll breaks the journal while one batch is written and
// another waits.
func TestBrokenAnswersAll(t *testing.T) {
	c, p := newClock(), newProcess(newDisk())
	o := options(t, c)
	fatal := make(chan error, 2)
	o.Dir, o.FS, o.Fatal = "/data/guard", p, func(err error) { fatal <- err }
	j := mustOpen(t, o)
	release := gather(t, j, p, []int{1, 2, 3}, c.now())
	p.kill()
	for i, err := range release() {
		if !errors.Is(err, ErrBroken) {
			t.Errorf("waiter %d: %v", i, err)
		}
	}
	spend(t, j, 4, c.now(), ErrBroken)
	if err := j.Close(); !errors.Is(err, ErrBroken) {
		t.Errorf("Close = %v", err)
	}
	if err := <-fatal; !errors.Is(err, errKilled) || len(fatal) > 0 {
		t.Errorf("Fatal: %v, and %d more", err, len(fatal))
	}
}
