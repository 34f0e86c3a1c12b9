package httpd

import (
	"bytes"
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"net/url"
	"testing"
	"time"

	"github.com/hallmark-id/hallmark/enos"
)

// enosPaths are where the fuzzer knocks.
func enosPaths(f *enosFixture) []string {
	return []string{"/connect-service/v2.0/certificates", "/connect-service/v2.1/devices", "/connect-service/v2.1/products",
		"/apim-token-service/v2.0/token/get", "/apim-token-service/v2.0/token/refresh", "/enos/CA/crl", "/enos/CA/cacert/RSA",
		"/enosapi/connectService/devices/" + f.device.Asset.String() + "/certificates/apply", "/enosapi/connectService/devices/" + f.device.Asset.String() + "/certificates/revoke",
		"/enosapi/certificateService/reqCertificate", "/enosapi/certificateService/renewCertificate", "/enosapi/connectService/products/" + f.product.Key}
}

// FuzzEnOSDoor sends the door anything at all, signed or not: it must answer in
// JSON, with status 200 for what it knows, and never with a fault of its own.
func FuzzEnOSDoor(fz *testing.F) {
	f := newEnOSFixture(fz, func(s *settings) { s.enos.SealKey = serverKey() })
	f.handler.enos.log = slog.New(slog.DiscardHandler)
	cert := f.apply(f.device, newECKey(fz), "gw-1")
	devices := "&orgId=" + f.org.String() + "&productKey=" + f.product.Key + "&deviceKey=" + url.QueryEscape(f.device.DeviceKey)
	fz.Add(0, true, "POST", "action=renew"+devices, []byte(`{"certSn":`+cert.SN+`}`), "")
	fz.Add(0, true, "POST", "action=apply"+devices, []byte(applyBody(fz, newECKey(fz), "gw-1", `,"issueAuthority":"ECC"`)), "")
	fz.Add(0, true, "GET", "action=list"+devices, []byte(nil), "")
	fz.Add(0, true, "POST", "action=revoke"+devices+"&certSn=1&reason=2", []byte(nil), "")
	fz.Add(1, true, "POST", "action=create&orgId="+f.org.String(), []byte(`{"productKey":"`+f.product.Key+`","timezone":"+08:00","deviceName":{"defaultValue":"x"},"deviceTags":[1]}`), "")
	fz.Add(1, true, "POST", "action=search&orgId="+f.org.String(), []byte(`{"expression":"productKey = 'x' and deviceKey='y'","pagination":{"pageNo":2,"pageSize":3}}`), "")
	fz.Add(2, true, "POST", "action=update&orgId="+f.org.String()+"&productKey="+f.product.Key, []byte(`{"maxValidDay":"1","productTags":{"a":1}}`), "")
	fz.Add(3, false, "POST", "", []byte(f.tokenBody("1700000000000", "")), "x")
	fz.Add(7, true, "POST", "orgId="+f.org.String(), []byte(`"-----BEGIN CERTIFICATE REQUEST-----"`), "")
	fz.Add(9, true, "POST", "reqData=x", []byte(nil), "")
	fz.Fuzz(func(t *testing.T, path int, sign bool, method, query string, body []byte, header string) {
		paths := enosPaths(f)
		path = int(uint(path) % uint(len(paths)))
		h := http.Header{enos.HeaderToken: {header}, enos.HeaderSignature: {header}, enos.HeaderTimestamp: {header}}
		if sign {
			f.clock.Advance(time.Millisecond) // or it may be a request that was made before
			h = f.goodHeaders(query, body)
		}
		w := &recorder{header: http.Header{}, status: http.StatusOK}
		f.handler.ServeHTTP(w, &http.Request{Method: method, URL: &url.URL{Path: paths[path], RawQuery: query}, Header: h, Host: "localhost",
			Body: io.NopCloser(bytes.NewReader(body)), ContentLength: int64(len(body)), RemoteAddr: "127.0.0.1:1234"})
		if path == 5 || path == 6 { // the authority's pages are PEM
			return
		}
		var out struct{ Code, Status int }
		if err := json.Unmarshal(w.Bytes(), &out); w.status != http.StatusOK || err != nil {
			t.Errorf("%s %s?%s %q: %d %v %s", method, paths[path], query, body, w.status, err, w.Bytes())
		}
		if out.Code == enos.CodeInternal || out.Status == enos.LegacyInternal {
			t.Errorf("%s %s?%s %q: %s", method, paths[path], query, body, w.Bytes())
		}
	})
}

// goodHeaders signs a query and a body, so that they reach the operations.
func (f *enosFixture) goodHeaders(query string, body []byte) http.Header {
	q, err := enos.ParseQuery(query)
	if err != nil {
		return http.Header{}
	}
	at := enos.FormatTimestamp(f.clock.Now())
	token, _ := f.handler.enos.tokens.issue(f.cred.AppKey(), f.clock.Now(), false)
	return http.Header{enos.HeaderToken: {token}, enos.HeaderTimestamp: {at}, enos.HeaderSignature: {f.cred.Sign(token, q, body, at)}}
}
