package relay

import (
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/hallmark-id/hallmark/internal/testclock"
)

func TestBreaker(t *testing.T) {
	clock := testclock.New(time.Unix(1_700_000_000, 0))
	b := &breaker{now: clock.Now}
	fail := func(n int) {
		t.Helper()
		for range n {
			if !b.allow() {
				t.Fatal("a call is not allowed")
			}
			b.failed()
		}
	}
	fail(breakAfter - 1)
	b.succeeded() // and the count begins anew
	fail(breakAfter)
	if b.state() != stateOpen || b.allow() || !b.isOpen() {
		t.Fatal("it did not open")
	}
	clock.Advance(breakFor)
	if b.state() != stateHalfOpen || b.isOpen() || !b.allow() || b.allow() || !b.isOpen() {
		t.Fatal("half-open lets one call through, and one only")
	}
	b.failed()
	if b.state() != stateOpen || b.allow() {
		t.Fatal("a failed try opens it again")
	}
	clock.Advance(breakFor)
	if !b.allow() {
		t.Fatal("it is not tried again")
	}
	b.succeeded()
	if b.state() != stateClosed || !b.allow() || !b.allow() {
		t.Fatal("a good try closes it")
	}
}

// Whatever happens: while open no call is made, half-open one at a time, and it
// opens only after enough failures in a row.
func TestBreakerProperties(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		clock := testclock.New(time.Unix(1_700_000_000, 0))
		b := &breaker{now: clock.Now}
		row, under := 0, 0
		t.Repeat(map[string]func(*rapid.T){
			"ask": func(t *rapid.T) {
				before := b.state()
				allowed := b.allow()
				switch {
				case before == stateClosed && !allowed, before == stateOpen && allowed:
					t.Fatalf("%s: allowed %t", before, allowed)
				case before != stateClosed && row < breakAfter:
					t.Fatalf("%s after %d failures", before, row)
				}
				if allowed {
					under++
				}
			},
			"succeed": func(t *rapid.T) {
				if under == 0 {
					t.Skip()
				}
				under--
				row = 0
				b.succeeded()
				if b.state() != stateClosed {
					t.Fatal("not closed after a success")
				}
			},
			"fail": func(t *rapid.T) {
				if under == 0 {
					t.Skip()
				}
				under--
				row++
				b.failed()
				if (b.state() == stateOpen) != (row >= breakAfter) {
					t.Fatalf("%s after %d failures", b.state(), row)
				}
			},
			"wait": func(t *rapid.T) { clock.Advance(time.Duration(rapid.Int64Range(0, int64(2*breakFor)).Draw(t, "wait"))) },
		})
	})
}
