package registry_test

import (
	"context"
	"database/sql"
	"encoding/pem"
	"errors"
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/hallmark-id/hallmark/id2"
	"github.com/hallmark-id/hallmark/internal/audit"
	"github.com/hallmark-id/hallmark/internal/keyring"
	"github.com/hallmark-id/hallmark/internal/registry"
	"github.com/hallmark-id/hallmark/internal/store"
)

// lockedRandom is reproducible randomness for many goroutines.
type lockedRandom struct {
	mu sync.Mutex
	r  *rand.ChaCha8
}

func (l *lockedRandom) Read(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.r.Read(p)
}

var by = audit.Actor{Name: "operator"}

// fixture is a registry over a real store, at a time that only moves when told to.
type fixture struct {
	t      testing.TB
	now    time.Time
	random *lockedRandom
	path   string
	ring   *keyring.Ring
	store  *store.Store
	*registry.Registry
	org registry.ID
}

func newFixture(t testing.TB) *fixture {
	t.Helper()
	f := &fixture{t: t, now: time.UnixMilli(1_700_000_000_000), random: &lockedRandom{r: rand.NewChaCha8([32]byte{3})}}
	ring, _, err := keyring.Create(keyring.RootKey{1}, f.random)
	f.must(err)
	f.path, f.ring = filepath.Join(t.TempDir(), "r.db"), ring
	f.store, err = store.Open(context.Background(), store.Options{DSN: "sqlite:" + f.path, Now: f.clock, Random: f.random})
	f.must(err)
	t.Cleanup(func() { _ = f.store.Close() })
	f.Registry = registry.New(registry.Options{Store: f.store, Ring: ring, Now: f.clock, Random: f.random})
	org, err := f.CreateOrg(context.Background(), "factory", by)
	f.must(err)
	f.org = org.ID
	return f
}

func (f *fixture) clock() time.Time { return f.now }

// exec changes the database behind the store's back.
func (f *fixture) exec(query string) {
	f.t.Helper()
	db, err := sql.Open("sqlite", f.path)
	f.must(err)
	_, err = db.Exec(query)
	f.must(errors.Join(err, db.Close()))
}

func (f *fixture) must(err error) {
	f.t.Helper()
	if err != nil {
		f.t.Fatal(err)
	}
}

func (f *fixture) product(a id2.Algorithm, change func(*registry.ProductSpec)) registry.Product {
	f.t.Helper()
	spec := registry.ProductSpec{Name: "pump", Algorithm: a, Quota: registry.Unlimited}
	if change != nil {
		change(&spec)
	}
	p, _, err := f.CreateProduct(context.Background(), f.org, spec, by)
	f.must(err)
	return p
}

// count is the number of devices stored for a product.
func (f *fixture) count(product string) (n int) {
	f.t.Helper()
	filter := registry.DeviceFilter{Product: product}
	for {
		page, err := f.Devices(context.Background(), f.org, filter)
		f.must(err)
		if len(page) == 0 {
			return n
		}
		n += len(page)
		filter.After = page[len(page)-1].Asset
	}
}

func id(n int) string  { return fmt.Sprintf("%024X", n) }
func key(n int) string { return fmt.Sprintf("%032x", n) }

func publicPEM(der []byte) string {
	return string(pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der}))
}
