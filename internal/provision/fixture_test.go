package provision_test

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/hallmark-id/hallmark/id2"
	"github.com/hallmark-id/hallmark/internal/audit"
	"github.com/hallmark-id/hallmark/internal/authn"
	"github.com/hallmark-id/hallmark/internal/keyring"
	"github.com/hallmark-id/hallmark/internal/pgtest"
	"github.com/hallmark-id/hallmark/internal/provision"
	"github.com/hallmark-id/hallmark/internal/registry"
	"github.com/hallmark-id/hallmark/internal/replay"
	"github.com/hallmark-id/hallmark/internal/store"
)

func TestMain(m *testing.M) { os.Exit(pgtest.Main(m)) }

var by = audit.Actor{Name: "operator"}

// fixture is provisioning and authentication over one real store.
type fixture struct {
	t      *testing.T
	mu     sync.Mutex // guards clock
	clock  time.Time
	reg    *registry.Registry
	authn  *authn.Service
	otp    *provision.Service
	org    registry.ID
	serial int
	// secrets are the products' as text.
	secrets map[id2.Token]string
}

// onEach runs a test on every engine.
func onEach(t *testing.T, test func(f *fixture)) {
	t.Helper()
	t.Run("sqlite", func(t *testing.T) {
		test(newFixture(t, "sqlite:"+filepath.Join(t.TempDir(), "h.db")))
	})
	t.Run("postgres", func(t *testing.T) { test(newFixture(t, pgtest.Database(t))) })
}

func newFixture(t *testing.T, dsn string) *fixture {
	t.Helper()
	f := &fixture{t: t, clock: time.Now().Truncate(time.Millisecond), secrets: make(map[id2.Token]string)}
	ring, _, err := keyring.Create(keyring.RootKey{1}, rand.Reader)
	f.must(err)
	s, err := store.Open(context.Background(), store.Options{DSN: dsn, Now: f.now, Random: rand.Reader})
	f.must(err)
	t.Cleanup(func() { _ = s.Close() })
	epoch, began, err := s.NewEpoch(context.Background())
	f.must(err)
	f.reg = registry.New(registry.Options{Store: s, Ring: ring, Now: f.now, Random: rand.Reader})
	f.authn = authn.New(authn.Options{Registry: f.reg, Ring: ring, Guard: f.guard(s), Epoch: authn.Epoch{Number: epoch, Began: began},
		ChallengeKeys: []authn.ChallengeKey{{Secret: make([]byte, 32), Published: began}}, ChallengeLifetime: 5 * time.Minute,
		Now: f.now, Random: rand.Reader, Log: slog.New(slog.DiscardHandler)})
	f.otp = provision.New(provision.Options{Registry: f.reg, Note: f.authn.Note, Now: f.now})
	f.org = f.newOrg("factory")
	return f
}

func (f *fixture) now() time.Time {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.clock
}

func (f *fixture) advance(d time.Duration) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.clock = f.clock.Add(d)
}

func (f *fixture) must(err error) {
	f.t.Helper()
	if err != nil {
		f.t.Fatal(err)
	}
}

// guard returns the guard that goes with the store's engine.
func (f *fixture) guard(s *store.Store) authn.Guard {
	f.t.Helper()
	if s.Shared() {
		shared, err := replay.NewShared(s.Ledger(), replay.SharedOptions{Lifetime: 5 * time.Minute, Random: rand.Reader})
		f.must(err)
		f.t.Cleanup(shared.Close)
		return shared
	}
	journal, err := replay.OpenJournal(replay.JournalOptions{Dir: filepath.Join(f.t.TempDir(), "guard"), Fresh: true, Now: f.now, Skew: authn.Skew})
	f.must(err)
	f.t.Cleanup(func() { _ = journal.Close() })
	return replay.NewLocal(journal, authn.Ticks(5*time.Minute))
}

func (f *fixture) newOrg(name string) registry.ID {
	f.t.Helper()
	org, err := f.reg.CreateOrg(context.Background(), name, by)
	f.must(err)
	return org.ID
}

// product makes a product for provisioning and returns its token too.
func (f *fixture) product(a id2.Algorithm, change func(*registry.ProductSpec)) (registry.Product, id2.Token) {
	f.t.Helper()
	spec := registry.ProductSpec{Name: "pump", Algorithm: a, Quota: registry.Unlimited, OTP: true}
	if change != nil {
		change(&spec)
	}
	p, secret, err := f.reg.CreateProduct(context.Background(), f.org, spec, by)
	f.must(err)
	token, err := id2.ParseToken(secret)
	f.must(err)
	f.secrets[token] = secret
	return p, token
}

// newDevice is a device on its first day: it has a token and a fingerprint.
type newDevice struct {
	f       *fixture
	product registry.Product
	token   id2.Token
	request id2.OTPRequest
	id      string
	key     id2.PrivateKey
}

func (f *fixture) device(p registry.Product, token id2.Token, fingerprint string) *newDevice {
	return &newDevice{f: f, product: p, token: token,
		request: id2.OTPRequest{KeyType: id2.OTPKeyTypeOf(p.Algorithm), Fingerprint: []byte(fingerprint)}}
}

// code makes a code with a new session key.
func (d *newDevice) code() []byte {
	d.f.t.Helper()
	_, err := rand.Read(d.request.SessionKey[:])
	d.f.must(err)
	code, err := d.request.AuthCode(d.token)
	d.f.must(err)
	return code
}

func (d *newDevice) ask(code []byte) (provision.Result, error) {
	return d.f.otp.Provision(context.Background(), &provision.Request{Org: d.f.org, Code: code, By: audit.Actor{Name: "test"}})
}

// provision asks with a new code and loads what comes back.
func (d *newDevice) provision() (remaining int64, err error) {
	result, err := d.ask(d.code())
	if err == nil {
		d.id, d.key, err = d.request.OpenProvisionData(result.Data)
	}
	return result.Remaining, err
}

// authenticate proves the device by a timestamp code.
func (d *newDevice) authenticate() error {
	d.f.t.Helper()
	d.f.serial++
	c := id2.AuthCode{Kind: id2.Timestamp, Hash: d.product.Algorithm.NativeHash(), DeviceRandom: fmt.Sprintf("%016X", d.f.serial),
		Value: fmt.Sprint(d.f.now().UnixMilli())}
	var err error
	c.Signature, err = d.key.Sign(rand.Reader, c.Hash, id2.AppendMessage(nil, d.id, c.DeviceRandom, c.Value, nil))
	d.f.must(err)
	_, err = d.f.authn.Verify(context.Background(), &authn.Request{Org: d.f.org, ID2: d.id, AuthCode: c.String(), ProductKey: d.product.Key, By: by})
	return err
}

// wants checks an outcome; 200 is success.
func wants(t *testing.T, what string, err error, code id2.Code) {
	t.Helper()
	var r *authn.Refusal
	switch {
	case err == nil && code == id2.CodeOK:
	case errors.As(err, &r) && r.Code == code:
	default:
		t.Errorf("%s: got %v, want code %d", what, err, code)
	}
}

// reprovision asks again and wants this code.
func (d *newDevice) reprovision(what string, code id2.Code) {
	d.f.t.Helper()
	_, err := d.provision()
	wants(d.f.t, what, err, code)
}

// used returns how many licences a product has used, by both accounts.
func (f *fixture) used(p registry.Product) int64 {
	f.t.Helper()
	got, err := f.reg.Product(context.Background(), f.org, p.Key)
	f.must(err)
	licences, err := f.reg.Licences(context.Background(), f.org, registry.LicenceFilter{Product: p.Key})
	f.must(err)
	if int64(len(licences)) != got.Used {
		f.t.Errorf("%d licences in the ledger, %d counted on the product", len(licences), got.Used)
	}
	return got.Used
}
