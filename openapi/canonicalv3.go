package openapi

import (
	"net/http"
	"slices"
	"strings"
)

// signedParts is what a V3 signature covers.
type signedParts struct {
	method        string
	params        []param // sorted; those of the body are left out
	header        http.Header
	host          string
	signedHeaders string
	bodyHash      []byte // hexadecimal
}

// appendCanonicalRequest appends the V3 canonical request (openapi-rpc §2.3).
func appendCanonicalRequest(dst []byte, s *signedParts) []byte {
	dst = append(dst, s.method...)
	dst = append(dst, "\n/\n"...)
	dst = appendQuery(dst, s.params)
	dst = append(dst, '\n')
	for name := range strings.SplitSeq(s.signedHeaders, ";") {
		dst = append(dst, name...)
		dst = append(dst, ':')
		if name == "host" {
			dst = append(dst, s.host...) // net/http keeps it apart from the headers
		} else {
			dst = appendHeader(dst, s.header, name)
		}
		dst = append(dst, '\n')
	}
	dst = append(dst, '\n')
	dst = append(dst, s.signedHeaders...)
	dst = append(dst, '\n')
	return append(dst, s.bodyHash...)
}

// appendHeader appends the canonical value of the header with a lower-case
// name: its values trimmed, sorted and joined by commas.
func appendHeader(dst []byte, h http.Header, name string) []byte {
	var key [MaxName]byte
	n := canonicalKey(&key, name)
	values := h[string(key[:n])]
	if len(values) > 1 {
		values = slices.Sorted(slices.Values(values))
	}
	for i, v := range values {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = append(dst, strings.TrimSpace(v)...)
	}
	return dst
}

// canonicalKey writes the form that net/http gives a lower-case header name and
// returns its length. http.CanonicalHeaderKey would allocate.
func canonicalKey(key *[MaxName]byte, name string) int {
	upper := true
	n := copy(key[:], name)
	for i, c := range key[:n] {
		if upper && c >= 'a' && c <= 'z' {
			key[i] = c - 'a' + 'A'
		}
		upper = c == '-'
	}
	return n
}
