// Package batch turns calls that come at the same time into few: what one call
// of a database costs is mostly the same for one key and for hundreds.
//
// A [Batcher] runs at once while nothing is under way, so a lone call waits for
// nobody. What comes during a run collects, and goes when that run returns, when
// there is enough for a full batch, or when it has waited long enough.
package batch

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"
)

// Errors of Do that callers tell apart: the call was not made.
var (
	// ErrFull says that too many calls wait.
	ErrFull = errors.New("batch: too many calls wait")
	// ErrClosed says that the batcher was closed.
	ErrClosed = errors.New("batch: closed")
)

// Options bound a batcher; each zero takes its default.
type Options struct {
	Size    int           // the most calls of one run, 256
	Wait    time.Duration // how long a call waits for others while a run may start, 1 ms
	Flights int           // runs under way at once, 2
	Queue   int           // calls that wait at once, 65536
}

func (o *Options) setDefaults() {
	if o.Size == 0 {
		o.Size = 256
	}
	if o.Wait == 0 {
		o.Wait = time.Millisecond
	}
	if o.Flights == 0 {
		o.Flights = 2
	}
	if o.Queue == 0 {
		o.Queue = 1 << 16
	}
}

// Run serves the calls of one batch, in any order, and returns one result for
// each; an error is every caller's. It must return on its own: nobody's context
// ends it. It must not keep requests. A panic ends the process, as in any
// goroutine: there is no one caller to tell of it.
type Run[Req, Res any] func(ctx context.Context, requests []Req) ([]Res, error)

// Batcher collects calls. It is safe for concurrent use.
type Batcher[Req, Res any] struct {
	ctx     context.Context
	run     Run[Req, Res]
	options Options

	mu      sync.Mutex // guards what follows
	queue   []*call[Req, Res]
	since   time.Time // since when the first of the queue waits
	timer   *time.Timer
	flights int
	closed  bool
	drained chan struct{} // closed when closed and nothing is under way
}

// call is one caller's.
type call[Req, Res any] struct {
	request Req
	result  Res
	err     error
	done    chan struct{} // has room for the one answer

	left bool // under mu: the caller went away
}

// New returns a batcher. Runs get ctx.
func New[Req, Res any](ctx context.Context, o Options, run Run[Req, Res]) *Batcher[Req, Res] {
	o.setDefaults()
	b := &Batcher[Req, Res]{ctx: ctx, run: run, options: o, drained: make(chan struct{})}
	b.timer = time.AfterFunc(o.Wait, b.wake)
	b.timer.Stop()
	return b
}

// Do makes a call and returns its result. It returns the error of ctx when that
// ends first; the call is then made only if its run has begun, and what became
// of it is unknown.
func (b *Batcher[Req, Res]) Do(ctx context.Context, request Req) (Res, error) {
	c := &call[Req, Res]{request: request, done: make(chan struct{}, 1)}
	if err := b.add(ctx, c); err != nil {
		return c.result, err
	}
	select {
	case <-c.done:
	case <-ctx.Done():
		if !b.leave(c) {
			var none Res
			return none, ctx.Err()
		}
	}
	return c.result, c.err
}

// add queues a call and starts a run for it if that is due.
func (b *Batcher[Req, Res]) add(ctx context.Context, c *call[Req, Res]) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.closed {
		return ErrClosed
	}
	if len(b.queue) >= b.options.Queue {
		return ErrFull
	}
	if len(b.queue) == 0 {
		b.since = time.Now()
	}
	b.queue = append(b.queue, c)
	b.start()
	return nil
}

// leave tells that a caller waits no longer, and whether its answer has come
// after all.
func (b *Batcher[Req, Res]) leave(c *call[Req, Res]) (answered bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	c.left = true
	select {
	case <-c.done:
		return true
	default:
		return false
	}
}

// due tells whether a run ought to start. b.mu is held.
func (b *Batcher[Req, Res]) due() bool {
	switch {
	case len(b.queue) == 0 || b.flights >= b.options.Flights:
		return false
	case b.flights == 0 || len(b.queue) >= b.options.Size:
		return true
	}
	return time.Since(b.since) >= b.options.Wait
}

// start begins a run if one is due, or sees to it that somebody looks again in
// time. b.mu is held.
func (b *Batcher[Req, Res]) start() {
	if b.due() {
		b.flights++
		go b.fly()
		return
	}
	if len(b.queue) == 1 {
		b.arm()
	}
}

// arm sets the timer by which what waits becomes due; while no run may start,
// the end of one looks. b.mu is held.
func (b *Batcher[Req, Res]) arm() {
	if len(b.queue) > 0 && b.flights < b.options.Flights {
		b.timer.Reset(b.options.Wait - time.Since(b.since))
	}
}

// wake starts what has waited long enough.
func (b *Batcher[Req, Res]) wake() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.start()
}

// fly runs batches as long as one is due.
func (b *Batcher[Req, Res]) fly() {
	var f flight[Req, Res]
	for more := true; more; more = b.next() {
		b.take(&f)
		if len(f.calls) > 0 {
			b.serve(&f)
		}
	}
}

// flight is the calls of one run.
type flight[Req, Res any] struct {
	calls    []*call[Req, Res]
	requests []Req
}

// take fills a flight from the queue, when it gets to run rather than when it
// is started: on a busy machine others have come by then.
func (b *Batcher[Req, Res]) take(f *flight[Req, Res]) {
	f.calls, f.requests = f.calls[:0], f.requests[:0]
	b.mu.Lock()
	defer b.mu.Unlock()
	n := 0
	for ; n < len(b.queue) && len(f.calls) < b.options.Size; n++ {
		if c := b.queue[n]; !c.left {
			f.calls, f.requests = append(f.calls, c), append(f.requests, c.request)
		}
	}
	rest := copy(b.queue, b.queue[n:])
	clear(b.queue[rest:])
	b.queue = b.queue[:rest]
}

// serve runs a flight and answers its callers.
func (b *Batcher[Req, Res]) serve(f *flight[Req, Res]) {
	results, err := b.run(b.ctx, f.requests)
	if err == nil && len(results) != len(f.requests) {
		panic(fmt.Sprintf("batch: %d results for %d requests", len(results), len(f.requests)))
	}
	for i, c := range f.calls {
		if c.err = err; err == nil {
			c.result = results[i]
		}
		c.done <- struct{}{}
	}
	clear(f.calls)
	clear(f.requests)
}

// next ends a run and tells whether its goroutine is to make another.
func (b *Batcher[Req, Res]) next() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.flights--
	if b.due() {
		b.flights++
		return true
	}
	b.arm()
	b.finish()
	return false
}

// finish tells Close when nothing is left to do. b.mu is held.
func (b *Batcher[Req, Res]) finish() {
	if b.closed && b.flights == 0 {
		b.timer.Stop()
		close(b.drained)
	}
}

// Close refuses further calls and returns when those before it are answered.
func (b *Batcher[Req, Res]) Close() {
	b.mu.Lock()
	if !b.closed {
		b.closed = true
		b.finish()
	}
	b.mu.Unlock()
	<-b.drained
}
