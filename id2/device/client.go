package device

import (
	"encoding/hex"
	"fmt"
	"io"
	"strings"
	"sync"

	"github.com/hallmark-id/hallmark/id2"
)

// MaxDecryptLength is the longest ciphertext in bytes that [Client.Decrypt]
// takes (id2 §2.2, 3.1.0). Servers keep to 512.
const MaxDecryptLength = 1024

// Carrier keeps a device's identity and does what needs its key. Its methods may
// be called from several goroutines at once. Without an identity every method
// that returns an error returns one that wraps [ErrItemNotFound].
type Carrier interface {
	// ID returns the id as it is stored: up to 48 characters, where a chip
	// may hold fewer than 24 raw bytes (id2 §5).
	ID() (string, error)
	// Algorithm returns the algorithm of the key.
	Algorithm() (id2.Algorithm, error)
	// Hash returns the digest that this device's codes are made with.
	Hash() (id2.Hash, error)
	// Sign returns S(key, msg) of id2 §2.1.
	Sign(msg []byte) ([]byte, error)
	// VerifyServer returns nil if signature is the server's over msg: made
	// with the same key if it is symmetric, otherwise with the key pair of
	// the server, as far as the carrier knows it.
	VerifyServer(msg, signature []byte) error
	// Decrypt opens what a server encrypted to the device (id2 §2.2).
	Decrypt(ciphertext []byte) ([]byte, error)
}

// Client is the device side of the protocol. It is safe for concurrent use if
// its source of randomness is.
type Client struct {
	carrier Carrier
	rand    io.Reader

	mu  sync.Mutex
	otp *id2.OTPRequest // guarded by mu; the last one, until its answer was loaded
}

// NewClient returns a client for the identity in carrier. rand is a secure
// source for device randoms, challenges and session keys, in general [crypto/rand.Reader].
func NewClient(carrier Carrier, rand io.Reader) *Client {
	return &Client{carrier: carrier, rand: rand}
}

// ID returns the device's id. Of fewer than 24 stored bytes it is the
// upper-case hex text (id2 §5). The error wraps [ErrItemNotFound] without an
// identity and [ErrGeneric] if what is stored cannot be an id.
func (c *Client) ID() (string, error) {
	id, err := c.carrier.ID()
	if err != nil {
		return "", fromProtocol(err)
	}
	if len(id) < id2.MinIDLength {
		id = strings.ToUpper(hex.EncodeToString([]byte(id)))
	}
	if !id2.ValidID(id) {
		return "", fmt.Errorf("%w: stored id of %d characters", ErrGeneric, len(id))
	}
	return id, nil
}

// ChallengeAuthCode answers a server's challenge of 1 to 32 bytes (id2 §1). A
// nil extra is none; otherwise it has 1 to 512 bytes, which the server must be
// told by other means.
//
// The error wraps [ErrBadParameters] for the challenge, [ErrExcessData] for the
// extra, [ErrItemNotFound] without an identity, in this order, or what the
// carrier or the source of randomness returned. A '~' in the challenge is
// signed, as the vendor's client does, but the resulting text has six fields and
// no server accepts it.
func (c *Client) ChallengeAuthCode(challenge string, extra []byte) (string, error) {
	return c.authCode(id2.Challenge, challenge, extra)
}

// TimestampAuthCode is [Client.ChallengeAuthCode] for a time that the device
// knows, in decimal milliseconds since 1970.
func (c *Client) TimestampAuthCode(timestamp string, extra []byte) (string, error) {
	return c.authCode(id2.Timestamp, timestamp, extra)
}

func (c *Client) authCode(kind id2.Kind, value string, extra []byte) (string, error) {
	if len(value) == 0 || len(value) > id2.MaxValueLength || strings.IndexByte(value, 0) >= 0 {
		return "", fmt.Errorf("%w: challenge or timestamp of %d bytes", ErrBadParameters, len(value))
	}
	if err := checkExtra(extra); err != nil {
		return "", err
	}
	if extra != nil {
		kind |= id2.ChallengeExtra
	}
	id, err := c.ID()
	if err != nil {
		return "", err
	}
	random, err := c.randomHex(id2.DeviceRandomLength)
	if err != nil {
		return "", err
	}
	hash, err := c.carrier.Hash()
	if err != nil {
		return "", fromProtocol(err)
	}
	signature, err := c.carrier.Sign(id2.AppendMessage(nil, id, random, value, extra))
	if err != nil {
		return "", fromProtocol(err)
	}
	code := id2.AuthCode{Kind: kind, Hash: hash, DeviceRandom: random, Value: value, Signature: signature}
	return code.String(), nil
}

// Decrypt opens what a server encrypted to the device (id2 §2.2), 1 to 1024
// bytes. The error wraps [ErrBadParameters] for nothing or no whole number of
// blocks, [ErrExcessData], [ErrItemNotFound], or [ErrGeneric] for anything that
// the key does not open.
func (c *Client) Decrypt(ciphertext []byte) ([]byte, error) {
	if len(ciphertext) == 0 {
		return nil, fmt.Errorf("%w: nothing to decrypt", ErrBadParameters)
	}
	if len(ciphertext) > MaxDecryptLength {
		return nil, fmt.Errorf("%w: %d bytes to decrypt", ErrExcessData, len(ciphertext))
	}
	plain, err := c.carrier.Decrypt(ciphertext)
	return plain, fromProtocol(err)
}

// DeviceChallenge returns a fresh challenge for a server: n upper-case hex
// digits, at most 128 whatever n (id2 §3). The caller keeps it for
// [Client.VerifyServerCode], once. The error wraps [ErrBadParameters] if n is not
// positive.
func (c *Client) DeviceChallenge(n int) (string, error) {
	if n <= 0 {
		return "", fmt.Errorf("%w: challenge of %d digits", ErrBadParameters, n)
	}
	return c.randomHex(min(n, id2.MaxDeviceChallengeLength))
}

// VerifyServerCode checks a server's answer to the challenge that the device gave
// it (id2 §3). A nil extra is none expected; otherwise it has 1 to 512 bytes.
//
// The error wraps [ErrBadParameters] without a code or challenge, [ErrExcessData]
// for too long a challenge or extra, [ErrItemNotFound] without an identity, and
// [ErrGeneric] if the code is refused.
func (c *Client) VerifyServerCode(code, deviceChallenge string, extra []byte) error {
	if code == "" || deviceChallenge == "" {
		return fmt.Errorf("%w: no server code or no challenge", ErrBadParameters)
	}
	if err := checkExtra(extra); err != nil {
		return err
	}
	if len(deviceChallenge) > id2.MaxDeviceChallengeLength {
		return fmt.Errorf("%w: challenge of %d bytes", ErrExcessData, len(deviceChallenge))
	}
	id, err := c.ID()
	if err != nil {
		return err
	}
	hash, err := c.carrier.Hash()
	if err != nil {
		return fromProtocol(err)
	}
	var carrierErr error
	verify := func(_ id2.Hash, msg, signature []byte) bool {
		carrierErr = c.carrier.VerifyServer(msg, signature)
		return carrierErr == nil
	}
	err = id2.CheckServerCode(verify, hash, id, deviceChallenge, extra, extra != nil, code)
	if carrierErr != nil {
		err = carrierErr
	}
	return fromProtocol(err)
}

// checkExtra applies the limits of generations since 2.0.0 (id2 §1.3): an extra
// that is there must not be empty.
func checkExtra(extra []byte) error {
	if len(extra) > id2.MaxExtraLength || (extra != nil && len(extra) == 0) {
		return fmt.Errorf("%w: extra of %d bytes", ErrExcessData, len(extra))
	}
	return nil
}

// randomHex returns n random upper-case hex digits.
func (c *Client) randomHex(n int) (string, error) {
	b := make([]byte, (n+1)/2)
	if _, err := io.ReadFull(c.rand, b); err != nil {
		return "", fmt.Errorf("%w: random: %w", ErrGeneric, err)
	}
	return strings.ToUpper(hex.EncodeToString(b))[:n], nil
}
