package replay

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// startKilled opens a journal on the real file system that is killed, not
// closed, by the returned function.
func startKilled(t *testing.T, o JournalOptions) (*Journal, func()) {
	t.Helper()
	p := newProcess(osFS{})
	o.FS, o.Fatal = p, func(error) {}
	j := mustOpen(t, o)
	return j, p.kill
}

// wantReset opens the journal of o and checks that the floor stands in for
// what is no longer known.
func wantReset(t *testing.T, o JournalOptions, c *fakeClock, reason string) *Journal {
	t.Helper()
	j := mustOpen(t, o)
	if got := j.Opening().Reset; got == "" || !strings.Contains(got, reason) {
		t.Errorf("Reset = %q, want %q", got, reason)
	}
	floor := c.now().Add(10 * time.Minute)
	if !j.Floor().Equal(floor) {
		t.Errorf("Floor = %v, want %v", j.Floor(), floor)
	}
	spend(t, j, 1, c.now(), ErrStale)
	spend(t, j, 2, c.now().Add(10*time.Minute-time.Millisecond), ErrStale)
	return j
}

// copyDir copies the files of a directory as cp -a does, into to, which is
// made if it is missing. Files that are there are written over in place.
func copyDir(t *testing.T, from, to string) {
	t.Helper()
	if err := os.MkdirAll(to, 0o700); err != nil {
		t.Fatal(err)
	}
	entries, err := os.ReadDir(from)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		data, err := os.ReadFile(filepath.Join(from, e.Name()))
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(to, e.Name()), data, 0o600); err != nil {
			t.Fatal(err)
		}
		info, err := e.Info()
		if err != nil {
			t.Fatal(err)
		}
		if err := os.Chtimes(filepath.Join(to, e.Name()), info.ModTime(), info.ModTime()); err != nil {
			t.Fatal(err)
		}
	}
}

func TestStopStartAcceptKillReplay(t *testing.T) {
	c := newClock()
	o := options(t, c)
	j := mustOpen(t, o)
	spend(t, j, 1, c.now(), nil)
	if err := j.Close(); err != nil {
		t.Fatal(err)
	}
	o.Fresh = false
	j, kill := startKilled(t, o)
	spend(t, j, 2, c.now(), nil)
	kill()
	for range 2 {
		j, kill = startKilled(t, o)
		if got := j.Opening(); got != (Opening{Records: 2}) {
			t.Errorf("Opening = %+v", got)
		}
		spend(t, j, 1, c.now(), ErrSpent)
		spend(t, j, 2, c.now(), ErrSpent)
		kill()
	}
}

func TestCopiedDirectory(t *testing.T) {
	for _, stop := range []string{"closed", "killed"} {
		t.Run(stop, func(t *testing.T) {
			c := newClock()
			o := options(t, c)
			j, kill := startKilled(t, o)
			spend(t, j, 1, c.now(), nil)
			if stop == "closed" {
				j.Close()
			}
			kill()
			o.Fresh = false
			second := o
			second.Dir = o.Dir + "2"
			copyDir(t, o.Dir, second.Dir)
			j = wantReset(t, second, c, "copy")
			c.advance(20 * time.Minute)
			spend(t, j, 1, c.now(), nil)
			j.Close()
			// The copy has become a directory of its own, and the original
			// remains one.
			j = mustOpen(t, second)
			if got := j.Opening().Reset; got != "" {
				t.Errorf("second start on the copy: Reset = %q", got)
			}
			j = mustOpen(t, o)
			if got := j.Opening().Reset; got != "" {
				t.Errorf("original: Reset = %q", got)
			}
		})
	}
}

func TestRenamedDirectoryIsTheSame(t *testing.T) {
	c := newClock()
	o := options(t, c)
	j := mustOpen(t, o)
	spend(t, j, 1, c.now(), nil)
	j.Close()
	old := o.Dir
	o.Dir, o.Fresh = old+"2", false
	if err := os.Rename(old, o.Dir); err != nil {
		t.Fatal(err)
	}
	j = mustOpen(t, o)
	if got := j.Opening(); got != (Opening{Records: 1}) {
		t.Errorf("Opening = %+v", got)
	}
}

func TestRestoredBackup(t *testing.T) {
	restore := map[string]func(t *testing.T, backup, dir string){
		"into an emptied parent": func(t *testing.T, backup, dir string) {
			if err := os.RemoveAll(dir); err != nil {
				t.Fatal(err)
			}
			copyDir(t, backup, dir)
		},
		"into the emptied directory": func(t *testing.T, backup, dir string) {
			files, err := filepath.Glob(filepath.Join(dir, "*"))
			if err != nil {
				t.Fatal(err)
			}
			for _, f := range files {
				if err := os.Remove(f); err != nil {
					t.Fatal(err)
				}
			}
			copyDir(t, backup, dir)
		},
		"over the files": copyDir,
	}
	for name, restore := range restore {
		t.Run(name, func(t *testing.T) {
			c := newClock()
			o := options(t, c)
			o.SegmentRecords = 2
			j := mustOpen(t, o)
			for n := range 5 {
				spend(t, j, n+10, c.now(), nil)
			}
			j.Close()
			backup := o.Dir + ".backup"
			copyDir(t, o.Dir, backup)
			o.Fresh = false
			j, kill := startKilled(t, o)
			spend(t, j, 1, c.now(), nil)
			kill()
			restore(t, backup, o.Dir)
			wantReset(t, o, c, "")
		})
	}
}

// TestEachFileKnowsItself restores less than the whole directory.
func TestEachFileKnowsItself(t *testing.T) {
	replace := func(t *testing.T, path string, data []byte) {
		t.Helper()
		if err := errors.Join(os.WriteFile(path+"~", data, 0o600), os.Rename(path+"~", path)); err != nil {
			t.Fatal(err)
		}
	}
	for _, test := range []string{"segment", "floor file", "hard links"} {
		t.Run(test, func(t *testing.T) {
			c := newClock()
			o := options(t, c)
			j, kill := startKilled(t, o)
			spend(t, j, 10, c.now(), nil)
			name := segmentName(1)
			if test == "floor file" {
				name = floorName
			}
			backup, err := os.ReadFile(filepath.Join(o.Dir, name))
			if err != nil {
				t.Fatal(err)
			}
			spend(t, j, 1, c.now(), nil)
			kill()
			if test == "hard links" {
				dir := o.Dir + "2"
				err := errors.Join(os.Mkdir(dir, 0o700),
					os.Link(filepath.Join(o.Dir, floorName), filepath.Join(dir, floorName)),
					os.Link(filepath.Join(o.Dir, name), filepath.Join(dir, name)))
				if err != nil {
					t.Fatal(err)
				}
				o.Dir = dir
			} else {
				replace(t, filepath.Join(o.Dir, name), backup)
			}
			o.Fresh = false
			wantReset(t, o, c, "a copy or was restored")
		})
	}
}

func TestIdentityIsNotReused(t *testing.T) {
	dir := t.TempDir()
	if _, _, ok := fileHandle(dir); !ok {
		t.Skip("this file system has no handles")
	}
	name := filepath.Join(dir, "f")
	seen := make(map[Identity]bool)
	for range 100 {
		if err := os.WriteFile(name, nil, 0o600); err != nil {
			t.Fatal(err)
		}
		id, err := osFS{}.Identity(name)
		if err != nil {
			t.Fatal(err)
		}
		if seen[id] {
			t.Fatal("a new file has the identity of a deleted one")
		}
		seen[id] = true
		moved := name + "2"
		if err := os.Rename(name, moved); err != nil {
			t.Fatal(err)
		}
		if again, err := (osFS{}).Identity(moved); err != nil || again != id {
			t.Fatalf("identity changed by a rename: %v", err)
		}
		if err := os.Remove(moved); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := (osFS{}).Identity(name); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("Identity of a missing file: %v", err)
	}
}

func TestMissingDirectory(t *testing.T) {
	c := newClock()
	o := options(t, c)
	o.Fresh = false
	j := wantReset(t, o, c, "missing")
	j.Close()
	j = mustOpen(t, o) // the floor remains, the reason does not
	if got := j.Opening().Reset; got != "" {
		t.Errorf("Reset = %q", got)
	}
	spend(t, j, 1, c.now(), ErrStale)
	c.advance(10 * time.Minute)
	spend(t, j, 1, c.now(), ErrStale)
	c.advance(time.Millisecond)
	spend(t, j, 1, c.now(), nil)
}

func TestFreshDirectoryOfInterruptedStart(t *testing.T) {
	c, p := newClock(), newProcess(newDisk())
	o := options(t, c)
	o.Dir, o.FS = "/data/guard", p
	p.before = func(op string) {
		if op == "rename floor" {
			p.kill()
		}
	}
	if _, err := OpenJournal(o); !errors.Is(err, errKilled) {
		t.Fatal(err)
	}
	o.FS = p.FS
	j := mustOpen(t, o)
	if got := j.Opening(); got != (Opening{}) {
		t.Errorf("Opening = %+v", got)
	}
	spend(t, j, 1, c.now(), nil)
}

func TestOpenRefusesOtherFiles(t *testing.T) {
	for _, name := range []string{floorName, segmentName(7)} {
		for _, kind := range []string{"directory", "pipe", "link"} {
			t.Run(name+" is a "+kind, func(t *testing.T) {
				c := newClock()
				o := options(t, c)
				path := filepath.Join(o.Dir, name)
				if err := os.Mkdir(o.Dir, 0o700); err != nil {
					t.Fatal(err)
				}
				var err error
				switch kind {
				case "directory":
					err = os.Mkdir(path, 0o700)
				case "pipe":
					err = unix.Mkfifo(path, 0o600)
				case "link":
					err = os.Symlink("/dev/zero", path)
				}
				if err != nil {
					t.Fatal(err)
				}
				if j, err := OpenJournal(o); err == nil {
					j.Close()
					t.Error("opened")
				}
			})
		}
	}
}

func TestOptions(t *testing.T) {
	dir := t.TempDir()
	for _, o := range []JournalOptions{
		{},
		{Dir: dir, Skew: -1},
		{Dir: dir, MaxLive: -1},
		{Dir: dir, SegmentAge: -1},
		{Dir: dir, SegmentRecords: -1},
		{Dir: dir, SegmentRecords: maxSegmentRecords + 1},
		{Dir: filepath.Join(dir, "missing", "guard")},
	} {
		if j, err := OpenJournal(o); err == nil {
			j.Close()
			t.Errorf("opened with %+v", o)
		}
	}
	o, err := JournalOptions{Dir: dir}.withDefaults()
	if err != nil || o.Skew != 10*time.Minute || o.MaxLive != 5_000_000 || o.Now == nil || o.Fatal == nil || o.FS == nil {
		t.Errorf("defaults: %+v, %v", o, err)
	}
}
