package scanlogin_test

import (
	"crypto/rand"
	"crypto/x509/pkix"
	"math/big"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/emmansun/gmsm/sm2"
	"github.com/emmansun/gmsm/smx509"

	"github.com/hallmark-id/hallmark/internal/account"
	"github.com/hallmark-id/hallmark/internal/audit"
	"github.com/hallmark-id/hallmark/internal/keyring"
	"github.com/hallmark-id/hallmark/internal/pgtest"
	"github.com/hallmark-id/hallmark/internal/registry"
	"github.com/hallmark-id/hallmark/internal/scanlogin"
	"github.com/hallmark-id/hallmark/internal/store"
	"github.com/hallmark-id/hallmark/internal/testclock"
)

func TestMain(m *testing.M) { os.Exit(pgtest.Main(m)) }

const org = registry.ID(1)

var (
	phone   = scanlogin.App{ID: "app1", Org: org, By: audit.Actor{Name: "ciss:app1"}}
	another = scanlogin.App{ID: "app2", Org: org, By: audit.Actor{Name: "ciss:app2"}}
	foreign = scanlogin.App{ID: "app3", Org: 2, By: audit.Actor{Name: "ciss:app3"}}
)

// fixture is a service over a real store with a clock that stands. Account
// "wang" has the certificate that proof proves.
type fixture struct {
	*testing.T
	*scanlogin.Service
	accounts *account.Service
	store    *store.Store
	clock    *testclock.Clock
	proof    scanlogin.Proof
	unbound  scanlogin.Proof
}

func sqlite(t *testing.T) string { return "sqlite:" + filepath.Join(t.TempDir(), "s.db") }

// onEach runs a test on every engine.
func onEach(t *testing.T, test func(*fixture)) {
	t.Helper()
	t.Run("sqlite", func(t *testing.T) { test(newFixture(t, sqlite(t))) })
	t.Run("postgres", func(t *testing.T) { test(newFixture(t, pgtest.Database(t))) })
}

func newFixture(t *testing.T, dsn string) *fixture {
	t.Helper()
	f := &fixture{T: t, clock: testclock.New(time.UnixMilli(1_700_000_000_000)), proof: newProof(t, "wang"), unbound: newProof(t, "nobody")}
	var err error
	f.store, err = store.Open(t.Context(), store.Options{DSN: dsn, Now: f.clock.Now, Random: rand.Reader})
	f.must(err)
	t.Cleanup(func() { _ = f.store.Close() })
	ring, _, err := keyring.Create(keyring.RootKey{1}, rand.Reader)
	f.must(err)
	f.accounts = account.New(account.Options{Store: f.store, Ring: ring, Now: f.clock.Now, Random: rand.Reader})
	f.Service = f.node()
	by := audit.Actor{Name: "operator"}
	_, err = f.accounts.Create(t.Context(), account.Spec{Name: "wang", Role: account.Admin}, by)
	f.must(err)
	_, err = f.accounts.Bind(t.Context(), "wang", account.BindingSpec{Fingerprint: account.Fingerprint(f.proof.Certificate)}, by)
	f.must(err)
	return f
}

// node is another server on the same store.
func (f *fixture) node() *scanlogin.Service {
	return scanlogin.New(scanlogin.Options{Store: f.store, Accounts: f.accounts, Now: f.clock.Now, Random: rand.Reader})
}

func (f *fixture) must(err error) {
	f.Helper()
	if err != nil {
		f.Fatal(err)
	}
}

// session makes a session and returns its authId and poll secret.
func (f *fixture) session() (authID, secret string) {
	f.Helper()
	s, secret, err := f.Create(f.Context(), org, scanlogin.Requester{Address: "192.0.2.1", Agent: "browser"})
	f.must(err)
	return s.AuthID, secret
}

// scanned makes a session that the phone has scanned.
func (f *fixture) scanned() (authID, secret string) {
	f.Helper()
	authID, secret = f.session()
	_, err := f.Scan(f.Context(), phone, authID, scanlogin.StatusScanned)
	f.must(err)
	return authID, secret
}

func newProof(t *testing.T, name string) scanlogin.Proof {
	t.Helper()
	key, err := sm2.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &smx509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: name}, NotBefore: time.Unix(0, 0), NotAfter: time.Unix(1<<32, 0)}
	der, err := smx509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	c, err := smx509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return scanlogin.Proof{Certificate: c}
}
