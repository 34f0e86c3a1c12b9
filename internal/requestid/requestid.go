// Package requestid names requests, in answers, the log and the audit record.
package requestid

import "math/rand/v2"

// New returns an upper-case random UUID, the form of the vendor's
// RequestId. It names a request and protects nothing.
func New() string {
	const digits = "0123456789ABCDEF"
	hi, lo := rand.Uint64()&^0xf000|0x4000, rand.Uint64()&^(3<<62)|2<<62
	var b [36]byte
	n := 0
	for i := range b {
		if i == 8 || i == 13 || i == 18 || i == 23 {
			b[i] = '-'
			continue
		}
		word := hi
		if n >= 16 {
			word = lo
		}
		b[i] = digits[word>>(60-4*(n%16))&15]
		n++
	}
	return string(b[:])
}
