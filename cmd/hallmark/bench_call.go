package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/hallmark-id/hallmark/internal/bench"
	"github.com/hallmark-id/hallmark/internal/calls"
	"github.com/hallmark-id/hallmark/internal/target"
)

// BenchCallCmd puts one call under load.
type BenchCallCmd struct {
	Call        string        `arg:"" help:"Which call; see above."`
	Algorithm   string        `placeholder:"A" help:"Kind of key of the devices; the first one named for the call if not given."`
	Rate        float64       `placeholder:"N" help:"Requests due each second, evenly spaced (open loop); as fast as they are answered if not given (closed loop)."`
	Connections int           `default:"64" help:"Requests that are under way at most, each on a connection of its own."`
	Duration    time.Duration `default:"10s" help:"How long requests are sent, without the pauses to make them."`
	Devices     int           `default:"1000" help:"Devices that take turns."`
	benchTarget
}

// Help is shown by hallmark bench call --help.
func (*BenchCallCmd) Help() string {
	var b strings.Builder
	b.WriteString(`Starts a server on a temporary store, or with --data or --server takes one that runs; makes what the call needs
there, and sends it. Shows rate, latencies, refusals by code and the server's CPU, on a terminal live, and prints them
at the end; an interrupt ends it early. Requests are made before the clock runs, in stretches of some seconds.

With --rate latency counts from when a request was due, not from when a connection was free to send it: a server
that stalls is not flattered.

  hallmark bench call verify-challenge --algorithm sm4
  hallmark bench call verify-timestamp --rate 5000 --duration 1m
  hallmark bench call login-verify --data ./data -o json

Calls, and the algorithms of each:

`)
	for _, k := range calls.Kinds() {
		fmt.Fprintf(&b, "  %-18s %s: %s. %s\n\n", k.Name, k.Action, k.Help, strings.Join(k.Algorithms, ", "))
	}
	return b.String()
}

// Validate refuses what cannot be.
func (c *BenchCallCmd) Validate() error {
	kind, err := calls.Find(c.Call)
	if err != nil {
		return err
	}
	if c.Algorithm, err = kind.Choose(c.Algorithm); err != nil {
		return err
	}
	if c.Rate < 0 || c.Connections < 1 || c.Devices < 1 || c.Duration < bench.ShortestDuration {
		return fmt.Errorf("at least 1 connection, 1 device, %s and no negative rate are needed", bench.ShortestDuration)
	}
	return nil
}

// callReport is what the command prints.
type callReport struct {
	Call        string `json:"call"`
	Door        string `json:"door"`
	Action      string `json:"action"`
	Algorithm   string `json:"algorithm,omitempty"`
	Server      string `json:"server"`
	Connections int    `json:"connections"`
	Interrupted bool   `json:"interrupted"`
	bench.Result
}

// Run measures and prints.
func (c *BenchCallCmd) Run(ctx context.Context, e *Env) (err error) {
	kind, err := calls.Find(c.Call)
	if err != nil {
		return err
	}
	on, stop, err := c.target(ctx, e, kind.Door == "ciss")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, stop()) }()
	report := callReport{Call: kind.Name, Door: kind.Door, Action: kind.Action, Algorithm: c.Algorithm, Server: on.Door, Connections: c.Connections}
	if err := c.measure(ctx, e, kind, on, &report); err != nil {
		return err
	}
	return e.show(report, func(w io.Writer) { bench.PrintResult(w, report.title(), report.Result, report.Interrupted) })
}

// measure makes what the call needs, and takes it back in the end.
func (c *BenchCallCmd) measure(ctx context.Context, e *Env, kind calls.Kind, on target.Target, report *callReport) (err error) {
	dial, err := on.Dialer()
	if err != nil {
		return err
	}
	e.note("preparing %s on %s", report.title(), on.Door)
	call, err := kind.Open(ctx, on, calls.Spec{Algorithm: c.Algorithm, Devices: c.Devices})
	if err != nil {
		return err
	}
	defer func() {
		gone := call.Close(ctx)
		if !on.Own || !report.Interrupted { // an interrupt at a terminal ends a server of our own too
			err = errors.Join(err, gone)
		}
	}()
	m := bench.NewMeasurement(bench.Subject{Dial: dial, CPU: on.CPU, Prepare: call.Prepare, Judge: call.Judge},
		bench.Plan{Connections: c.Connections, Rate: c.Rate, Duration: c.Duration})
	restore := e.watchCall(m, report.title(), c.Duration)
	err = m.Run(ctx)
	restore()
	report.Result, report.Interrupted = m.Result(), ctx.Err() != nil
	if report.Interrupted && report.Answers() > 0 {
		err = nil
	}
	if err == nil && !on.Own && call.Left != "" {
		e.note("left on the server: %s", call.Left)
	}
	return err
}

// title names the call for people.
func (r *callReport) title() string {
	text := r.Call
	if r.Algorithm != "" {
		text += " " + r.Algorithm
	}
	return text + " (" + r.Action + ")"
}

// watchCall shows a measurement on standard error: live on a terminal, else a
// line now and then. What it returns ends that.
func (e *Env) watchCall(m *bench.Measurement, title string, duration time.Duration) (restore func()) {
	draw, every, clear := e.shower(func(width int) []string { return bench.View(title, m.Result(), duration, width) },
		func() string { return bench.Line(m.Result()) })
	done, stopped := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(stopped)
		ticker := time.NewTicker(every)
		defer ticker.Stop()
		for {
			select {
			case <-ticker.C:
				draw()
			case <-done:
				return
			}
		}
	}()
	return func() {
		close(done)
		<-stopped
		clear()
	}
}
