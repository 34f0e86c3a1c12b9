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
	// all is raised by invalidateAll; entries loaded under an older value are absent.
	all atomic.Uint64
}

const cacheShards = 64

// cacheShard owns a part of the keys; mu guards every field.
type cacheShard[K comparable, V any] struct {
	mu    sync.Mutex
	index map[K]int32
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
	all   uint64
	used  bool // read since the hand last passed
}

func newCache[K comparable, V any](entries int, own func(K) K, load func(context.Context, K) (V, error)) *cache[K, V] {
	c := &cache[K, V]{seed: maphash.MakeSeed(), own: own, load: load}
	for i := range c.shards {
		c.shards[i].index = make(map[K]int32)
		c.shards[i].limit = max(entries/cacheShards, 1)
	}
	return c
}

func (c *cache[K, V]) shard(k K) *cacheShard[K, V] {
	return &c.shards[maphash.Comparable(c.seed, k)%cacheShards]
}

// get returns the cached value, or loads and keeps it.
func (c *cache[K, V]) get(ctx context.Context, k K) (V, error) {
	s := c.shard(k)
	all := c.all.Load()
	s.mu.Lock()
	if i, ok := s.index[k]; ok && s.slots[i].all == all {
		slot := &s.slots[i]
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
		s.keep(c.own(k), v, all)
	}
	return v, nil
}

// keep stores a value, in place of the first entry not read lately when full.
func (s *cacheShard[K, V]) keep(k K, v V, all uint64) {
	if i, ok := s.index[k]; ok {
		s.slots[i] = cacheSlot[K, V]{key: k, value: v, all: all}
		return
	}
	if len(s.slots) < s.limit {
		s.index[k] = int32(len(s.slots))
		s.slots = append(s.slots, cacheSlot[K, V]{key: k, value: v, all: all})
		return
	}
	for s.slots[s.hand].used {
		s.slots[s.hand].used = false
		s.hand = (s.hand + 1) % len(s.slots)
	}
	old := &s.slots[s.hand]
	if s.index[old.key] == int32(s.hand) {
		delete(s.index, old.key)
	}
	s.index[k] = int32(s.hand)
	*old = cacheSlot[K, V]{key: k, value: v, all: all}
	s.hand = (s.hand + 1) % len(s.slots)
}

// invalidate drops one key.
func (c *cache[K, V]) invalidate(k K) {
	s := c.shard(k)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.changes++
	if i, ok := s.index[k]; ok {
		delete(s.index, k)
		// The slot stays as a free place: nothing finds it, the hand reuses it.
		s.slots[i].used = false
		var zero V
		s.slots[i].value = zero
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
