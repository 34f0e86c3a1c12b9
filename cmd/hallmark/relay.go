package main

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"github.com/hallmark-id/hallmark/internal/operator"
)

// RelayCmd groups the commands for relaying.
type RelayCmd struct {
	Set     RelaySetCmd     `cmd:"" help:"Set the upstream ID² service and the access key for it."`
	Show    RelayShowCmd    `cmd:"" help:"Show the upstream, how it is doing, and how many devices still depend on it."`
	Devices RelayDevicesCmd `cmd:"" help:"List the devices that still depend on the upstream."`
	Off     RelayOffCmd     `cmd:"" help:"Relay nothing any more and forget the access key."`
}

// RelaySetCmd sets the upstream. The secret comes from a file: a command line is
// seen by everybody on the machine.
type RelaySetCmd struct {
	Endpoint       string        `required:"" placeholder:"URL" help:"The upstream's base URL."`
	AccessKeyID    string        `required:"" name:"access-key-id" placeholder:"ID" help:"Your access key (AccessKey ID) at the upstream."`
	SecretFile     string        `required:"" placeholder:"FILE|-" help:"File with the access key's secret (AccessKey Secret), - for standard input."`
	UpstreamCACert string        `name:"upstream-ca-cert" placeholder:"FILE" help:"Trust only the authorities in this PEM file for the upstream; the system's if not given."`
	Timeout        time.Duration `default:"2.5s" help:"How long the upstream may take for an answer."`
	InsecureHTTP   bool          `name:"insecure-http" help:"Allow plain HTTP to an address that others can reach."`
}

// Help implements kong.HelpProvider.
func (RelaySetCmd) Help() string {
	return "Relays nothing until a product's switch is on. Set it again to change the key or anything else.\n\nExample:\n\n" +
		"    hallmark --data ./data relay set --endpoint https://id2.cn-shanghai.aliyuncs.com --access-key-id LTAI4example --secret-file vendor.secret\n" +
		"    hallmark --data ./data product update a1Xy3ZpQ9rS --relay"
}

// Run sets the upstream.
func (cmd *RelaySetCmd) Run(ctx context.Context, e *Env) error {
	c, err := e.client()
	if err != nil {
		return err
	}
	secret, err := e.readKey(cmd.SecretFile)
	if err != nil {
		return err
	}
	spec := operator.RelaySpec{Endpoint: cmd.Endpoint, AccessKeyID: cmd.AccessKeyID, AccessKeySecret: strings.TrimSpace(secret),
		TimeoutMillis: cmd.Timeout.Milliseconds(), InsecureHTTP: cmd.InsecureHTTP}
	if cmd.UpstreamCACert != "" {
		pem, err := os.ReadFile(cmd.UpstreamCACert)
		if err != nil {
			return err
		}
		spec.CACertificates = string(pem)
	}
	r, err := c.SetRelay(ctx, spec)
	if err != nil {
		return err
	}
	if len(r.Products) == 0 {
		e.note("no product is relayed yet: hallmark product update PRODUCT --relay")
	}
	return e.printRelay(r)
}

// RelayShowCmd shows the upstream.
type RelayShowCmd struct{}

// Help implements kong.HelpProvider.
func (RelayShowCmd) Help() string {
	return "How the upstream is doing is what the node says that answers.\n\nExample:\n\n    hallmark --data ./data relay show"
}

// Run shows the upstream.
func (RelayShowCmd) Run(ctx context.Context, e *Env) error {
	c, err := e.client()
	if err != nil {
		return err
	}
	r, err := c.Relay(ctx)
	if err != nil {
		return err
	}
	return e.printRelay(r)
}

func (e *Env) printRelay(r operator.Relay) error {
	return e.show(r, func(out io.Writer) {
		var t table
		t.add("upstream", r.Endpoint)
		t.add("access key id", r.AccessKeyID)
		t.add("timeout", (time.Duration(r.TimeoutMillis) * time.Millisecond).String())
		t.add("changed", r.Changed)
		t.add("products", cmp.Or(strings.Join(r.Products, ", "), "none"))
		t.add("breaker", r.Breaker)
		if f := r.LastFailure; f != nil {
			t.add("last failure", fmt.Sprintf("%s: %s, %s", f.At, f.Result, f.Detail))
		}
		d := r.Devices
		t.add("devices that depend on it", fmt.Sprintf("%d seen in 24 hours, %d in 7 days, %d in 30 days, %d ever", d.Day, d.Week, d.Month, d.All))
		t.add("devices held here by now", fmt.Sprint(d.Held))
		t.write(out)
	})
}

// RelayDevicesCmd lists relayed devices.
type RelayDevicesCmd struct {
	Product string `placeholder:"PK" help:"Only those of a product."`
	Held    bool   `help:"Those whose key is held here by now, too."`
	After   string `placeholder:"ID2" help:"Begin after this id2: the next of the page before."`
	Limit   int    `default:"100" help:"How many, at most 1000."`
}

// Help implements kong.HelpProvider.
func (RelayDevicesCmd) Help() string {
	return "What a device did within the last seconds may not be counted yet.\n\nExample:\n\n" +
		"    hallmark --data ./data relay devices --product a1Xy3ZpQ9rS"
}

// Run lists relayed devices.
func (cmd *RelayDevicesCmd) Run(ctx context.Context, e *Env) error {
	c, err := e.client()
	if err != nil {
		return err
	}
	list, err := c.RelayedDevices(ctx, operator.RelayedQuery{Product: cmd.Product, Held: cmd.Held, After: cmd.After, Limit: cmd.Limit})
	if err != nil {
		return err
	}
	t := table{header: []string{"ID2", "PRODUCT KEY", "FIRST SEEN", "LAST SEEN", "AUTHENTICATED", "HELD HERE"}}
	for _, d := range list.Devices {
		t.add(d.ID2, d.ProductKey, d.FirstSeen, d.LastSeen, fmt.Sprint(d.AuthCount), yes(d.Held))
	}
	if list.Next != "" {
		e.note("there are more: --after %s", list.Next)
	}
	return e.print(list, t)
}

// RelayOffCmd ends relaying.
type RelayOffCmd struct{}

// Help implements kong.HelpProvider.
func (RelayOffCmd) Help() string {
	return "Devices whose key is not held here are refused with code 18 from then on.\n\nExample:\n\n    hallmark --data ./data relay off"
}

// Run ends relaying.
func (RelayOffCmd) Run(ctx context.Context, e *Env) error {
	c, err := e.client()
	if err != nil {
		return err
	}
	gone, err := c.RemoveRelay(ctx)
	if err != nil {
		return err
	}
	return e.printFields(gone)
}
