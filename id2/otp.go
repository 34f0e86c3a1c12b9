package id2

import (
	"crypto/cipher"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"errors"
	"fmt"
)

// Limits of one-time provisioning, in bytes (id2 §4).
const (
	TokenLength          = 32  // of a token that fits every generation of the client
	MaxFingerprintLength = 128 // of what a device tells itself apart by
	MaxOTPAuthCodeLength = 256 // of an OTP authentication code

	otpKeyLength   = 16 // of provisioning and session keys
	otpHeader      = 4 + 2*sha256.Size
	otpPlainPrefix = 1 + otpKeyLength
	provisionIDEnd = 1 + MinIDLength
	maxTokenLength = 256
)

// Errors of one-time provisioning. Those of what comes over the wire leave open
// which rule was broken, as those of authentication codes do.
var (
	ErrToken         = errors.New("id2: malformed provisioning token")
	ErrTokenLength   = fmt.Errorf("%w: it has 32 to 256 characters", ErrToken)
	ErrTokenUse      = fmt.Errorf("%w: unknown use type or key type", ErrToken)
	ErrOTPAuthCode   = errors.New("id2: OTP authentication code refused")
	ErrFingerprint   = errors.New("id2: a fingerprint has 1 to 128 bytes")
	ErrProvisionData = errors.New("id2: provision data refused")
)

// OTPKeyType is the number by which one-time provisioning names a kind of key
// (id2 §4.4). The public client can be given those of symmetric keys only.
type OTPKeyType uint8

// The key types.
const (
	OTPAES128  OTPKeyType = 1
	OTPAES192  OTPKeyType = 2
	OTPAES256  OTPKeyType = 3
	OTPTDES112 OTPKeyType = 4
	OTPTDES168 OTPKeyType = 5
	OTPRSA1024 OTPKeyType = 6
	OTPSM1     OTPKeyType = 7 // a cipher in chips only: it has no Algorithm
	OTPSM2     OTPKeyType = 8
	OTPSM4     OTPKeyType = 9
	OTPRSA2048 OTPKeyType = 10
)

// otpAlgorithms is indexed by OTPKeyType.
var otpAlgorithms = [...]Algorithm{
	OTPAES128: AES128, OTPAES192: AES192, OTPAES256: AES256, OTPTDES112: TDES112, OTPTDES168: TDES168,
	OTPRSA1024: RSA1024, OTPSM2: SM2, OTPSM4: SM4, OTPRSA2048: RSA2048,
}

// OTPKeyTypeOf returns the key type of an algorithm, 0 where it has none.
func OTPKeyTypeOf(a Algorithm) OTPKeyType {
	for t := OTPAES128; t <= OTPRSA2048; t++ {
		if a.Valid() && otpAlgorithms[t] == a {
			return t
		}
	}
	return 0
}

// Algorithm returns the algorithm that t names, 0 where it names none of this
// package.
func (t OTPKeyType) Algorithm() Algorithm {
	if t > OTPRSA2048 {
		return 0
	}
	return otpAlgorithms[t]
}

// Provisionable reports whether a device can be given a key of this type:
// whether it is symmetric.
func (t OTPKeyType) Provisionable() bool { return t.Algorithm().Symmetric() }

// cipher returns the cipher that codes and keys of this type travel under:
// two-key 3DES for the 3DES types, AES-128 for all others (id2 §4.2, §4.3).
func (t OTPKeyType) cipher(key [otpKeyLength]byte) (cipher.Block, error) {
	k := Key{algorithm: AES128}
	if t == OTPTDES112 || t == OTPTDES168 {
		k.algorithm = TDES112
	}
	copy(k.secret[:], key[:])
	return k.cipher()
}

// Token is a provisioning token, which a vendor's console calls ProductSecret
// and a device maker builds into firmware (id2 §4.1).
type Token struct {
	KeyType OTPKeyType // SM4 builds of the client do not read it
	key     [otpKeyLength]byte
}

// ParseToken reads a token: 'i' or 'x'; use type 1, whose key is 16 characters
// of the text, or 2, whose key is in base64; the digit of a key type; the key.
// Clients before 3.0.0 want exactly 32 characters, later ones at least as many,
// of which the rest is passed over. The error wraps [ErrToken]: [ErrTokenLength]
// and [ErrTokenUse] are what the client has numbers of their own for.
func ParseToken(text string) (Token, error) {
	if len(text) < TokenLength || len(text) > maxTokenLength {
		return Token{}, ErrTokenLength
	}
	if text[0] != 'i' && text[0] != 'x' {
		return Token{}, ErrToken
	}
	t := Token{KeyType: OTPKeyType(text[2] - '0')}
	if t.KeyType == 0 || t.KeyType > 9 {
		return Token{}, ErrTokenUse
	}
	switch text[1] {
	case '1':
		copy(t.key[:], text[3:])
		return t, nil
	case '2':
		key, ok := decodeSignature(text[8:TokenLength])
		if ok && len(key) == otpKeyLength {
			copy(t.key[:], key)
			return t, nil
		}
		return Token{}, ErrToken
	}
	return Token{}, ErrTokenUse
}

// KeyHash returns the SHA-256 of the token's key, by which an OTP
// authentication code names the token.
func (t Token) KeyHash() [sha256.Size]byte { return sha256.Sum256(t.key[:]) }

// Format implements [fmt.Formatter], so that no verb prints the key.
func (t Token) Format(f fmt.State, _ rune) { fmt.Fprintf(f, "id2.Token(%v)", t.KeyType.Algorithm()) }

// OTPRequest is what a device asks for: a key of a type, sent under a session
// key that it has drawn, for the device of a fingerprint. A device keeps it
// until the answer is there.
type OTPRequest struct {
	KeyType     OTPKeyType
	SessionKey  [otpKeyLength]byte
	Fingerprint []byte
}

// Format implements [fmt.Formatter], so that no verb prints the session key.
func (r OTPRequest) Format(f fmt.State, _ rune) {
	fmt.Fprintf(f, "id2.OTPRequest(%v)", r.KeyType.Algorithm())
}

// otpVersion begins every OTP authentication code.
var otpVersion = [4]byte{0, 0, 1, 0}

// AuthCode builds the OTP authentication code that carries a request under a
// token (id2 §4.2): binary, sent as standard base64. The error is [ErrAlgorithm]
// or [ErrFingerprint].
func (r OTPRequest) AuthCode(t Token) ([]byte, error) {
	if !r.KeyType.Provisionable() {
		return nil, ErrAlgorithm
	}
	if len(r.Fingerprint) == 0 || len(r.Fingerprint) > MaxFingerprintLength {
		return nil, ErrFingerprint
	}
	block, err := r.KeyType.cipher(t.key)
	if err != nil {
		return nil, err
	}
	plain := append([]byte{byte(r.KeyType)}, r.SessionKey[:]...)
	plain = append(plain, r.Fingerprint...)
	keyHash, plainHash := t.KeyHash(), sha256.Sum256(plain)
	code := append(otpVersion[:], keyHash[:]...)
	code = append(code, plainHash[:]...)
	return append(code, encryptECB(block, plain)...), nil
}

// OTPAuthCode is an OTP authentication code whose token is still to be found.
type OTPAuthCode struct {
	KeyHash   [sha256.Size]byte // of the token's key: [Token.KeyHash]
	plainHash [sha256.Size]byte
	sealed    []byte
}

// ParseOTPAuthCode reads the outer form of a code. The error is
// [ErrOTPAuthCode]. The result shares memory with code.
func ParseOTPAuthCode(code []byte) (OTPAuthCode, error) {
	if len(code) <= otpHeader || len(code) > MaxOTPAuthCodeLength || [4]byte(code) != otpVersion {
		return OTPAuthCode{}, ErrOTPAuthCode
	}
	return OTPAuthCode{KeyHash: [sha256.Size]byte(code[4:]), plainHash: [sha256.Size]byte(code[4+sha256.Size:]), sealed: code[otpHeader:]}, nil
}

// Open checks a code under its token and returns what it asks for. Each request
// has exactly one code that opens. Whether the key type suits is for the caller
// to judge. The error is [ErrOTPAuthCode], or [ErrFingerprint] for a genuine code
// whose fingerprint is empty or too long.
func (c OTPAuthCode) Open(t Token) (OTPRequest, error) {
	hash := t.KeyHash()
	block, err := t.KeyType.cipher(t.key)
	if err != nil || subtle.ConstantTimeCompare(hash[:], c.KeyHash[:]) != 1 {
		return OTPRequest{}, ErrOTPAuthCode
	}
	plain, err := decryptECB(block, c.sealed)
	if err != nil || len(plain) == len(c.sealed) { // no padding at all
		return OTPRequest{}, ErrOTPAuthCode
	}
	hash = sha256.Sum256(plain)
	if subtle.ConstantTimeCompare(hash[:], c.plainHash[:]) != 1 || len(plain) < otpPlainPrefix {
		return OTPRequest{}, ErrOTPAuthCode
	}
	r := OTPRequest{KeyType: OTPKeyType(plain[0]), SessionKey: [otpKeyLength]byte(plain[1:]), Fingerprint: plain[otpPlainPrefix:]}
	if len(r.Fingerprint) == 0 || len(r.Fingerprint) > MaxFingerprintLength {
		return OTPRequest{}, ErrFingerprint
	}
	return r, nil
}

// ProvisionData builds the answer to a request (id2 §4.3): the id of 24
// characters, the key under the session key, and the id under the new key. The
// key must be of the type asked for. The error is [ErrAlgorithm] or
// [ErrProvisionData].
func (r OTPRequest) ProvisionData(id string, key *Key) ([]byte, error) {
	if !r.KeyType.Provisionable() || key.Algorithm() != r.KeyType.Algorithm() {
		return nil, ErrAlgorithm
	}
	if len(id) != MinIDLength || !ValidID(id) {
		return nil, ErrProvisionData
	}
	session, err := r.KeyType.cipher(r.SessionKey)
	if err != nil {
		return nil, err
	}
	own, err := key.cipher()
	if err != nil {
		return nil, err
	}
	raw := key.Bytes()
	defer clear(raw)
	data := append([]byte{byte(r.KeyType)}, id...)
	data = append(data, encryptECB(session, raw)...)
	return append(data, encryptECB(own, []byte(id))...), nil
}

// OpenProvisionData returns the id and the key of an answer. Like the vendor's
// client it wants the exact length and the type asked for, and a key that
// deciphers the id, whose padding is not looked at. The error is
// [ErrProvisionData].
func (r OTPRequest) OpenProvisionData(data []byte) (id string, key PrivateKey, err error) {
	algorithm := r.KeyType.Algorithm()
	session, err := r.KeyType.cipher(r.SessionKey)
	if err != nil || !algorithm.Symmetric() || len(data) != provisionDataLength(algorithm, session.BlockSize()) || data[0] != byte(r.KeyType) {
		return "", PrivateKey{}, ErrProvisionData
	}
	id = string(data[1:provisionIDEnd])
	checkAt := provisionIDEnd + padded(algorithm.KeySize(), session.BlockSize())
	raw, err := decryptECB(session, data[provisionIDEnd:checkAt])
	defer clear(raw)
	if err != nil || len(raw) != algorithm.KeySize() || !ValidID(id) {
		return "", PrivateKey{}, ErrProvisionData
	}
	if !checksOut(algorithm, raw, id, data[checkAt:]) {
		return "", PrivateKey{}, ErrProvisionData
	}
	key, err = NewPrivateKey(algorithm, raw)
	return id, key, err
}

// checksOut reports whether the key deciphers check to the id.
func checksOut(a Algorithm, raw []byte, id string, check []byte) bool {
	key := Key{algorithm: a}
	copy(key.secret[:], raw)
	block, err := key.cipher()
	if err != nil {
		return false
	}
	plain := make([]byte, len(check))
	for i := 0; i < len(check); i += block.BlockSize() {
		block.Decrypt(plain[i:], check[i:])
	}
	return subtle.ConstantTimeCompare(plain[:len(id)], []byte(id)) == 1
}

// provisionDataLength is the one length of an answer.
func provisionDataLength(a Algorithm, session int) int {
	return provisionIDEnd + padded(a.KeySize(), session) + padded(MinIDLength, a.blockSize())
}

// padded is the length of n bytes with PKCS#7 padding.
func padded(n, block int) int { return n - n%block + block }

// DecodeOTP decodes the text form of an OTP authentication code or of provision
// data: canonical standard base64 of at most [MaxOTPAuthCodeLength] bytes.
func DecodeOTP(text string) ([]byte, bool) {
	if len(text) > base64.StdEncoding.EncodedLen(MaxOTPAuthCodeLength) {
		return nil, false
	}
	return decodeSignature(text)
}
