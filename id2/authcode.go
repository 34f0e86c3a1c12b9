package id2

import (
	"bytes"
	"encoding/base64"
	"errors"
	"strings"
)

// Limits of the texts and fields of authentication codes, in bytes.
const (
	MaxValueLength           = 32  // challenge or timestamp in a device code (id2 §1.1)
	MaxExtraLength           = 512 // extra of either side (id2 §1.3)
	MaxDeviceChallengeLength = 128 // challenge in a server code (id2 §3)
	DeviceRandomLength       = 16  // hex digits of the device's random words

	maxSignatureLength = 256 // RSA-2048
	maxSignatureText   = (maxSignatureLength + 2) / 3 * 4
	maxAuthCodeLength  = 4 + DeviceRandomLength + 1 + MaxValueLength + 1 + maxSignatureText
)

// Errors of parsing. Both leave open which rule was broken: a peer that sends a
// malformed code gains nothing from knowing, and the code is at hand for
// debugging.
var (
	ErrAuthCode   = errors.New("id2: malformed device authentication code")
	ErrServerCode = errors.New("id2: server authentication code refused")
)

// Kind is the first field of a device authentication code (id2 §1.1): bit 0
// tells a timestamp from a challenge, bit 1 tells that an extra was signed.
type Kind uint8

// The kinds of device authentication codes.
const (
	Challenge      Kind = 0
	Timestamp      Kind = 1
	ChallengeExtra Kind = 2
	TimestampExtra Kind = 3
)

// IsTimestamp reports whether the code answers to a time, not a challenge.
func (k Kind) IsTimestamp() bool { return k&1 != 0 }

// HasExtra reports whether the device was given an extra to sign.
func (k Kind) HasExtra() bool { return k&2 != 0 }

// AuthCode is a device authentication code (id2 §1.1). Its text is no identity:
// the signed message leaves out the kind and the digest, and some signature
// schemes have several valid encodings, so single use must be kept on the
// message of [AppendMessage] and never on the text.
type AuthCode struct {
	Kind         Kind
	Hash         Hash
	DeviceRandom string // 16 upper-case hex digits
	Value        string // the server's challenge, or milliseconds since 1970 in decimal
	Signature    []byte
}

// ParseAuthCode reads the text form of id2 §1.1: exactly five fields; a kind and
// a digest of one digit 0..3 each; 16 upper-case hex digits; a value of 1..32
// bytes, none of them '~' or NUL; a signature of 1..256 bytes in canonical
// standard base64. Every accepted text is what [AuthCode.String] builds from the
// result. The error is [ErrAuthCode].
//
// DeviceRandom and Value share memory with s.
func ParseAuthCode(s string) (AuthCode, error) {
	const randomAt, valueAt = 4, 4 + DeviceRandomLength + 1
	if len(s) <= valueAt || len(s) > maxAuthCodeLength ||
		s[1] != '~' || s[3] != '~' || s[valueAt-1] != '~' {
		return AuthCode{}, ErrAuthCode
	}
	kind, hash, random := s[0]-'0', s[2]-'0', s[randomAt:valueAt-1]
	value, text, found := strings.Cut(s[valueAt:], "~")
	if kind > 3 || hash > 3 || !isUpperHex(random) || !found ||
		len(value) == 0 || len(value) > MaxValueLength || strings.IndexByte(value, 0) >= 0 {
		return AuthCode{}, ErrAuthCode
	}
	signature, ok := decodeSignature(text)
	if !ok {
		return AuthCode{}, ErrAuthCode
	}
	return AuthCode{Kind(kind), Hash(hash), random, value, signature}, nil
}

// String builds the text form. It checks nothing: a code that breaks the rules
// of [ParseAuthCode] gives a text that does not parse.
func (c AuthCode) String() string {
	b := make([]byte, 0, maxAuthCodeLength)
	b = append(b, '0'+byte(c.Kind), '~', '0'+byte(c.Hash), '~')
	b = append(b, c.DeviceRandom...)
	b = append(b, '~')
	b = append(b, c.Value...)
	b = append(b, '~')
	return string(base64.StdEncoding.AppendEncode(b, c.Signature))
}

// AppendMessage appends to dst the message that a device code's signature covers
// (id2 §1.2): id, device random, value and extra, without separators. Devices
// build it with C string functions, so from the first zero byte of extra on all
// bytes are zero, and the length stays.
func AppendMessage(dst []byte, id, deviceRandom, value string, extra []byte) []byte {
	dst = append(dst, id...)
	dst = append(dst, deviceRandom...)
	dst = append(dst, value...)
	start := len(dst)
	dst = append(dst, extra...)
	if i := bytes.IndexByte(extra, 0); i >= 0 {
		clear(dst[start+i:])
	}
	return dst
}

// strictBase64 refuses set bits after the last whole byte.
var strictBase64 = base64.StdEncoding.Strict()

// decodeSignature decodes canonical base64 of a sane length.
func decodeSignature(text string) ([]byte, bool) {
	// The standard decoder skips line breaks; a second spelling of the same
	// signature is refused here.
	if len(text) == 0 || len(text) > maxSignatureText || strings.ContainsAny(text, "\r\n") {
		return nil, false
	}
	signature, err := strictBase64.DecodeString(text)
	return signature, err == nil && len(signature) <= maxSignatureLength
}

// isUpperHex reports whether s holds only digits and 'A' to 'F'.
func isUpperHex(s string) bool {
	for i := 0; i < len(s); i++ {
		if c := s[i]; (c < '0' || c > '9') && (c < 'A' || c > 'F') {
			return false
		}
	}
	return true
}
