package ciss

import (
	"encoding/hex"
	"errors"
)

// Key is the SM4 key that a platform issues for an appId.
type Key [blockSize]byte

// ParseKey reads a key as it may have been issued: 32 hexadecimal digits, or 16
// ASCII characters that are the key's bytes. The vendor does not say which
// (ciss §0); the length tells.
func ParseKey(text string) (Key, error) {
	var k Key
	switch len(text) {
	case 2 * len(k):
		if _, err := hex.Decode(k[:], []byte(text)); err == nil {
			return k, nil
		}
	case len(k):
		if isGraphic(text) {
			copy(k[:], text)
			return k, nil
		}
	}
	return Key{}, errors.New("ciss: a key has 32 hexadecimal digits or 16 ASCII characters")
}

// isGraphic reports whether a text is of visible ASCII characters.
func isGraphic(text string) bool {
	for i := range len(text) {
		if text[i] <= ' ' || text[i] > '~' {
			return false
		}
	}
	return true
}
