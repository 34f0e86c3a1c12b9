package openapi

import (
	"unicode/utf8"
)

// This file decodes parameters and encodes them again for the signature, which
// together are most of what a request costs beside its cryptography. Nearly all
// bytes of a request stand for themselves in both, so they are looked at once,
// in decodePairs, and copied whole from there on.

// byteClass says what a byte of an encoded parameter is.
type byteClass uint8

const (
	unreserved byteClass = 0 // stands for itself, encoded or not (RFC 3986)
	literal    byteClass = 1 // stands for itself, but is encoded as an escape
	special    byteClass = 2 // separates, or does not stand for itself
)

var classes = func() (t [256]byteClass) {
	for c := range 256 {
		switch {
		case c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' ||
			c == '-' || c == '_' || c == '.' || c == '~':
			t[c] = unreserved
		case c >= utf8.RuneSelf || c == '%' || c == '+' || c == '&' || c == '=':
			t[c] = special
		default:
			t[c] = literal
		}
	}
	return t
}()

// decodePairs decodes name=value pairs joined by "&" and keeps them. Empty pairs
// are skipped, a name without "=" has an empty value, "+" is a space (openapi-rpc
// §0.2). What needs no decoding is a part of s; all else shares one allocation.
func (q *Request) decodePairs(s string, body bool) *Error {
	d := decoder{s: s, buf: q.buf[:0], late: q.late[:0]}
	for d.i < len(s) {
		if s[d.i] == '&' {
			d.i++
			continue
		}
		p := param{body: body}
		d.of, d.seen = len(q.params), unreserved
		p.Name = d.text(true)
		if d.i < len(s) && s[d.i] == '=' {
			d.i++
			p.Value = d.text(false)
		}
		if d.bad {
			return ErrEncoding
		}
		p.plain = d.seen == unreserved
		if err := q.add(p); err != nil {
			return err
		}
	}
	q.buf, q.late = d.buf, d.late
	text := string(d.buf)
	for _, l := range d.late {
		if p := &q.params[l.of]; l.name {
			p.Name = text[l.start:l.end]
		} else {
			p.Value = text[l.start:l.end]
		}
	}
	return nil
}

// decoder walks through an encoded form.
type decoder struct {
	s    string
	i    int
	of   int       // the number of the current parameter
	seen byteClass // the classes in the current parameter, unreserved if no other
	buf  []byte    // what had to be decoded
	late []late    // where it belongs
	bad  bool      // an escape, or what came of it
}

// late is a name or value that was decoded to buf[start:end] and becomes a string
// when all of them are.
type late struct {
	of         int
	name       bool
	start, end int
}

// text decodes up to the next "&" or, in a name, "=".
func (d *decoder) text(name bool) string {
	s, start := d.s, d.i
	i, seen := start, d.seen // in local variables they cost little
	for ; i < len(s); i++ {
		class := classes[s[i]]
		if class == special {
			if s[i] == '&' || s[i] == '=' && name {
				break
			}
			if s[i] != '=' {
				d.i = i
				d.unescape(start, name)
				return ""
			}
			class = literal
		}
		seen |= class
	}
	d.i, d.seen = i, seen
	return s[start:i]
}

// unescape is text for what does not stand for itself; the first start to d.i do.
func (d *decoder) unescape(start int, name bool) {
	d.seen = special
	l := late{of: d.of, name: name, start: len(d.buf)}
	buf, s, i := append(d.buf, d.s[start:d.i]...), d.s, d.i
	for i < len(s) {
		run := i
		for i < len(s) && classes[s[i]] != special {
			i++
		}
		buf = append(buf, s[run:i]...)
		if i == len(s) || s[i] == '&' || s[i] == '=' && name {
			break
		}
		c := s[i]
		switch c {
		case '+':
			c = ' '
		case '%':
			if i+2 >= len(s) || unhex[s[i+1]] < 0 || unhex[s[i+2]] < 0 {
				d.bad = true
				return
			}
			c = byte(unhex[s[i+1]])<<4 | byte(unhex[s[i+2]])
			i += 2
		}
		buf = append(buf, c)
		i++
	}
	d.bad = d.bad || !utf8.Valid(buf[l.start:]) // each by itself: a character must not span two
	l.end = len(buf)
	d.buf, d.i, d.late = buf, i, append(d.late, l)
}

// unhex maps a hexadecimal digit to its value and every other byte to -1.
var unhex = func() (t [256]int8) {
	for i := range t {
		t[i] = -1
	}
	for i := range 10 {
		t['0'+i] = int8(i)
	}
	for i := range 6 {
		t['a'+i], t['A'+i] = int8(10+i), int8(10+i)
	}
	return t
}()

const upperHex = "0123456789ABCDEF"

// appendEscaped appends s percent-encoded by RFC 3986 (openapi-rpc §1.2). The
// escape is "%" for a plain encoding and "%25" for one that is encoded again.
func appendEscaped(dst []byte, s, escape string) []byte {
	for i := 0; i < len(s); {
		run := i
		for i < len(s) && classes[s[i]] == unreserved {
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

// appendPair appends a parameter with an encoded "=" between name and value.
func appendPair(dst []byte, p *param, equals, escape string) []byte {
	if p.plain {
		dst = append(dst, p.Name...)
		dst = append(dst, equals...)
		return append(dst, p.Value...)
	}
	dst = appendEscaped(dst, p.Name, escape)
	dst = append(dst, equals...)
	return appendEscaped(dst, p.Value, escape)
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
		dst = appendPair(dst, p, "%3D", "%25")
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
		dst = appendPair(dst, p, "=", "%")
	}
	return dst
}
