package authn

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"time"

	"github.com/hallmark-id/hallmark/id2"
	"github.com/hallmark-id/hallmark/internal/registry"
)

// usage gathers counters and writes them behind the requests. A crash loses at
// most flushEvery of them.
type usage struct {
	registry *registry.Registry
	log      *slog.Logger
	shards   [16]usageShard
}

type usageShard struct {
	mu      sync.Mutex
	pending map[registry.ID]registry.Usage
	_       [64]byte
}

// flushEvery is how long counters may wait; usageBatch how many go into one
// transaction, so that others get their turn between.
const (
	flushEvery = 5 * time.Second
	usageBatch = 2000
)

const dayMillis = 24 * 60 * 60 * 1000

func newUsage(r *registry.Registry, log *slog.Logger) *usage {
	u := &usage{registry: r, log: log}
	for i := range u.shards {
		u.shards[i].pending = make(map[registry.ID]registry.Usage)
	}
	return u
}

func (u *usage) add(asset registry.ID, at registry.Instant) {
	s := &u.shards[uint64(asset)%uint64(len(u.shards))]
	today := int64(at) / dayMillis
	s.mu.Lock()
	defer s.mu.Unlock()
	n := s.pending[asset]
	n.Asset, n.LastSeen = asset, max(n.LastSeen, at)
	n.Count++
	if today > n.Day {
		n.Day, n.DayCount = today, 0
	}
	if today == n.Day {
		n.DayCount++
	}
	s.pending[asset] = n
}

func (u *usage) run(ctx context.Context) { behind(ctx, flushEvery, u.flushLogged) }

// behind runs flush every so often, and once more when ctx ends: that last time
// under a context that has not.
func behind(ctx context.Context, every time.Duration, flush func(context.Context)) {
	ticker := time.NewTicker(every)
	defer ticker.Stop()
	for {
		select {
		case <-ticker.C:
			flush(ctx)
		case <-ctx.Done():
			flush(context.WithoutCancel(ctx))
			return
		}
	}
}

func (u *usage) flushLogged(ctx context.Context) {
	if err := u.flush(ctx); err != nil {
		u.log.Error("device counters could not be written, they are kept for the next try", "error", err)
	}
}

// flush writes everything gathered so far; what fails is kept.
func (u *usage) flush(ctx context.Context) error {
	var batch []registry.Usage
	for i := range u.shards {
		for _, n := range u.shards[i].take() {
			batch = append(batch, n)
		}
	}
	for len(batch) > 0 {
		part := batch[:min(len(batch), usageBatch)]
		if err := u.registry.AddUsage(ctx, part); err != nil {
			if errors.Is(err, registry.ErrUnknown) { // rather lost than counted twice
				batch = batch[len(part):]
			}
			u.putBack(batch)
			return err
		}
		batch = batch[len(part):]
	}
	return nil
}

func (s *usageShard) take() map[registry.ID]registry.Usage {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.pending) == 0 {
		return nil
	}
	taken := s.pending
	s.pending = make(map[registry.ID]registry.Usage, len(taken))
	return taken
}

func (u *usage) putBack(batch []registry.Usage) {
	for _, old := range batch {
		s := &u.shards[uint64(old.Asset)%uint64(len(u.shards))]
		s.mu.Lock()
		n, ok := s.pending[old.Asset]
		if !ok {
			s.pending[old.Asset] = old
		} else {
			n.Count += old.Count
			n.LastSeen = max(n.LastSeen, old.LastSeen)
			if old.Day == n.Day {
				n.DayCount += old.DayCount
			}
			s.pending[old.Asset] = n
		}
		s.mu.Unlock()
	}
}

// dailyCounter enforces the daily limit of products that have one. It begins
// with what the store knows of a device's day and counts on by itself.
type dailyCounter struct {
	mu     sync.Mutex
	day    int64
	counts map[registry.ID]int64
}

func newDailyCounter() *dailyCounter {
	return &dailyCounter{counts: make(map[registry.ID]int64)}
}

func nothing() {}

// peek says whether take would refuse; what it counts it gives back at once.
func (d *dailyCounter) peek(v *verification) error {
	undo, err := d.take(v)
	if err == nil {
		undo()
	}
	return err
}

// take counts one success ahead of the spending, so that two requests at once
// cannot both be the last; undo gives it back when the request fails after all.
func (d *dailyCounter) take(v *verification) (undo func(), err error) {
	limit := int64(v.product.DailyLimit)
	if limit == 0 {
		return nothing, nil
	}
	today := int64(v.at) / dayMillis
	asset := v.device.Asset
	d.mu.Lock()
	defer d.mu.Unlock()
	if today > d.day { // a request from before midnight may come after one from after it
		d.day = today
		clear(d.counts)
	}
	n, known := d.counts[asset]
	if !known && int64(v.device.Day) == today {
		n = int64(v.device.DayCount)
	}
	if n >= limit {
		return nil, refuse(id2.CodeQuota, "the device has used up the authentications its product allows per day (UTC)")
	}
	d.counts[asset] = n + 1
	return func() {
		d.mu.Lock()
		defer d.mu.Unlock()
		if d.day == today {
			d.counts[asset]--
		}
	}, nil
}
