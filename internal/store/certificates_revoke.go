package store

import (
	"cmp"
	"context"
	"database/sql"
	"errors"
	"slices"

	"github.com/hallmark-id/hallmark/internal/audit"
	"github.com/hallmark-id/hallmark/internal/pki"
	"github.com/hallmark-id/hallmark/internal/registry"
)

// SetRevoked implements pki.CertificateStore.
func (s *Store) SetRevoked(ctx context.Context, c pki.Change) ([]pki.Changed, error) {
	// In one order of serial numbers, or two who revoke many would wait for each
	// other for good.
	order := make([]int, len(c.Serials))
	for i := range order {
		order[i] = i
	}
	slices.SortFunc(order, func(a, b int) int { return cmp.Compare(c.Serials[a], c.Serials[b]) })
	var out []pki.Changed
	err := s.write(ctx, func(tx txn) error {
		out = make([]pki.Changed, len(c.Serials))
		var changed []pki.Certificate
		for _, i := range order {
			var err error
			if out[i].Certificate, err = s.setRevoked(tx, &c, c.Serials[i]); err == nil {
				changed = append(changed, out[i].Certificate)
			} else if out[i].Err = refusal(err); out[i].Err == nil {
				return err
			}
		}
		return s.mark(tx, changed)
	})
	return out, err
}

// refusal is an error that concerns one certificate and says that nothing was
// done to it, or nil.
func refusal(err error) error {
	for _, known := range []error{pki.ErrNotFound, pki.ErrOtherDevice, pki.ErrAlreadyRevoked, pki.ErrNotHeld, pki.ErrHasValid} {
		if errors.Is(err, known) {
			return known
		}
	}
	return nil
}

func (s *Store) setRevoked(tx txn, c *pki.Change, serial pki.Serial) (pki.Certificate, error) {
	action, set := "certificate.revoke", revoke
	switch {
	case c.Release:
		action, set = "certificate.unhold", s.release
	case c.Reason == pki.CertificateHold:
		action = "certificate.hold"
	}
	done, err := set(tx, c, serial)
	if errors.Is(err, sql.ErrNoRows) {
		return done, whyNot(tx, c, serial)
	}
	if err != nil {
		return done, err
	}
	detail := map[string]any{"device": done.Device.String()}
	if !c.Release {
		detail["reason"] = c.Reason.String()
	}
	return done, s.noteRevocation(tx, &done, c.By.Did(action, "certificate", string(serial), detail))
}

// revoke revokes a certificate that is not, or that is on hold and is now
// revoked for good.
func revoke(tx txn, c *pki.Change, serial pki.Serial) (pki.Certificate, error) {
	return scanCertificate(tx.QueryRow(`UPDATE certificates SET revoked = $1, reason = $2, revoker = $3, updated = $1, updated_by = $3
		WHERE serial = $4 AND org = $5 AND (device = $6 OR $6 = 0) AND (revoked = 0 OR reason = 6 AND reason <> $2) RETURNING `+certificateColumns,
		c.At, int64(c.Reason), c.By.Name, string(serial), c.Org, c.Device))
}

// release ends a hold, unless the device has a valid certificate by now.
func (s *Store) release(tx txn, c *pki.Change, serial pki.Serial) (pki.Certificate, error) {
	held, err := scanCertificate(tx.QueryRow(certificatesWhere+`serial = $1 AND org = $2`, string(serial), c.Org))
	if err != nil {
		return held, err
	}
	if err := s.lockDevice(tx, held.Org, held.Device); err != nil {
		return held, err
	}
	return scanCertificate(tx.QueryRow(`UPDATE certificates SET revoked = 0, reason = 0, revoker = '', updated = $1, updated_by = $2
		WHERE serial = $3 AND org = $4 AND (device = $5 OR $5 = 0) AND revoked <> 0 AND reason = 6 AND NOT EXISTS (
			SELECT serial FROM certificates AS other WHERE other.device = certificates.device AND other.revoked = 0 AND other.not_after >= $1)
		RETURNING `+certificateColumns, c.At, c.By.Name, string(serial), c.Org, c.Device))
}

// cease revokes what a device that is deleted leaves behind (enos §4.5).
func (s *Store) cease(tx txn, org, device registry.ID, e audit.Event) error {
	rows, err := tx.Query(`UPDATE certificates SET revoked = $1, reason = $2, revoker = $3, updated = $1, updated_by = $3
		WHERE device = $4 AND org = $5 AND (revoked = 0 OR reason = 6) AND not_after >= $1 RETURNING `+certificateColumns,
		registry.At(s.now()), int64(pki.CessationOfOperation), e.Actor, device, org)
	left, err := collect(rows, err, scanCertificate)
	if err != nil {
		return err
	}
	by := audit.Actor{Name: e.Actor, Request: e.Request}
	for _, c := range left {
		detail := map[string]any{"device": device.String(), "reason": pki.CessationOfOperation.String()}
		if err := s.noteRevocation(tx, &c, by.Did("certificate.revoke", "certificate", string(c.Serial), detail)); err != nil {
			return err
		}
	}
	return s.mark(tx, left)
}
