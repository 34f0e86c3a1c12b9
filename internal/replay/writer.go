package replay

import (
	"encoding/binary"
	"fmt"
	"path/filepath"
	"runtime"
)

// writer is what the goroutine that runs Journal.run owns alone, and
// OpenJournal before it starts that goroutine.
type writer struct {
	file   File        // the active segment
	active segmentInfo // counts what was written, unlike Journal.current
	seed   uint32      // of the active segment's checksums
	batch  uint32      // number of the next batch in the active segment
	sealed []segmentInfo
	// dead are the deleted segments whose keys are being dropped, and swept
	// is the number of shards in which that is done.
	dead  map[uint32]bool
	swept int
	buf   []byte
}

// run is the writer: it answers batches until the journal is closed or breaks.
func (j *Journal) run() {
	defer close(j.stopped)
	for range j.wake {
		for {
			j.letCollect()
			w := j.take()
			if w.idle() {
				break
			}
			if err := j.do(w); err != nil {
				j.fail(w.batch, fmt.Errorf("%w: %w", ErrBroken, err))
				return
			}
			if w.closing && w.batch == nil {
				return
			}
		}
	}
}

// letCollect lets those who were just answered, and others that can run, go
// first as long as that brings more codes into the pending batch: a sync costs
// the processor as much as dozens of them. With nobody else to run it returns
// at once, and it is bounded for the sake of those who wait.
func (j *Journal) letCollect() {
	before := -1
	for range 8 {
		n := j.waiting()
		if n <= before {
			return
		}
		before = n
		runtime.Gosched()
	}
}

// waiting returns how many codes are in the pending batch.
func (j *Journal) waiting() int {
	j.mu.Lock()
	defer j.mu.Unlock()
	return len(j.pending.entries)
}

// work is what the writer does next: a batch, or a new segment because the
// journal is full, or the end.
type work struct {
	batch   *batch
	reclaim bool
	segment uint32 // the one to begin when reclaiming
	closing bool
}

func (w work) idle() bool { return w.batch == nil && !w.reclaim && !w.closing }

// take gets the next work and leaves an empty batch to collect in.
func (j *Journal) take() work {
	j.mu.Lock()
	defer j.mu.Unlock()
	w := work{closing: j.refuse != nil}
	switch {
	case len(j.pending.entries) > 0:
		w.batch = j.pending
		j.pending = newBatch(j.spare)
		j.spare = nil
	case j.reclaim:
		// Nothing is pending, so current is the active segment.
		j.beginNext()
		w.reclaim, w.segment = true, j.current.id
	}
	return w
}

// newBatch makes an empty batch that collects in the space of spare.
func newBatch(spare []entry) *batch {
	return &batch{entries: spare[:0], done: make(chan struct{})}
}

// do does one piece of work. An error breaks the journal.
func (j *Journal) do(w work) error {
	switch {
	case w.batch != nil:
		return j.commit(w.batch)
	case w.closing:
		return j.seal()
	default:
		return j.makeRoom(w.segment)
	}
}

// makeRoom deletes the segments that have expired and drops their keys.
func (j *Journal) makeRoom(next uint32) error {
	if err := j.rotate(next); err != nil {
		return err
	}
	j.sweep(shardCount)
	j.mu.Lock()
	j.reclaim = false
	j.mu.Unlock()
	return nil
}

// commit writes a batch, syncs it and answers those who wait for it.
func (j *Journal) commit(b *batch) error {
	if b.segment != j.writer.active.id {
		if err := j.rotate(b.segment); err != nil {
			return err
		}
	}
	if err := j.write(b.entries); err != nil {
		return err
	}
	j.batches.Add(1)
	j.records.Add(uint64(len(b.entries)))
	entries := b.entries
	close(b.done)
	j.sweep(1)
	j.mu.Lock()
	j.spare = entries
	j.mu.Unlock()
	return nil
}

// write appends entries to the active segment and syncs it, in batches of at
// most maxBatch.
func (j *Journal) write(entries []entry) error {
	w := &j.writer
	for len(entries) > 0 {
		n := min(len(entries), maxBatch)
		w.buf = appendBatch(w.buf[:0], w.seed, w.batch, entries[:n])
		if _, err := w.file.Write(w.buf); err != nil {
			return err
		}
		if err := w.file.Sync(); err != nil {
			return err
		}
		j.syncs.Add(1)
		w.batch++
		w.active.records += uint32(n)
		for i := range entries[:n] {
			w.active.newest = max(w.active.newest, entries[i].at)
		}
		entries = entries[n:]
	}
	return nil
}

// rotate makes segment id the active one and deletes the segments that have
// expired. When it returns nil, all that is on disk but the deletions.
func (j *Journal) rotate(id uint32) error {
	w := &j.writer
	j.sweep(shardCount) // w.dead is needed
	old := w.file
	keep, gone, floor := j.expire(w.withActive())
	if err := j.create(id); err != nil {
		return err
	}
	w.sealed = keep
	if err := j.publish(floor, append(keep[:len(keep):len(keep)], w.unsealed())); err != nil {
		return err
	}
	if err := old.Close(); err != nil {
		return err
	}
	return j.delete(gone)
}

// withActive returns all segments with the active one as sealed.
func (w *writer) withActive() []segmentInfo {
	return append(w.sealed[:len(w.sealed):len(w.sealed)], w.active)
}

// unsealed is the active segment as the floor file lists it.
func (w *writer) unsealed() segmentInfo {
	return segmentInfo{id: w.active.id, records: unsealed, newest: noTime}
}

// expire divides sealed segments into those to keep and those to delete, which
// are expired or empty, and returns the floor that makes deleting them safe.
func (j *Journal) expire(all []segmentInfo) (keep, gone []segmentInfo, floor int64) {
	horizon := j.now().UnixMilli() - j.skew
	floor = j.floor.Load()
	for _, s := range all {
		if s.records > 0 && s.newest >= horizon {
			keep = append(keep, s)
			continue
		}
		gone = append(gone, s)
		floor = max(floor, s.newest)
	}
	return keep, gone, floor
}

// create makes segment id with nothing but a header, on disk but for its
// directory entry, and makes it the active one.
func (j *Journal) create(id uint32) error {
	name := j.segmentPath(id)
	f, err := j.fs.Create(name)
	if err != nil {
		return err
	}
	self, err := j.fs.Identity(name)
	if err != nil {
		f.Close()
		return err
	}
	head := appendHeader(nil, id, self)
	w := &j.writer
	w.file, w.batch = f, 0
	w.active = segmentInfo{id: id, newest: noTime}
	w.seed = binary.LittleEndian.Uint32(head[headerSize-4:])
	if _, err := f.Write(head); err != nil {
		return err
	}
	return f.Sync()
}

// publish writes the floor file and then lets Spend know of the floor.
func (j *Journal) publish(floor int64, segments []segmentInfo) error {
	d := directory{floor: floor, next: j.writer.active.id + 1, segments: segments}
	if err := writeDirectory(j.fs, j.dir, d); err != nil {
		return err
	}
	j.floor.Store(floor)
	oldest := int64(maxTime)
	for _, s := range j.writer.sealed {
		oldest = min(oldest, s.newest)
	}
	j.mu.Lock()
	j.oldest = oldest
	j.mu.Unlock()
	return nil
}

// delete removes the files of segments that the floor file no longer lists
// and begins to drop their keys.
func (j *Journal) delete(gone []segmentInfo) error {
	w := &j.writer
	w.dead, w.swept = make(map[uint32]bool, len(gone)), shardCount
	for _, s := range gone {
		if err := j.fs.Remove(j.segmentPath(s.id)); err != nil {
			return err
		}
		w.dead[s.id] = true
		w.swept = 0
	}
	return nil
}

// sweep drops the keys of dead segments from up to n shards. A few shards
// between batches keep the pauses short; keys may stay as long as they like,
// since the floor covers them.
func (j *Journal) sweep(n int) {
	w := &j.writer
	dropped := 0
	for ; n > 0 && w.swept < shardCount; n-- {
		dropped += j.set.shards[w.swept].drop(w.dead)
		w.swept++
	}
	if dropped > 0 {
		j.mu.Lock()
		j.live -= dropped
		j.mu.Unlock()
	}
}

// seal closes the active segment and lists it as complete, so that a broken
// record in it is known for damage from now on.
func (j *Journal) seal() error {
	w := &j.writer
	if err := w.file.Close(); err != nil {
		return err
	}
	keep, gone, floor := j.expire(w.withActive())
	w.sealed = keep
	if err := j.publish(floor, keep); err != nil {
		return err
	}
	return j.delete(gone)
}

// fail ends the journal: nothing is written or answered with success after it.
func (j *Journal) fail(b *batch, err error) {
	j.writerErr = err
	j.mu.Lock()
	j.refuse = err
	waiting := j.pending
	j.mu.Unlock()
	j.fatal(err)
	if b != nil {
		b.err = err
		close(b.done)
	}
	waiting.err = err
	close(waiting.done)
}

// segmentPath returns the path of a segment's file.
func (j *Journal) segmentPath(id uint32) string {
	return filepath.Join(j.dir, segmentName(id))
}
