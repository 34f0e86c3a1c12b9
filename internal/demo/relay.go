package demo

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/hallmark-id/hallmark/id2"
	"github.com/hallmark-id/hallmark/internal/operator"
	"github.com/hallmark-id/hallmark/internal/server"
)

// RunRelay shows how a fleet moves whose keys only the vendor has: a second
// server plays the vendor. It tells the story on out and returns ErrDifferent
// when an outcome was not the expected one.
func RunRelay(ctx context.Context, out io.Writer) (err error) {
	dir, err := os.MkdirTemp("", "hallmark-demo-")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	var both [2]*Demo
	var servers [2]*server.Server
	for i, name := range []string{"vendor", "site"} {
		home := filepath.Join(dir, name)
		if servers[i], err = server.Start(ctx, server.Config{DataDir: home, Listen: "127.0.0.1:0"}); err != nil {
			return err
		}
		defer func() { err = errors.Join(err, stop(ctx, &servers[i])) }()
		if both[i], err = open(ctx, out, servers[i], home); err != nil {
			return err
		}
	}
	vendor, d := both[0], both[1]
	d.subject = "relay"
	d.say("\nThe first plays the vendor (上游), the second is yours. Your back end asks yours alone.")
	if err := d.relayStory(vendor, func() error { return stop(ctx, &servers[0]) }); err != nil {
		return err
	}
	return d.conclude()
}

// stop takes a server down that is still up.
func stop(ctx context.Context, s **server.Server) error {
	if *s == nil {
		return nil
	}
	up := *s
	*s = nil
	return up.Shutdown(context.WithoutCancel(ctx))
}

// relayStory follows devices from the vendor, which ends, to this server.
func (d *Demo) relayStory(vendor *Demo, end func() error) error {
	dev, other, err := d.vendorsFleet(vendor)
	if err != nil {
		return err
	}
	for _, scene := range []func(*fieldDevice) error{d.genuine, d.replayChallenge, d.replayTimestamp, d.tamper} {
		if err := scene(dev); err != nil {
			return err
		}
	}
	if err := d.byTimestamp(other); err != nil {
		return err
	}
	d.say("\nThe key of %s turns up in the chip maker's file: it is imported, and ours from then on.", dev.id)
	if err := d.adopt(dev); err != nil {
		return err
	}
	if err := d.genuine(dev); err != nil {
		return err
	}
	d.subject = "relay, the device suspended here"
	if err := d.suspended(dev); err != nil { // 45, and not what the vendor would say
		return err
	}
	if _, err := d.op.ChangeDevice(d.ctx, dev.id, "resume"); err != nil {
		return err
	}
	d.say("\nThe vendor's service ends.")
	if err := end(); err != nil {
		return err
	}
	d.subject = "relay, the vendor gone"
	if err := d.byTimestamp(dev); err != nil {
		return err
	}
	code, err := other.TimestampAuthCode(now(), nil)
	if err != nil {
		return err
	}
	if err := d.verify("a device whose key only the vendor had (54: busy)", "54", other, code); err != nil {
		return err
	}
	return d.whoDepends()
}

// vendorsFleet gives the vendor a product with two devices, and this server the
// product's key and the owner's access key at the vendor.
func (d *Demo) vendorsFleet(vendor *Demo) (dev, other *fieldDevice, err error) {
	if dev, err = vendor.newDevice("aes128"); err != nil {
		return nil, nil, err
	}
	if other, err = vendor.addDevice(id2.AES128, dev.product, inMemory); err != nil {
		return nil, nil, err
	}
	if _, err = d.op.CreateProduct(d.ctx, operator.ProductSpec{Name: "demo aes128", Algorithm: "aes128", ProductKey: dev.product}); err != nil {
		return nil, nil, err
	}
	d.say("The vendor has product %s with devices %s and %s; this server has no key of either.", dev.product, dev.id, other.id)
	code, err := dev.TimestampAuthCode(now(), nil)
	if err == nil {
		err = d.verify("before anything is set (18: unknown)", "18", dev, code)
	}
	if err != nil {
		return nil, nil, err
	}
	_, err = d.op.SetRelay(d.ctx, operator.RelaySpec{Endpoint: vendor.url, AccessKeyID: vendor.access.AccessKeyID, AccessKeySecret: vendor.access.AccessKeySecret})
	if err != nil {
		return nil, nil, err
	}
	on := true
	_, err = d.op.UpdateProduct(d.ctx, dev.product, operator.ProductChange{Relay: &on})
	d.say("The vendor is set as upstream with your access key there, and the product's switch is on.")
	return dev, other, err
}

// adopt imports the key of a vendor's device.
func (d *Demo) adopt(dev *fieldDevice) error {
	res, err := d.op.ImportDevices(d.ctx, dev.product, strings.NewReader(dev.imported))
	if err == nil && res.Imported != 1 {
		err = errors.New("the device was not imported")
	}
	return err
}

// countedWithin is how soon a relayed device is counted, and some.
const countedWithin = 30 * time.Second

// whoDepends shows what is left to be moved. Counters are written behind the
// requests, so it waits for them.
func (d *Demo) whoDepends() error {
	for deadline := time.Now().Add(countedWithin); ; time.Sleep(50 * time.Millisecond) {
		r, err := d.op.Relay(d.ctx)
		if err != nil {
			return err
		}
		if r.Devices.All+r.Devices.Held == 2 || time.Now().After(deadline) {
			d.check("devices that depend on the vendor", "1, and 1 held here by now", fmt.Sprintf("%d, and %d held here by now", r.Devices.All, r.Devices.Held))
			if r.LastFailure == nil {
				r.LastFailure = &operator.RelayFailure{Result: "none"}
			}
			d.check("why the vendor gives no answer", "unreachable", r.LastFailure.Result)
			return nil
		}
	}
}
