// Package load puts load on an HTTP/1.1 server: ready requests over a number of
// connections, as fast as they are answered (closed loop) or at times of their own
// (open loop). Requests are made before the clock runs, so that what making them
// costs is in no figure.
package load

import (
	"context"
	"net"
	"sync"
	"sync/atomic"
	"time"
)

// Request is one HTTP/1.1 request as it goes over the wire.
type Request []byte

// Judge reads an answer. A code of "" is success; any other is counted under its
// name, with the server's own words about it.
type Judge func(status int, body []byte) (code, message string)

// Options configure New.
type Options struct {
	// Dial opens a connection.
	Dial func(context.Context) (net.Conn, error)
	// Connections is how many requests are under way at most.
	Connections int
	Judge       Judge
}

// Generator sends requests. Its connections stay open from one Run to the next.
type Generator struct {
	workers []*worker
	// sleep waits for a time that may be shorter than a timer of the runtime is
	// exact.
	sleep func(time.Duration)
	// behind is how late the schedule of the last Run ended: the next begins as
	// late, as if there had been no pause.
	behind time.Duration
}

// New returns a generator that has opened nothing yet.
func New(o Options) *Generator {
	g := &Generator{sleep: sleepExactly}
	for range o.Connections {
		g.workers = append(g.workers, &worker{Options: &o})
	}
	return g
}

// Close closes the connections.
func (g *Generator) Close() {
	for _, w := range g.workers {
		w.close()
	}
}

// turn is a request's time to be sent.
type turn struct {
	request Request
	// due is when it should be sent, the zero time for as soon as possible.
	due time.Time
}

// Run sends all requests and counts what becomes of them. With a rate, so many a
// second are due, evenly spaced, whether or not the ones before are answered; a
// request that has to wait for a free connection is late, and its latency counts
// from when it was due. Without one each connection sends its next request when
// it has its answer. Run returns early when ctx ends, and then ctx's error.
func (g *Generator) Run(ctx context.Context, requests []Request, rate float64, t *Tally) error {
	began := time.Now()
	t.begin(began)
	defer func() { t.end(time.Now()) }()
	turns := closedLoop(requests)
	if rate > 0 {
		due := make(chan turn)
		turns = func() (turn, bool) { next, ok := <-due; return next, ok }
		start := began.Add(-g.behind)
		defer func() { g.behind = max(time.Since(start)-span(len(requests), rate), 0) }()
		go g.dispatch(ctx, requests, start, rate, due)
	}
	var wg sync.WaitGroup
	for _, w := range g.workers {
		wg.Go(func() { w.work(ctx, turns, t) })
	}
	wg.Wait()
	return ctx.Err()
}

// span is how long so many requests take at a rate.
func span(n int, rate float64) time.Duration {
	return time.Duration(float64(n) / rate * float64(time.Second))
}

// closedLoop gives each request to whoever asks first.
func closedLoop(requests []Request) func() (turn, bool) {
	var next atomic.Int64
	return func() (turn, bool) {
		i := int(next.Add(1)) - 1
		if i >= len(requests) {
			return turn{}, false
		}
		return turn{request: requests[i]}, true
	}
}

// longestSleep bounds how long the end of the context may go unnoticed.
const longestSleep = 50 * time.Millisecond

// dispatch hands out each request when it is due, or when a connection is free if
// that is later.
func (g *Generator) dispatch(ctx context.Context, requests []Request, start time.Time, rate float64, due chan<- turn) {
	defer close(due)
	for i, r := range requests {
		at := start.Add(span(i, rate))
		for wait := time.Until(at); wait > 0; wait = time.Until(at) {
			g.sleep(min(wait, longestSleep))
			if ctx.Err() != nil {
				return
			}
		}
		select {
		case due <- turn{r, at}:
		case <-ctx.Done():
			return
		}
	}
}
