package httpd

import (
	"bytes"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"github.com/hallmark-id/hallmark/id2"
	"github.com/hallmark-id/hallmark/openapi"
)

// fuzzRequest is what the fuzz target makes requests of.
type fuzzRequest struct {
	method, query, contentType, authorization string
	body                                      []byte
	sign                                      bool // the query and body become parameters of a good signature
}

// http makes a request without a check of its own, as a peer could send it.
func (r *fuzzRequest) http() *http.Request {
	h := http.Header{}
	for name, value := range map[string]string{"Content-Type": r.contentType, "Authorization": r.authorization} {
		if value != "" {
			h.Set(name, value)
		}
	}
	if strings.HasPrefix(r.authorization, "ACS3-") {
		h.Set("X-Acs-Action", "Verify")
		h.Set("X-Acs-Version", id2Version)
		h.Set("X-Acs-Date", t0.UTC().Format("2006-01-02T15:04:05Z"))
	}
	return &http.Request{Method: r.method, URL: &url.URL{Path: "/", RawQuery: r.query}, Header: h, Host: "localhost",
		Body: io.NopCloser(bytes.NewReader(r.body)), ContentLength: int64(len(r.body)), RemoteAddr: "192.0.2.1:1234"}
}

// signed makes a request whose parameters are those of the fuzzer and whose
// signature is good, so that they reach the operations.
func (f *fixture) signed(r *fuzzRequest) *http.Request {
	names := make([]string, 0, len(actions))
	for _, act := range actions {
		names = append(names, act.name)
	}
	c := call{action: names[len(r.method)%len(names)]}
	for _, encoded := range []string{r.query, string(r.body)} {
		values, _ := url.ParseQuery(encoded)
		for name := range values {
			c.params = append(with(c.params, name, "-"), openapi.Param{Name: name, Value: values.Get(name)})
		}
	}
	for _, own := range []string{"AccessKeyId", "Action", "Format", "SignatureMethod", "SignatureNonce", "SignatureVersion", "Timestamp", "Version", "Signature"} {
		c.params = with(c.params, own, "-")
	}
	if len(r.authorization)%2 == 1 {
		c.format = openapi.FormatXML
	}
	c.placement = openapi.Placement(len(r.contentType) % 3)
	req := f.request(c)
	req.RemoteAddr = "192.0.2.1:1234"
	return req
}

// FuzzDoor sends the door anything at all: it must answer, in one of the two
// formats, and never with a fault of its own.
func FuzzDoor(fz *testing.F) {
	f := newFixture(fz, nil)
	f.handler.id2.log = slog.New(slog.DiscardHandler)
	d := f.device(f.product(f.org, id2.AES128, nil))
	rsa := f.device(f.product(f.org, id2.RSA1024, nil))
	for _, seed := range f.seeds(d, rsa) {
		fz.Add(seed.method, seed.query, seed.contentType, seed.authorization, seed.body, seed.sign)
	}
	fz.Fuzz(func(t *testing.T, method, query, contentType, authorization string, body []byte, sign bool) {
		f.t = t
		defer func() { f.t = fz }()
		r := &fuzzRequest{method, query, contentType, authorization, body, sign}
		req := r.http()
		if sign {
			req = f.signed(r)
		}
		w := httptest.NewRecorder()
		f.handler.ServeHTTP(w, req)
		if a := readAnswer(t, w.Code, w.Header(), w.Body.Bytes()); a.status >= 500 || a.text["Code"] == "700" {
			t.Fatalf("HTTP %d %s", a.status, a.body)
		}
	})
}

// seeds are real signed requests in every layout and real parameters to be
// signed anew.
func (f *fixture) seeds(d, rsa *testDevice) (seeds []fuzzRequest) {
	f.t.Helper()
	for _, act := range actions {
		for _, device := range []*testDevice{d, rsa} {
			p := act.params(device)
			if act.name == "GetServerAuthCodeAndEncryptData" {
				p = append(p, params("ServerExtra", "s", "DeviceExtra", "d")...)
			}
			// The method's length chooses the operation, other lengths format and layout.
			seeds = append(seeds, fuzzRequest{method: strings.Repeat("P", len(seeds)), query: openapi.EncodeForm(p), sign: true})
		}
		for _, l := range layouts {
			r := f.request(call{action: act.name, params: act.params(d), method: l.method, placement: l.placement})
			body, err := io.ReadAll(r.Body)
			f.must(err)
			seeds = append(seeds, fuzzRequest{method: r.Method, query: r.URL.RawQuery, contentType: r.Header.Get("Content-Type"),
				authorization: r.Header.Get("Authorization"), body: body})
		}
	}
	return append(seeds, fuzzRequest{}, fuzzRequest{method: "GET", query: "Format=JSON"},
		fuzzRequest{method: "POST", contentType: "application/json", authorization: "ACS3-HMAC-SHA256 Credential=a,SignedHeaders=host,Signature=0", body: []byte(`{"a":1}`)})
}
