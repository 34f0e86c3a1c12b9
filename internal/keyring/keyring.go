// Package keyring seals every secret that Hallmark keeps at rest.
//
// One root key, kept by the owner outside the database, wraps one random data
// key that is kept inside it. Secrets are sealed with AES-256-GCM under the
// data key, each bound to the row and column it belongs to, so that a sealed
// value moved to another row does not open. Keys for other purposes (replay
// hashes, challenges, the audit chain) are derived from the data key by name,
// and so are the same on every node that shares a store.
package keyring

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/hmac"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
)

// KeySize is the size in bytes of root and data keys.
const KeySize = 32

// sealVersion is the first byte of every sealed value; another layout or
// cipher gets another number.
const sealVersion = 1

const nonceSize = 12

// Overhead is how many bytes longer a sealed value is than its secret.
const Overhead = 1 + nonceSize + 16

var (
	// ErrWrongRootKey says that the root key is not the one the store was made with.
	ErrWrongRootKey = errors.New("the root key does not belong to this store: give the key file the store was created with (--root-key-file)")
	// ErrSealed says that a sealed value is damaged, or belongs to another row.
	ErrSealed = errors.New("a sealed value does not open: it is damaged or was moved from another row")
)

// RootKey is the owner's key. It wraps the data key and nothing else.
type RootKey [KeySize]byte

// Wrapped is what a store keeps of the keyring: safe to read without the root key.
type Wrapped struct {
	// Check tells whether a root key is the right one without opening anything.
	Check []byte
	// DataKey is the data key sealed under the root key.
	DataKey []byte
}

// Ring seals and opens secrets. It is safe for concurrent use.
type Ring struct {
	aead    cipher.AEAD
	dataKey [KeySize]byte
	random  io.Reader
}

// Create makes a ring with a new data key and returns what the store must keep.
func Create(root RootKey, random io.Reader) (*Ring, Wrapped, error) {
	var dataKey [KeySize]byte
	if _, err := io.ReadFull(random, dataKey[:]); err != nil {
		return nil, Wrapped{}, fmt.Errorf("make a data key: %w", err)
	}
	wrapper, err := newRing(root, random)
	if err != nil {
		return nil, Wrapped{}, err
	}
	sealed, err := wrapper.Seal(dataKey[:], "data key")
	if err != nil {
		return nil, Wrapped{}, err
	}
	ring, err := newRing(dataKey, random)
	return ring, Wrapped{Check: checkValue(root), DataKey: sealed}, err
}

// Open makes the ring of an existing store. It returns ErrWrongRootKey when the
// root key is another store's, and ErrSealed when the wrapped key is damaged.
func Open(root RootKey, w Wrapped, random io.Reader) (*Ring, error) {
	if !hmac.Equal(checkValue(root), w.Check) {
		return nil, ErrWrongRootKey
	}
	wrapper, err := newRing(root, random)
	if err != nil {
		return nil, err
	}
	raw, err := wrapper.Open(w.DataKey, "data key")
	if err != nil {
		return nil, err
	}
	if len(raw) != KeySize {
		return nil, ErrSealed
	}
	dataKey := [KeySize]byte(raw)
	clear(raw)
	return newRing(dataKey, random)
}

func newRing(key [KeySize]byte, random io.Reader) (*Ring, error) {
	block, err := aes.NewCipher(key[:])
	if err != nil {
		return nil, err
	}
	aead, err := cipher.NewGCM(block)
	if err != nil {
		return nil, err
	}
	return &Ring{aead: aead, dataKey: key, random: random}, nil
}

// checkValue is a one-way image of the root key.
func checkValue(root RootKey) []byte {
	mac := hmac.New(sha256.New, root[:])
	mac.Write([]byte("hallmark root key check value"))
	return mac.Sum(nil)[:16]
}

// Seal encrypts secret. Binding names the place the value will be kept in, such
// as "devices/key/<asset>"; Open needs the same one.
func (r *Ring) Seal(secret []byte, binding string) ([]byte, error) {
	out := make([]byte, 1+nonceSize, Overhead+len(secret))
	out[0] = sealVersion
	if _, err := io.ReadFull(r.random, out[1:]); err != nil {
		return nil, fmt.Errorf("make a nonce: %w", err)
	}
	return r.aead.Seal(out, out[1:1+nonceSize], secret, []byte(binding)), nil
}

// Open decrypts a value made by Seal with the same binding, or returns ErrSealed.
func (r *Ring) Open(sealed []byte, binding string) ([]byte, error) {
	if len(sealed) < Overhead || sealed[0] != sealVersion {
		return nil, ErrSealed
	}
	secret, err := r.aead.Open(nil, sealed[1:1+nonceSize], sealed[1+nonceSize:], []byte(binding))
	if err != nil {
		return nil, ErrSealed
	}
	return secret, nil
}

// Derive returns the 32-byte key that belongs to a purpose, the same on every
// node that shares the store.
func (r *Ring) Derive(purpose string) [KeySize]byte {
	key, err := hkdf.Expand(sha256.New, r.dataKey[:], "hallmark "+purpose, KeySize)
	if err != nil {
		panic(err) // only for lengths over 255 hashes
	}
	return [KeySize]byte(key)
}

// String keeps keys out of logs.
func (r *Ring) String() string { return "keyring" }

// String keeps the root key out of logs.
func (RootKey) String() string { return "root key" }

// GoString keeps the root key out of %#v.
func (RootKey) GoString() string { return "root key" }
