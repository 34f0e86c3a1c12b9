// Package demo shows the product at work: a real server on a temporary store,
// devices of several kinds that prove themselves, and the attacks that a server
// has to refuse. It talks to the server over HTTP only, as back ends do.
package demo

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"text/tabwriter"

	"github.com/hallmark-id/hallmark/internal/operator"
	"github.com/hallmark-id/hallmark/internal/server"
)

// Demo is one run.
type Demo struct {
	ctx     context.Context
	out     io.Writer
	op      *operator.Client
	url     string
	itls    string // where devices provision themselves
	access  operator.CreatedClient
	subject string // what is being tried with
	rows    []row
}

// row is one thing that was tried.
type row struct {
	what, expected, got string
}

func (r row) ok() bool { return r.expected == r.got }

// ErrDifferent says that something did not come out as it should.
var ErrDifferent = errors.New("something did not come out as expected")

// Run plays the demonstration and tells the story on out. It returns
// ErrDifferent when an outcome was not the expected one.
func Run(ctx context.Context, out io.Writer) (err error) {
	dir, err := os.MkdirTemp("", "hallmark-demo-")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	s, err := server.Start(ctx, server.Config{DataDir: dir, Listen: "127.0.0.1:0", ITLSListen: "127.0.0.1:0"})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.Shutdown(context.WithoutCancel(ctx))) }()
	d, err := open(ctx, out, s, dir)
	if err != nil {
		return err
	}
	if err := d.play(); err != nil {
		return err
	}
	return d.conclude()
}

func open(ctx context.Context, out io.Writer, s *server.Server, dir string) (*Demo, error) {
	token, err := os.ReadFile(filepath.Join(dir, server.TokenFile))
	if err != nil {
		return nil, err
	}
	d := &Demo{ctx: ctx, out: out, url: s.URL(), itls: s.ITLSAddress()}
	d.op = operator.NewClient(operator.ClientOptions{URL: d.url, Token: strings.TrimSpace(string(token))})
	d.say("A server is running at %s on a temporary store.", d.url)
	d.access, err = d.op.CreateAPIClient(ctx, operator.ClientSpec{Door: "id2", Name: "demo back end"})
	if err != nil {
		return nil, err
	}
	d.say("The back end has its access key: %s", d.access.AccessKeyID)
	return d, nil
}

func (d *Demo) say(format string, args ...any) { fmt.Fprintf(d.out, format+"\n", args...) }

// check records an outcome.
func (d *Demo) check(what, expected, got string) {
	d.rows = append(d.rows, row{d.subject + ": " + what, expected, got})
}

func (d *Demo) play() error {
	var attacked *fieldDevice
	for _, algorithm := range []string{"aes128", "3des168", "sm4", "rsa1024", "sm2"} {
		dev, err := d.newDevice(algorithm)
		if err != nil {
			return err
		}
		d.subject = algorithm
		d.say("\n%s: product %s, device %s", algorithm, dev.product, dev.id)
		if err := d.genuine(dev); err != nil {
			return err
		}
		if attacked == nil {
			attacked = dev
		}
	}
	if err := d.secureElement(); err != nil {
		return err
	}
	if err := d.provisioning(); err != nil {
		return err
	}
	if err := d.certificates(); err != nil {
		return err
	}
	if err := d.scanLogin(); err != nil {
		return err
	}
	d.subject = "attack"
	d.say("\nAnd now the attacks, on %s:", attacked.id)
	return d.attacks(attacked)
}

// conclude prints the table and the verdict.
func (d *Demo) conclude() error {
	t := tabwriter.NewWriter(d.out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "\nwhat\texpected\thappened\t")
	wrong := 0
	for _, r := range d.rows {
		mark := "ok"
		if !r.ok() {
			mark = "WRONG"
			wrong++
		}
		fmt.Fprintf(t, "%s\t%s\t%s\t%s\n", r.what, r.expected, r.got, mark)
	}
	_ = t.Flush()
	if wrong > 0 {
		return fmt.Errorf("%d of %d: %w", wrong, len(d.rows), ErrDifferent)
	}
	d.say("\nAll %d outcomes are as expected: genuine devices were proven, impostors refused.", len(d.rows))
	return nil
}
