package enos

import (
	"crypto/sha256"
	"crypto/subtle"
	"encoding/hex"
)

// Credential is an application's key and secret (AppKey, AppSecret; accessKey,
// secretKey in the older SDKs). It never prints its secret.
type Credential struct{ appKey, secret string }

// NewCredential returns a credential. Keys that Poseidon accepts each contain a
// dash with hexadecimal after it, such as two UUIDs (enos §0.10).
func NewCredential(appKey, appSecret string) *Credential {
	return &Credential{appKey, appSecret}
}

// AppKey returns the public half.
func (c *Credential) AppKey() string { return c.appKey }

// String returns the public half.
func (c *Credential) String() string { return c.appKey }

// GoString keeps the secret out of %#v.
func (c *Credential) GoString() string { return "enos.Credential(" + c.appKey + ")" }

// Encryption returns what a token request proves knowledge of the secret with:
// lower-case hexadecimal SHA-256 of key, timestamp and secret (enos §3.1). The
// timestamp is the digits as they are sent.
func (c *Credential) Encryption(timestamp string) string {
	sum := sha256.Sum256([]byte(c.appKey + timestamp + c.secret))
	return hex.EncodeToString(sum[:])
}

// CheckEncryption reports whether encryption is the one that goes with timestamp.
func (c *Credential) CheckEncryption(timestamp, encryption string) bool {
	return equal(c.Encryption(timestamp), encryption)
}

// equal compares in time that tells nothing about the texts but their lengths.
func equal(a, b string) bool { return subtle.ConstantTimeCompare([]byte(a), []byte(b)) == 1 }
