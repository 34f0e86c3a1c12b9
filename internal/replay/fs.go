package replay

import (
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"
)

// Identity tells one file or directory from every other, copies of it
// included, and stays the same while it is written to, renamed or mounted
// again.
type Identity [16]byte

// FS is what the journal needs of a file system. The real one is used when
// none is given; tests use one that fails and crashes. Names are full paths.
// Errors for which errors.Is(err, fs.ErrNotExist) holds mean that the file is
// not there.
type FS interface {
	// Mkdir makes a directory that only the owner may enter.
	Mkdir(dir string) error
	// List returns the names of the entries of a directory.
	List(dir string) ([]string, error)
	// Create makes a file that must not exist and opens it for writing.
	Create(name string) (File, error)
	// ReadFile reads a regular file. The error for a file of more than limit
	// bytes is errTooLong.
	ReadFile(name string, limit int64) ([]byte, error)
	// Truncate cuts a file to size bytes and returns when both its length
	// and the bytes before it are on disk.
	Truncate(name string, size int64) error
	// Rename gives a file a new name, atomically replacing what had it.
	Rename(from, to string) error
	// Remove deletes a file.
	Remove(name string) error
	// SyncDir returns when the entries of the directory are on disk.
	SyncDir(dir string) error
	// Identity returns the identity of a file or directory.
	Identity(name string) (Identity, error)
}

// File is a file that is being written from its beginning to its end.
type File interface {
	io.WriteCloser
	// Sync returns when all that was written is on disk and can be found
	// there. After it failed the content of the file is unknown.
	Sync() error
}

var errTooLong = errors.New("file is too long")

// osFS is the file system of the operating system.
type osFS struct{}

func (osFS) Mkdir(dir string) error { return os.Mkdir(dir, 0o700) }

func (osFS) List(dir string) ([]string, error) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, err
	}
	names := make([]string, len(entries))
	for i, e := range entries {
		names[i] = e.Name()
	}
	return names, nil
}

func (osFS) Create(name string) (File, error) {
	f, err := os.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return nil, err
	}
	return osFile{f}, nil
}

func (osFS) ReadFile(name string, limit int64) ([]byte, error) {
	// Not to follow links and not to wait for the other end of a pipe.
	f, err := os.OpenFile(name, os.O_RDONLY|unix.O_NOFOLLOW|unix.O_NONBLOCK, 0)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() {
		return nil, fmt.Errorf("%s is not a regular file", name)
	}
	if info.Size() > limit {
		return nil, fmt.Errorf("%w: %s has %d bytes", errTooLong, name, info.Size())
	}
	data := make([]byte, info.Size())
	if _, err := io.ReadFull(f, data); err != nil {
		return nil, fmt.Errorf("read %s: %w", name, err)
	}
	return data, nil
}

func (osFS) Truncate(name string, size int64) error {
	f, err := os.OpenFile(name, os.O_WRONLY|unix.O_NOFOLLOW, 0)
	if err != nil {
		return err
	}
	defer f.Close()
	if err := f.Truncate(size); err != nil {
		return err
	}
	return f.Sync()
}

func (osFS) Rename(from, to string) error { return os.Rename(from, to) }

func (osFS) Remove(name string) error { return os.Remove(name) }

func (osFS) SyncDir(dir string) error {
	f, err := os.Open(filepath.Clean(dir))
	if err != nil {
		return err
	}
	defer f.Close()
	return f.Sync()
}

// Identity uses the file system's handle where there is one, because an inode
// number alone is given to a new file soon after the old one is deleted.
func (osFS) Identity(name string) (Identity, error) {
	h := sha256.New()
	if kind, handle, ok := fileHandle(name); ok {
		fmt.Fprintf(h, "handle %d ", kind)
		h.Write(handle)
		return Identity(h.Sum(nil)[:16]), nil
	}
	var st unix.Stat_t
	if err := unix.Lstat(name, &st); err != nil {
		return Identity{}, &os.PathError{Op: "lstat", Path: name, Err: err}
	}
	var b [16]byte
	binary.LittleEndian.PutUint64(b[:], uint64(st.Dev))
	binary.LittleEndian.PutUint64(b[8:], st.Ino)
	h.Write([]byte("inode "))
	h.Write(b[:])
	return Identity(h.Sum(nil)[:16]), nil
}

// osFile is an open file whose Sync leaves out the metadata that is not needed
// to read it back.
type osFile struct{ *os.File }

func (f osFile) Sync() error { return datasync(f.File) }
