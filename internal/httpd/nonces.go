package httpd

import (
	"hash/maphash"
	"sync"
	"time"
)

// nonces remembers the gateway nonces of verified requests until their
// timestamp leaves the window, in memory and on this node only: it keeps
// captured requests from being sent again, while every operation that matters
// has a guard of its own. It holds hashes and is bounded: past the bound the
// older half is forgotten early.
type nonces struct {
	seed   maphash.Seed
	life   time.Duration // the longest that one must be remembered
	shards [nonceShards]nonceShard
}

const nonceShards = 64

// nonceShard owns a part of the nonces, in two generations: the younger one
// takes new nonces for one lifetime or until it is full, and is then the older
// one for as long. mu guards all of it.
type nonceShard struct {
	mu             sync.Mutex
	younger, older hashSet
	ends           time.Time // of the younger generation
	limit          int       // of each generation
	_              [64]byte
}

// newNonces remembers up to limit nonces, each for at most twice the skew.
func newNonces(limit int, skew time.Duration) *nonces {
	n := &nonces{seed: maphash.MakeSeed(), life: 2 * skew}
	for i := range n.shards {
		n.shards[i].limit = max(limit/nonceShards/2, 1)
	}
	return n
}

// first reports whether an access key uses a nonce for the first time, and
// remembers it for at least twice the skew: a timestamp may be one skew ahead,
// and is good for one more.
func (n *nonces) first(accessKey, nonce string, now time.Time) bool {
	var h maphash.Hash
	h.SetSeed(n.seed)
	h.WriteString(accessKey)
	h.WriteByte(0)
	h.WriteString(nonce)
	key := h.Sum64()
	s := &n.shards[key%nonceShards]
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.younger.len() >= s.limit || now.After(s.ends) {
		s.turn(now, n.life)
	}
	return !s.older.has(key) && s.younger.add(key)
}

// turn begins a new generation. What was in the older one has ended, unless the
// bound makes it go early.
func (s *nonceShard) turn(now time.Time, life time.Duration) {
	s.younger, s.older = s.older, s.younger
	s.younger.clear()
	if now.Sub(s.ends) > life { // nobody came for so long that all have ended
		s.older.clear()
	}
	s.ends = now.Add(life)
}
