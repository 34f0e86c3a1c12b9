package httpd

import (
	"fmt"
	"net/netip"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/hallmark-id/hallmark/internal/testclock"
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

func TestLimiterCountsFailures(t *testing.T) {
	clock := testclock.New(t0)
	l := newLimiter(2, 0, clock.Now)
	a, b := netip.MustParseAddr("192.0.2.1"), netip.MustParseAddr("192.0.2.2")
	for i := range 20 {
		if l.blocked(a) {
			t.Fatalf("blocked after %d failures", i)
		}
		l.failed(a)
	}
	if !l.blocked(a) || l.blocked(b) {
		t.Errorf("after 20 failures: %v and %v", l.blocked(a), l.blocked(b))
	}
	l.failed(a) // goes on failing
	clock.Advance(500 * time.Millisecond)
	if l.blocked(a) {
		t.Error("still blocked when time has passed")
	}
	l.failed(a)
	if !l.blocked(a) {
		t.Error("not blocked again")
	}
}

func TestLimiterRates(t *testing.T) {
	clock := testclock.New(t0)
	off, slow := newLimiter(0, 0, clock.Now), newLimiter(0.01, 0.5, clock.Now)
	a := netip.MustParseAddr("192.0.2.1")
	for range 100_000 {
		off.failed(a)
	}
	if off.blocked(a) || !off.allowClient("x") {
		t.Error("a rate of 0 is no bound")
	}
	slow.failed(a)
	if !slow.blocked(a) {
		t.Error("one failure is all that a small rate allows")
	}
	clock.Advance(100 * time.Second)
	if slow.blocked(a) {
		t.Error("a small rate never recovers")
	}
	if !slow.allowClient("x") || slow.allowClient("x") || !slow.allowClient("y") {
		t.Error("a client rate below one")
	}
}

func TestLimiterKeys(t *testing.T) {
	for _, c := range []struct {
		one, other string
		same       bool
	}{
		{"192.0.2.1", "192.0.2.1", true},
		{"192.0.2.1", "192.0.2.2", false},
		{"192.0.2.1", "::ffff:192.0.2.1", true},
		{"2001:db8::1", "2001:db8::ffff:ffff:ffff:ffff", true},
		{"2001:db8::1", "2001:db8:0:1::1", false},
		{"fe80::1%eth0", "fe80::2%eth1", true},
	} {
		l := newLimiter(0.1, 0, testclock.New(t0).Now)
		l.failed(netip.MustParseAddr(c.one))
		if got := l.blocked(netip.MustParseAddr(c.other)); got != c.same {
			t.Errorf("%s and %s: counted as one %v", c.one, c.other, got)
		}
	}
	l := newLimiter(0.1, 0, testclock.New(t0).Now)
	l.failed(netip.Addr{}) // an address that cannot be told is one too
	if !l.blocked(netip.Addr{}) {
		t.Error("the unknown address is not counted")
	}
}

func TestLimiterMemory(t *testing.T) {
	l := newLimiter(1, 0, testclock.New(t0).Now)
	var b [16]byte
	b[0] = 0x20
	for i := range 2*maxLimited + 1 {
		b[4], b[5], b[6] = byte(i>>16), byte(i>>8), byte(i)
		l.failed(netip.AddrFrom16(b))
		if len(l.addresses) > maxLimited {
			t.Fatalf("%d addresses remembered", len(l.addresses))
		}
	}
}

func TestRequestIDs(t *testing.T) {
	seen := make(map[string]bool)
	var digits [36][16]int
	for range 20_000 {
		id := newRequestID()
		if !requestIDForm.MatchString(id) || seen[id] {
			t.Fatalf("request id %q, seen before %v", id, seen[id])
		}
		seen[id] = true
		for i, c := range id {
			if c != '-' {
				digits[i][hexValue(c)]++
			}
		}
	}
	for i, counts := range digits {
		if i == 8 || i == 13 || i == 14 || i == 18 || i == 19 || i == 23 { // hyphens, version and variant
			continue
		}
		for digit, n := range counts {
			if n < 900 || n > 1600 { // 1250 expected; ten standard deviations
				t.Errorf("place %d is %X %d times of 20000", i, digit, n)
			}
		}
	}
}

func hexValue(c rune) int {
	if c <= '9' {
		return int(c - '0')
	}
	return int(c-'A') + 10
}
