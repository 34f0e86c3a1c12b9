package store

import (
	"context"
	"database/sql"

	"github.com/hallmark-id/hallmark/internal/audit"
	"github.com/hallmark-id/hallmark/internal/registry"
)

// Roots implements registry.RootStore.
func (s *Store) Roots(ctx context.Context, org registry.ID) ([]registry.Root, error) {
	return selectAll(ctx, s, func(row scanner) (a registry.Root, err error) {
		var intermediate int64
		err = row.Scan(&a.Org, &a.Fingerprint, &intermediate, &a.Certificate, &a.CRL, &a.Created)
		if a.Intermediate = intermediate != 0; len(a.CRL) == 0 { // empty for one engine, nil for the other
			a.CRL = nil
		}
		return a, err
	}, `SELECT org, fingerprint, intermediate, certificate, crl, created FROM ciss_roots WHERE org = $1 ORDER BY created, fingerprint`, org)
}

// AddRoot implements registry.RootStore.
func (s *Store) AddRoot(ctx context.Context, a registry.Root, e audit.Event) error {
	return s.writeAudited(ctx, e, func(tx txn) error {
		res, err := tx.Exec(`INSERT INTO ciss_roots (org, fingerprint, intermediate, certificate, crl, created)
			VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT DO NOTHING`, a.Org, a.Fingerprint, flag(a.Intermediate), a.Certificate, listed(a.CRL), a.Created)
		return s.trustChanged(tx, a.Org, res, err, registry.ErrExists)
	})
}

// listed keeps the absence of a list apart from NULL.
func listed(crl []byte) []byte {
	if crl == nil {
		return []byte{}
	}
	return crl
}

// SetRootCRL implements registry.RootStore.
func (s *Store) SetRootCRL(ctx context.Context, org registry.ID, fingerprint string, was, list []byte, e audit.Event) error {
	return s.writeAudited(ctx, e, func(tx txn) error {
		res, err := tx.Exec(`UPDATE ciss_roots SET crl = $1 WHERE org = $2 AND fingerprint = $3 AND crl = $4`, list, org, fingerprint, listed(was))
		return s.trustChanged(tx, org, res, err, registry.ErrConflict)
	})
}

// RemoveRoot implements registry.RootStore.
func (s *Store) RemoveRoot(ctx context.Context, org registry.ID, fingerprint string, e audit.Event) error {
	return s.writeAudited(ctx, e, func(tx txn) error {
		res, err := tx.Exec(`DELETE FROM ciss_roots WHERE org = $1 AND fingerprint = $2`, org, fingerprint)
		return s.trustChanged(tx, org, res, err, registry.ErrNotFound)
	})
}

// trustChanged tells the other nodes of a change, or that there was none.
func (s *Store) trustChanged(tx txn, org registry.ID, res sql.Result, err, none error) error {
	if err := exactlyOne(res, err, none); err != nil {
		return err
	}
	return s.noteChange(tx, registry.TrustChanged, org, "")
}
