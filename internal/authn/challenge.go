package authn

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/hmac"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/binary"
	"hash"
	"sync"
	"sync/atomic"
	"time"

	"github.com/hallmark-id/hallmark/internal/keyring"
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
	block    cipher.Block
	tags     sync.Pool // of hash.Hash
	epoch    uint32
	began    time.Time
	lifetime uint32 // in ticks
	now      func() time.Time
	counter  atomic.Uint32
}

// tick is the unit of time in a challenge; 32 bits of it last 13 years.
const tick = 100 * time.Millisecond

const challengeLength = 32 // hexadecimal digits

func newChallenger(ring *keyring.Ring, epoch uint32, lifetime time.Duration, now func() time.Time) *challenger {
	blockKey, tagKey := ring.Derive("challenge block"), ring.Derive("challenge tag")
	block, err := aes.NewCipher(blockKey[:])
	if err != nil {
		panic(err) // only for a key of another length
	}
	c := &challenger{block: block, epoch: epoch, began: now(), lifetime: uint32(lifetime / tick), now: now}
	c.tags.New = func() any { return hmac.New(sha256.New, tagKey[:]) }
	return c
}

// ticks is the age of the epoch. It goes by the monotonic clock where there is
// one, so that a wall clock set back or forth changes no challenge's age.
func (c *challenger) ticks() uint32 { return uint32(max(c.now().Sub(c.began), 0) / tick) }

func (c *challenger) issue(org registry.ID, id string) string {
	var b [aes.BlockSize]byte
	binary.BigEndian.PutUint32(b[0:], c.epoch)
	binary.BigEndian.PutUint32(b[4:], c.ticks())
	binary.BigEndian.PutUint32(b[8:], c.counter.Add(1))
	tag := c.tag(org, id)
	copy(b[12:], tag[:])
	c.block.Encrypt(b[:], b[:])
	var text [challengeLength]byte
	const digits = "0123456789ABCDEF"
	for i, v := range b {
		text[2*i], text[2*i+1] = digits[v>>4], digits[v&15]
	}
	return string(text[:])
}

// issued is a challenge of this epoch.
type issued struct{ counter, tick uint32 }

// open returns what a challenge says, and whether it was issued in this epoch
// for this device and has not outlived its lifetime.
func (c *challenger) open(org registry.ID, id, text string) (issued, bool) {
	var b [aes.BlockSize]byte
	if !decodeHex(&b, text) {
		return issued{}, false
	}
	c.block.Decrypt(b[:], b[:])
	tag := c.tag(org, id)
	if subtle.ConstantTimeCompare(tag[:], b[12:]) != 1 || binary.BigEndian.Uint32(b[0:]) != c.epoch {
		return issued{}, false
	}
	ch := issued{tick: binary.BigEndian.Uint32(b[4:]), counter: binary.BigEndian.Uint32(b[8:])}
	now := c.ticks()
	return ch, ch.tick <= now && now-ch.tick < c.lifetime
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

func (c *challenger) tag(org registry.ID, id string) (tag [4]byte) {
	h := c.tags.Get().(hash.Hash)
	h.Reset()
	buf := make([]byte, 8, 8+64)
	binary.BigEndian.PutUint64(buf, uint64(org))
	h.Write(append(buf, id...))
	var sum [sha256.Size]byte
	copy(tag[:], h.Sum(sum[:0]))
	c.tags.Put(h)
	return tag
}
