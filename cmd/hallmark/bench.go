package main

import (
	"context"
	"errors"
	"io"

	"github.com/hallmark-id/hallmark/internal/bench"
)

// BenchCmd measures a server.
type BenchCmd struct {
	Run         BenchRunCmd   `cmd:"" default:"withargs" help:"Measure the server's CPU per request next to a bare net/http hello."`
	Fleet       BenchFleetCmd `cmd:"" help:"Play a fleet: devices get their identity by one-time token and authenticate on a schedule."`
	HelloServer BenchHello    `cmd:"" hidden:""`
}

// BenchRunCmd starts servers of its own and measures them.
type BenchRunCmd struct {
	Requests    int    `default:"20000" help:"Requests of each measurement in a round."`
	Rounds      int    `default:"7" help:"How often all is measured in turn; the middle counts."`
	Connections int    `default:"64" help:"Connections that ask at once."`
	Devices     int    `default:"1000" help:"Devices that take turns."`
	Store       string `placeholder:"URL" help:"Measure on this empty PostgreSQL database as well."`
	Only        string `placeholder:"TEXT" help:"Measure only what has this in its name."`
	Check       bool   `help:"Exit 1 when a figure is past its limit."`
	PprofListen string `placeholder:"ADDR" help:"Where the measured server shows its profile, a loopback address."`
}

// Help is shown by hallmark bench --help.
func (*BenchRunCmd) Help() string {
	return `Starts a bare net/http server and a Hallmark server on a temporary store, each in a process
of its own, sends both the same kind of load and prints the CPU time they spend on a request.
That figure, relative to the bare server's, is comparable between machines; rates are not.

  hallmark bench
  hallmark bench --rounds 15 -o json`
}

// Run measures and prints.
func (c *BenchRunCmd) Run(ctx context.Context, env *Env) error {
	if c.Requests < 100 || c.Rounds < 1 || c.Connections < 1 || c.Devices < 1 {
		return usage("at least 100 requests, 1 round, 1 connection and 1 device are needed")
	}
	report, err := bench.Run(ctx, bench.Config{Requests: c.Requests, Rounds: c.Rounds, Connections: c.Connections, Devices: c.Devices, Store: c.Store, PprofListen: c.PprofListen, Only: c.Only, Progress: env.Stderr})
	if err != nil {
		return err
	}
	if err := env.show(report, func(w io.Writer) { report.Print(w) }); err != nil {
		return err
	}
	if c.Check && report.Failed() {
		return withHint(errors.New("a figure is past its limit"), "run it again on a quiet machine before believing it")
	}
	return nil
}

// BenchHello is the yardstick's process.
type BenchHello struct {
	ReadyFile string `required:""`
}

// Run serves hello until the context ends.
func (c *BenchHello) Run(ctx context.Context) error { return bench.ServeHello(ctx, c.ReadyFile) }
