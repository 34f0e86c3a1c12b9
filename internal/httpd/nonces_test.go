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

// size counts what is remembered, and what the lists hold of it.
func (n *nonces) size() (seen, listed int) {
	for i := range n.shards {
		s := &n.shards[i]
		s.mu.Lock()
		seen += len(s.seen)
		for _, list := range s.lists {
			listed += len(list)
		}
		s.mu.Unlock()
	}
	return seen, listed
}

// Against a model that forgets nothing: while a nonce's end has not passed, it
// is refused; memory holds nothing longer than the end and two spans.
func TestNoncesAgainstAModel(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		skew := time.Duration(rapid.Int64Range(0, int64(3*time.Hour)).Draw(t, "skew"))
		now := t0
		n := newNonces(1_000_000, skew, now)
		type use struct{ key, nonce string }
		ends := make(map[use]time.Time)
		for range rapid.IntRange(1, 60).Draw(t, "steps") {
			now = now.Add(time.Duration(rapid.Int64Range(0, int64(skew)/2).Draw(t, "passes")))
			u := use{rapid.SampledFrom([]string{"a", "b"}).Draw(t, "key"), rapid.SampledFrom([]string{"", "x", "y", "b\x00x"}).Draw(t, "nonce")}
			end := now.Add(time.Duration(rapid.Int64Range(0, int64(2*skew)).Draw(t, "lives")))
			old, used := ends[u]
			first := n.first(u.key, u.nonce, now, end)
			if first && used && !now.After(old) {
				t.Fatalf("%q is taken for new at %v, used until %v", u, now, old)
			}
			if !first && !used {
				t.Fatalf("%q is taken for used", u)
			}
			if first {
				ends[u] = end
			}
		}
		now = now.Add(2*skew + 2*time.Duration(n.span)*time.Second)
		for i := range n.shards {
			n.shards[i].sweep(now.Unix()/n.span - 1)
		}
		if seen, listed := n.size(); seen != 0 || listed != 0 {
			t.Fatalf("%d nonces and %d listed are left when all have ended", seen, listed)
		}
	})
}

func TestNonceKeysAreApart(t *testing.T) {
	n := newNonces(1000, time.Minute, t0)
	for _, u := range [][2]string{{"a", "bc"}, {"ab", "c"}, {"abc", ""}, {"", "abc"}} {
		if !n.first(u[0], u[1], t0, t0) {
			t.Errorf("%q was taken for another", u)
		}
	}
}

// Past the bound the newest stays, and memory does not grow.
func TestNonceBound(t *testing.T) {
	for _, limit := range []int{0, 1, 63, 64, 6400} {
		n := newNonces(limit, 15*time.Minute, t0)
		for i := range 20_000 {
			now := t0.Add(time.Duration(i) * time.Millisecond)
			nonce := fmt.Sprint(i)
			if !n.first("key", nonce, now, now.Add(15*time.Minute)) {
				t.Fatalf("limit %d: nonce %d was taken for used", limit, i)
			}
			if n.first("key", nonce, now, now.Add(15*time.Minute)) {
				t.Fatalf("limit %d: the newest nonce was forgotten at once", limit)
			}
		}
		if seen, listed := n.size(); seen > max(limit, nonceShards) || listed != seen {
			t.Errorf("limit %d: %d remembered, %d listed", limit, seen, listed)
		}
	}
}

// The ones that end soonest go first.
func TestNonceEviction(t *testing.T) {
	n := newNonces(1000*nonceShards, 15*time.Minute, t0)
	for i := range 300 {
		n.first("key", fmt.Sprint("late", i), t0, t0.Add(30*time.Minute))
	}
	for i := range 100_000 {
		n.first("key", fmt.Sprint("soon", i), t0, t0.Add(time.Minute))
	}
	for i := range 300 {
		if n.first("key", fmt.Sprint("late", i), t0, t0.Add(30*time.Minute)) {
			t.Fatalf("late nonce %d was forgotten before those that end sooner", i)
		}
	}
}

// A clock that jumps in either direction neither panics nor loses what is
// still good by the time it shows.
func TestNonceClockJumps(t *testing.T) {
	n := newNonces(1000, 15*time.Minute, t0)
	back := t0.Add(-24 * time.Hour)
	if !n.first("key", "a", back, back.Add(30*time.Minute)) || n.first("key", "a", back, back.Add(30*time.Minute)) {
		t.Error("after the clock went back")
	}
	ahead := t0.Add(1000 * time.Hour)
	if !n.first("key", "a", ahead, ahead.Add(time.Minute)) || n.first("key", "a", ahead, ahead.Add(time.Minute)) {
		t.Error("after the clock went ahead")
	}
}

func TestNonceHasOneFirst(t *testing.T) {
	n := newNonces(100_000, 15*time.Minute, t0)
	var firsts atomic.Int64
	var wg sync.WaitGroup
	const nonces = 500
	for range 8 {
		wg.Go(func() {
			for i := range nonces {
				if n.first("key", fmt.Sprint(i), t0, t0.Add(time.Minute)) {
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
