package id2

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"
)

// Limits of derived values, in bytes (id2 §2.4).
const (
	MaxSeedLength       = 128
	MaxDerivedKeyLength = 32
	MaxSeedDataLength   = 1024 // plaintext of EncryptBySeed
)

// ErrDerive is returned for arguments outside the limits of id2 §2.4.
var ErrDerive = errors.New("id2: seed, length or TOTP parameter out of range")

// Secret returns the device's derived secret for a seed of 1 to 128 bytes: 64
// upper-case hex digits (id2 §2.4). Only symmetric keys have one. The error is
// [ErrDerive] or [ErrAlgorithm].
func (k *Key) Secret(seed string) (string, error) {
	if len(seed) == 0 || len(seed) > MaxSeedLength {
		return "", ErrDerive
	}
	d, err := k.derive(seed)
	if err != nil {
		return "", err
	}
	return strings.ToUpper(hex.EncodeToString(d[:])), nil
}

// DeriveKey returns n bytes, 1 to 32, of the key that the device with this id
// derives for a seed of 0 to 128 bytes (id2 §2.4); before 3.1.0 devices refuse
// an empty seed. Only symmetric keys have one. The error is [ErrDerive] or
// [ErrAlgorithm].
func (k *Key) DeriveKey(id, seed string, n int) ([]byte, error) {
	if len(seed) > MaxSeedLength || n < 1 || n > MaxDerivedKeyLength {
		return nil, ErrDerive
	}
	d, err := k.derive(id + seed)
	if err != nil {
		return nil, err
	}
	return d[:n:n], nil
}

// derive returns H(S(key, input)) with the algorithm's native digest.
func (k *Key) derive(input string) (d [maxDigestSize]byte, err error) {
	h := k.algorithm.NativeHash()
	signature, err := k.signSymmetric(h, []byte(input))
	if err != nil {
		return d, ErrAlgorithm
	}
	h.sum(&d, signature)
	return d, nil
}

// EncryptBySeed returns what a 3.1.0 device makes of 1 to 1024 bytes of data
// under its key for the seed (id2 §2.4): ECB and PKCS#7 with AES-256 for AES of
// any size, with SM4 for SM4. Other algorithms give [ErrAlgorithm].
func (k *Key) EncryptBySeed(id, seed string, data []byte) ([]byte, error) {
	cipher := AES256
	switch k.algorithm {
	case AES128, AES192, AES256:
	case SM4:
		cipher = SM4
	default:
		return nil, ErrAlgorithm
	}
	if len(data) == 0 || len(data) > MaxSeedDataLength {
		return nil, ErrDerive
	}
	raw, err := k.DeriveKey(id, seed, cipher.KeySize())
	if err != nil {
		return nil, err
	}
	derived, err := NewSymmetricKey(cipher, raw)
	if err != nil {
		return nil, err
	}
	return derived.Encrypt(nil, data)
}

// TOTP returns the one-time password of a 3.1.0 device (id2 §2.4): length digits,
// 6 to 16, for the Unix time in seconds, not negative, divided into steps of 180
// to 1800 s, and an index of 0 to 99, which the last two digits carry. The error
// is [ErrDerive] or [ErrAlgorithm].
func (k *Key) TOTP(id string, unix int64, step, length, index int) (string, error) {
	if unix < 0 || step < 180 || step > 1800 || length < 6 || length > 16 || index < 0 || index > 99 {
		return "", ErrDerive
	}
	secret, err := k.Secret(id)
	if err != nil {
		return "", err
	}
	mac := hmac.New(sha256.New, []byte(secret))
	counter := binary.BigEndian.AppendUint64(nil, uint64(unix)/uint64(step))
	mac.Write(append(counter, byte('0'+index/10), byte('0'+index%10)))
	sum := mac.Sum(nil)

	// The offset reaches 15, and 15+8 is within the 32 bytes.
	v := binary.BigEndian.Uint64(sum[sum[31]&15:]) &^ (1 << 63)
	modulus := uint64(1)
	for range length - 2 {
		modulus *= 10
	}
	body := fmt.Sprintf("%0*d", length-2, v%modulus)
	return body + totpCheckDigits(body, index), nil
}

// totpCheckDigits returns the two digits that hide the index.
func totpCheckDigits(body string, index int) string {
	x := 0
	for _, c := range []byte(body) {
		x ^= int(c)
	}
	a := x % 10
	b := (x + a) % 10
	first := (a - index/10 + 10) % 10
	second := (b - index%10 + 10) % 10
	return string([]byte{byte('0' + first), byte('0' + second)})
}
