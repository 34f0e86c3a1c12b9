// Package pcsctest runs the real PC/SC daemon of Debian, with a virtual reader
// of vsmartcard-vpcd and virtual cards in it, for tests. The daemon has a socket
// and a configuration of its own, so that one that is there already is left
// alone.
package pcsctest

import (
	"bytes"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"syscall"
	"testing"
	"time"
)

// library is the driver of the virtual reader, as Debian's package installs it.
const library = "/usr/lib/pcsc/drivers/serial/libifdvpcd.so"

// Name is what the virtual readers are called; Slots is how many there are.
const (
	Name  = "Hallmark test reader"
	Slots = 2
)

// Daemon is a running daemon. Its reader has two slots.
type Daemon struct {
	Socket string

	t      testing.TB
	cmd    *exec.Cmd
	port   int
	output output
}

// Start runs a daemon until the test ends. It needs pcscd and vsmartcard-vpcd,
// and to be root, as pcscd does.
func Start(t testing.TB) *Daemon {
	t.Helper()
	if _, err := os.Stat(library); err != nil {
		t.Fatalf("the virtual reader is needed (Debian: apt-get install pcscd vsmartcard-vpcd): %v", err)
	}
	dir := t.TempDir()
	d := &Daemon{t: t, Socket: filepath.Join(dir, "pcscd.comm"), port: freePorts(t)}
	config := fmt.Sprintf("FRIENDLYNAME %q\nDEVICENAME /dev/null:0x%X\nLIBPATH %s\nCHANNELID 0x%X\n", Name, d.port, library, d.port)
	readers := filepath.Join(dir, "readers")
	if err := os.Mkdir(readers, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(readers, "vpcd"), []byte(config), 0o644); err != nil {
		t.Fatal(err)
	}
	d.run(readers)
	return d
}

// freePorts returns a port that is free, with those of the further slots behind
// it.
func freePorts(t testing.TB) int {
	t.Helper()
	for range 100 {
		first, err := net.Listen("tcp", "0.0.0.0:0")
		if err != nil {
			t.Fatal(err)
		}
		port := first.Addr().(*net.TCPAddr).Port
		second, err := net.Listen("tcp", fmt.Sprint("0.0.0.0:", port+1))
		_ = first.Close()
		if err == nil {
			_ = second.Close()
			return port
		}
	}
	t.Fatal("no two ports in a row are free")
	return 0
}

// run starts the daemon with the socket that it would get from systemd: the one
// way to give it another than its own.
func (d *Daemon) run(readers string) {
	d.t.Helper()
	listener, err := net.ListenUnix("unix", &net.UnixAddr{Name: d.Socket, Net: "unix"})
	if err != nil {
		d.t.Fatal(err)
	}
	socket, err := listener.File()
	if err != nil {
		d.t.Fatal(err)
	}
	d.t.Cleanup(func() { _, _ = socket.Close(), listener.Close() })
	d.cmd = exec.Command("sh", "-c", `LISTEN_PID=$$ LISTEN_FDS=1 exec pcscd --foreground --config "$1"`, "sh", readers)
	d.cmd.ExtraFiles = []*os.File{socket}
	d.cmd.Stdout, d.cmd.Stderr = &d.output, &d.output
	if err := d.cmd.Start(); err != nil {
		d.t.Fatal(err)
	}
	d.t.Cleanup(d.Stop)
}

// Stop ends the daemon, as the end of the test does.
func (d *Daemon) Stop() {
	_ = d.cmd.Process.Signal(syscall.SIGTERM) // fails when it has ended already
	_ = d.cmd.Wait()
	if d.t.Failed() {
		d.t.Logf("pcscd said:\n%s", d.output.String())
	}
}

// Await waits until something has happened.
func (d *Daemon) Await(what string, happened func() bool) {
	d.t.Helper()
	for deadline := time.Now().Add(time.Minute); !happened(); time.Sleep(20 * time.Millisecond) {
		if time.Now().After(deadline) {
			d.t.Fatalf("%s does not happen; pcscd said:\n%s", what, d.output.String())
		}
	}
}

// output collects what the daemon prints.
type output struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (o *output) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.b.Write(p)
}

func (o *output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.b.String()
}
