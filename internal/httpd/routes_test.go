package httpd

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"

	"github.com/hallmark-id/hallmark/id2"
	"github.com/hallmark-id/hallmark/internal/testclock"
	"github.com/hallmark-id/hallmark/openapi"
)

// page is what lies behind a route in these tests: it tells its name and the
// request's id.
func page(name string) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { _, _ = io.WriteString(w, name+" "+RequestID(r)) })
}

func TestRoutes(t *testing.T) {
	var down error
	o := Options{Metrics: NewMetrics(prometheus.NewRegistry()), Now: testclock.New(t0).Now, Log: slog.New(slog.DiscardHandler),
		Ready: func(context.Context) error { return down }}
	public := New(o)
	o.Operator, o.MetricsHandler = page("operator"), page("metrics")
	both, admin := New(o), NewAdmin(o)
	for _, c := range []struct {
		name, method, path string
		h                  http.Handler
		down               error
		status             int
		body               string
	}{
		{"health", "GET", "/healthz", public, nil, 200, "ok\n"},
		{"health when the store is down", "GET", "/healthz", public, errors.New("gone"), 200, "ok\n"},
		{"ready", "GET", "/readyz", public, nil, 200, "ready\n"},
		{"not ready", "GET", "/readyz", admin, errors.New("the store does not answer"), 503, "not ready: the store does not answer\n"},
		{"no operator on the public listener", "GET", "/api/v1/products", public, nil, 404, ""},
		{"no metrics on the public listener", "GET", "/metrics", public, nil, 404, ""},
		{"operator", "POST", "/api/v1/products", both, nil, 200, "operator "},
		{"operator on its own", "DELETE", "/api/x", admin, nil, 200, "operator "},
		{"metrics", "GET", "/metrics", admin, nil, 200, "metrics "},
		{"metrics by POST", "POST", "/metrics", both, nil, 405, ""},
		{"no door on the admin listener", "GET", "/", admin, nil, 404, ""},
		{"nothing there", "GET", "/index.html", both, nil, 404, ""},
	} {
		down = c.down
		w := httptest.NewRecorder()
		c.h.ServeHTTP(w, httptest.NewRequest(c.method, c.path, nil))
		id := w.Header()["X-Acs-Request-Id"]
		if w.Code != c.status || !strings.HasPrefix(w.Body.String(), c.body) || len(id) != 1 || !requestIDForm.MatchString(id[0]) {
			t.Errorf("%s: HTTP %d %q, request id %q", c.name, w.Code, w.Body, id)
		}
		if strings.HasSuffix(c.body, " ") && !strings.HasSuffix(w.Body.String(), id[0]) {
			t.Errorf("%s: the handler saw another request id: %q, %q", c.name, w.Body, id)
		}
	}
	if RequestID(httptest.NewRequest("GET", "/", nil)) != "" {
		t.Error("a request id from nowhere")
	}
}

func TestIsLoopback(t *testing.T) {
	for address, want := range map[string]bool{
		"127.0.0.1:80": true, "127.8.9.10:0": true, "[::1]:80": true, "localhost:80": true, "[::ffff:127.0.0.1]:80": true,
		":80": false, "0.0.0.0:80": false, "[::]:80": false, "192.0.2.1:80": false, "example.com:80": false, "localhost.example.com:80": false,
		"127.0.0.1": false, "": false, "unix:/x": false,
	} {
		if got := IsLoopback(address); got != want {
			t.Errorf("%q: %v", address, got)
		}
	}
}

// Metrics count every answer once, under its code, and a stranger cannot make
// new ones.
func TestMetricsCount(t *testing.T) {
	reg := prometheus.NewRegistry()
	f := newFixture(t, nil)
	f.handler.id2.count(NewMetrics(reg))
	before := f.series(reg)
	d := f.device(f.product(f.org, id2.AES128, nil))
	f.verifies(d)
	for range 3 {
		f.do(unknownDevice())
	}
	for i := range 20 {
		f.do(call{action: "Made up " + strings.Repeat("x", i), version: "1999"})
	}
	f.send(f.http(http.MethodGet, "Format=JSON", "", http.Header{}))
	m := f.handler.id2.metrics
	for what, c := range map[string]struct {
		counter prometheus.Counter
		want    float64
	}{
		"successes of Verify":       {m.service["Verify"].codes[id2.CodeOK], 1},
		"unknown devices":           {m.service["GetServerRandom"].codes[id2.CodeIDNotFound], 3},
		"unknown versions":          {m.gateway[openapi.ErrVersion.Code], 20},
		"refusals without a series": {m.other, 1},
	} {
		var m dto.Metric
		f.must(c.counter.Write(&m))
		if got := m.GetCounter().GetValue(); got != c.want {
			t.Errorf("%s: %v, want %v", what, got, c.want)
		}
	}
	if after := f.series(reg); after != before {
		t.Errorf("requests made new series: %d before, %d after", before, after)
	}
}

// series counts what a scrape returns.
func (f *fixture) series(reg *prometheus.Registry) (n int) {
	f.t.Helper()
	families, err := reg.Gather()
	f.must(err)
	for _, family := range families {
		n += len(family.GetMetric())
	}
	return n
}

// The listener's own limits: a request line that is too long, headers that are
// too large, and what is no HTTP at all get an answer below 500 and harm nobody.
func TestListenerLimits(t *testing.T) {
	f := newFixture(t, nil)
	for name, raw := range map[string]string{
		"a long request line":  "GET /?a=" + long(200_000) + " HTTP/1.1\r\nHost: x\r\n\r\n",
		"a large header":       "GET / HTTP/1.1\r\nHost: x\r\nX-Large: " + long(200_000) + "\r\n\r\n",
		"no HTTP":              "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n",
		"no host":              "GET / HTTP/1.1\r\n\r\n",
		"a bad chunk":          "POST / HTTP/1.1\r\nHost: x\r\nContent-Type: application/x-www-form-urlencoded\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
		"two lengths":          "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab",
		"length and chunks":    "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\nTransfer-Encoding: gzip\r\n\r\nabc",
		"a host with a script": "GET /?Format=JSON HTTP/1.1\r\nHost: <script>\r\n\r\n",
	} {
		status := exchange(t, f.server.Listener.Addr().String(), raw)
		if !strings.HasPrefix(status, "HTTP/1.1 4") && !(strings.Contains(name, "length and chunks") && strings.HasPrefix(status, "HTTP/1.1 501")) {
			t.Errorf("%s: %q", name, status)
		}
	}
	f.do(unknownDevice()).wantCode(t, "afterwards", 18)
	if strings.Contains(f.log.String(), "level=ERROR") || strings.Contains(f.log.String(), "panic") {
		t.Errorf("log: %s", f.log.String())
	}
}

// exchange sends raw bytes and returns the first line of the answer.
func exchange(t *testing.T, address, raw string) string {
	t.Helper()
	conn, err := net.Dial("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	go func() { _, _ = io.WriteString(conn, raw) }() // the server may answer before it has read it all
	var line [64]byte
	n, _ := io.ReadAtLeast(conn, line[:], 12)
	first, _, _ := strings.Cut(string(line[:n]), "\r\n")
	return first
}
