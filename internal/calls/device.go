package calls

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"encoding/csv"
	"encoding/pem"
	"fmt"
	"strings"

	"github.com/hallmark-id/hallmark/id2"
	"github.com/hallmark-id/hallmark/id2/device"
	"github.com/hallmark-id/hallmark/internal/load"
	"github.com/hallmark-id/hallmark/internal/operator"
	"github.com/hallmark-id/hallmark/openapi"
)

// simulated is a device with its key.
type simulated struct {
	id  string
	key id2.PrivateKey
}

// rsaKeys is how many keys devices of an RSA algorithm share: to make one takes
// longer than to verify thousands of codes.
const rsaKeys = 8

// newDevices makes devices with keys of their own.
func newDevices(ctx context.Context, mark string, a id2.Algorithm, n int) ([]simulated, error) {
	distinct := n
	if a == id2.RSA1024 || a == id2.RSA2048 {
		distinct = min(n, rsaKeys)
	}
	keys, err := many(ctx, distinct, func(context.Context, int) (id2.PrivateKey, error) { return id2.GeneratePrivateKey(rand.Reader, a) })
	if err != nil {
		return nil, err
	}
	devices := make([]simulated, n)
	for i := range devices {
		devices[i] = simulated{deviceID(mark, i), keys[i%distinct]}
	}
	return devices, nil
}

// deviceID is 24 hexadecimal digits, as real ones.
func deviceID(mark string, i int) string { return fmt.Sprintf("%s%016X", mark, i+1) }

// authCode is a device's code for a challenge or a time.
func (d *simulated) authCode(kind id2.Kind, random, value string) (string, error) {
	key := d.key.Public()
	c := id2.AuthCode{Kind: kind, Hash: key.Algorithm().NativeHash(), DeviceRandom: random, Value: value}
	var err error
	c.Signature, err = d.key.Sign(rand.Reader, c.Hash, id2.AppendMessage(nil, d.id, c.DeviceRandom, value, nil))
	return c.String(), err
}

// importFile is the file that brings devices in.
func importFile(devices []simulated) (string, error) {
	var b strings.Builder
	w := csv.NewWriter(&b)
	column := "key_hex"
	if key := devices[0].key.Public(); !key.Algorithm().Symmetric() {
		column = "public_key_pem"
	}
	_ = w.Write([]string{"id2", column}) // writing to memory does not fail
	for _, d := range devices {
		key := d.key.Public()
		text := fmt.Sprintf("%x", key.Bytes())
		if column == "public_key_pem" {
			text = string(pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: key.Bytes()}))
		}
		_ = w.Write([]string{d.id, text})
	}
	w.Flush()
	return b.String(), w.Error()
}

// openOTP readies the call that gives devices their identity.
func openOTP(s *site, _ Kind, c *Call) error {
	b, product, err := s.newBackEnd(c, operator.ProductSpec{OTP: true})
	if err != nil {
		return err
	}
	c.Prepare = func(ctx context.Context, n int) ([]load.Request, error) {
		return many(ctx, n, func(context.Context, int) (load.Request, error) {
			newborn := device.NewClient(device.NewMemory(rand.Reader), rand.Reader)
			code, err := newborn.OTPAuthCode(product.ProductSecret, fmt.Appendf(nil, "bench %s %d", s.mark, b.serial.Add(1)))
			if err != nil {
				return nil, err
			}
			return b.signed("OtpGetId2", openapi.Param{Name: "DeviceAuthCode", Value: base64.StdEncoding.EncodeToString(code)})
		})
	}
	return nil
}
