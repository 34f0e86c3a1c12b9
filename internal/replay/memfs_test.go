package replay

import (
	"encoding/binary"
	"fmt"
	"io/fs"
	"maps"
	"math/rand/v2"
	"path/filepath"
	"slices"
	"sync"
)

// What a byte of a memFile would be after the machine lost power.
const (
	onDisk  = iota // as it is
	dirty          // anything, until a sync
	dropped        // anything for good: a sync failed and forgot about it
)

// memFile is an inode of a memDisk.
type memFile struct {
	id    uint64
	data  []byte
	state []byte // one of the constants above for each byte of data
	// longer is what the file was before a truncation whose sync failed.
	longer *memFile
}

// clone copies f as inode id with the bytes that a copying program would see.
func (f *memFile) clone(id uint64) *memFile {
	return &memFile{id: id, data: slices.Clone(f.data), state: make([]byte, len(f.data))}
}

// sync makes the dirty bytes durable, or forgets that they are dirty.
func (f *memFile) sync(failed bool) {
	for i, s := range f.state {
		if s == dirty && failed {
			f.state[i] = dropped
		} else if s == dirty {
			f.state[i] = onDisk
		}
	}
}

// memDisk is a file system in memory that knows what a crash leaves of it.
// Directories and files share one table of paths.
type memDisk struct {
	mu      sync.Mutex
	inodes  uint64
	entries map[string]*memFile // as programs see them
	durable map[string]*memFile // as they are on disk
}

// newDisk returns a disk with an empty directory /data.
func newDisk() *memDisk {
	root := &memFile{id: 1}
	return &memDisk{
		inodes:  1,
		entries: map[string]*memFile{"/data": root},
		durable: map[string]*memFile{"/data": root},
	}
}

func (d *memDisk) newInode() uint64 {
	d.inodes++
	return d.inodes
}

// find returns the file at a path. The caller holds mu.
func (d *memDisk) find(op, name string) (*memFile, error) {
	if f := d.entries[name]; f != nil {
		return f, nil
	}
	return nil, &fs.PathError{Op: op, Path: name, Err: fs.ErrNotExist}
}

func (d *memDisk) Mkdir(dir string) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.entries[dir] != nil {
		return &fs.PathError{Op: "mkdir", Path: dir, Err: fs.ErrExist}
	}
	d.entries[dir] = &memFile{id: d.newInode()}
	return nil
}

func (d *memDisk) List(dir string) ([]string, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if _, err := d.find("list", dir); err != nil {
		return nil, err
	}
	var names []string
	for name := range d.entries {
		if filepath.Dir(name) == dir {
			names = append(names, filepath.Base(name))
		}
	}
	slices.Sort(names)
	return names, nil
}

func (d *memDisk) Create(name string) (File, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if _, err := d.find("create", filepath.Dir(name)); err != nil {
		return nil, err
	}
	if d.entries[name] != nil {
		return nil, &fs.PathError{Op: "create", Path: name, Err: fs.ErrExist}
	}
	f := &memFile{id: d.newInode()}
	d.entries[name] = f
	return &memHandle{disk: d, file: f}, nil
}

func (d *memDisk) ReadFile(name string, limit int64) ([]byte, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	f, err := d.find("read", name)
	if err != nil {
		return nil, err
	}
	if int64(len(f.data)) > limit {
		return nil, errTooLong
	}
	return slices.Clone(f.data), nil
}

func (d *memDisk) Truncate(name string, size int64) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	f, err := d.find("truncate", name)
	if err != nil {
		return err
	}
	f.data, f.state = f.data[:size], f.state[:size]
	f.sync(false)
	return nil
}

// loosely truncates as when the sync after it failed: the length is seen by
// programs, but a crash may bring the old one back.
func (d *memDisk) truncateLoosely(name string, size int64) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if f := d.entries[name]; f != nil {
		f.longer = &memFile{data: slices.Clone(f.data), state: slices.Clone(f.state)}
		f.data, f.state = f.data[:size], f.state[:size]
		f.sync(true)
	}
}

func (d *memDisk) Rename(from, to string) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	f, err := d.find("rename", from)
	if err != nil {
		return err
	}
	d.entries[to] = f
	delete(d.entries, from)
	return nil
}

func (d *memDisk) Remove(name string) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	_, err := d.find("remove", name)
	delete(d.entries, name)
	return err
}

func (d *memDisk) SyncDir(dir string) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if _, err := d.find("sync", dir); err != nil {
		return err
	}
	inDir := func(name string, _ *memFile) bool { return filepath.Dir(name) == dir }
	maps.DeleteFunc(d.durable, inDir)
	for name, f := range d.entries {
		if inDir(name, f) {
			d.durable[name] = f
		}
	}
	return nil
}

func (d *memDisk) Identity(name string) (Identity, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	f, err := d.find("identity", name)
	if err != nil {
		return Identity{}, err
	}
	var id Identity
	binary.BigEndian.PutUint64(id[:], f.id)
	return id, nil
}

// memHandle is an open memFile.
type memHandle struct {
	disk *memDisk
	file *memFile
}

func (h *memHandle) Write(p []byte) (int, error) {
	h.disk.mu.Lock()
	defer h.disk.mu.Unlock()
	h.file.data = append(h.file.data, p...)
	for range p {
		h.file.state = append(h.file.state, dirty)
	}
	return len(p), nil
}

func (h *memHandle) Sync() error {
	h.sync(false)
	return nil
}

func (h *memHandle) sync(failed bool) {
	h.disk.mu.Lock()
	defer h.disk.mu.Unlock()
	h.file.sync(failed)
}

func (h *memHandle) Close() error { return nil }

// crash returns what a loss of power leaves: each directory entry that was not
// synced is as before or as now, independently, and each run of bytes that
// were not synced is there, zero, rubbish or beyond the end of the file.
func (d *memDisk) crash(r *rand.Rand) *memDisk {
	d.mu.Lock()
	defer d.mu.Unlock()
	after := &memDisk{inodes: d.inodes, entries: maps.Clone(d.durable)}
	names := slices.Sorted(maps.Keys(d.entries))
	for name := range d.durable {
		if d.entries[name] == nil {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	for _, name := range names {
		if d.entries[name] == d.durable[name] || r.IntN(2) == 0 {
			continue
		}
		if f := d.entries[name]; f != nil {
			after.entries[name] = f
		} else {
			delete(after.entries, name)
		}
	}
	// Nothing is in a directory that is not there.
	maps.DeleteFunc(after.entries, func(name string, _ *memFile) bool {
		return name != "/data" && after.entries[filepath.Dir(name)] == nil
	})
	survivors := make(map[*memFile]*memFile)
	for _, name := range slices.Sorted(maps.Keys(after.entries)) {
		f := after.entries[name]
		if survivors[f] == nil {
			survivors[f] = f.crash(r)
		}
		after.entries[name] = survivors[f]
	}
	after.durable = maps.Clone(after.entries)
	return after
}

// crash returns what a loss of power leaves of a file.
func (f *memFile) crash(r *rand.Rand) *memFile {
	if f.longer != nil && r.IntN(2) == 0 {
		f = &memFile{id: f.id, data: f.longer.data, state: f.longer.state}
	}
	after := f.clone(f.id)
	end := len(f.data)
	for end > 0 && f.state[end-1] != onDisk {
		end--
	}
	if r.IntN(2) == 0 {
		end += r.IntN(len(f.data) - end + 1)
	} else {
		end = len(f.data)
	}
	unit := []int{1, 8, recordSize, 3 * recordSize}[r.IntN(4)]
	for start := 0; start < end; start += unit {
		fate := r.IntN(3)
		for i := start; i < min(start+unit, end); i++ {
			if f.state[i] != onDisk && fate > 0 {
				after.data[i] = byte(r.Uint32() * uint32(fate-1))
			}
		}
	}
	after.data, after.state = after.data[:end], after.state[:end]
	return after
}

// copyTree returns the files of a directory as new files, as cp or a restored
// backup makes them.
func (d *memDisk) copyTree(dir string) map[string]*memFile {
	d.mu.Lock()
	defer d.mu.Unlock()
	files := make(map[string]*memFile)
	for name, f := range d.entries {
		if filepath.Dir(name) == dir {
			files[name] = f.clone(d.newInode())
		}
	}
	return files
}

// replaceTree removes a directory and, if there are any, puts files in a new
// one of the same name. All of it is durable.
func (d *memDisk) replaceTree(dir string, files map[string]*memFile) {
	d.mu.Lock()
	defer d.mu.Unlock()
	maps.DeleteFunc(d.entries, func(name string, _ *memFile) bool {
		return name == dir || filepath.Dir(name) == dir
	})
	if len(files) > 0 {
		d.entries[dir] = &memFile{id: d.newInode()}
		for name, f := range files {
			d.entries[name] = f.clone(d.newInode())
		}
	}
	d.durable = maps.Clone(d.entries)
}

// flip changes one bit of a file.
func (d *memDisk) flip(name string, bit int) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	f, err := d.find("flip", name)
	if err != nil {
		return err
	}
	if bit/8 >= len(f.data) {
		return fmt.Errorf("%s has %d bytes", name, len(f.data))
	}
	f.data[bit/8] ^= 1 << (bit % 8)
	return nil
}
