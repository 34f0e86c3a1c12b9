package enos

import (
	"crypto/rand"
	"crypto/rsa"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestParseQuery(t *testing.T) {
	for raw, want := range map[string]error{
		"":                                   nil,
		"a=1&b=2":                            nil,
		"a&b=&&":                             nil,
		"a=1&a=2":                            ErrQueryDuplicate,
		"a=1&%61=2":                          ErrQueryDuplicate,
		"a=%zz":                              ErrQueryEncoding,
		"=1":                                 ErrQueryEncoding,
		"a=%ff":                              ErrQueryEncoding,
		"a=" + strings.Repeat("x", MaxQuery): ErrQueryTooLong,
		strings.Repeat("a&", 1) + many(MaxParams): ErrQueryTooLong,
	} {
		if _, err := ParseQuery(raw); !errors.Is(err, want) {
			t.Errorf("%.40q: %v, want %v", raw, err, want)
		}
	}
	q, err := ParseQuery("deviceKey=dev+1%2B2&orgId=o1")
	if v, ok := q.Get("deviceKey"); err != nil || !ok || v != "dev 1+2" {
		t.Errorf("%q %v", v, err)
	}
	if got := q.Encode(); got != "deviceKey=dev+1%2B2&orgId=o1" {
		t.Errorf("encoded as %s", got)
	}
}

func many(n int) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, "p%d=1&", i)
	}
	return b.String()
}

func TestDetect(t *testing.T) {
	sealed := strings.Repeat("A", 342) + "=="
	for _, tt := range []struct {
		name  string
		h     http.Header
		query string
		want  Scheme
	}{
		{"nothing", nil, "orgId=o", SchemeNone},
		{"legacy", nil, "accessKey=a&sign=b", SchemeLegacy},
		{"legacy wins over headers", http.Header{HeaderSignature: {"x"}, HeaderToken: {"t"}}, "accessKey=a&sign=b", SchemeLegacy},
		{"sign without key", nil, "sign=b", SchemeNone},
		{"signed", http.Header{HeaderSignature: {"x"}, HeaderToken: {"t"}}, "", SchemeSigned},
		{"signed with a sealed token", http.Header{HeaderSignature: {"x"}, HeaderToken: {sealed}}, "", SchemeSigned},
		{"sealed", http.Header{HeaderToken: {sealed}}, "", SchemeSealed},
		{"token only", http.Header{HeaderToken: {"t"}}, "", SchemeTokenOnly},
	} {
		q, err := ParseQuery(tt.query)
		if got := Detect(tt.h, q); err != nil || got != tt.want {
			t.Errorf("%s: %d, want %d", tt.name, got, tt.want)
		}
	}
}

func TestSealed(t *testing.T) {
	v, c := readVectors(t)
	if long, short := c.pins(); long != v.Sealed.Pin016 || short != v.Sealed.Pin014 {
		t.Errorf("pins %s and %s", long, short)
	}
	// Padding comes before cutting (enos §3.4): 0x12 is 18, so 000000018.
	if long, short := NewCredential("a-1-b", "a-2").pins(); long != "000000" || short != "18" {
		t.Errorf("pins %s and %s", long, short)
	}
	key, err := rsa.GenerateKey(rand.Reader, SealedKeyBits)
	if err != nil {
		t.Fatal(err)
	}
	token, err := c.Seal(&key.PublicKey, rand.Reader)
	if err != nil || len(token) != sealedText {
		t.Fatal(len(token), err)
	}
	s, err := OpenSealed(key, token)
	if err != nil || s.AppKey != v.AppKey || !c.CheckSealed(s) {
		t.Fatalf("%+v %v", s, err)
	}
	if NewCredential(v.AppKey, "ffeeddcc-bbaa-9988-7766-554433221101").CheckSealed(s) {
		t.Error("another secret counts")
	}
	s.pin = "131488"
	if c.CheckSealed(s) {
		t.Error("another pin counts")
	}
	raw, _ := base64.StdEncoding.DecodeString(token)
	raw[17] ^= 1
	for _, bad := range []string{"", token[:343], token + "A", base64.StdEncoding.EncodeToString(raw), strings.Repeat("!", 344)} {
		if _, err := OpenSealed(key, bad); !errors.Is(err, ErrSealed) {
			t.Errorf("%.20q: %v", bad, err)
		}
	}
}

func TestCredentialKeepsItsSecret(t *testing.T) {
	c := NewCredential("key-0a", "topsecret-0b")
	for _, text := range []string{fmt.Sprint(c), fmt.Sprintf("%v %+v %#v %s", c, c, c, c)} {
		if strings.Contains(text, "topsecret") {
			t.Errorf("printed: %s", text)
		}
	}
}

func TestParseTimestamp(t *testing.T) {
	if at, err := ParseTimestamp("1700000000123"); err != nil || FormatTimestamp(at) != "1700000000123" {
		t.Errorf("%v %v", at, err)
	}
	for _, bad := range []string{"", "-1", "1.5", "1e3", " 1", "1234567890123456", "١"} {
		if _, err := ParseTimestamp(bad); !errors.Is(err, ErrTimestamp) {
			t.Errorf("%q: %v", bad, err)
		}
	}
}

func TestDecode(t *testing.T) {
	var apply ApplyRequest
	if err := Decode([]byte(`{"csr":"x","validDay":365,"issueAuthority":"ecc","timestamp":"1574844328313"}`), &apply); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(ApplyRequest{CSR: "x", ValidDays: NewInt(365), Authority: "ecc"}, apply); diff != "" {
		t.Error(diff)
	}
	var renew RenewRequest
	if err := Decode([]byte(` {"certSn":"32720","csr":null}`), &renew); err != nil || *renew.SN != 32720 || renew.ValidDays != nil {
		t.Errorf("%+v %v", renew, err)
	}
	for _, timestamp := range []string{`1700000000123`, `"1700000000123"`} {
		var token TokenRequest
		if err := Decode([]byte(`{"appKey":"a","encryption":"b","timestamp":`+timestamp+`}`), &token); err != nil || token.Timestamp != "1700000000123" {
			t.Errorf("%+v %v", token, err)
		}
	}
}

func TestDecodeRefuses(t *testing.T) {
	for body, want := range map[string]string{
		``:                             "Invalid Argument body:a JSON object is needed",
		`[]`:                           "Invalid Argument body:a JSON object is needed",
		`"x"`:                          "Invalid Argument body:a JSON object is needed",
		`{"certSn":}`:                  "Invalid Argument body:not JSON",
		`{"certSn":1} {}`:              "Invalid Argument body:something follows the JSON object",
		`{"csr":5}`:                    "Invalid Argument csr:a number is of the wrong type",
		`{"certSn":1.5}`:               "Invalid Argument body:certSn, validDay and reason must be whole numbers",
		`{"certSn":"x"}`:               "Invalid Argument body:certSn, validDay and reason must be whole numbers",
		`{"certSn":true}`:              "Invalid Argument body:certSn, validDay and reason must be whole numbers",
		"{\"csr\":\"\xff\"}":           "Invalid Argument body:not UTF-8",
		strings.Repeat(" ", MaxBody+1): "Invalid Argument body:longer than 64 KiB",
	} {
		var refusal *Error
		if err := Decode([]byte(body), new(RenewRequest)); !errors.As(err, &refusal) || refusal.Msg != want || refusal.Code != CodeInvalidArgument {
			t.Errorf("%.40q: %v, want %s", body, err, want)
		}
	}
	if err := Decode([]byte(`{"timestamp":"12x"}`), new(TokenRequest)); err == nil || !strings.Contains(err.Error(), "timestamp") {
		t.Error(err)
	}
}

// The members of a list, in the order of the API document's sample, both
// spellings of the effective date among them.
func TestListIsWritten(t *testing.T) {
	d := CertificateDetail{SN: "52726", PEM: "P", Status: Revoked, Issuer: "CN=<CA>", Subject: "CN=d", Signed: 1, Effetive: 1, Effective: 1, Expires: 2,
		Audit:   &Audit{CreateBy: "o", CreateTime: 3, UpdateBy: "o", UpdateTime: 4, NS: "o"},
		Revoker: "IoT_Hub", Reason: KeyCompromise.Text(), EnOS: true, Authority: ECC}
	got, err := AppendJSON(nil, Reply{Msg: "OK", RequestID: "r", Data: []CertificateDetail{d}})
	want := `{"code":0,"msg":"OK","requestId":"r","data":[{"certSN":"52726","cert":"P","certStatus":1,"issuer":"CN=<CA>","subject":"CN=d",` +
		`"signDate":1,"effetiveDate":1,"effectiveDate":1,"expireDate":2,` +
		`"audit":{"createBy":"o","createTime":3,"updateBy":"o","updateTime":4,"ns":"o","deleted":false},` +
		`"revoker":"IoT_Hub","revokerReason":"KEY COMPROMISE","isEnosCert":true,"issueAuthority":"ECC"}]}` + "\n"
	if err != nil || string(got) != want {
		t.Errorf("%v\n got %s\nwant %s", err, got, want)
	}
}

func TestRepliesAreWritten(t *testing.T) {
	for want, reply := range map[string]any{
		`{"code":99400,"msg":"m","requestId":"r","data":null}`:                                                  Reply{Code: 99400, Msg: "m", RequestID: "r"},
		`{"status":0,"requestId":"r","msg":"Success","submsg":"","data":[{"certSN":"1","certStatus":0}]}`:       LegacyReply{RequestID: "r", Msg: "Success", Data: []LegacyStatus{{SN: "1"}}},
		`{"approveStatus":1,"issuedCert":"P","issuedCertSN":7}`:                                                 LegacyIssued{1, "P", 7},
		`{"status":0,"msg":"SUCCESS","business":"apim-token-service","data":{"accessToken":"t","expire":7200}}`: TokenReply{Msg: TokenMessage(TokenOK), Business: TokenBusiness, Data: &Token{"t", 7200}},
	} {
		if got, err := AppendJSON([]byte("x"), reply); err != nil || string(got) != "x"+want+"\n" {
			t.Errorf("%v\n got %s\nwant %s", err, got, want)
		}
	}
	if _, err := AppendJSON(nil, make(chan int)); err == nil {
		t.Error("a channel was written")
	}
}

func TestErrors(t *testing.T) {
	for want, e := range map[string]*Error{
		"enos: 99400: Invalid Argument csr:csr is missing":                                                   Missing("csr"),
		"enos: 99403: Denied resource:  orgId o1":                                                            Denied("orgId o1"),
		"enos: 99400: Renew cert is failed!message: m, detail message: d":                                    RenewFailed.With("m", "d"),
		"enos: 99400: Invalid cert request!message: m, detail message: d":                                    InvalidRequest.With("m", "d"),
		"enos: 99400: Call ca error!: Certificate service err info:, code: 7, message: m, detail message: d": CallCA(7, "m", "d"),
	} {
		if e.Error() != want {
			t.Errorf("%s, want %s", e, want)
		}
	}
	if !errors.Is(fmt.Errorf("x: %w", Missing("csr")), Missing("csr")) || errors.Is(Missing("csr"), Missing("certSn")) {
		t.Error("errors.Is does not compare")
	}
}

func TestReasons(t *testing.T) {
	for n := range Reason(12) {
		_, known := reasonNames[n]
		if n.Valid() != known || known == strings.HasPrefix(n.String(), "Reason(") {
			t.Errorf("%d: %s", n, n)
		}
	}
	if CessationOfOperation.Text() != "CESSATION OF OPERATION" {
		t.Error(CessationOfOperation.Text())
	}
	if Valid.String()+Revoked.String()+Expired.String()+Status(7).String() != "validrevokedexpiredStatus(7)" {
		t.Error("states")
	}
	for s, want := range map[string]bool{"rsa": true, "Ecc": true, "": false, "SM2": false} {
		if _, ok := ParseAuthority(s); ok != want {
			t.Errorf("%q: %v", s, ok)
		}
	}
}

func FuzzNameText(f *testing.F) {
	var v struct {
		Names []struct{ DER string } `json:"names"`
	}
	readJSON(f, "testdata/dn.json", &v)
	for _, n := range v.Names {
		f.Add(mustHex(f, n.DER))
	}
	f.Fuzz(func(t *testing.T, der []byte) {
		text, err := NameText(der)
		if err != nil {
			return
		}
		if encoded, err := json.Marshal(text); err != nil || len(text) > 16*len(der)+16 {
			t.Errorf("%d bytes became %d: %v %s", len(der), len(text), err, encoded)
		}
	})
}
