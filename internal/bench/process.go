package bench

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/hallmark-id/hallmark/internal/durable"
)

// process is a server in a process of its own, so that its CPU time is its own.
type process struct {
	cmd  *exec.Cmd
	url  string
	done chan error
}

// startTimeout is how long a server may take to be ready.
const startTimeout = 30 * time.Second

// start runs this program again with args and a ready file, and waits for it.
func start(ctx context.Context, dir string, args ...string) (*process, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	ready := filepath.Join(dir, "ready")
	var output bytes.Buffer
	cmd := exec.CommandContext(ctx, self, append(args, "--ready-file", ready)...)
	cmd.Stdout, cmd.Stderr = &output, &output
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	p := &process{cmd: cmd, done: make(chan error, 1)}
	go func() { p.done <- cmd.Wait() }()
	ctx, cancel := context.WithTimeout(ctx, startTimeout)
	defer cancel()
	if p.url, err = p.awaitReady(ctx, ready); err != nil {
		_ = cmd.Process.Kill()
		<-p.done
		return nil, fmt.Errorf("start %s: %w: %s", args[0], err, strings.TrimSpace(output.String()))
	}
	return p, nil
}

// awaitReady polls for the ready file, which is renamed into place when whole.
func (p *process) awaitReady(ctx context.Context, file string) (string, error) {
	ticker := time.NewTicker(10 * time.Millisecond)
	defer ticker.Stop()
	for {
		text, err := os.ReadFile(file)
		if err == nil {
			return strings.TrimSpace(string(text)), os.Remove(file)
		}
		select {
		case <-ticker.C:
		case err := <-p.done:
			p.done <- err
			return "", errors.Join(errors.New("the server ended"), err)
		case <-ctx.Done():
			return "", ctx.Err()
		}
	}
}

// stop ends the process in order.
func (p *process) stop() error {
	if err := p.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		return err
	}
	return <-p.done
}

// address is the host and port of the process's URL.
func (p *process) address() string { return strings.TrimPrefix(p.url, "http://") }

// clockTick is the unit of /proc/PID/stat on Linux.
const clockTick = 10 * time.Millisecond

// cpu returns the CPU time the process has used, user and system together.
func (p *process) cpu() (time.Duration, error) {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", p.cmd.Process.Pid))
	if err != nil {
		return 0, fmt.Errorf("the CPU time of a process can be read on Linux only: %w", err)
	}
	// The name may hold spaces: count the fields after its closing bracket.
	fields := strings.Fields(string(text[bytes.LastIndexByte(text, ')')+1:]))
	const user, system = 11, 12 // fields 14 and 15 of proc(5), the first after the name being 3
	if len(fields) <= system {
		return 0, errors.New("/proc/PID/stat has another form than expected")
	}
	u, err1 := strconv.ParseInt(fields[user], 10, 64)
	s, err2 := strconv.ParseInt(fields[system], 10, 64)
	return time.Duration(u+s) * clockTick, errors.Join(err1, err2)
}

// ServeHello runs the yardstick: a bare net/http server that says hello. It
// returns when ctx ends.
func ServeHello(ctx context.Context, readyFile string) error {
	hello := []byte("hello")
	srv := &http.Server{ReadHeaderTimeout: time.Minute, Handler: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		_, _ = w.Write(hello)
	})}
	l, err := listenLoopback()
	if err != nil {
		return err
	}
	if err := durable.WriteFile(readyFile, []byte("http://"+l.Addr().String()), 0o644); err != nil {
		return err
	}
	context.AfterFunc(ctx, func() { _ = srv.Close() })
	if err := srv.Serve(l); !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return nil
}
