package id2

import (
	"crypto/ecdsa"
	"errors"
	"io"
	"math/big"

	"github.com/emmansun/gmsm/sm2"
	"golang.org/x/crypto/cryptobyte"
	"golang.org/x/crypto/cryptobyte/asn1"
)

const (
	sm2FieldSize = 32
	// sm2Overhead is what encryption adds: the point C1 and the digest C3.
	sm2Overhead = 1 + 2*sm2FieldSize + 32
)

// sm2UserID is the user id that the vendor's client signs under (id2 §2.1).
var sm2UserID = []byte("1234567812345678")

// sm2Public is SM2 with SM3 (id2 §2.1, §2.2).
type sm2Public struct{ key *ecdsa.PublicKey }

func newSM2Public(point []byte) (publicKey, error) {
	key, err := sm2.NewPublicKey(point)
	return sm2Public{key}, err
}

// verify takes 64 bytes as R ‖ S and any other length as ASN.1. A signature in
// ASN.1 has 64 bytes only if R and S together lack six bytes or more; no signer
// will ever meet that case.
func (k sm2Public) verify(_ Hash, msg, signature []byte) bool {
	if len(signature) == 2*sm2FieldSize {
		der, err := sm2RawToASN1(signature)
		if err != nil {
			return false
		}
		signature = der
	}
	return sm2.VerifyASN1WithSM2(k.key, sm2UserID, msg, signature)
}

func (k sm2Public) ciphertextSize(n int) int {
	if n == 0 {
		return -1 // SM2 has no encryption of nothing
	}
	return n + sm2Overhead
}

func (k sm2Public) encrypt(rand io.Reader, plain []byte) ([]byte, error) {
	return sm2.Encrypt(rand, k.key, plain, sm2.NewPlainEncrypterOpts(sm2.MarshalUncompressed, sm2.C1C3C2))
}

func (k sm2Public) spki() []byte { return marshalSPKI(SM2, k.point()) }

// point returns 04 ‖ X ‖ Y.
func (k sm2Public) point() []byte {
	// Fails only for keys that are not on the SM2 curve.
	key, err := sm2.PublicKeyToECDH(k.key)
	if err != nil {
		return nil
	}
	return key.Bytes()
}

// sm2Private is the device's side of sm2Public.
type sm2Private struct{ key *sm2.PrivateKey }

func newSM2Private(scalar []byte) (privateKey, error) {
	key, err := sm2.NewPrivateKey(leftPad(scalar, sm2FieldSize))
	return sm2Private{key}, err
}

func generateSM2(rand io.Reader) (privateKey, error) {
	key, err := sm2.GenerateKey(rand)
	return sm2Private{key}, err
}

func (k sm2Private) public() publicKey { return sm2Public{&k.key.PublicKey} }

func (k sm2Private) sign(rand io.Reader, _ Hash, msg []byte) ([]byte, error) {
	der, err := k.key.Sign(rand, msg, sm2.NewSM2SignerOption(true, sm2UserID))
	if err != nil {
		return nil, err
	}
	return sm2ASN1ToRaw(der)
}

func (k sm2Private) decrypt(ciphertext []byte) ([]byte, error) {
	if len(ciphertext) <= sm2Overhead || ciphertext[0] != 4 {
		return nil, ErrDecrypt
	}
	plain, err := sm2.Decrypt(k.key, ciphertext)
	if err != nil {
		return nil, ErrDecrypt
	}
	return plain, nil
}

func (k sm2Private) pkcs8() []byte {
	// Fails only for keys that are not on the SM2 curve.
	key, err := k.key.ECDH()
	if err != nil {
		return nil
	}
	return marshalECPrivate(SM2, key.Bytes(), key.PublicKey().Bytes())
}

// sm2RawToASN1 turns R ‖ S into the ASN.1 form.
func sm2RawToASN1(raw []byte) ([]byte, error) {
	var b cryptobyte.Builder
	b.AddASN1(asn1.SEQUENCE, func(b *cryptobyte.Builder) {
		b.AddASN1BigInt(new(big.Int).SetBytes(raw[:sm2FieldSize]))
		b.AddASN1BigInt(new(big.Int).SetBytes(raw[sm2FieldSize:]))
	})
	return b.Bytes()
}

// sm2ASN1ToRaw is the inverse of sm2RawToASN1.
func sm2ASN1ToRaw(der []byte) ([]byte, error) {
	r, s := new(big.Int), new(big.Int)
	input := cryptobyte.String(der)
	var inner cryptobyte.String
	if !input.ReadASN1(&inner, asn1.SEQUENCE) || !inner.ReadASN1Integer(r) || !inner.ReadASN1Integer(s) ||
		r.BitLen() > 8*sm2FieldSize || s.BitLen() > 8*sm2FieldSize {
		return nil, errors.New("id2: malformed SM2 signature")
	}
	raw := make([]byte, 2*sm2FieldSize)
	r.FillBytes(raw[:sm2FieldSize])
	s.FillBytes(raw[sm2FieldSize:])
	return raw, nil
}
