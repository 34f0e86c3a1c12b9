package ciss

import (
	"bytes"
	"crypto/cipher"
	"crypto/subtle"
	"encoding/base64"
	"errors"
	"io"
	"strings"
)

// blockSize is the size of SM4's blocks and keys.
const blockSize = 16

// Room for the usual Base64 texts, on the stack because the sizes are constants.
const (
	usualText   = 4 << 10 // of a loginVerify with a certificate of a kilobyte
	usualAnswer = 256
)

// seal encrypts a message and returns its text: percent-encoded Base64 of
// SM4-CBC with PKCS#7 padding (ciss §0), and the IV in front if it is random.
func (c *Channel) seal(plain []byte) (string, error) {
	iv, prefix := c.iv, 0
	if c.settings.IV == IVPrefix {
		iv, prefix = make([]byte, blockSize), blockSize
		if _, err := io.ReadFull(c.random, iv); err != nil {
			return "", errors.New("ciss: no randomness for an IV: " + err.Error())
		}
	}
	out := make([]byte, 0, prefix+len(plain)+blockSize)
	out = append(append(out, iv[:prefix]...), plain...)
	out = pad(out) // the prefix is one whole block
	cipher.NewCBCEncrypter(c.block, iv).CryptBlocks(out[prefix:], out[prefix:])
	return encodeText(out), nil
}

// encodeText percent-encodes what of Base64 has another meaning in a form.
func encodeText(sealed []byte) string {
	digits := base64.StdEncoding.AppendEncode(make([]byte, 0, usualAnswer), sealed)
	text := make([]byte, 0, 2*usualAnswer)
	for _, b := range digits {
		switch b {
		case '+':
			text = append(text, "%2B"...)
		case '/':
			text = append(text, "%2F"...)
		case '=':
			text = append(text, "%3D"...)
		default:
			text = append(text, b)
		}
	}
	return string(text)
}

// unseal decrypts a text into its padded message.
func (c *Channel) unseal(text string) ([]byte, error) {
	sealed, err := decodeText(text)
	if err != nil {
		return nil, err
	}
	iv := c.iv
	if c.settings.IV == IVPrefix {
		if len(sealed) < 2*blockSize {
			return nil, &Fault{"ciphertext shorter than an IV and a block"}
		}
		iv, sealed = sealed[:blockSize], sealed[blockSize:]
	}
	cipher.NewCBCDecrypter(c.block, iv).CryptBlocks(sealed, sealed)
	return sealed, nil
}

// decodeText undoes the text encodings: percent-encoding if there is any, then
// Base64. Peers that forget to percent-encode lose a plus sign to a blank on the
// way (ciss §2.5).
func decodeText(text string) ([]byte, error) {
	if len(text) > MaxBody {
		return nil, &Fault{"too long"}
	}
	digits, ok := appendUnescaped(make([]byte, 0, usualText), text)
	if !ok {
		return nil, &Fault{"wrong percent-encoding"}
	}
	if bytes.IndexByte(digits, '\r') >= 0 || bytes.IndexByte(digits, '\n') >= 0 { // which the decoder would skip
		return nil, &Fault{"line break in Base64"}
	}
	if bytes.IndexByte(digits, ' ') >= 0 {
		digits = bytes.ReplaceAll(digits, []byte(" "), []byte("+"))
	}
	sealed := make([]byte, base64.StdEncoding.DecodedLen(len(digits)))
	n, err := base64.StdEncoding.Strict().Decode(sealed, digits)
	if err != nil {
		return nil, &Fault{"not Base64"}
	}
	if n == 0 || n%blockSize != 0 {
		return nil, &Fault{"ciphertext is not of whole blocks"}
	}
	return sealed[:n], nil
}

// appendUnescaped undoes percent-encoding.
func appendUnescaped(out []byte, text string) ([]byte, bool) {
	for {
		i := strings.IndexByte(text, '%')
		if i < 0 {
			return append(out, text...), true
		}
		if len(text) < i+3 || !isHex(text[i+1:i+3]) {
			return nil, false
		}
		out = append(out, text[:i]...)
		out = append(out, unhexDigit(text[i+1])<<4|unhexDigit(text[i+2]))
		text = text[i+3:]
	}
}

// unpad returns a message without its padding. It looks at the whole last block
// whatever it finds there.
func unpad(padded []byte) ([]byte, bool) {
	last := padded[len(padded)-blockSize:]
	n := int(last[blockSize-1])
	good := subtle.ConstantTimeLessOrEq(1, n) & subtle.ConstantTimeLessOrEq(n, blockSize)
	for i, b := range last {
		inside := subtle.ConstantTimeLessOrEq(blockSize-i, n)
		good &= subtle.ConstantTimeSelect(inside, subtle.ConstantTimeByteEq(b, byte(n)), 1)
	}
	if good == 0 {
		return nil, false
	}
	return padded[:len(padded)-n], true
}
