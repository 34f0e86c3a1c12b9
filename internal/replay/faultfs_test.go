package replay

import (
	"errors"
	"path/filepath"
	"sync"
)

var (
	errInjected = errors.New("injected failure")
	errKilled   = errors.New("process was killed")
)

// mode is how an operation fails.
type mode int

const (
	notDone mode = iota // the error came before it took effect
	done                // it took effect all the same
	halfway             // some of it took effect, where it has parts
	modes
)

func (m mode) String() string { return [...]string{"not done", "done", "halfway"}[m] }

// process is the view that one process has of a file system. It counts the
// operations, can make one of them fail and all fail once it was killed.
type process struct {
	FS

	mu     sync.Mutex
	log    []string // operations so far; guarded by mu
	failAt int      // index of the operation that fails, or -1; guarded by mu
	mode   mode
	killed bool // guarded by mu
	// before is called before each operation, if it is not nil.
	before func(op string)
}

// newProcess returns a process in which nothing fails.
func newProcess(fsys FS) *process { return &process{FS: fsys, failAt: -1} }

// kill makes all further operations fail.
func (p *process) kill() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.killed = true
}

// failAfter makes the operation after the next n fail.
func (p *process) failAfter(n int, m mode) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.failAt, p.mode = len(p.log)+n, m
}

// ops returns the operations so far.
func (p *process) ops() []string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return append([]string(nil), p.log...)
}

// do runs one operation, or part of it when it is to fail halfway.
func (p *process) do(op, name string, whole func() error, part func()) error {
	if p.before != nil {
		p.before(op + " " + filepath.Base(name))
	}
	p.mu.Lock()
	killed, fails := p.killed, len(p.log) == p.failAt
	if !killed {
		p.log = append(p.log, op+" "+filepath.Base(name))
	}
	p.mu.Unlock()
	switch {
	case killed:
		return errKilled
	case !fails:
		return whole()
	case p.mode == done:
		// What it would have returned is lost.
		_ = whole()
	case p.mode == halfway && part != nil:
		part()
	}
	return errInjected
}

func (p *process) Mkdir(dir string) error {
	return p.do("mkdir", dir, func() error { return p.FS.Mkdir(dir) }, nil)
}

func (p *process) List(dir string) (names []string, err error) {
	err = p.do("list", dir, func() error { names, err = p.FS.List(dir); return err }, nil)
	return names, err
}

func (p *process) Create(name string) (File, error) {
	var f File
	err := p.do("create", name, func() (err error) { f, err = p.FS.Create(name); return err }, nil)
	if err != nil {
		return nil, err
	}
	return &processFile{p, name, f}, nil
}

func (p *process) ReadFile(name string, limit int64) (data []byte, err error) {
	err = p.do("read", name, func() error { data, err = p.FS.ReadFile(name, limit); return err }, nil)
	return data, err
}

func (p *process) Truncate(name string, size int64) error {
	return p.do("truncate", name, func() error { return p.FS.Truncate(name, size) }, func() {
		if d, ok := p.FS.(*memDisk); ok {
			d.truncateLoosely(name, size)
		}
	})
}

func (p *process) Rename(from, to string) error {
	return p.do("rename", to, func() error { return p.FS.Rename(from, to) }, nil)
}

func (p *process) Remove(name string) error {
	return p.do("remove", name, func() error { return p.FS.Remove(name) }, nil)
}

func (p *process) SyncDir(dir string) error {
	return p.do("syncdir", dir, func() error { return p.FS.SyncDir(dir) }, nil)
}

func (p *process) Identity(name string) (id Identity, err error) {
	err = p.do("identity", name, func() error { id, err = p.FS.Identity(name); return err }, nil)
	return id, err
}

// processFile is an open file of a process.
type processFile struct {
	p    *process
	name string
	file File
}

func (f *processFile) Write(b []byte) (n int, err error) {
	err = f.p.do("write", f.name,
		func() error { n, err = f.file.Write(b); return err },
		func() { n, _ = f.file.Write(b[:len(b)/2]) })
	return n, err
}

// Sync that fails without effect leaves the pages marked as clean, as Linux
// does.
func (f *processFile) Sync() error {
	return f.p.do("sync", f.name, f.file.Sync, func() {
		if h, ok := f.file.(*memHandle); ok {
			h.sync(true)
		}
	})
}

// Close closes the file even where it fails, so that tests leak nothing.
func (f *processFile) Close() error {
	closed := f.file.Close()
	if err := f.p.do("close", f.name, func() error { return nil }, nil); err != nil {
		return err
	}
	return closed
}
