package relay

import (
	"crypto/rand"
	"encoding/pem"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/hallmark-id/hallmark/id2"
	"github.com/hallmark-id/hallmark/internal/audit"
	"github.com/hallmark-id/hallmark/internal/keyring"
	"github.com/hallmark-id/hallmark/internal/registry"
	"github.com/hallmark-id/hallmark/internal/store"
	"github.com/hallmark-id/hallmark/internal/testclock"
	"github.com/hallmark-id/hallmark/internal/testlog"
	"github.com/hallmark-id/hallmark/openapi"
)

// deviceID is one that is not known here.
const deviceID = "00FFFF00FFFFFF1DB47A0000"

// secret is the access key's; it must never be seen anywhere.
const secret = "the-upstream-secret"

// fixture is a relay over a real store, with an upstream that does what a test
// says.
type fixture struct {
	t       *testing.T
	clock   *testclock.Clock
	reg     *registry.Registry
	relay   *Service
	org     registry.ID
	product string
	log     testlog.Buffer
	metrics *prometheus.Registry

	mu    sync.Mutex
	serve http.HandlerFunc // guarded by mu
	calls int              // guarded by mu
	notes []audit.Event    // guarded by mu

	server *httptest.Server
}

func newFixture(t *testing.T) *fixture {
	t.Helper()
	f := &fixture{t: t, metrics: prometheus.NewRegistry(), clock: testclock.New(time.Unix(1_700_000_000, 0))}
	ring, _, err := keyring.Create(keyring.RootKey{1}, rand.Reader)
	f.must(err)
	s, err := store.Open(t.Context(), store.Options{DSN: "sqlite:" + filepath.Join(t.TempDir(), "h.db"), Now: f.clock.Now, Random: rand.Reader})
	f.must(err)
	t.Cleanup(func() { f.must(s.Close()) })
	f.reg = registry.New(registry.Options{Store: s, Ring: ring, Now: f.clock.Now, Random: rand.Reader})
	f.relay = New(Options{Registry: f.reg, Metrics: f.metrics, Now: f.clock.Now, Random: rand.Reader, AccessLog: true,
		Log: slog.New(slog.NewTextHandler(&f.log, nil)), Note: func(_ registry.ID, _ id2.Code, e audit.Event) {
			f.mu.Lock()
			defer f.mu.Unlock()
			f.notes = append(f.notes, e)
		}})
	org, err := f.reg.CreateOrg(t.Context(), "factory", audit.Actor{Name: "test"})
	f.must(err)
	f.org = org.ID
	p, _, err := f.reg.CreateProduct(t.Context(), f.org, registry.ProductSpec{Name: "pump", Algorithm: id2.AES128, Quota: -1}, audit.Actor{})
	f.must(err)
	f.product = p.Key
	on := true
	_, err = f.reg.UpdateProduct(t.Context(), f.org, f.product, registry.ProductChange{Relay: &on}, audit.Actor{})
	f.must(err)
	f.server = httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		f.mu.Lock()
		serve := f.serve
		f.calls++
		f.mu.Unlock()
		serve(w, r)
	}))
	t.Cleanup(f.server.Close)
	f.server.Config.ErrorLog = slog.NewLogLogger(slog.DiscardHandler, slog.LevelDebug)
	f.set(registry.Upstream{})
	return f
}

// set gives the organisation its upstream, with what a test wants different.
func (f *fixture) set(u registry.Upstream) {
	f.t.Helper()
	if u.Endpoint == "" {
		u.Endpoint = f.server.URL
		u.CA = string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: f.server.Certificate().Raw}))
	}
	if u.Timeout == 0 {
		u.Timeout = 20 * time.Second // tests of time-outs set their own
	}
	u.AccessKeyID, u.Secret = "LTAItest", secret
	_, err := f.reg.SetUpstream(f.t.Context(), f.org, u, audit.Actor{Name: "test"})
	f.must(err)
}

func (f *fixture) must(err error) {
	f.t.Helper()
	if err != nil {
		f.t.Fatal(err)
	}
}

// answers makes the upstream answer with a status and a body.
func (f *fixture) answers(status int, body string) {
	f.does(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json;charset=utf-8")
		w.WriteHeader(status)
		_, _ = w.Write([]byte(body))
	})
}

func (f *fixture) does(serve http.HandlerFunc) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.serve = serve
}

func (f *fixture) called() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.calls
}

func (f *fixture) request(action string, params ...string) *Request {
	all := map[string]string{"ApiVersion": "1.1.2", "Id2": deviceID, "ProductKey": f.product}
	for i := 0; i < len(params); i += 2 {
		all[params[i]] = params[i+1]
	}
	return &Request{Org: f.org, Action: action, Nonce: "n", By: audit.Actor{Name: "id2:test", Request: "R"},
		Get: func(name string) (string, bool) { v, ok := all[name]; return v, ok }}
}

// forward relays an operation, which must be relayed.
func (f *fixture) forward(action string, params ...string) openapi.Reply {
	f.t.Helper()
	reply, relayed := f.relay.Forward(f.t.Context(), f.request(action, params...))
	if !relayed {
		f.t.Fatal("it was not relayed")
	}
	return reply
}

// counted is how often asking for an action came to a result.
func (f *fixture) counted(action string, r result) int {
	f.t.Helper()
	families, err := f.metrics.Gather()
	f.must(err)
	for _, family := range families {
		for _, m := range family.GetMetric() {
			if l := m.GetLabel(); family.GetName() == "hallmark_relay_requests_total" && l[0].GetValue() == action && l[1].GetValue() == string(r) {
				return int(m.GetCounter().GetValue())
			}
		}
	}
	f.t.Fatalf("%s %s is not counted at all", action, r)
	return 0
}

// body is a reply as the back end gets it.
func body(reply openapi.Reply) string {
	return string(openapi.AppendReply(nil, openapi.FormatJSON, false, &reply))
}

// secretKept fails if the access key's secret is in the log.
func (f *fixture) secretKept() {
	f.t.Helper()
	if strings.Contains(f.log.String(), secret) {
		f.t.Error("the log holds the secret")
	}
}
