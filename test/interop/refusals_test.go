package interop

import (
	"encoding/json"
	"encoding/xml"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"
)

// serviceCase is a request that the service refuses, with its code.
type serviceCase struct {
	name   string
	code   int
	action string
	params params
}

// serviceCases are requests for every service code that one can meet from
// outside; 14, 50, 54 and 700 need a broken server, a year, or a crowd.
func (b *bench) serviceCases(t *testing.T) []serviceCase {
	d := b.device
	code := func(d device) string { return d.timestampCode(t, "") }
	stamp := func(off time.Duration) string {
		return d.authCode(t, strconv.FormatInt(time.Now().Add(off).UnixMilli(), 10), "", true)
	}
	long, verify := strings.Repeat("x", 513), func(p ...string) params { return b.verify(d, code(d)).with(p...) }
	mutual := func(p ...string) params { return b.mutual(code(d)).with(p...) }
	cases := []serviceCase{
		{"another product", 12, "Verify", verify("ProductKey", b.spareProductKey)},
		{"no licence", 16, "Verify", b.verify(b.unlicensed, code(b.unlicensed)).with("ProductKey", b.spareProductKey)},
		{"unknown device", 18, "Verify", b.verify(b.nobody, code(b.nobody))},
		{"unknown device", 18, "GetServerRandom", b.random().with("Id2", nobodyID)},
		{"tampered", 21, "Verify", b.verify(d, tamper(code(d)))},
		{"tampered", 21, "GetServerAuthCodeAndEncryptData", b.mutual(tamper(code(d)))},
		{"no OTP code", 21, "OtpGetId2", otp(code(d))},
		{"too early", 33, "Verify", b.verify(d, stamp(-11*time.Minute))},
		{"too late", 33, "Verify", b.verify(d, stamp(11*time.Minute))},
		{"no challenge of ours", 35, "Verify", b.verify(d, d.authCode(t, strings.Repeat("A", 32), "", false))},
		{"data empty", 36, "VerifyAndEncrypt", verify("Data", "")},
		{"data long", 36, "VerifyAndEncrypt", verify("Data", long)},
		{"no ApiVersion", 37, "GetServerRandom", b.random().with("ApiVersion", "-")},
		{"ApiVersion", 37, "OtpGetId2", otp("x").with("ApiVersion", "1.1.3")},
		{"server extra long", 38, "GetServerAuthCodeAndEncryptData", mutual("ServerExtra", long)},
		{"extra long", 39, "Verify", verify("Extra", long)},
		{"device challenge with ~", 40, "GetServerAuthCodeAndEncryptData", mutual("DeviceChallenge", "a~b")},
		{"suspended", 45, "GetServerRandom", b.random().with("Id2", suspendedID)},
		{"discarded", 46, "Verify", b.verify(b.discarded, code(b.discarded))},
		{"unknown product", 51, "Verify", verify("ProductKey", "a1unknown00")},
		{"AuthCode missing", 500, "Verify", verify("AuthCode", "-")},
		{"ProductSource", 500, "Verify", verify("ProductSource", "2")},
		{"another kind of key", 42, "OtpGetId2", otp(newOTPDevice(t, b.otpSecret, newFingerprint()).code(t, otpAES192))},
		{"made without OTP", 55, "OtpGetId2", otp(newOTPDevice(t, b.productSecret, "x").code(t, otpAES128))},
		{"long fingerprint", 56, "OtpGetId2", otp(newOTPDevice(t, b.otpSecret, long[:129]).code(t, otpAES128))},
	}
	for _, v := range nasty {
		cases = append(cases, serviceCase{"Id2 " + v, 18, "Verify", verify("Id2", v)}, serviceCase{"AuthCode " + v, 21, "Verify", verify("AuthCode", v)},
			serviceCase{"ProductKey " + v, 51, "Verify", verify("ProductKey", v)}, serviceCase{"ApiVersion " + v, 37, "Verify", verify("ApiVersion", v)},
			serviceCase{"ProductSource " + v, 500, "Verify", verify("ProductSource", v)}, serviceCase{"OTP " + v, 21, "OtpGetId2", otp(v)})
	}
	return cases
}

func TestServiceCodes(t *testing.T) {
	everyClient(t, func(t *testing.T, b *bench) {
		for _, c := range b.serviceCases(t) {
			if a := b.do(t, c.action, c.params); a.Code != c.code {
				t.Errorf("%s, %s: %d (%s), want %d", c.action, c.name, a.Code, a.Message, c.code)
			}
		}
	})
}

func TestCodeServesOnce(t *testing.T) {
	everyClient(t, func(t *testing.T, b *bench) {
		for code, want := range map[string]int{
			b.device.authCode(t, b.challenge(t), "", false): 35,
			b.device.timestampCode(t, ""):                   34,
		} {
			for i, want := range []int{200, want} {
				if a := b.do(t, "Verify", b.verify(b.device, code)); a.Code != want {
					t.Errorf("time %d: %+v; want %d", i+1, a, want)
				}
			}
		}
		code := newOTPDevice(t, b.otpSecret, newFingerprint()).code(t, otpAES128)
		for i, want := range []int{200, 21} {
			if a := b.do(t, "OtpGetId2", otp(code)); a.Code != want {
				t.Errorf("OTP code, time %d: %+v; want %d", i+1, a, want)
			}
		}
	})
}

// gatewayCase is a request that the gateway refuses, and how.
type gatewayCase struct {
	name   string
	status int
	code   string
	change func(*request)
}

// gatewayCases are what a client can be made to do wrong; what none of them can
// be made to do is in raw_test.go.
func (b *bench) gatewayCases() []gatewayCase {
	many, large := b.random(), b.random().with("Extra", strings.Repeat("x", 70_000))
	for i := range 70 {
		many[fmt.Sprint("P", i)] = ""
	}
	tooLarge := gatewayCase{"large", 413, "RequestTooLarge", func(q *request) { q.params = large }}
	if b.place == "query" { // a header of the size of the whole is read, the query is refused
		tooLarge.change = func(q *request) { q.params = b.random().with("Extra", strings.Repeat("x", 66_000)) }
	}
	return []gatewayCase{
		tooLarge,
		{"wrong secret", 400, "SignatureDoesNotMatch", func(q *request) { q.secret += "x" }},
		{"unknown key", 404, "InvalidAccessKeyId.NotFound", func(q *request) { q.id += "x" }},
		{"disabled key", 400, "InvalidAccessKeyId.Inactive", func(q *request) { q.credential = b.disabled }},
		{"outside its scope", 403, "Forbidden.RAM", func(q *request) { q.credential = b.scoped; q.action = "Verify" }},
		{"unknown action", 404, "InvalidAction.NotFound", func(q *request) { q.action = "Activate" }},
		{"action in lower case", 404, "InvalidAction.NotFound", func(q *request) { q.action = "verify" }},
		{"another version", 400, "InvalidVersion", func(q *request) { q.version = "2018-08-07" }},
		{"many parameters", 400, "InvalidParameter.TooMany", func(q *request) { q.params = many }},
		{"long name", 400, "InvalidParameter.Name", func(q *request) { q.params = b.random().with(strings.Repeat("n", 129), "x") }},
	}
}

func TestGatewayErrors(t *testing.T) {
	everyClient(t, func(t *testing.T, b *bench) {
		for _, c := range b.gatewayCases() {
			q := b.request("GetServerRandom", b.random().with("Extra", "di gest*1'2~3+4/é中"))
			c.change(&q)
			b.wantRefusal(t, c, q)
		}
	})
}

// wantRefusal sends a request that the gateway has to refuse.
func (b *bench) wantRefusal(t *testing.T, c gatewayCase, q request) {
	t.Helper()
	_, err := b.send(b.world, q)
	r, ok := b.refused(err)
	if !ok || r.status != c.status || r.code != c.code {
		t.Errorf("%s: %v (%+v), want %d %s", c.name, err, r, c.status, c.code)
	}
	if b.module == clients[0].module && c.code == "SignatureDoesNotMatch" && !strings.Contains(r.message, "InvalidAccessKeySecret") {
		t.Errorf("%s: the SDK does not see its own string to sign: %v", c.name, err)
	}
}

// throttledAddress is what TestThrottling says it calls from.
const throttledAddress = "203.0.113.66"

// guess tries access keys from throttledAddress until that is slowed down.
func (w *world) guess(t *testing.T) {
	t.Helper()
	for range 5000 {
		q := w.java("GetServerRandom", w.random())
		q.system["Signature"] = "guess"
		r := q.http(t, w)
		r.Header.Set("X-Forwarded-For", throttledAddress)
		if status, _ := sendRaw(t, r); status == http.StatusTooManyRequests {
			return
		}
	}
	t.Fatal("one may guess without end")
}

// TestThrottling guesses from an address and has the clients call from there. The
// address is let in again 100 times a second, so that a slow client may slip in.
func TestThrottling(t *testing.T) {
	everyClient(t, func(t *testing.T, b *bench) {
		q := b.request("GetServerRandom", b.random())
		q.headers = map[string]string{"X-Forwarded-For": throttledAddress}
		for range 100 {
			b.guess(t)
			if _, err := b.send(b.world, q); err != nil {
				if r, ok := b.refused(err); !ok || r.status != 429 || r.code != "Throttling.User" {
					t.Errorf("%v (%+v)", err, r)
				}
				return
			}
		}
		t.Error("never throttled")
	})
}

// TestXML asks for XML, and reads it.
func TestXML(t *testing.T) {
	everyClient(t, func(t *testing.T, b *bench) {
		for _, v := range append(nasty, "abc") {
			d, challenge := b.device, strings.ReplaceAll(v, "~", ".")
			q := b.request("GetServerAuthCodeAndEncryptData", b.mutual(d.timestampCode(t, "")).with("DeviceChallenge", challenge, "Data", v))
			q.format = "XML"
			text, err := b.send(b.world, q)
			if err != nil {
				t.Fatal(err)
			}
			var a struct {
				XMLName   xml.Name `xml:"GetServerAuthCodeAndEncryptDataResponse"`
				RequestID string   `json:"RequestId" xml:"RequestId"`
				Code      int
				Success   bool
				Data      struct{ EncryptData, ServerAuthCode string }
			}
			if err := xml.Unmarshal(text, &a); err != nil || a.Code != 200 || !a.Success || a.RequestID == "" {
				t.Fatalf("%s: %v", text, err)
			}
			if want := d.serverCode(t, challenge, ""); a.Data.ServerAuthCode != want {
				t.Errorf("%q: server code %q, want %q", v, a.Data.ServerAuthCode, want)
			}
		}
	})
}

// TestJSONHasNoEscapes: some clients cannot read \u escapes (openapi-rpc §0.7).
func TestJSONHasNoEscapes(t *testing.T) {
	everyClient(t, func(t *testing.T, b *bench) {
		text, err := b.send(b.world, b.request("GetServerAuthCodeAndEncryptData", b.mutual(b.device.timestampCode(t, "")).with("DeviceChallenge", "<a>&'é😀")))
		if err != nil || !json.Valid(text) || strings.Contains(string(text), `\u`) {
			t.Errorf("%s: %v", text, err)
		}
	})
}
