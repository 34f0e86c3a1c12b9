package store

import (
	"context"
	"database/sql"

	"github.com/hallmark-id/hallmark/internal/audit"
	"github.com/hallmark-id/hallmark/internal/registry"
)

// UpdateManagedProduct implements registry.ManagedStore.
func (s *Store) UpdateManagedProduct(ctx context.Context, was, p registry.Product, info []byte, e audit.Event) error {
	return s.writeAudited(ctx, e, func(tx txn) error {
		if err := s.updateProduct(tx, was, p); err != nil {
			return err
		}
		_, err := tx.Exec(`INSERT INTO enos_products (product_key, info) VALUES ($1, $2)
			ON CONFLICT (product_key) DO UPDATE SET info = excluded.info`, p.Key, string(info))
		return err
	})
}

// DeleteProduct implements registry.ManagedStore. The product goes first: who
// adds a device to it waits there.
func (s *Store) DeleteProduct(ctx context.Context, org registry.ID, key string, e audit.Event) error {
	return s.writeAudited(ctx, e, func(tx txn) error {
		res, err := tx.Exec(`DELETE FROM products WHERE product_key = $1 AND org = $2`, key, org)
		if err := exactlyOne(res, err, registry.ErrNotFound); err != nil {
			return err
		}
		var devices int64
		err = tx.QueryRow(`SELECT count(*) FROM (SELECT 1 FROM devices WHERE product_key = $1 LIMIT 1) AS one`, key).Scan(&devices)
		if err != nil {
			return err
		}
		if devices > 0 {
			return registry.ErrForbidden
		}
		if _, err := tx.Exec(`DELETE FROM enos_products WHERE product_key = $1`, key); err != nil {
			return err
		}
		return s.noteChange(tx, registry.ProductChanged, org, key)
	})
}

// InsertManagedDevice implements registry.ManagedStore.
func (s *Store) InsertManagedDevice(ctx context.Context, d registry.DeviceRow, more registry.ManagedRow, e audit.Event) error {
	return s.writeAudited(ctx, e, func(tx txn) error {
		// Holds the product until the end, so that it is not deleted meanwhile.
		res, err := tx.Exec(`UPDATE products SET used = used WHERE product_key = $1 AND org = $2`, d.Product, d.Org)
		if err := exactlyOne(res, err, registry.ErrNotFound); err != nil {
			return err
		}
		res, err = tx.Exec(s.engine.insertText(1), deviceArgs([]registry.DeviceRow{d})...)
		if err := exactlyOne(res, err, registry.ErrExists); err != nil {
			return err
		}
		_, err = tx.Exec(`INSERT INTO enos_devices (asset, secret, info) VALUES ($1, $2, $3)`, d.Asset, more.Secret, string(more.Info))
		return err
	})
}

// DeviceByKey implements registry.ManagedStore.
func (s *Store) DeviceByKey(ctx context.Context, org registry.ID, product, key string) (registry.DeviceRow, error) {
	return selectOne(ctx, scanDevice, func() *sql.Row {
		return s.read.QueryRowContext(ctx, deviceColumns+` FROM devices WHERE product_key = $1 AND device_key = $2 AND org = $3`, product, key, org)
	})
}

// ManagedRow implements registry.ManagedStore.
func (s *Store) ManagedRow(ctx context.Context, asset registry.ID) (registry.ManagedRow, error) {
	return selectOne(ctx, func(row scanner) (m registry.ManagedRow, err error) {
		var info string
		err = row.Scan(&m.Secret, &info)
		m.Info = []byte(info)
		return m, err
	}, func() *sql.Row {
		return s.read.QueryRowContext(ctx, `SELECT secret, info FROM enos_devices WHERE asset = $1`, asset)
	})
}

// UpdateManagedDevice implements registry.ManagedStore.
func (s *Store) UpdateManagedDevice(ctx context.Context, d registry.DeviceRow, version int64, info []byte, e audit.Event) error {
	return s.writeAudited(ctx, e, func(tx txn) error {
		if err := s.updateDevice(tx, d, version); err != nil {
			return err
		}
		_, err := tx.Exec(`INSERT INTO enos_devices (asset, secret, info) VALUES ($1, $2, $3)
			ON CONFLICT (asset) DO UPDATE SET info = excluded.info`, d.Asset, []byte{}, string(info))
		return err
	})
}

// CountDevices implements registry.ManagedStore.
func (s *Store) CountDevices(ctx context.Context, org registry.ID, f registry.DeviceFilter, bound int, now registry.Instant) (int, error) {
	q := deviceQuery(`SELECT 1`, org, f, now)
	return selectOne(ctx, func(row scanner) (n int, err error) { return n, row.Scan(&n) }, func() *sql.Row {
		return s.read.QueryRowContext(ctx, `SELECT count(*) FROM (`+q.text()+` LIMIT `+itoa(bound)+`) AS chosen`, q.args...)
	})
}
