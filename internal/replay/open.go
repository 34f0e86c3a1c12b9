package replay

import (
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
)

// Opening tells what OpenJournal found.
type Opening struct {
	// Reset says why the floor was raised to now + skew. It is empty if the
	// directory was in order.
	Reset string
	// Records is the number of live records that were read.
	Records int
	// Torn is the number of bytes of an interrupted batch that were cut off.
	Torn int64
}

// Opening returns what was found when the journal was opened, for the log.
func (j *Journal) Opening() Opening { return j.opening }

// damage is an error that is answered by raising the floor: what was accepted
// before is no longer known for certain.
type damage string

func (d damage) Error() string { return string(d) }

// noFloorFile is the one kind of damage that a fresh store may show.
const noFloorFile = damage("the floor file is missing")

// segmentName returns the file name of a segment.
func segmentName(id uint32) string { return fmt.Sprintf("%010d.seg", id) }

// segmentID is the inverse of segmentName.
func segmentID(name string) (uint32, bool) {
	var id uint32
	if _, err := fmt.Sscanf(name, "%d.seg", &id); err != nil {
		return 0, false
	}
	return id, name == segmentName(id)
}

// OpenJournal opens the journal in o.Dir, making the directory if it is
// missing. It returns when all that was accepted before is known again, or the
// floor that stands in for it is on disk. An error means that the file system
// failed or the options are wrong; then nothing may be answered.
func OpenJournal(o JournalOptions) (*Journal, error) {
	j, err := newJournal(o)
	if err != nil {
		return nil, err
	}
	go j.run()
	return j, nil
}

// newJournal is OpenJournal without the writer's goroutine.
func newJournal(o JournalOptions) (*Journal, error) {
	o, err := o.withDefaults()
	if err != nil {
		return nil, err
	}
	j := &Journal{
		fs: o.FS, dir: o.Dir, now: o.Now, fatal: o.Fatal,
		skew: o.Skew.Milliseconds(), segmentAge: o.SegmentAge.Milliseconds(),
		segmentRecords: o.SegmentRecords, maxLive: o.MaxLive,
		wake: make(chan struct{}, 1), stopped: make(chan struct{}),
		pending: newBatch(nil),
	}
	j.writer.swept = shardCount
	if err := j.open(o.Fresh); err != nil {
		if j.writer.file != nil {
			j.writer.file.Close()
		}
		return nil, fmt.Errorf("replay: open journal in %s: %w", o.Dir, err)
	}
	return j, nil
}

// open reads the directory and leaves it with a new active segment. Segments
// are never appended to by a second process.
func (j *Journal) open(fresh bool) error {
	ids, err := j.list()
	if err != nil {
		return err
	}
	d, err := j.readFloorFile()
	if err == nil {
		err = j.load(d, ids)
	}
	var carry []entry
	if found := damage(""); errors.As(err, &found) {
		carry, err = j.reset(d, ids, fresh, found)
	}
	if err != nil {
		return err
	}
	return j.begin(d, ids, carry)
}

// list makes sure that the directory exists, clears away what is left of an
// unfinished floor file, and returns the segments that have files.
func (j *Journal) list() ([]uint32, error) {
	names, err := j.fs.List(j.dir)
	if errors.Is(err, fs.ErrNotExist) {
		if err := j.fs.Mkdir(j.dir); err != nil {
			return nil, err
		}
		return nil, j.fs.SyncDir(filepath.Dir(j.dir))
	}
	if err != nil {
		return nil, err
	}
	var ids []uint32
	for _, name := range names {
		if id, ok := segmentID(name); ok {
			ids = append(ids, id)
		}
		if name == floorTemporary {
			if err := j.fs.Remove(filepath.Join(j.dir, name)); err != nil {
				return nil, err
			}
		}
	}
	slices.Sort(ids)
	return ids, nil
}

// readFloorFile returns what the floor file says. With an error of type damage
// it still returns what of it can be used.
func (j *Journal) readFloorFile() (*directory, error) {
	path := filepath.Join(j.dir, floorName)
	data, err := j.fs.ReadFile(path, maxFloorBytes)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return &directory{}, noFloorFile
	case errors.Is(err, errTooLong):
		return &directory{}, damage(err.Error())
	case err != nil:
		return nil, err
	}
	f, err := parseFloorFile(data)
	if err != nil {
		return &directory{}, damage(err.Error())
	}
	self, err := j.fs.Identity(path)
	if err != nil {
		return nil, err
	}
	dir, err := j.fs.Identity(j.dir)
	if err != nil {
		return nil, err
	}
	if self != f.self || dir != f.dir {
		return &f.directory, damage("the directory is a copy or was restored")
	}
	return &f.directory, nil
}

// load reads the segments that d lists and have not expired into a new set,
// cuts off a torn batch, and sets d.segments to what is left, all sealed.
func (j *Journal) load(d *directory, ids []uint32) error {
	for _, id := range ids {
		if id >= d.next {
			if err := j.checkUnlisted(id); err != nil {
				return err
			}
		}
	}
	j.floor.Store(d.floor)
	if n := len(d.segments); n > 0 && d.segments[n-1].records == unsealed {
		d.segments[n-1].newest = maxTime // not known yet; it has not expired
	}
	keep, _, floor := j.expire(d.segments)
	lists, err := j.loadAll(keep, floor)
	if err != nil {
		return err
	}
	for _, l := range lists {
		j.opening.Records += len(l.keys)
	}
	j.set = newSet(j.opening.Records)
	j.set.fill(lists)
	d.segments, d.floor = keep, floor
	return nil
}

// checkUnlisted makes sure that a segment newer than all in the floor file was
// never written to: records come after the floor file that lists it.
func (j *Journal) checkUnlisted(id uint32) error {
	data, err := j.readSegmentFile(id)
	if err != nil {
		return err
	}
	if len(data) > headerSize {
		return damage(fmt.Sprintf("segment %d is not in the floor file", id))
	}
	return nil
}

// readSegmentFile reads a segment. A file that is missing or too long is
// damage.
func (j *Journal) readSegmentFile(id uint32) ([]byte, error) {
	data, err := j.fs.ReadFile(j.segmentPath(id), maxSegmentBytes)
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, errTooLong) {
		return nil, damage(err.Error())
	}
	return data, err
}

// loadAll reads segments, completes their descriptions and returns their keys
// above the floor.
func (j *Journal) loadAll(segments []segmentInfo, floor int64) ([]*keyList, error) {
	lists := make([]*keyList, len(segments))
	errs := make([]error, len(segments))
	parallel(len(segments), func(i int) {
		lists[i], errs[i] = j.loadSegment(&segments[i], floor)
	})
	return lists, errors.Join(errs...)
}

// parallel calls f for 0 to n-1, as many at a time as there are processors,
// and returns when all are done.
func parallel(n int, f func(i int)) {
	var next atomic.Int64
	var workers sync.WaitGroup
	for range min(n, runtime.GOMAXPROCS(0)) {
		workers.Go(func() {
			for i := next.Add(1) - 1; i < int64(n); i = next.Add(1) - 1 {
				f(int(i))
			}
		})
	}
	workers.Wait()
}

// loadSegment does what loadAll does for one segment.
func (j *Journal) loadSegment(s *segmentInfo, floor int64) (*keyList, error) {
	data, err := j.readSegmentFile(s.id)
	if err != nil {
		return nil, err
	}
	self, err := j.fs.Identity(j.segmentPath(s.id))
	if err != nil {
		return nil, err
	}
	c, err := readSegment(data)
	switch {
	case err != nil:
		return nil, damage(fmt.Sprintf("segment %d: %v", s.id, err))
	case c.id != s.id || c.self != self:
		return nil, damage(fmt.Sprintf("segment %d is a copy or was restored", s.id))
	case c.verdict == damaged:
		return nil, damage(fmt.Sprintf("segment %d is damaged", s.id))
	case s.records == unsealed:
		if err := j.cut(c, int64(len(data))); err != nil {
			return nil, err
		}
	case c.verdict != whole || len(c.entries) != int(s.records) || c.newest != s.newest:
		return nil, damage(fmt.Sprintf("segment %d is not as it was when it was completed", s.id))
	}
	s.records, s.newest = uint32(len(c.entries)), c.newest
	return listKeys(s.id, c.entries, floor), nil
}

// cut removes a torn batch from the end of the newest segment. Without one it
// makes sure all the same that what was read is on disk: the process may have
// ended between a write and its sync. Where that sync had failed the records
// may be in memory only, whatever this one says; they were not answered, and
// their absence will be taken for damage if the machine stops before they
// expire.
func (j *Journal) cut(c *contents, length int64) error {
	j.opening.Torn = length - c.size()
	return j.fs.Truncate(j.segmentPath(c.id), c.size())
}

// reset makes d the description of a directory whose memory is gone. It
// returns the readable records above the new floor, which are kept: there are
// some if the clock was far ahead when they were accepted.
func (j *Journal) reset(d *directory, ids []uint32, fresh bool, why damage) ([]entry, error) {
	j.set = newSet(0)
	d.segments = nil
	missing := why == noFloorFile
	floor := j.now().UnixMilli() + j.skew
	empty := true
	found := make(map[Key]int64)
	for _, id := range ids {
		data, err := j.readSegmentFile(id)
		if lost := damage(""); errors.As(err, &lost) {
			empty = false
			continue
		}
		if err != nil {
			return nil, err
		}
		empty = empty && len(data) <= headerSize
		for _, e := range salvage(data) {
			found[e.key] = e.at
		}
	}
	if fresh && missing && empty {
		return nil, nil
	}
	d.floor = max(d.floor, floor)
	j.opening.Reset = string(why)
	var carry []entry
	for k, at := range found {
		if at > d.floor {
			carry = append(carry, entry{key: k, at: at})
		}
	}
	j.opening.Records = len(carry)
	return carry, nil
}

// begin starts a new segment with the entries that are carried over, writes the
// floor file, and removes the segments that it does not list.
func (j *Journal) begin(d *directory, ids []uint32, carry []entry) error {
	id := max(d.next, 1)
	if len(ids) > 0 {
		id = max(id, ids[len(ids)-1]+1)
	}
	if id == 0 || id+1 == 0 {
		return errors.New("segment numbers are exhausted; delete the directory")
	}
	w := &j.writer
	// Segments that turned out to be empty go too.
	w.sealed = slices.DeleteFunc(d.segments, func(s segmentInfo) bool { return s.records == 0 })
	if err := j.create(id); err != nil {
		return err
	}
	if err := j.write(carry); err != nil {
		return err
	}
	if err := j.publish(d.floor, append(w.sealed[:len(w.sealed):len(w.sealed)], w.unsealed())); err != nil {
		return err
	}
	j.set.fill([]*keyList{listKeys(id, carry, d.floor)})
	j.live = j.opening.Records
	j.current = collecting{id: id, since: j.now().UnixMilli(), records: len(carry), newest: w.active.newest}
	return j.removeUnlisted(ids)
}

// removeUnlisted removes the files of segments that are not listed: what is
// left of a deletion or a beginning that a crash interrupted, or of a directory
// whose memory is gone.
func (j *Journal) removeUnlisted(ids []uint32) error {
	for _, id := range ids {
		listed := slices.ContainsFunc(j.writer.sealed, func(s segmentInfo) bool { return s.id == id })
		if listed {
			continue
		}
		if err := j.fs.Remove(j.segmentPath(id)); err != nil {
			return err
		}
	}
	return nil
}
