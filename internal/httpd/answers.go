package httpd

import (
	"container/list"
	"context"
	"crypto/sha256"
	"sync"
	"time"
)

// answers remembers what signed requests were answered until their timestamp
// leaves the window, in memory and on this node only, so that a request that is
// sent again has no second effect. It is bounded: past the bound the oldest
// answers are forgotten early.
type answers struct {
	limit int

	mu    sync.Mutex // guards all that follows
	byKey map[[32]byte]*list.Element
	order *list.List // of *answered, the oldest first
	bytes int
}

type answered struct {
	key   [32]byte
	call  string
	until time.Time
	done  chan struct{} // closed when code and body are there
	keep  bool          // whether they count; set before done is closed
	code  int
	body  []byte
	size  int // what it counts for, once done
}

// answerOverhead is about what an answer costs beside its body.
const answerOverhead = 400

func newAnswers(limit int) *answers {
	return &answers{limit: limit, byKey: make(map[[32]byte]*list.Element), order: list.New()}
}

// answerKey names a signature of a client.
func answerKey(client, sign string) [32]byte {
	return sha256.Sum256([]byte(client + "\x00" + sign))
}

// once answers with what the same key was answered before, or else with what do
// returns. A second request waits for a first that is under way. ok is false when
// the key belongs to another call. A server's own failure is not remembered: the
// caller may try again.
func (a *answers) once(ctx context.Context, key [32]byte, call string, now, until time.Time, do func() (int, []byte)) (code int, body []byte, ok bool) {
	for {
		e, mine := a.enter(key, call, now, until)
		if e.call != call {
			return 0, nil, false
		}
		if mine {
			code, body = a.perform(e, do)
			return code, body, true
		}
		select {
		case <-e.done:
		case <-ctx.Done():
			return enosGone, nil, true
		}
		if e.keep {
			return e.code, e.body, true
		}
	}
}

// enosGone is the code of an answer that nobody waits for any more.
const enosGone = -1

// enter finds the entry of a key, or makes it: then it is the caller's to fill.
func (a *answers) enter(key [32]byte, call string, now, until time.Time) (e *answered, mine bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.sweep(now)
	if old, ok := a.byKey[key]; ok {
		return old.Value.(*answered), false
	}
	e = &answered{key: key, call: call, until: until, done: make(chan struct{}), size: answerOverhead}
	a.byKey[key] = a.order.PushBack(e)
	a.bytes += e.size
	return e, true
}

// perform fills an entry. One that does not count is gone before who waits for
// it hears of it, also when do panics.
func (a *answers) perform(e *answered, do func() (int, []byte)) (int, []byte) {
	defer func() {
		a.mu.Lock()
		defer a.mu.Unlock()
		if at := a.byKey[e.key]; at != nil && at.Value == e {
			if e.keep {
				e.size += len(e.body)
				a.bytes += len(e.body)
			} else {
				a.drop(at)
			}
		}
		close(e.done)
	}()
	e.code, e.body = do()
	e.keep = !isOwnFault(e.code)
	return e.code, e.body
}

// sweep forgets what has ended, and the oldest while there is too much.
func (a *answers) sweep(now time.Time) {
	for at := a.order.Front(); at != nil; {
		next := at.Next()
		e := at.Value.(*answered)
		select {
		case <-e.done:
			if a.bytes <= a.limit && now.Before(e.until) {
				return
			}
			a.drop(at)
		default: // under way
		}
		at = next
	}
}

func (a *answers) drop(at *list.Element) {
	e := a.order.Remove(at).(*answered)
	delete(a.byKey, e.key)
	a.bytes -= e.size
}
