package httpd

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/hallmark-id/hallmark/id2"
	"github.com/hallmark-id/hallmark/internal/registry"
	"github.com/hallmark-id/hallmark/openapi"
)

// testDevice is a device as the field has it.
type testDevice struct {
	f       *fixture
	org     registry.ID
	id      string
	product registry.Product
	key     id2.PrivateKey
	serial  int
}

func (f *fixture) device(p registry.Product) *testDevice {
	f.t.Helper()
	key, err := id2.GeneratePrivateKey(f.random, p.Algorithm)
	f.must(err)
	f.serial++
	d := &testDevice{f: f, org: p.Org, id: fmt.Sprintf("%024X", f.serial), product: p, key: key}
	public := key.Public()
	column, value := "public_key_pem", `"`+publicPEM(public.Bytes())+`"`
	if p.Algorithm.Symmetric() {
		column, value = "key_hex", fmt.Sprintf("%x", public.Bytes())
	}
	res, err := f.reg.ImportDevices(context.Background(), p.Org, p.Key, strings.NewReader("id2,"+column+"\n"+d.id+","+value+"\n"), operatorActor)
	f.must(err)
	if res.Imported != 1 {
		f.t.Fatalf("import: %+v", res)
	}
	return d
}

// code signs an auth code as the device does.
func (d *testDevice) code(kind id2.Kind, value, extra string) string {
	d.f.t.Helper()
	d.serial++
	c := id2.AuthCode{Kind: kind, Hash: d.product.Algorithm.NativeHash(), DeviceRandom: fmt.Sprintf("%016X", d.serial), Value: value}
	var err error
	c.Signature, err = d.key.Sign(d.f.random, c.Hash, id2.AppendMessage(nil, d.id, c.DeviceRandom, value, []byte(extra)))
	d.f.must(err)
	return c.String()
}

func (d *testDevice) timeCode() string { return d.code(id2.Timestamp, d.stamp(0), "") }

func (d *testDevice) stamp(offset time.Duration) string {
	return fmt.Sprint(d.f.clock.Now().Add(offset).UnixMilli())
}

func (d *testDevice) challengeCode() string {
	d.f.t.Helper()
	challenge, err := d.f.authn.Challenge(context.Background(), d.org, d.id)
	d.f.must(err)
	return d.code(id2.Challenge, challenge, "")
}

// verifyParams are the parameters of Verify for this device.
func (d *testDevice) verifyParams(code string) []openapi.Param {
	return params("ApiVersion", apiVersion, "Id2", d.id, "AuthCode", code, "ProductKey", d.product.Key)
}

// mutualParams are those of GetServerAuthCodeAndEncryptData.
func (d *testDevice) mutualParams(code string) []openapi.Param {
	return params("ApiVersion", apiVersion, "Id2", d.id, "DeviceAuthCode", code, "ProductKey", d.product.Key,
		"Data", "hello", "DeviceChallenge", "0123456789ABCDEF")
}

// params makes parameters from names and values in turn.
func params(pairs ...string) (out []openapi.Param) {
	for i := 0; i < len(pairs); i += 2 {
		out = append(out, openapi.Param{Name: pairs[i], Value: pairs[i+1]})
	}
	return out
}

// with returns the parameters with one set, without it for the value "-".
func with(list []openapi.Param, name, value string) (out []openapi.Param) {
	for _, p := range list {
		if p.Name != name {
			out = append(out, p)
		}
	}
	if value == "-" {
		return out
	}
	return append(out, openapi.Param{Name: name, Value: value})
}
