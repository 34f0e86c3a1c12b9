package id2

import (
	"errors"
	"fmt"
)

// Algorithm names the kind of key the devices of one product hold (id2 §2.1).
// The zero value is not an algorithm.
type Algorithm uint8

// The algorithms. The three secp…k1 curves are those of the PUF root of trust;
// P256 is not in the vendor's client and follows the same rules as they do.
const (
	AES128 Algorithm = iota + 1
	AES192
	AES256
	TDES112 // three-key triple DES with K3 = K1
	TDES168
	SM4
	RSA1024
	RSA2048
	SM2
	Secp192k1
	Secp224k1
	Secp256k1
	P256
)

// ErrAlgorithm is returned where a value that is not a known algorithm is given,
// or one that the called function does not serve.
var ErrAlgorithm = errors.New("id2: unknown or unsuitable algorithm")

// algorithmNames is indexed by Algorithm.
var algorithmNames = [...]string{
	AES128:    "aes128",
	AES192:    "aes192",
	AES256:    "aes256",
	TDES112:   "3des112",
	TDES168:   "3des168",
	SM4:       "sm4",
	RSA1024:   "rsa1024",
	RSA2048:   "rsa2048",
	SM2:       "sm2",
	Secp192k1: "secp192k1",
	Secp224k1: "secp224k1",
	Secp256k1: "secp256k1",
	P256:      "p256",
}

// ParseAlgorithm returns the algorithm of a lower-case name such as "aes128" or
// "3des112", or an error that wraps [ErrAlgorithm].
func ParseAlgorithm(name string) (Algorithm, error) {
	for a := AES128; a <= P256; a++ {
		if algorithmNames[a] == name {
			return a, nil
		}
	}
	return 0, fmt.Errorf("%w: %.32q", ErrAlgorithm, name)
}

// Algorithms returns every algorithm in the order of the constants.
func Algorithms() []Algorithm {
	all := make([]Algorithm, 0, P256)
	for a := AES128; a <= P256; a++ {
		all = append(all, a)
	}
	return all
}

// String returns the name that [ParseAlgorithm] reads.
func (a Algorithm) String() string {
	if !a.Valid() {
		return fmt.Sprintf("Algorithm(%d)", uint8(a))
	}
	return algorithmNames[a]
}

// Valid reports whether a is one of the constants.
func (a Algorithm) Valid() bool { return a >= AES128 && a <= P256 }

// Symmetric reports whether device and server share one secret key.
func (a Algorithm) Symmetric() bool { return a >= AES128 && a <= SM4 }

// KeySize returns the length in bytes of a symmetric key, 0 for the others.
func (a Algorithm) KeySize() int {
	switch a {
	case AES128, TDES112, SM4:
		return 16
	case AES192, TDES168:
		return 24
	case AES256:
		return 32
	}
	return 0
}

// NativeHash returns the digest that current devices with this algorithm are
// built with: SM3 for SM2 and SM4, SHA-256 for all others (id2 §2.1).
func (a Algorithm) NativeHash() Hash {
	if a == SM2 || a == SM4 {
		return SM3
	}
	return SHA256
}

// AllowedHash reports whether a device with this algorithm can use h at all
// (id2 §2.1): SM3 goes with SM2 and SM4 and nothing else; SHA-1 existed in
// builds for AES, 3DES and RSA, MD5 for RSA. Whether a product admits the weak
// ones is its owner's choice.
func (a Algorithm) AllowedHash(h Hash) bool {
	rsa := a == RSA1024 || a == RSA2048
	switch h {
	case MD5:
		return rsa
	case SHA1:
		return rsa || (a.Symmetric() && a != SM4)
	case SHA256:
		return a.Valid() && a != SM2 && a != SM4
	case SM3:
		return a == SM2 || a == SM4
	}
	return false
}

// blockSize returns the cipher's block length in bytes, 0 for asymmetric ones.
func (a Algorithm) blockSize() int {
	switch {
	case a == TDES112 || a == TDES168:
		return 8
	case a.Symmetric():
		return 16
	}
	return 0
}
