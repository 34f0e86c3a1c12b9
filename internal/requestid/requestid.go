// Package requestid names requests, in answers, the log and the audit record.
package requestid

import (
	"encoding/binary"
	"math/rand/v2"
)

// New returns an upper-case random UUID, the form of the vendor's
// RequestId. It names a request and protects nothing.
func New() string {
	const digits = "0123456789ABCDEF"
	var random [16]byte
	binary.BigEndian.PutUint64(random[:8], rand.Uint64()&^0xf000|0x4000)
	binary.BigEndian.PutUint64(random[8:], rand.Uint64()&^(3<<62)|2<<62)
	var text [36]byte
	n := 0
	for i, b := range random {
		if i == 4 || i == 6 || i == 8 || i == 10 {
			text[n] = '-'
			n++
		}
		text[n], text[n+1] = digits[b>>4], digits[b&15]
		n += 2
	}
	return string(text[:])
}
