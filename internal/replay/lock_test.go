package replay

import (
	"bufio"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"golang.org/x/sys/unix"
)

func TestLock(t *testing.T) {
	path := filepath.Join(t.TempDir(), "lock")
	for range 2 {
		first, err := Lock(path)
		if err != nil {
			t.Fatal(err)
		}
		if second, err := Lock(path); !errors.Is(err, ErrLocked) {
			t.Errorf("second Lock = %v, %v", second, err)
		}
		if err := first.Close(); err != nil {
			t.Fatal(err)
		}
	}
	if info, err := os.Stat(path); err != nil || info.Mode() != 0o600 {
		t.Errorf("lock file: %v, %v", info.Mode(), err)
	}
}

func TestLockRefusesOtherFiles(t *testing.T) {
	dir := t.TempDir()
	link, pipe := filepath.Join(dir, "link"), filepath.Join(dir, "pipe")
	if err := errors.Join(os.Symlink(filepath.Join(dir, "f"), link), unix.Mkfifo(pipe, 0o600)); err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{dir, link, pipe, filepath.Join(dir, "missing", "lock")} {
		if l, err := Lock(path); err == nil {
			l.Close()
			t.Errorf("locked %s", path)
		}
	}
}

// TestLockEndsWithProcess has another process hold the lock until it is killed.
func TestLockEndsWithProcess(t *testing.T) {
	const mark = "HALLMARK_REPLAY_LOCK"
	if path := os.Getenv(mark); path != "" {
		if _, err := Lock(path); err != nil {
			t.Fatal(err)
		}
		os.Stdout.WriteString("locked\n")
		// Until killed, or until the other side is gone.
		io.Copy(io.Discard, os.Stdin)
		return
	}
	path := filepath.Join(t.TempDir(), "lock")
	cmd := exec.Command(os.Args[0], "-test.run=^TestLockEndsWithProcess$")
	cmd.Env = append(os.Environ(), mark+"="+path)
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	defer in.Close()
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil || line != "locked\n" {
		t.Fatalf("the other process said %q: %v", line, err)
	}
	if _, err := Lock(path); !errors.Is(err, ErrLocked) {
		t.Errorf("Lock = %v while another process holds it", err)
	}
	if err := cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	// It ends by the signal; there is nothing to learn from its status.
	_ = cmd.Wait()
	l, err := Lock(path)
	if err != nil {
		t.Fatal(err)
	}
	l.Close()
}
