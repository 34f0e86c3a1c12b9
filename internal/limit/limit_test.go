package limit

import (
	"net/netip"
	"testing"
	"time"

	"github.com/hallmark-id/hallmark/internal/testclock"
)

var t0 = time.Unix(1_700_000_000, 0)

func TestLimiterCountsFailures(t *testing.T) {
	clock := testclock.New(t0)
	l := New(2, 0, clock.Now)
	a, b := netip.MustParseAddr("192.0.2.1"), netip.MustParseAddr("192.0.2.2")
	for i := range 20 {
		if l.Blocked(a) {
			t.Fatalf("blocked after %d failures", i)
		}
		l.Failed(a)
	}
	if !l.Blocked(a) || l.Blocked(b) {
		t.Errorf("after 20 failures: %v and %v", l.Blocked(a), l.Blocked(b))
	}
	l.Failed(a) // goes on failing
	clock.Advance(500 * time.Millisecond)
	if l.Blocked(a) {
		t.Error("still blocked when time has passed")
	}
	l.Failed(a)
	if !l.Blocked(a) {
		t.Error("not blocked again")
	}
}

func TestLimiterRates(t *testing.T) {
	clock := testclock.New(t0)
	off, slow := New(0, 0, clock.Now), New(0.01, 0.5, clock.Now)
	a := netip.MustParseAddr("192.0.2.1")
	for range 100_000 {
		off.Failed(a)
	}
	if off.Blocked(a) || !off.AllowClient("x") {
		t.Error("a rate of 0 is no bound")
	}
	slow.Failed(a)
	if !slow.Blocked(a) {
		t.Error("one failure is all that a small rate allows")
	}
	clock.Advance(100 * time.Second)
	if slow.Blocked(a) {
		t.Error("a small rate never recovers")
	}
	if !slow.AllowClient("x") || slow.AllowClient("x") || !slow.AllowClient("y") {
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
		l := New(0.1, 0, testclock.New(t0).Now)
		l.Failed(netip.MustParseAddr(c.one))
		if got := l.Blocked(netip.MustParseAddr(c.other)); got != c.same {
			t.Errorf("%s and %s: counted as one %v", c.one, c.other, got)
		}
	}
	l := New(0.1, 0, testclock.New(t0).Now)
	l.Failed(netip.Addr{}) // an address that cannot be told is one too
	if !l.Blocked(netip.Addr{}) {
		t.Error("the unknown address is not counted")
	}
}

func TestLimiterMemory(t *testing.T) {
	l := New(1, 0, testclock.New(t0).Now)
	var b [16]byte
	b[0] = 0x20
	for i := range 2*maxLimited + 1 {
		b[4], b[5], b[6] = byte(i>>16), byte(i>>8), byte(i)
		l.Failed(netip.AddrFrom16(b))
		if len(l.addresses) > maxLimited {
			t.Fatalf("%d addresses remembered", len(l.addresses))
		}
	}
}

func TestConnections(t *testing.T) {
	c := NewConnections(3, 2)
	a, b := netip.MustParseAddr("192.0.2.1"), netip.MustParseAddr("2001:db8::1")
	neighbour := netip.MustParseAddr("2001:db8::2")
	for i, try := range []struct {
		addr netip.Addr
		want bool
	}{{a, true}, {a, true}, {a, false}, {b, true}, {b, false}, {neighbour, false}} {
		if c.Open(try.addr) != try.want {
			t.Errorf("step %d: opened %v", i, !try.want)
		}
	}
	c.Close(a)
	if !c.Open(neighbour) || c.Open(neighbour) {
		t.Error("a place that became free went to nobody, or to two")
	}
	if n := c.Count(); n != 3 {
		t.Errorf("%d are open", n)
	}
	for _, addr := range []netip.Addr{a, b, neighbour} {
		c.Close(addr)
	}
	if n := c.Count(); n != 0 || len(c.addresses) != 0 {
		t.Errorf("%d are open, %d addresses remembered", n, len(c.addresses))
	}
}

func TestSharedAddresses(t *testing.T) {
	c := NewConnections(4, 1, netip.MustParsePrefix("10.0.0.0/8"))
	proxy, other := netip.MustParseAddr("::ffff:10.1.2.3"), netip.MustParseAddr("192.0.2.1")
	for i, try := range []struct {
		addr netip.Addr
		want bool
	}{{proxy, true}, {proxy, true}, {other, true}, {other, false}, {proxy, true}, {proxy, false}} {
		if c.Open(try.addr) != try.want {
			t.Errorf("step %d: opened %v", i, !try.want)
		}
	}
}
