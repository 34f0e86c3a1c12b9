package authn

import (
	"context"
	"crypto/rand"
	"log/slog"
	"sync"
	"testing"
	"time"

	"github.com/hallmark-id/hallmark/id2"
	"github.com/hallmark-id/hallmark/internal/registry"
	"github.com/hallmark-id/hallmark/internal/replay"
)

// sharedGuard is one memory of spent codes for all nodes, as a database is.
type sharedGuard struct {
	mu    sync.Mutex
	spent map[replay.Key]bool
}

func (g *sharedGuard) Spend(_ context.Context, c replay.Code) error {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.spent[c.Key] {
		return replay.ErrSpent
	}
	g.spent[c.Key] = true
	return nil
}

func (g *sharedGuard) Judge(_ context.Context, c replay.Code) error {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.spent[c.Key] {
		return replay.ErrSpent
	}
	return nil
}

func newSharedGuard() *sharedGuard { return &sharedGuard{spent: make(map[replay.Key]bool)} }

// node is a second server on the fixture's store, whose reading of the store's
// clock is a little off.
func (f *fixture) node(guard Guard, off time.Duration, keys []ChallengeKey) *Service {
	f.t.Helper()
	number, began, err := f.store.NewEpoch(f.t.Context())
	if err != nil {
		f.t.Fatal(err)
	}
	return New(Options{Registry: f.reg, Ring: f.ring, Guard: guard, Epoch: Epoch{number, began}, Epochs: f.store.EpochBegan,
		ChallengeKeys: keys, ChallengeLifetime: 5 * time.Minute, Now: func() time.Time { return f.clock.Now().Add(off) },
		Random: rand.Reader, Log: slog.New(slog.DiscardHandler)})
}

func challengeKeyAt(b byte, published time.Time) ChallengeKey {
	secret := make([]byte, 32)
	secret[0] = b
	return ChallengeKey{Secret: secret, Published: published}
}

func TestChallengeOfAnotherNode(t *testing.T) {
	f := newFixture(t)
	d := f.device(f.product(id2.AES128, nil))
	guard, keys := newSharedGuard(), []ChallengeKey{challengeKeyAt(1, f.clock.Now())}
	answer := func(issuer, verifier *Service, wait time.Duration) error {
		t.Helper()
		challenge, err := issuer.Challenge(t.Context(), f.org, d.id)
		if err != nil {
			t.Fatal(err)
		}
		f.clock.Advance(wait)
		_, err = verifier.Verify(t.Context(), d.request(d.code(id2.Challenge, challenge, "")))
		return err
	}
	here, ahead, behind := f.node(guard, 0, keys), f.node(guard, 2*time.Second, keys), f.node(guard, -2*time.Second, keys)
	wants(t, "at once", answer(here, here, 0), id2.CodeOK)
	wants(t, "issued by a node whose clock is ahead", answer(ahead, behind, 0), id2.CodeOK)
	wants(t, "issued by a node whose clock is behind", answer(behind, ahead, time.Minute), id2.CodeOK)
	wants(t, "too late everywhere", answer(here, ahead, 5*time.Minute), id2.CodeChallenge)
	stranger := f.node(guard, 0, []ChallengeKey{challengeKeyAt(9, f.clock.Now())})
	wants(t, "issued under a key nobody knows", answer(stranger, here, 0), id2.CodeChallenge)
	alone := f.node(guard, 0, keys)
	alone.challenges.epochs = func(context.Context, uint32) (time.Time, error) { return time.Time{}, registry.ErrNotFound }
	wants(t, "issued in an epoch nobody knows", answer(here, alone, 0), id2.CodeChallenge)
}

// A new key is accepted as soon as it is published, issued under once every
// node knows it, and the old one is accepted until its last challenge has died.
func TestChallengeKeyRotation(t *testing.T) {
	f := newFixture(t)
	d := f.device(f.product(id2.AES128, nil))
	guard, start := newSharedGuard(), f.clock.Now()
	old := []ChallengeKey{challengeKeyAt(1, start)}
	slow, quick := f.node(guard, 0, old), f.node(guard, 0, old)
	f.clock.Advance(time.Hour)
	both := []ChallengeKey{challengeKeyAt(2, f.clock.Now()), old[0]}
	quick.SetChallengeKeys(both) // the other node has not heard of it yet
	ask := func(issuer *Service) string {
		t.Helper()
		challenge, err := issuer.Challenge(t.Context(), f.org, d.id)
		if err != nil {
			t.Fatal(err)
		}
		return d.code(id2.Challenge, challenge, "")
	}
	verify := func(at *Service, code string) error {
		_, err := at.Verify(t.Context(), d.request(code))
		return err
	}
	wants(t, "issued by the node that knows the new key", verify(slow, ask(quick)), id2.CodeOK)
	f.clock.Advance(settle)
	early := ask(slow)
	wants(t, "the new key at a node that never heard of it", verify(slow, ask(quick)), id2.CodeChallenge)
	slow.SetChallengeKeys(both)
	wants(t, "the new key everywhere", verify(slow, ask(quick)), id2.CodeOK)
	f.clock.Advance(5*time.Minute - time.Second)
	wants(t, "the old key's last challenges", verify(quick, early), id2.CodeOK)
	slow.SetChallengeKeys(old)
	f.clock.Advance(time.Minute)
	wants(t, "the old key when it has been replaced", verify(quick, ask(slow)), id2.CodeChallenge)
}
