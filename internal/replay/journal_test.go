package replay

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
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

func TestRange(t *testing.T) {
	c := newClock()
	j := mustOpen(t, options(t, c))
	skew := 10 * time.Minute
	spend(t, j, 1, c.now().Add(-skew), ErrStale)
	spend(t, j, 2, c.now().Add(skew), ErrStale)
	spend(t, j, 3, c.now().Add(-skew+time.Millisecond), nil)
	spend(t, j, 4, c.now().Add(skew-time.Millisecond), nil)
	spend(t, j, 5, time.Time{}, ErrStale)
	spend(t, j, 6, time.UnixMilli(maxTime), ErrStale)
	spend(t, j, 7, time.UnixMilli(noTime), ErrStale)
	if !j.Floor().Equal(time.UnixMilli(0)) || j.Live() != 2 {
		t.Errorf("Floor = %v, Live = %d", j.Floor(), j.Live())
	}
}

// TestDiskBeforeAnswer reads back what is durable after each answer.
func TestDiskBeforeAnswer(t *testing.T) {
	c, disk := newClock(), newDisk()
	o := options(t, c)
	o.Dir, o.FS, o.SegmentRecords = "/data/guard", disk, 7
	j := mustOpen(t, o)
	for n := range 20 {
		spend(t, j, n, c.now(), nil)
		after := disk.crash(rand.New(rand.NewPCG(uint64(n), 0)))
		q, err := OpenJournal(JournalOptions{Dir: o.Dir, FS: after, Now: c.now})
		if err != nil {
			t.Fatal(err)
		}
		spend(t, q, n, c.now(), ErrSpent)
		if got := q.Opening(); got != (Opening{Records: n + 1}) {
			t.Errorf("after %d: Opening = %+v", n, got)
		}
		q.Close()
	}
}

// TestSyncs counts: one sync for each of several calls in turn, less for calls
// at the same time, and none for a refusal.
func TestSyncs(t *testing.T) {
	c, p := newClock(), newProcess(newDisk())
	o := options(t, c)
	o.Dir, o.FS = "/data/guard", p
	j := mustOpen(t, o)
	for n := range 10 {
		before := len(p.ops())
		spend(t, j, n, c.now(), nil)
		want := []string{"write 0000000001.seg", "sync 0000000001.seg"}
		if diff := cmp.Diff(want, p.ops()[before:]); diff != "" {
			t.Errorf("operations of one call (-want +got):\n%s", diff)
		}
		spend(t, j, n, c.now(), ErrSpent)
	}
	if got := j.Stats(); got != (Stats{Records: 10, Batches: 10, Syncs: 10}) {
		t.Errorf("Stats = %+v", got)
	}
	keys := make([]int, 50)
	for i := range keys {
		keys[i] = 100 + i
	}
	gather(t, j, p, keys, c.now())()
	if got := j.Stats(); got != (Stats{Records: 61, Batches: 12, Syncs: 12}) {
		t.Errorf("Stats = %+v", got)
	}
}

// TestLargeBatch has more callers wait than fit in one batch on disk.
func TestLargeBatch(t *testing.T) {
	c, disk := newClock(), newDisk()
	o := options(t, c)
	o.Dir, o.FS = "/data/guard", disk
	j := mustOpen(t, o)
	b := newBatch(nil)
	b.segment = 1
	for n := range 2*maxBatch + 5 {
		b.entries = append(b.entries, entry{key: mixedKey(n), at: c.ms.Load()})
	}
	j.Close()
	o.Fresh = false
	j, err := newJournal(o)
	if err != nil {
		t.Fatal(err)
	}
	b.segment = j.writer.active.id
	if err := j.commit(b); err != nil {
		t.Fatal(err)
	}
	<-b.done
	if got := j.Stats(); got != (Stats{Records: 2*maxBatch + 5, Batches: 1, Syncs: 3}) {
		t.Errorf("Stats = %+v", got)
	}
	q, err := newJournal(o)
	if err != nil {
		t.Fatal(err)
	}
	if got := q.Opening(); got != (Opening{Records: 2*maxBatch + 5}) {
		t.Errorf("Opening = %+v", got)
	}
}

// TestOperationsOfRotation is the order on which crash safety rests: the new
// segment, then the floor file that lists it and covers what goes, then the
// first record and the deletions.
func TestOperationsOfRotation(t *testing.T) {
	c, p := newClock(), newProcess(newDisk())
	o := options(t, c)
	o.Dir, o.FS, o.SegmentAge = "/data/guard", p, 5*time.Minute
	j := mustOpen(t, o)
	first := c.now()
	spend(t, j, 1, first, nil)
	c.advance(5*time.Minute - time.Millisecond)
	spend(t, j, 2, c.now(), nil)
	before := len(p.ops())
	c.advance(time.Millisecond)
	spend(t, j, 3, c.now(), nil)
	want := []string{
		"create 0000000002.seg", "identity 0000000002.seg", "write 0000000002.seg", "sync 0000000002.seg",
		"create floor.new", "identity floor.new", "identity guard", "write floor.new", "sync floor.new", "close floor.new",
		"syncdir guard", "rename floor", "syncdir guard",
		"close 0000000001.seg",
		"write 0000000002.seg", "sync 0000000002.seg",
	}
	if diff := cmp.Diff(want, p.ops()[before:]); diff != "" {
		t.Errorf("rotation (-want +got):\n%s", diff)
	}
	// The newest record of segment 1 expires one millisecond before that of
	// segment 2.
	c.ms.Store(first.Add(15*time.Minute - time.Millisecond).UnixMilli())
	spend(t, j, 4, c.now(), nil)
	if !j.Floor().Equal(time.UnixMilli(0)) {
		t.Errorf("Floor = %v before anything expired", j.Floor())
	}
	before = len(p.ops())
	c.ms.Store(first.Add(20 * time.Minute).UnixMilli())
	spend(t, j, 5, c.now(), nil)
	want = append(strings.Split(strings.NewReplacer("0002", "0004", "0001", "0003").Replace(strings.Join(want[:14], ",")), ","),
		"remove 0000000001.seg", "remove 0000000002.seg",
		"write 0000000004.seg", "sync 0000000004.seg")
	if diff := cmp.Diff(want, p.ops()[before:]); diff != "" {
		t.Errorf("deletion (-want +got):\n%s", diff)
	}
	if want := first.Add(5 * time.Minute); !j.Floor().Equal(want) {
		t.Errorf("Floor = %v, want %v", j.Floor(), want)
	}
}

// TestSegmentAgeOfClockSetBack begins a new segment also when the clock says
// that the present one is from the future.
func TestSegmentAgeOfClockSetBack(t *testing.T) {
	c := newClock()
	j := mustOpen(t, options(t, c))
	spend(t, j, 1, c.now(), nil)
	c.advance(-time.Minute + time.Millisecond)
	spend(t, j, 2, c.now(), nil)
	if j.writer.active.id != 1 {
		t.Errorf("segment %d after less than a minute", j.writer.active.id)
	}
	c.advance(-time.Millisecond)
	spend(t, j, 3, c.now(), nil)
	if j.writer.active.id != 2 {
		t.Errorf("segment %d after a minute", j.writer.active.id)
	}
}

// TestClockForwardThenBack accepts a code, lets everything expire because the
// clock is wrong, sets it right and replays, with and without a restart.
func TestClockForwardThenBack(t *testing.T) {
	for _, restart := range []bool{false, true} {
		c := newClock()
		o := options(t, c)
		j := mustOpen(t, o)
		reopen := func() {
			if restart {
				j.Close()
				o.Fresh = false
				j = mustOpen(t, o)
			}
		}
		at := c.now()
		spend(t, j, 1, at, nil)
		c.advance(24 * time.Hour)
		reopen()
		ahead := c.now()
		for n := range 2 * shardCount {
			spend(t, j, n+10, ahead, nil)
		}
		if j.Live() != 2*shardCount {
			t.Errorf("Live = %d", j.Live())
		}
		c.ms.Store(at.UnixMilli())
		reopen()
		spend(t, j, 1, at, ErrStale)
		spend(t, j, 10, ahead, ErrStale)
		spend(t, j, 2, at.Add(1), ErrStale)
		spend(t, j, 3, at.Add(time.Millisecond), nil)
		// Records of the wrong time do not keep later segments from going.
		for n := range 5 {
			c.advance(15 * time.Minute)
			spend(t, j, n+1000, c.now(), nil)
		}
		c.ms.Store(ahead.UnixMilli())
		reopen()
		spend(t, j, 10, ahead, ErrSpent)
	}
}

// TestFull fills the journal, and finds room again once records expire although
// no call succeeds that could begin a segment.
func TestFull(t *testing.T) {
	for i := range 4 {
		restart, perSegment := i&1 != 0, 2+i&2*50
		c, p := newClock(), newProcess(newDisk())
		o := options(t, c)
		o.Dir, o.FS, o.MaxLive, o.SegmentRecords = "/data/guard", p, 5, perSegment
		j := mustOpen(t, o)
		for n := range 5 {
			spend(t, j, n, c.now(), nil)
		}
		if restart {
			j.Close()
			o.Fresh = false
			j = mustOpen(t, o)
		}
		before := len(p.ops())
		spend(t, j, 5, c.now(), ErrFull)
		spend(t, j, 1, c.now(), ErrSpent)
		c.advance(10 * time.Minute)
		spend(t, j, 5, c.now(), ErrFull)
		if got := p.ops()[before:]; len(got) != 0 {
			t.Errorf("operations while full: %v", got)
		}
		c.advance(time.Millisecond)
		for errors.Is(j.Spend(context.Background(), keyOf(5), c.now()), ErrFull) {
			runtime.Gosched() // the writer makes room
		}
		if j.Live() != 1 {
			t.Errorf("Live = %d", j.Live())
		}
		spend(t, j, 5, c.now(), ErrSpent)
		spend(t, j, 1, c.now().Add(-10*time.Minute), ErrStale)
	}
}

// TestExpiryDuringSpend has a replay read the clock just before its original
// expires: the segment goes between the two.
func TestExpiryDuringSpend(t *testing.T) {
	c := newClock()
	o := options(t, c)
	o.SegmentRecords = 1
	var j *Journal
	var between func()
	o.Now = func() time.Time {
		now := c.now()
		if f := between; f != nil {
			between = nil
			f()
		}
		return now
	}
	j = mustOpen(t, o)
	at := c.now()
	spend(t, j, 1, at, nil)
	c.advance(10*time.Minute - time.Millisecond)
	between = func() {
		c.advance(2 * time.Millisecond)
		for n := range 2 * shardCount {
			spend(t, j, n+2, c.now(), nil)
		}
	}
	spend(t, j, 1, at, ErrStale)
}

// TestFloorIsReadUnderLock has a replay wait for its shard while the writer
// drops the key from it.
func TestFloorIsReadUnderLock(t *testing.T) {
	c := newClock()
	o := options(t, c)
	asked := make(chan struct{}, 100)
	o.Now = func() time.Time {
		asked <- struct{}{}
		return c.now()
	}
	j := mustOpen(t, o)
	at := c.now()
	spend(t, j, 1, at, nil)
	for len(asked) > 0 {
		<-asked
	}
	sh := j.set.shard(keyOf(1))
	sh.mu.Lock()
	answer := make(chan error)
	go func() { answer <- j.Spend(context.Background(), keyOf(1), at) }()
	<-asked
	for range 1000 { // let it go as far as it can
		runtime.Gosched()
	}
	j.floor.Store(at.UnixMilli())
	delete(sh.keys, keyOf(1))
	sh.mu.Unlock()
	if err := <-answer; err != ErrStale {
		t.Errorf("Spend = %v, want %v", err, ErrStale)
	}
}

// TestKeysLeaveMemory lets segments expire and looks at what is held.
func TestKeysLeaveMemory(t *testing.T) {
	c, disk := newClock(), newDisk()
	o := options(t, c)
	o.Dir, o.FS, o.SegmentRecords = "/data/guard", disk, 1000
	j := mustOpen(t, o)
	n := 0
	some := func(count int) {
		for range count {
			n++
			if err := j.Spend(context.Background(), mixedKey(n), c.now()); err != nil {
				t.Fatal(err)
			}
		}
	}
	some(5_000)
	c.advance(11 * time.Minute)
	some(1)
	some(shardCount) // dropping is spread over so many batches
	if got, held := j.Live(), j.set.len(); got != 1+shardCount || held != got {
		t.Errorf("Live = %d, in the set %d", got, held)
	}
	if names, err := disk.List(o.Dir); err != nil || len(names) != 2 {
		t.Errorf("files: %v, %v", names, err)
	}
}

// TestConcurrentSpend has many goroutines spend the same keys while segments
// come and go: each key has one winner.
func TestConcurrentSpend(t *testing.T) {
	c := newClock()
	o := options(t, c)
	o.SegmentRecords = 50
	j := mustOpen(t, o)
	const keys, askers = 300, 8
	var winners [keys]atomic.Int32
	var all sync.WaitGroup
	at := c.now()
	for asker := range askers {
		all.Go(func() {
			for i := range keys {
				n := (i + asker*keys/askers/4) % keys
				switch err := j.Spend(context.Background(), keyOf(n), at); err {
				case nil:
					winners[n].Add(1)
				case ErrSpent:
				default:
					t.Errorf("key %d: %v", n, err)
				}
			}
		})
	}
	all.Wait()
	for n := range winners {
		if got := winners[n].Load(); got != 1 {
			t.Errorf("key %d has %d winners", n, got)
		}
	}
	if got := j.Stats(); got.Records != keys || got.Syncs > keys {
		t.Errorf("Stats = %+v", got)
	}
}

// TestFatalEndsProcess runs this test binary again with a journal whose file
// system fails.
func TestFatalEndsProcess(t *testing.T) {
	const mark = "HALLMARK_REPLAY_FATAL"
	if os.Getenv(mark) != "" {
		p := newProcess(newDisk())
		j, err := OpenJournal(JournalOptions{Dir: "/data/guard", Fresh: true, FS: p})
		if err != nil {
			t.Fatal(err)
		}
		p.kill()
		err = j.Spend(context.Background(), keyOf(1), time.Now())
		t.Fatalf("answered with %v", err)
	}
	cmd := exec.Command(os.Args[0], "-test.run=^TestFatalEndsProcess$")
	cmd.Env = append(os.Environ(), mark+"=1")
	out, err := cmd.CombinedOutput()
	var exit *exec.ExitError
	if !errors.As(err, &exit) || exit.ExitCode() != 1 || !strings.Contains(string(out), errKilled.Error()) || strings.Contains(string(out), "answered") {
		t.Errorf("process ended with %v and said %q", err, out)
	}
}
