package main

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"os"

	"github.com/hallmark-id/hallmark/internal/bench"
)

// BenchCmd measures a server.
type BenchCmd struct {
	Run         BenchRunCmd   `cmd:"" default:"withargs" help:"Measure the server's CPU per request next to a bare net/http hello."`
	Call        BenchCallCmd  `cmd:"" help:"Put one call of a door under load, at a rate or as fast as it goes."`
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
	All         bool   `help:"Also: at 70 % of the rate (open loop), over TLS, over 256 connections, each algorithm, every other call. Takes some five minutes."`
	Beside      string `placeholder:"FILE" help:"Measure other servers in the same rounds: a JSON array of name, url, pid, success and requests (method, path, header, body)."`
	Check       bool   `help:"Exit 1 when a figure is past its limit."`
	Markdown    bool   `help:"Print tables in Markdown."`
	PprofListen string `placeholder:"ADDR" help:"Where the measured server shows its profile, a loopback address."`
}

// Help is shown by hallmark bench --help.
func (*BenchRunCmd) Help() string {
	return `Starts a bare net/http server and a Hallmark server on a temporary store, each in a process
of its own, sends both the same kind of load and prints the CPU time they spend on a request.
That figure, relative to the bare server's, is comparable between machines; rates are not.

  hallmark bench
  hallmark bench --all --markdown
  hallmark bench --rounds 15 -o json

One call alone, at a rate, against a server that runs: hallmark bench call. A fleet of devices: hallmark bench fleet.`
}

// Run measures and prints.
func (c *BenchRunCmd) Run(ctx context.Context, env *Env) error {
	if c.Requests < 100 || c.Rounds < 1 || c.Connections < 1 || c.Devices < 1 {
		return usage("at least 100 requests, 1 round, 1 connection and 1 device are needed")
	}
	others, err := c.others()
	if err != nil {
		return err
	}
	report, err := bench.Run(ctx, bench.Config{Requests: c.Requests, Rounds: c.Rounds, Connections: c.Connections, Devices: c.Devices, Store: c.Store,
		Beside: others, All: c.All, PprofListen: c.PprofListen, Only: c.Only, Progress: env.Stderr})
	if err != nil {
		return err
	}
	text := report.Print
	if c.Markdown {
		text = report.PrintMarkdown
	}
	if err := env.show(report, text); err != nil {
		return err
	}
	if c.Check && report.Failed() {
		return withHint(errors.New("a figure is past its limit"), "run it again on a quiet machine before believing it")
	}
	return nil
}

// others are the servers in the file of --beside.
func (c *BenchRunCmd) others() ([]bench.Other, error) {
	if c.Beside == "" {
		return nil, nil
	}
	text, err := os.ReadFile(c.Beside)
	if err != nil {
		return nil, fmt.Errorf("--beside: %w", err)
	}
	others, err := bench.ParseOthers(text)
	if err != nil {
		return nil, fmt.Errorf("--beside: %s: %w", c.Beside, err)
	}
	return others, nil
}

// BenchHello is the yardstick's process.
type BenchHello struct {
	ReadyFile string `required:""`
	TLSCert   string
	TLSKey    string
}

// Run serves hello until the context ends.
func (c *BenchHello) Run(ctx context.Context) error {
	if c.TLSCert == "" {
		return bench.ServeHello(ctx, c.ReadyFile, nil)
	}
	certificate, err := tls.LoadX509KeyPair(c.TLSCert, c.TLSKey)
	if err != nil {
		return err
	}
	return bench.ServeHello(ctx, c.ReadyFile, &certificate)
}
