package openapi

import (
	"crypto/hmac"
	"crypto/rsa"
	"crypto/sha1"
	"crypto/sha256"
	"hash"
	"sync"

	"github.com/emmansun/gmsm/sm3"
)

// SignatureMethod is a signature algorithm.
type SignatureMethod uint8

// The signature algorithms. The zero value is none of them.
const (
	HMACSHA1       SignatureMethod = iota + 1 // V1, every SDK's default
	HMACSHA256                                // V1
	ACS3HMACSHA256                            // V3, every SDK's default
	ACS3HMACSM3                               // V3
	ACS3RSASHA256                             // V3, with the access key's RSA key pair; verified only
	endOfMethods
)

// String returns the name on the wire.
func (m SignatureMethod) String() string {
	switch m {
	case HMACSHA1:
		return "HMAC-SHA1"
	case HMACSHA256:
		return "HMAC-SHA256"
	case ACS3HMACSHA256:
		return "ACS3-HMAC-SHA256"
	case ACS3HMACSM3:
		return "ACS3-HMAC-SM3"
	case ACS3RSASHA256:
		return "ACS3-RSA-SHA256"
	}
	return "unknown"
}

// Credential is an access key made ready for signing and verifying. It keeps
// keyed hash states for reuse, so that a verification allocates none, and is
// safe for use by several goroutines. It must not be copied.
type Credential struct {
	accessKeyID string
	public      *rsa.PublicKey           // instead of macs
	macs        [endOfMethods]*sync.Pool // of hash.Hash, by SignatureMethod; nil where the key does not serve
}

// NewCredential returns the credential of an access key with a secret, which
// serves every HMAC method. V1 keys its HMAC with the secret and "&"
// (openapi-rpc §1.2), V3 with the secret alone (§2.3).
func NewCredential(accessKeyID, secret string) *Credential {
	c := &Credential{accessKeyID: accessKeyID}
	v1, v3 := []byte(secret+"&"), []byte(secret)
	c.macs[HMACSHA1] = macPool(sha1.New, v1)
	c.macs[HMACSHA256] = macPool(sha256.New, v1)
	c.macs[ACS3HMACSHA256] = macPool(sha256.New, v3)
	c.macs[ACS3HMACSM3] = macPool(sm3.New, v3)
	return c
}

// macPool returns a pool of HMAC states under one key. The key lives only in
// the closure, out of reach of a formatted print.
func macPool(h func() hash.Hash, key []byte) *sync.Pool {
	return &sync.Pool{New: func() any { return hmac.New(h, key) }}
}

// NewRSACredential returns the credential of an access key that signs with an
// RSA key pair; it verifies ACS3-RSA-SHA256 and cannot sign.
func NewRSACredential(accessKeyID string, public *rsa.PublicKey) *Credential {
	return &Credential{accessKeyID: accessKeyID, public: public}
}

// AccessKeyID returns the public name of the access key.
func (c *Credential) AccessKeyID() string { return c.accessKeyID }

// canMAC reports whether the credential has a secret for m.
func (c *Credential) canMAC(m SignatureMethod) bool {
	return m < endOfMethods && c.macs[m] != nil
}

// appendMAC appends the HMAC of msg by a method for which canMAC is true.
func (c *Credential) appendMAC(dst []byte, m SignatureMethod, msg []byte) []byte {
	mac := c.macs[m].Get().(hash.Hash)
	mac.Reset()
	mac.Write(msg)
	dst = mac.Sum(dst)
	c.macs[m].Put(mac)
	return dst
}
