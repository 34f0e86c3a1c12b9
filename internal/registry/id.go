package registry

import (
	"encoding/base32"
	"encoding/binary"
	"fmt"
	"io"
	"math"
	"strings"
	"time"
)

// ID identifies an organisation or an asset: 63 random bits, so that keys
// spread evenly over a store's ranges. People see 13 characters.
type ID int64

var idText = base32.NewEncoding("0123456789abcdefghjkmnpqrstvwxyz").WithPadding(base32.NoPadding)

const idLen = 13

// NewID makes an identifier from random.
func NewID(random io.Reader) (ID, error) {
	var b [8]byte
	if _, err := io.ReadFull(random, b[:]); err != nil {
		return 0, fmt.Errorf("make an identifier: %w", err)
	}
	return ID(binary.BigEndian.Uint64(b[:]) & math.MaxInt64), nil
}

// String returns the text form, 13 lower-case characters.
func (id ID) String() string {
	var b [8]byte
	binary.BigEndian.PutUint64(b[:], uint64(id))
	return idText.EncodeToString(b[:])
}

// ParseID reads the text form; ok is false when s is not one.
func ParseID(s string) (id ID, ok bool) {
	if len(s) != idLen {
		return 0, false
	}
	b, err := idText.DecodeString(strings.ToLower(s))
	if err != nil || len(b) != 8 || b[0]&0x80 != 0 { // the decoder skips line ends
		return 0, false
	}
	id = ID(binary.BigEndian.Uint64(b))
	return id, id.String() == strings.ToLower(s)
}

// Instant is a moment in milliseconds since 1970 UTC; 0 means never.
type Instant int64

// Forever is the end of a licence without a term.
const Forever Instant = math.MaxInt64

// At converts a time.
func At(t time.Time) Instant { return Instant(t.UnixMilli()) }

// Time converts to a time in UTC.
func (i Instant) Time() time.Time { return time.UnixMilli(int64(i)).UTC() }

// String returns RFC 3339 with milliseconds, "" for never, "unlimited" for Forever.
func (i Instant) String() string {
	switch i {
	case 0:
		return ""
	case Forever:
		return "unlimited"
	}
	return i.Time().Format("2006-01-02T15:04:05.000Z")
}

// MarshalText makes the instant readable in JSON.
func (i Instant) MarshalText() ([]byte, error) { return []byte(i.String()), nil }

// MarshalText makes the identifier readable in JSON.
func (id ID) MarshalText() ([]byte, error) { return []byte(id.String()), nil }

// maxKeyName is longer than any name that this package gives.
const maxKeyName = 64

// isName reports whether s can be a name that this package gave, such as a
// product key. Anything else is not looked up: strangers choose it, and some
// stores fail on what is not text.
func isName(s string) bool {
	for i := range len(s) {
		if s[i] <= ' ' || s[i] > '~' {
			return false
		}
	}
	return s != "" && len(s) <= maxKeyName
}

// randomText returns n characters drawn evenly from alphabet.
func randomText(random io.Reader, alphabet string, n int) (string, error) {
	limit := byte(256 - 256%len(alphabet))
	out := make([]byte, 0, n)
	buf := make([]byte, 2*n)
	for len(out) < n {
		if _, err := io.ReadFull(random, buf); err != nil {
			return "", fmt.Errorf("make random text: %w", err)
		}
		for _, b := range buf {
			if (limit == 0 || b < limit) && len(out) < n {
				out = append(out, alphabet[int(b)%len(alphabet)])
			}
		}
	}
	return string(out), nil
}

const alphanumeric = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"
