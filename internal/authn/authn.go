// Package authn authenticates devices: it issues challenges, verifies device
// authentication codes, answers with encrypted data and server codes, and
// activates devices on their first success. It speaks the ID² protocol's terms
// and knows nothing of HTTP.
package authn

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"hash"
	"io"
	"log/slog"
	"sync"
	"time"

	"github.com/hallmark-id/hallmark/id2"
	"github.com/hallmark-id/hallmark/internal/keyring"
	"github.com/hallmark-id/hallmark/internal/registry"
	"github.com/hallmark-id/hallmark/internal/replay"
)

// Skew is how far a device's clock may be from the server's (id2 §8).
const Skew = 10 * time.Minute

// Refusal is why a request was not granted, in the terms of the wire.
type Refusal struct {
	Code   id2.Code
	Reason string // for people; holds nothing secret
}

func (r *Refusal) Error() string { return r.Reason }

func refuse(code id2.Code, reason string) error { return &Refusal{code, reason} }

// Options configures New.
type Options struct {
	Registry *registry.Registry
	Ring     *keyring.Ring
	Guard    Guard
	// Epoch is this start's own. Epochs finds when another start's began, on
	// stores that several nodes share; nil accepts challenges of Epoch alone.
	Epoch  Epoch
	Epochs func(ctx context.Context, number uint32) (began time.Time, err error)
	// ChallengeKeys are the keys of challenges, the newest first; at least one.
	ChallengeKeys []ChallengeKey
	// ChallengeLifetime is how long a challenge may be answered.
	ChallengeLifetime time.Duration
	Now               func() time.Time
	Random            io.Reader
	Log               *slog.Logger
}

// Guard makes each code count once. Its errors are those of package replay.
type Guard interface {
	Spend(ctx context.Context, c replay.Code) error
	// Judge returns what Spend would, and spends nothing.
	Judge(ctx context.Context, c replay.Code) error
}

// Epoch is a number that no other start of a store has used, and when it began.
type Epoch struct {
	Number uint32
	Began  time.Time
}

// Service authenticates devices. It is safe for concurrent use.
type Service struct {
	registry   *registry.Registry
	challenges *challenger
	guard      Guard
	now        func() time.Time
	random     io.Reader
	usage      *usage
	daily      *dailyCounter
	notes      *notes
	scratch    sync.Pool // of *scratch
}

// scratch is what one verification needs for a moment.
type scratch struct {
	message []byte
	replay  hash.Hash // keyed
	sum     [sha256.Size]byte
}

// New returns a service. Run must be called for its counters to be written.
func New(o Options) *Service {
	replayKey := o.Ring.Derive("replay hash")
	s := &Service{
		registry: o.Registry, challenges: newChallenger(o), guard: o.Guard, now: o.Now, random: o.Random,
		usage: newUsage(o.Registry, o.Log), daily: newDailyCounter(), notes: newNotes(o.Registry, o.Now, o.Log),
	}
	s.scratch.New = func() any {
		return &scratch{message: make([]byte, 0, 1024), replay: hmac.New(sha256.New, replayKey[:])}
	}
	return s
}

// Run writes counters and notes behind the requests until ctx ends, then
// writes what is left.
func (s *Service) Run(ctx context.Context) {
	var wg sync.WaitGroup
	wg.Go(func() { s.usage.run(ctx) })
	wg.Go(func() { s.notes.run(ctx) })
	wg.Wait()
}

// Flush writes the counters gathered so far.
func (s *Service) Flush(ctx context.Context) error { return s.usage.flush(ctx) }

// Challenge issues a challenge (服务端随机数) for a device: 32 upper-case
// hexadecimal digits. It writes nothing. A device that could not use it is
// refused at once.
func (s *Service) Challenge(ctx context.Context, org registry.ID, id string) (string, error) {
	device, err := s.device(ctx, org, id)
	if err != nil {
		return "", err
	}
	now := s.now()
	if err := checkStanding(&device, registry.At(now)); err != nil {
		return "", err
	}
	return s.challenges.issue(org, id, now), nil
}

// device reads a device; not there is a refusal, anything else an error.
func (s *Service) device(ctx context.Context, org registry.ID, id string) (registry.LiveDevice, error) {
	device, err := s.registry.LiveDevice(ctx, org, id)
	if err == registry.ErrNotFound {
		return device, refuse(id2.CodeIDNotFound, "the id2 does not exist in this organisation: import the device first")
	}
	return device, err
}

// checkStanding refuses devices that may not authenticate at all. An expired
// one may when its product renews by itself.
func checkStanding(d *registry.LiveDevice, now registry.Instant) error {
	switch d.Standing(now) {
	case registry.Suspended:
		return refuse(id2.CodeSuspended, "the device is suspended: hallmark device resume ends that")
	case registry.Discarded:
		return refuse(id2.CodeDiscarded, "the device was discarded")
	case registry.Expired:
		if d.Product == nil || !d.Product.AutoRenew {
			return refuse(id2.CodeExpired, "the device's licence has expired and its product does not renew by itself")
		}
	}
	return nil
}
