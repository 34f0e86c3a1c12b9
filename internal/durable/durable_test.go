package durable_test

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"testing"

	"github.com/hallmark-id/hallmark/internal/durable"
)

func TestWriteFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "file")
	for i, mode := range []os.FileMode{0o600, 0o644, 0o400, 0o600} {
		data := bytes.Repeat([]byte{byte(i)}, i*100_000)
		if err := durable.WriteFile(path, data, mode); err != nil {
			t.Fatal(err)
		}
		got, err := os.ReadFile(path)
		if err != nil || !bytes.Equal(got, data) {
			t.Errorf("write %d: %d bytes back, %v", i, len(got), err)
		}
		if info, err := os.Stat(path); err != nil || info.Mode().Perm() != mode {
			t.Errorf("write %d: mode %v, want %v whatever the umask, %v", i, info.Mode(), mode, err)
		}
	}
	onlyFile(t, path)
}

// onlyFile checks that no temporary file stays behind.
func onlyFile(t *testing.T, path string) {
	t.Helper()
	entries, err := os.ReadDir(filepath.Dir(path))
	if err != nil || len(entries) != 1 || entries[0].Name() != filepath.Base(path) {
		t.Errorf("left behind: %v, %v", entries, err)
	}
}

// A write that fails leaves the old content and no litter.
func TestWriteFileFails(t *testing.T) {
	dir := t.TempDir()
	if err := durable.WriteFile(filepath.Join(dir, "missing", "file"), nil, 0o600); err == nil {
		t.Error("written into a directory that does not exist")
	}
	taken := filepath.Join(dir, "taken")
	if err := os.MkdirAll(filepath.Join(taken, "inside"), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := durable.WriteFile(taken, []byte("x"), 0o600); err == nil {
		t.Error("written over a directory")
	}
	if _, err := os.Stat(filepath.Join(taken, "inside")); err != nil {
		t.Errorf("what was there is gone: %v", err)
	}
	onlyFile(t, taken)
}

// A reader sees the old or the new content, never a part, however many write.
func TestWriteFileIsWhole(t *testing.T) {
	path := filepath.Join(t.TempDir(), "file")
	content := func(n int) []byte { return bytes.Repeat(fmt.Appendf(nil, "%03d", n), 20_000) }
	if err := durable.WriteFile(path, content(0), 0o600); err != nil {
		t.Fatal(err)
	}
	var writers, readers sync.WaitGroup
	stop := make(chan struct{})
	for range 2 {
		readers.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
				}
				got, err := os.ReadFile(path)
				if err != nil || len(got) != 60_000 || !bytes.Equal(got, bytes.Repeat(got[:3], 20_000)) {
					t.Errorf("a part: %d bytes, %v", len(got), err)
					return
				}
			}
		})
	}
	for w := range 3 {
		writers.Go(func() {
			for i := range 20 {
				if err := durable.WriteFile(path, content(w*100+i), 0o600); err != nil {
					t.Error(err)
				}
			}
		})
	}
	writers.Wait()
	close(stop)
	readers.Wait()
	onlyFile(t, path)
}

func TestSyncDir(t *testing.T) {
	dir := t.TempDir()
	if err := durable.SyncDir(dir); err != nil {
		t.Error(err)
	}
	if err := durable.SyncDir(filepath.Join(dir, "missing")); err == nil {
		t.Error("synced a directory that does not exist")
	}
}
