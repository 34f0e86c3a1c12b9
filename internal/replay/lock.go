package replay

import (
	"errors"
	"fmt"
	"io"
	"os"

	"golang.org/x/sys/unix"
)

// Lock takes an exclusive lock on the file at path, which it creates when it
// is missing and never removes. The lock is held until the returned Closer is
// closed or the process ends, however it ends. It fails at once with
// [ErrLocked] when another process, or another caller in this one, holds it.
func Lock(path string) (io.Closer, error) {
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE|unix.O_NOFOLLOW|unix.O_NONBLOCK, 0o600)
	if err != nil {
		return nil, fmt.Errorf("replay: open lock file: %w", err)
	}
	if err := flock(f); err != nil {
		f.Close()
		return nil, err
	}
	return f, nil
}

// flock locks f without waiting. The lock belongs to the open file: closing f
// releases it.
func flock(f *os.File) error {
	info, err := f.Stat()
	if err != nil {
		return fmt.Errorf("replay: lock file: %w", err)
	}
	if !info.Mode().IsRegular() {
		return fmt.Errorf("replay: lock file %s is not a regular file", f.Name())
	}
	for {
		err = unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB)
		if err != unix.EINTR {
			break
		}
	}
	if errors.Is(err, unix.EWOULDBLOCK) {
		return fmt.Errorf("%w: %s", ErrLocked, f.Name())
	}
	if err != nil {
		return fmt.Errorf("replay: lock %s: %w", f.Name(), err)
	}
	return nil
}
