package authn

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/hmac"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/binary"
	"hash"
	"sync"
	"time"

	"github.com/hallmark-id/hallmark/internal/registry"
)

// ChallengeKey is a secret that all nodes of a store issue challenges under.
type ChallengeKey struct {
	Secret    []byte
	Published time.Time // by the store's clock
}

// settle is how long after its publication a key is first issued under: by
// then every node accepts it.
const settle = 5 * time.Second

// challengeKey is a key made ready.
type challengeKey struct {
	block     cipher.Block
	tags      sync.Pool // of *tagger
	published time.Time
}

// SetChallengeKeys replaces the keys; the newest must come first, and there
// must be one.
func (s *Service) SetChallengeKeys(keys []ChallengeKey) { s.challenges.setKeys(keys) }

func (c *challenger) setKeys(keys []ChallengeKey) {
	ready := make([]*challengeKey, len(keys))
	for i, k := range keys {
		ready[i] = newChallengeKey(k)
	}
	c.keys.Store(&ready)
}

func newChallengeKey(k ChallengeKey) *challengeKey {
	block, err := aes.NewCipher(part(k.Secret, "challenge block"))
	if err != nil {
		panic(err) // only for a key of another length
	}
	tagKey := part(k.Secret, "challenge tag")
	ready := &challengeKey{block: block, published: k.Published}
	ready.tags.New = func() any { return &tagger{hash: hmac.New(sha256.New, tagKey)} }
	return ready
}

func part(secret []byte, purpose string) []byte {
	key, err := hkdf.Expand(sha256.New, secret, "hallmark "+purpose, 32)
	if err != nil {
		panic(err) // only for lengths over 255 hashes
	}
	return key
}

// issuing is the key to issue under: the newest that all nodes know by now.
func (c *challenger) issuing(now time.Time) *challengeKey {
	keys := *c.keys.Load()
	for _, k := range keys {
		if now.Sub(k.published) >= settle {
			return k
		}
	}
	return keys[len(keys)-1]
}

// decipher opens a block under the key that it was issued under, if that is
// still accepted: the key before the newest is for one lifetime after it was
// last issued under.
func (c *challenger) decipher(org registry.ID, id string, sealed *[aes.BlockSize]byte, now time.Time) (b [aes.BlockSize]byte, ok bool) {
	keys := *c.keys.Load()
	for i, k := range keys {
		if i > 0 && now.Sub(keys[i-1].published) >= 2*settle+c.lifetime {
			break
		}
		k.block.Decrypt(b[:], sealed[:])
		tag := k.tag(org, id)
		if subtle.ConstantTimeCompare(tag[:], b[12:]) == 1 {
			return b, true
		}
	}
	return b, false
}

// tagger is what a tag needs for a moment.
type tagger struct {
	hash hash.Hash // keyed
	buf  []byte
}

// tag binds a challenge to a device.
func (k *challengeKey) tag(org registry.ID, id string) (tag [4]byte) {
	t := k.tags.Get().(*tagger)
	t.hash.Reset()
	t.buf = append(binary.BigEndian.AppendUint64(t.buf[:0], uint64(org)), id...)
	t.hash.Write(t.buf)
	t.buf = t.hash.Sum(t.buf[:0])
	copy(tag[:], t.buf)
	k.tags.Put(t)
	return tag
}
