package enos

import (
	"errors"
	"net/url"
	"slices"
	"strings"
	"unicode/utf8"
)

// Limits of a request, in bytes and parameters. A query holds a certificate
// request in the oldest calls.
const (
	MaxQuery  = 16 << 10
	MaxParams = 64
	MaxBody   = 64 << 10
)

// Errors of ParseQuery.
var (
	ErrQueryTooLong   = errors.New("enos: the query is longer than 16 KiB or has more than 64 parameters")
	ErrQueryEncoding  = errors.New("enos: the query is not percent-encoded UTF-8")
	ErrQueryDuplicate = errors.New("enos: a query parameter is named twice")
)

// Param is one parameter of a query.
type Param struct {
	Name, Value string // decoded
	// rawName and rawValue are the text before decoding, where that is known.
	rawName, rawValue string
}

// Query is the parameters of a request, in the order they were sent.
type Query []Param

// ParseQuery decodes the query of a URL. A name that comes twice is refused:
// signatures do not say which of the two counts.
func ParseQuery(raw string) (Query, error) {
	if len(raw) > MaxQuery {
		return nil, ErrQueryTooLong
	}
	var q Query
	for part := range strings.SplitSeq(raw, "&") {
		if part == "" {
			continue
		}
		if len(q) == MaxParams {
			return nil, ErrQueryTooLong
		}
		p, err := parseParam(part)
		if err != nil {
			return nil, err
		}
		if _, twice := q.Get(p.Name); twice {
			return nil, ErrQueryDuplicate
		}
		q = append(q, p)
	}
	return q, nil
}

func parseParam(part string) (p Param, err error) {
	p.rawName, p.rawValue, _ = strings.Cut(part, "=")
	var bad1, bad2 error
	p.Name, bad1 = url.QueryUnescape(p.rawName)
	p.Value, bad2 = url.QueryUnescape(p.rawValue)
	if bad1 != nil || bad2 != nil || p.Name == "" || !utf8.ValidString(p.Name) || !utf8.ValidString(p.Value) {
		return Param{}, ErrQueryEncoding
	}
	return p, nil
}

// Get returns the decoded value of a parameter.
func (q Query) Get(name string) (value string, present bool) {
	for i := range q {
		if q[i].Name == name {
			return q[i].Value, true
		}
	}
	return "", false
}

// With returns the query with one more parameter.
func (q Query) With(name, value string) Query {
	return append(slices.Clip(q), Param{Name: name, Value: value})
}

// Encode returns the query as it goes into a URL.
func (q Query) Encode() string {
	var b strings.Builder
	for i, p := range q {
		if i > 0 {
			b.WriteByte('&')
		}
		b.WriteString(url.QueryEscape(p.Name))
		b.WriteByte('=')
		b.WriteString(url.QueryEscape(p.Value))
	}
	return b.String()
}

// reading is a way to read a query for a signature.
type reading uint8

const (
	decoded    reading = iota // the documented one
	undecoded                 // as sent: firmware that signs what it concatenates
	withoutNil                // decoded, empty values left out: the Java SDK of the 2.x line
	readings
)

// appendSigned appends names and values in the order of the names, without
// those that the scheme leaves out.
func (q Query) appendSigned(dst []byte, r reading, leaveOut ...string) []byte {
	pairs := make([]Param, 0, MaxParams)
	for _, p := range q {
		if slices.Contains(leaveOut, p.Name) || r == withoutNil && p.Value == "" {
			continue
		}
		if r == undecoded && p.rawName != "" {
			p.Name, p.Value = p.rawName, p.rawValue
		}
		pairs = append(pairs, p)
	}
	slices.SortFunc(pairs, func(a, b Param) int { return strings.Compare(a.Name, b.Name) })
	for _, p := range pairs {
		dst = append(dst, p.Name...)
		dst = append(dst, p.Value...)
	}
	return dst
}
