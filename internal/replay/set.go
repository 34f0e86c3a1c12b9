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
	perShard := size / shardCount * 17 / 16 // they are not quite even
	for i := range s.shards {
		s.shards[i].keys = make(map[Key]uint32, perShard)
	}
	return s
}

// shard returns the shard of a key.
func (s *set) shard(k Key) *shard { return &s.shards[k[0]] }

// keyList is the keys of one segment, sorted by shard.
type keyList struct {
	segment uint32
	keys    []Key
	starts  [shardCount + 1]int // of each shard in keys, and the end
}

// listKeys makes the list of those entries of a segment that are above floor.
func listKeys(segment uint32, entries []entry, floor int64) *keyList {
	l := &keyList{segment: segment}
	for i := range entries {
		if entries[i].at > floor {
			l.starts[int(entries[i].key[0])+1]++
		}
	}
	for i := range shardCount {
		l.starts[i+1] += l.starts[i]
	}
	l.keys = make([]Key, l.starts[shardCount])
	next := l.starts
	for i := range entries {
		if e := &entries[i]; e.at > floor {
			l.keys[next[e.key[0]]] = e.key
			next[e.key[0]]++
		}
	}
	return l
}

// fill adds all keys to a new set. Shard after shard rather than segment after
// segment: the map of one shard stays in the processor's cache meanwhile.
func (s *set) fill(lists []*keyList) {
	parallel(shardCount, func(i int) {
		sh := &s.shards[i]
		sh.mu.Lock()
		defer sh.mu.Unlock()
		for _, l := range lists {
			for _, k := range l.keys[l.starts[i]:l.starts[i+1]] {
				sh.keys[k] = l.segment
			}
		}
	})
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
