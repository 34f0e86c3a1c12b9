package httpd

import (
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"pgregory.net/rapid"
)

var t0 = time.Unix(1_700_000_000, 0)

// size counts what is remembered, and the slots that it takes.
func (n *nonces) size() (seen, slots int) {
	for i := range n.shards {
		s := &n.shards[i]
		s.mu.Lock()
		seen += s.younger.len() + s.older.len()
		slots += len(s.younger.slots) + len(s.older.slots)
		s.mu.Unlock()
	}
	return seen, slots
}

// Against a model that forgets nothing: for twice the skew a nonce is refused, and
// after four times the skew it is forgotten.
func TestNoncesAgainstAModel(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		skew := time.Duration(rapid.Int64Range(0, int64(3*time.Hour)).Draw(t, "skew"))
		now := t0
		n := newNonces(1_000_000, skew)
		type use struct{ key, nonce string }
		uses := make(map[use]time.Time)
		for range rapid.IntRange(1, 60).Draw(t, "steps") {
			now = now.Add(time.Duration(rapid.Int64Range(0, int64(skew)).Draw(t, "passes")))
			u := use{rapid.SampledFrom([]string{"a", "b"}).Draw(t, "key"), rapid.SampledFrom([]string{"", "x", "y", "b\x00x"}).Draw(t, "nonce")}
			old, used := uses[u]
			first := n.first(u.key, u.nonce, now)
			if first && used && now.Sub(old) <= 2*skew {
				t.Fatalf("%q is taken for new at %v, used at %v", u, now, old)
			}
			if !first && !used {
				t.Fatalf("%q is taken for used", u)
			}
			if first {
				uses[u] = now
			}
		}
		for u := range uses {
			if !n.first(u.key, u.nonce, now.Add(4*skew+1)) {
				t.Fatalf("%q is remembered still", u)
			}
		}
	})
}

func TestNonceKeysAreApart(t *testing.T) {
	n := newNonces(1000, time.Minute)
	for _, u := range [][2]string{{"a", "bc"}, {"ab", "c"}, {"abc", ""}, {"", "abc"}} {
		if !n.first(u[0], u[1], t0) {
			t.Errorf("%q was taken for another", u)
		}
	}
}

// Past the bound the newest stays, and memory does not grow.
func TestNonceBound(t *testing.T) {
	for _, limit := range []int{0, 1, 63, 64, 6400} {
		n := newNonces(limit, 15*time.Minute)
		for i := range 20_000 {
			now := t0.Add(time.Duration(i) * time.Millisecond)
			nonce := fmt.Sprint(i)
			if !n.first("key", nonce, now) {
				t.Fatalf("limit %d: nonce %d was taken for used", limit, i)
			}
			if n.first("key", nonce, now) {
				t.Fatalf("limit %d: the newest nonce was forgotten at once", limit)
			}
		}
		if seen, slots := n.size(); seen > max(limit, 2*nonceShards) || slots > max(8*limit, 2*nonceShards*minSlots) {
			t.Errorf("limit %d: %d remembered in %d slots", limit, seen, slots)
		}
	}
}

// Past the bound the older ones go: half of what fits is always there.
func TestNonceEviction(t *testing.T) {
	const fit = 1000 * nonceShards
	n := newNonces(fit, 15*time.Minute)
	for i := range 4 * fit {
		n.first("key", fmt.Sprint(i), t0)
	}
	const shardsDiffer = 100 * nonceShards
	for i := 4*fit - fit/2 + shardsDiffer; i < 4*fit; i++ {
		if n.first("key", fmt.Sprint(i), t0) {
			t.Fatalf("nonce %d was forgotten before older ones", i)
		}
	}
}

// A set holds what was put in, 0 and hashes of one slot included.
func TestHashSet(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var s hashSet
		model := make(map[uint64]bool)
		hash := rapid.OneOf(rapid.Uint64Range(2, 40), rapid.Uint64Range(1<<16, 1<<16+3), rapid.Uint64().Filter(func(h uint64) bool { return h > 1 }), rapid.Just(uint64(0)))
		for range rapid.IntRange(0, 300).Draw(t, "steps") {
			h := hash.Draw(t, "hash")
			if s.has(h) != model[h] || s.add(h) == model[h] || !s.has(h) {
				t.Fatalf("%d: was there %v", h, model[h])
			}
			model[h] = true
			if s.len() != len(model) {
				t.Fatalf("%d of %d", s.len(), len(model))
			}
			if rapid.IntRange(0, 50).Draw(t, "clear") == 0 {
				s.clear()
				clear(model)
			}
		}
	})
}

// A clock that jumps in either direction neither panics nor loses what is
// still good by the time it shows.
func TestNonceClockJumps(t *testing.T) {
	n := newNonces(1000, 15*time.Minute)
	back := t0.Add(-24 * time.Hour)
	if !n.first("key", "a", back) || n.first("key", "a", back) {
		t.Error("after the clock went back")
	}
	ahead := t0.Add(1000 * time.Hour)
	if !n.first("key", "a", ahead) || n.first("key", "a", ahead) {
		t.Error("after the clock went ahead")
	}
}

func TestNonceHasOneFirst(t *testing.T) {
	n := newNonces(100_000, 15*time.Minute)
	var firsts atomic.Int64
	var wg sync.WaitGroup
	const nonces = 500
	for range 8 {
		wg.Go(func() {
			for i := range nonces {
				if n.first("key", fmt.Sprint(i), t0) {
					firsts.Add(1)
				}
			}
		})
	}
	wg.Wait()
	if firsts.Load() != nonces {
		t.Errorf("%d firsts for %d nonces", firsts.Load(), nonces)
	}
}
