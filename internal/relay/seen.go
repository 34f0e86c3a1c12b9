package relay

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"time"

	"github.com/hallmark-id/hallmark/internal/registry"
)

// How often what was seen is written, in what parts, and how much may wait. The
// metric is brought up to date at every twelfth time.
const (
	flushEvery = 5 * time.Second
	countEvery = 12
	seenBatch  = 500
	maxSeen    = 100_000
)

// seen gathers the devices that upstreams answer for and writes them behind the
// requests. A crash loses at most flushEvery of them.
type seen struct {
	registry *registry.Registry
	log      *slog.Logger

	mu      sync.Mutex // guards what follows
	pending map[seenKey]registry.Relayed
	dropped int
}

type seenKey struct {
	org registry.ID
	id2 string
}

func newSeen(r *registry.Registry, log *slog.Logger) *seen {
	return &seen{registry: r, log: log, pending: make(map[seenKey]registry.Relayed)}
}

func (s *seen) add(r registry.Relayed) {
	s.mu.Lock()
	defer s.mu.Unlock()
	key := seenKey{r.Org, r.ID2}
	old, ok := s.pending[key]
	if !ok && len(s.pending) >= maxSeen {
		s.dropped++
		return
	}
	if ok {
		r = merge(old, r)
	}
	s.pending[key] = r
}

// merge adds up what was seen of one device.
func merge(a, b registry.Relayed) registry.Relayed {
	a.First, a.Last, a.Count = min(a.First, b.First), max(a.Last, b.Last), a.Count+b.Count
	if b.Product != "" {
		a.Product = b.Product
	}
	return a
}

func (s *seen) take() (batch []registry.Relayed, dropped int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, r := range s.pending {
		batch = append(batch, r)
	}
	clear(s.pending)
	dropped, s.dropped = s.dropped, 0
	return batch, dropped
}

// flush writes everything gathered so far; what fails is kept.
func (s *seen) flush(ctx context.Context) error {
	batch, dropped := s.take()
	if dropped > 0 {
		s.log.Warn("more relayed devices than can wait to be written", "not_counted", dropped)
	}
	for len(batch) > 0 {
		part := batch[:min(len(batch), seenBatch)]
		if err := s.registry.AddRelayed(ctx, part); err != nil {
			if errors.Is(err, registry.ErrUnknown) { // rather lost than counted twice
				batch = batch[len(part):]
			}
			for _, r := range batch {
				s.add(r)
			}
			return err
		}
		batch = batch[len(part):]
	}
	return nil
}

func (s *seen) flushLogged(ctx context.Context) {
	if err := s.flush(ctx); err != nil {
		s.log.Error("relayed devices could not be written, they are kept for the next try", "error", err)
	}
}
