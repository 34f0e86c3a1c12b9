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
// ones that end soonest are forgotten early.
type nonces struct {
	seed   maphash.Seed
	shards [nonceShards]nonceShard
}

const (
	nonceShards = 64
	// nonceMinutes is the number of one-minute lists: a nonce lives for at most
	// twice the window of 15 minutes, and one list is being filled and one emptied.
	nonceMinutes = 32
)

// nonceShard owns a part of the nonces; mu guards all of it.
type nonceShard struct {
	mu    sync.Mutex
	seen  map[uint64]struct{}
	lists [nonceMinutes][]uint64 // by the minute of their end
	swept int64                  // the last minute whose list was emptied
	limit int
	_     [64]byte
}

func newNonces(limit int, now time.Time) *nonces {
	n := &nonces{seed: maphash.MakeSeed()}
	for i := range n.shards {
		s := &n.shards[i]
		s.seen, s.limit, s.swept = make(map[uint64]struct{}), limit/nonceShards, now.Unix()/60-1
	}
	return n
}

// first reports whether an access key uses a nonce for the first time, and
// remembers it until its end.
func (n *nonces) first(accessKey, nonce string, now, end time.Time) bool {
	var h maphash.Hash
	h.SetSeed(n.seed)
	h.WriteString(accessKey)
	h.WriteByte(0)
	h.WriteString(nonce)
	key := h.Sum64()
	s := &n.shards[key%nonceShards]
	s.mu.Lock()
	defer s.mu.Unlock()
	s.sweep(now.Unix()/60 - 1)
	if _, seen := s.seen[key]; seen {
		return false
	}
	s.seen[key] = struct{}{}
	minute := min(max(end.Unix()/60, s.swept+1), s.swept+nonceMinutes)
	list := &s.lists[minute%nonceMinutes]
	*list = append(*list, key)
	for m := s.swept + 1; len(s.seen) > s.limit; m++ {
		s.drop(m)
	}
	return true
}

// sweep forgets the nonces that ended up to a minute.
func (s *nonceShard) sweep(upTo int64) {
	if upTo-s.swept > nonceMinutes {
		s.swept = upTo - nonceMinutes
	}
	for s.swept < upTo {
		s.swept++
		s.drop(s.swept)
	}
}

func (s *nonceShard) drop(minute int64) {
	list := &s.lists[minute%nonceMinutes]
	for _, key := range *list {
		delete(s.seen, key)
	}
	*list = nil
}
