package authn

import (
	"context"
	"crypto/aes"
	"encoding/binary"
	"errors"
	"sync/atomic"
	"time"

	"github.com/hallmark-id/hallmark/internal/registry"
)

// challenger issues challenges that describe themselves, so that nothing is
// kept of them: one AES block of
//
//	epoch(32) ‖ ticks since the epoch began(32) ‖ counter(32) ‖ tag(32)
//
// where the tag is a truncated HMAC over organisation and id2. The counter is
// the challenge's identity within its epoch; whether it was spent is the
// replay window's to know.
type challenger struct {
	keys     atomic.Pointer[[]*challengeKey] // the newest first
	epoch    Epoch
	epochs   func(context.Context, uint32) (time.Time, error)
	lifetime time.Duration
	counter  atomic.Uint32
}

// tick is the unit of time in a challenge; 32 bits of it last 13 years.
const tick = 100 * time.Millisecond

// Ticks converts a duration to the unit of time in a challenge.
func Ticks(d time.Duration) uint32 { return uint32(d / tick) }

// disagreement is how far two nodes may be apart in what they take for the
// store's time.
const disagreement = 5 * time.Second

const challengeLength = 32 // hexadecimal digits

func newChallenger(o Options) *challenger {
	c := &challenger{epoch: o.Epoch, epochs: o.Epochs, lifetime: o.ChallengeLifetime}
	c.setKeys(o.ChallengeKeys)
	return c
}

// ticks is the age of an epoch. It goes by the monotonic clock where there is
// one, so that a wall clock set back or forth changes no challenge's age.
func ticks(began, now time.Time) uint32 {
	return uint32(max(now.Sub(began), 0) / tick)
}

func (c *challenger) issue(org registry.ID, id string, now time.Time) string {
	key := c.issuing(now)
	var b [aes.BlockSize]byte
	binary.BigEndian.PutUint32(b[0:], c.epoch.Number)
	binary.BigEndian.PutUint32(b[4:], ticks(c.epoch.Began, now))
	binary.BigEndian.PutUint32(b[8:], c.counter.Add(1))
	tag := key.tag(org, id)
	copy(b[12:], tag[:])
	key.block.Encrypt(b[:], b[:])
	var text [challengeLength]byte
	const digits = "0123456789ABCDEF"
	for i, v := range b {
		text[2*i], text[2*i+1] = digits[v>>4], digits[v&15]
	}
	return string(text[:])
}

// issued is a challenge that was issued here and has not outlived its lifetime.
type issued struct {
	counter, tick uint32
	now           uint32    // the age of its epoch
	at            time.Time // when it was issued
	sealed        [aes.BlockSize]byte
	state         string // what is known of it, for people
}

// open returns what a challenge says, and whether it was issued for this device
// in an epoch that counts and has not outlived its lifetime.
func (c *challenger) open(ctx context.Context, org registry.ID, id, text string, now time.Time) (ch issued, ok bool, err error) {
	ch.state = "it is not one of this server's for this id: issued elsewhere, for another id, or long ago"
	if !decodeHex(&ch.sealed, text) {
		return ch, false, nil
	}
	b, ok := c.decipher(org, id, &ch.sealed, now)
	if !ok {
		return ch, false, nil
	}
	began, err := c.began(ctx, binary.BigEndian.Uint32(b[0:]))
	if err != nil || began.IsZero() {
		ch.state = "it was issued for this id before the server last started"
		return ch, false, err
	}
	ch.state = "it was issued for this id"
	ch.tick, ch.counter = binary.BigEndian.Uint32(b[4:]), binary.BigEndian.Uint32(b[8:])
	ch.now = ticks(began, now)
	ch.at = began.Add(time.Duration(ch.tick) * tick)
	if ch.tick > ch.now { // the node that issued it reads the store's clock a little ahead of this one
		return ch, ch.tick-ch.now <= Ticks(disagreement), nil
	}
	if ch.now-ch.tick >= Ticks(c.lifetime) {
		ch.state = "it was issued for this id, and has expired since"
		return ch, false, nil
	}
	return ch, true, nil
}

// began tells when an epoch began; the zero time says that it does not count.
func (c *challenger) began(ctx context.Context, number uint32) (time.Time, error) {
	if number == c.epoch.Number {
		return c.epoch.Began, nil
	}
	if c.epochs == nil {
		return time.Time{}, nil
	}
	began, err := c.epochs(ctx, number)
	if errors.Is(err, registry.ErrNotFound) {
		return time.Time{}, nil
	}
	return began, err
}

// decodeHex reads exactly 32 upper-case digits: the text as it was issued, in
// no other spelling.
func decodeHex(b *[aes.BlockSize]byte, text string) bool {
	if len(text) != challengeLength {
		return false
	}
	for i := range b {
		high, ok1 := hexDigit(text[2*i])
		low, ok2 := hexDigit(text[2*i+1])
		if !ok1 || !ok2 {
			return false
		}
		b[i] = high<<4 | low
	}
	return true
}

func hexDigit(c byte) (byte, bool) {
	switch {
	case '0' <= c && c <= '9':
		return c - '0', true
	case 'A' <= c && c <= 'F':
		return c - 'A' + 10, true
	}
	return 0, false
}
