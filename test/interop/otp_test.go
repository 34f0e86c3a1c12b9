package interop

import (
	"bytes"
	"crypto/aes"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"testing"
)

// Key types of one-time provisioning (id2 §4.4).
const (
	otpAES128 = 1
	otpAES192 = 2
)

// otpDevice is a device before it has an identity (id2 §4).
type otpDevice struct {
	key         []byte // of the product's token
	session     []byte // drawn for the last code
	fingerprint string
}

// newOTPDevice makes one of a product's token, in either of its forms (id2 §4.1).
func newOTPDevice(t *testing.T, token, fingerprint string) *otpDevice {
	t.Helper()
	if len(token) < 32 {
		t.Fatalf("the token has %d characters", len(token))
	}
	if token[1] == '1' {
		return &otpDevice{key: []byte(token[3:19]), fingerprint: fingerprint}
	}
	key, err := base64.StdEncoding.DecodeString(token[8:32])
	if err != nil {
		t.Fatal(err)
	}
	return &otpDevice{key: key, fingerprint: fingerprint}
}

// code asks for a key of a type (id2 §4.2).
func (d *otpDevice) code(t *testing.T, keyType byte) string {
	t.Helper()
	d.session = make([]byte, 16)
	if _, err := rand.Read(d.session); err != nil {
		t.Fatal(err)
	}
	plain := append(append([]byte{keyType}, d.session...), d.fingerprint...)
	n := aes.BlockSize - len(plain)%aes.BlockSize
	sealed, err := device{key: d.key}.crypt(append(plain, bytes.Repeat([]byte{byte(n)}, n)...), false)
	if err != nil {
		t.Fatal(err)
	}
	keyHash, plainHash := sha256.Sum256(d.key), sha256.Sum256(plain)
	code := append([]byte{0, 0, 1, 0}, keyHash[:]...)
	return base64.StdEncoding.EncodeToString(append(append(code, plainHash[:]...), sealed...))
}

// open takes an AES-128 identity out of the server's answer (id2 §4.3): key
// type, id, key under the session key, id under the key.
func (d *otpDevice) open(data []byte) (device, error) {
	if len(data) != 1+24+32+32 || data[0] != otpAES128 {
		return device{}, errors.New("no identity of an AES-128 device")
	}
	key, err := device{key: d.session}.crypt(data[25:57], true)
	if err != nil {
		return device{}, err
	}
	got := device{id: string(data[1:25]), key: key[:16]}
	check, err := got.crypt(data[57:], true)
	if err != nil || string(check[:24]) != got.id {
		return device{}, errors.New("the key does not open its own id")
	}
	return got, nil
}
