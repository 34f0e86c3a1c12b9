package limit

import (
	"net/netip"
	"sync"
)

// Connections bounds how many connections are open at once, in all and per
// address. It is safe for concurrent use.
type Connections struct {
	all, each int

	mu        sync.Mutex
	open      int
	addresses map[netip.Addr]int
}

// NewConnections returns a bound of all connections in all, and each per address.
func NewConnections(all, each int) *Connections {
	return &Connections{all: all, each: each, addresses: make(map[netip.Addr]int)}
}

// Open takes a place for a connection and reports whether there was one.
func (c *Connections) Open(addr netip.Addr) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	key := caller(addr)
	if c.open >= c.all || c.addresses[key] >= c.each {
		return false
	}
	c.open++
	c.addresses[key]++
	return true
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
