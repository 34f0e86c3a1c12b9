package registry

import (
	"context"
	"hash/maphash"
	"sync"
	"sync/atomic"
)

// cache is a bounded read-through cache. A change is visible at once: the
// entry is dropped by invalidate, and a load that began before an invalidation
// is returned to its asker but not kept. Absence is not cached. Eviction is
// by second chance (CLOCK).
type cache[K comparable, V any] struct {
	seed maphash.Seed
	// load reads from the store; what it returns must not alias the key.
	load func(context.Context, K) (V, error)
	// own copies a key that may alias a request's buffer.
	own    func(K) K
	shards [cacheShards]cacheShard[K, V]
	// blind says that invalidations may be missing: nothing is kept or found then.
	blind *atomic.Bool
	// all is raised by invalidateAll; entries loaded under an older value are absent.
	all atomic.Uint32
}

const cacheShards = 64

// cacheShard owns a part of the keys; mu guards every field.
type cacheShard[K comparable, V any] struct {
	mu sync.Mutex
	// index finds the slot of a key by its hash: keys are large, and kept in the
	// slot already. Of two keys with one hash the later one has the place.
	index map[uint64]int32
	slots []cacheSlot[K, V]
	hand  int
	limit int
	// changes counts invalidations here, so that a load can tell whether one
	// happened since it began.
	changes uint64
	_       [64]byte // keep neighbouring locks off this cache line
}

type cacheSlot[K comparable, V any] struct {
	key   K
	value V
	all   uint32
	used  bool // read since the hand last passed
}

func newCache[K comparable, V any](entries int, own func(K) K, load func(context.Context, K) (V, error)) *cache[K, V] {
	c := &cache[K, V]{seed: maphash.MakeSeed(), own: own, load: load, blind: new(atomic.Bool)}
	for i := range c.shards {
		c.shards[i].index = make(map[uint64]int32)
		c.shards[i].limit = max(entries/cacheShards, 1)
	}
	return c
}

// shard returns the hash of a key and the shard it belongs to.
func (c *cache[K, V]) shard(k K) (uint64, *cacheShard[K, V]) {
	h := maphash.Comparable(c.seed, k)
	return h, &c.shards[h%cacheShards]
}

// get returns the cached value, or loads and keeps it.
func (c *cache[K, V]) get(ctx context.Context, k K) (V, error) {
	if c.blind.Load() {
		return c.load(ctx, k)
	}
	h, s := c.shard(k)
	all := c.all.Load()
	s.mu.Lock()
	if slot := s.find(h, k); slot != nil && slot.all == all {
		slot.used = true
		v := slot.value
		s.mu.Unlock()
		return v, nil
	}
	changes := s.changes
	s.mu.Unlock()

	v, err := c.load(ctx, k)
	if err != nil {
		return v, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.changes == changes {
		c.keep(s, h, cacheSlot[K, V]{key: c.own(k), value: v, all: all})
	}
	return v, nil
}

// find returns the slot of a key, or nil.
func (s *cacheShard[K, V]) find(h uint64, k K) *cacheSlot[K, V] {
	if i, ok := s.index[h]; ok && s.slots[i].key == k {
		return &s.slots[i]
	}
	return nil
}

// keep stores an entry, in place of the first one not read lately when full.
// The caller holds the shard's lock.
func (c *cache[K, V]) keep(s *cacheShard[K, V], h uint64, entry cacheSlot[K, V]) {
	if i, ok := s.index[h]; ok {
		s.slots[i] = entry
		return
	}
	if len(s.slots) < s.limit {
		s.index[h] = int32(len(s.slots))
		s.add(entry)
		return
	}
	for s.slots[s.hand].used {
		s.slots[s.hand].used = false
		s.hand = (s.hand + 1) % len(s.slots)
	}
	old, _ := c.shard(s.slots[s.hand].key)
	if i, ok := s.index[old]; ok && i == int32(s.hand) {
		delete(s.index, old)
	}
	s.index[h] = int32(s.hand)
	s.slots[s.hand] = entry
	s.hand = (s.hand + 1) % len(s.slots)
}

// add appends a slot. Room grows by an eighth: the quarter and more that append
// takes would be the largest part of what an entry costs beside itself.
func (s *cacheShard[K, V]) add(entry cacheSlot[K, V]) {
	if n := len(s.slots); n == cap(s.slots) {
		grown := make([]cacheSlot[K, V], n, min(n+n/8+16, s.limit))
		copy(grown, s.slots)
		s.slots = grown
	}
	s.slots = append(s.slots, entry)
}

// invalidate drops one key.
func (c *cache[K, V]) invalidate(k K) {
	h, s := c.shard(k)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.changes++
	if slot := s.find(h, k); slot != nil {
		delete(s.index, h)
		*slot = cacheSlot[K, V]{} // a free place: nothing finds it, the hand reuses it
	}
}

// invalidateAll drops every key.
func (c *cache[K, V]) invalidateAll() {
	c.all.Add(1)
	for i := range c.shards {
		c.shards[i].mu.Lock()
		c.shards[i].changes++
		c.shards[i].mu.Unlock()
	}
}
