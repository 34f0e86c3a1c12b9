package httpd

import (
	"encoding/json"
	"encoding/pem"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/hallmark-id/hallmark/enos"
	"github.com/hallmark-id/hallmark/internal/registry"
)

// older sends an older call signed with SHA-1, as most clients in the field do,
// and reads the answer.
func (f *enosFixture) older(method, path string, q enos.Query, body string) (out enos.LegacyReply, raw []byte) {
	f.t.Helper()
	f.clock.Advance(time.Millisecond) // or it may be a request that was made before
	status, raw := f.send(f.legacySigned(enos.SHA1, rawCall(method, "/enosapi/"+path, q, body)))
	if status != http.StatusOK {
		f.t.Fatalf("status %d", status)
	}
	f.must(json.Unmarshal(raw, &out))
	return out, raw
}

func rawCall(method, path string, q enos.Query, body string) raw {
	return raw{method: method, path: path, query: q, body: body}
}

func (f *enosFixture) orgQuery() enos.Query {
	return enos.Query{{Name: "orgId", Value: f.org.String()}}
}

// members are the names of an object's members, in order.
func members(v any) []string {
	object, _ := v.(map[string]any)
	return slices.Sorted(maps.Keys(object))
}

// Java clients turn an answer with one member more into nothing, Python clients
// die without one of the envelope's (enos §0.7).
func TestOlderCallsHaveNoMemberMore(t *testing.T) {
	f := newEnOSFixture(t, nil)
	csrText, err := json.Marshal(csr(t, ownRSA(), "gw-1"))
	f.must(err)
	byKeys := "connectService/products/" + f.product.Key + "/devices/dev%201+2%2F%C3%BC&x"
	byAsset := "connectService/devices/" + f.device.Asset.String()
	envelope := []string{"data", "msg", "requestId", "status", "submsg"}
	check := func(what string, raw []byte, want ...string) {
		t.Helper()
		var out map[string]any
		f.must(json.Unmarshal(raw, &out))
		if got := members(out); !slices.Equal(got, envelope) || len(out["requestId"].(string)) != 32 {
			t.Errorf("%s: envelope %v", what, got)
		}
		data := out["data"]
		if list, ok := data.([]any); ok {
			data = list[0]
		}
		if got := members(data); !slices.Equal(got, want) {
			t.Errorf("%s: %v, want %v: %s", what, got, want, raw)
		}
	}
	_, raw := f.older("POST", byKeys+"/certificates/apply", f.orgQuery(), string(csrText))
	check("apply", raw, "cert", "certChainURL", "certSN")
	for _, path := range []string{byKeys, byAsset} {
		_, raw = f.older("GET", path+"/certificates/list", f.orgQuery(), "")
		check("list", raw, "certSN", "certStatus")
		_, raw = f.older("GET", path, f.orgQuery(), "")
		check("device", raw, "assetId", "createBy", "deviceAttributes", "deviceDesc", "deviceKey", "deviceName", "deviceSecret", "gmtActive", "gmtCreate",
			"gmtModified", "gmtOnline", "orgId", "productKey", "productName", "status", "timezone")
	}
	_, raw = f.older("GET", "connectService/products/"+f.product.Key, f.orgQuery(), "")
	check("product", raw, "modelId", "productDesc", "productKey", "productName", "productSecret")
}

// The calls of certificateService name no device: the request's common name does.
func TestCertificateServiceCalls(t *testing.T) {
	f := newEnOSFixture(t, nil)
	d := f.newDevice(f.product, "by-name")
	ask := func(call string, pairs ...string) enos.LegacyReply {
		var q enos.Query
		for i := 0; i < len(pairs); i += 2 {
			q = q.With(pairs[i], pairs[i+1])
		}
		out, _ := f.older("POST", "certificateService/"+call, q, "")
		return out
	}
	issued := func(out enos.LegacyReply) string {
		t.Helper()
		data, ok := out.Data.(map[string]any)
		if !ok || out.Status != 0 || out.Msg != "Success" || !slices.Equal(members(out.Data), []string{"approveStatus", "issuedCert", "issuedCertSN"}) {
			t.Fatalf("%+v", out)
		}
		n, _ := json.Marshal(data["issuedCertSN"])
		if parseCertificate(t, data["issuedCert"].(string)).SerialNumber.String() != string(n) {
			t.Errorf("%+v", out)
		}
		return string(n)
	}
	first := issued(ask("reqCertificate", "reqData", csr(t, ownRSA(), "by-name")))
	second := issued(ask("renewCertificate", "reqData", csr(t, otherRSA(), "by-name"), "oldCertSn", first))
	issued(ask("revokeCertificate", "issuedCertSN", second))
	list, err := f.api.List(t.Context(), named(d))
	if err != nil || len(list) != 2 || list[1].Status != enos.Revoked {
		t.Errorf("%+v %v", list, err)
	}
	issued(ask("reqCertificate", "reqData", csr(t, ownRSA(), d.Asset.String())))
	f.newDevice(f.newProduct(f.org, true), "by-name")
	f.newDevice(f.product, "third")
	r := f.legacySigned(enos.SHA1, rawCall("POST", "/enosapi/certificateService/renewCertificate", enos.Query{{Name: "oldCertSn", Value: second}}, ""))
	f.send(r)
	r.path = "/enosapi/certificateService/revokeCertificate"
	_, body := f.send(r)
	var twice enos.LegacyReply
	f.must(json.Unmarshal(body, &twice))
	for what, out := range map[string]enos.LegacyReply{
		"400 two devices of one name": ask("reqCertificate", "reqData", csr(t, ownRSA(), "by-name")),
		"404 nobody's name":           ask("reqCertificate", "reqData", csr(t, ownRSA(), "nobody")),
		"409 another device's key":    ask("reqCertificate", "reqData", csr(t, ownRSA(), "third")),
		"400 no request":              ask("reqCertificate", "reqData", "x"),
		"400 nothing":                 ask("reqCertificate"),
		"400 no serial":               ask("revokeCertificate"),
		"400 no such serial":          ask("revokeCertificate", "issuedCertSN", "1"),
		"400 revoked":                 ask("revokeCertificate", "issuedCertSN", second),
		"400 renew what is revoked":   ask("renewCertificate", "oldCertSn", second),
		"497 signed for another call": twice,
	} {
		if want, _, _ := strings.Cut(what, " "); want != strconv.Itoa(out.Status) || out.SubMsg == "" || out.Data != nil {
			t.Errorf("%s: %d %s", what, out.Status, out.SubMsg)
		}
	}
}

func TestOlderRefusals(t *testing.T) {
	f := newEnOSFixture(t, nil)
	path := "connectService/devices/" + f.device.Asset.String() + "/certificates/"
	oneWay := f.newDevice(f.newProduct(f.org, false), "one-way")
	text, err := json.Marshal(csr(t, ownRSA(), "gw-1"))
	f.must(err)
	for what, tt := range map[string]struct {
		method, path string
		q            enos.Query
		body         string
		status       int
	}{
		"no such call":     {"GET", "hello", f.orgQuery(), "", 404},
		"wrong method":     {"POST", path + "revoke", f.orgQuery(), "", 404},
		"no organisation":  {"GET", path + "list", nil, "", 400},
		"not its own":      {"GET", path + "list", enos.Query{{Name: "orgId", Value: registry.ID(5).String()}}, "", 498},
		"unknown device":   {"GET", "connectService/devices/0000000000001/certificates/list", f.orgQuery(), "", 404},
		"odd device":       {"GET", "connectService/devices/x/certificates/list", f.orgQuery(), "", 404},
		"unknown product":  {"GET", "connectService/products/nobody00", f.orgQuery(), "", 404},
		"body no string":   {"POST", path + "apply", f.orgQuery(), `{"csr":"x"}`, 400},
		"bad request":      {"POST", path + "apply", f.orgQuery(), `"x"`, 400},
		"one-way product":  {"POST", "connectService/devices/" + oneWay.Asset.String() + "/certificates/apply", f.orgQuery(), string(text), 400},
		"serial missing":   {"DELETE", path + "revoke", f.orgQuery(), "", 400},
		"serial no number": {"DELETE", path + "revoke", f.orgQuery().With("certSN", "x"), "", 400},
		"serial of nobody": {"DELETE", path + "revoke", f.orgQuery().With("certSN", "5"), "", 400},
	} {
		if out, raw := f.older(tt.method, tt.path, tt.q, tt.body); out.Status != tt.status || out.Data != nil {
			t.Errorf("%s: %s, want %d", what, raw, tt.status)
		}
	}
	good := f.legacySigned(enos.SHA1, rawCall("GET", "/enosapi/"+path+"list", f.orgQuery(), ""))
	weak, wrong := good, good
	weak.query = slices.Clone(good.query)
	weak.query[len(weak.query)-1].Value = strings.Repeat("A", 32)
	wrong.query = slices.Clone(good.query)
	wrong.query[len(wrong.query)-1].Value = strings.Repeat("A", 40)
	for what, tt := range map[string]struct {
		r    raw
		want string
	}{
		"good": {good, `"status":0,`}, "MD5": {weak, `"status":497,`}, "wrong": {wrong, `App Signature Checked Fail`},
		"none":                {rawCall("GET", "/enosapi/"+path+"list", f.orgQuery(), ""), `"status":401,`},
		"by the newer scheme": {f.signed(f.cred, rawCall("GET", "/enosapi/"+path+"list", f.orgQuery(), "")), `"status":0,`},
	} {
		if _, body := f.send(tt.r); !strings.Contains(string(body), tt.want) {
			t.Errorf("%s: %s", what, body)
		}
	}
	f.clock.Advance(20 * time.Minute)
	if _, body := f.send(good); !strings.Contains(string(body), "App Timestamp Checked Fail") {
		t.Errorf("old: %s", body)
	}
}

func TestSHA1CanBeRefused(t *testing.T) {
	f := newEnOSFixture(t, func(s *settings) { s.enos.RefuseSHA1 = true })
	out, _ := f.older("GET", "connectService/devices/"+f.device.Asset.String()+"/certificates/list", f.orgQuery(), "")
	if out.Status != enos.LegacySignature || !strings.Contains(out.SubMsg, "SHA-1") {
		t.Errorf("%+v", out)
	}
	if _, err := f.legacy.List(t.Context(), named(f.device)); err != nil {
		t.Errorf("SHA-256: %v", err)
	}
}

func TestPublicCA(t *testing.T) {
	f := newEnOSFixture(t, nil)
	f.must(f.pki.UpdateLists(t.Context()))
	for path, kind := range map[string]string{"/enos/CA/cacert": "CERTIFICATE", "/enos/CA/cacert/RSA": "CERTIFICATE", "/enos/CA/cacert/ecc": "CERTIFICATE",
		"/enos/CA/crl": "X509 CRL", "/enos/CA/crl/ECC": "X509 CRL", "/gw/enos/CA/crl/RSA": "X509 CRL"} {
		status, body := f.send(raw{method: "GET", path: path})
		if block, _ := pem.Decode(body); status != 200 || block == nil || block.Type != kind {
			t.Errorf("%s: %d %s", path, status, body)
		}
	}
	if status, body := f.send(raw{method: "GET", path: "/enos/CA/crl", header: http.Header{"Accept": {"application/pkix-crl"}}}); status != 200 || body[0] != 0x30 {
		t.Errorf("DER: %d %q", status, body)
	}
	tags := map[string]bool{} // a cache must not take one form for the other
	for _, accept := range []string{"", "application/pkix-crl"} {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, f.server.URL+"/enos/CA/crl", nil)
		f.must(err)
		req.Header.Set("Accept", accept)
		resp, err := f.server.Client().Do(req)
		f.must(err)
		f.must(resp.Body.Close())
		tags[resp.Header.Get("ETag")] = true
	}
	if len(tags) != 2 {
		t.Errorf("entity tags %v", tags)
	}
	for path, want := range map[string]int{"/enos/CA/cacert/SM2": 404, "/enos/CA/other": 404, "/enos/CA/poseidon.pem": 404, "/connect-service/v2.0/other": 404, "/connect-service/v3/certificates": 404} {
		if status, _ := f.send(raw{method: "GET", path: path}); status != want {
			t.Errorf("%s: %d, want %d", path, status, want)
		}
	}
	if status, _ := f.send(raw{method: "POST", path: "/enos/CA/crl"}); status != 405 {
		t.Errorf("POST: %d", status)
	}
	if status, _ := f.send(raw{method: "GET", path: "/api/enos/CA/cacert"}); status != 404 {
		t.Errorf("the operator's paths are the door's: %d", status)
	}
}
