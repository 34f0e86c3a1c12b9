package main

import (
	"cmp"
	"context"
	"errors"
	"net/http"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/hallmark-id/hallmark/internal/process"
	"github.com/hallmark-id/hallmark/internal/target"
)

// benchTarget are the flags that choose the server which load is put on.
type benchTarget struct {
	Store string `placeholder:"URL" help:"Run the temporary server on this empty PostgreSQL database."`
	TLS   bool   `name:"tls" help:"Run the temporary server over TLS."`
	Door  string `placeholder:"URL" help:"Base URL of the doors, where --server is that of the operator API alone."`
	PID   int    `name:"pid" placeholder:"N" help:"Process of the running server, on this machine, whose CPU counts; --data finds it by itself."`
}

// target is the server that the flags name, or one of our own. The environment
// does not count: who forgets that it names a server would load that.
func (c *benchTarget) target(ctx context.Context, e *Env, behind bool) (t target.Target, stop func() error, err error) {
	if e.Data == "" && e.Server == "" {
		if c.Door != "" || c.PID != 0 {
			return t, nil, usage("--door and --pid go with --server URL or --data DIR")
		}
		return target.StartOwn(ctx, target.Options{Store: c.Store, TLS: c.TLS, Behind: behind})
	}
	if c.Store != "" || c.TLS {
		return t, nil, usage("--store and --tls are for a temporary server: they do not go with --data or --server")
	}
	t, err = c.running(e)
	return t, func() error { return nil }, err
}

// running is the server that the flags name.
func (c *benchTarget) running(e *Env) (t target.Target, err error) {
	if t.Operator, err = e.client(); err != nil {
		return t, err
	}
	if t.Console, _, err = e.locate(); err != nil {
		return t, err
	}
	t.Door = cmp.Or(c.Door, e.Server)
	pid := c.PID
	if e.Data != "" {
		running, err := findRunning(e.Data)
		if err != nil {
			return t, err
		}
		t.Door = cmp.Or(t.Door, running.URL)
		if pid == 0 && isServing(running.PID) {
			pid = running.PID
		}
	}
	transport, err := e.transport()
	if err != nil {
		return t, err
	}
	t.Transport = transport.(*http.Transport)
	if pid == 0 {
		return t, nil
	}
	if _, err := process.CPU(pid); err != nil {
		return t, errors.Join(err, errors.New("--pid names a process of this machine"))
	}
	t.CPU = func() (time.Duration, error) { return process.CPU(pid) }
	return t, nil
}

// isServing reports whether a process is a Hallmark server: the number in a data
// directory may be from another container, where it names another process.
func isServing(pid int) bool {
	text, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/cmdline")
	return err == nil && slices.Contains(strings.Split(string(text), "\x00"), "serve")
}
