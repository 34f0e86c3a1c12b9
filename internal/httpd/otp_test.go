package httpd

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/hallmark-id/hallmark/id2"
	"github.com/hallmark-id/hallmark/internal/registry"
	"github.com/hallmark-id/hallmark/openapi"
)

// otpDevice is a device that has a token and a fingerprint, and later an
// identity.
type otpDevice struct {
	*testDevice
	token   id2.Token
	request id2.OTPRequest
}

// otpProduct makes a product for provisioning.
func (f *fixture) otpProduct(a id2.Algorithm, quota int64) (registry.Product, id2.Token) {
	f.t.Helper()
	p, secret, err := f.reg.CreateProduct(context.Background(), f.org, registry.ProductSpec{Name: "lamp", Algorithm: a, Quota: quota, OTP: true}, operatorActor)
	f.must(err)
	token, err := id2.ParseToken(secret)
	f.must(err)
	return p, token
}

func (f *fixture) otpDevice(p registry.Product, token id2.Token, fingerprint string) *otpDevice {
	return &otpDevice{&testDevice{f: f, org: p.Org, product: p}, token,
		id2.OTPRequest{KeyType: id2.OTPKeyTypeOf(p.Algorithm), Fingerprint: []byte(fingerprint)}}
}

// params are those of OtpGetId2 with a new code.
func (d *otpDevice) params() []openapi.Param {
	d.f.t.Helper()
	_, err := d.f.random.Read(d.request.SessionKey[:])
	d.f.must(err)
	code, err := d.request.AuthCode(d.token)
	d.f.must(err)
	return params("ApiVersion", apiVersion, "DeviceAuthCode", base64.StdEncoding.EncodeToString(code))
}

// load takes the identity out of an answer.
func (d *otpDevice) load(a *answer) error {
	data, err := base64.StdEncoding.DecodeString(a.text["Data.ProvisionData"])
	if err == nil {
		d.id, d.key, err = d.request.OpenProvisionData(data)
	}
	return err
}

func (d *otpDevice) provision(what string, code int) *answer {
	d.f.t.Helper()
	a := d.f.do(call{action: "OtpGetId2", params: d.params()})
	a.wantCode(d.f.t, what, code)
	if code == 200 {
		d.f.must(d.load(a))
	}
	return a
}

func (d *otpDevice) authenticate(what string, code int) {
	d.f.t.Helper()
	d.f.do(call{action: "Verify", params: d.verifyParams(d.timeCode())}).wantCode(d.f.t, what, code)
}

func TestOtpGetId2InEveryLayout(t *testing.T) {
	for _, stringly := range []bool{false, true} {
		f := newFixture(t, func(s *settings) { s.id2.Stringly = stringly })
		p, token := f.otpProduct(id2.AES128, registry.Unlimited)
		for _, l := range layouts {
			for _, format := range []openapi.Format{openapi.FormatJSON, openapi.FormatXML} {
				name := fmt.Sprintf("stringly %v, %s, %v", stringly, l.name, format)
				d := f.otpDevice(p, token, name)
				a := f.do(call{action: "OtpGetId2", params: d.params(), method: l.method, placement: l.placement, format: format})
				a.wantCode(t, name, 200)
				checkForm(t, name, a, "OtpGetId2", format, stringly)
				remaining, data := bytes.Index(a.body, []byte("Remaining")), bytes.Index(a.body, []byte("ProvisionData"))
				if a.text["Data.Remaining"] != "2147483647" || remaining < 0 || data < remaining {
					t.Errorf("%s: %s", name, a.body)
				}
				f.must(d.load(a))
				d.authenticate(name, 200)
			}
		}
	}
}

// Two devices from their first day on, as a vendor's back end sees them.
func TestProvisioningEndToEnd(t *testing.T) {
	f := newFixture(t, nil)
	p, token := f.otpProduct(id2.AES128, 10)
	one, two := f.otpDevice(p, token, "mac 1"), f.otpDevice(p, token, "mac 2")
	if a := one.provision("the first device", 200); a.text["Data.Remaining"] != "9" {
		t.Errorf("%s", a.body)
	}
	if a := two.provision("the second device", 200); a.text["Data.Remaining"] != "8" || one.id == two.id {
		t.Errorf("%s: ids %s and %s", a.body, one.id, two.id)
	}
	first := one.id
	list := one.params()
	a := f.do(call{action: "OtpGetId2", params: list})
	a.wantCode(t, "the same fingerprint before it has authenticated", 200)
	f.must(one.load(a))
	if one.id != first || a.text["Data.Remaining"] != "8" {
		t.Errorf("id %s, then %s; %s", first, one.id, a.body)
	}
	f.do(call{action: "OtpGetId2", params: list}).wantCode(t, "replayed", 21)
	one.authenticate("the first device", 200)
	two.authenticate("the second device", 200)
	f.do(call{action: "VerifyAndEncrypt", params: with(one.verifyParams(one.timeCode()), "Data", "x")}).wantCode(t, "encrypt", 200)
	one.provision("the same fingerprint afterwards", 57)
	_, err := f.reg.AllowReprovision(context.Background(), f.org, one.id, operatorActor)
	f.must(err)
	one.provision("allowed", 200)
	one.authenticate("with the new key", 200)
	one.provision("allowed once", 57)
	licences, err := f.reg.Licences(context.Background(), f.org, registry.LicenceFilter{Product: p.Key})
	if err != nil || len(licences) != 2 {
		t.Errorf("%d licences, %v; want 2", len(licences), err)
	}
}

func TestOtpGetId2Refusals(t *testing.T) {
	f := newFixture(t, nil)
	p, otpSecret, err := f.reg.CreateProduct(t.Context(), f.org, registry.ProductSpec{Name: "lamp", Algorithm: id2.AES128, OTP: true}, operatorActor)
	f.must(err)
	token, err := id2.ParseToken(otpSecret)
	f.must(err)
	key := []byte(otpSecret[3:19]) // the token's own
	full := f.otpDevice(p, token, "uid").params()
	code := full[1].Value
	plain := f.product(f.org, id2.AES128, nil)
	_, secret, err := f.reg.CreateProduct(t.Context(), f.org, registry.ProductSpec{Name: "no OTP", Algorithm: id2.AES128}, operatorActor)
	f.must(err)
	plainToken, err := id2.ParseToken(secret)
	f.must(err)
	for name, c := range map[string]struct {
		params []openapi.Param
		want   int
	}{
		"no ApiVersion":     {with(full, "ApiVersion", "-"), 37},
		"no code":           {with(full, "DeviceAuthCode", "-"), 500},
		"ProductSource":     {with(full, "ProductSource", "2"), 500},
		"empty":             {with(full, "DeviceAuthCode", ""), 21},
		"not base64":        {with(full, "DeviceAuthCode", "0~0~1245DC626946A9E5~1499753003564~Pfyt"), 21},
		"a line break":      {with(full, "DeviceAuthCode", code[:40]+"\n"+code[40:]), 21},
		"no padding":        {with(full, "DeviceAuthCode", strings.TrimRight(code, "=")+"A"), 21},
		"oversized":         {with(full, "DeviceAuthCode", strings.Repeat("A", 20_000)), 21},
		"no product has it": {f.otpDevice(plain, id2.Token{KeyType: 1}, "uid").params(), 51},
		"made without OTP":  {f.otpDevice(plain, plainToken, "uid").params(), 55},
		"no fingerprint":    {with(full, "DeviceAuthCode", f.rawOTPCode(token, key, "")), 56},
		"long fingerprint":  {with(full, "DeviceAuthCode", f.rawOTPCode(token, key, long(129))), 56},
		"no quota":          {full, 16},
	} {
		f.do(call{action: "OtpGetId2", params: c.params}).wantCode(t, name, c.want)
	}
	limited := f.otherCredential(f.org, registry.ClientSpec{Door: registry.DoorID2, Name: "line", Scopes: []string{"OtpGetId2"}})
	f.do(call{action: "OtpGetId2", params: full, credential: limited}).wantCode(t, "within its scope", 16)
	f.do(call{action: "GetServerRandom", params: params("ApiVersion", apiVersion), credential: limited}).wantGateway(t, "outside its scope", openapi.ErrForbidden)
}

// rawOTPCode is a genuine code with a fingerprint that no device would send.
func (f *fixture) rawOTPCode(token id2.Token, key []byte, fingerprint string) string {
	f.t.Helper()
	code, err := id2.OTPRequest{KeyType: id2.OTPAES128, Fingerprint: []byte("x")}.AuthCode(token)
	f.must(err)
	cipher, err := id2.NewSymmetricKey(id2.AES128, key)
	f.must(err)
	plain := append(append([]byte{byte(id2.OTPAES128)}, make([]byte, 16)...), fingerprint...)
	sealed, err := cipher.Encrypt(nil, plain)
	f.must(err)
	sum := sha256.Sum256(plain)
	return base64.StdEncoding.EncodeToString(append(append(code[:36:36], sum[:]...), sealed...))
}

// Fifty devices ask at once for twenty licences.
func TestProvisioningQuota(t *testing.T) {
	const devices, quota = 50, 20
	f := newFixture(t, nil)
	p, token := f.otpProduct(id2.AES128, quota)
	answers := make([]*answer, devices)
	var wg sync.WaitGroup
	for i := range answers {
		r := f.request(call{action: "OtpGetId2", params: f.otpDevice(p, token, fmt.Sprint("mac ", i)).params()})
		wg.Go(func() { answers[i] = f.send(r) })
	}
	wg.Wait()
	told := make(map[int]bool)
	for _, a := range answers {
		if a.text["Code"] == "200" {
			n, err := strconv.Atoi(a.text["Data.Remaining"])
			f.must(err)
			told[n] = true
			continue
		}
		a.wantCode(t, "past the quota", 16)
	}
	for n := range quota {
		if !told[n] {
			t.Errorf("nobody was told that %d are left", n)
		}
	}
	licences, err := f.reg.Licences(context.Background(), f.org, registry.LicenceFilter{Product: p.Key})
	if err != nil || len(licences) != quota || len(told) != quota {
		t.Errorf("%d licences, %v; %d answers", len(licences), err, len(told))
	}
}
