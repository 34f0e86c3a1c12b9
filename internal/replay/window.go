package replay

import (
	"sync"
	"sync/atomic"
)

// pageBits is the binary logarithm of the counters on one page.
const pageBits = 12

// page holds one bit for each of 4096 consecutive counters.
type page struct {
	spent [1 << (pageBits - 6)]atomic.Uint64
	// newest is the latest issue tick spent on the page.
	newest atomic.Uint32
}

// Window remembers which challenges of the current epoch were spent. It lives
// in memory only: the caller refuses challenges of other epochs, and makes a
// new Window for each. It is safe for concurrent use.
//
// A page of 4096 counters is made when the first of them is spent and dropped
// when the newest issue tick spent on it is more than a lifetime old, so memory
// is bounded by the challenges accepted within about one lifetime.
type Window struct {
	lifetime uint64 // in ticks

	// mu is held for reading while a bit is set, so that no page is dropped
	// between finding it and setting the bit, and for writing while pages
	// come and go.
	mu    sync.RWMutex
	pages map[uint32]*page // guarded by mu
	// dropped is the newest issue tick among all pages that were dropped,
	// plus one; what is older may have been spent. Guarded by mu.
	dropped uint64
	// nextSweep is the tick from which pages are looked through again.
	// Guarded by mu.
	nextSweep uint64
}

// NewWindow makes a window for challenges that live for lifetime ticks.
func NewWindow(lifetime uint32) *Window {
	return &Window{lifetime: uint64(lifetime), pages: make(map[uint32]*page)}
}

// Spend marks the challenge with this counter, issued at issuedTick, as spent.
// It returns nil exactly once for each counter, else [ErrSpent], also for a
// challenge that is more than a lifetime older than nowTick and thus may have
// been forgotten. The counter is unique within the epoch and always comes with
// the same issuedTick. Ticks come from one monotonic clock; calls may arrive
// with nowTick slightly out of order.
func (w *Window) Spend(counter, issuedTick, nowTick uint32) error {
	if uint64(issuedTick)+w.lifetime < uint64(nowTick) {
		return ErrSpent
	}
	w.mu.RLock()
	p := w.pages[counter>>pageBits]
	if p != nil {
		err := w.mark(p, counter, issuedTick)
		w.mu.RUnlock()
		return err
	}
	w.mu.RUnlock()
	return w.spendNewPage(counter, issuedTick, nowTick)
}

// Judge returns what Spend would, and marks nothing.
func (w *Window) Judge(counter, issuedTick, nowTick uint32) error {
	w.mu.RLock()
	defer w.mu.RUnlock()
	if uint64(issuedTick)+w.lifetime < uint64(nowTick) || uint64(issuedTick) < w.dropped {
		return ErrSpent
	}
	p := w.pages[counter>>pageBits]
	if p != nil && p.spent[(counter>>6)&(1<<(pageBits-6)-1)].Load()&(uint64(1)<<(counter&63)) != 0 {
		return ErrSpent
	}
	return nil
}

// spendNewPage is Spend for a counter whose page was not there a moment ago.
func (w *Window) spendNewPage(counter, issuedTick, nowTick uint32) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.sweep(uint64(nowTick))
	p := w.pages[counter>>pageBits]
	if p == nil {
		if uint64(issuedTick) < w.dropped {
			return ErrSpent
		}
		p = new(page)
		w.pages[counter>>pageBits] = p
	}
	return w.mark(p, counter, issuedTick)
}

// mark sets the counter's bit and says whether this call was the one to do so.
// The caller holds mu at least for reading.
func (w *Window) mark(p *page, counter, issuedTick uint32) error {
	// A page may have been dropped and made again since this challenge was
	// spent.
	if uint64(issuedTick) < w.dropped {
		return ErrSpent
	}
	bit := uint64(1) << (counter & 63)
	word := &p.spent[(counter>>6)&(1<<(pageBits-6)-1)]
	if word.Load()&bit != 0 || word.Or(bit)&bit != 0 {
		return ErrSpent
	}
	for {
		newest := p.newest.Load()
		if newest >= issuedTick || p.newest.CompareAndSwap(newest, issuedTick) {
			return nil
		}
	}
}

// sweep drops the pages whose spent challenges are all too old to be asked
// for. It looks at all pages, but only every eighth of a lifetime. The caller
// holds mu for writing.
func (w *Window) sweep(now uint64) {
	if now < w.nextSweep {
		return
	}
	w.nextSweep = now + w.lifetime/8 + 1
	for id, p := range w.pages {
		newest := uint64(p.newest.Load())
		if newest+w.lifetime < now {
			w.dropped = max(w.dropped, newest+1)
			delete(w.pages, id)
		}
	}
}

// Pages returns the number of pages of 4096 counters that are held.
func (w *Window) Pages() int {
	w.mu.RLock()
	defer w.mu.RUnlock()
	return len(w.pages)
}
