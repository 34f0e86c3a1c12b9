package limit

import (
	"net/netip"
	"slices"
	"sync"
)

// Connections bounds how many connections are open at once, in all and per
// address. It is safe for concurrent use.
type Connections struct {
	all, each int
	shared    []netip.Prefix

	mu        sync.Mutex
	open      int
	addresses map[netip.Addr]int
}

// NewConnections returns a bound of all connections in all, and each per address
// but for those of the shared networks, such as proxies', behind which are many.
func NewConnections(all, each int, shared ...netip.Prefix) *Connections {
	return &Connections{all: all, each: each, shared: shared, addresses: make(map[netip.Addr]int)}
}

// Open takes a place for a connection and reports whether there was one.
func (c *Connections) Open(addr netip.Addr) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	key := caller(addr)
	if c.open >= c.all || c.addresses[key] >= c.each && !c.isShared(addr) {
		return false
	}
	c.open++
	c.addresses[key]++
	return true
}

func (c *Connections) isShared(addr netip.Addr) bool {
	return slices.ContainsFunc(c.shared, func(p netip.Prefix) bool { return p.Contains(addr.Unmap()) })
}

// Close gives back the place of a connection that had one.
func (c *Connections) Close(addr netip.Addr) {
	c.mu.Lock()
	defer c.mu.Unlock()
	key := caller(addr)
	c.open--
	if c.addresses[key]--; c.addresses[key] == 0 {
		delete(c.addresses, key)
	}
}

// Count returns how many places are taken.
func (c *Connections) Count() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.open
}
