// Package limit bounds what a caller may do to a door: how often it may fail, how
// much a client may ask, and how many connections are open at once.
package limit

import (
	"net/netip"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/time/rate"
)

// Limiter slows callers down. Per address it counts failures only: guessing
// costs, working does not. Per client it counts requests, when that is set. It
// is safe for concurrent use.
type Limiter struct {
	failures rate.Limit
	burst    int
	now      func() time.Time

	mu        sync.Mutex
	addresses map[netip.Addr]*rate.Limiter
	known     atomic.Int64 // len(addresses), so that nobody locks while there are none

	clientRate rate.Limit
	clients    sync.Map // access key id → *rate.Limiter
}

// maxLimited bounds the addresses remembered; past it the record begins anew.
const maxLimited = 100_000

// New returns a limiter of failures per address and second and of requests per
// client and second; 0 is no bound. Ten seconds' worth of failures may come at
// once.
func New(failures, clientRate float64, now func() time.Time) *Limiter {
	return &Limiter{failures: rate.Limit(failures), burst: max(int(10*failures), 1), now: now,
		addresses: make(map[netip.Addr]*rate.Limiter), clientRate: rate.Limit(clientRate)}
}

// Blocked reports whether an address has failed too often of late.
func (l *Limiter) Blocked(addr netip.Addr) bool {
	if l.known.Load() == 0 {
		return false
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	lim := l.addresses[caller(addr)]
	return lim != nil && lim.TokensAt(l.now()) < 1
}

// Failed counts a failure of an address.
func (l *Limiter) Failed(addr netip.Addr) {
	if l.failures <= 0 {
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	key := caller(addr)
	lim := l.addresses[key]
	if lim == nil {
		if len(l.addresses) >= maxLimited {
			clear(l.addresses)
		}
		lim = rate.NewLimiter(l.failures, l.burst)
		l.addresses[key] = lim
		l.known.Store(int64(len(l.addresses)))
	}
	lim.AllowN(l.now(), 1)
}

// caller counts an IPv6 network of 64 bits as one caller: one host owns it all.
func caller(addr netip.Addr) netip.Addr {
	addr = addr.Unmap()
	if addr.Is6() {
		p, err := addr.WithZone("").Prefix(64)
		if err == nil {
			return p.Addr()
		}
	}
	return addr
}

// AllowClient counts a request of a client and reports whether it is within the
// bound.
func (l *Limiter) AllowClient(id string) bool {
	if l.clientRate <= 0 {
		return true
	}
	lim, ok := l.clients.Load(id)
	if !ok {
		lim, _ = l.clients.LoadOrStore(id, rate.NewLimiter(l.clientRate, max(int(l.clientRate), 1)))
	}
	return lim.(*rate.Limiter).AllowN(l.now(), 1)
}
