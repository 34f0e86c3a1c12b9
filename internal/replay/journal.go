package replay

import (
	"context"
	"errors"
	"fmt"
	"os"
	"sync"
	"sync/atomic"
	"time"
)

// JournalOptions say where a journal lives and how it behaves. Dir is needed;
// zero values of the others mean the defaults.
type JournalOptions struct {
	// Dir is the guard directory. It is made when it is missing; its parent
	// must exist. Nothing else may write in it, and only one process may use
	// it at a time: see [Lock].
	Dir string
	// Fresh says that the store is empty, so that no code was ever accepted
	// and a missing guard directory loses nothing.
	Fresh bool
	// Now is the clock, time.Now by default. The caller checks timestamps
	// against the same one.
	Now func() time.Time
	// Skew is how far a code's timestamp may be from the clock, to either
	// side: 10 minutes by default.
	Skew time.Duration
	// MaxLive bounds the records held in memory: 5 million by default.
	MaxLive int
	// SegmentRecords is how many records a segment takes before the next is
	// begun: 262144 by default, at most 524288.
	SegmentRecords int
	// SegmentAge is how long a segment is appended to before the next is
	// begun: one minute by default.
	SegmentAge time.Duration
	// FS is the file system, the operating system's by default.
	FS FS
	// Fatal is called once, by the journal's own goroutine, when a write or
	// sync failed. The default prints the error to standard error and ends
	// the process with status 1. If it returns, all who wait get
	// [ErrBroken], and so does everyone after them.
	Fatal func(error)
}

// withDefaults fills in what was left out.
func (o JournalOptions) withDefaults() (JournalOptions, error) {
	if o.Dir == "" || o.Skew < 0 || o.MaxLive < 0 || o.SegmentAge < 0 ||
		o.SegmentRecords < 0 || o.SegmentRecords > maxSegmentRecords {
		return o, errors.New("replay: journal option missing or out of range")
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Skew == 0 {
		o.Skew = 10 * time.Minute
	}
	if o.MaxLive == 0 {
		o.MaxLive = 5_000_000
	}
	if o.SegmentRecords == 0 {
		o.SegmentRecords = 1 << 18
	}
	if o.SegmentAge == 0 {
		o.SegmentAge = time.Minute
	}
	if o.FS == nil {
		o.FS = osFS{}
	}
	if o.Fatal == nil {
		o.Fatal = endProcess
	}
	return o, nil
}

// endProcess is the default of JournalOptions.Fatal.
func endProcess(err error) {
	fmt.Fprintln(os.Stderr, err)
	os.Exit(1)
}

// Journal accepts each timestamp code once and remembers that on disk. It is
// safe for concurrent use. Spend calls collect in a batch, which one goroutine
// of the journal, the writer, takes, writes, syncs and answers while the next
// batch collects.
type Journal struct {
	// Fixed when the journal is opened.
	fs             FS
	dir            string
	now            func() time.Time
	skew           int64 // milliseconds
	segmentAge     int64 // milliseconds
	segmentRecords int
	maxLive        int
	fatal          func(error)
	opening        Opening
	set            *set

	// floor in milliseconds is stored by the writer, after it is on disk and
	// before a key that it covers leaves the set. Spend reads it with the
	// key's shard locked, so that a key it misses in the set is seen to be
	// covered.
	floor atomic.Int64
	// Counters of Stats, advanced by the writer.
	records, batches, syncs atomic.Uint64

	// wake holds a token when there is work for the writer.
	wake chan struct{}
	// stopped is closed when the writer has ended; writerErr is set before.
	stopped   chan struct{}
	writerErr error

	// mu guards what Spend and the writer share. It is taken with a shard
	// locked, never the other way round.
	mu sync.Mutex
	// pending is the batch that collects, empty more often than not.
	pending *batch
	// spare is the emptied entries of an answered batch, for the next.
	spare []entry
	// current describes the segment that pending will be written to, with
	// the entries in pending counted in. The writer begins that segment when
	// it meets the first batch for it.
	current collecting
	// oldest is the smallest newest timestamp of all sealed segments: the
	// one that can be deleted first.
	oldest int64
	// live counts the keys in the set.
	live int
	// reclaim asks the writer to delete what it can although nobody waits.
	reclaim bool
	// refuse is what Spend returns once the journal is closed or broken.
	refuse error

	writer writer
}

// collecting describes a segment that takes records.
type collecting struct {
	id      uint32
	since   int64 // when its first record came, milliseconds
	records int
	newest  int64
}

// batch is a number of codes that are answered together. segment and entries
// are guarded by the journal's mu until the writer takes the batch, and then
// the writer's.
type batch struct {
	segment uint32
	entries []entry
	done    chan struct{} // closed by the writer when the batch is answered
	err     error         // set before done is closed
}

// Spend accepts a code with this key and timestamp, and returns nil, if none
// with this key was accepted before; the record is on disk then. All calls for
// one key must give the same timestamp. Refusals are [ErrSpent], also while
// another call for the same key still waits for the disk, [ErrStale],
// [ErrFull], [ErrBroken] and [ErrClosed].
//
// When ctx ends while the record is being written, Spend returns the context's
// error and the code stays spent.
func (j *Journal) Spend(ctx context.Context, k Key, at time.Time) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	e := entry{key: k, at: at.UnixMilli()}
	now := j.now().UnixMilli()
	if e.at <= now-j.skew || e.at >= now+j.skew {
		return ErrStale
	}
	b, err := j.admit(e, now)
	if err != nil {
		return err
	}
	if ctx.Done() == nil { // waiting for one thing is cheaper than for either of two
		<-b.done
		return b.err
	}
	select {
	case <-b.done:
		return b.err
	case <-ctx.Done():
		return ctx.Err()
	}
}

// Judge returns [ErrSpent] or [ErrStale] where Spend would, and accepts nothing.
func (j *Journal) Judge(k Key, at time.Time) error {
	e, now := at.UnixMilli(), j.now().UnixMilli()
	if e <= now-j.skew || e >= now+j.skew {
		return ErrStale
	}
	sh := j.set.shard(k)
	sh.mu.Lock()
	defer sh.mu.Unlock()
	if _, spent := sh.keys[k]; spent {
		return ErrSpent
	}
	if e <= j.floor.Load() {
		return ErrStale
	}
	return nil
}

// admit puts a new entry in the set and in the batch it returns.
func (j *Journal) admit(e entry, now int64) (*batch, error) {
	sh := j.set.shard(e.key)
	sh.mu.Lock()
	defer sh.mu.Unlock()
	if _, spent := sh.keys[e.key]; spent {
		return nil, ErrSpent
	}
	if e.at <= j.floor.Load() {
		return nil, ErrStale
	}
	b, err := j.enqueue(e, now)
	if err != nil {
		return nil, err
	}
	sh.keys[e.key] = b.segment
	return b, nil
}

// enqueue adds an entry to the pending batch and wakes the writer if it is the
// first there.
func (j *Journal) enqueue(e entry, now int64) (*batch, error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.refuse != nil {
		return nil, j.refuse
	}
	if j.live >= j.maxLive {
		j.askToReclaim(now)
		return nil, ErrFull
	}
	b := j.pending
	if len(b.entries) == 0 {
		if j.segmentIsDone(now) {
			j.beginNext()
		}
		b.segment = j.current.id
		j.wakeWriter()
	}
	b.entries = append(b.entries, e)
	if j.current.records == 0 {
		j.current.since = now
	}
	j.current.records++
	j.current.newest = max(j.current.newest, e.at)
	j.live++
	return b, nil
}

// segmentIsDone says whether the next batch goes to a new segment. The age is
// measured both ways, since the clock may have been set back. Caller holds mu.
func (j *Journal) segmentIsDone(now int64) bool {
	c := &j.current
	return c.records >= j.segmentRecords ||
		c.records > 0 && (now-c.since >= j.segmentAge || c.since-now >= j.segmentAge)
}

// beginNext makes the next segment the one that collects. Caller holds mu.
func (j *Journal) beginNext() {
	j.current = collecting{id: j.current.id + 1, newest: noTime}
}

// askToReclaim wakes the writer if a segment has expired: without room no batch
// comes that would. Caller holds mu.
func (j *Journal) askToReclaim(now int64) {
	expired := j.oldest+j.skew < now ||
		j.current.records > 0 && j.current.newest+j.skew < now
	if expired && !j.reclaim {
		j.reclaim = true
		j.wakeWriter()
	}
}

// wakeWriter leaves a token for the writer unless there is one.
func (j *Journal) wakeWriter() {
	select {
	case j.wake <- struct{}{}:
	default:
	}
}

// Close waits until all codes that wait are answered, marks the segments as
// complete and closes the journal. Calling it again is harmless. It returns an
// error if the journal is broken or the directory could not be brought in
// order; no answer is revoked by that.
func (j *Journal) Close() error {
	j.mu.Lock()
	if j.refuse == nil {
		j.refuse = ErrClosed
	}
	j.mu.Unlock()
	j.wakeWriter()
	<-j.stopped
	return j.writerErr
}

// Floor returns the time at or below which all codes are refused. A floor
// later than now means that no fresh code of a device with a right clock is
// accepted until then: see the package comment for the remedy.
func (j *Journal) Floor() time.Time { return time.UnixMilli(j.floor.Load()) }

// Live returns how many records are held in memory. Records that have expired
// count until their segment is deleted, which happens in the course of later
// calls of Spend.
func (j *Journal) Live() int {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.live
}

// Stats count what a journal has done since it was opened.
type Stats struct {
	Records uint64 // codes written
	Batches uint64 // groups of codes answered together
	Syncs   uint64 // fdatasync calls for records
}

// Stats returns the counters. They are read one after the other.
func (j *Journal) Stats() Stats {
	return Stats{Records: j.records.Load(), Batches: j.batches.Load(), Syncs: j.syncs.Load()}
}
