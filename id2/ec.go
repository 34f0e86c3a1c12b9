package id2

import (
	"crypto/ecdh"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/sha256"
	"fmt"
	"io"
	"math/big"

	"github.com/hallmark-id/hallmark/id2/internal/koblitz"
)

// parseECPublic returns the key of any elliptic algorithm.
func parseECPublic(a Algorithm, der []byte) (publicKey, error) {
	point, err := parseSPKI(a, der)
	if err != nil {
		return nil, err
	}
	var key publicKey
	switch a {
	case P256:
		key, err = newP256Public(point)
	case SM2:
		key, err = newSM2Public(point)
	default:
		key, err = newPUFPublic(a, point)
	}
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrKey, err)
	}
	return key, nil
}

// parseECPrivate returns the private key of any elliptic algorithm, from PKCS#8
// or SEC 1.
func parseECPrivate(a Algorithm, der []byte) (privateKey, error) {
	scalar, err := parseECScalar(a, der)
	if err != nil {
		return nil, err
	}
	var key privateKey
	switch a {
	case P256:
		key, err = newP256Private(scalar)
	case SM2:
		key, err = newSM2Private(scalar)
	default:
		key, err = newPUFPrivate(a, scalar)
	}
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrKey, err)
	}
	return key, nil
}

// generateEC draws a private key of any elliptic algorithm.
func generateEC(rand io.Reader, a Algorithm) (privateKey, error) {
	switch a {
	case P256:
		key, err := ecdsa.GenerateKey(elliptic.P256(), rand)
		return p256Private{key}, err
	case SM2:
		return generateSM2(rand)
	}
	key, err := pufCurve(a).GenerateKey(rand)
	return pufPrivate{a, key}, err
}

// leftPad returns b with zeros in front up to size bytes: some tools drop the
// leading zeros of scalars.
func leftPad(b []byte, size int) []byte {
	if len(b) >= size {
		return b
	}
	return append(make([]byte, size-len(b)), b...)
}

// pufPublic is ECDSA with SHA-256 and ECIES on a curve of the PUF root of trust
// (id2 §2.1, §2.3).
type pufPublic struct {
	algorithm Algorithm
	key       *koblitz.PublicKey
}

func newPUFPublic(a Algorithm, point []byte) (publicKey, error) {
	key, err := pufCurve(a).ParsePublicKey(point)
	return pufPublic{a, key}, err
}

func (k pufPublic) verify(_ Hash, msg, signature []byte) bool {
	digest := sha256.Sum256(msg)
	return k.key.Verify(digest[:], signature)
}

func (k pufPublic) ciphertextSize(n int) int {
	return eciesSize(k.key.Curve().FieldSize(), n)
}

func (k pufPublic) encrypt(rand io.Reader, plain []byte) ([]byte, error) {
	ephemeral, err := k.key.Curve().GenerateKey(rand)
	if err != nil {
		return nil, err
	}
	z, err := ephemeral.ECDH(k.key)
	if err != nil {
		return nil, err
	}
	return eciesSeal(ephemeral.Public().Bytes(), z, plain), nil
}

func (k pufPublic) spki() []byte { return marshalSPKI(k.algorithm, k.key.Bytes()) }

// pufPrivate is the device's side of pufPublic.
type pufPrivate struct {
	algorithm Algorithm
	key       *koblitz.PrivateKey
}

func newPUFPrivate(a Algorithm, scalar []byte) (privateKey, error) {
	key, err := pufCurve(a).NewPrivateKey(scalar)
	return pufPrivate{a, key}, err
}

func (k pufPrivate) public() publicKey { return pufPublic{k.algorithm, k.key.Public()} }

func (k pufPrivate) sign(rand io.Reader, _ Hash, msg []byte) ([]byte, error) {
	digest := sha256.Sum256(msg)
	return k.key.Sign(rand, digest[:])
}

func (k pufPrivate) decrypt(ciphertext []byte) ([]byte, error) {
	curve := pufCurve(k.algorithm)
	return eciesOpen(curve.FieldSize(), ciphertext, func(point []byte) ([]byte, error) {
		peer, err := curve.ParsePublicKey(point)
		if err != nil {
			return nil, err
		}
		return k.key.ECDH(peer)
	})
}

func (k pufPrivate) pkcs8() []byte {
	return marshalECPrivate(k.algorithm, k.key.Bytes(), k.key.Public().Bytes())
}

// p256FieldSize is the length of a P-256 coordinate and scalar in bytes.
const p256FieldSize = 32

// p256Public follows the rules of the PUF curves on NIST P-256.
type p256Public struct{ key *ecdsa.PublicKey }

func newP256Public(point []byte) (publicKey, error) {
	key, err := ecdsa.ParseUncompressedPublicKey(elliptic.P256(), point)
	return p256Public{key}, err
}

func (k p256Public) verify(_ Hash, msg, signature []byte) bool {
	if len(signature) != 2*p256FieldSize {
		return false
	}
	digest := sha256.Sum256(msg)
	r := new(big.Int).SetBytes(signature[:p256FieldSize])
	s := new(big.Int).SetBytes(signature[p256FieldSize:])
	return ecdsa.Verify(k.key, digest[:], r, s)
}

func (k p256Public) ciphertextSize(n int) int { return eciesSize(p256FieldSize, n) }

func (k p256Public) encrypt(rand io.Reader, plain []byte) ([]byte, error) {
	peer, err := k.key.ECDH()
	if err != nil {
		return nil, err
	}
	ephemeral, err := ecdh.P256().GenerateKey(rand)
	if err != nil {
		return nil, err
	}
	z, err := ephemeral.ECDH(peer)
	if err != nil {
		return nil, err
	}
	return eciesSeal(ephemeral.PublicKey().Bytes(), z, plain), nil
}

func (k p256Public) spki() []byte {
	// The point was checked when the key was made.
	point, _ := k.key.Bytes()
	return marshalSPKI(P256, point)
}

// p256Private is the device's side of p256Public.
type p256Private struct{ key *ecdsa.PrivateKey }

func newP256Private(scalar []byte) (privateKey, error) {
	key, err := ecdsa.ParseRawPrivateKey(elliptic.P256(), leftPad(scalar, p256FieldSize))
	return p256Private{key}, err
}

func (k p256Private) public() publicKey { return p256Public{&k.key.PublicKey} }

func (k p256Private) sign(rand io.Reader, _ Hash, msg []byte) ([]byte, error) {
	digest := sha256.Sum256(msg)
	r, s, err := ecdsa.Sign(rand, k.key, digest[:])
	if err != nil {
		return nil, err
	}
	signature := make([]byte, 2*p256FieldSize)
	r.FillBytes(signature[:p256FieldSize])
	s.FillBytes(signature[p256FieldSize:])
	return signature, nil
}

func (k p256Private) decrypt(ciphertext []byte) ([]byte, error) {
	return eciesOpen(p256FieldSize, ciphertext, func(point []byte) ([]byte, error) {
		peer, err := ecdh.P256().NewPublicKey(point)
		if err != nil {
			return nil, err
		}
		key, err := k.key.ECDH()
		if err != nil {
			return nil, err
		}
		return key.ECDH(peer)
	})
}

func (k p256Private) pkcs8() []byte {
	// Scalar and point were checked when the key was made.
	scalar, _ := k.key.Bytes()
	point, _ := k.key.PublicKey.Bytes()
	return marshalECPrivate(P256, scalar, point)
}
