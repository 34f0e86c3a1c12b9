package demo

import (
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"errors"
	"net"
	"time"

	"github.com/hallmark-id/hallmark/id2"
	"github.com/hallmark-id/hallmark/id2/device"
	"github.com/hallmark-id/hallmark/id2/itls"
	"github.com/hallmark-id/hallmark/internal/operator"
)

// provisioned is what a device says that has an identity; refused what it says of
// an answer that it does not take.
const (
	provisioned = "provisioned"
	refused     = "refused by the device"
)

// newcomer is a device that leaves the factory with a token and nothing else.
type newcomer struct {
	*fieldDevice
	token       string
	fingerprint []byte
}

// provisioning lets two devices get their identity, one through the back end and
// one by itself, and tries what a thief would.
func (d *Demo) provisioning() error {
	product, err := d.op.CreateProduct(d.ctx, operator.ProductSpec{Name: "demo provisioning", Algorithm: "aes128", OTP: true})
	if err != nil {
		return err
	}
	d.subject = "provisioning"
	d.say("\nOne-time provisioning (动态下发): product %s, whose token is in the firmware of all its devices", product.ProductKey)
	for _, scene := range []func(*newcomer) error{d.byRPC, d.byITLS} {
		dev := d.newcomer(product)
		if err := scene(dev); err != nil {
			return err
		}
		if dev.id, err = dev.ID(); err != nil {
			return err
		}
		d.say("  a device has its id, %s", dev.id)
		if err := d.byTimestamp(dev.fieldDevice); err != nil {
			return err
		}
	}
	return nil
}

func (d *Demo) newcomer(product operator.CreatedProduct) *newcomer {
	return &newcomer{&fieldDevice{Client: device.NewClient(device.NewMemory(rand.Reader), rand.Reader), product: product.ProductKey, symmetric: true},
		product.ProductSecret, []byte("serial " + rand.Text())}
}

// byRPC asks through the back end, twice, and once more with the same code. Each
// time the device gets a damaged answer before the right one: it keeps what it
// has.
func (d *Demo) byRPC(dev *newcomer) error {
	for _, what := range []string{"a device asks through its back end", "it asks again, before it has authenticated"} {
		code, err := dev.OTPAuthCode(dev.token, dev.fingerprint)
		if err != nil {
			return err
		}
		request := []string{"DeviceAuthCode", base64.StdEncoding.EncodeToString(code)}
		outcome, data, err := d.call("OtpGetId2", request...)
		if err != nil {
			return err
		}
		d.check(what, ok, outcome)
		d.loadBoth(dev, data)
		if outcome, _, err = d.call("OtpGetId2", request...); err != nil {
			return err
		}
		d.check("the same code again (21: used)", "21", outcome)
	}
	return nil
}

// loadBoth gives the device an answer, first damaged and then as it came.
func (d *Demo) loadBoth(dev *newcomer, data json.RawMessage) {
	var answer struct{ ProvisionData []byte }
	_ = json.Unmarshal(data, &answer) // nothing to read is a wrong outcome, not an error
	damaged := append([]byte(nil), answer.ProvisionData...)
	for i := range damaged {
		damaged[i] ^= 1
	}
	before, _ := dev.ID() // none at first
	d.check("a damaged answer", refused, dev.load(damaged))
	after, _ := dev.ID()
	d.check("and the identity after that", identity(before), identity(after))
	d.check("the answer as it came", provisioned, dev.load(answer.ProvisionData))
}

// identity names an id, or its absence.
func identity(id string) string {
	if id == "" {
		return "none yet"
	}
	return id
}

// byITLS lets a device ask by itself, and once more after it has proven itself: a
// thief with the firmware would.
func (d *Demo) byITLS(dev *newcomer) error {
	for _, expected := range []string{provisioned, itls.AlertFingerprintDuplicate.Message()} {
		code, err := dev.OTPAuthCode(dev.token, dev.fingerprint)
		if err != nil {
			return err
		}
		data, err := d.exchange(itls.Hello{ProductKey: dev.product, AuthCode: code})
		var alert itls.Alert
		switch {
		case errors.As(err, &alert):
			d.check("another with its fingerprint, later (175)", expected, alert.Message())
			return nil
		case err != nil:
			return err
		}
		d.check("a device asks by itself, over iTLS", expected, dev.load(data))
		if dev.id, err = dev.ID(); err != nil {
			return err
		}
		if err := d.byTimestamp(dev.fieldDevice); err != nil {
			return err
		}
	}
	return nil
}

// exchangeTimeout bounds a word with the server in this process.
const exchangeTimeout = 10 * time.Second

func (d *Demo) exchange(h itls.Hello) ([]byte, error) {
	conn, err := new(net.Dialer).DialContext(d.ctx, "tcp", d.itls)
	if err != nil {
		return nil, err
	}
	defer conn.Close()
	if err := conn.SetDeadline(time.Now().Add(exchangeTimeout)); err != nil {
		return nil, err
	}
	return itls.Exchange(conn, h)
}

// load gives a device an answer, and says what it made of it.
func (dev *newcomer) load(data []byte) string {
	if dev.LoadOTPData(data) != nil {
		return refused
	}
	return provisioned
}

// secureElement lets a device prove itself whose key is in a chip.
func (d *Demo) secureElement() error {
	product, err := d.op.CreateProduct(d.ctx, operator.ProductSpec{Name: "demo secure element", Algorithm: id2.SM4.String()})
	if err != nil {
		return err
	}
	dev, err := d.addDevice(id2.SM4, product.ProductKey, inChip)
	if err != nil {
		return err
	}
	d.subject = "secure element"
	d.say("\nSecure element: device %s, whose key is in a (virtual) chip", dev.id)
	return d.genuine(dev)
}
