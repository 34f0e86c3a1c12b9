// Package process runs Hallmark servers as processes of their own, for the
// benchmark and for the tests that kill them.
package process

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"sync"
	"syscall"
	"time"
)

// Process is a server that has been started.
type Process struct {
	// URL is what its ready file held.
	URL string

	cmd    *exec.Cmd
	output *output
	done   chan struct{} // closed when it has ended
	err    error         // of the end, set before done is closed
}

// startTimeout is how long a server may take to be ready.
const startTimeout = time.Minute

// Start runs a program and returns once the file that its flag --ready-file
// names is there; the flag is added to args. The file is removed again.
func Start(ctx context.Context, program, readyFile string, args ...string) (*Process, error) {
	p := &Process{output: new(output), done: make(chan struct{})}
	p.cmd = exec.Command(program, append(args, "--ready-file", readyFile)...)
	p.cmd.Stdout, p.cmd.Stderr = p.output, p.output
	if err := p.cmd.Start(); err != nil {
		return nil, err
	}
	go func() {
		p.err = p.cmd.Wait()
		close(p.done)
	}()
	ctx, cancel := context.WithTimeout(ctx, startTimeout)
	defer cancel()
	if err := p.awaitReady(ctx, readyFile); err != nil {
		p.Kill()
		return nil, fmt.Errorf("start %s %s: %w: %s", program, args[0], err, strings.TrimSpace(p.Output()))
	}
	return p, nil
}

// awaitReady looks for the ready file, which is renamed into place when whole.
func (p *Process) awaitReady(ctx context.Context, file string) error {
	ticker := time.NewTicker(5 * time.Millisecond)
	defer ticker.Stop()
	for {
		if text, err := os.ReadFile(file); err == nil {
			p.URL = strings.TrimSpace(string(text))
			return os.Remove(file)
		}
		select {
		case <-ticker.C:
		case <-p.done:
			return errors.Join(errors.New("it ended"), p.err)
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// Address is the host and port of the URL.
func (p *Process) Address() string {
	_, address, _ := strings.Cut(p.URL, "://")
	return address
}

// PID is the number of the process.
func (p *Process) PID() int { return p.cmd.Process.Pid }

// Output is what the process has printed.
func (p *Process) Output() string { return p.output.String() }

// Kill ends the process at once, as a crash would, and waits until it is gone.
func (p *Process) Kill() {
	_ = p.cmd.Process.Kill() // fails when it has ended already
	<-p.done
}

// Stop asks the process to end and returns how it did.
func (p *Process) Stop() error {
	if err := p.cmd.Process.Signal(syscall.SIGTERM); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return err
	}
	<-p.done
	return p.err
}

// CPU returns the processor time used so far, user and system together.
func (p *Process) CPU() (time.Duration, error) { return CPU(p.PID()) }

// output collects what a process prints while others may read it.
type output struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (o *output) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.buf.Write(p)
}

func (o *output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.buf.String()
}
