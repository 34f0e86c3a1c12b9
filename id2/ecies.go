package id2

import (
	"crypto/hmac"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/binary"
)

// The envelope of id2 §2.3:
//
//	48 01 mode 00 ‖ 04 ‖ X ‖ Y ‖ C ‖ T
//
// C is the plaintext XORed with a part of the key stream that hashing the ECDH
// secret yields; T is HMAC-SHA256 of C under another part. The mode tells which
// part comes first.
const (
	eciesMacFirst    = 0 // also opened by devices
	eciesCipherFirst = 1 // what the vendor's SDK makes
	eciesHeaderSize  = 4
	eciesTagSize     = sha256.Size
)

// eciesSize returns the length of the envelope of n bytes.
func eciesSize(fieldSize, n int) int {
	return eciesHeaderSize + 1 + 2*fieldSize + n + eciesTagSize
}

// eciesSeal builds an envelope from the ephemeral point, the x-coordinate of the
// shared point, and the plaintext.
func eciesSeal(point, z, plain []byte) []byte {
	encKey, macKey := eciesKeys(eciesCipherFirst, z, len(plain))
	out := make([]byte, 0, eciesHeaderSize+len(point)+len(plain)+eciesTagSize)
	out = append(out, 0x48, 0x01, eciesCipherFirst, 0x00)
	out = append(out, point...)
	start := len(out)
	out = append(out, plain...)
	subtle.XORBytes(out[start:], plain, encKey)
	return eciesTag(out, macKey, out[start:])
}

// eciesOpen opens an envelope; agree returns the shared x-coordinate for the
// ephemeral point. Whatever is wrong, the error is ErrDecrypt.
func eciesOpen(fieldSize int, envelope []byte, agree func(point []byte) ([]byte, error)) ([]byte, error) {
	bodyAt := eciesHeaderSize + 1 + 2*fieldSize
	if len(envelope) < bodyAt+eciesTagSize || envelope[0] != 0x48 || envelope[1] != 0x01 ||
		envelope[2] > eciesCipherFirst || envelope[3] != 0x00 {
		return nil, ErrDecrypt
	}
	z, err := agree(envelope[eciesHeaderSize:bodyAt])
	if err != nil {
		return nil, ErrDecrypt
	}
	body := envelope[bodyAt : len(envelope)-eciesTagSize]
	encKey, macKey := eciesKeys(envelope[2], z, len(body))
	if !hmac.Equal(eciesTag(nil, macKey, body), envelope[len(envelope)-eciesTagSize:]) {
		return nil, ErrDecrypt
	}
	plain := make([]byte, len(body))
	subtle.XORBytes(plain, body, encKey)
	return plain, nil
}

// eciesKeys derives the keys for n bytes of plaintext.
func eciesKeys(mode byte, z []byte, n int) (encKey, macKey []byte) {
	stream := make([]byte, 0, n+eciesTagSize+sha256.Size)
	input := append(append(make([]byte, 0, len(z)+4), z...), 0, 0, 0, 0)
	for counter := uint32(1); len(stream) < n+eciesTagSize; counter++ {
		binary.BigEndian.PutUint32(input[len(z):], counter)
		sum := sha256.Sum256(input)
		stream = append(stream, sum[:]...)
	}
	stream = stream[:n+eciesTagSize]
	if mode == eciesMacFirst {
		return stream[eciesTagSize:], stream[:eciesTagSize]
	}
	return stream[:n], stream[n:]
}

// eciesTag appends the tag of body to dst.
func eciesTag(dst, macKey, body []byte) []byte {
	mac := hmac.New(sha256.New, macKey)
	mac.Write(body)
	return mac.Sum(dst)
}
