// Package registry is Hallmark's domain: organisations, products, devices,
// licences and API clients, the rules that hold between them, and the Store
// that must keep them. It knows nothing of HTTP and nothing of SQL.
package registry

import (
	"errors"
	"fmt"
	"io"
	"strings"
	"sync/atomic"
	"time"

	"github.com/hallmark-id/hallmark/ciss"
	"github.com/hallmark-id/hallmark/internal/keyring"
)

// Errors that callers tell apart. Store implementations return them too.
var (
	ErrNotFound  = errors.New("not found")
	ErrExists    = errors.New("already exists")
	ErrConflict  = errors.New("changed by someone else at the same time")
	ErrQuota     = errors.New("the product has no licence left: raise its quota with hallmark product update --quota")
	ErrSpent     = errors.New("the provisioning code was used already")
	ErrUnknown   = errors.New("the connection was lost during a commit, whose outcome is unknown")
	ErrBusy      = errors.New("more waits to be written than the database can take: nothing was changed")
	ErrDiskFull  = errors.New("the disk of the database is full: make room there and try again")
	ErrReadOnly  = errors.New("the database does not take writes: it is read-only, or a replica that is not the primary (yet)")
	ErrForbidden = errors.New("not allowed in this state")
)

// InvalidError says which part of an operator's input breaks a rule.
type InvalidError struct{ Reason string }

func (e *InvalidError) Error() string { return e.Reason }

func invalid(format string, args ...any) error {
	return &InvalidError{Reason: fmt.Sprintf(format, args...)}
}

// Registry applies the rules, seals secrets and reads through a cache. It is
// safe for concurrent use.
type Registry struct {
	store  Store
	ring   *keyring.Ring
	now    func() time.Time
	random io.Reader

	// blind is set while changes made by other nodes may go unheard.
	blind   atomic.Bool
	devices *cache[deviceKey, LiveDevice]
	clients *cache[string, *LiveClient]
	// products is keyed by product key; a LiveProduct is shared by all its
	// devices and replaced, never changed.
	products *cache[string, *LiveProduct]
	trusts   *cache[ID, *ciss.Trust] // by organisation
	relays   *cache[ID, *Relay]      // by organisation
}

// Options configures New.
type Options struct {
	Store  Store
	Ring   *keyring.Ring
	Now    func() time.Time
	Random io.Reader
	// CacheEntries bounds the cached devices, 0 for the default of one million.
	CacheEntries int
}

// defaultCacheEntries at some 200 bytes each keeps the cache below 200 MB.
const defaultCacheEntries = 1_000_000

// New returns a registry over a store.
func New(o Options) *Registry {
	if o.CacheEntries == 0 {
		o.CacheEntries = defaultCacheEntries
	}
	r := &Registry{store: o.Store, ring: o.Ring, now: o.Now, random: o.Random}
	r.devices = newCache(o.CacheEntries, deviceKey.own, r.loadDevice)
	r.products = newCache(maxCachedProducts, strings.Clone, r.loadProduct)
	r.clients = newCache(maxCachedClients, strings.Clone, r.loadClient)
	r.trusts = newCache(maxCachedTrusts, func(org ID) ID { return org }, r.loadTrust)
	r.relays = newCache(maxCachedRelays, func(org ID) ID { return org }, r.loadRelay)
	r.devices.blind, r.products.blind, r.clients.blind, r.trusts.blind, r.relays.blind = &r.blind, &r.blind, &r.blind, &r.blind, &r.blind
	return r
}

const (
	maxCachedProducts = 100_000
	maxCachedClients  = 10_000
	maxCachedTrusts   = 1_000
	maxCachedRelays   = 10_000
)
