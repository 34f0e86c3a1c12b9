package openapi

import (
	"net/http"
	"slices"
	"strings"
)

// unreserved marks the bytes that RFC 3986 leaves as they are.
var unreserved = func() (t [256]bool) {
	for c := range 256 {
		t[c] = c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' ||
			c == '-' || c == '_' || c == '.' || c == '~'
	}
	return t
}()

const upperHex = "0123456789ABCDEF"

// appendEscaped appends s percent-encoded by RFC 3986 (openapi-rpc §1.2). The
// escape is "%" for a plain encoding and "%25" for one that is encoded again.
func appendEscaped(dst []byte, s, escape string) []byte {
	for i := 0; i < len(s); {
		run := i
		for i < len(s) && unreserved[s[i]] {
			i++
		}
		dst = append(dst, s[run:i]...)
		if i < len(s) {
			dst = append(dst, escape...)
			dst = append(dst, upperHex[s[i]>>4], upperHex[s[i]&15])
			i++
		}
	}
	return dst
}

// appendStringToSign appends the V1 string to sign of sorted parameters
// (openapi-rpc §1.2). It encodes twice in one pass: "=" and "&" between
// parameters become %3D and %26, and a "%" of the first encoding %25.
func appendStringToSign(dst []byte, method string, params []param) []byte {
	dst = append(dst, method...)
	dst = append(dst, "&%2F&"...)
	first := true
	for i := range params {
		p := &params[i]
		if p.Name == "Signature" {
			continue
		}
		if !first {
			dst = append(dst, "%26"...)
		}
		first = false
		dst = appendEscaped(dst, p.Name, "%25")
		dst = append(dst, "%3D"...)
		dst = appendEscaped(dst, p.Value, "%25")
	}
	return dst
}

// appendQuery appends the sorted parameters of the query in canonical form
// (openapi-rpc §2.3).
func appendQuery(dst []byte, params []param) []byte {
	first := true
	for i := range params {
		p := &params[i]
		if p.body {
			continue
		}
		if !first {
			dst = append(dst, '&')
		}
		first = false
		dst = appendEscaped(dst, p.Name, "%")
		dst = append(dst, '=')
		dst = appendEscaped(dst, p.Value, "%")
	}
	return dst
}

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
