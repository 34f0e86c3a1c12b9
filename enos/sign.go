package enos

import (
	"crypto/sha1" // #nosec: clients in the field use it
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"
)

// The headers of SchemeSigned; SchemeSealed has the first alone.
const (
	HeaderToken     = "Apim-Accesstoken"
	HeaderTimestamp = "Apim-Timestamp"
	HeaderSignature = "Apim-Signature"
)

// The query parameters of SchemeLegacy.
const (
	ParamAccessKey = "accessKey"
	ParamTimestamp = "requestTimestamp"
	ParamSign      = "sign"
)

// Scheme is a way to authenticate a request (enos §3).
type Scheme uint8

// The schemes.
const (
	SchemeNone      Scheme = iota // no credential at all
	SchemeSigned                  // enos §3.2: issued token and signature
	SchemeLegacy                  // enos §3.3: accessKey and sign in the query
	SchemeSealed                  // enos §3.4: a token sealed for the server's key
	SchemeTokenOnly               // an issued token that nothing was signed with
)

// Detect tells which scheme a request uses (enos §3.5). It verifies nothing.
func Detect(h http.Header, q Query) Scheme {
	_, sign := q.Get(ParamSign)
	_, key := q.Get(ParamAccessKey)
	token := h.Get(HeaderToken)
	switch {
	case sign && key:
		return SchemeLegacy
	case h.Get(HeaderSignature) != "":
		return SchemeSigned
	case len(token) == sealedText:
		return SchemeSealed
	case token != "":
		return SchemeTokenOnly
	}
	return SchemeNone
}

// Sign returns the signature of SchemeSigned: lower-case hexadecimal SHA-256
// over token, query, body, timestamp and secret (enos §3.2). The body is the raw
// bytes; a GET and a multipart request have none.
func (c *Credential) Sign(token string, q Query, body []byte, timestamp string) string {
	return c.sign(token, q, decoded, body, timestamp)
}

func (c *Credential) sign(token string, q Query, r reading, body []byte, timestamp string) string {
	text := make([]byte, 0, 1024+len(body))
	text = append(text, token...)
	text = q.appendSigned(text, r)
	text = append(text, body...)
	text = append(text, timestamp...)
	text = append(text, c.secret...)
	sum := sha256.Sum256(text)
	clear(text)
	return hex.EncodeToString(sum[:])
}

// CheckSignature reports whether a signature of SchemeSigned is right. The query
// is read decoded and then, for firmware that signs what it concatenates, as sent.
func (c *Credential) CheckSignature(signature, token string, q Query, body []byte, timestamp string) bool {
	return equal(c.sign(token, q, decoded, body, timestamp), signature) ||
		equal(c.sign(token, q, undecoded, body, timestamp), signature)
}

// Digest is the hash of a legacy signature.
type Digest uint8

// The digests that are not refused (enos §3.3).
const (
	SHA256 Digest = iota + 1
	SHA1          // what most clients in the field send
)

// Errors of LegacyDigest.
var (
	ErrWeakDigest = errors.New("enos: MD5 and HmacMD5 signatures are not accepted: set the SDK to SHA-256")
	ErrSignLength = errors.New("enos: the signature is neither 64 nor 40 hexadecimal digits")
)

// LegacyDigest tells by its length which digest a legacy signature uses.
func LegacyDigest(sign string) (Digest, error) {
	switch len(sign) {
	case 2 * sha256.Size:
		return SHA256, nil
	case 2 * sha1.Size:
		return SHA1, nil
	case 32:
		return 0, ErrWeakDigest
	}
	return 0, ErrSignLength
}

// SignLegacy returns the signature of SchemeLegacy: upper-case hexadecimal digest
// over key, query, body and secret (enos §3.3). The parameters accessKey and sign
// are left out of the query, wherever they are.
func (c *Credential) SignLegacy(d Digest, q Query, body []byte) string {
	return c.signLegacy(d, q, decoded, body)
}

func (c *Credential) signLegacy(d Digest, q Query, r reading, body []byte) string {
	text := make([]byte, 0, 1024+len(body))
	text = append(text, c.appKey...)
	text = q.appendSigned(text, r, ParamAccessKey, ParamSign)
	text = append(text, body...)
	text = append(text, c.secret...)
	defer clear(text)
	if d == SHA1 {
		sum := sha1.Sum(text)
		return strings.ToUpper(hex.EncodeToString(sum[:]))
	}
	sum := sha256.Sum256(text)
	return strings.ToUpper(hex.EncodeToString(sum[:]))
}

// CheckLegacy reports whether a signature of SchemeLegacy is right, by the digest
// that its length tells. The query is read decoded, then as sent, then without
// empty values.
func (c *Credential) CheckLegacy(sign string, q Query, body []byte) bool {
	d, err := LegacyDigest(sign)
	if err != nil {
		return false
	}
	return slices.ContainsFunc([]reading{decoded, undecoded, withoutNil}, func(r reading) bool {
		return equal(c.signLegacy(d, q, r, body), sign)
	})
}

// maxTimestamp is more digits than a time in milliseconds has in this era.
const maxTimestamp = 15

// ErrTimestamp says that a timestamp is not milliseconds since 1970 in digits.
var ErrTimestamp = errors.New("enos: the timestamp is not a number of milliseconds since 1970")

// ParseTimestamp reads a timestamp, milliseconds since 1970 in decimal digits.
func ParseTimestamp(text string) (time.Time, error) {
	if text == "" || len(text) > maxTimestamp || strings.Trim(text, "0123456789") != "" {
		return time.Time{}, ErrTimestamp
	}
	ms, err := strconv.ParseInt(text, 10, 64)
	if err != nil {
		return time.Time{}, ErrTimestamp
	}
	return time.UnixMilli(ms), nil
}

// FormatTimestamp is the reverse of ParseTimestamp.
func FormatTimestamp(t time.Time) string { return strconv.FormatInt(t.UnixMilli(), 10) }
