package enos

import (
	"crypto/rsa"
	"crypto/sha1" // #nosec: what the SDK seals with
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"math/big"
	"strings"
)

// SealedKeyBits is the size of the RSA key that Poseidon seals for.
const SealedKeyBits = 2048

// sealedText is the length of a sealed token: 256 bytes in Base64.
const sealedText = 344

// sessionDigits is the length of the two session strings, HMACs in hexadecimal.
const sessionDigits = 64

// ErrSealed says that a sealed token was not sealed for the key, or holds
// something else than a credential. It does not say which.
var ErrSealed = errors.New("enos: the sealed token does not open")

// Sealed is what a sealed token holds (enos §3.4).
type Sealed struct{ AppKey, secret, pin string }

// OpenSealed opens a sealed token with the server's key. That alone proves
// nothing: [Credential.CheckSealed] does.
func OpenSealed(key *rsa.PrivateKey, token string) (Sealed, error) {
	sealed, err := base64.StdEncoding.Strict().DecodeString(token)
	if err != nil || len(token) != sealedText {
		return Sealed{}, ErrSealed
	}
	plain, err := rsa.DecryptOAEP(sha1.New(), nil, key, sealed, nil)
	if err != nil {
		return Sealed{}, ErrSealed
	}
	defer clear(plain)
	parts := strings.Split(string(plain), "$")
	if len(parts) != 5 || len(parts[3]) != sessionDigits || len(parts[4]) != sessionDigits {
		return Sealed{}, ErrSealed
	}
	return Sealed{pin: parts[0], AppKey: parts[1], secret: parts[2]}, nil
}

// CheckSealed reports whether a sealed token holds this credential and the pin
// that goes with it.
func (c *Credential) CheckSealed(s Sealed) bool {
	long, short := c.pins()
	return equal(c.appKey, s.AppKey) && equal(c.secret, s.secret) && (equal(long, s.pin) || equal(short, s.pin))
}

// pins returns the first six digits of the number that the second pieces of key
// and secret spell, padded to nine digits first or, before version 0.1.6, not.
// They are "" for a credential that Poseidon refuses.
func (c *Credential) pins() (padded, plain string) {
	_, key, ok1 := strings.Cut(c.appKey, "-")
	_, secret, ok2 := strings.Cut(c.secret, "-")
	if !ok1 || !ok2 {
		return "", ""
	}
	key, _, _ = strings.Cut(key, "-")
	secret, _, _ = strings.Cut(secret, "-")
	n, ok := new(big.Int).SetString(key+secret, 16)
	if !ok {
		return "", ""
	}
	digits := n.String()
	zeros := strings.Repeat("0", max(9-len(digits), 0)) + digits
	return zeros[:6], digits[:min(6, len(digits))]
}

// Seal returns a sealed token for a server's key, as Poseidon makes it. The
// random bytes stand for its session strings, which nobody can check.
func (c *Credential) Seal(key *rsa.PublicKey, random io.Reader) (string, error) {
	var session [sessionDigits]byte
	if _, err := io.ReadFull(random, session[:]); err != nil {
		return "", fmt.Errorf("enos: seal: %w", err)
	}
	pin, _ := c.pins()
	plain := strings.Join([]string{pin, c.appKey, c.secret, hex.EncodeToString(session[:32]), hex.EncodeToString(session[32:])}, "$")
	sealed, err := rsa.EncryptOAEP(sha1.New(), random, key, []byte(plain), nil)
	if err != nil {
		return "", fmt.Errorf("enos: seal: %w", err)
	}
	return base64.StdEncoding.EncodeToString(sealed), nil
}
