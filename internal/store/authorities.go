package store

import (
	"context"

	"github.com/hallmark-id/hallmark/internal/audit"
	"github.com/hallmark-id/hallmark/internal/pki"
)

var _ pki.Store = (*Store)(nil)

// Authorities implements pki.AuthorityStore.
func (s *Store) Authorities(ctx context.Context) ([]pki.AuthorityRow, error) {
	return selectAll(ctx, s, func(row scanner) (a pki.AuthorityRow, err error) {
		return a, row.Scan(&a.ID, &a.Kind, &a.State, &a.Subject, &a.Key, &a.Request, &a.Chain, &a.Created)
	}, `SELECT id, kind, state, subject, key, request, chain, created FROM authorities ORDER BY created, id`)
}

// CreateAuthority implements pki.AuthorityStore.
func (s *Store) CreateAuthority(ctx context.Context, a pki.AuthorityRow, only bool, e audit.Event) error {
	return s.writeAudited(ctx, e, func(tx txn) error {
		if a.State == pki.Active && !only {
			if err := retireActive(tx, a.Kind); err != nil {
				return err
			}
		}
		res, err := tx.Exec(`INSERT INTO authorities (id, kind, state, subject, key, request, chain, created)
			VALUES ($1, $2, $3, $4, $5, $6, $7, $8) ON CONFLICT DO NOTHING`,
			a.ID, int64(a.Kind), int64(a.State), a.Subject, a.Key, a.Request, a.Chain, a.Created)
		return exactlyOne(res, err, pki.ErrAuthorityState)
	})
}

// SetAuthority implements pki.AuthorityStore.
func (s *Store) SetAuthority(ctx context.Context, a pki.AuthorityRow, was pki.State, e audit.Event) error {
	return s.writeAudited(ctx, e, func(tx txn) error {
		if a.State == pki.Active {
			if err := retireActive(tx, a.Kind); err != nil {
				return err
			}
		}
		res, err := tx.Exec(`UPDATE authorities SET state = $1, subject = $2, request = $3, chain = $4 WHERE id = $5 AND state = $6`,
			int64(a.State), a.Subject, a.Request, a.Chain, a.ID, int64(was))
		return exactlyOne(res, err, pki.ErrAuthorityState)
	})
}

// retireActive makes room for another authority that issues.
func retireActive(tx txn, kind pki.Kind) error {
	_, err := tx.Exec(`UPDATE authorities SET state = $1 WHERE kind = $2 AND state = $3`, int64(pki.Retired), int64(kind), int64(pki.Active))
	return err
}
