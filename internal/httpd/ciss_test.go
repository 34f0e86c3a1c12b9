package httpd

import (
	"crypto/rand"
	"encoding/hex"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/hallmark-id/hallmark/ciss"
	"github.com/hallmark-id/hallmark/internal/registry"
	"github.com/hallmark-id/hallmark/internal/scanlogin"
)

func TestCISSLogin(t *testing.T) {
	p := newPhone(t, nil)
	authID, secret := p.session()
	code, desc := p.read(p.send(ciss.PathScan, p.scanParam(authID, ciss.StatusScanned)))
	if code != ciss.StatusOK || !strings.Contains(desc, "203.0.113.7") || !strings.Contains(desc, "Firefox") {
		t.Errorf("scanned: %d %q", code, desc)
	}
	p.clock.Advance(time.Second)
	p.answers(p.send(ciss.PathScan, p.scanParam(authID, ciss.StatusScanned)), ciss.StatusOK, textOK) // again
	if s := p.state(authID, secret); s != scanlogin.Scanned {
		t.Errorf("after the scan: %v", s)
	}
	p.answers(p.send(ciss.PathLoginVerify, p.loginParam(authID)), ciss.StatusOK, textOK)
	session, err := p.scans.Collect(t.Context(), authID, secret)
	if err != nil || session.App != p.app.ID || session.Certificate != ciss.Fingerprint(p.cert) || session.Account == 0 {
		t.Errorf("%+v, %v", session, err)
	}

	authID, secret = p.session()
	p.answers(p.send(ciss.PathScan, p.scanParam(authID, ciss.StatusCancelled)), ciss.StatusOK, textOK)
	if s := p.state(authID, secret); s != scanlogin.Cancelled {
		t.Errorf("after the cancellation: %v", s)
	}
}

// Every reading of the vendor's document works through the door, when app and
// server agree on it.
func TestCISSSettings(t *testing.T) {
	p := newPhone(t, nil)
	for _, change := range []string{
		`{"iv":"key"}`, `{"iv":"prefix"}`, `{"iv":"00112233445566778899aabbccddeeff"}`, `{"signature":"sm3-sm4ecb-nopad"}`, `{"signature":"hmac-sm3"}`,
		`{"signature":"sm3-sm4cbc-pkcs7"}`, `{"login_sm4_layer":true}`, `{"sm2_user_id":""}`, `{"signed_message":"auth-id-base64"}`,
		`{"signed_message":"auth-id-hex"}`, `{"digest":"bare"}`, `{"sign_data":["der"]}`, `{"zone":"+00:00"}`, `{"response_order":["timestamp","resultDesc","signature"]}`,
		`{"result_desc_on_success":false}`, `{"key_usage":"any"}`,
	} {
		all, err := p.reg.SetAppSettings(t.Context(), p.org, p.app.ID, []byte(change), operatorActor)
		p.must(err)
		p.open(all)
		authID, secret := p.session()
		words := textOK
		if !all.SuccessDesc {
			words = ""
		}
		p.answers(p.send(ciss.PathScan, p.scanParam(authID, ciss.StatusScanned)), ciss.StatusOK, words)
		p.answers(p.send(ciss.PathLoginVerify, p.loginParam(authID)), ciss.StatusOK, words)
		if s := p.state(authID, secret); s != scanlogin.Authenticated {
			t.Errorf("%s: %v", change, s)
		}
		p.open(ciss.DefaultSettings())
		_, err = p.reg.SetAppSettings(t.Context(), p.org, p.app.ID, []byte(`{"iv":"zero","signature":"sm3-sm4cbc-nopad","login_sm4_layer":false,
			"sm2_user_id":"1234567812345678","signed_message":"auth-id","digest":"za","sign_data":["raw","skf","der"],"zone":"+08:00","result_desc_on_success":true}`), operatorActor)
		p.must(err)
	}
}

func TestCISSRequesterIsASetting(t *testing.T) {
	p := newPhone(t, nil)
	_, err := p.reg.SetAppSettings(t.Context(), p.org, p.app.ID, []byte(`{"result_desc_requester":false}`), operatorActor)
	p.must(err)
	authID, _ := p.session()
	if code, desc := p.read(p.send(ciss.PathScan, p.scanParam(authID, ciss.StatusScanned))); code != ciss.StatusOK || desc != textOK {
		t.Errorf("%d %q", code, desc)
	}
}

// Of many confirmations at once one wins.
func TestCISSOneWinner(t *testing.T) {
	const callers = 1000
	p := newPhone(t, nil)
	authID, secret := p.scanned()
	params := make([]string, callers)
	for i := range params {
		params[i] = p.loginParam(authID) // SM2 signatures differ, so none is a replay of another
	}
	var wg sync.WaitGroup
	codes := make([]int, callers)
	start := make(chan struct{})
	for i := range codes {
		wg.Go(func() {
			<-start
			rec := httptest.NewRecorder()
			body := string(ciss.Request{AppID: p.app.ID, Param: params[i]}.Append(nil))
			req := httptest.NewRequest(http.MethodPost, ciss.PathLoginVerify, strings.NewReader(body))
			p.handler.ServeHTTP(rec, req)
			answer, err := ciss.ParseAnswer(rec.Body.Bytes())
			if err != nil {
				t.Errorf("HTTP %d: %v", rec.Code, err)
			}
			codes[i] = answer.StatusCode
		})
	}
	close(start)
	wg.Wait()
	won, lost := 0, 0
	for _, code := range codes {
		switch code {
		case ciss.StatusOK:
			won++
		case ciss.StatusAuthentication:
			lost++
		}
	}
	if won != 1 || lost != callers-1 {
		t.Errorf("%d won, %d lost", won, lost)
	}
	if s := p.state(authID, secret); s != scanlogin.Authenticated {
		t.Errorf("the session is %v", s)
	}
}

func TestCISSVerify(t *testing.T) {
	p := newPhone(t, nil)
	client, err := ciss.NewClient(ciss.ClientOptions{BaseURL: p.server.URL, AppID: p.app.ID, Key: p.key, Now: p.clock.Now})
	p.must(err)
	data := []byte("合同 No. 7")
	s := ciss.DefaultSettings()
	signature, err := s.Sign(rand.Reader, p.card, data)
	p.must(err)
	signed := ciss.Signed{PhoneNumber: "13800000000", UserName: "王", Data: data, Cert: p.cert.Raw, Signature: signature}
	if got, err := client.Verify(t.Context(), signed); err != nil || got.Desc != textOK || !got.Sealed {
		t.Errorf("%+v, %v", got, err)
	}
	signed.Data = []byte("合同 No. 8")
	_, err = client.Verify(t.Context(), signed)
	if status, ok := err.(*ciss.StatusError); !ok || status.Code != ciss.StatusAuthentication || status.Desc != "签名验证失败" {
		t.Errorf("other data: %v", err)
	}
}

func TestCISSUnknownApp(t *testing.T) {
	p := newPhone(t, nil)
	want := cissReply{http.StatusOK, `{"statusCode":212,"returnObj":"接入信息不存在"}`}
	authID, _ := p.session()
	param := p.scanParam(authID, ciss.StatusScanned)
	expect := func(name, appID string) {
		t.Helper()
		if got := p.post(ciss.PathScan, "application/json", ciss.Request{AppID: appID, Param: param}.Append(nil)); got != want {
			t.Errorf("%s: %+v", name, got)
		}
	}
	away, _ := p.newApp(p.org, registry.ClientSpec{Door: registry.DoorCISS, Networks: []string{"192.0.2.0/24"}})
	expect("unknown", "1010000000000021")
	expect("no name at all", "ü ")
	expect("of another door", p.client.ID)
	expect("from another network", away.ID)
	p.must(p.reg.SetClientDisabled(t.Context(), p.org, p.app.ID, true, operatorActor))
	expect("switched off", p.app.ID)
}

func TestCISSNetworks(t *testing.T) {
	p := newPhone(t, func(s *settings) { s.id2.TrustedProxies = []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")} })
	p = p.as(p.newApp(p.org, registry.ClientSpec{Door: registry.DoorCISS, Networks: []string{"192.0.2.0/24"}}))
	authID, _ := p.session()
	param := p.scanParam(authID, ciss.StatusScanned)
	req, err := http.NewRequest(http.MethodPost, p.server.URL+ciss.PathScan, strings.NewReader(string(ciss.Request{AppID: p.app.ID, Param: param}.Append(nil))))
	p.must(err)
	req.Header.Set("X-Forwarded-For", "192.0.2.9")
	rec := httptest.NewRecorder()
	req.RemoteAddr = "127.0.0.1:1"
	p.handler.ServeHTTP(rec, req)
	p.answers(cissReply{rec.Code, rec.Body.String()}, ciss.StatusOK, textOK)
}

func TestCISSHTTP(t *testing.T) {
	p := newPhone(t, func(s *settings) { s.id2.FailureRate = 0 })
	authID, _ := p.session()
	param := p.scanParam(authID, ciss.StatusScanned)
	good := string(ciss.Request{AppID: p.app.ID, Param: param}.Append(nil))
	printed := strings.TrimSuffix(good, "}") + ",\n}" // as the vendor's example has it
	for _, c := range []struct {
		name, contentType, body string
		status                  int
	}{
		{"no JSON", "application/json", "appId=1", http.StatusBadRequest},
		{"empty", "application/json", "", http.StatusBadRequest},
		{"no param", "application/json", `{"appId":"1"}`, http.StatusBadRequest},
		{"comma at the end", "application/json", printed, http.StatusBadRequest},
		{"comma at the end, unknown app", "application/json", `{"appId":"1","param":"1",}`, http.StatusOK},
		{"too large", "application/json", good + strings.Repeat(" ", ciss.MaxBody), http.StatusRequestEntityTooLarge},
		{"form", "application/x-www-form-urlencoded", good, http.StatusUnsupportedMediaType},
		{"nonsense type", "application/json;;", good, http.StatusUnsupportedMediaType},
		{"charset", "application/json; charset=utf-8", good, http.StatusOK},
	} {
		if got := p.post(ciss.PathScan, c.contentType, []byte(c.body)); got.status != c.status {
			t.Errorf("%s: %d %s, want %d", c.name, got.status, got.body, c.status)
		}
	}
	resp, err := http.Get(p.server.URL + ciss.PathScan)
	p.must(err)
	_ = resp.Body.Close()
	cissStatuses.Add(strconv.Itoa(resp.StatusCode))
	if resp.StatusCode != http.StatusMethodNotAllowed || !strings.Contains(resp.Header.Get("Allow"), http.MethodPost) {
		t.Errorf("GET: %s, Allow %q", resp.Status, resp.Header.Get("Allow"))
	}
	if got := p.post("/skfinterface/auth/poll", "application/json", []byte(good)); got.status != http.StatusNotFound {
		t.Errorf("an unknown path: %+v", got)
	}
	_, err = p.reg.SetAppSettings(t.Context(), p.org, p.app.ID, []byte(`{"lenient":true}`), operatorActor)
	p.must(err)
	p.clock.Advance(time.Second)
	printed = `{"param": "` + p.scanParam(authID, ciss.StatusScanned) + "\",\n\"appId\": \"" + p.app.ID + "\",\n}"
	p.answers(p.post(ciss.PathScan, "", []byte(printed)), ciss.StatusOK, textOK)
}

func TestCISSThrottling(t *testing.T) {
	p := newPhone(t, func(s *settings) { s.id2.FailureRate = 1 })
	authID, _ := p.scanned()
	for range 10 {
		p.answers(p.send(ciss.PathScan, "AAAAAAAAAAAAAAAAAAAAAA=="), ciss.StatusMessage, textMessage)
	}
	param := p.scanParam(authID, ciss.StatusCancelled)
	if got := p.send(ciss.PathScan, param); got.status != http.StatusTooManyRequests {
		t.Errorf("after ten failures: %+v", got)
	}
	p.clock.Advance(2 * time.Second)
	p.answers(p.send(ciss.PathScan, param), ciss.StatusOK, textOK)
}

func TestCISSMetricsAndLog(t *testing.T) {
	p := newPhone(t, func(s *settings) { s.access = true })
	authID, _ := p.scanned()
	p.send(ciss.PathLoginVerify, p.loginParam(authID))
	p.send(ciss.PathLoginVerify, "nonsense")
	families, err := p.metrics.Gather()
	p.must(err)
	got := make(map[string]float64)
	for _, f := range families {
		if f.GetName() == "hallmark_ciss_results_total" {
			for _, m := range f.GetMetric() {
				got[m.GetLabel()[0].GetValue()+" "+m.GetLabel()[1].GetValue()] = m.GetCounter().GetValue()
			}
		}
	}
	want := map[string]float64{"LoginVerify message": 1, "LoginVerify ok": 1, "Scan ok": 1, "Verify ok": 0}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	log := p.log.String()
	if !strings.Contains(log, "action=LoginVerify app=ciss:"+p.app.ID+" result=ok") || !strings.Contains(log, "ciphertext is not of whole blocks") {
		t.Errorf("log: %s", log)
	}
	for _, secret := range []string{hex.EncodeToString(p.key[:]), authID} {
		if strings.Contains(log, secret) {
			t.Errorf("the log holds %s", secret)
		}
	}
}
