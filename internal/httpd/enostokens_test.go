package httpd

import (
	"bytes"
	"encoding/json"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/hallmark-id/hallmark/enos"
)

// askToken sends a body to the token service.
func (f *enosFixture) askToken(call, body string) enos.TokenReply {
	f.t.Helper()
	status, raw := f.send(raw{path: "/any/prefix/apim-token-service/v2.0/token/" + call, body: body,
		header: http.Header{enos.HeaderToken: {strings.Repeat("A", 342) + "=="}}}) // Poseidon sends one here, too
	var out enos.TokenReply
	f.must(json.Unmarshal(raw, &out))
	if status != 200 || out.Business != enos.TokenBusiness || out.Msg != enos.TokenMessage(out.Status) {
		f.t.Errorf("%d %s", status, raw)
	}
	return out
}

func (f *enosFixture) tokenBody(timestamp, token string) string {
	at := strings.Trim(timestamp, `"`)
	return `{"appKey":"` + f.cred.AppKey() + `","encryption":"` + f.cred.Encryption(at) + `","timestamp":` + timestamp + `,"accessToken":"` + token + `"}`
}

func TestTokenService(t *testing.T) {
	f := newEnOSFixture(t, nil)
	now := func() string { return enos.FormatTimestamp(f.clock.Now()) }
	first := f.askToken("get", f.tokenBody(now(), ""))
	if first.Status != 0 || first.Data.Expire != 7200 {
		t.Fatalf("%+v", first)
	}
	again := f.askToken("get", f.tokenBody(now(), "")) // the very same request: no replay (enos §0.9)
	if again.Status != 0 || again.Data.AccessToken != first.Data.AccessToken {
		t.Errorf("%+v", again)
	}
	f.clock.Advance(time.Hour)
	again = f.askToken("get", f.tokenBody(`"`+now()+`"`, "")) // a timestamp as text
	if again.Data == nil || *again.Data != (enos.Token{AccessToken: first.Data.AccessToken, Expire: 3600}) {
		t.Errorf("%+v", again)
	}
	renewed := f.askToken("refresh", f.tokenBody(now(), first.Data.AccessToken))
	if renewed.Status != 0 || renewed.Data.Expire != 7200 {
		t.Errorf("%+v", renewed)
	}
	if next := f.askToken("get", f.tokenBody(now(), "")); next.Data.AccessToken != renewed.Data.AccessToken {
		t.Error("the refreshed token is not the current one")
	}
	f.clock.Advance(2*time.Hour - 30*time.Second)
	if next := f.askToken("get", f.tokenBody(now(), "")); next.Data.Expire != 7200 {
		t.Errorf("a token that is about to end is given out: %+v", next.Data)
	}
	f.clock.Advance(time.Minute)
	for what, tt := range map[string]struct {
		call, body string
		status     int
	}{
		"unknown key":       {"get", strings.Replace(f.tokenBody(now(), ""), f.cred.AppKey(), "0a-nobody", 1), enos.TokenUnknownAppKey},
		"wrong encryption":  {"get", strings.Replace(f.tokenBody(now(), ""), f.cred.Encryption(now()), strings.Repeat("0", 64), 1), enos.TokenEncryption},
		"old timestamp":     {"get", f.tokenBody(enos.FormatTimestamp(f.clock.Now().Add(-time.Hour)), ""), enos.TokenParameter},
		"timestamp no time": {"get", `{"appKey":"a","encryption":"b","timestamp":"x"}`, enos.TokenParameter},
		"no JSON":           {"get", "x", enos.TokenParameter},
		"empty":             {"get", "{}", enos.TokenEmpty},
		"no token":          {"refresh", f.tokenBody(now(), ""), enos.TokenEmpty},
		"expired token":     {"refresh", f.tokenBody(now(), first.Data.AccessToken), enos.TokenExpired},
		"token of another":  {"refresh", f.tokenBody(now(), "x"), enos.TokenRefresh},
	} {
		if out := f.askToken(tt.call, tt.body); out.Status != tt.status || out.Data != nil {
			t.Errorf("%s: %+v, want %d", what, out, tt.status)
		}
	}
	if status, _ := f.send(raw{path: "/apim-token-service/v2.0/token/other"}); status != 404 {
		t.Errorf("status %d", status)
	}
}

// Tokens of one node are good on another, which shares the key.
func TestTokensOfAnotherNode(t *testing.T) {
	at := time.Unix(1_700_000_000, 0)
	one, two, stranger := newEnOSTokens([32]byte{1}, time.Hour), newEnOSTokens([32]byte{1}, time.Hour), newEnOSTokens([32]byte{2}, time.Hour)
	token, _ := one.issue("app", at, false)
	if key, _, ok := two.open(token, at); !ok || key != "app" {
		t.Error("another node refuses it")
	}
	if _, _, ok := stranger.open(token, at); ok {
		t.Error("a stranger takes it")
	}
	if _, expired, ok := two.open(token, at.Add(time.Hour)); ok || !expired {
		t.Error("it does not end")
	}
	one.issue("app", at.Add(24*time.Hour), false)
	if _, expire := one.issue("app", at, false); expire != 3600 { // the clock was set back
		t.Errorf("it lives for %d seconds", expire)
	}
}

// A POST that is sent again gets the first answer and has no second effect, and
// its signature is good for nothing else.
func TestRepeatedRequest(t *testing.T) {
	f := newEnOSFixture(t, nil)
	q := append(enos.Query{{Name: "action", Value: "apply"}, {Name: "orgId", Value: f.org.String()}}, deviceQuery(f.device)...)
	r := f.signed(f.cred, raw{path: "/connect-service/v2.0/certificates", query: q, body: applyBody(t, newECKey(t), "gw-1", `,"issueAuthority":"ECC"`)})
	bodies := make([][]byte, 16)
	var wg sync.WaitGroup
	for i := range bodies {
		wg.Go(func() { _, bodies[i] = f.send(r) })
	}
	wg.Wait()
	for _, body := range bodies[1:] {
		if !bytes.Equal(body, bodies[0]) || !bytes.Contains(body, []byte(`"code":0`)) {
			t.Errorf("%s\nand %s", bodies[0], body)
		}
	}
	if list, err := f.api.List(t.Context(), named(f.device)); err != nil || len(list) != 1 {
		t.Errorf("%d certificates, %v", len(list), err)
	}
	moved := r
	moved.path = "/connect-service/v2.1/devices"
	moved.query[0].Value = "apply"
	if out := f.answer(moved); out.Code == 0 {
		t.Errorf("the signature is good for another resource: %+v", out)
	}
}

func TestSignatureIsGoodForOnePath(t *testing.T) {
	f := newEnOSFixture(t, nil)
	body := `{"assetId":"` + f.device.Asset.String() + `","productKey":"` + f.product.Key + `"}`
	r := f.signed(f.cred, raw{path: "/connect-service/v2.1/devices", body: body,
		query: enos.Query{{Name: "action", Value: "delete"}, {Name: "orgId", Value: f.org.String()}, {Name: "productKey", Value: f.product.Key}, {Name: "deviceKey", Value: f.device.DeviceKey}}})
	f.wantCode("delete the device", r, 0)
	r.path = "/connect-service/v2.1/products"
	f.wantCode("delete the product", r, enos.CodeSignature)
}

func TestAnswersAreBounded(t *testing.T) {
	a := newAnswers(10_000)
	now := time.Unix(1_700_000_000, 0)
	asked := 0
	ask := func(n byte, at time.Time, code int) {
		t.Helper()
		_, _, ok := a.once(t.Context(), [32]byte{n}, "call", at, at.Add(time.Minute), func() (int, []byte) {
			asked++
			return code, make([]byte, 1000)
		})
		if !ok {
			t.Error("refused")
		}
	}
	for n := range byte(100) {
		ask(n, now, 0)
		if a.bytes > 10_000+1400 || len(a.byKey) != a.order.Len() {
			t.Fatalf("%d bytes in %d answers", a.bytes, len(a.byKey))
		}
	}
	ask(99, now, 0)
	if asked != 100 {
		t.Errorf("the last answer was forgotten: asked %d times", asked)
	}
	ask(0, now, 0)
	if asked != 101 {
		t.Errorf("the first answer was not: asked %d times", asked)
	}
	ask(200, now.Add(time.Hour), enos.CodeInternal)
	if len(a.byKey) != 0 || a.bytes != 0 {
		t.Errorf("%d answers, %d bytes after an hour and a failure", len(a.byKey), a.bytes)
	}
}

func TestAnswersSurviveAPanic(t *testing.T) {
	a := newAnswers(1000)
	now := time.Unix(1_700_000_000, 0)
	func() {
		defer func() { _ = recover() }()
		a.once(t.Context(), [32]byte{1}, "call", now, now.Add(time.Minute), func() (int, []byte) { panic("x") })
	}()
	if code, _, ok := a.once(t.Context(), [32]byte{1}, "call", now, now.Add(time.Minute), func() (int, []byte) { return 5, nil }); code != 5 || !ok {
		t.Error("a panic left the key taken")
	}
}
