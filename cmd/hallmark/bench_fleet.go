package main

import (
	"context"
	"errors"
	"io"
	"time"

	"github.com/hallmark-id/hallmark/id2"
	"github.com/hallmark-id/hallmark/internal/fleet"
)

// BenchFleetCmd plays a fleet of devices.
type BenchFleetCmd struct {
	Devices     int           `default:"1000" help:"How many devices there are."`
	Connections int           `default:"64" help:"How many of them talk at once."`
	Interval    time.Duration `default:"10s" help:"How often each device authenticates, give or take a tenth."`
	Duration    time.Duration `default:"30s" help:"How long they do, once all have been provisioned."`
	Challenge   bool          `help:"Let devices answer challenges instead of signing the time."`
	Algorithm   string        `default:"aes128" placeholder:"A" help:"Kind of key they get; a symmetric one."`
	Quota       limit         `default:"unlimited" placeholder:"N" help:"Licences of their product; the devices beyond are refused."`

	benchTarget
}

// Help is shown by hallmark bench fleet --help.
func (*BenchFleetCmd) Help() string {
	return `Starts a server on a temporary store, or with --data or --server takes one that runs. There it makes a product
and lets every device ask for its identity by one-time token (OtpGetId2); then each authenticates (Verify) again and
again, at its own times. Shows how that goes, on a terminal live, and prints the figures at the end; an interrupt
ends it early. On a running server the product and its devices stay; every device is a licence.

  hallmark bench fleet --devices 10000 --quota 9000
  hallmark bench fleet --data ./data --devices 500 --interval 1m --duration 10m -o json`
}

// Validate refuses a fleet that cannot be.
func (c *BenchFleetCmd) Validate() error {
	a, err := id2.ParseAlgorithm(c.Algorithm)
	switch {
	case err != nil || !id2.OTPKeyTypeOf(a).Provisionable():
		return errors.New("--algorithm must be one of one-time provisioning: aes128, aes192, aes256, 3des112, 3des168, sm4")
	case c.Devices < 1 || c.Connections < 1 || c.Interval <= 0 || c.Duration < 0:
		return errors.New("at least 1 device, 1 connection and an interval are needed")
	}
	return nil
}

// Run plays and prints.
func (c *BenchFleetCmd) Run(ctx context.Context, e *Env) (err error) {
	on, stop, err := c.target(ctx, e, false)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, stop()) }()
	config := fleet.Config{Devices: c.Devices, Connections: c.Connections, Algorithm: c.Algorithm, Quota: int64(c.Quota),
		Interval: c.Interval, Duration: c.Duration, Challenge: c.Challenge}
	restore := e.watchFleet(&config)
	last, err := fleet.Run(ctx, on, config)
	restore()
	if err != nil {
		return err
	}
	if !on.Own {
		e.note("left on the server: product %s and its devices", last.ProductKey)
	}
	return e.show(last, func(w io.Writer) { fleet.Print(w, last) })
}

// watchFleet shows a fleet on standard error. What it returns takes a live view
// away.
func (e *Env) watchFleet(c *fleet.Config) (restore func()) {
	var last fleet.Snapshot
	draw, every, restore := e.shower(func(width int) []string { return fleet.View(last, width) }, func() string { return fleet.Line(last) })
	c.Every = every
	c.Watch = func(s fleet.Snapshot) {
		last = s
		draw()
	}
	return restore
}
