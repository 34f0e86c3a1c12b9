package replay

import (
	"bytes"
	"cmp"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"slices"
	"time"

	group "github.com/hallmark-id/hallmark/internal/batch" // batch is a type here
)

// ErrUnresolved says that the store's answer was lost and could not be had
// afterwards: the code may be spent or not. It did not count.
var ErrUnresolved = errors.New("replay: it is not known whether the code was spent")

// Bounds of what a [Ledger] judges.
const (
	// SharedSkew is how far a code's time may lie ahead of the ledger's clock,
	// and a timestamp code's behind it.
	SharedSkew = 10 * time.Minute
	// SharedTolerance is added to the lifetime of challenges: their issuer's
	// clock is a copy of the ledger's.
	SharedTolerance = 5 * time.Second
	// MaxSharedLifetime is the longest lifetime of challenges that a ledger must
	// remember codes for.
	MaxSharedLifetime = 20 * time.Minute
)

// Attempt is one caller's wish to make a code count. A code's key has the same
// At wherever it is tried.
type Attempt struct {
	Key Key
	// ID tells this attempt from all others at the same key.
	ID [16]byte
	// At is the code's time and Until when it is out of its window, in
	// milliseconds since 1970.
	At, Until int64
	// Asset and Version are the device as it was judged.
	Asset, Version int64
}

// Verdict is what a ledger says of an attempt.
type Verdict uint8

// The verdicts.
const (
	// VerdictOpen says that the attempt is not kept, and that nothing stood
	// against it any more when the ledger looked.
	VerdictOpen Verdict = iota
	// VerdictMine says that the attempt is kept: its code counts.
	VerdictMine
	// VerdictSpent says that another attempt at the key is kept.
	VerdictSpent
	// VerdictStale says that the code is out of its window, or so old that the
	// ledger does not remember its like any more.
	VerdictStale
	// VerdictChanged says that the device has another version, is suspended or
	// discarded, or is gone.
	VerdictChanged
)

// Ledger is where the processes of one installation keep the codes that
// counted. Its clock is the one that counts, and all its answers are durable.
type Ledger interface {
	// RecordCodes keeps, in one step for each attempt, what nothing stands
	// against: by the ledger's clock now it is now < Until and At < now +
	// SharedSkew, the device has the version and is neither suspended nor
	// discarded, and no attempt at the key was ever kept. It reports which
	// attempts it kept by this call. The attempts are in the order of their keys,
	// no key twice. An error that wraps ErrUnresolved says that some may have been
	// kept, any other that none was. To record an attempt again is harmless:
	// at most one attempt at a key is ever kept.
	RecordCodes(ctx context.Context, attempts []Attempt) (kept []bool, err error)
	// JudgeCodes tells where attempts stand and changes nothing.
	JudgeCodes(ctx context.Context, attempts []Attempt) ([]Verdict, error)
}

// Shared is the guard of processes that share a ledger. It is safe for
// concurrent use.
//
// Codes that come at the same time are recorded together. Each carries a random
// attempt id into the ledger. When an answer is lost, the same attempt is
// recorded again rather than only looked for: a statement whose connection broke
// may still be under way on the server, where no reading sees it, but a second
// one at the same key waits for it and then finds its row, which bears this
// attempt's own id and so is a success. Only when the ledger cannot be
// reached for that either does the caller get ErrUnresolved.
type Shared struct {
	ledger   Ledger
	lifetime time.Duration
	random   io.Reader
	timeout  time.Duration
	record   *group.Batcher[Attempt, Verdict]
	judge    *group.Batcher[Attempt, Verdict]
}

// SharedOptions configures NewShared.
type SharedOptions struct {
	// Lifetime is how long a challenge may be answered.
	Lifetime time.Duration
	// Random makes attempt ids. It is read by many at once.
	Random io.Reader
	// Timeout bounds each call of the ledger, 5 s by default.
	Timeout time.Duration
}

const defaultSharedTimeout = 5 * time.Second

// NewShared returns the guard over a ledger. Close it after its last use.
func NewShared(ledger Ledger, o SharedOptions) (*Shared, error) {
	if o.Lifetime <= 0 || o.Lifetime > MaxSharedLifetime {
		return nil, fmt.Errorf("replay: on a shared store challenges live for at most %v", MaxSharedLifetime)
	}
	s := &Shared{ledger: ledger, lifetime: o.Lifetime, random: o.Random, timeout: cmp.Or(o.Timeout, defaultSharedTimeout)}
	s.record = group.New(context.Background(), group.Options{}, s.recordBatch)
	s.judge = group.New(context.Background(), group.Options{}, s.judgeBatch)
	return s, nil
}

// Close waits for the calls under way. Spend returns ErrClosed afterwards.
func (s *Shared) Close() {
	s.record.Close()
	s.judge.Close()
}

// spendTries is how often an attempt is recorded: for a lost answer, and when
// what stood against it is gone by the time it is looked for.
const spendTries = 3

// Spend makes a code count and returns nil if it never did before, on any
// process. Otherwise it returns ErrSpent, ErrStale (outside its window by the
// ledger's clock), ErrChanged, ErrFull, ErrUnresolved, an error of ctx, or one
// of the ledger; only ErrUnresolved and an error of ctx leave it open whether
// the code is spent.
func (s *Shared) Spend(ctx context.Context, c Code) error {
	a, err := s.attempt(c)
	if err != nil {
		return err
	}
	unknown := false // an earlier answer was lost
	for range spendTries {
		v, err := s.try(ctx, a)
		switch {
		case err == nil && v == VerdictOpen:
		case err == nil:
			return v.asError(unknown)
		case errors.Is(err, ErrUnresolved):
			unknown = true
		default:
			return asUnresolved(err, unknown)
		}
	}
	return ErrUnresolved
}

// Judge returns what Spend would at this moment, and records nothing.
func (s *Shared) Judge(ctx context.Context, c Code) error {
	a, err := s.attempt(c)
	if err != nil {
		return err
	}
	v, err := s.judge.Do(ctx, a)
	if err != nil || v == VerdictOpen {
		return err
	}
	return v.asError(false)
}

// attempt is a new attempt at a code.
func (s *Shared) attempt(c Code) (Attempt, error) {
	window := SharedSkew
	if !c.Timestamp {
		window = s.lifetime + SharedTolerance
	}
	a := Attempt{Key: c.Key, At: c.At.UnixMilli(), Asset: c.Asset, Version: c.Version}
	a.Until = a.At + window.Milliseconds()
	if _, err := io.ReadFull(s.random, a.ID[:]); err != nil {
		return a, fmt.Errorf("replay: draw an attempt id: %w", err)
	}
	return a, nil
}

// try records an attempt and, where that fails, finds out why.
func (s *Shared) try(ctx context.Context, a Attempt) (Verdict, error) {
	v, err := s.record.Do(ctx, a)
	if err == nil && v == VerdictOpen {
		v, err = s.judge.Do(ctx, a)
	}
	switch err {
	case group.ErrFull:
		err = ErrFull
	case group.ErrClosed:
		err = ErrClosed
	}
	return v, err
}

// asError is what a caller is told. After a lost answer a verdict on the code
// alone is no proof that the attempt will not yet appear.
func (v Verdict) asError(unknown bool) error {
	switch v {
	case VerdictMine:
		return nil
	case VerdictSpent:
		return ErrSpent
	case VerdictStale:
		return asUnresolved(ErrStale, unknown)
	case VerdictChanged:
		return asUnresolved(ErrChanged, unknown)
	}
	return ErrUnresolved
}

// asUnresolved hides an error's own meaning from callers once an answer was lost.
func asUnresolved(err error, unknown bool) error {
	if unknown {
		return fmt.Errorf("%w: %v", ErrUnresolved, err)
	}
	return err
}

// recordBatch records attempts that came together. Of several at one key one
// asks: if it succeeds the others have lost, and if not they go on to be judged
// like it.
func (s *Shared) recordBatch(ctx context.Context, attempts []Attempt) ([]Verdict, error) {
	order := byKey(attempts)
	asking := make([]Attempt, 0, len(attempts))
	for i, n := range order {
		if i == 0 || attempts[n].Key != attempts[order[i-1]].Key {
			asking = append(asking, attempts[n])
		}
	}
	ctx, cancel := context.WithTimeout(ctx, s.timeout)
	defer cancel()
	kept, err := s.ledger.RecordCodes(ctx, asking)
	if err != nil {
		return nil, tooLate(err)
	}
	verdicts := make([]Verdict, len(attempts))
	asked := 0
	for i, n := range order {
		if i > 0 && attempts[n].Key != asking[asked].Key {
			asked++
		}
		switch {
		case !kept[asked]:
		case attempts[n].ID == asking[asked].ID:
			verdicts[n] = VerdictMine
		default:
			verdicts[n] = VerdictSpent
		}
	}
	return verdicts, nil
}

// judgeBatch judges attempts that were not kept.
func (s *Shared) judgeBatch(ctx context.Context, attempts []Attempt) ([]Verdict, error) {
	ctx, cancel := context.WithTimeout(ctx, s.timeout)
	defer cancel()
	verdicts, err := s.ledger.JudgeCodes(ctx, attempts)
	return verdicts, tooLate(err)
}

// tooLate makes a busy ledger's error of one that tells of this guard's own
// timeout, which callers would take for theirs.
func tooLate(err error) error {
	if errors.Is(err, context.DeadlineExceeded) && !errors.Is(err, ErrUnresolved) {
		return fmt.Errorf("%w: the store did not answer in time", ErrUnresolved)
	}
	return err
}

// byKey returns the places of attempts in the order of their keys. Every
// process keeps to it, so that no two wait for each other.
func byKey(attempts []Attempt) []int {
	order := make([]int, len(attempts))
	for i := range order {
		order[i] = i
	}
	slices.SortFunc(order, func(a, b int) int { return compareKeys(&attempts[a].Key, &attempts[b].Key) })
	return order
}

// compareKeys orders keys by their bytes, as the store does.
func compareKeys(a, b *Key) int {
	if c := cmp.Compare(binary.BigEndian.Uint64(a[:]), binary.BigEndian.Uint64(b[:])); c != 0 {
		return c
	}
	return bytes.Compare(a[8:], b[8:])
}
