package device

import (
	"fmt"
	"io"
	"sync"

	"github.com/hallmark-id/hallmark/id2"
)

// Identity is what a software carrier keeps.
type Identity struct {
	ID   string
	Hash id2.Hash
	Key  id2.PrivateKey
	// ServerKey checks server codes if Key is asymmetric, and is for the same
	// algorithm; without it the carrier refuses all server codes with
	// [ErrNotSupported]. It stays zero beside a symmetric Key.
	ServerKey id2.Key
}

// check returns an error that wraps [ErrBadParameters] if the parts do not fit.
func (i Identity) check() error {
	switch {
	case !id2.ValidID(i.ID):
		return fmt.Errorf("%w: id of %d characters", ErrBadParameters, len(i.ID))
	case !i.Key.Algorithm().AllowedHash(i.Hash):
		return fmt.Errorf("%w: %v does not use %v", ErrBadParameters, i.Key.Algorithm(), i.Hash)
	case i.ServerKey.Algorithm() != 0 && (i.ServerKey.Algorithm() != i.Key.Algorithm() || i.Key.Algorithm().Symmetric()):
		return fmt.Errorf("%w: server key does not go with %v", ErrBadParameters, i.Key.Algorithm())
	}
	return nil
}

// soft is the part that software carriers have in common.
type soft struct {
	rand io.Reader // given to signatures of asymmetric keys

	mu       sync.RWMutex
	identity *Identity // guarded by mu; what it points to never changes
}

func (s *soft) set(identity *Identity) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.identity = identity
}

func (s *soft) get() (*Identity, error) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	if s.identity == nil {
		return nil, ErrItemNotFound
	}
	return s.identity, nil
}

// ID implements [Carrier].
func (s *soft) ID() (string, error) {
	identity, err := s.get()
	if err != nil {
		return "", err
	}
	return identity.ID, nil
}

// Algorithm implements [Carrier].
func (s *soft) Algorithm() (id2.Algorithm, error) {
	identity, err := s.get()
	if err != nil {
		return 0, err
	}
	return identity.Key.Algorithm(), nil
}

// Hash implements [Carrier].
func (s *soft) Hash() (id2.Hash, error) {
	identity, err := s.get()
	if err != nil {
		return 0, err
	}
	return identity.Hash, nil
}

// Sign implements [Carrier].
func (s *soft) Sign(msg []byte) ([]byte, error) {
	identity, err := s.get()
	if err != nil {
		return nil, err
	}
	return identity.Key.Sign(s.rand, identity.Hash, msg)
}

// VerifyServer implements [Carrier].
func (s *soft) VerifyServer(msg, signature []byte) error {
	identity, err := s.get()
	if err != nil {
		return err
	}
	key := identity.ServerKey
	if identity.Key.Algorithm().Symmetric() {
		key = identity.Key.Public()
	}
	if !key.Algorithm().Valid() {
		return fmt.Errorf("%w: no server key", ErrNotSupported)
	}
	if !key.Verify(identity.Hash, msg, signature) {
		return fmt.Errorf("%w: wrong signature", ErrGeneric)
	}
	return nil
}

// Decrypt implements [Carrier].
func (s *soft) Decrypt(ciphertext []byte) ([]byte, error) {
	identity, err := s.get()
	if err != nil {
		return nil, err
	}
	return identity.Key.Decrypt(ciphertext)
}

// Memory is a [Carrier] that forgets its identity with the process.
type Memory struct{ soft }

// NewMemory returns a carrier without an identity. rand is given to signatures
// of asymmetric keys.
func NewMemory(rand io.Reader) *Memory {
	return &Memory{soft{rand: rand}}
}

// Set replaces the identity. The error wraps [ErrBadParameters] if the id is
// none, or digest or server key do not go with the key.
func (m *Memory) Set(identity Identity) error {
	if err := identity.check(); err != nil {
		return err
	}
	m.set(&identity)
	return nil
}
