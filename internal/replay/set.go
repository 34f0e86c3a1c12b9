package replay

import "sync"

// shardCount keeps the time for which one shard is locked while keys of
// deleted segments are dropped below a millisecond.
const shardCount = 256

// set holds the key of every live record and the segment it is in.
type set struct {
	shards [shardCount]shard
}

// shard holds the keys that share their first byte.
type shard struct {
	mu   sync.Mutex
	keys map[Key]uint32 // segment ids; guarded by mu
	peak int            // most keys since the map was made; guarded by mu
	_    [40]byte       // one cache line each
}

// newSet makes a set with room for about size keys.
func newSet(size int) *set {
	s := new(set)
	for i := range s.shards {
		s.shards[i].keys = make(map[Key]uint32, size/shardCount)
	}
	return s
}

// shard returns the shard of a key.
func (s *set) shard(k Key) *shard { return &s.shards[k[0]] }

// addAll adds the keys of one segment.
func (s *set) addAll(entries []entry, segment uint32) {
	// Sorted by shard first: one lock for many keys, and a small map that
	// stays in the processor's cache.
	var ends [shardCount]int
	for i := range entries {
		ends[entries[i].key[0]]++
	}
	for i := 1; i < shardCount; i++ {
		ends[i] += ends[i-1]
	}
	sorted := make([]Key, len(entries))
	starts := ends
	for i := range entries {
		k := &entries[i].key
		starts[k[0]]--
		sorted[starts[k[0]]] = *k
	}
	for i := range s.shards {
		s.shards[i].addAll(sorted[starts[i]:ends[i]], segment)
	}
}

// addAll adds the keys of one segment that belong to this shard.
func (sh *shard) addAll(keys []Key, segment uint32) {
	sh.mu.Lock()
	defer sh.mu.Unlock()
	for _, k := range keys {
		sh.keys[k] = segment
	}
	sh.peak = max(sh.peak, len(sh.keys))
}

// drop removes the keys of dead segments and returns how many there were.
func (sh *shard) drop(dead map[uint32]bool) int {
	sh.mu.Lock()
	defer sh.mu.Unlock()
	before := len(sh.keys)
	sh.peak = max(sh.peak, before)
	for k, segment := range sh.keys {
		if dead[segment] {
			delete(sh.keys, k)
		}
	}
	// A map keeps its memory when keys leave it.
	if after := len(sh.keys); sh.peak > 64 && after < sh.peak/4 {
		smaller := make(map[Key]uint32, after)
		for k, segment := range sh.keys {
			smaller[k] = segment
		}
		sh.keys, sh.peak = smaller, after
	}
	return before - len(sh.keys)
}

// len returns the number of keys.
func (s *set) len() int {
	n := 0
	for i := range s.shards {
		sh := &s.shards[i]
		sh.mu.Lock()
		n += len(sh.keys)
		sh.mu.Unlock()
	}
	return n
}
