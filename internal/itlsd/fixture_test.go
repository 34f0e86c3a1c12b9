package itlsd

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"errors"
	"log/slog"
	"net"
	"path/filepath"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/hallmark-id/hallmark/id2"
	"github.com/hallmark-id/hallmark/id2/itls"
	"github.com/hallmark-id/hallmark/internal/audit"
	"github.com/hallmark-id/hallmark/internal/keyring"
	"github.com/hallmark-id/hallmark/internal/provision"
	"github.com/hallmark-id/hallmark/internal/registry"
	"github.com/hallmark-id/hallmark/internal/store"
	"github.com/hallmark-id/hallmark/internal/testclock"
	"github.com/hallmark-id/hallmark/internal/testlog"
)

var by = audit.Actor{Name: "operator"}

// meddled is a real store that a test may have a word in.
type meddled struct {
	registry.Store
	mu        sync.Mutex
	known     func(*registry.Known)
	provision func() error
}

func (m *meddled) set(known func(*registry.Known), provision func() error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.known, m.provision = known, provision
}

func (m *meddled) Fingerprint(ctx context.Context, org registry.ID, fingerprint, code []byte) (registry.Known, error) {
	k, err := m.Store.Fingerprint(ctx, org, fingerprint, code)
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.known != nil {
		m.known(&k)
	}
	return k, err
}

func (m *meddled) Provision(ctx context.Context, p registry.Provisioning, e audit.Event) (int64, error) {
	m.mu.Lock()
	first := m.provision
	m.mu.Unlock()
	if first != nil {
		if err := first(); err != nil {
			return 0, err
		}
	}
	return m.Store.Provision(ctx, p, e)
}

func fails(err error) func() error { return func() error { return err } }

// fixture is an open door over a real store.
type fixture struct {
	*Server
	t       *testing.T
	ring    *keyring.Ring
	store   *meddled
	reg     *registry.Registry
	org     registry.ID
	clock   *testclock.Clock
	log     *testlog.Buffer
	metrics *prometheus.Registry
	address string
	secrets map[string]string // the tokens of products as text
}

// newFixture opens a door on a free port of this machine.
func newFixture(t *testing.T, change func(*Options)) *fixture {
	t.Helper()
	f := &fixture{t: t, clock: testclock.New(time.UnixMilli(1_700_000_000_000)), log: new(testlog.Buffer), metrics: prometheus.NewRegistry(),
		secrets: make(map[string]string)}
	var err error
	f.ring, _, err = keyring.Create(keyring.RootKey{1}, rand.Reader)
	f.must(err)
	s, err := store.Open(t.Context(), store.Options{DSN: "sqlite:" + filepath.Join(t.TempDir(), "h.db"), Now: f.clock.Now, Random: rand.Reader})
	f.must(err)
	t.Cleanup(func() { _ = s.Close() })
	f.store = &meddled{Store: s}
	f.reg = registry.New(registry.Options{Store: f.store, Ring: f.ring, Now: f.clock.Now, Random: rand.Reader})
	f.org = f.newOrg("factory")
	o := Options{Provision: provision.New(provision.Options{Registry: f.reg, Now: f.clock.Now}), Metrics: NewMetrics(f.metrics),
		Log: slog.New(slog.NewTextHandler(f.log, nil)), Now: f.clock.Now, AccessLog: true}
	if change != nil {
		change(&o)
	}
	f.Server = New(o)
	f.open()
	return f
}

func (f *fixture) open() {
	f.t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	f.must(err)
	f.address = l.Addr().String()
	served := make(chan error, 1)
	go func() { served <- f.Serve(l) }()
	f.t.Cleanup(func() {
		if err := f.Shutdown(context.Background()); err != nil {
			f.t.Error(err)
		}
		if err := <-served; err != nil {
			f.t.Errorf("the listener ended: %v", err)
		}
		if n := f.Connections(); n != 0 {
			f.t.Errorf("%d connections are left", n)
		}
		f.Close()
	})
}

func (f *fixture) must(err error) {
	f.t.Helper()
	if err != nil {
		f.t.Fatal(err)
	}
}

func (f *fixture) newOrg(name string) registry.ID {
	f.t.Helper()
	org, err := f.reg.CreateOrg(context.Background(), name, by)
	f.must(err)
	return org.ID
}

// product makes a product for provisioning and returns its token too.
func (f *fixture) product(org registry.ID, change func(*registry.ProductSpec)) (registry.Product, id2.Token) {
	f.t.Helper()
	spec := registry.ProductSpec{Name: "pump", Algorithm: id2.AES128, Quota: registry.Unlimited, OTP: true}
	if change != nil {
		change(&spec)
	}
	p, secret, err := f.reg.CreateProduct(context.Background(), org, spec, by)
	f.must(err)
	token, err := id2.ParseToken(secret)
	f.must(err)
	f.secrets[p.Key] = secret
	return p, token
}

// fixedProduct makes a product whose key and token are given.
func (f *fixture) fixedProduct(key, secret string) {
	f.t.Helper()
	hash := sha256.Sum256([]byte(secret[3:19]))
	row := registry.ProductRow{Product: registry.Product{Key: key, Org: f.org, Name: key, Algorithm: id2.AES128, Quota: 1, OTP: true}, SecretHash: hash[:]}
	var err error
	row.Secret, err = f.ring.Seal([]byte(secret), "products/secret/"+key)
	f.must(err)
	f.must(f.store.CreateProduct(context.Background(), row, by.Did("product.create", "product", key, nil)))
}

// fieldDevice is a device on its first day.
type fieldDevice struct {
	f       *fixture
	product string
	token   id2.Token
	request id2.OTPRequest
}

func (f *fixture) device(p registry.Product, token id2.Token, fingerprint string) *fieldDevice {
	return &fieldDevice{f, p.Key, token, id2.OTPRequest{KeyType: id2.OTPKeyTypeOf(p.Algorithm), Fingerprint: []byte(fingerprint)}}
}

// hello is one with a new session key.
func (d *fieldDevice) hello() itls.Hello {
	d.f.t.Helper()
	_, err := rand.Read(d.request.SessionKey[:])
	d.f.must(err)
	code, err := d.request.AuthCode(d.token)
	d.f.must(err)
	return itls.Hello{ProductKey: d.product, AuthCode: code}
}

// provision asks, and loads what comes back.
func (d *fieldDevice) provision() (id string, err error) {
	data, err := d.f.ask(d.hello())
	if err != nil {
		return "", err
	}
	id, _, err = d.request.OpenProvisionData(data)
	return id, err
}

// dial connects to the door; the connection is closed at the end of the test.
func (f *fixture) dial() net.Conn {
	f.t.Helper()
	conn, err := net.Dial("tcp", f.address)
	f.must(err)
	f.t.Cleanup(func() { _ = conn.Close() })
	f.must(conn.SetDeadline(time.Now().Add(time.Minute))) // never reached unless the door hangs
	return conn
}

// ask is a whole exchange over a connection of its own.
func (f *fixture) ask(h itls.Hello) ([]byte, error) {
	conn, err := net.Dial("tcp", f.address)
	if err != nil {
		return nil, err
	}
	defer conn.Close()
	if err := conn.SetDeadline(time.Now().Add(time.Minute)); err != nil {
		return nil, err
	}
	return itls.Exchange(conn, h)
}

// wants checks an outcome; 0 is success.
func (f *fixture) wants(what string, err error, want itls.Alert) {
	f.t.Helper()
	var got itls.Alert
	if errors.As(err, &got) {
		given.Add(strconv.Itoa(int(got)))
	}
	if (err != nil || want != 0) && (!errors.As(err, &got) || got != want) {
		f.t.Errorf("%s: %v, want alert %d", what, err, want)
	}
}

// metric returns the value of a counter.
func (f *fixture) metric(name, label string) float64 {
	f.t.Helper()
	families, err := f.metrics.Gather()
	f.must(err)
	for _, family := range families {
		for _, m := range family.GetMetric() {
			if family.GetName() == name && (label == "" || m.GetLabel()[0].GetValue() == label) {
				return m.GetCounter().GetValue() + float64(m.GetHistogram().GetSampleCount())
			}
		}
	}
	f.t.Fatalf("there is no metric %s of %q", name, label)
	return 0
}
