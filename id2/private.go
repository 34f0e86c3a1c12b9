package id2

import (
	"encoding/pem"
	"fmt"
	"io"
)

// PrivateKey is what a device holds, or a product's server key: a symmetric key
// or the private key of a pair. It is not changed after construction and safe
// for concurrent use, as far as the readers given to it are.
//
// Printing a PrivateKey with package fmt shows its algorithm only.
type PrivateKey struct {
	key     Key        // the symmetric key, or the public one
	private privateKey // nil for symmetric algorithms
}

// privateKey is the key of one asymmetric scheme.
type privateKey interface {
	public() publicKey
	// sign is called with a digest that suits the algorithm.
	sign(rand io.Reader, h Hash, msg []byte) ([]byte, error)
	// decrypt returns ErrCiphertextLength or ErrDecrypt on failure.
	decrypt(ciphertext []byte) ([]byte, error)
	// pkcs8 returns the key as a PrivateKeyInfo.
	pkcs8() []byte
}

// NewPrivateKey returns the key in encoded, as [PrivateKey.Bytes] gives it: the
// raw bytes of a symmetric key; PKCS#8 in DER of any other, where PKCS#1 and
// SEC 1 are understood as well. The error wraps [ErrAlgorithm] or [ErrKey].
func NewPrivateKey(a Algorithm, encoded []byte) (PrivateKey, error) {
	if a.Symmetric() {
		key, err := NewSymmetricKey(a, encoded)
		return PrivateKey{key: key}, err
	}
	if len(encoded) > maxKeyLength {
		return PrivateKey{}, fmt.Errorf("%w: too long", ErrKey)
	}
	var private privateKey
	var err error
	switch a {
	case RSA1024, RSA2048:
		private, err = parseRSAPrivate(a, encoded)
	case SM2, P256, Secp192k1, Secp224k1, Secp256k1:
		private, err = parseECPrivate(a, encoded)
	default:
		return PrivateKey{}, fmt.Errorf("%w: %v", ErrAlgorithm, a)
	}
	return newPair(a, private, err)
}

// ParsePrivateKeyPEM reads the first private key of a PEM text, skipping the "EC
// PARAMETERS" block that some tools put in front: "PRIVATE KEY", "RSA PRIVATE
// KEY" or "EC PRIVATE KEY", unencrypted. The error wraps [ErrAlgorithm] or
// [ErrKey].
func ParsePrivateKeyPEM(a Algorithm, text []byte) (PrivateKey, error) {
	if a.Symmetric() || !a.Valid() {
		return PrivateKey{}, fmt.Errorf("%w: %v has no PEM form", ErrAlgorithm, a)
	}
	if len(text) > maxKeyLength {
		return PrivateKey{}, fmt.Errorf("%w: too long", ErrKey)
	}
	for {
		var block *pem.Block
		block, text = pem.Decode(text)
		if block == nil {
			return PrivateKey{}, fmt.Errorf("%w: no private key in PEM", ErrKey)
		}
		switch block.Type {
		case "PRIVATE KEY", "RSA PRIVATE KEY", "EC PRIVATE KEY":
			return NewPrivateKey(a, block.Bytes)
		}
	}
}

// GeneratePrivateKey draws a key of any algorithm from rand. (For RSA and P-256
// the standard library uses the system's generator instead.) The error is
// [ErrAlgorithm] or one of rand.
func GeneratePrivateKey(rand io.Reader, a Algorithm) (PrivateKey, error) {
	switch {
	case a.Symmetric():
		key := Key{algorithm: a}
		if _, err := io.ReadFull(rand, key.secret[:a.KeySize()]); err != nil {
			return PrivateKey{}, err
		}
		return PrivateKey{key: key}, nil
	case a == RSA1024 || a == RSA2048:
		private, err := generateRSA(rand, a)
		return newPair(a, private, err)
	case a.Valid():
		private, err := generateEC(rand, a)
		return newPair(a, private, err)
	}
	return PrivateKey{}, ErrAlgorithm
}

// newPair returns the key with its public part, or err.
func newPair(a Algorithm, private privateKey, err error) (PrivateKey, error) {
	if err != nil {
		return PrivateKey{}, err
	}
	return PrivateKey{Key{algorithm: a, public: private.public()}, private}, nil
}

// Algorithm returns the key's algorithm, 0 for the zero PrivateKey.
func (p *PrivateKey) Algorithm() Algorithm { return p.key.algorithm }

// Public returns what the server must hold to check this key's signatures. For a
// symmetric algorithm that is the secret key itself.
func (p *PrivateKey) Public() Key { return p.key }

// Sign returns S(key, msg) of id2 §2.1: 40 or 48 bytes for symmetric keys with a
// 32-byte digest, the modulus length for RSA, R ‖ S for elliptic curves. rand is
// not used for symmetric keys. The error is [ErrAlgorithm], [ErrHash] or one of
// rand.
func (p *PrivateKey) Sign(rand io.Reader, h Hash, msg []byte) ([]byte, error) {
	if !p.key.algorithm.AllowedHash(h) {
		return nil, ErrHash
	}
	if p.private == nil {
		return p.key.signSymmetric(h, msg)
	}
	return p.private.sign(rand, h, msg)
}

// Decrypt opens what [Key.Encrypt] made, with the verdicts and quirks of the
// vendor's client (id2 §2.2): [ErrCiphertextLong] above [MaxCiphertextLength],
// [ErrCiphertextLength], [ErrDecrypt]. In block modes a last plaintext byte of 0
// is taken for no padding.
func (p *PrivateKey) Decrypt(ciphertext []byte) ([]byte, error) {
	if len(ciphertext) > MaxCiphertextLength {
		return nil, ErrCiphertextLong
	}
	if p.private != nil {
		return p.private.decrypt(ciphertext)
	}
	block, err := p.key.cipher()
	if err != nil {
		return nil, err
	}
	return decryptECB(block, ciphertext)
}

// Bytes returns the raw symmetric key, or the private key as PKCS#8 in DER: what
// [NewPrivateKey] reads.
func (p *PrivateKey) Bytes() []byte {
	if p.private != nil {
		return p.private.pkcs8()
	}
	return p.key.Bytes()
}

// MarshalPEM returns the private key of a pair as a "PRIVATE KEY" block, which
// [ParsePrivateKeyPEM] reads, or [ErrAlgorithm] for a symmetric key.
func (p *PrivateKey) MarshalPEM() ([]byte, error) {
	if p.private == nil {
		return nil, ErrAlgorithm
	}
	return pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: p.private.pkcs8()}), nil
}

// Format implements [fmt.Formatter], so that no verb prints key bytes.
func (p PrivateKey) Format(f fmt.State, _ rune) {
	fmt.Fprintf(f, "id2.PrivateKey(%v)", p.key.algorithm)
}
