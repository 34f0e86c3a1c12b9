package store

import (
	"context"
	"database/sql"
	"errors"

	"github.com/hallmark-id/hallmark/internal/audit"
	"github.com/hallmark-id/hallmark/internal/registry"
)

// ProductByToken implements registry.ProvisionStore.
func (s *Store) ProductByToken(ctx context.Context, org registry.ID, keyHash []byte) (registry.ProductRow, error) {
	return selectOne(ctx, scanProduct, func() *sql.Row {
		return s.read.QueryRowContext(ctx, productColumns+` FROM products WHERE secret_hash = $1 AND org = $2`, keyHash, org)
	})
}

// Fingerprint implements registry.ProvisionStore.
func (s *Store) Fingerprint(ctx context.Context, org registry.ID, fingerprint, code []byte) (registry.Known, error) {
	known, err := selectOne(ctx, func(row scanner) (k registry.Known, err error) {
		var spent, allowed int64
		err = row.Scan(&spent, &allowed, &k.Device.Asset)
		k.Spent, k.Allowed = spent != 0, allowed != 0
		return k, err
	}, func() *sql.Row {
		return s.read.QueryRowContext(ctx, `SELECT (SELECT count(*) FROM otp_codes WHERE code = $1),
			coalesce(max(allowed), 0), coalesce(max(asset), 0) FROM fingerprints WHERE fingerprint = $2`, code, fingerprint)
	})
	if err != nil || known.Device.Asset == 0 {
		return known, err
	}
	known.Device, err = s.DeviceByAsset(ctx, org, known.Device.Asset)
	if errors.Is(err, registry.ErrNotFound) { // deleted between the two
		err = nil
	}
	return known, err
}

// Provision implements registry.ProvisionStore.
func (s *Store) Provision(ctx context.Context, p registry.Provisioning, e audit.Event) (remaining int64, err error) {
	licence, err := registry.NewID(s.random)
	if err != nil {
		return 0, err
	}
	err = s.write(ctx, func(tx txn) error {
		if err := s.appendAudit(tx, e); err != nil { // before the product's row, for which all wait
			return err
		}
		res, err := tx.Exec(`INSERT INTO otp_codes (code) VALUES ($1) ON CONFLICT DO NOTHING`, p.Code)
		if err := exactlyOne(res, err, registry.ErrSpent); err != nil {
			return err
		}
		if p.Version == 0 {
			remaining, err = s.provisionNew(tx, licence, &p)
		} else {
			remaining, err = s.provisionAgain(tx, &p)
		}
		return err
	})
	return remaining, err
}

// provisionNew adds a device that holds a licence and has yet to authenticate.
// The product's row, for which all wait, comes last.
func (s *Store) provisionNew(tx txn, licence registry.ID, p *registry.Provisioning) (int64, error) {
	d := &p.Device
	res, err := tx.Exec(`INSERT INTO fingerprints (fingerprint, asset) VALUES ($1, $2) ON CONFLICT DO NOTHING`, p.Fingerprint, d.Asset)
	if err := exactlyOne(res, err, registry.ErrConflict); err != nil {
		return 0, err
	}
	res, err = tx.Exec(`INSERT INTO devices (asset, org, id2, product_key, name, algorithm, key, licensed, licence_until, version, created)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11) ON CONFLICT DO NOTHING`,
		d.Asset, d.Org, d.ID2, d.Product, d.Name, int64(d.Algorithm), d.Key, d.Licensed, d.LicenceUntil, d.Version, d.Created)
	if err := exactlyOne(res, err, registry.ErrConflict); err != nil {
		return 0, err
	}
	_, err = tx.Exec(`INSERT INTO licences (id, org, product_key, asset, id2, reason, taken, until)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8)`, licence, d.Org, d.Product, d.Asset, d.ID2, string(registry.ReasonProvision), d.Licensed, d.LicenceUntil)
	if err != nil {
		return 0, err
	}
	left, err := scanRemaining(tx.QueryRow(`UPDATE products SET used = used + 1 WHERE product_key = $1 AND org = $2
		AND (quota < 0 OR used < quota) RETURNING quota, used`, d.Product, d.Org))
	if errors.Is(err, sql.ErrNoRows) {
		err = registry.ErrQuota
	}
	return left, err
}

// provisionAgain gives a device a new key and uses up an operator's permission.
func (s *Store) provisionAgain(tx txn, p *registry.Provisioning) (int64, error) {
	d := &p.Device
	res, err := tx.Exec(`UPDATE devices SET key = $1, version = $2 WHERE asset = $3 AND org = $4 AND version = $5`,
		d.Key, d.Version, d.Asset, d.Org, p.Version)
	if err := exactlyOne(res, err, registry.ErrConflict); err != nil {
		return 0, err
	}
	if _, err := tx.Exec(`UPDATE fingerprints SET allowed = 0 WHERE fingerprint = $1`, p.Fingerprint); err != nil {
		return 0, err
	}
	if err := s.noteChange(tx, registry.DeviceChanged, d.Org, d.ID2); err != nil {
		return 0, err
	}
	return scanRemaining(tx.QueryRow(`SELECT quota, used FROM products WHERE product_key = $1 AND org = $2`, d.Product, d.Org))
}

func scanRemaining(row scanner) (int64, error) {
	var p registry.Product
	err := row.Scan(&p.Quota, &p.Used)
	return p.Remaining(), err
}

// AllowReprovision implements registry.ProvisionStore.
func (s *Store) AllowReprovision(ctx context.Context, asset registry.ID, e audit.Event) error {
	return s.writeAudited(ctx, e, func(tx txn) error {
		res, err := tx.Exec(`UPDATE fingerprints SET allowed = 1 WHERE asset = $1`, asset)
		return exactlyOne(res, err, registry.ErrNotFound)
	})
}
