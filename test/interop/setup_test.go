package interop

import (
	"encoding/hex"
	"encoding/json"
	"net/url"
	"os"
	"testing"
)

// world is the server and what `run` has put into it.
type world struct {
	url                *url.URL
	good               credential
	disabled, scoped   credential // scoped may call GetServerRandom only
	productKey         string
	productSecret      string // of a product without one-time provisioning
	spareProductKey    string // of another product, which has no licences
	otpSecret          string // of a product whose devices are provisioned
	device             device
	suspended          device
	discarded          device
	unlicensed, nobody device
}

// credential is an access key.
type credential struct{ id, secret string }

// Devices that `run` imports beside the one that it names; all have one key.
const (
	suspendedID  = "INTEROPSUSPENDED00000001"
	discardedID  = "INTEROPDISCARDED00000001"
	unlicensedID = "INTEROPUNLICENSED0000001"
	nobodyID     = "INTEROPNOBODY00000000001" // not imported
)

// newWorld reads the environment.
func newWorld(t *testing.T) *world {
	t.Helper()
	base, err := url.Parse(env(t, "HALLMARK_URL"))
	if err != nil || base.Host == "" {
		t.Fatalf("HALLMARK_URL: not a base URL: %v", err)
	}
	key, err := hex.DecodeString(env(t, "HALLMARK_KEY_HEX"))
	if err != nil || len(key) != 16 {
		t.Fatalf("HALLMARK_KEY_HEX: want 32 hexadecimal digits, an AES-128 key: %v", err)
	}
	return &world{
		url:        base,
		good:       credential{env(t, "HALLMARK_ACCESS_KEY_ID"), env(t, "HALLMARK_ACCESS_KEY_SECRET")},
		disabled:   credential{env(t, "HALLMARK_DISABLED_KEY_ID"), env(t, "HALLMARK_DISABLED_KEY_SECRET")},
		scoped:     credential{env(t, "HALLMARK_SCOPED_KEY_ID"), env(t, "HALLMARK_SCOPED_KEY_SECRET")},
		productKey: env(t, "HALLMARK_PRODUCT_KEY"), productSecret: env(t, "HALLMARK_PRODUCT_SECRET"),
		spareProductKey: env(t, "HALLMARK_SPARE_PRODUCT_KEY"), otpSecret: env(t, "HALLMARK_OTP_SECRET"),
		device: device{env(t, "HALLMARK_ID2"), key}, suspended: device{suspendedID, key}, discarded: device{discardedID, key},
		unlicensed: device{unlicensedID, key}, nobody: device{nobodyID, key},
	}
}

// env returns a variable of the environment and fails the test without it.
func env(t *testing.T, name string) string {
	t.Helper()
	value := os.Getenv(name)
	if value == "" {
		t.Fatalf("%s is not set: these tests need a running server and devices, see the package documentation", name)
	}
	return value
}

// params are an action's parameters.
type params map[string]string

// with returns a copy with more parameters; the value "-" takes one out.
func (p params) with(more ...string) params {
	all := make(params, len(p)+len(more)/2)
	for k, v := range p {
		all[k] = v
	}
	for i := 0; i+1 < len(more); i += 2 {
		if all[more[i]] = more[i+1]; more[i+1] == "-" {
			delete(all, more[i])
		}
	}
	return all
}

// random are the parameters of GetServerRandom.
func (w *world) random() params { return params{"ApiVersion": "1.1.2", "Id2": w.device.id} }

// verify are the parameters of Verify for a code of a device.
func (w *world) verify(d device, code string) params {
	return params{"ApiVersion": "1.1.2", "Id2": d.id, "ProductKey": w.productKey, "AuthCode": code}
}

// mutual are the parameters of GetServerAuthCodeAndEncryptData.
func (w *world) mutual(code string) params {
	return params{"ApiVersion": "1.1.2", "Id2": w.device.id, "ProductKey": w.productKey, "DeviceAuthCode": code,
		"DeviceChallenge": "ABCD12348", "Data": "abcd1234"}
}

// otp are the parameters of OtpGetId2.
func otp(code string) params { return params{"ApiVersion": "1.1.2", "DeviceAuthCode": code} }

// answer is an answer with the types that the API document declares.
type answer struct {
	RequestID string `json:"RequestId" xml:"RequestId"`
	Code      int
	Success   bool
	Message   string
	Data      json.RawMessage
}

// refusal is what a client reports of a request that the gateway refused.
type refusal struct {
	status        int
	code, message string
}
