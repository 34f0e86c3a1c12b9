package store

import (
	"crypto/rand"
	"errors"
	"testing"
	"time"

	"github.com/hallmark-id/hallmark/internal/pgtest"
	"github.com/hallmark-id/hallmark/internal/replay"
)

// node is a guard over a connection pool of its own to a shared store.
func openNode(t testing.TB, dsn string) (*Store, *Ledger, *replay.Shared) {
	t.Helper()
	s, err := Open(t.Context(), options(dsn))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	l := s.Ledger()
	g, err := replay.NewShared(l, replay.SharedOptions{Lifetime: 5 * time.Minute, Random: rand.Reader})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(g.Close)
	return s, l, g
}

func TestSharedSmoke(t *testing.T) {
	s, _, g := openNode(t, pgtest.Database(t))
	fill(t, s)
	c := replay.Code{Key: replay.Key{1}, Timestamp: true, At: time.Now(), Asset: int64(testDevice(1).Asset), Version: 1}
	if err := g.Spend(t.Context(), c); err != nil {
		t.Fatal(err)
	}
	if err := g.Spend(t.Context(), c); !errors.Is(err, replay.ErrSpent) {
		t.Fatal(err)
	}
	c.Key = replay.Key{2}
	c.Version = 2
	if err := g.Spend(t.Context(), c); !errors.Is(err, replay.ErrChanged) {
		t.Fatal(err)
	}
	c.Version = 1
	c.At = time.Now().Add(-10 * time.Minute)
	if err := g.Spend(t.Context(), c); !errors.Is(err, replay.ErrStale) {
		t.Fatal(err)
	}
}
