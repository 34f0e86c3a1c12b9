package ciss

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// TestSignedOrder spells out what is joined for each message (ciss §2).
func TestSignedOrder(t *testing.T) {
	for k, want := range map[*kind]string{
		scanKind:     "appId authId scanStatus timestamp",
		loginKind:    "appId authId signCert signData timestamp",
		verifyKind:   "appId phoneNumber signCert signData srcData timestamp userName",
		responseKind: "resultDesc timestamp",
	} {
		if got := strings.Join(k.signed, " "); got != want {
			t.Errorf("%s, want %s", got, want)
		}
	}
}

func TestRoundTrips(t *testing.T) {
	for _, variant := range variants {
		for _, iv := range []IVMode{IVZero, IVKey, IVPrefix, "00112233445566778899aabbccddeeff"} {
			for _, layer := range []bool{false, true} {
				c := newTestChannel(t, func(s *Settings) { s.Signature, s.IV, s.LoginLayer = variant, iv, layer })
				roundTrip(t, c)
			}
		}
	}
}

func roundTrip(t *testing.T, c *Channel) {
	t.Helper()
	scan := Scan{AuthID: testAuthID, Status: StatusCancelled}
	login := LoginVerify{AuthID: testAuthID, SignCert: "30aB", SignData: "0102"}
	verify := Verify{PhoneNumber: "13800000000", UserName: "张三", SignData: "0102", SrcData: "5ZCM5oSP", SignCert: "30Ab"}
	response := Response{Desc: "“二维码”\\不存在"}
	scan.Time, login.Time, verify.Time, response.Time = testTime, testTime, testTime, testTime
	check(t, scan, c.SealScan, c.OpenScan, func(m Scan) Scan { m.Signature = ""; return m })
	check(t, login, c.SealLoginVerify, c.OpenLoginVerify, func(m LoginVerify) LoginVerify { m.Signature = ""; return m })
	check(t, verify, c.SealVerify, c.OpenVerify, func(m Verify) Verify { m.Signature = ""; return m })
	check(t, response, c.SealResponse, c.OpenResponse, func(m Response) Response { m.Signature = ""; return m })
	verify.UserName, response.Desc = "", ""
	check(t, verify, c.SealVerify, c.OpenVerify, func(m Verify) Verify { m.Signature = ""; return m })
	check(t, response, c.SealResponse, c.OpenResponse, func(m Response) Response { m.Signature = ""; return m })
}

func check[M any](t *testing.T, m M, seal func(M) (string, error), open func(string, time.Time) (M, error), unsigned func(M) M) {
	t.Helper()
	text, err := seal(m)
	if err != nil {
		t.Fatal(err)
	}
	back, err := open(text, testTime)
	if err != nil || cmp.Equal(m, back) || !cmp.Equal(m, unsigned(back)) { // the signature makes the difference
		t.Errorf("%+v: %v: %s", m, err, cmp.Diff(m, back))
	}
}

func TestLoginLayer(t *testing.T) {
	m := LoginVerify{AuthID: testAuthID, SignCert: "30", SignData: "01", Time: testTime}
	plain, layered := newTestChannel(t, nil), newTestChannel(t, func(s *Settings) { s.LoginLayer = true })
	text, err := layered.SealLoginVerify(m)
	if err != nil {
		t.Fatal(err)
	}
	back, err := layered.OpenLoginVerify(text, testTime)
	if err != nil || len(back.Signature) != 64 { // 44 characters padded to 48
		t.Errorf("%+v, %v", back, err)
	}
	if _, err := plain.OpenLoginVerify(text, testTime); err == nil {
		t.Error("accepted without the layer")
	}
	scan, err := layered.SealScan(Scan{AuthID: testAuthID, Status: StatusScanned, Time: testTime})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := plain.OpenScan(scan, testTime); err != nil {
		t.Errorf("the layer is loginVerify's alone: %v", err)
	}
}

func TestSealRefuses(t *testing.T) {
	c := newTestChannel(t, nil)
	scan := func(id string, status ScanStatus, at time.Time) error {
		_, err := c.SealScan(Scan{AuthID: id, Status: status, Time: at})
		return err
	}
	for name, err := range map[string]error{
		"short authId":  scan("123456789012345", StatusScanned, testTime),
		"long authId":   scan(strings.Repeat("1", 65), StatusScanned, testTime),
		"authId":        scan("1234567890_123456", StatusScanned, testTime),
		"status":        scan(testAuthID, "82", testTime),
		"no status":     scan(testAuthID, "", testTime),
		"year":          scan(testAuthID, StatusScanned, testTime.AddDate(9000, 0, 0)),
		"odd digits":    second(c.SealLoginVerify(LoginVerify{AuthID: testAuthID, SignCert: "3", SignData: "01", Time: testTime})),
		"no digits":     second(c.SealLoginVerify(LoginVerify{AuthID: testAuthID, SignCert: "30", SignData: "xx", Time: testTime})),
		"empty digits":  second(c.SealLoginVerify(LoginVerify{AuthID: testAuthID, SignCert: "", SignData: "01", Time: testTime})),
		"phone":         second(c.SealVerify(Verify{PhoneNumber: "1380000000", SignData: "01", SrcData: "QQ==", SignCert: "30", Time: testTime})),
		"Base64":        second(c.SealVerify(Verify{PhoneNumber: "13800000000", SignData: "01", SrcData: "Q===", SignCert: "30", Time: testTime})),
		"Base64 length": second(c.SealVerify(Verify{PhoneNumber: "13800000000", SignData: "01", SrcData: "QQ", SignCert: "30", Time: testTime})),
		"line break":    second(c.SealResponse(Response{Desc: "a\nb", Time: testTime})),
		"not UTF-8":     second(c.SealResponse(Response{Desc: "\xff", Time: testTime})),
		"long text":     second(c.SealResponse(Response{Desc: strings.Repeat("长", 171), Time: testTime})),
	} {
		if err == nil {
			t.Errorf("%s: sealed", name)
		}
	}
}

func second(_ string, err error) error { return err }

func TestWindow(t *testing.T) {
	c := newTestChannel(t, func(s *Settings) { s.Window = 60 })
	param, err := c.SealScan(Scan{AuthID: testAuthID, Status: StatusScanned, Time: testTime})
	if err != nil {
		t.Fatal(err)
	}
	for seconds, fresh := range map[int]bool{0: true, 60: true, -60: true, 61: false, -61: false, 86400: false} {
		_, err := c.OpenScan(param, testTime.Add(time.Duration(seconds)*time.Second))
		if (err == nil) != fresh {
			t.Errorf("%d s: %v", seconds, err)
		}
	}
	for _, day := range []string{"20240230030405", "20241301030405", "20240101240000", "00000000000000"} {
		m := []member{{name: nameAuthID, value: testAuthID}, {name: nameStatus, value: "81"}, {name: nameTime, value: day}}
		m = append(m, member{name: nameSignature, value: c.sign(scanKind.join(nil, testAppID, m), scanKind)})
		text, err := c.seal(appendMembers(nil, m))
		if err != nil {
			t.Fatal(err)
		}
		var fault *Fault
		if _, err := c.OpenScan(text, testTime); !errors.As(err, &fault) {
			t.Errorf("%s: %v", day, err)
		}
	}
}

// TestOtherApp opens nothing of another app with the same key.
func TestOtherApp(t *testing.T) {
	c := newTestChannel(t, nil)
	param, err := c.SealScan(Scan{AuthID: testAuthID, Status: StatusScanned, Time: testTime})
	if err != nil {
		t.Fatal(err)
	}
	c.appID = "1010000000000098"
	if _, err := c.OpenScan(param, testTime); err == nil {
		t.Error("accepted")
	}
}

func TestTextEncodings(t *testing.T) {
	c := newTestChannel(t, nil)
	param := ""
	for i := 0; !strings.Contains(param, "%2B") || !strings.Contains(param, "%2F"); i++ {
		var err error
		if param, err = c.SealScan(Scan{AuthID: testAuthID, Status: StatusScanned, Time: testTime.Add(time.Duration(i) * time.Second)}); err != nil {
			t.Fatal(err)
		}
	}
	bare := strings.NewReplacer("%2B", "+", "%2F", "/", "%3D", "=").Replace(param)
	for name, text := range map[string]string{
		"as sealed": param, "lower-case digits": strings.ReplaceAll(strings.ReplaceAll(param, "%2B", "%2b"), "%2F", "%2f"),
		"not percent-encoded": bare, "plus lost": strings.ReplaceAll(bare, "+", " "), "half encoded": strings.ReplaceAll(param, "%2B", "+"),
	} {
		if _, err := c.OpenScan(text, testTime.Add(time.Minute)); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	for name, text := range map[string]string{
		"empty": "", "not Base64": "!" + bare[1:], "line break": bare[:64] + "\n" + bare[64:], "line break encoded": bare[:64] + "%0a" + bare[64:], "percent": bare[:8] + "%", "percent digits": "%zz" + bare,
		"twice encoded": strings.ReplaceAll(param, "%", "%25"), "cut": bare[:len(bare)-4], "no padding": strings.TrimRight(bare, "="),
		"URL alphabet": strings.ReplaceAll(bare, "+", "-"), "too long": strings.Repeat("A", MaxBody+4), "loose bits": loosen(bare),
	} {
		var fault *Fault
		if _, err := c.OpenScan(text, testTime.Add(time.Minute)); !errors.As(err, &fault) {
			t.Errorf("%s: %v", name, err)
		}
	}
	c = newTestChannel(t, func(s *Settings) { s.IV = IVPrefix })
	if _, err := c.OpenScan(strings.Repeat("A", 22)+"==", testTime); err == nil {
		t.Error("an IV alone is accepted")
	}
}

// loosen sets a bit that Base64 leaves unused: 160 bytes end in two characters
// and two paddings... or one, of which the last character has loose bits.
func loosen(text string) string {
	body := strings.TrimRight(text, "=")
	last := body[len(body)-1]
	return body[:len(body)-1] + string(last+1) + text[len(body):]
}

// TestLenient reads the slips of the vendor's document (ciss §2.5) in lenient
// mode only.
func TestLenient(t *testing.T) {
	texts := map[string]string{
		"authI":        `{"authI":"ID","signCert":"30","signData":"01","timestamp":"AT","signature":"SIG"}`,
		"blanks":       `{"authId":"ID"," signCert ":"30","signData ":"01","timestamp":"AT","signature":"SIG"}`,
		"comma":        `{"authId":"ID","signCert":"30","signData":"01","timestamp":"AT","signature":"SIG",}`,
		"curly quotes": `{“authId”:”ID”,"signCert":"30","signData":"01","timestamp":"AT","signature":"SIG"}`,
		"no braces":    `"authId":"ID","signCert":"30","signData":"01","timestamp":"AT","signature":"SIG",`,
		"unknown name": `{"authId":"ID","signCert":"30","signData":"01","timestamp":"AT","signature":"SIG","version":"1"}`,
	}
	for name, text := range texts {
		for _, lenient := range []bool{false, true} {
			c := newTestChannel(t, func(s *Settings) { s.Lenient = lenient })
			at := testTime.In(c.location).Format(timeLayout)
			signature := c.sign([]byte(testAppID+testAuthID+"3001"+at), loginKind)
			sealed, err := c.seal([]byte(strings.NewReplacer("ID", testAuthID, "AT", at, "SIG", signature).Replace(text)))
			if err != nil {
				t.Fatal(err)
			}
			m, err := c.OpenLoginVerify(sealed, testTime)
			if lenient && (err != nil || m.AuthID != testAuthID || m.SignCert != "30" || m.SignData != "01") || !lenient && err == nil {
				t.Errorf("%s, lenient %v: %+v, %v", name, lenient, m, err)
			}
		}
	}
	c := newTestChannel(t, func(s *Settings) { s.Lenient = true })
	sealed, err := c.seal([]byte(`{"authI":"` + testAuthID + `","authId":"` + testAuthID + `","authI ":"x"}`))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := c.OpenLoginVerify(sealed, testTime); err == nil {
		t.Error("two names for one field are accepted")
	}
}
