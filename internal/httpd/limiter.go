package httpd

import (
	"net/netip"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/time/rate"
)

// limiter slows callers down. Per address it counts failures only: guessing
// costs, working does not. Per client it counts requests, when that is set.
type limiter struct {
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

func newLimiter(failures float64, clientRate float64, now func() time.Time) *limiter {
	return &limiter{failures: rate.Limit(failures), burst: max(int(10*failures), 1), now: now,
		addresses: make(map[netip.Addr]*rate.Limiter), clientRate: rate.Limit(clientRate)}
}

// blocked reports whether an address has failed too often of late.
func (l *limiter) blocked(addr netip.Addr) bool {
	if l.known.Load() == 0 {
		return false
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	lim := l.addresses[limitKey(addr)]
	return lim != nil && lim.TokensAt(l.now()) < 1
}

// failed counts a failure of an address.
func (l *limiter) failed(addr netip.Addr) {
	if l.failures <= 0 {
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	key := limitKey(addr)
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

// limitKey counts an IPv6 network of 64 bits as one caller: one host owns it all.
func limitKey(addr netip.Addr) netip.Addr {
	addr = addr.Unmap()
	if addr.Is6() {
		p, err := addr.WithZone("").Prefix(64)
		if err == nil {
			return p.Addr()
		}
	}
	return addr
}

// allowClient counts a request of a client.
func (l *limiter) allowClient(id string) bool {
	if l.clientRate <= 0 {
		return true
	}
	lim, ok := l.clients.Load(id)
	if !ok {
		lim, _ = l.clients.LoadOrStore(id, rate.NewLimiter(l.clientRate, max(int(l.clientRate), 1)))
	}
	return lim.(*rate.Limiter).AllowN(l.now(), 1)
}
