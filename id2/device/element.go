package device

import (
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"errors"
	"fmt"
	"os"
	"sync"

	"github.com/emmansun/gmsm/sm3"

	"github.com/hallmark-id/hallmark/id2"
	"github.com/hallmark-id/hallmark/id2/se"
)

// SecureElement is a [Carrier] whose key is in a chip (id2 §7). It uses the key
// of number 00. As in the vendor's adapter, digests are made on the host, and the
// card encrypts and decrypts whole blocks.
type SecureElement struct {
	applet    *se.Applet
	algorithm id2.Algorithm
	symmetric se.Symmetric // unless algorithm is SM2
	serverKey id2.Key

	mu sync.Mutex
	id string // guarded by mu; empty until it was read
}

// NewSecureElement returns a carrier for the key in a card, which must be for
// algorithm a: 3DES, AES, SM4 or SM2. RSA is refused, as the vendor's 3.x adapter
// refuses it (id2 §2.1), with an error that wraps [ErrNotSupported], and so is
// every other algorithm.
//
// serverKey checks server codes if a is SM2; the zero Key refuses them all, with
// [ErrNotSupported]. Beside a symmetric algorithm it is not used.
func NewSecureElement(applet *se.Applet, a id2.Algorithm, serverKey id2.Key) (*SecureElement, error) {
	s := &SecureElement{applet: applet, algorithm: a, serverKey: serverKey}
	switch a {
	case id2.TDES112, id2.TDES168:
		s.symmetric = se.DESECB
	case id2.AES128, id2.AES192, id2.AES256:
		s.symmetric = se.AESECB
	case id2.SM4:
		s.symmetric = se.SM4ECB
	case id2.SM2:
	default:
		return nil, fmt.Errorf("%w: %v in a secure element", ErrNotSupported, a)
	}
	return s, nil
}

// ID implements [Carrier]. The card is asked until it has once given an id.
func (s *SecureElement) ID() (string, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.id != "" {
		return s.id, nil
	}
	_, id, err := s.applet.ID()
	if err != nil {
		return "", FromCard(err)
	}
	if len(id) > id2.MaxIDLength {
		return "", fmt.Errorf("%w: id of %d bytes", ErrGeneric, len(id))
	}
	s.id = string(id)
	return s.id, nil
}

// Algorithm implements [Carrier].
func (s *SecureElement) Algorithm() (id2.Algorithm, error) { return s.algorithm, nil }

// Hash implements [Carrier]: the digest that goes with the algorithm.
func (s *SecureElement) Hash() (id2.Hash, error) { return s.algorithm.NativeHash(), nil }

// Sign implements [Carrier].
func (s *SecureElement) Sign(msg []byte) ([]byte, error) {
	if s.algorithm == id2.SM2 {
		signature, err := s.applet.AsymmetricCrypt(se.Sign, se.SM2SM3, 0, msg)
		return signature, FromCard(err)
	}
	return s.crypt(se.Encrypt, padBlocks(s.digest(msg), s.symmetric.BlockSize()))
}

func (s *SecureElement) digest(msg []byte) []byte {
	if s.algorithm == id2.SM4 {
		d := sm3.Sum(msg)
		return d[:]
	}
	d := sha256.Sum256(msg)
	return d[:]
}

func (s *SecureElement) crypt(mode se.Mode, data []byte) ([]byte, error) {
	out, err := s.applet.SymmetricCrypt(se.SymmetricRequest{Mode: mode, Algorithm: s.symmetric, Data: data})
	return out, FromCard(err)
}

// VerifyServer implements [Carrier].
func (s *SecureElement) VerifyServer(msg, signature []byte) error {
	if s.algorithm == id2.SM2 {
		if s.serverKey.Algorithm() != id2.SM2 {
			return fmt.Errorf("%w: no server key", ErrNotSupported)
		}
		if !s.serverKey.Verify(id2.SM3, msg, signature) {
			return fmt.Errorf("%w: wrong signature", ErrGeneric)
		}
		return nil
	}
	want, err := s.Sign(msg)
	if err != nil {
		return err
	}
	if subtle.ConstantTimeCompare(want, signature) != 1 {
		return fmt.Errorf("%w: wrong signature", ErrGeneric)
	}
	return nil
}

// Decrypt implements [Carrier], for at most [MaxDecryptLength] bytes.
func (s *SecureElement) Decrypt(ciphertext []byte) ([]byte, error) {
	if len(ciphertext) > MaxDecryptLength {
		return nil, fmt.Errorf("%w: %d bytes to decrypt", ErrExcessData, len(ciphertext))
	}
	if s.algorithm == id2.SM2 {
		if len(ciphertext) == 0 {
			return nil, fmt.Errorf("%w: nothing to decrypt", ErrBadParameters)
		}
		plain, err := s.applet.AsymmetricCrypt(se.Decrypt, se.SM2SM3, 0, ciphertext)
		return plain, FromCard(err)
	}
	size := s.symmetric.BlockSize()
	if len(ciphertext) == 0 || len(ciphertext)%size != 0 {
		return nil, fmt.Errorf("%w: %d bytes to decrypt", ErrBadParameters, len(ciphertext))
	}
	padded, err := s.crypt(se.Decrypt, ciphertext)
	if err != nil {
		return nil, err
	}
	return unpadBlocks(padded, size)
}

// padBlocks appends PKCS#7 padding.
func padBlocks(data []byte, size int) []byte {
	n := size - len(data)%size
	for range n {
		data = append(data, byte(n))
	}
	return data
}

// unpadBlocks takes PKCS#7 padding off whole blocks, with the tolerance of the
// vendor's client (id2 §2.2): a last byte of 0 strips nothing and passes.
func unpadBlocks(data []byte, size int) ([]byte, error) {
	n := int(data[len(data)-1])
	if n > size {
		return nil, fmt.Errorf("%w: padding", ErrGeneric)
	}
	body := len(data) - n
	for _, c := range data[body:] {
		if int(c) != n {
			return nil, fmt.Errorf("%w: padding", ErrGeneric)
		}
	}
	return data[:body], nil
}

// statusNumbers are the status words of a card that have a number of the
// vendor's other than [ErrGeneric].
var statusNumbers = map[se.Status]Error{
	se.StatusRecordNotFound:  ErrItemNotFound,
	se.StatusFileNotFound:    ErrItemNotFound,
	se.StatusKeyNotFound:     ErrItemNotFound,
	se.StatusAlgorithm:       ErrNotSupported,
	se.StatusKeyType:         ErrNotSupported,
	se.StatusFunction:        ErrNotSupported,
	se.StatusInstruction:     ErrNotSupported,
	se.StatusClass:           ErrNotSupported,
	se.StatusClass1:          ErrNotSupported,
	se.StatusClass2:          ErrNotSupported,
	se.StatusMACNotAvailable: ErrNotSupported,
	se.StatusSecurity:        ErrAuthentication,
	se.StatusKeyBlocked:      ErrAuthentication,
	se.StatusTriesXX:         ErrAuthentication,
	se.StatusNoSpace:         ErrOutOfMemory,
}

// FromCard gives an error of package se its number (id2 §6), for callers that open
// cards themselves. Errors that have a number already stay as they are.
func FromCard(err error) error {
	var known Error
	var status se.Status
	number := ErrGeneric
	switch {
	case err == nil || errors.As(err, &known):
		return err
	case errors.As(err, &status):
		if n, ok := statusNumbers[status.Group()]; ok {
			number = n
		}
	case errors.Is(err, se.ErrTimeout), errors.Is(err, os.ErrDeadlineExceeded), errors.Is(err, context.DeadlineExceeded):
		number = ErrTimeout
	case errors.Is(err, se.ErrSession), errors.Is(err, se.ErrResponse), errors.Is(err, se.ErrClosed):
		number = ErrCommunication
	case errors.Is(err, se.ErrParameter):
		number = ErrBadParameters
	}
	return fmt.Errorf("%w: %w", number, err)
}
