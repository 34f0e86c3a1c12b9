// Package durable writes small files so that they are whole and on disk, or
// not there at all.
package durable

import (
	"fmt"
	"os"
	"path/filepath"
)

// WriteFile replaces path with data. The sequence is
//
//	open(tmp, O_CREAT|O_EXCL), write, fsync, rename(tmp, path), fsync(dir)
//
// so that after a crash the old or the new content is there, never a part, and
// after a return without error the new content survives a power cut.
func WriteFile(path string, data []byte, mode os.FileMode) error {
	dir := filepath.Dir(path)
	tmp, err := os.CreateTemp(dir, "."+filepath.Base(path)+".tmp-*")
	if err != nil {
		return err
	}
	defer os.Remove(tmp.Name()) // a leftover after a failure; a no-op after the rename
	if err := fill(tmp, data, mode); err != nil {
		tmp.Close()
		return fmt.Errorf("write %s: %w", path, err)
	}
	if err := tmp.Close(); err != nil {
		return err
	}
	if err := os.Rename(tmp.Name(), path); err != nil {
		return err
	}
	return SyncDir(dir)
}

func fill(f *os.File, data []byte, mode os.FileMode) error {
	if err := f.Chmod(mode); err != nil {
		return err
	}
	if _, err := f.Write(data); err != nil {
		return err
	}
	return f.Sync()
}

// SyncDir makes the names in a directory durable.
func SyncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	defer d.Close()
	return d.Sync()
}
