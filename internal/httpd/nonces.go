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
	span   int64 // seconds that one list covers
	shards [nonceShards]nonceShard
}

const (
	nonceShards = 64
	// nonceLists is the number of lists of a shard. A nonce lives for at most
	// twice the skew, which nonceSpans lists cover; one more is being filled and
	// one emptied.
	nonceLists = nonceSpans + 2
	nonceSpans = 30
)

// nonceShard owns a part of the nonces; mu guards all of it. Lists are numbered
// by time in spans; the one of a number is at its remainder.
type nonceShard struct {
	mu    sync.Mutex
	seen  map[uint64]struct{}
	lists [nonceLists][]uint64 // by the span in which they end
	swept int64                // the last span whose list was emptied
	limit int
	_     [64]byte
}

// newNonces remembers up to limit nonces, each for at most twice the skew.
func newNonces(limit int, skew time.Duration, now time.Time) *nonces {
	n := &nonces{seed: maphash.MakeSeed(), span: max(60, int64((2*skew).Seconds())/nonceSpans+1)}
	for i := range n.shards {
		s := &n.shards[i]
		s.seen, s.limit, s.swept = make(map[uint64]struct{}), max(limit/nonceShards, 1), now.Unix()/n.span-1
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
	s.sweep(now.Unix()/n.span - 1)
	if _, seen := s.seen[key]; seen {
		return false
	}
	for i := s.swept + 1; len(s.seen) >= s.limit; i++ {
		s.drop(i)
	}
	s.seen[key] = struct{}{}
	i := min(max(end.Unix()/n.span, s.swept+1), s.swept+nonceLists)
	list := &s.lists[i%nonceLists]
	*list = append(*list, key)
	return true
}

// sweep forgets the nonces that ended up to a span.
func (s *nonceShard) sweep(upTo int64) {
	if upTo-s.swept > nonceLists {
		s.swept = upTo - nonceLists
	}
	for s.swept < upTo {
		s.swept++
		s.drop(s.swept)
	}
}

func (s *nonceShard) drop(span int64) {
	list := &s.lists[span%nonceLists]
	for _, key := range *list {
		delete(s.seen, key)
	}
	*list = nil
}
