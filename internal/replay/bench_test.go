package replay

import (
	"context"
	"encoding/binary"
	"math/rand/v2"
	"os"
	"runtime"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// cpuTime returns the processor time this process has used.
func cpuTime(b *testing.B) time.Duration {
	var u unix.Rusage
	if err := unix.Getrusage(unix.RUSAGE_SELF, &u); err != nil {
		b.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// inFlight runs f for each of b.N numbers on so many goroutines and reports
// the processor time per call.
func inFlight(b *testing.B, goroutines int, f func(n int)) {
	var next atomic.Int64
	var all sync.WaitGroup
	b.ReportAllocs()
	b.ResetTimer()
	before := cpuTime(b)
	for range goroutines {
		all.Go(func() {
			for n := next.Add(1); n <= int64(b.N); n = next.Add(1) {
				f(int(n))
			}
		})
	}
	all.Wait()
	b.ReportMetric(float64(cpuTime(b)-before)/float64(b.N), "cpu-ns/op")
}

// mixedKey returns a uniformly distributed key for n, faster than keyOf.
func mixedKey(n int) Key {
	var k Key
	x := uint64(n) * 0x9e3779b97f4a7c15
	x = (x ^ x>>32) * 0xd6e8feb86659fd93
	binary.BigEndian.PutUint64(k[:], x^x>>32)
	binary.BigEndian.PutUint64(k[8:], uint64(n))
	return k
}

func BenchmarkJournalSpend(b *testing.B) {
	for _, goroutines := range []int{1, 64, 256} {
		b.Run(strconv.Itoa(goroutines), func(b *testing.B) {
			o := JournalOptions{Dir: b.TempDir(), Fresh: true, MaxLive: 1 << 30}
			j := mustOpen(b, o)
			ctx, cancel := context.WithCancel(context.Background())
			defer cancel()
			inFlight(b, goroutines, func(n int) {
				if err := j.Spend(ctx, mixedKey(n), time.Now()); err != nil {
					b.Error(err)
				}
			})
			b.ReportMetric(float64(j.Stats().Records)/float64(j.Stats().Syncs), "records/sync")
		})
	}
}

func BenchmarkWindowSpend(b *testing.B) {
	for _, goroutines := range []int{1, 64} {
		b.Run(strconv.Itoa(goroutines), func(b *testing.B) {
			w := NewWindow(3000)
			inFlight(b, goroutines, func(n int) {
				tick := uint32(n >> 10) // a thousand challenges a tick
				if err := w.Spend(uint32(n), tick, tick); err != nil {
					b.Error(err)
				}
			})
		})
	}
}

// BenchmarkJournalOpen5M measures a start with HALLMARK_REPLAY_LIVE records
// that are live, five million if it is not set.
func BenchmarkJournalOpen5M(b *testing.B) {
	live, err := strconv.Atoi(os.Getenv("HALLMARK_REPLAY_LIVE"))
	if err != nil {
		live = 5_000_000
	}
	c := newClock()
	o := options(b, c)
	j := mustOpen(b, o)
	j.Close()
	writeLive(b, o, c, live)
	o.Fresh = false
	for b.Loop() {
		before := cpuTime(b)
		j, err := OpenJournal(o)
		if err != nil {
			b.Fatal(err)
		}
		b.ReportMetric(float64(cpuTime(b)-before)/1e6, "cpu-ms/op")
		if j.Live() != live {
			b.Fatalf("Live = %d, %+v", j.Live(), j.Opening())
		}
		b.StopTimer()
		runtime.GC()
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		b.ReportMetric(float64(m.HeapAlloc)/float64(live), "heap-B/key")
		j.Close()
		b.StartTimer()
	}
}

// BenchmarkSweepShard measures for how long one shard is locked, with five
// million keys in all, while those of one segment in twenty are dropped.
func BenchmarkSweepShard(b *testing.B) {
	const keys = 5_000_000 / shardCount
	for b.Loop() {
		b.StopTimer()
		sh := &shard{keys: make(map[Key]uint32, keys)}
		for n := range keys {
			sh.keys[mixedKey(n)] = uint32(n % 20)
		}
		b.StartTimer()
		if got := sh.drop(map[uint32]bool{3: true}); got < keys/20 {
			b.Fatalf("dropped %d", got)
		}
	}
}

// writeLive fills the closed journal of o with random live records.
func writeLive(b *testing.B, o JournalOptions, c *fakeClock, live int) {
	o, err := o.withDefaults()
	if err != nil {
		b.Fatal(err)
	}
	j := &Journal{fs: o.FS, dir: o.Dir, now: o.Now, skew: o.Skew.Milliseconds(), set: newSet(0)}
	if err := j.create(1 << 20); err != nil {
		b.Fatal(err)
	}
	random := rand.New(rand.NewPCG(1, 2))
	var closed []segmentInfo
	for id := j.writer.active.id; live > 0; id++ {
		if id != j.writer.active.id {
			closed = append(closed, j.writer.active)
			if err := j.create(id); err != nil {
				b.Fatal(err)
			}
		}
		entries := make([]entry, min(live, o.SegmentRecords))
		for i := range entries {
			entries[i].at = c.ms.Load()
			binary.BigEndian.PutUint64(entries[i].key[:], random.Uint64())
			binary.BigEndian.PutUint64(entries[i].key[8:], random.Uint64())
		}
		if err := j.write(entries); err != nil {
			b.Fatal(err)
		}
		live -= len(entries)
	}
	if err := j.publish(0, append(closed, j.writer.active)); err != nil {
		b.Fatal(err)
	}
}
