package relay

import (
	"sync"
	"time"
)

// breakAfter calls in a row that fail open the breaker, for breakFor.
const (
	breakAfter = 5
	breakFor   = 10 * time.Second
)

// The states of a breaker.
const (
	stateClosed   = "closed"    // all calls are made
	stateOpen     = "open"      // none is
	stateHalfOpen = "half-open" // one is, to see whether the upstream is back
)

// breaker spares back ends the wait for an upstream that does not answer, and
// the upstream the calls.
type breaker struct {
	now func() time.Time

	mu       sync.Mutex // guards what follows
	failures int        // in a row
	until    time.Time  // when it is tried again; zero while closed
	probing  bool       // that one call is under way
}

// allow reports whether a call may be made; its end must be told.
func (b *breaker) allow() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	switch b.stateAt(b.now()) {
	case stateClosed:
		return true
	case stateOpen:
		return false
	}
	if b.probing {
		return false
	}
	b.probing = true
	return true
}

// isOpen reports whether no call would be made now.
func (b *breaker) isOpen() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	state := b.stateAt(b.now())
	return state == stateOpen || state == stateHalfOpen && b.probing
}

func (b *breaker) succeeded() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.failures, b.until, b.probing = 0, time.Time{}, false
}

func (b *breaker) failed() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.probing = false
	if b.failures++; b.failures >= breakAfter {
		b.until = b.now().Add(breakFor)
	}
}

func (b *breaker) state() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.stateAt(b.now())
}

// stateAt is the state at a moment; b.mu is held.
func (b *breaker) stateAt(now time.Time) string {
	switch {
	case b.until.IsZero():
		return stateClosed
	case now.Before(b.until):
		return stateOpen
	}
	return stateHalfOpen
}
