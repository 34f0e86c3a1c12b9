package interop

import (
	"bytes"
	"crypto/aes"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"testing"
	"time"
)

// device is an AES-128 device, worked out from the protocol note (id2 §1–§3).
type device struct {
	id  string
	key []byte
}

// crypt runs AES-ECB over whole blocks.
func (d device) crypt(data []byte, decrypt bool) ([]byte, error) {
	block, err := aes.NewCipher(d.key)
	if err != nil {
		return nil, err
	}
	if len(data)%aes.BlockSize != 0 {
		return nil, errors.New("not whole blocks")
	}
	out := make([]byte, len(data))
	for i := 0; i < len(data); i += aes.BlockSize {
		if decrypt {
			block.Decrypt(out[i:], data[i:])
		} else {
			block.Encrypt(out[i:], data[i:])
		}
	}
	return out, nil
}

// sign is the Base64 of the encrypted SHA-256 of a message (id2 §2.1).
func (d device) sign(message string) (string, error) {
	sum := sha256.Sum256([]byte(message))
	padded := append(sum[:], bytes.Repeat([]byte{aes.BlockSize}, aes.BlockSize)...)
	sig, err := d.crypt(padded, false)
	return base64.StdEncoding.EncodeToString(sig), err
}

// authCode is a device authentication code over a challenge or, when timestamp
// is true, over a time; extra may be empty (id2 §1).
func (d device) authCode(t *testing.T, value, extra string, timestamp bool) string {
	t.Helper()
	kind := 0
	if timestamp {
		kind |= 1
	}
	if extra != "" {
		kind |= 2
	}
	var random [8]byte
	if _, err := rand.Read(random[:]); err != nil {
		t.Fatal(err)
	}
	deviceRandom := strings.ToUpper(hex.EncodeToString(random[:]))
	sig, err := d.sign(d.id + deviceRandom + value + extra)
	if err != nil {
		t.Fatal(err)
	}
	return fmt.Sprintf("%d~2~%s~%s~%s", kind, deviceRandom, value, sig)
}

// timestampCode is an authentication code over the present.
func (d device) timestampCode(t *testing.T, extra string) string {
	t.Helper()
	return d.authCode(t, strconv.FormatInt(time.Now().UnixMilli(), 10), extra, true)
}

// decrypt opens what the server encrypted for the device (id2 §2.2).
func (d device) decrypt(text string) (string, error) {
	sealed, err := base64.StdEncoding.DecodeString(text)
	if err != nil {
		return "", err
	}
	plain, err := d.crypt(sealed, true)
	if err != nil {
		return "", err
	}
	if len(plain) == 0 {
		return "", errors.New("empty")
	}
	n := int(plain[len(plain)-1])
	if n < 1 || n > aes.BlockSize || !bytes.HasSuffix(plain, bytes.Repeat([]byte{byte(n)}, n)) {
		return "", errors.New("bad padding")
	}
	return string(plain[:len(plain)-n]), nil
}

// serverCode is the code that the server must answer to a device's challenge
// (id2 §3).
func (d device) serverCode(t *testing.T, challenge, extra string) string {
	t.Helper()
	kind := "10"
	if extra != "" {
		kind = "11"
	}
	const digits = "0123456789ABCDEF"
	inverted := strings.Map(func(r rune) rune {
		if i := strings.IndexRune(digits, r); i >= 0 {
			return rune(digits[15-i])
		}
		return r
	}, d.id)
	sig, err := d.sign(inverted + challenge + extra)
	if err != nil {
		t.Fatal(err)
	}
	return kind + "~2~" + challenge + "~" + sig
}

// tamper changes the signature of an authentication code.
func tamper(code string) string {
	at := strings.LastIndex(code, "~") + 1
	other := "A"
	if code[at] == 'A' {
		other = "B"
	}
	return code[:at] + other + code[at+1:]
}
