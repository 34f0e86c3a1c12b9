package id2

import (
	"crypto/subtle"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
)

// MaxCiphertextLength is the longest ciphertext in bytes that any generation of
// the device client decrypts (id2 §2.2). Those of 3.x take 1024, the vendor's
// documents promise 512.
const MaxCiphertextLength = 4096

// maxKeyLength bounds an encoded key before it is parsed. An RSA-2048 private
// key in PEM has 1.7 kB.
const maxKeyLength = 8192

// Errors of keys and encryption. Those of decryption stand for what the vendor's
// client returns in the same case.
var (
	ErrKey              = errors.New("id2: key does not fit the algorithm or is malformed")
	ErrPlaintext        = errors.New("id2: plaintext is too long for the key, or empty where it must not be")
	ErrCiphertextLength = errors.New("id2: ciphertext is not a whole number of blocks") // vendor's -2
	ErrCiphertextLong   = errors.New("id2: ciphertext is too long")                     // vendor's -4
	ErrDecrypt          = errors.New("id2: ciphertext does not decrypt under this key") // vendor's -1
)

// Key is what a server holds of a device: the symmetric key, or the public key.
// It is a small value to keep by the million; ciphers are expanded for each
// call. It is not changed after construction and safe for concurrent use. The
// zero value verifies and encrypts nothing.
//
// Printing a Key with package fmt shows its algorithm only; but fmt reads the
// unexported fields of structs by reflection, so one that holds a Key there must
// not be printed.
type Key struct {
	algorithm Algorithm
	secret    [32]byte // the first KeySize bytes, for symmetric algorithms
	public    publicKey
}

// publicKey is the key of one asymmetric scheme.
type publicKey interface {
	// verify checks a signature of msg; h has been checked to suit.
	verify(h Hash, msg, signature []byte) bool
	// encrypt is called only where ciphertextSize is not negative.
	encrypt(rand io.Reader, plain []byte) ([]byte, error)
	// ciphertextSize returns -1 where n bytes cannot be encrypted.
	ciphertextSize(n int) int
	// spki returns the key as a SubjectPublicKeyInfo.
	spki() []byte
}

// NewSymmetricKey returns the key of a symmetric algorithm from its
// [Algorithm.KeySize] bytes, which it copies. The error wraps [ErrAlgorithm] or
// [ErrKey].
func NewSymmetricKey(a Algorithm, key []byte) (Key, error) {
	if !a.Symmetric() {
		return Key{}, fmt.Errorf("%w: %v is not symmetric", ErrAlgorithm, a)
	}
	if len(key) != a.KeySize() {
		return Key{}, fmt.Errorf("%w: %v needs %d bytes, not %d", ErrKey, a, a.KeySize(), len(key))
	}
	k := Key{algorithm: a}
	copy(k.secret[:], key)
	return k, nil
}

// NewPublicKey returns the key in a PKIX SubjectPublicKeyInfo in DER. RSA keys
// must have exactly the size of the algorithm and an odd exponent from 3; points
// must be uncompressed and on the curve. The error wraps [ErrAlgorithm] or
// [ErrKey].
func NewPublicKey(a Algorithm, der []byte) (Key, error) {
	if len(der) > maxKeyLength {
		return Key{}, fmt.Errorf("%w: too long", ErrKey)
	}
	var public publicKey
	var err error
	switch a {
	case RSA1024, RSA2048:
		public, err = parseRSAPublic(a, der)
	case SM2, P256, Secp192k1, Secp224k1, Secp256k1:
		public, err = parseECPublic(a, der)
	default:
		return Key{}, fmt.Errorf("%w: %v has no public keys", ErrAlgorithm, a)
	}
	if err != nil {
		return Key{}, err
	}
	return Key{algorithm: a, public: public}, nil
}

// ParsePublicKeyPEM reads the first block of a PEM text: "PUBLIC KEY" as in
// [NewPublicKey], or "RSA PUBLIC KEY" with a PKCS#1 key. The error wraps
// [ErrAlgorithm] or [ErrKey].
func ParsePublicKeyPEM(a Algorithm, text []byte) (Key, error) {
	if len(text) > maxKeyLength {
		return Key{}, fmt.Errorf("%w: too long", ErrKey)
	}
	block, _ := pem.Decode(text)
	switch {
	case block == nil:
		return Key{}, fmt.Errorf("%w: no PEM block", ErrKey)
	case block.Type == "PUBLIC KEY":
		return NewPublicKey(a, block.Bytes)
	case block.Type == "RSA PUBLIC KEY" && (a == RSA1024 || a == RSA2048):
		public, err := parsePKCS1Public(a, block.Bytes)
		if err != nil {
			return Key{}, err
		}
		return Key{algorithm: a, public: public}, nil
	}
	return Key{}, fmt.Errorf("%w: PEM block %.32q where a public key for %v is wanted", ErrKey, block.Type, a)
}

// Algorithm returns the key's algorithm, 0 for the zero Key.
func (k Key) Algorithm() Algorithm { return k.algorithm }

// Bytes returns a copy of the symmetric key, or the public key as
// SubjectPublicKeyInfo in DER: what [NewSymmetricKey] or [NewPublicKey] reads.
func (k Key) Bytes() []byte {
	if k.public != nil {
		return k.public.spki()
	}
	return append([]byte(nil), k.secret[:k.algorithm.KeySize()]...)
}

// Equal reports in constant time whether both keys are the same and for the same
// algorithm.
func (k Key) Equal(o Key) bool {
	return k.algorithm == o.algorithm && subtle.ConstantTimeCompare(k.Bytes(), o.Bytes()) == 1
}

// Format implements [fmt.Formatter], so that no verb prints key bytes.
func (k Key) Format(f fmt.State, _ rune) {
	fmt.Fprintf(f, "id2.Key(%v)", k.algorithm)
}

// Verify reports whether signature is S(key, msg) of id2 §2.1 with digest h. It
// is false where the algorithm never uses h ([Algorithm.AllowedHash]).
//
// Symmetric signatures are recomputed and compared in constant time. Those of
// elliptic curves are R ‖ S of the field's size each; SM2 takes ASN.1 as well,
// since the vendor's client leaves the encoding to the chip.
func (k *Key) Verify(h Hash, msg, signature []byte) bool {
	if !k.algorithm.AllowedHash(h) {
		return false
	}
	if k.public != nil {
		return k.public.verify(h, msg, signature)
	}
	want, err := k.signSymmetric(h, msg)
	return err == nil && subtle.ConstantTimeCompare(want, signature) == 1
}

// CiphertextSize returns how many bytes [Key.Encrypt] makes of plainLen bytes,
// or -1 where it refuses: when RSA has no room (117 bytes fit 1024 bits, 245 fit
// 2048), when SM2 is given nothing, when the result would pass
// [MaxCiphertextLength], and for a negative length.
func (k *Key) CiphertextSize(plainLen int) int {
	if plainLen < 0 || plainLen > MaxCiphertextLength {
		return -1
	}
	size := -1
	if k.public != nil {
		size = k.public.ciphertextSize(plainLen)
	} else if block := k.algorithm.blockSize(); block > 0 {
		size = plainLen - plainLen%block + block
	}
	if size > MaxCiphertextLength {
		return -1
	}
	return size
}

// Encrypt returns what the device's decrypt call opens (id2 §2.2): ECB with
// PKCS#7 padding; RSA PKCS#1 v1.5 in one block; ECIES in mode 1 (id2 §2.3) for
// the PUF curves; SM2 ciphertext in the order C1 ‖ C3 ‖ C2 with C1 starting 04.
// P256 uses the same ECIES, which is this package's choice: the vendor has no
// such devices.
//
// rand is not used for symmetric keys. The error is [ErrPlaintext] where
// [Key.CiphertextSize] is -1, [ErrAlgorithm] for the zero Key, or one of rand.
func (k *Key) Encrypt(rand io.Reader, plain []byte) ([]byte, error) {
	if !k.algorithm.Valid() {
		return nil, ErrAlgorithm
	}
	if k.CiphertextSize(len(plain)) < 0 {
		return nil, ErrPlaintext
	}
	if k.public != nil {
		return k.public.encrypt(rand, plain)
	}
	block, err := k.cipher()
	if err != nil {
		return nil, err
	}
	return encryptECB(block, plain), nil
}
