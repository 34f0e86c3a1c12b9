package account_test

import (
	"crypto/rand"
	"crypto/x509/pkix"
	"math/big"
	"path/filepath"
	"testing"
	"time"

	"github.com/emmansun/gmsm/sm2"
	"github.com/emmansun/gmsm/smx509"

	"github.com/hallmark-id/hallmark/internal/account"
	"github.com/hallmark-id/hallmark/internal/audit"
	"github.com/hallmark-id/hallmark/internal/keyring"
	"github.com/hallmark-id/hallmark/internal/registry"
	"github.com/hallmark-id/hallmark/internal/store"
	"github.com/hallmark-id/hallmark/internal/testclock"
)

var by = audit.Actor{Name: "operator"}

const password = "correct horse battery"

// fixture is a service over a real store with a clock that stands.
type fixture struct {
	*testing.T
	*account.Service
	store *store.Store
	clock *testclock.Clock
}

func newFixture(t *testing.T) *fixture {
	t.Helper()
	clock := testclock.New(time.UnixMilli(1_700_000_000_000))
	st, err := store.Open(t.Context(), store.Options{DSN: "sqlite:" + filepath.Join(t.TempDir(), "a.db"), Now: clock.Now, Random: rand.Reader})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = st.Close() })
	ring, _, err := keyring.Create(keyring.RootKey{1}, rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return &fixture{T: t, store: st, clock: clock,
		Service: account.New(account.Options{Store: st, Ring: ring, Now: clock.Now, Random: rand.Reader})}
}

func (f *fixture) must(err error) {
	f.Helper()
	if err != nil {
		f.Fatal(err)
	}
}

// create makes an account with the password of these tests.
func (f *fixture) create(name string, role account.Role) account.Account {
	f.Helper()
	a, err := f.Create(f.Context(), account.Spec{Name: name, Role: role, Password: password}, by)
	f.must(err)
	return a
}

func (f *fixture) signIn(name, password string) (account.Opened, error) {
	return f.SignIn(f.Context(), name, password, account.From{Address: "192.0.2.1", Agent: "browser"})
}

// events returns the actions in the audit record, the newest first.
func (f *fixture) events(action string) []audit.Sealed {
	f.Helper()
	all, err := f.store.AuditEvents(f.Context(), registry.AuditFilter{Action: action, Limit: 100})
	f.must(err)
	return all
}

// issue makes an SM2 certificate, by itself when there is no issuer.
func issue(t *testing.T, subject pkix.Name, issuer *smx509.Certificate, issuerKey *sm2.PrivateKey) (*smx509.Certificate, *sm2.PrivateKey) {
	t.Helper()
	key, err := sm2.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &smx509.Certificate{SerialNumber: big.NewInt(time.Now().UnixNano()), Subject: subject,
		NotBefore: time.UnixMilli(1_600_000_000_000), NotAfter: time.UnixMilli(1_900_000_000_000), KeyUsage: smx509.KeyUsageDigitalSignature}
	if issuer == nil {
		issuer, issuerKey = template, key
		template.IsCA, template.BasicConstraintsValid, template.KeyUsage = true, true, smx509.KeyUsageCertSign
	}
	der, err := smx509.CreateCertificate(rand.Reader, template, issuer, key.Public(), issuerKey)
	if err != nil {
		t.Fatal(err)
	}
	c, err := smx509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return c, key
}
