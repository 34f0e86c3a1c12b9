package pki_test

import (
	"bytes"
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"encoding/pem"
	"errors"
	"io"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/hallmark-id/hallmark/id2"
	"github.com/hallmark-id/hallmark/internal/audit"
	"github.com/hallmark-id/hallmark/internal/keyring"
	"github.com/hallmark-id/hallmark/internal/pgtest"
	"github.com/hallmark-id/hallmark/internal/pki"
	"github.com/hallmark-id/hallmark/internal/registry"
	"github.com/hallmark-id/hallmark/internal/store"
	"github.com/hallmark-id/hallmark/internal/testclock"
)

func TestMain(m *testing.M) { os.Exit(pgtest.Main(m)) }

// engines are the addresses of a new store on every engine.
var engines = map[string]func(testing.TB) string{
	"sqlite":   func(t testing.TB) string { return "sqlite:" + filepath.Join(t.TempDir(), "test.db") },
	"postgres": func(t testing.TB) string { return pgtest.Database(t) },
}

// onEach runs a test against a new certificate authority on every engine.
func onEach(t *testing.T, test func(*testing.T, *fixture)) {
	t.Helper()
	for name, dsn := range engines {
		t.Run(name, func(t *testing.T) { test(t, newFixture(t, dsn(t))) })
	}
}

const (
	org   = registry.ID(1)
	other = registry.ID(2) // another organisation
	base  = "http://ca.example.com"
)

var by = audit.Actor{Name: "tester", Request: "r1"}

// start is when every test begins.
var start = time.Date(2026, 5, 4, 3, 2, 1, 0, time.UTC)

// fixture is a certificate authority with devices 1 to 9 of org and 11 to 19 of
// other.
type fixture struct {
	*pki.Service
	t     testing.TB
	dsn   string
	ring  *keyring.Ring
	clock *testclock.Clock
	store *store.Store
}

func newFixture(t testing.TB, dsn string) *fixture {
	t.Helper()
	f := newEmptyFixture(t, dsn)
	if err := f.EnsureAuthorities(context.Background()); err != nil {
		t.Fatal(err)
	}
	return f
}

// newEmptyFixture is one whose authorities are not made yet.
func newEmptyFixture(t testing.TB, dsn string) *fixture {
	t.Helper()
	ring, _, err := keyring.Create(keyring.RootKey{1}, rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	f := &fixture{t: t, dsn: dsn, ring: ring, clock: testclock.New(start)}
	f.store, err = store.Open(context.Background(), store.Options{DSN: dsn, Now: f.clock.Now, Random: rand.Reader})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = f.store.Close() })
	var rows []registry.DeviceRow
	for n := 1; n < 20; n++ {
		o := org
		if n > 10 {
			o = other
		}
		rows = append(rows, registry.DeviceRow{Device: registry.Device{Asset: registry.ID(n), Org: o, ID2: deviceID(n), Algorithm: id2.AES128,
			Version: 1, Created: 1}, Key: []byte("sealed")})
	}
	if _, err := f.store.InsertDevices(context.Background(), rows, by.Did("test", "test", "", nil)); err != nil {
		t.Fatal(err)
	}
	f.Service = f.node(rand.Reader)
	return f
}

func deviceID(n int) string { return string(bytes.Repeat([]byte{byte('A' + n)}, 24)) }

// node is another server on the same store.
func (f *fixture) node(random io.Reader) *pki.Service {
	return pki.New(pki.Options{Store: f.store, Ring: f.ring, Random: random, Now: f.clock.Now, BaseURL: func() string { return base }})
}

// keys are made once: RSA keys take their time.
var keys struct {
	sync.Mutex
	rsa []*rsa.PrivateKey
}

func rsaKey(t testing.TB, n int) *rsa.PrivateKey {
	t.Helper()
	keys.Lock()
	defer keys.Unlock()
	for len(keys.rsa) <= n {
		k, err := rsa.GenerateKey(rand.Reader, 2048)
		if err != nil {
			t.Fatal(err)
		}
		keys.rsa = append(keys.rsa, k)
	}
	return keys.rsa[n]
}

func ecKey(t testing.TB) *ecdsa.PrivateKey {
	t.Helper()
	k, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return k
}

// subject is one that the authorities of a first start take.
func subject(cn string) pkix.RDNSequence {
	return dn("C", "CN", "ST", "Shanghai", "L", "Pudong", "O", "Hallmark", "OU", "Pumps", "CN", cn)
}

var attributeTypes = map[string]asn1.ObjectIdentifier{"C": {2, 5, 4, 6}, "ST": {2, 5, 4, 8}, "L": {2, 5, 4, 7}, "O": {2, 5, 4, 10},
	"OU": {2, 5, 4, 11}, "CN": {2, 5, 4, 3}, "E": {1, 2, 840, 113549, 1, 9, 1}, "SERIALNUMBER": {2, 5, 4, 5}}

func dn(pairs ...string) pkix.RDNSequence {
	var out pkix.RDNSequence
	for i := 0; i < len(pairs); i += 2 {
		out = append(out, pkix.RelativeDistinguishedNameSET{{Type: attributeTypes[pairs[i]], Value: pairs[i+1]}})
	}
	return out
}

// request makes a PKCS#10 request in PEM.
func request(t testing.TB, key crypto.Signer, name pkix.RDNSequence) []byte {
	t.Helper()
	raw, err := asn1.Marshal(name)
	if err != nil {
		t.Fatal(err)
	}
	der, err := x509.CreateCertificateRequest(rand.Reader, &x509.CertificateRequest{RawSubject: raw}, key)
	if err != nil {
		t.Fatal(err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE REQUEST", Bytes: der})
}

// issue certifies a device on P-256.
func (f *fixture) issue(device int, cn string) pki.Certificate {
	f.t.Helper()
	c, err := f.Issue(context.Background(), pki.Request{Org: org, Device: registry.ID(device), CSR: request(f.t, ecKey(f.t), subject(cn)), Kind: pki.ECC, By: by})
	if err != nil {
		f.t.Fatal(err)
	}
	return c
}

func (f *fixture) revoke(serial pki.Serial, reason pki.Reason) pki.Certificate {
	f.t.Helper()
	c, err := f.Revoke(context.Background(), pki.Revocation{Org: org, Serial: serial, Reason: reason, By: by})
	if err != nil {
		f.t.Fatal(err)
	}
	return c
}

// active is the authority of a kind.
func (f *fixture) active(kind pki.Kind) pki.Authority {
	f.t.Helper()
	a, err := f.ActiveAuthority(context.Background(), kind)
	if err != nil {
		f.t.Fatal(err)
	}
	return a
}

// list makes and reads the revocation list of a kind's authority.
func (f *fixture) list(kind pki.Kind) *x509.RevocationList {
	f.t.Helper()
	if err := f.UpdateLists(context.Background()); err != nil {
		f.t.Fatal(err)
	}
	a := f.active(kind)
	l, err := f.CRL(context.Background(), a.ID)
	if err != nil {
		f.t.Fatal(err)
	}
	parsed, err := x509.ParseRevocationList(l.DER)
	if err != nil {
		f.t.Fatal(err)
	}
	if err := parsed.CheckSignatureFrom(parse(f.t, a.Chain[0])); err != nil {
		f.t.Fatal(err)
	}
	return parsed
}

func parse(t testing.TB, der []byte) *x509.Certificate {
	t.Helper()
	c, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// refused checks that an error is the one wanted.
func refused(t *testing.T, what string, got, want error) {
	t.Helper()
	if !errors.Is(got, want) {
		t.Errorf("%s: %v, want %v", what, got, want)
	}
}
