package interop

import (
	"encoding/base64"
	"fmt"
	"strings"
	"testing"
	"time"
)

// nasty are values that a wrong encoding would spoil: alone, at the edges, and
// together.
var nasty = []string{
	" ", " edges ", "+", "*", "~", "!'()", "%", "%2F%20+", "a/b", "k=v", "a&b", "#?;:@,$[]", `"\`, "<a>&amp;", "é中文", "\u2028",
	"😀", "two\nlines", "tab\tand\r\nreturn", "di gest*1'2~3+4/é中!()%=&\n😀",
}

func TestGetServerRandom(t *testing.T) {
	everyClient(t, func(t *testing.T, b *bench) {
		if c := b.challenge(t); len(c) != 32 || strings.Trim(c, "0123456789ABCDEF") != "" {
			t.Errorf("%q", c)
		}
	})
}

func TestVerify(t *testing.T) {
	everyClient(t, func(t *testing.T, b *bench) {
		const extra = "di gest*1'2~3+4/é中"
		d := b.device
		for name, p := range map[string]params{
			"challenge":           b.verify(d, d.authCode(t, b.challenge(t), "", false)),
			"challenge and extra": b.verify(d, d.authCode(t, b.challenge(t), extra, false)).with("Extra", extra),
			"timestamp":           b.verify(d, d.timestampCode(t, "")),
			"timestamp and extra": b.verify(d, d.timestampCode(t, extra)).with("Extra", extra, "ProductSource", "1", "RequestId", "mine"),
		} {
			var ok bool
			if b.must(t, "Verify", p, &ok); !ok {
				t.Errorf("%s: data is not true", name)
			}
		}
	})
}

// TestNasty has every parameter that takes free text carry every nasty value, and
// sees by the signatures and ciphertexts that it arrived unchanged.
func TestNasty(t *testing.T) {
	everyClient(t, func(t *testing.T, b *bench) {
		d := b.device
		for _, v := range nasty {
			var sealed string
			b.must(t, "VerifyAndEncrypt", b.verify(d, d.timestampCode(t, v)).with("Extra", v, "Data", v, "RequestId", v), &sealed)
			if got, err := d.decrypt(sealed); err != nil || got != v {
				t.Errorf("%q: decrypts to %q, %v", v, got, err)
			}
			b.mutually(t, strings.ReplaceAll(v, "~", "."), v, v)
		}
	})
}

// mutually authenticates both sides with a device challenge, extras and data.
func (b *bench) mutually(t *testing.T, challenge, extra, v string) {
	t.Helper()
	d := b.device
	var data struct{ EncryptData, ServerAuthCode string }
	b.must(t, "GetServerAuthCodeAndEncryptData", b.mutual(d.timestampCode(t, extra)).
		with("DeviceExtra", extra, "ServerExtra", extra, "DeviceChallenge", challenge, "Data", v), &data)
	if want := d.serverCode(t, challenge, extra); data.ServerAuthCode != want {
		t.Errorf("%q: server code %q, want %q", v, data.ServerAuthCode, want)
	}
	if got, err := d.decrypt(data.EncryptData); err != nil || got != v {
		t.Errorf("%q: decrypts to %q, %v", v, got, err)
	}
}

func TestMutualAuthentication(t *testing.T) {
	everyClient(t, func(t *testing.T, b *bench) {
		b.mutually(t, "ABCD12348", "", "abcd1234") // empty extras count as absent
	})
}

// newFingerprint names a device that no test has named before.
func newFingerprint() string { return fmt.Sprintf("mac 00:16 + %d", time.Now().UnixNano()) }

// TestOtpGetId2 provisions a device, and shows that its key is what the server
// knows it by.
func TestOtpGetId2(t *testing.T) {
	everyClient(t, func(t *testing.T, b *bench) {
		d := newOTPDevice(t, b.otpSecret, newFingerprint())
		var data struct {
			Remaining     int
			ProvisionData string
		}
		b.must(t, "OtpGetId2", otp(d.code(t, otpAES128)), &data)
		sealed, err := base64.StdEncoding.DecodeString(data.ProvisionData)
		if err != nil {
			t.Fatal(err)
		}
		got, err := d.open(sealed)
		if err != nil || data.Remaining < 1 {
			t.Fatalf("%+v: %v", data, err)
		}
		p := b.verify(got, got.timestampCode(t, "")).with("ProductKey", env(t, "HALLMARK_OTP_PRODUCT_KEY"))
		var ok bool
		b.must(t, "Verify", p, &ok)
		if a := b.do(t, "OtpGetId2", otp(d.code(t, otpAES128))); a.Code != 57 {
			t.Errorf("again: %+v", a)
		}
	})
}
