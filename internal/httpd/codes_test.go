package httpd

import (
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/hallmark-id/hallmark/id2"
	"github.com/hallmark-id/hallmark/internal/registry"
	"github.com/hallmark-id/hallmark/openapi"
)

// codeWorld is a factory with devices in every state, next to another
// organisation.
type codeWorld struct {
	*fixture
	device, suspended, discarded, expired, rsa, limited, unlicensed, foreign *testDevice
	hex                                                                      *testDevice
	otherProduct                                                             registry.Product
}

func newCodeWorld(t *testing.T) *codeWorld {
	t.Helper()
	f := newFixture(t, nil)
	plain := f.product(f.org, id2.AES128, nil)
	w := &codeWorld{fixture: f, otherProduct: f.product(f.org, id2.AES128, nil)}
	w.device, w.suspended, w.discarded = f.device(plain), f.device(plain), f.device(plain)
	w.rsa = f.device(f.product(f.org, id2.RSA1024, nil))
	w.hex = f.device(f.product(f.org, id2.AES128, func(s *registry.ProductSpec) { s.HexData = true }))
	w.unlicensed = f.device(f.product(f.org, id2.AES128, func(s *registry.ProductSpec) { s.Quota = 0 }))
	w.foreign = f.device(f.product(f.newOrg("another"), id2.AES128, nil))
	w.limited = f.device(f.product(f.org, id2.AES128, func(s *registry.ProductSpec) { s.DailyLimit = 1 }))
	w.verifies(w.limited)
	w.expired = f.device(f.product(f.org, id2.AES128, func(s *registry.ProductSpec) { s.TermDays = 1 }))
	w.verifies(w.expired)
	f.clock.Advance(24 * time.Hour)
	w.verifies(w.limited) // its one success of the new day
	w.verifies(w.device)
	_, err := f.reg.Suspend(t.Context(), f.org, w.suspended.id, operatorActor)
	f.must(err)
	_, err = f.reg.Discard(t.Context(), f.org, w.discarded.id, operatorActor)
	f.must(err)
	return w
}

func (f *fixture) verifies(d *testDevice) {
	f.t.Helper()
	f.do(call{action: "Verify", params: d.verifyParams(d.timeCode())}).wantCode(f.t, "Verify", 200)
}

// codeCase is one request that gets a service code.
type codeCase struct {
	name   string
	code   int
	action string
	params func(*codeWorld) []openapi.Param
}

// verify, random, encrypt and mutual make cases that change one parameter of a
// request of the plain device ("-" takes it out).
func verify(name string, code int, parameter, value string) codeCase {
	return codeCase{name, code, "Verify", func(w *codeWorld) []openapi.Param {
		return with(w.device.verifyParams(w.device.timeCode()), parameter, value)
	}}
}

func random(name string, code int, parameter, value string) codeCase {
	return codeCase{name, code, "GetServerRandom", func(w *codeWorld) []openapi.Param {
		return with(params("ApiVersion", apiVersion, "Id2", w.device.id), parameter, value)
	}}
}

func encrypt(name string, code int, parameter, value string) codeCase {
	return codeCase{name, code, "VerifyAndEncrypt", func(w *codeWorld) []openapi.Param {
		return with(with(w.device.verifyParams(w.device.timeCode()), "Data", "x"), parameter, value)
	}}
}

func mutual(name string, code int, parameter, value string) codeCase {
	return codeCase{name, code, "GetServerAuthCodeAndEncryptData", func(w *codeWorld) []openapi.Param {
		return with(w.device.mutualParams(w.device.timeCode()), parameter, value)
	}}
}

// of makes a case of another device that does everything right.
func of(name string, code int, device func(*codeWorld) *testDevice) codeCase {
	return codeCase{name, code, "Verify", func(w *codeWorld) []openapi.Param { return device(w).verifyParams(device(w).timeCode()) }}
}

// coded makes a case with an auth code that the plain device made.
func coded(name string, code int, make func(*testDevice) string) codeCase {
	return codeCase{name, code, "Verify", func(w *codeWorld) []openapi.Param { return w.device.verifyParams(make(w.device)) }}
}

func long(n int) string { return strings.Repeat("x", n) }

var parameterCases = []codeCase{
	random("nothing wrong", 200, "Unknown", "is passed over"),
	random("ApiVersion missing", 37, "ApiVersion", "-"),
	random("ApiVersion empty", 37, "ApiVersion", ""),
	random("ApiVersion of another year", 37, "ApiVersion", "1.1.3"),
	random("ApiVersion with a space", 37, "ApiVersion", "1.1.2 "),
	verify("ApiVersion missing", 37, "ApiVersion", "-"),
	encrypt("ApiVersion missing", 37, "ApiVersion", "-"),
	mutual("ApiVersion missing", 37, "ApiVersion", "-"),
	verify("ProductSource 1", 200, "ProductSource", "1"),
	verify("ProductSource empty", 500, "ProductSource", ""),
	verify("ProductSource 2", 500, "ProductSource", "2"),
	random("ProductSource text", 500, "ProductSource", "abc"),
	mutual("ProductSource 01", 500, "ProductSource", "01"),

	random("Id2 missing", 500, "Id2", "-"),
	random("Id2 empty", 18, "Id2", ""),
	verify("Id2 missing", 500, "Id2", "-"),
	verify("Id2 empty", 18, "Id2", ""),
	verify("AuthCode missing", 500, "AuthCode", "-"),
	verify("AuthCode empty", 21, "AuthCode", ""),
	verify("ProductKey missing", 500, "ProductKey", "-"),
	verify("ProductKey empty", 51, "ProductKey", ""),
	encrypt("Data missing", 500, "Data", "-"),
	encrypt("Data empty", 36, "Data", ""),
	mutual("DeviceAuthCode missing", 500, "DeviceAuthCode", "-"),
	mutual("AuthCode is not its name here", 500, "DeviceAuthCode", "-"),
	mutual("Data missing", 500, "Data", "-"),
	mutual("Data empty", 36, "Data", ""),
	mutual("DeviceChallenge missing", 500, "DeviceChallenge", "-"),
	mutual("DeviceChallenge empty", 40, "DeviceChallenge", ""),
	mutual("DeviceChallenge with ~", 40, "DeviceChallenge", "a~b"),
	mutual("DeviceChallenge with NUL", 40, "DeviceChallenge", "a\x00b"),
	mutual("DeviceChallenge of 128", 200, "DeviceChallenge", long(128)),
	mutual("DeviceChallenge of 129", 40, "DeviceChallenge", long(129)),
	verify("Extra empty counts as absent", 200, "Extra", ""),
	mutual("ServerExtra empty counts as absent", 200, "ServerExtra", ""),
	mutual("DeviceExtra empty counts as absent", 200, "DeviceExtra", ""),
	mutual("ServerExtra of 512", 200, "ServerExtra", long(512)),
	mutual("ServerExtra of 513", 38, "ServerExtra", long(513)),
	verify("Extra for a code without one", 21, "Extra", "x"),
	verify("Extra of 513", 39, "Extra", long(513)),
	mutual("DeviceExtra of 513", 39, "DeviceExtra", long(513)),
	encrypt("Data of 511 bytes", 200, "Data", long(511)),
	encrypt("Data of 512 bytes", 36, "Data", long(512)),
	mutual("Data of 512 bytes", 36, "Data", long(512)),
	verify("RequestId of the caller is passed over", 200, "RequestId", "mine"),
}

var stateCases = []codeCase{
	of("bound to another product", 12, func(w *codeWorld) *testDevice { d := *w.device; d.product = w.otherProduct; return &d }),
	of("no licence left", 16, func(w *codeWorld) *testDevice { return w.unlicensed }),
	of("daily limit", 16, func(w *codeWorld) *testDevice { return w.limited }),
	of("unknown device", 18, func(w *codeWorld) *testDevice { d := *w.device; d.id = strings.Repeat("A", 24); return &d }),
	of("device of another organisation", 18, func(w *codeWorld) *testDevice { return w.foreign }),
	of("product of another organisation", 51, func(w *codeWorld) *testDevice { d := *w.device; d.product = w.foreign.product; return &d }),
	of("unknown product", 51, func(w *codeWorld) *testDevice { d := *w.device; d.product.Key = "a1unknown00"; return &d }),
	of("suspended", 45, func(w *codeWorld) *testDevice { return w.suspended }),
	of("discarded", 46, func(w *codeWorld) *testDevice { return w.discarded }),
	of("expired", 50, func(w *codeWorld) *testDevice { return w.expired }),
	{"RSA without a server key", 42, "GetServerAuthCodeAndEncryptData", func(w *codeWorld) []openapi.Param { return w.rsa.mutualParams(w.rsa.timeCode()) }},
	{"RSA data over 117 bytes", 36, "VerifyAndEncrypt", func(w *codeWorld) []openapi.Param {
		return with(w.rsa.verifyParams(w.rsa.timeCode()), "Data", long(118))
	}},
	{"hexadecimal data", 200, "VerifyAndEncrypt", func(w *codeWorld) []openapi.Param {
		return with(w.hex.verifyParams(w.hex.timeCode()), "Data", "00ff")
	}},
	{"not hexadecimal data", 36, "VerifyAndEncrypt", func(w *codeWorld) []openapi.Param {
		return with(w.hex.verifyParams(w.hex.timeCode()), "Data", "0g")
	}},
}

var authCodeCases = []codeCase{
	coded("malformed", 21, func(*testDevice) string { return "1~2~3" }),
	coded("wrong signature", 21, func(d *testDevice) string { c := d.timeCode(); return c[:len(c)-4] + "AAA=" }),
	coded("another device's", 21, func(d *testDevice) string { d2 := *d; d2.id = strings.Repeat("B", 24); return d2.timeCode() }),
	coded("a hash the product does not name", 21, func(d *testDevice) string { c := d.timeCode(); return c[:2] + "1" + c[3:] }),
	coded("10 minutes old", 33, func(d *testDevice) string { return d.code(id2.Timestamp, d.stamp(-10*time.Minute), "") }),
	coded("10 minutes ahead", 33, func(d *testDevice) string { return d.code(id2.Timestamp, d.stamp(10*time.Minute), "") }),
	coded("a moment less than 10 minutes old", 200, func(d *testDevice) string {
		return d.code(id2.Timestamp, d.stamp(time.Millisecond-10*time.Minute), "")
	}),
	coded("a moment less than 10 minutes ahead", 200, func(d *testDevice) string {
		return d.code(id2.Timestamp, d.stamp(10*time.Minute-time.Millisecond), "")
	}),
	coded("no time at all", 33, func(d *testDevice) string { return d.code(id2.Timestamp, "yesterday", "") }),
	coded("a time past every integer", 33, func(d *testDevice) string { return d.code(id2.Timestamp, strings.Repeat("9", 32), "") }),
	coded("a challenge never issued", 35, func(d *testDevice) string { return d.code(id2.Challenge, strings.Repeat("A", 32), "") }),
	coded("a challenge in lower case", 35, func(d *testDevice) string {
		c := d.challengeCode()
		challenge := strings.Split(c, "~")[3]
		return d.code(id2.Challenge, strings.ToLower(challenge), "")
	}),
	{"another device's challenge", 35, "Verify", func(w *codeWorld) []openapi.Param {
		challenge, err := w.authn.Challenge(w.t.Context(), w.org, w.rsa.id)
		w.must(err)
		return w.device.verifyParams(w.device.code(id2.Challenge, challenge, ""))
	}},
}

// Every service code that the runtime operations can answer, through the wire.
func TestServiceCodes(t *testing.T) {
	w := newCodeWorld(t)
	for _, cases := range [][]codeCase{parameterCases, stateCases, authCodeCases} {
		for _, c := range cases {
			c := c
			a := w.do(call{action: c.action, params: c.params(w)})
			a.wantCode(t, c.action+", "+c.name, c.code)
		}
	}
}

// GetServerRandom tells at once that a device could not use a challenge.
func TestServerRandomRefusals(t *testing.T) {
	w := newCodeWorld(t)
	for code, id := range map[int]string{18: strings.Repeat("F", 24), 45: w.suspended.id, 46: w.discarded.id, 50: w.expired.id} {
		w.do(call{action: "GetServerRandom", params: params("ApiVersion", apiVersion, "Id2", id)}).wantCode(t, id, code)
	}
	w.do(call{action: "GetServerRandom", params: params("ApiVersion", apiVersion, "Id2", w.foreign.id)}).wantCode(t, "of another organisation", 18)
}

// A code counts once, however the request around it looks; a request that
// fails for another reason spends nothing.
func TestReplayThroughTheDoor(t *testing.T) {
	f := newFixture(t, nil)
	d := f.device(f.product(f.org, id2.AES128, nil))
	for name, c := range map[string]struct {
		code   string
		replay int
	}{"timestamp": {d.timeCode(), 34}, "challenge": {d.challengeCode(), 35}} {
		p := d.verifyParams(c.code)
		f.do(call{action: "Verify", params: with(p, "Extra", "x")}).wantCode(t, name+" with an extra", 21)
		f.do(call{action: "VerifyAndEncrypt", params: with(p, "Data", long(600))}).wantCode(t, name+" with long data", 36)
		f.do(call{action: "Verify", params: p}).wantCode(t, name, 200)
		for _, l := range layouts {
			f.do(call{action: "Verify", params: p, method: l.method, placement: l.placement}).wantCode(t, name+" again, "+l.name, c.replay)
		}
		f.do(call{action: "VerifyAndEncrypt", params: with(p, "Data", "x")}).wantCode(t, name+" for another operation", c.replay)
		mutual := with(with(d.mutualParams(c.code), "ProductSource", "1"), "RequestId", "z")
		f.do(call{action: "GetServerAuthCodeAndEncryptData", params: mutual}).wantCode(t, name+" for a third", c.replay)
	}
}

// A journal that is full answers 54; challenges go on working.
func TestBusy(t *testing.T) {
	f := newFixture(t, func(s *settings) { s.maxLive = 2 })
	d := f.device(f.product(f.org, id2.AES128, nil))
	f.verifies(d)
	f.verifies(d)
	f.do(call{action: "Verify", params: d.verifyParams(d.timeCode())}).wantCode(t, "past the bound", 54)
	f.do(call{action: "Verify", params: d.verifyParams(d.challengeCode())}).wantCode(t, "by challenge", 200)
}

// A store that fails is code 700 once the caller is known, and a passing
// gateway error before; nobody learns why.
func TestStoreFailure(t *testing.T) {
	f := newFixture(t, nil)
	d := f.device(f.product(f.org, id2.AES128, nil))
	stranger := f.otherCredential(f.org, registry.ClientSpec{Door: registry.DoorID2})
	f.do(call{action: "GetServerRandom", params: params("ApiVersion", apiVersion, "Id2", strings.Repeat("A", 24))}).wantCode(t, "before", 18)
	f.must(f.store.Close())
	for _, act := range actions {
		p := with(with(d.mutualParams(d.code(id2.Timestamp, d.stamp(0), "")), "AuthCode", d.timeCode()), "Data", "x")
		a := f.do(call{action: act.name, params: p})
		a.wantCode(t, act.name, 700)
		if want := id2.CodeSystem.Message(); a.text["Message"] != want {
			t.Errorf("message %q, want %q", a.text["Message"], want)
		}
	}
	a := f.do(call{action: "Verify", params: d.verifyParams(d.timeCode()), credential: stranger})
	a.wantGateway(t, "client not in the cache", openapi.ErrUnavailable)
	if !strings.Contains(f.log.String(), "the request failed") {
		t.Error("the failure is not in the log")
	}
}

// A store that fails once the code is spent is 700 too, and the device takes
// no licence.
func TestLicenceFailure(t *testing.T) {
	f := newFixture(t, nil)
	d := f.device(f.product(f.org, id2.AES128, nil))
	f.do(call{action: "GetServerRandom", params: params("ApiVersion", apiVersion, "Id2", d.id)}).wantCode(t, "into the cache", 200)
	f.must(f.store.Close())
	f.do(call{action: "Verify", params: d.verifyParams(d.timeCode())}).wantCode(t, "first success", 700)
}

// A machine without randomness cannot encrypt for a device of an asymmetric key;
// that is 14, and the code is not spent.
func TestNoRandomness(t *testing.T) {
	f := newFixture(t, nil)
	d := f.device(f.product(f.org, id2.SM2, nil))
	p := with(d.verifyParams(d.timeCode()), "Data", "x")
	r := f.request(call{action: "VerifyAndEncrypt", params: p})
	again := f.request(call{action: "VerifyAndEncrypt", params: p})
	f.random.fail = errors.New("no randomness")
	f.send(r).wantCode(t, "without randomness", 14)
	f.random.fail = nil
	f.send(again).wantCode(t, "with randomness again", 200)
}

// What an operator changes holds for the very next request.
func TestChangesShowAtOnce(t *testing.T) {
	f := newFixture(t, nil)
	p := f.product(f.org, id2.AES128, func(s *registry.ProductSpec) { s.Quota = 1 })
	d, second := f.device(p), f.device(p)
	verify := func(what string, d *testDevice, code int) {
		t.Helper()
		f.do(call{action: "Verify", params: d.verifyParams(d.timeCode())}).wantCode(t, what, code)
	}
	ctx, by := t.Context(), operatorActor
	verify("new", d, 200)
	_, err := f.reg.Suspend(ctx, f.org, d.id, by)
	f.must(err)
	verify("suspended", d, 45)
	_, err = f.reg.Resume(ctx, f.org, d.id, by)
	f.must(err)
	verify("resumed", d, 200)
	verify("second device", second, 16)
	quota, limit := int64(2), 1
	_, err = f.reg.UpdateProduct(ctx, f.org, p.Key, registry.ProductChange{Quota: &quota, DailyLimit: &limit}, by)
	f.must(err)
	verify("second device, more quota", second, 200)
	verify("second device, at its daily limit", second, 16)
	key, err := id2.GeneratePrivateKey(f.random, id2.AES128)
	f.must(err)
	unlimited := 0
	_, err = f.reg.UpdateProduct(ctx, f.org, p.Key, registry.ProductChange{DailyLimit: &unlimited}, by)
	f.must(err)
	_, err = f.reg.Rekey(ctx, f.org, d.id, registry.KeyText{Hex: fmt.Sprintf("%x", key.Bytes())}, by)
	f.must(err)
	verify("old key", d, 21)
	d.key = key
	verify("new key", d, 200)
	f.must(f.reg.SetClientDisabled(ctx, f.org, f.client.ID, true, by))
	f.do(call{action: "Verify", params: d.verifyParams(d.timeCode())}).wantError(t, "client disabled", http.StatusBadRequest, "InvalidAccessKeyId.Inactive")
	f.must(f.reg.SetClientDisabled(ctx, f.org, f.client.ID, false, by))
	verify("client enabled", d, 200)
	f.must(f.reg.Delete(ctx, f.org, d.id, by))
	verify("deleted", d, 18)
	f.must(f.reg.DeleteClient(ctx, f.org, f.client.ID, by))
	f.do(call{action: "Verify", params: d.verifyParams(d.timeCode())}).wantGateway(t, "client deleted", openapi.ErrAccessKeyNotFound)
}
