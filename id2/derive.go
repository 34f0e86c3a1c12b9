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
	MaxSeedDataLength   = 1024 // plaintext of Deriver.Encrypt
)

// Errors of derived values: a device gives the first of them the number -2, the
// second -4.
var (
	ErrDerive       = errors.New("id2: no seed, length or TOTP parameter out of range")
	ErrDeriveExcess = errors.New("id2: seed or data too long")
)

// Deriver makes the values that a server and a device both derive from the
// device's symmetric key (id2 §2.4), wherever the key is: see [Key.Deriver]. The
// errors of its methods are [ErrDerive] and [ErrDeriveExcess] for arguments,
// [ErrAlgorithm] for keys that have no such values, or those of its functions.
type Deriver struct {
	// Identity returns the device's id and the algorithm of its key. It is
	// not called before the arguments have been found good.
	Identity func() (id string, a Algorithm, err error)
	// Sign returns S(key, msg) of id2 §2.1 with the algorithm's native digest.
	Sign func(msg []byte) ([]byte, error)
}

// Deriver returns the deriver of the device with this id and key.
func (k *Key) Deriver(id string) Deriver {
	return Deriver{
		Identity: func() (string, Algorithm, error) { return id, k.algorithm, nil },
		Sign:     func(msg []byte) ([]byte, error) { return k.signSymmetric(k.algorithm.NativeHash(), msg) },
	}
}

// Secret returns the device's secret for a seed of 1 to 128 bytes: 64 upper-case
// hex digits.
func (d Deriver) Secret(seed string) (string, error) {
	if len(seed) == 0 {
		return "", ErrDerive
	}
	if len(seed) > MaxSeedLength {
		return "", ErrDeriveExcess
	}
	_, a, err := d.Identity()
	if err != nil {
		return "", err
	}
	return d.secret(a, seed)
}

func (d Deriver) secret(a Algorithm, seed string) (string, error) {
	digest, err := d.digest(a, seed)
	if err != nil {
		return "", err
	}
	defer clear(digest[:])
	return strings.ToUpper(hex.EncodeToString(digest[:])), nil
}

// Key returns n bytes, 1 to 32, of the key for a seed of 0 to 128 bytes; before
// 3.1.0 devices refuse an empty seed.
func (d Deriver) Key(seed string, n int) ([]byte, error) {
	if n < 1 || n > MaxDerivedKeyLength {
		return nil, ErrDerive
	}
	if len(seed) > MaxSeedLength {
		return nil, ErrDeriveExcess
	}
	id, a, err := d.Identity()
	if err != nil {
		return nil, err
	}
	return d.key(a, id+seed, n)
}

func (d Deriver) key(a Algorithm, input string, n int) ([]byte, error) {
	digest, err := d.digest(a, input)
	if err != nil {
		return nil, err
	}
	clear(digest[n:])
	return digest[:n:n], nil
}

// digest returns H(S(key, input)).
func (d Deriver) digest(a Algorithm, input string) (digest [maxDigestSize]byte, err error) {
	if !a.Symmetric() {
		return digest, ErrAlgorithm
	}
	signature, err := d.Sign([]byte(input))
	if err != nil {
		return digest, err
	}
	a.NativeHash().sum(&digest, signature)
	return digest, nil
}

// Encrypt returns what a 3.1.0 device makes of 1 to 1024 bytes of data under its
// key for the seed, of 0 to 128 bytes: ECB and PKCS#7 with AES-256 for AES of any
// size, with SM4 for SM4. Devices of other algorithms do not have it.
func (d Deriver) Encrypt(seed string, data []byte) ([]byte, error) {
	if len(data) == 0 {
		return nil, ErrDerive
	}
	if len(seed) > MaxSeedLength || len(data) > MaxSeedDataLength {
		return nil, ErrDeriveExcess
	}
	id, a, err := d.Identity()
	if err != nil {
		return nil, err
	}
	cipher := AES256
	switch a {
	case AES128, AES192, AES256:
	case SM4:
		cipher = SM4
	default:
		return nil, ErrAlgorithm
	}
	raw, err := d.key(a, id+seed, cipher.KeySize())
	if err != nil {
		return nil, err
	}
	defer clear(raw)
	derived, err := NewSymmetricKey(cipher, raw)
	if err != nil {
		return nil, err
	}
	return derived.Encrypt(nil, data)
}

// TOTP returns the one-time password of a 3.1.0 device: length digits, 6 to 16,
// for the Unix time in seconds, which must be past 0, divided into steps of 180
// to 1800 s, 0 being 180, and an index of 0 to 99, which the last two digits
// carry.
func (d Deriver) TOTP(unix int64, step, length, index int) (string, error) {
	if step == 0 {
		step = minTOTPStep
	}
	if unix <= 0 || step < minTOTPStep || step > maxTOTPStep || !validTOTPLength(length) || index < 0 || index > 99 {
		return "", ErrDerive
	}
	id, a, err := d.Identity()
	if err != nil {
		return "", err
	}
	secret, err := d.secret(a, id)
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
	a1, a2 := totpMask(body)
	return body + string([]byte{totpDigit(a1 - index/10), totpDigit(a2 - index%10)}), nil
}

// TOTPIndex returns the index that the last two digits of a one-time password
// carry. It does not check the password, which takes the key. The error is
// [ErrDerive] for text that is no 6 to 16 digits.
func TOTPIndex(password string) (int, error) {
	n := len(password)
	if !validTOTPLength(n) || strings.Trim(password, "0123456789") != "" {
		return 0, ErrDerive
	}
	a1, a2 := totpMask(password[:n-2])
	tens, ones := totpDigit(a1-int(password[n-2]-'0')), totpDigit(a2-int(password[n-1]-'0'))
	return 10*int(tens-'0') + int(ones-'0'), nil
}

// The limits of one-time passwords (id2 §2.4).
const (
	minTOTPStep = 180
	maxTOTPStep = 1800
)

func validTOTPLength(n int) bool { return n >= 6 && n <= 16 }

// totpMask returns the two numbers under 10 that hide the digits of the index.
func totpMask(body string) (a1, a2 int) {
	x := 0
	for _, c := range []byte(body) {
		x ^= int(c)
	}
	a1 = x % 10
	return a1, (x + a1) % 10
}

// totpDigit returns the digit of v modulo 10, for v from -9.
func totpDigit(v int) byte { return byte('0' + (v+10)%10) }
