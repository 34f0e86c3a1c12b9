package server

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/hallmark-id/hallmark/internal/authn"
	"github.com/hallmark-id/hallmark/internal/registry"
	"github.com/hallmark-id/hallmark/internal/store"
)

// storeClock is the store's clock as this process keeps it: its own clock and
// how far that is off. All windows go by it, so that nodes whose clocks differ
// agree.
type storeClock struct {
	local  func() time.Time
	offset atomic.Int64 // nanoseconds
}

// Now returns the store's time.
func (c *storeClock) Now() time.Time { return c.local().Add(time.Duration(c.offset.Load())) }

// clockSamples is how often the store is asked for its time: the quickest answer
// is the truest.
const clockSamples = 3

// set asks the store for its time and takes the middle of the asking for the
// moment of the answer.
func (c *storeClock) set(ctx context.Context, s *store.Store) error {
	if !s.Shared() {
		return nil
	}
	best := time.Duration(-1)
	var offset time.Duration
	for range clockSamples {
		asked := c.local()
		at, err := s.Time(ctx)
		if err != nil {
			return fmt.Errorf("read the store's clock: %w", err)
		}
		if took := c.local().Sub(asked); best < 0 || took < best {
			best, offset = took, at.Sub(asked.Add(took/2))
		}
	}
	c.offset.Store(int64(offset))
	return nil
}

// How often a node attends to what it shares with others. watchEvery and
// blindAfter together keep a change elsewhere from going unseen for a second.
const (
	attendEvery    = 2 * time.Second
	attendAlone    = 30 * time.Second
	watchEvery     = 200 * time.Millisecond
	blindAfter     = 500 * time.Millisecond
	changesOverlap = 15 * time.Second // the longest a change may take from its note to its commit
	changesKept    = 5 * time.Minute
	nodesKept      = 24 * time.Hour // a node that crashed is listed for a day
	rotateEvery    = 24 * time.Hour
)

// attend tells the store that this node lives, keeps the clock and the
// challenge keys, and does what the node is asked to.
func (s *Server) attend(ctx context.Context) error {
	if err := s.clock.set(ctx, s.store); err != nil {
		return err
	}
	n := s.node
	n.Seen = registry.At(s.clock.Now())
	draining, err := s.store.Beat(ctx, n)
	if err != nil {
		return err
	}
	if s.draining.Swap(draining) != draining {
		s.config.Log.Info("asked by an operator", "draining", draining)
	}
	keys, err := s.challengeKeys(ctx)
	if err != nil {
		return err
	}
	s.authn.SetChallengeKeys(keys)
	if err := errors.Join(s.scans.Sweep(ctx), s.accounts.Sweep(ctx)); err != nil {
		return err
	}
	return s.store.Prune(ctx, n.Seen-registry.Instant(changesKept.Milliseconds()), n.Seen-registry.Instant(nodesKept.Milliseconds()))
}

func (s *Server) attendLoop(ctx context.Context) {
	every := attendEvery
	if !s.store.Shared() {
		every = attendAlone
	}
	ticker := time.NewTicker(every)
	defer ticker.Stop()
	for {
		select {
		case <-ticker.C:
			if err := s.attend(ctx); err != nil && ctx.Err() == nil {
				s.config.Log.Error("the store could not be attended to", "error", err)
			}
		case <-ctx.Done():
			return
		}
	}
}

// challengeKeys reads the keys of challenges, and publishes a new one when
// there is none or the newest has served its time.
func (s *Server) challengeKeys(ctx context.Context) ([]authn.ChallengeKey, error) {
	sealed, err := s.store.ChallengeKeys(ctx)
	if err != nil {
		return nil, err
	}
	now := registry.At(s.clock.Now())
	if len(sealed) == 0 || now-sealed[0].Published > registry.Instant(rotateEvery.Milliseconds()) {
		if err := s.publishChallengeKey(ctx, now, sealed); err != nil {
			return nil, err
		}
		if sealed, err = s.store.ChallengeKeys(ctx); err != nil {
			return nil, err
		}
	}
	keys := make([]authn.ChallengeKey, len(sealed))
	for i, k := range sealed {
		secret, err := s.ring.Open(k.Secret, challengeBinding(k.ID))
		if err != nil {
			return nil, fmt.Errorf("challenge key %s: %w", k.ID, err)
		}
		keys[i] = authn.ChallengeKey{Secret: secret, Published: k.Published.Time()}
	}
	return keys, nil
}

func challengeBinding(id registry.ID) string { return "challenge_keys/secret/" + id.String() }

func (s *Server) publishChallengeKey(ctx context.Context, now registry.Instant, have []store.ChallengeKey) error {
	id, err := registry.NewID(rand.Reader)
	if err != nil {
		return err
	}
	var secret [32]byte
	if _, err := rand.Read(secret[:]); err != nil {
		return err
	}
	sealed, err := s.ring.Seal(secret[:], challengeBinding(id))
	if err != nil {
		return err
	}
	var newest registry.Instant
	if len(have) > 0 {
		newest = have[0].Published
	}
	return s.store.AddChallengeKey(ctx, store.ChallengeKey{ID: id, Secret: sealed, Published: now}, newest,
		now-registry.Instant((3*rotateEvery).Milliseconds()))
}

// watcher hears of what other nodes change.
type watcher struct {
	server *Server
	since  registry.Instant
	// seen are the changes heard of within the overlap, so that each is applied once.
	seen  map[registry.ID]registry.Instant
	blind *time.Timer
}

// watchChanges drops what other nodes changed from the caches. While it cannot
// hear of changes nothing cached is used.
func (s *Server) watchChanges(ctx context.Context) {
	w := &watcher{server: s, seen: make(map[registry.ID]registry.Instant), since: registry.At(s.clock.Now())}
	w.blind = time.AfterFunc(blindAfter, func() { s.registry.SetBlind(true) })
	defer w.blind.Stop()
	ticker := time.NewTicker(watchEvery)
	defer ticker.Stop()
	for {
		select {
		case <-ticker.C:
			if err := w.look(ctx); err != nil && ctx.Err() == nil {
				s.config.Log.Warn("changes made by other nodes could not be read; nothing cached is used until they can", "error", err)
			}
		case <-ctx.Done():
			return
		}
	}
}

func (w *watcher) look(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, blindAfter)
	defer cancel()
	began := time.Now()
	changes, now, all, err := w.server.store.Changes(ctx, w.since-registry.Instant(changesOverlap.Milliseconds()))
	if err != nil {
		return err
	}
	if all {
		w.server.applyAll()
	}
	for _, c := range changes {
		if _, known := w.seen[c.ID]; !known {
			w.seen[c.ID] = now
			w.server.apply(c)
		}
	}
	for id, at := range w.seen {
		if now-at > 2*registry.Instant(changesOverlap.Milliseconds()) {
			delete(w.seen, id)
		}
	}
	w.since = now
	if w.server.registry.Blind() {
		// What was missed may be too old to be told of any more.
		w.server.applyAll()
	}
	w.blind.Reset(blindAfter - time.Since(began))
	w.server.registry.SetBlind(false)
	return nil
}

// apply tells whom it concerns of a change made elsewhere.
func (s *Server) apply(c registry.Change) {
	if c.Kind == registry.ScanChanged {
		s.scans.Changed(c.Name)
		return
	}
	s.registry.Apply(c)
}

// applyAll tells all that anything may have changed.
func (s *Server) applyAll() {
	s.registry.ApplyAll()
	s.scans.ChangedAll()
}
