package httpd

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/hallmark-id/hallmark/id2"
	"github.com/hallmark-id/hallmark/internal/account"
	"github.com/hallmark-id/hallmark/internal/audit"
	"github.com/hallmark-id/hallmark/internal/authn"
	"github.com/hallmark-id/hallmark/internal/keyring"
	"github.com/hallmark-id/hallmark/internal/pki"
	"github.com/hallmark-id/hallmark/internal/provision"
	"github.com/hallmark-id/hallmark/internal/registry"
	"github.com/hallmark-id/hallmark/internal/replay"
	"github.com/hallmark-id/hallmark/internal/scanlogin"
	"github.com/hallmark-id/hallmark/internal/store"
	"github.com/hallmark-id/hallmark/internal/testclock"
	"github.com/hallmark-id/hallmark/internal/testlog"
	"github.com/hallmark-id/hallmark/openapi"
)

// lockedRandom is reproducible randomness for keys and credentials, so that
// requests signed in one process are good in another.
type lockedRandom struct {
	mu   sync.Mutex
	r    *rand.ChaCha8
	fail error // of every Read from now on
}

func newRandom(seed byte) *lockedRandom { return &lockedRandom{r: rand.NewChaCha8([32]byte{seed})} }

func (l *lockedRandom) Read(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.fail != nil {
		return 0, l.fail
	}
	return l.r.Read(p)
}

var operatorActor = audit.Actor{Name: "operator"}

// fixture is a whole server behind the door, on a real store.
type fixture struct {
	t       testing.TB
	clock   *testclock.Clock
	dir     string
	random  *lockedRandom
	store   *store.Store
	reg     *registry.Registry
	journal *replay.Journal
	pki     *pki.Service
	authn   *authn.Service
	// accounts and scans stand behind the ciss door.
	accounts *account.Service
	scans    *scanlogin.Service
	metrics  *prometheus.Registry
	log      testlog.Buffer
	handler  *Handler
	server   *httptest.Server

	org        registry.ID
	client     registry.Client
	secret     string
	credential *openapi.Credential
	serial     int
}

// settings are what tests change of the fixture.
type settings struct {
	id2     ID2Options
	enos    EnOSOptions
	pki     bool // with authorities, which take a while to make
	access  bool
	maxLive int
}

func newFixture(t testing.TB, change func(*settings)) *fixture {
	t.Helper()
	s := settings{id2: ID2Options{Skew: 15 * time.Minute, Nonces: 100_000}}
	if change != nil {
		change(&s)
	}
	f := &fixture{t: t, clock: testclock.New(time.Unix(1_700_000_000, 0)), dir: t.TempDir(), random: newRandom(1)}
	ring, _, err := keyring.Create(keyring.RootKey{1}, f.random)
	f.must(err)
	f.store, err = store.Open(context.Background(), store.Options{DSN: "sqlite:" + f.database(), Now: f.clock.Now, Random: f.random})
	f.must(err)
	f.journal, err = replay.OpenJournal(replay.JournalOptions{Dir: filepath.Join(f.dir, "guard"), Fresh: true, Now: f.clock.Now,
		Skew: authn.Skew, MaxLive: s.maxLive})
	f.must(err)
	epoch, began, err := f.store.NewEpoch(context.Background())
	f.must(err)
	log := slog.New(slog.NewTextHandler(&f.log, &slog.HandlerOptions{Level: slog.LevelDebug}))
	f.reg = registry.New(registry.Options{Store: f.store, Ring: ring, Now: f.clock.Now, Random: f.random})
	f.authn = authn.New(authn.Options{Registry: f.reg, Ring: ring, Guard: replay.NewLocal(f.journal, authn.Ticks(5*time.Minute)), Epoch: authn.Epoch{Number: epoch, Began: began},
		ChallengeKeys: []authn.ChallengeKey{{Secret: make([]byte, 32), Published: began}}, ChallengeLifetime: 5 * time.Minute, Now: f.clock.Now, Random: f.random, Log: log})
	if s.pki {
		f.pki = pki.New(pki.Options{Store: f.store, Ring: ring, Random: f.random, Now: f.clock.Now, BaseURL: func() string { return f.server.URL }, Log: log})
		f.must(f.pki.EnsureAuthorities(context.Background()))
	}
	f.accounts = account.New(account.Options{Store: f.store, Ring: ring, Now: f.clock.Now, Random: f.random})
	f.scans = scanlogin.New(scanlogin.Options{Store: f.store, Accounts: f.accounts, Now: f.clock.Now, Random: f.random})
	f.metrics = prometheus.NewRegistry()
	f.handler = New(Options{Registry: f.reg, PKI: f.pki, EnOS: s.enos, Authn: f.authn, Provision: provision.New(provision.Options{Registry: f.reg, Note: f.authn.Note, Now: f.clock.Now}),
		Scans: f.scans, Metrics: NewMetrics(f.metrics), Log: log, Now: f.clock.Now,
		Ready: f.store.Ping, AccessLog: s.access, ID2: s.id2})
	f.server = httptest.NewUnstartedServer(nil)
	f.server.Config = NewServer(f.handler, log)
	f.server.Start()
	t.Cleanup(f.stop)
	f.org = f.newOrg("factory")
	f.client, f.secret = f.newClient(f.org, registry.ClientSpec{Door: registry.DoorID2, Name: "back end"})
	f.credential = openapi.NewCredential(f.client.ID, f.secret)
	return f
}

func (f *fixture) database() string { return filepath.Join(f.dir, "h.db") }

func (f *fixture) must(err error) {
	f.t.Helper()
	if err != nil {
		f.t.Fatal(err)
	}
}

func (f *fixture) stop() {
	f.server.Close()
	if err := errors.Join(f.journal.Close(), f.store.Close()); err != nil {
		f.t.Error(err)
	}
}

func (f *fixture) newOrg(name string) registry.ID {
	f.t.Helper()
	org, err := f.reg.CreateOrg(context.Background(), name, operatorActor)
	f.must(err)
	return org.ID
}

func (f *fixture) newClient(org registry.ID, spec registry.ClientSpec) (registry.Client, string) {
	f.t.Helper()
	c, secret, err := f.reg.CreateClient(context.Background(), org, spec, operatorActor)
	f.must(err)
	return c, secret
}

// otherCredential makes a client and returns its credential.
func (f *fixture) otherCredential(org registry.ID, spec registry.ClientSpec) *openapi.Credential {
	f.t.Helper()
	c, secret := f.newClient(org, spec)
	return openapi.NewCredential(c.ID, secret)
}

// product makes a product; change may set more than its name and algorithm.
func (f *fixture) product(org registry.ID, a id2.Algorithm, change func(*registry.ProductSpec)) registry.Product {
	f.t.Helper()
	spec := registry.ProductSpec{Name: "pump " + a.String(), Algorithm: a, Quota: registry.Unlimited}
	if change != nil {
		change(&spec)
	}
	p, _, err := f.reg.CreateProduct(context.Background(), org, spec, operatorActor)
	f.must(err)
	return p
}

// call is a request to be signed; the zero value of most fields is a default.
type call struct {
	action     string
	params     []openapi.Param
	method     openapi.SignatureMethod // HMAC-SHA1
	placement  openapi.Placement
	format     openapi.Format
	credential *openapi.Credential // the fixture's own
	nonce      string              // a new one
	at         time.Time           // now
	version    string              // 2017-07-07
}

func (f *fixture) defaults(c call) call {
	if c.method == 0 {
		c.method = openapi.HMACSHA1
	}
	if c.credential == nil {
		c.credential = f.credential
	}
	if c.nonce == "" {
		f.serial++
		c.nonce = fmt.Sprintf("nonce-%d", f.serial)
	}
	if c.at.IsZero() {
		c.at = f.clock.Now()
	}
	if c.version == "" {
		c.version = id2Version
	}
	return c
}

// request signs a call and lays it out.
func (f *fixture) request(c call) *http.Request {
	f.t.Helper()
	c = f.defaults(c)
	m := openapi.Message{Method: http.MethodPost, Action: c.action, Version: c.version, Format: c.format, Params: c.params, Nonce: c.nonce, Time: c.at}
	if c.placement == openapi.InQueryGET {
		m.Method = http.MethodGet
	}
	if c.method >= openapi.ACS3HMACSHA256 {
		return f.requestV3(c, &m)
	}
	system, api, err := m.SignV1(c.credential, c.method)
	f.must(err)
	all := strings.TrimSuffix(system+"&"+api, "&")
	if c.placement == openapi.InForm {
		return f.http(m.Method, "", all, http.Header{"Content-Type": {"application/x-www-form-urlencoded"}})
	}
	return f.http(m.Method, all, "", http.Header{})
}

func (f *fixture) requestV3(c call, m *openapi.Message) *http.Request {
	f.t.Helper()
	var body, contentType string
	switch c.placement {
	case openapi.InForm:
		body, contentType, m.Params = openapi.EncodeForm(m.Params), "application/x-www-form-urlencoded", nil
	case openapi.InJSON:
		var object []string
		for _, p := range m.Params {
			object = append(object, fmt.Sprintf("%q:%q", p.Name, p.Value))
		}
		body, contentType, m.Params = "{"+strings.Join(object, ",")+"}", "application/json; charset=utf-8", nil
	}
	if c.format == openapi.FormatXML {
		m.Params = append(m.Params, openapi.Param{Name: "Format", Value: "XML"})
	}
	h, err := m.SignV3(c.credential, c.method, f.server.Listener.Addr().String(), contentType, []byte(body))
	f.must(err)
	return f.http(m.Method, openapi.EncodeForm(m.Params), body, h)
}

// http makes a request to the door.
func (f *fixture) http(method, query, body string, h http.Header) *http.Request {
	f.t.Helper()
	r, err := http.NewRequest(method, f.server.URL+"/?"+query, strings.NewReader(body))
	f.must(err)
	r.Header = h
	return r
}

// send sends a request and reads the answer, which must obey the rules of every
// answer of the door.
func (f *fixture) send(r *http.Request) *answer {
	f.t.Helper()
	resp, err := f.server.Client().Do(r)
	f.must(err)
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	f.must(err)
	return readAnswer(f.t, resp.StatusCode, resp.Header, body)
}

// do signs and sends a call.
func (f *fixture) do(c call) *answer {
	f.t.Helper()
	return f.send(f.request(c))
}
