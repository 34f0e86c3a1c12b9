package id2

import (
	"crypto/subtle"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"strings"
)

// Errors of building a server code.
var (
	ErrDeviceChallenge = errors.New("id2: device challenge must have 1 to 128 characters and no '~'")
	ErrExtra           = errors.New("id2: extra is too long, or given where none is announced")
)

// maxServerCodeLength bounds the text of a server code in bytes.
const maxServerCodeLength = 5 + MaxDeviceChallengeLength + 1 + maxSignatureText

// ServerCode returns the server's authentication code for a device with this
// symmetric key (id2 §3). The challenge is the device's, 1..128 bytes without
// '~'; hasExtra tells whether the code is of type 11, which announces an extra
// of at most 512 bytes. An empty announced extra is built as asked, though no
// 2.x or 3.x device accepts it.
//
// The error is [ErrAlgorithm] for an asymmetric key (use [PrivateKey.ServerCode]
// with the product's own key), [ErrHash], [ErrDeviceChallenge] or [ErrExtra].
func (k *Key) ServerCode(h Hash, id, deviceChallenge string, extra []byte, hasExtra bool) (string, error) {
	msg, err := serverMessage(id, deviceChallenge, extra, hasExtra)
	if err != nil {
		return "", err
	}
	signature, err := k.signSymmetric(h, msg)
	if err != nil {
		return "", err
	}
	return serverCodeText(h, deviceChallenge, hasExtra, signature), nil
}

// ServerCode is [Key.ServerCode] made with a private key: the product's own
// server key for asymmetric products, whose public part their devices hold.
func (p *PrivateKey) ServerCode(rand io.Reader, h Hash, id, deviceChallenge string, extra []byte, hasExtra bool) (string, error) {
	msg, err := serverMessage(id, deviceChallenge, extra, hasExtra)
	if err != nil {
		return "", err
	}
	signature, err := p.Sign(rand, h, msg)
	if err != nil {
		return "", err
	}
	return serverCodeText(h, deviceChallenge, hasExtra, signature), nil
}

// CheckServerCode makes the checks of a device on the code a server sent it, in
// the device's order (id2 §3): type, digest, challenge, signature. verify checks a
// signature of the server: [Key.Verify] of the device's symmetric key or the
// server's public key, or what the device's hardware offers. h is the digest the
// device is built with; hasExtra tells whether its program expects an extra.
//
// The error wraps [ErrServerCode]; its text names the first check that failed.
func CheckServerCode(verify func(h Hash, msg, signature []byte) bool, h Hash, id, deviceChallenge string, extra []byte, hasExtra bool, code string) error {
	c, err := parseServerCode(code)
	if err != nil {
		return err
	}
	switch {
	case c.hasExtra != hasExtra:
		return fmt.Errorf("%w: extra expected or sent by one side only", ErrServerCode)
	case c.hash != h:
		return fmt.Errorf("%w: digest %v, device uses %v", ErrServerCode, c.hash, h)
	case subtle.ConstantTimeCompare([]byte(c.deviceChallenge), []byte(deviceChallenge)) != 1:
		return fmt.Errorf("%w: answers another challenge", ErrServerCode)
	}
	msg, err := serverMessage(id, deviceChallenge, extra, hasExtra)
	if err != nil {
		return fmt.Errorf("%w: %w", ErrServerCode, err)
	}
	if !verify(h, msg, c.signature) {
		return fmt.Errorf("%w: wrong signature", ErrServerCode)
	}
	return nil
}

// serverCode holds the fields of a server authentication code.
type serverCode struct {
	hasExtra        bool
	hash            Hash
	deviceChallenge string
	signature       []byte
}

// parseServerCode reads the text form of id2 §3: four fields, type 10 or 11, a
// digest digit 0..3, a challenge of 1..128 bytes, canonical base64.
func parseServerCode(s string) (serverCode, error) {
	if len(s) < 6 || len(s) > maxServerCodeLength || s[2] != '~' || s[4] != '~' {
		return serverCode{}, fmt.Errorf("%w: malformed", ErrServerCode)
	}
	if s[0] != '1' || (s[1] != '0' && s[1] != '1') {
		return serverCode{}, fmt.Errorf("%w: type is not 10 or 11", ErrServerCode)
	}
	hash := s[3] - '0'
	challenge, text, found := strings.Cut(s[5:], "~")
	if hash > 3 || !found || len(challenge) == 0 || len(challenge) > MaxDeviceChallengeLength {
		return serverCode{}, fmt.Errorf("%w: malformed", ErrServerCode)
	}
	signature, ok := decodeSignature(text)
	if !ok {
		return serverCode{}, fmt.Errorf("%w: malformed signature", ErrServerCode)
	}
	return serverCode{s[1] == '1', Hash(hash), challenge, signature}, nil
}

// serverMessage returns the signed message of a server code. Other than in
// device codes zero bytes of the extra are kept: devices copy it by length.
func serverMessage(id, deviceChallenge string, extra []byte, hasExtra bool) ([]byte, error) {
	if len(deviceChallenge) == 0 || len(deviceChallenge) > MaxDeviceChallengeLength ||
		strings.IndexByte(deviceChallenge, '~') >= 0 {
		return nil, ErrDeviceChallenge
	}
	if len(extra) > MaxExtraLength || (!hasExtra && len(extra) > 0) {
		return nil, ErrExtra
	}
	msg := make([]byte, 0, len(id)+len(deviceChallenge)+len(extra))
	msg = appendInverted(msg, id)
	msg = append(msg, deviceChallenge...)
	return append(msg, extra...), nil
}

// serverCodeText puts the four fields together.
func serverCodeText(h Hash, deviceChallenge string, hasExtra bool, signature []byte) string {
	b := make([]byte, 0, maxServerCodeLength)
	kind := byte('0')
	if hasExtra {
		kind = '1'
	}
	b = append(b, '1', kind, '~', '0'+byte(h), '~')
	b = append(b, deviceChallenge...)
	b = append(b, '~')
	return string(base64.StdEncoding.AppendEncode(b, signature))
}
