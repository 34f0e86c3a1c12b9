package server

import (
	"context"
	"crypto/rand"
	"strings"

	"github.com/hallmark-id/hallmark/internal/pki"
)

// openPKI opens the certificate authority; a first start makes its roots.
func (s *Server) openPKI(ctx context.Context) error {
	var subject pki.Name
	if s.config.CASubject != "" {
		var err error
		if subject, err = pki.ParseName(s.config.CASubject); err != nil {
			return err
		}
	}
	s.pki = pki.New(pki.Options{Store: s.store, Ring: s.ring, Random: rand.Reader, Now: s.clock.Now, BaseURL: s.publicURL,
		Log: s.config.Log, Subject: subject})
	return s.pki.EnsureAuthorities(ctx)
}

// publicURL is what certificates name.
func (s *Server) publicURL() string {
	if s.config.PublicURL != "" {
		return strings.TrimRight(s.config.PublicURL, "/")
	}
	return s.url
}
