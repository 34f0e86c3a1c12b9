package id2

import (
	"crypto/md5"
	"crypto/sha1"
	"crypto/sha256"
	"errors"
	"fmt"
	"strings"

	"github.com/emmansun/gmsm/sm3"
)

// Hash is a digest, numbered as in the second field of an authentication code
// (id2 §1.1).
type Hash uint8

// The digests, by their number on the wire.
const (
	MD5    Hash = 0
	SHA1   Hash = 1
	SHA256 Hash = 2
	SM3    Hash = 3
)

// maxDigestSize is the length in bytes of the longest digest.
const maxDigestSize = 32

// ErrHash is returned for a digest that is unknown or that the key's algorithm
// never uses.
var ErrHash = errors.New("id2: unknown or unsuitable hash")

var hashNames = [...]string{MD5: "md5", SHA1: "sha1", SHA256: "sha256", SM3: "sm3"}

// ParseHash returns the digest named "md5", "sha1", "sha256" or "sm3", or an
// error that wraps [ErrHash].
func ParseHash(name string) (Hash, error) {
	for h := MD5; h <= SM3; h++ {
		if hashNames[h] == name {
			return h, nil
		}
	}
	return 0, fmt.Errorf("%w: %.32q", ErrHash, name)
}

// String returns the name that [ParseHash] reads.
func (h Hash) String() string {
	if h > SM3 {
		return fmt.Sprintf("Hash(%d)", uint8(h))
	}
	return hashNames[h]
}

// sum stores the digest of msg at the start of dst and returns its length. The
// caller has checked h.
func (h Hash) sum(dst *[maxDigestSize]byte, msg []byte) int {
	switch h {
	case MD5:
		d := md5.Sum(msg)
		return copy(dst[:], d[:])
	case SHA1:
		d := sha1.Sum(msg)
		return copy(dst[:], d[:])
	case SM3:
		d := sm3.Sum(msg)
		return copy(dst[:], d[:])
	}
	d := sha256.Sum256(msg)
	return copy(dst[:], d[:])
}

// HashSet is a set of digests; the zero value is empty.
type HashSet uint8

// With returns the set with h added. A value that is no digest adds nothing.
func (s HashSet) With(h Hash) HashSet {
	if h > SM3 {
		return s
	}
	return s | 1<<h
}

// Has reports whether h is in the set.
func (s HashSet) Has(h Hash) bool { return h <= SM3 && s&(1<<h) != 0 }

// String lists the names of the members with commas between, in wire order.
func (s HashSet) String() string {
	var names []string
	for h := MD5; h <= SM3; h++ {
		if s.Has(h) {
			names = append(names, hashNames[h])
		}
	}
	return strings.Join(names, ",")
}
