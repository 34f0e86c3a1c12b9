package demo

import (
	"crypto/rand"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/hallmark-id/hallmark/id2"
	"github.com/hallmark-id/hallmark/id2/device"
	"github.com/hallmark-id/hallmark/id2/se"
	"github.com/hallmark-id/hallmark/id2/se/virtual"
	"github.com/hallmark-id/hallmark/internal/operator"
	"github.com/hallmark-id/hallmark/openapi"
)

// fieldDevice is a device with its own software, and the product it is of.
type fieldDevice struct {
	*device.Client
	id, product string
	symmetric   bool
	imported    string // the file that brings it in
}

// newDevice makes a product and imports a device with a fresh key.
func (d *Demo) newDevice(algorithm string) (*fieldDevice, error) {
	a, err := id2.ParseAlgorithm(algorithm)
	if err != nil {
		return nil, err
	}
	product, err := d.op.CreateProduct(d.ctx, operator.ProductSpec{Name: "demo " + algorithm, Algorithm: algorithm})
	if err != nil {
		return nil, err
	}
	return d.addDevice(a, product.ProductKey, inMemory)
}

// addDevice imports a device, whose identity goes where carry puts it.
func (d *Demo) addDevice(a id2.Algorithm, product string, carry func(device.Identity) (device.Carrier, error)) (*fieldDevice, error) {
	key, err := id2.GeneratePrivateKey(rand.Reader, a)
	if err != nil {
		return nil, err
	}
	var raw [12]byte
	if _, err := rand.Read(raw[:]); err != nil {
		return nil, err
	}
	id := fmt.Sprintf("%X", raw)
	file := importFile(id, key)
	res, err := d.op.ImportDevices(d.ctx, product, strings.NewReader(file))
	if err == nil && res.Imported != 1 {
		err = fmt.Errorf("the device was not imported: %+v", res.Refused)
	}
	if err != nil {
		return nil, err
	}
	carrier, err := carry(device.Identity{ID: id, Hash: a.NativeHash(), Key: key})
	return &fieldDevice{device.NewClient(carrier, rand.Reader), id, product, a.Symmetric(), file}, err
}

// inMemory is the carrier of a device whose key is software's to keep.
func inMemory(identity device.Identity) (device.Carrier, error) {
	carrier := device.NewMemory(rand.Reader)
	return carrier, carrier.Set(identity)
}

// inChip is the carrier of a device whose key is in a secure element.
func inChip(identity device.Identity) (device.Carrier, error) {
	id, err := hex.DecodeString(identity.ID)
	if err != nil {
		return nil, err
	}
	card := virtual.New(rand.Reader, virtual.Config{Style: virtual.T0Exact, ID: id})
	if err := card.SetKey(0, identity.Key); err != nil {
		return nil, err
	}
	applet, err := se.Open(card)
	if err != nil {
		return nil, err
	}
	return device.NewSecureElement(applet, identity.Key.Algorithm(), id2.Key{})
}

func importFile(id string, key id2.PrivateKey) string {
	public := key.Public()
	if public.Algorithm().Symmetric() {
		return fmt.Sprintf("id2,key_hex\n%s,%x\n", id, public.Bytes())
	}
	text := pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: public.Bytes()})
	return fmt.Sprintf("id2,public_key_pem\n%s,\"%s\"\n", id, text)
}

// backEnd returns a client of the id2 door.
func (d *Demo) backEnd(secret string, method openapi.SignatureMethod, placement openapi.Placement) (*openapi.Client, error) {
	return openapi.NewClient(openapi.ClientOptions{Endpoint: d.url, Method: method, Placement: placement,
		Credential: openapi.NewCredential(d.access.AccessKeyID, secret)})
}

// call asks the door and returns the outcome in a word: the service code, or
// the gateway's code.
func (d *Demo) call(action string, params ...string) (outcome string, data json.RawMessage, err error) {
	c, err := d.backEnd(d.access.AccessKeySecret, openapi.HMACSHA1, openapi.InQueryGET)
	if err != nil {
		return "", nil, err
	}
	return d.callWith(c, action, params...)
}

const apiVersion = "1.1.2"

func (d *Demo) callWith(c *openapi.Client, action string, params ...string) (outcome string, data json.RawMessage, err error) {
	list := []openapi.Param{{Name: "ApiVersion", Value: apiVersion}}
	for i := 0; i < len(params); i += 2 {
		list = append(list, openapi.Param{Name: params[i], Value: params[i+1]})
	}
	res, err := c.Call(d.ctx, action, list)
	var refusal *openapi.Error
	switch {
	case errors.As(err, &refusal):
		return refusal.Code, nil, nil
	case err != nil:
		return "", nil, err
	}
	return strconv.Itoa(res.Code), res.Data, nil
}

// challenge asks for a server random.
func (d *Demo) challenge(dev *fieldDevice) (string, error) {
	outcome, data, err := d.call("GetServerRandom", "Id2", dev.id)
	if err != nil || outcome != "200" {
		return "", errors.Join(err, fmt.Errorf("GetServerRandom: %s", outcome))
	}
	var text string
	return text, json.Unmarshal(data, &text)
}

func now() string { return strconv.FormatInt(time.Now().UnixMilli(), 10) }

// verify checks a code and records the outcome.
func (d *Demo) verify(what, expected string, dev *fieldDevice, code string, params ...string) error {
	outcome, _, err := d.call("Verify", append([]string{"Id2", dev.id, "ProductKey", dev.product, "AuthCode", code}, params...)...)
	d.check(what, expected, outcome)
	return err
}

// decrypt opens base64 data on the device and says what it found.
func (dev *fieldDevice) decrypt(text string) string {
	sealed, err := base64.StdEncoding.DecodeString(text)
	if err != nil {
		return err.Error()
	}
	plain, err := dev.Decrypt(sealed)
	if err != nil {
		return err.Error()
	}
	return string(plain)
}
