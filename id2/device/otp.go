package device

import (
	"errors"
	"fmt"
	"io"

	"github.com/hallmark-id/hallmark/id2"
)

// MaxOTPDataLength is the longest provision data in bytes that
// [Client.LoadOTPData] looks at. Real ones have 105 at most.
const MaxOTPDataLength = 1024

// identityTaker is a [Carrier] that can be given an identity: [Memory] and
// [File], not chips.
type identityTaker interface {
	// Set replaces the identity; when it fails the old one stays.
	Set(Identity) error
}

// Provisioned reports whether the carrier holds an identity.
func (c *Client) Provisioned() (bool, error) {
	_, err := c.ID()
	if errors.Is(err, ErrItemNotFound) {
		return false, nil
	}
	return err == nil, err
}

// OTPAuthCode asks a server for an identity: it returns the binary code that
// travels to OtpGetId2 in standard base64 (id2 §4.2). The token is the product's
// ProductSecret (产品密钥). The fingerprint, 1 to 128 bytes, is what the server
// knows the device by before it has an id: a serial number, the address of a
// network interface.
//
// The code holds a fresh session key, under which the answer comes back. The
// client keeps it in memory, until [Client.LoadOTPData] succeeds, another code is
// made, or [Client.Close]: the answer must reach the client that asked.
//
// The error wraps [ErrBadParameters] for a token shorter than 32 characters or no
// fingerprint, [ErrExcessData] for too long a fingerprint, [ErrGeneric] for a
// malformed token, [ErrNotSupported] for a token of an unknown use or of a key
// type that cannot be sent, and for a carrier that takes no identity; or it is
// that of the source of randomness.
func (c *Client) OTPAuthCode(token string, fingerprint []byte) ([]byte, error) {
	if len(fingerprint) == 0 {
		return nil, fmt.Errorf("%w: no fingerprint", ErrBadParameters)
	}
	if len(fingerprint) > id2.MaxFingerprintLength {
		return nil, fmt.Errorf("%w: fingerprint of %d bytes", ErrExcessData, len(fingerprint))
	}
	parsed, err := id2.ParseToken(token)
	if err != nil {
		return nil, fromProtocol(err)
	}
	if _, err := c.taker(); err != nil {
		return nil, err
	}
	request := id2.OTPRequest{KeyType: parsed.KeyType, Fingerprint: fingerprint}
	if _, err := io.ReadFull(c.rand, request.SessionKey[:]); err != nil {
		return nil, fmt.Errorf("%w: random: %w", ErrGeneric, err)
	}
	code, err := request.AuthCode(parsed)
	if err != nil {
		return nil, fromProtocol(err)
	}
	request.Fingerprint = nil // the caller's
	c.mu.Lock()
	defer c.mu.Unlock()
	c.otp = &request
	return code, nil
}

// LoadOTPData takes the identity out of a server's answer to the last
// [Client.OTPAuthCode], the ProvisionData decoded from base64 (id2 §4.3), and
// gives it to the carrier. From then on the client uses it.
//
// On any error nothing has changed: the carrier has the identity it had before, or
// none, and the session key waits for the right answer; [File.Set] names the one
// exception. The error wraps [ErrBadParameters] without data, [ErrExcessData]
// beyond [MaxOTPDataLength], [ErrNotSupported] for a carrier that takes no
// identity, and [ErrGeneric] if no code was made, or if the data does not answer
// the last code in every bit; or it is the carrier's.
func (c *Client) LoadOTPData(data []byte) error {
	if len(data) == 0 {
		return fmt.Errorf("%w: no provision data", ErrBadParameters)
	}
	if len(data) > MaxOTPDataLength {
		return fmt.Errorf("%w: %d bytes of provision data", ErrExcessData, len(data))
	}
	carrier, err := c.taker()
	if err != nil {
		return err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.otp == nil {
		return fmt.Errorf("%w: no OTP code waits for an answer", ErrGeneric)
	}
	id, key, err := c.otp.OpenProvisionData(data)
	if err != nil {
		return fromProtocol(err)
	}
	if err := carrier.Set(Identity{ID: id, Hash: key.Algorithm().NativeHash(), Key: key}); err != nil {
		return err
	}
	c.forgetOTP()
	return nil
}

// Close forgets the session key of an OTP code that has no answer yet. The client
// holds nothing else: whoever opened what the carrier needs closes that. A closed
// client can be used again.
func (c *Client) Close() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.forgetOTP()
}

// forgetOTP is called with the mutex held.
func (c *Client) forgetOTP() {
	if c.otp != nil {
		clear(c.otp.SessionKey[:])
		c.otp = nil
	}
}

// taker returns the carrier as one that can be given an identity.
func (c *Client) taker() (identityTaker, error) {
	if carrier, ok := c.carrier.(identityTaker); ok {
		return carrier, nil
	}
	return nil, fmt.Errorf("%w: the carrier takes no identity", ErrNotSupported)
}
