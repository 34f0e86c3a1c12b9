package device

import (
	"fmt"

	"github.com/hallmark-id/hallmark/id2"
)

// Secret returns the device's secret for a seed of 1 to 128 bytes: 64 upper-case
// hex digits that the server can compute as well, with [id2.Key.Deriver] (id2
// §2.4).
//
// Secret, DeriveKey, Encrypt and TOTP use the key through [Carrier.Sign] alone
// and so work with keys in chips. Their errors wrap [ErrBadParameters] for what
// is missing or out of range, [ErrExcessData] for what is too long,
// [ErrItemNotFound] without an identity, in this order, and [ErrNotSupported]
// for asymmetric keys and for devices built with a digest other than that of
// their algorithm.
func (c *Client) Secret(seed string) (string, error) {
	secret, err := c.deriver().Secret(seed)
	return secret, fromProtocol(err)
}

// DeriveKey returns n bytes, 1 to 32, of the key for a seed of 0 to 128 bytes
// (id2 §2.4). It differs for every device.
func (c *Client) DeriveKey(seed string, n int) ([]byte, error) {
	key, err := c.deriver().Key(seed, n)
	return key, fromProtocol(err)
}

// Encrypt encrypts 1 to 1024 bytes under the device's key for a seed of 0 to 128
// bytes: ECB and PKCS#7, with AES-256 for AES of any size, with SM4 for SM4 (id2
// §2.4). Other algorithms do not have it. It is not the opposite of
// [Client.Decrypt], and equal blocks of data give equal blocks of ciphertext.
func (c *Client) Encrypt(seed string, data []byte) ([]byte, error) {
	ciphertext, err := c.deriver().Encrypt(seed, data)
	return ciphertext, fromProtocol(err)
}

// TOTP returns the one-time password of length digits, 6 to 16, for the Unix time
// in seconds, which must be past 0 (id2 §2.4). The time is divided into steps of
// 180 to 1800 s; a step of 0 is one of 180. An index of 0 to 99 tells passwords of
// the same step apart; [id2.TOTPIndex] reads it.
func (c *Client) TOTP(unix int64, step, length, index int) (string, error) {
	password, err := c.deriver().TOTP(unix, step, length, index)
	return password, fromProtocol(err)
}

func (c *Client) deriver() id2.Deriver {
	return id2.Deriver{Identity: c.derivable, Sign: c.carrier.Sign}
}

// derivable returns what derived values depend on beside the key.
func (c *Client) derivable() (string, id2.Algorithm, error) {
	id, err := c.ID()
	if err != nil {
		return "", 0, err
	}
	algorithm, err := c.carrier.Algorithm()
	if err != nil {
		return "", 0, err
	}
	hash, err := c.carrier.Hash()
	if err != nil {
		return "", 0, err
	}
	if hash != algorithm.NativeHash() {
		return "", 0, fmt.Errorf("%w: values derived with %v", ErrNotSupported, hash)
	}
	return id, algorithm, nil
}
