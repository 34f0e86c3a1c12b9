// Package pki is the certificate authority: it keeps authorities (认证机构)
// and their keys, issues, renews and revokes the certificates of devices (设备证书)
// and publishes what was revoked. It knows nothing of HTTP and nothing of SQL.
//
// A certificate is signed first and stored second, and only what is stored is
// handed out: a serial number that is taken costs another signature, and a
// crash loses at most a certificate that nobody has seen.
package pki

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"sync"
	"time"

	"github.com/hallmark-id/hallmark/internal/keyring"
	"github.com/hallmark-id/hallmark/internal/registry"
)

// Options configures New.
type Options struct {
	Store Store
	// Ring seals the keys of authorities.
	Ring *keyring.Ring
	// Random makes serial numbers and keys.
	Random io.Reader
	Now    func() time.Time
	// BaseURL is the address under which devices and their peers reach the
	// server, without a slash at its end; certificates name it. It is asked when
	// a certificate is issued.
	BaseURL func() string
	Log     *slog.Logger
	// Subject is what authorities are called that are not named otherwise; empty
	// parts take those of DefaultSubject. The common name is told apart by kind.
	Subject Name
	// CRLLifetime is how long a revocation list is good for, DefaultCRLLifetime
	// by default. It is made anew when a third of that has passed.
	CRLLifetime time.Duration
}

// DefaultCRLLifetime lets verifiers go on for two days while no server is up.
const DefaultCRLLifetime = 72 * time.Hour

// Service is the certificate authority. It is safe for concurrent use.
type Service struct {
	Options
	authorities authorityCache
	lists       listCache
	// revoked has room for one word that lists are out of date.
	revoked chan struct{}
	crlMu   sync.Mutex // held while this process makes lists
}

// New returns the service over a store. EnsureAuthorities comes next, and Run
// keeps the revocation lists.
func New(o Options) *Service {
	o.Subject = o.Subject.or(DefaultSubject)
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	o.CRLLifetime = cmp.Or(o.CRLLifetime, DefaultCRLLifetime)
	return &Service{Options: o, revoked: make(chan struct{}, 1)}
}

// now is the time in whole seconds, which is what certificates can say.
func (s *Service) now() time.Time { return s.Now().UTC().Truncate(time.Second) }

// Get returns a certificate of an organisation, or ErrNotFound.
func (s *Service) Get(ctx context.Context, org registry.ID, serial Serial) (Certificate, error) {
	c, err := s.Store.Certificate(ctx, org, serial)
	if err != nil {
		return c, fmt.Errorf("certificate %s: %w", serial, err)
	}
	return c, c.readNames()
}

// ListByDevice returns all certificates that a device ever had, the oldest
// first.
func (s *Service) ListByDevice(ctx context.Context, org, device registry.ID) ([]Certificate, error) {
	return readAll(s.Store.DeviceCertificates(ctx, org, device))
}

// Search returns a page of an organisation's certificates, in the order of
// their expiry.
func (s *Service) Search(ctx context.Context, org registry.ID, f Filter) ([]Certificate, error) {
	if f.Limit <= 0 || f.Limit > registry.MaxPage {
		f.Limit = registry.MaxPage
	}
	return readAll(s.Store.Certificates(ctx, org, f, registry.At(s.Now())))
}

// readAll completes what a store returned.
func readAll(all []Certificate, err error) ([]Certificate, error) {
	for i := range all {
		err = errors.Join(err, all[i].readNames())
	}
	return all, err
}
