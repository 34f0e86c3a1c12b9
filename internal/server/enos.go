package server

import (
	"context"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"errors"
	"fmt"

	"github.com/hallmark-id/hallmark/enos"
	"github.com/hallmark-id/hallmark/internal/registry"
)

// metaSealKey is the private key that Poseidon's tokens are sealed for, sealed.
const metaSealKey = "enos.seal_key"

// openEnOS gives the enos door its keys, the same on every node.
func (s *Server) openEnOS(ctx context.Context) error {
	s.config.EnOS.TokenKey = s.ring.Derive("enos access tokens")
	if !s.config.EnOSSealed {
		return nil
	}
	sealed, err := s.store.Meta(ctx, metaSealKey)
	if errors.Is(err, registry.ErrNotFound) {
		if err := s.makeSealKey(ctx); err != nil {
			return err
		}
		sealed, err = s.store.Meta(ctx, metaSealKey)
	}
	if err != nil {
		return err
	}
	der, err := s.ring.Open(sealed, metaSealKey)
	if err != nil {
		return fmt.Errorf("key for sealed tokens: %w", err)
	}
	defer clear(der)
	s.config.EnOS.SealKey, err = x509.ParsePKCS1PrivateKey(der)
	return err
}

// makeSealKey makes the key unless another node was faster.
func (s *Server) makeSealKey(ctx context.Context) error {
	key, err := rsa.GenerateKey(rand.Reader, enos.SealedKeyBits)
	if err != nil {
		return err
	}
	der := x509.MarshalPKCS1PrivateKey(key)
	defer clear(der)
	sealed, err := s.ring.Seal(der, metaSealKey)
	if err != nil {
		return err
	}
	_, err = s.store.ClaimMeta(ctx, metaSealKey, map[string][]byte{metaSealKey: sealed})
	return err
}
