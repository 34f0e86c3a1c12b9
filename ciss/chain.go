package ciss

import (
	"crypto/sha256"
	"sync"
	"time"

	"github.com/emmansun/gmsm/smx509"
)

// chain is a verified chain, from the signer's certificate to a root.
type chain struct {
	certs       []*smx509.Certificate
	issuers     []string // names of the authorities above each but the last
	from, until time.Time
}

func newChain(certs []*smx509.Certificate) *chain {
	c := &chain{certs: certs, from: certs[0].NotBefore, until: certs[0].NotAfter}
	for _, above := range certs[1:] {
		c.issuers = append(c.issuers, authority(above))
		if above.NotBefore.After(c.from) {
			c.from = above.NotBefore
		}
		if above.NotAfter.Before(c.until) {
			c.until = above.NotAfter
		}
	}
	return c
}

// validAt reports whether all certificates are valid at a time.
func (c *chain) validAt(now time.Time) bool { return !now.Before(c.from) && !now.After(c.until) }

// chainCache remembers verified chains by the digest of the certificate. It
// holds two generations of half its bound each: a full one replaces the other.
type chainCache struct {
	half       int
	mu         sync.Mutex
	young, old map[[sha256.Size]byte]*chain
}

func newChainCache(bound int) *chainCache {
	return &chainCache{half: bound / 2, young: make(map[[sha256.Size]byte]*chain)}
}

func (c *chainCache) get(name [sha256.Size]byte) *chain {
	c.mu.Lock()
	defer c.mu.Unlock()
	if found := c.young[name]; found != nil {
		return found
	}
	found := c.old[name]
	if found != nil {
		c.add(name, found)
	}
	return found
}

func (c *chainCache) put(name [sha256.Size]byte, chain *chain) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.add(name, chain)
}

// add is called with mu held.
func (c *chainCache) add(name [sha256.Size]byte, found *chain) {
	if c.half == 0 {
		return
	}
	if len(c.young) >= c.half {
		c.old, c.young = c.young, make(map[[sha256.Size]byte]*chain)
	}
	c.young[name] = found
}
