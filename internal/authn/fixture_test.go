package authn

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/hallmark-id/hallmark/id2"
	"github.com/hallmark-id/hallmark/internal/audit"
	"github.com/hallmark-id/hallmark/internal/keyring"
	"github.com/hallmark-id/hallmark/internal/pgtest"
	"github.com/hallmark-id/hallmark/internal/registry"
	"github.com/hallmark-id/hallmark/internal/replay"
	"github.com/hallmark-id/hallmark/internal/store"
	"github.com/hallmark-id/hallmark/internal/testclock"
)

var operatorActor = audit.Actor{Name: "operator"}

// fixture is a whole authentication service on a real store.
type fixture struct {
	t     *testing.T
	clock *testclock.Clock
	dir   string
	dsn   string
	ring  *keyring.Ring
	store *store.Store
	reg   *registry.Registry
	fresh bool // the store has never been used
	*Service
	closeGuard func() error
	org        registry.ID
}

func newFixture(t *testing.T) *fixture {
	t.Helper()
	dir := t.TempDir()
	return newFixtureOn(t, dir, "sqlite:"+filepath.Join(dir, "h.db"), testclock.New(time.UnixMilli(1_700_000_000_000)))
}

func TestMain(m *testing.M) { os.Exit(pgtest.Main(m)) }

// onBoth runs a test on both engines. On PostgreSQL the windows go by the
// database's clock, so there the test's begins with the real time and must not
// be moved far.
func onBoth(t *testing.T, test func(t *testing.T, f *fixture)) {
	t.Helper()
	t.Run("sqlite", func(t *testing.T) { test(t, newFixture(t)) })
	t.Run("postgres", func(t *testing.T) {
		test(t, newFixtureOn(t, t.TempDir(), pgtest.Database(t), testclock.New(time.Now().Truncate(time.Millisecond))))
	})
}

func newFixtureOn(t *testing.T, dir, dsn string, c *testclock.Clock) *fixture {
	t.Helper()
	ring, _, err := keyring.Create(keyring.RootKey{1}, rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	f := &fixture{t: t, clock: c, dir: dir, dsn: dsn, ring: ring}
	f.start(true)
	t.Cleanup(f.stop)
	org, err := f.reg.CreateOrg(t.Context(), "factory", operatorActor)
	if err != nil {
		t.Fatal(err)
	}
	f.org = org.ID
	return f
}

func (f *fixture) start(fresh bool) {
	f.t.Helper()
	var err error
	must := func(err error) {
		f.t.Helper()
		if err != nil {
			f.t.Fatal(err)
		}
	}
	f.store, err = store.Open(context.Background(), store.Options{DSN: f.dsn, Now: f.clock.Now, Random: rand.Reader})
	must(err)
	f.fresh = fresh
	epoch, began, err := f.store.NewEpoch(context.Background())
	must(err)
	guard := f.guardOf()
	f.reg = registry.New(registry.Options{Store: f.store, Ring: f.ring, Now: f.clock.Now, Random: rand.Reader})
	f.Service = New(Options{Registry: f.reg, Ring: f.ring, Guard: guard,
		Epoch: Epoch{epoch, began}, ChallengeKeys: []ChallengeKey{{Secret: make([]byte, 32), Published: began}}, ChallengeLifetime: 5 * time.Minute,
		Now: f.clock.Now, Random: rand.Reader, Log: slog.New(slog.DiscardHandler)})
}

// guardOf returns the guard that goes with the store's engine.
func (f *fixture) guardOf() Guard {
	f.t.Helper()
	if f.store.Shared() {
		shared, err := replay.NewShared(f.store.Ledger(), replay.SharedOptions{Lifetime: 5 * time.Minute, Random: rand.Reader})
		if err != nil {
			f.t.Fatal(err)
		}
		f.closeGuard = func() error { shared.Close(); return nil }
		return shared
	}
	journal, err := replay.OpenJournal(replay.JournalOptions{Dir: filepath.Join(f.dir, "guard"), Fresh: f.fresh, Now: f.clock.Now, Skew: Skew})
	if err != nil {
		f.t.Fatal(err)
	}
	f.closeGuard = journal.Close
	return replay.NewLocal(journal, Ticks(5*time.Minute))
}

func (f *fixture) stop() {
	if err := errors.Join(f.closeGuard(), f.store.Close()); err != nil {
		f.t.Error(err)
	}
}

func (f *fixture) restart() {
	f.t.Helper()
	f.stop()
	f.start(false)
}

// product makes a product; change may set more than its name and algorithm.
func (f *fixture) product(a id2.Algorithm, change func(*registry.ProductSpec)) registry.Product {
	f.t.Helper()
	spec := registry.ProductSpec{Name: "pump " + a.String(), Algorithm: a, Quota: registry.Unlimited}
	if change != nil {
		change(&spec)
	}
	p, _, err := f.reg.CreateProduct(f.t.Context(), f.org, spec, operatorActor)
	if err != nil {
		f.t.Fatal(err)
	}
	return p
}

// testDevice is a device as the field has it.
type testDevice struct {
	f       *fixture
	id      string
	product registry.Product
	key     id2.PrivateKey
	serial  uint64
}

var deviceCount uint64

// device makes a device with a new key and imports it.
func (f *fixture) device(p registry.Product) *testDevice {
	f.t.Helper()
	key, err := id2.GeneratePrivateKey(rand.Reader, p.Algorithm)
	if err != nil {
		f.t.Fatal(err)
	}
	return f.importDevice(p, key)
}

func (f *fixture) importDevice(p registry.Product, key id2.PrivateKey) *testDevice {
	f.t.Helper()
	deviceCount++
	d := &testDevice{f: f, id: fmt.Sprintf("%024X", deviceCount), product: p, key: key}
	public := key.Public()
	column, value := "public_key_pem", `"`+publicPEM(f.t, &public)+`"`
	if p.Algorithm.Symmetric() {
		column, value = "key_hex", fmt.Sprintf("%x", public.Bytes())
	}
	res, err := f.reg.ImportDevices(f.t.Context(), f.org, p.Key, strings.NewReader("id2,"+column+"\n"+d.id+","+value+"\n"), operatorActor)
	if err != nil || res.Imported != 1 {
		f.t.Fatalf("import: %+v, %v", res, err)
	}
	return d
}

func (d *testDevice) code(kind id2.Kind, value, extra string) string {
	d.f.t.Helper()
	d.serial++
	c := id2.AuthCode{Kind: kind, Hash: d.product.Algorithm.NativeHash(), DeviceRandom: fmt.Sprintf("%016X", d.serial), Value: value}
	var err error
	c.Signature, err = d.key.Sign(rand.Reader, c.Hash, id2.AppendMessage(nil, d.id, c.DeviceRandom, value, []byte(extra)))
	if err != nil {
		d.f.t.Fatal(err)
	}
	return c.String()
}

func (d *testDevice) challengeCode() string {
	d.f.t.Helper()
	challenge, err := d.f.Challenge(d.f.t.Context(), d.f.org, d.id)
	if err != nil {
		d.f.t.Fatal(err)
	}
	return d.code(id2.Challenge, challenge, "")
}

func (d *testDevice) stamp(offset time.Duration) string {
	return fmt.Sprint(d.f.clock.Now().Add(offset).UnixMilli())
}

func (d *testDevice) timeCode() string { return d.code(id2.Timestamp, d.stamp(0), "") }

func (d *testDevice) request(code string) *Request {
	return &Request{Org: d.f.org, ID2: d.id, AuthCode: code, ProductKey: d.product.Key, By: audit.Actor{Name: "test"}}
}

func (d *testDevice) verify(code string) error {
	_, err := d.f.Verify(d.f.t.Context(), d.request(code))
	return err
}

// wants checks an outcome; 200 is success.
func wants(t *testing.T, what string, err error, code id2.Code) {
	t.Helper()
	var r *Refusal
	switch {
	case err == nil && code == id2.CodeOK:
	case errors.As(err, &r) && r.Code == code:
	default:
		t.Errorf("%s: got %v, want code %d", what, err, code)
	}
}

func (d *testDevice) get() registry.Device {
	d.f.t.Helper()
	got, err := d.f.reg.Device(d.f.t.Context(), d.f.org, d.id)
	if err != nil {
		d.f.t.Fatal(err)
	}
	return got
}

func (f *fixture) used(p registry.Product) int64 {
	f.t.Helper()
	got, err := f.reg.Product(f.t.Context(), f.org, p.Key)
	if err != nil {
		f.t.Fatal(err)
	}
	licences, err := f.reg.Licences(f.t.Context(), f.org, registry.LicenceFilter{Product: p.Key})
	if err != nil {
		f.t.Fatal(err)
	}
	if int64(len(licences)) != got.Used {
		f.t.Errorf("%d licences in the ledger, %d counted on the product", len(licences), got.Used)
	}
	return got.Used
}
