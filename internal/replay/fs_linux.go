package replay

import (
	"os"

	"golang.org/x/sys/unix"
)

// fileHandle returns the handle by which the file system would find the file
// again after a restart. Not every file system has one.
func fileHandle(name string) (kind int32, handle []byte, ok bool) {
	h, _, err := unix.NameToHandleAt(unix.AT_FDCWD, name, 0)
	if err != nil {
		return 0, nil, false
	}
	return h.Type(), h.Bytes(), true
}

// datasync is fdatasync. Only an interruption by a signal is repeated: it says
// nothing about the disk.
func datasync(f *os.File) error {
	for {
		err := unix.Fdatasync(int(f.Fd()))
		if err == nil {
			return nil
		}
		if err != unix.EINTR {
			return &os.PathError{Op: "fdatasync", Path: f.Name(), Err: err}
		}
	}
}
