package ciss

import (
	"crypto/ecdsa"
	"strings"
	"sync"
	"time"

	"github.com/emmansun/gmsm/smx509"
)

// chain is a verified chain, from the signer's certificate to a root.
type chain struct {
	certs       []*smx509.Certificate
	key         *signerKey
	issuers     []string // names of the authorities above each but the last
	from, until time.Time
}

// newChain is for certificates that begin with one of an SM2 key.
func newChain(certs []*smx509.Certificate) *chain {
	c := &chain{certs: certs, key: &signerKey{PublicKey: certs[0].PublicKey.(*ecdsa.PublicKey)}, from: certs[0].NotBefore, until: certs[0].NotAfter}
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

// chainCache remembers verified chains by the certificate's DER in hexadecimal
// digits, which saves decoding them again. It holds two generations of half its
// bound each: a full one replaces the other.
type chainCache struct {
	half       int
	mu         sync.Mutex
	young, old map[string]*chain
}

func newChainCache(bound int) *chainCache {
	return &chainCache{half: bound / 2, young: make(map[string]*chain)}
}

func (c *chainCache) get(digits string) *chain {
	c.mu.Lock()
	defer c.mu.Unlock()
	if found := c.young[digits]; found != nil {
		return found
	}
	found := c.old[digits]
	if found != nil {
		c.add(strings.Clone(digits), found) // which are part of a message
	}
	return found
}

func (c *chainCache) put(digits []byte, chain *chain) {
	if c.half == 0 {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.add(string(digits), chain)
}

// add is called with mu held.
func (c *chainCache) add(digits string, found *chain) {
	if len(c.young) >= c.half {
		c.old, c.young = c.young, make(map[string]*chain)
	}
	c.young[digits] = found
}
