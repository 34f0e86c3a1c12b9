package interop

import (
	"encoding/hex"
	"encoding/json"
	"errors"
	"net/url"
	"os"
	"strings"
	"testing"

	"github.com/aliyun/alibaba-cloud-sdk-go/sdk"
	"github.com/aliyun/alibaba-cloud-sdk-go/sdk/auth/credentials"
	sdkerrors "github.com/aliyun/alibaba-cloud-sdk-go/sdk/errors"
	"github.com/aliyun/alibaba-cloud-sdk-go/sdk/requests"
)

// extra is an authentication code's extra data that a wrong percent-encoding
// would spoil.
const extra = "di gest*1'2~3+4/é中"

// setup is what the environment names.
type setup struct {
	url        *url.URL
	keyID      string
	keySecret  string
	productKey string
	device     device
	client     *sdk.Client
}

// methods are the HTTP methods that every operation is tried with.
var methods = []string{"GET", "POST"}

// env returns a variable of the environment and fails the test without it.
func env(t *testing.T, name string) string {
	t.Helper()
	value := os.Getenv(name)
	if value == "" {
		t.Fatalf("%s is not set: these tests need a running server and a device, see the package documentation", name)
	}
	return value
}

// newSetup reads the environment.
func newSetup(t *testing.T) *setup {
	t.Helper()
	base, err := url.Parse(env(t, "HALLMARK_URL"))
	if err != nil || base.Host == "" {
		t.Fatalf("HALLMARK_URL: not a base URL: %v", err)
	}
	key, err := hex.DecodeString(env(t, "HALLMARK_KEY_HEX"))
	if err != nil || len(key) != 16 {
		t.Fatalf("HALLMARK_KEY_HEX: want 32 hexadecimal digits, an AES-128 key: %v", err)
	}
	s := &setup{
		url: base, keyID: env(t, "HALLMARK_ACCESS_KEY_ID"), keySecret: env(t, "HALLMARK_ACCESS_KEY_SECRET"),
		productKey: env(t, "HALLMARK_PRODUCT_KEY"), device: device{env(t, "HALLMARK_ID2"), key},
	}
	s.client = s.newSDK(t, s.keySecret)
	return s
}

// newSDK makes a client of the vendor's SDK.
func (s *setup) newSDK(t *testing.T, secret string) *sdk.Client {
	t.Helper()
	c, err := sdk.NewClientWithOptions("cn-shanghai", sdk.NewConfig(), credentials.NewAccessKeyCredential(s.keyID, secret))
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// envelope is an answer with the types that the API document declares.
type envelope struct {
	RequestId string
	Code      int
	Success   bool
	Message   string
	Data      json.RawMessage
}

// call performs an operation; a POST has its parameters in a form body.
func (s *setup) call(c *sdk.Client, method, action string, params map[string]string) (*envelope, error) {
	r := requests.NewCommonRequest()
	r.Method, r.Scheme, r.Domain = method, s.url.Scheme, s.url.Host
	r.Version, r.ApiName = "2017-07-07", action
	place := r.QueryParams
	if method == "POST" {
		place = r.FormParams
	}
	place["ApiVersion"] = "1.1.2"
	for k, v := range params {
		place[k] = v
	}
	resp, err := c.ProcessCommonRequest(r)
	if err != nil {
		return nil, err
	}
	var e envelope
	return &e, json.Unmarshal(resp.GetHttpContentBytes(), &e)
}

// must performs an operation that has to succeed and decodes its data.
func (s *setup) must(t *testing.T, method, action string, params map[string]string, data any) {
	t.Helper()
	e, err := s.call(s.client, method, action, params)
	if err != nil {
		t.Fatalf("%s %s: %v", method, action, err)
	}
	if e.Code != 200 || !e.Success || e.RequestId == "" {
		t.Fatalf("%s %s: %+v", method, action, e)
	}
	if err := json.Unmarshal(e.Data, data); err != nil {
		t.Fatalf("%s %s: data %s: %v", method, action, e.Data, err)
	}
}

// challenge asks the server for one.
func (s *setup) challenge(t *testing.T, method string) string {
	t.Helper()
	var random string
	s.must(t, method, "GetServerRandom", map[string]string{"Id2": s.device.id}, &random)
	if len(random) != 32 || strings.Trim(random, "0123456789ABCDEF") != "" {
		t.Fatalf("GetServerRandom: %q", random)
	}
	return random
}

// named are the parameters that name the device, and more.
func (s *setup) named(more ...string) map[string]string {
	params := map[string]string{"Id2": s.device.id, "ProductKey": s.productKey}
	for i := 0; i+1 < len(more); i += 2 {
		params[more[i]] = more[i+1]
	}
	return params
}

func TestVerify(t *testing.T) {
	s := newSetup(t)
	for _, method := range methods {
		for name, params := range map[string]map[string]string{
			"challenge":           s.named("AuthCode", s.device.authCode(t, s.challenge(t, method), "", false)),
			"challenge and extra": s.named("AuthCode", s.device.authCode(t, s.challenge(t, method), extra, false), "Extra", extra),
			"timestamp":           s.named("AuthCode", s.device.timestampCode(t, "")),
			"timestamp and extra": s.named("AuthCode", s.device.timestampCode(t, extra), "Extra", extra, "ProductSource", "1"),
		} {
			var ok bool
			if s.must(t, method, "Verify", params, &ok); !ok {
				t.Errorf("%s, %s: data is not true", method, name)
			}
		}
	}
}

func TestVerifyAndEncrypt(t *testing.T) {
	s := newSetup(t)
	for _, method := range methods {
		const secret = "6F5DDB5F21C28F06484A4695FAB9 + ~"
		var sealed string
		s.must(t, method, "VerifyAndEncrypt", s.named("AuthCode", s.device.timestampCode(t, extra), "Extra", extra, "Data", secret), &sealed)
		if got, err := s.device.decrypt(sealed); err != nil || got != secret {
			t.Errorf("%s: %q decrypts to %q, %v", method, sealed, got, err)
		}
	}
}

func TestMutualAuthentication(t *testing.T) {
	s := newSetup(t)
	for _, method := range methods {
		for _, serverExtra := range []string{"", "1234abcfe + ~"} {
			params := s.named("DeviceAuthCode", s.device.authCode(t, s.challenge(t, method), extra, false), "DeviceExtra", extra,
				"DeviceChallenge", "ABCD12348", "Data", "abcd1234")
			if serverExtra != "" {
				params["ServerExtra"] = serverExtra
			}
			var data struct{ EncryptData, ServerAuthCode string }
			s.must(t, method, "GetServerAuthCodeAndEncryptData", params, &data)
			if want := s.device.serverCode(t, "ABCD12348", serverExtra); data.ServerAuthCode != want {
				t.Errorf("%s: server code %q, want %q", method, data.ServerAuthCode, want)
			}
			if got, err := s.device.decrypt(data.EncryptData); err != nil || got != "abcd1234" {
				t.Errorf("%s: %q decrypts to %q, %v", method, data.EncryptData, got, err)
			}
		}
	}
}

func TestTamperedCodeIsRefused(t *testing.T) {
	s := newSetup(t)
	for _, method := range methods {
		e, err := s.call(s.client, method, "Verify", s.named("AuthCode", tamper(s.device.timestampCode(t, ""))))
		if err != nil || e.Code != 21 || e.Success || len(e.Data) > 0 || e.Message == "" {
			t.Errorf("%s: %+v, %v", method, e, err)
		}
	}
}

func TestCodeServesOnce(t *testing.T) {
	s := newSetup(t)
	for name, v := range map[string]struct {
		code string
		want int
	}{
		"challenge": {s.device.authCode(t, s.challenge(t, "GET"), "", false), 35},
		"timestamp": {s.device.timestampCode(t, ""), 34},
	} {
		for i, want := range []int{200, v.want} {
			e, err := s.call(s.client, "GET", "Verify", s.named("AuthCode", v.code))
			if err != nil || e.Code != want {
				t.Errorf("%s, time %d: %+v, %v; want %d", name, i+1, e, err, want)
			}
		}
	}
}

// TestWrongSecret checks that the SDK recognises the server's string to sign as
// its own, and so tells its user that the secret is wrong.
func TestWrongSecret(t *testing.T) {
	s := newSetup(t)
	c := s.newSDK(t, s.keySecret+"x")
	for _, method := range methods {
		_, err := s.call(c, method, "GetServerRandom", map[string]string{"Id2": s.device.id, "Extra": extra})
		var e sdkerrors.Error
		if !errors.As(err, &e) || e.ErrorCode() != "SignatureDoesNotMatch" || e.HttpStatus() != 400 {
			t.Fatalf("%s: %v", method, err)
		}
		if !strings.Contains(err.Error(), "InvalidAccessKeySecret") {
			t.Errorf("%s: the SDK does not see its own string to sign: %v", method, err)
		}
	}
}
