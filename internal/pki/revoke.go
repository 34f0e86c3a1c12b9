package pki

import (
	"context"
	"fmt"

	"github.com/hallmark-id/hallmark/internal/audit"
	"github.com/hallmark-id/hallmark/internal/registry"
)

// Revocation asks that a certificate be revoked, held or released.
type Revocation struct {
	Org    registry.ID
	Device registry.ID // 0 for any device of the organisation
	Serial Serial
	Reason Reason
	By     audit.Actor
}

// Revoke revokes a certificate for good, or until Unhold with the reason
// CertificateHold. One on hold can be revoked for another reason. ErrReason,
// ErrNotFound, ErrOtherDevice, ErrAlreadyRevoked.
func (s *Service) Revoke(ctx context.Context, r Revocation) (Certificate, error) {
	if !r.Reason.Known() {
		return Certificate{}, fmt.Errorf("%w: %d", ErrReason, r.Reason)
	}
	return s.changeOne(ctx, r, false)
}

// Hold revokes a certificate until Unhold.
func (s *Service) Hold(ctx context.Context, r Revocation) (Certificate, error) {
	r.Reason = CertificateHold
	return s.changeOne(ctx, r, false)
}

// Unhold ends a hold: the certificate is valid again, until it expires.
// ErrNotFound, ErrOtherDevice, ErrNotHeld, ErrHasValid.
func (s *Service) Unhold(ctx context.Context, r Revocation) (Certificate, error) {
	return s.changeOne(ctx, r, true)
}

func (s *Service) changeOne(ctx context.Context, r Revocation, release bool) (Certificate, error) {
	changed, err := s.change(ctx, Change{Org: r.Org, Device: r.Device, Serials: []Serial{r.Serial}, Reason: r.Reason, Release: release, By: r.By})
	if err != nil {
		return Certificate{}, err
	}
	if changed[0].Err != nil {
		return Certificate{}, fmt.Errorf("certificate %s: %w", r.Serial, changed[0].Err)
	}
	return changed[0].Certificate, nil
}

// MaxBulk is the most certificates of one RevokeAll.
const MaxBulk = 1000

// RevokeAll revokes many certificates in one transaction; those that cannot be
// do not stop the rest. What became of each stands at its place.
func (s *Service) RevokeAll(ctx context.Context, org registry.ID, serials []Serial, reason Reason, by audit.Actor) ([]Changed, error) {
	if !reason.Known() {
		return nil, fmt.Errorf("%w: %d", ErrReason, reason)
	}
	return s.change(ctx, Change{Org: org, Serials: serials, Reason: reason, By: by})
}

func (s *Service) change(ctx context.Context, c Change) ([]Changed, error) {
	c.At = registry.At(s.Now())
	changed, err := s.Store.SetRevoked(context.WithoutCancel(ctx), c)
	s.wake()
	for i := range changed {
		if changed[i].Err == nil && err == nil {
			err = changed[i].Certificate.readNames()
		}
	}
	return changed, err
}
