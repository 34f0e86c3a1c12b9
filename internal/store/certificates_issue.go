package store

import (
	"bytes"
	"context"
	"crypto/sha256"
	"database/sql"
	"errors"
	"fmt"

	"github.com/hallmark-id/hallmark/internal/audit"
	"github.com/hallmark-id/hallmark/internal/pki"
	"github.com/hallmark-id/hallmark/internal/registry"
)

// IssueCertificate implements pki.CertificateStore. Most devices have no valid
// certificate yet, and get theirs with one question and two rows.
func (s *Store) IssueCertificate(ctx context.Context, i pki.Issuance) error {
	return s.writeAudited(ctx, i.Event, func(tx txn) error {
		if err := s.claim(tx, &i); err != nil {
			return err
		}
		valid, err := admit(tx, &i)
		if err != nil {
			return err
		}
		if err := insertCertificate(tx, &i); err != nil || valid == 0 && i.Renews == "" {
			return err
		}
		return s.supersede(tx, &i)
	})
}

// lockDevice lets those who change a device's certificates at the same time
// wait for each other. An embedded store has one writer anyway.
func (s *Store) lockDevice(tx txn, org, device registry.ID) error {
	if !s.Shared() {
		return nil
	}
	_, err := tx.Exec(`UPDATE devices SET version = version WHERE asset = $1 AND org = $2`, device, org)
	return err
}

// claim lets those who issue for the same device, name or key at the same time
// wait for each other, so that the later one sees the certificate of the first.
func (s *Store) claim(tx txn, i *pki.Issuance) error {
	if !s.Shared() {
		return nil
	}
	if err := s.lockDevice(tx, i.Org, i.Device); err != nil {
		return err
	}
	name := sha256.Sum256([]byte("name " + i.CN))
	first, second := name[:], i.KeyHash
	if bytes.Compare(first, second) > 0 { // in one order, or two would wait for each other for good
		first, second = second, first
	}
	for _, claim := range [][]byte{first, second} {
		_, err := tx.Exec(`INSERT INTO certificate_claims (claim) VALUES ($1) ON CONFLICT (claim) DO UPDATE SET claim = excluded.claim`, claim)
		if err != nil {
			return err
		}
	}
	return nil
}

// admit refuses a device that is not there, the name and the key of another
// device's certificate that is valid, or on hold and may be so again; and for
// good a key that was compromised. Names are unique over all organisations,
// because all of them share the authorities. It returns how many valid
// certificates the device has.
func admit(tx txn, i *pki.Issuance) (valid int64, err error) {
	var devices, names, keys, compromised int64
	const others = ` AND device <> $1 AND not_after >= $2 AND (revoked = 0 OR reason = 6))`
	err = tx.QueryRow(`SELECT (SELECT count(*) FROM devices WHERE asset = $1 AND org = $5),
		(SELECT count(*) FROM certificates WHERE device = $1 AND revoked = 0 AND not_after >= $2),
		(SELECT count(*) FROM certificates WHERE cn = $3`+others+`,
		(SELECT count(*) FROM certificates WHERE key_hash = $4`+others+`,
		(SELECT count(*) FROM certificates WHERE key_hash = $4 AND revoked <> 0 AND reason = 1)`,
		i.Device, i.Created, i.CN, i.KeyHash, i.Org).Scan(&devices, &valid, &names, &keys, &compromised)
	switch {
	case err != nil:
		return 0, err
	case devices == 0:
		return 0, fmt.Errorf("device %s: %w", i.Device, pki.ErrNotFound)
	case compromised > 0:
		return 0, fmt.Errorf("%w: a certificate of it was revoked as KEY_COMPROMISE", pki.ErrWeakKey)
	case keys > 0:
		return 0, pki.ErrKeyInUse
	case names > 0:
		return 0, pki.ErrDuplicateSubject
	}
	return valid, nil
}

func insertCertificate(tx txn, i *pki.Issuance) error {
	res, err := tx.Exec(`INSERT INTO certificates (serial, org, device, authority, kind, cn, subject, key_hash, not_before, not_after, der,
		created, created_by, updated, updated_by) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15) ON CONFLICT DO NOTHING`,
		string(i.Serial), i.Org, i.Device, i.Authority, int64(i.Kind), i.CN, i.SubjectText, i.KeyHash, i.NotBefore, i.NotAfter, i.DER,
		i.Created, i.CreatedBy, i.Updated, i.UpdatedBy)
	return exactlyOne(res, err, pki.ErrSerialTaken)
}

// supersede revokes the other valid certificates of the device.
func (s *Store) supersede(tx txn, i *pki.Issuance) error {
	rows, err := tx.Query(`UPDATE certificates SET revoked = $1, reason = $2, revoker = $3, updated = $1, updated_by = $3
		WHERE device = $4 AND serial <> $5 AND revoked = 0 AND not_after >= $1 RETURNING `+certificateColumns,
		i.Created, int64(pki.Superseded), i.CreatedBy, i.Device, string(i.Serial))
	old, err := collect(rows, err, scanCertificate)
	if err != nil {
		return err
	}
	renewed := i.Renews == ""
	for _, c := range old {
		renewed = renewed || c.Serial == i.Renews
		detail := map[string]any{"reason": pki.Superseded.String(), "by": string(i.Serial)}
		if err := s.noteRevocation(tx, &c, i.By.Did("certificate.revoke", "certificate", string(c.Serial), detail)); err != nil {
			return err
		}
	}
	if !renewed {
		return whyNot(tx, &pki.Change{Org: i.Org, Device: i.Device, At: i.Created}, i.Renews)
	}
	return s.mark(tx, old)
}

func (s *Store) noteRevocation(tx txn, c *pki.Certificate, e audit.Event) error {
	return s.appendAudit(tx, e.In(int64(c.Org)))
}

// mark notes that the lists of the certificates' authorities are out of date.
func (s *Store) mark(tx txn, changed []pki.Certificate) error {
	marked := map[registry.ID]bool{}
	for _, c := range changed {
		if marked[c.Authority] {
			continue
		}
		marked[c.Authority] = true
		id, err := registry.NewID(s.random)
		if err != nil {
			return err
		}
		if _, err := tx.Exec(`INSERT INTO crl_marks (id, authority) VALUES ($1, $2)`, id, c.Authority); err != nil {
			return err
		}
	}
	return nil
}

// whyNot says why a certificate could not be changed as c says.
func whyNot(tx txn, c *pki.Change, serial pki.Serial) error {
	have, err := scanCertificate(tx.QueryRow(certificatesWhere+`serial = $1 AND org = $2`, string(serial), c.Org))
	switch {
	case errors.Is(err, sql.ErrNoRows):
		return pki.ErrNotFound
	case err != nil:
		return err
	case c.Device != 0 && have.Device != c.Device:
		return pki.ErrOtherDevice
	case c.Release && (have.Revoked == 0 || have.Reason != pki.CertificateHold):
		return pki.ErrNotHeld
	case c.Release:
		return pki.ErrHasValid
	case have.Revoked != 0:
		return pki.ErrAlreadyRevoked
	}
	return pki.ErrExpired
}
