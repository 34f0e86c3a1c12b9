package account

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"strings"
	"time"
	"unicode"

	"github.com/hallmark-id/hallmark/internal/registry"
)

// A browser that has signed in before keeps a mark of it. Whoever fails often
// enough can lock an account's password for strangers, again and again; with
// the mark its owner gets in all the same. Guesses with a mark are slowed down
// per address like all others.

// knownFor is how long a mark serves.
const knownFor = 90 * 24 * time.Hour

const knownBytes = 8 + sha256.Size

// markKnown makes the mark of a browser that has signed in to an account.
func (s *Service) markKnown(row Row) string {
	until := binary.BigEndian.AppendUint64(nil, uint64(s.Now().Add(knownFor).UnixMilli()))
	return base64.RawURLEncoding.EncodeToString(append(until, s.knownMAC(row, until)...))
}

// isKnown reports whether a mark is one of this account. Another password makes
// all marks void.
func (s *Service) isKnown(row Row, mark string) bool {
	raw, err := base64.RawURLEncoding.DecodeString(mark)
	if err != nil || len(raw) != knownBytes {
		return false
	}
	until := registry.Instant(binary.BigEndian.Uint64(raw))
	return hmac.Equal(raw[8:], s.knownMAC(row, raw[:8])) && registry.At(s.Now()) < until
}

func (s *Service) knownMAC(row Row, until []byte) []byte {
	mac := hmac.New(sha256.New, s.knownKey[:])
	mac.Write(until)
	mac.Write(binary.BigEndian.AppendUint64(nil, uint64(row.ID)))
	mac.Write(row.Password)
	return mac.Sum(nil)
}

// maxAgent bounds how much of a browser's description is kept.
const maxAgent = 200

// ClipAgent makes a browser's description fit to be kept and shown.
func ClipAgent(agent string) string {
	agent = strings.Map(func(r rune) rune {
		if unicode.IsControl(r) || r == unicode.ReplacementChar {
			return -1
		}
		return r
	}, strings.ToValidUTF8(agent, ""))
	if len(agent) > maxAgent {
		agent = strings.ToValidUTF8(agent[:maxAgent], "")
	}
	return agent
}
