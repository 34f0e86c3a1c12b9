package id2

import (
	"crypto"
	"crypto/rsa"
	"crypto/x509"
	"fmt"
	"io"
)

// rsaOverhead is what PKCS#1 v1.5 encryption adds at least, in bytes.
const rsaOverhead = 11

// rsaBits returns the modulus length of an RSA algorithm.
func rsaBits(a Algorithm) int {
	if a == RSA1024 {
		return 1024
	}
	return 2048
}

// rsaHash maps a digest to the name that goes into the DigestInfo.
func rsaHash(h Hash) crypto.Hash {
	switch h {
	case MD5:
		return crypto.MD5
	case SHA1:
		return crypto.SHA1
	}
	return crypto.SHA256
}

// rsaPublic is PKCS#1 v1.5 for signatures and encryption (id2 §2.1, §2.2).
type rsaPublic struct{ key *rsa.PublicKey }

func parseRSAPublic(a Algorithm, der []byte) (publicKey, error) {
	parsed, err := x509.ParsePKIXPublicKey(der)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrKey, err)
	}
	key, ok := parsed.(*rsa.PublicKey)
	if !ok {
		return nil, fmt.Errorf("%w: not an RSA key", ErrKey)
	}
	return checkRSA(a, key)
}

func parsePKCS1Public(a Algorithm, der []byte) (publicKey, error) {
	key, err := x509.ParsePKCS1PublicKey(der)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrKey, err)
	}
	return checkRSA(a, key)
}

func checkRSA(a Algorithm, key *rsa.PublicKey) (publicKey, error) {
	if key.N.BitLen() != rsaBits(a) || key.N.Bit(0) == 0 {
		return nil, fmt.Errorf("%w: modulus of %d bits where %v is wanted, or an even one", ErrKey, key.N.BitLen(), a)
	}
	if key.E < 3 || key.E%2 == 0 || key.E > 1<<31-1 {
		return nil, fmt.Errorf("%w: RSA exponent %d", ErrKey, key.E)
	}
	return rsaPublic{key}, nil
}

func (k rsaPublic) verify(h Hash, msg, signature []byte) bool {
	var digest [maxDigestSize]byte
	n := h.sum(&digest, msg)
	return rsa.VerifyPKCS1v15(k.key, rsaHash(h), digest[:n], signature) == nil
}

func (k rsaPublic) ciphertextSize(n int) int {
	if n > k.key.Size()-rsaOverhead {
		return -1
	}
	return k.key.Size()
}

func (k rsaPublic) encrypt(rand io.Reader, plain []byte) ([]byte, error) {
	//lint:ignore SA1019 deployed devices decrypt nothing else
	return rsa.EncryptPKCS1v15(rand, k.key, plain)
}

func (k rsaPublic) spki() []byte {
	// Fails only for key types it does not know.
	der, _ := x509.MarshalPKIXPublicKey(k.key)
	return der
}

// rsaPrivate is the device's side of rsaPublic.
type rsaPrivate struct{ key *rsa.PrivateKey }

// parseRSAPrivate reads PKCS#8 or PKCS#1.
func parseRSAPrivate(a Algorithm, der []byte) (privateKey, error) {
	parsed, err := x509.ParsePKCS8PrivateKey(der)
	if err != nil {
		if parsed, err = x509.ParsePKCS1PrivateKey(der); err != nil {
			return nil, fmt.Errorf("%w: %w", ErrKey, err)
		}
	}
	key, ok := parsed.(*rsa.PrivateKey)
	if !ok {
		return nil, fmt.Errorf("%w: not an RSA key", ErrKey)
	}
	if _, err := checkRSA(a, &key.PublicKey); err != nil {
		return nil, err
	}
	return rsaPrivate{key}, nil
}

func generateRSA(rand io.Reader, a Algorithm) (privateKey, error) {
	key, err := rsa.GenerateKey(rand, rsaBits(a))
	if err != nil {
		return nil, err
	}
	return rsaPrivate{key}, nil
}

func (k rsaPrivate) public() publicKey { return rsaPublic{&k.key.PublicKey} }

func (k rsaPrivate) sign(rand io.Reader, h Hash, msg []byte) ([]byte, error) {
	var digest [maxDigestSize]byte
	n := h.sum(&digest, msg)
	return rsa.SignPKCS1v15(rand, k.key, rsaHash(h), digest[:n])
}

// decrypt takes one block: the vendor's client walks over several, but hands its
// key store the whole rest each time, which refuses it.
func (k rsaPrivate) decrypt(ciphertext []byte) ([]byte, error) {
	if len(ciphertext) == 0 || len(ciphertext)%k.key.Size() != 0 {
		return nil, ErrCiphertextLength
	}
	//lint:ignore SA1019 servers of the protocol encrypt in no other way
	plain, err := rsa.DecryptPKCS1v15(nil, k.key, ciphertext)
	if err != nil {
		return nil, ErrDecrypt
	}
	return plain, nil
}

func (k rsaPrivate) pkcs8() []byte {
	// Fails only for key types it does not know.
	der, _ := x509.MarshalPKCS8PrivateKey(k.key)
	return der
}
