package store

import (
	"context"

	"github.com/hallmark-id/hallmark/internal/audit"
	"github.com/hallmark-id/hallmark/internal/registry"
)

// Activate implements registry.LicenceStore.
func (s *Store) Activate(ctx context.Context, a registry.Activation, e audit.Event) error {
	id, err := registry.NewID(s.random)
	if err != nil {
		return err
	}
	return s.writeAudited(ctx, e, func(tx txn) error {
		if a.Reason == registry.ReasonFirstUse {
			return firstUse(tx, &a)
		}
		// A device key belongs to the product: under another one it may be taken.
		res, err := tx.Exec(`UPDATE devices SET state = $1, product_key = $2, licensed = $3, licence_until = $4,
			device_key = CASE WHEN product_key <> $2 AND EXISTS (SELECT 1 FROM devices AS other
				WHERE other.product_key = $2 AND other.device_key = devices.device_key) THEN NULL ELSE device_key END,
			activated = CASE WHEN activated = 0 THEN $3 ELSE activated END, version = version + 1
			WHERE asset = $5 AND org = $6 AND version = $7`,
			int64(registry.Active), a.Product, a.At, a.Until, a.Asset, a.Org, a.Version)
		if err := exactlyOne(res, err, registry.ErrConflict); err != nil {
			return err
		}
		res, err = tx.Exec(`UPDATE products SET used = used + 1 WHERE product_key = $1 AND org = $2 AND (quota < 0 OR used < quota)`,
			a.Product, a.Org)
		if err := exactlyOne(res, err, registry.ErrQuota); err != nil {
			return err
		}
		_, err = tx.Exec(`INSERT INTO licences (id, org, product_key, asset, id2, reason, taken, until)
			VALUES ($1, $2, $3, $4, $5, $6, $7, $8)`, id, a.Org, a.Product, a.Asset, a.ID2, string(a.Reason), a.At, a.Until)
		return err
	})
}

// firstUse makes a device active that took its licence when it was provisioned.
func firstUse(tx txn, a *registry.Activation) error {
	res, err := tx.Exec(`UPDATE devices SET state = $1, activated = $2, version = version + 1
		WHERE asset = $3 AND org = $4 AND version = $5 AND product_key = $6`,
		int64(registry.Active), a.At, a.Asset, a.Org, a.Version, a.Product)
	return exactlyOne(res, err, registry.ErrConflict)
}

// Licences implements registry.LicenceStore.
func (s *Store) Licences(ctx context.Context, org registry.ID, f registry.LicenceFilter) ([]registry.Licence, error) {
	q := newQuery(`SELECT product_key, asset, id2, reason, taken, until FROM licences WHERE org = $1`, org)
	if f.Product != "" {
		q.and("product_key = ?", f.Product)
	}
	if f.Asset != 0 {
		q.and("asset = ?", f.Asset)
	}
	if f.EndsBefore != 0 {
		q.and("until < ?", f.EndsBefore)
	}
	return selectAll(ctx, s, func(row scanner) (l registry.Licence, err error) {
		return l, row.Scan(&l.Product, &l.Asset, &l.ID2, &l.Reason, &l.Taken, &l.Until)
	}, q.text()+" ORDER BY taken DESC, id LIMIT "+itoa(f.Limit), q.args...)
}
