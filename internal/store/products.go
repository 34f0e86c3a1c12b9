package store

import (
	"context"
	"database/sql"

	"github.com/hallmark-id/hallmark/id2"
	"github.com/hallmark-id/hallmark/internal/audit"
	"github.com/hallmark-id/hallmark/internal/registry"
)

const productColumns = `SELECT product_key, org, name, algorithm, hashes, quota, used, term_days, auto_renew, otp, daily_limit,
	hex_data, two_way_auth, allow_reprovision, default_valid_days, max_valid_days, relay, secret, secret_hash, server_key, server_public, created`

func scanProduct(row scanner) (registry.ProductRow, error) {
	var p registry.ProductRow
	var algorithm, hashes, renew, otp, hexData, twoWay, again, relay int64
	err := row.Scan(&p.Key, &p.Org, &p.Name, &algorithm, &hashes, &p.Quota, &p.Used, &p.TermDays, &renew, &otp, &p.DailyLimit,
		&hexData, &twoWay, &again, &p.DefaultValidDays, &p.MaxValidDays, &relay, &p.Secret, &p.SecretHash, &p.ServerKey, &p.ServerPublic, &p.Created)
	p.Algorithm, p.Hashes = id2.Algorithm(algorithm), id2.HashSet(hashes)
	p.AutoRenew, p.OTP, p.HexData, p.TwoWayAuth, p.AllowReprovision = renew != 0, otp != 0, hexData != 0, twoWay != 0, again != 0
	p.Relay = relay != 0
	return p, err
}

// CreateProduct implements registry.ProductStore.
func (s *Store) CreateProduct(ctx context.Context, p registry.ProductRow, e audit.Event) error {
	return s.writeAudited(ctx, e, func(tx txn) error {
		res, err := tx.Exec(`INSERT INTO products (product_key, org, name, algorithm, hashes, quota, used, term_days, auto_renew,
			otp, daily_limit, hex_data, two_way_auth, allow_reprovision, default_valid_days, max_valid_days, relay, secret, secret_hash, server_key,
			server_public, created)
			VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20, $21, $22) ON CONFLICT DO NOTHING`,
			p.Key, p.Org, p.Name, int64(p.Algorithm), int64(p.Hashes), p.Quota, p.Used, p.TermDays, flag(p.AutoRenew), flag(p.OTP),
			p.DailyLimit, flag(p.HexData), flag(p.TwoWayAuth), flag(p.AllowReprovision), p.DefaultValidDays, p.MaxValidDays, flag(p.Relay),
			p.Secret, p.SecretHash, p.ServerKey, p.ServerPublic, p.Created)
		if err := exactlyOne(res, err, registry.ErrExists); err != nil || p.Info == nil {
			return err
		}
		_, err = tx.Exec(`INSERT INTO enos_products (product_key, info) VALUES ($1, $2)`, p.Key, string(p.Info))
		return err
	})
}

// UpdateProduct implements registry.ProductStore.
func (s *Store) UpdateProduct(ctx context.Context, was, p registry.Product, e audit.Event) error {
	return s.writeAudited(ctx, e, func(tx txn) error { return s.updateProduct(tx, was, p) })
}

func (s *Store) updateProduct(tx txn, was, p registry.Product) error {
	res, err := tx.Exec(`UPDATE products SET name = $1, hashes = $2, quota = $3, term_days = $4, auto_renew = $5,
		daily_limit = $6, hex_data = $7, allow_reprovision = $8, two_way_auth = $9, default_valid_days = $10, max_valid_days = $11, relay = $12
		WHERE product_key = $13 AND org = $14 AND name = $15 AND hashes = $16 AND quota = $17 AND term_days = $18 AND auto_renew = $19
		AND daily_limit = $20 AND hex_data = $21 AND allow_reprovision = $22 AND two_way_auth = $23 AND default_valid_days = $24
		AND max_valid_days = $25 AND relay = $26`,
		p.Name, int64(p.Hashes), p.Quota, p.TermDays, flag(p.AutoRenew), p.DailyLimit, flag(p.HexData), flag(p.AllowReprovision),
		flag(p.TwoWayAuth), p.DefaultValidDays, p.MaxValidDays, flag(p.Relay), p.Key, p.Org,
		was.Name, int64(was.Hashes), was.Quota, was.TermDays, flag(was.AutoRenew), was.DailyLimit, flag(was.HexData),
		flag(was.AllowReprovision), flag(was.TwoWayAuth), was.DefaultValidDays, was.MaxValidDays, flag(was.Relay))
	if err := exactlyOne(res, err, registry.ErrConflict); err != nil {
		return err
	}
	return s.noteChange(tx, registry.ProductChanged, p.Org, p.Key)
}

// Product implements registry.ProductStore.
func (s *Store) Product(ctx context.Context, key string) (registry.ProductRow, error) {
	return selectOne(ctx, func(row scanner) (registry.ProductRow, error) {
		var info sql.NullString
		p, err := scanProduct(withMore{row, &info})
		if info.Valid {
			p.Info = []byte(info.String)
		}
		return p, err
	}, func() *sql.Row {
		return s.read.QueryRowContext(ctx, productColumns+`,
			(SELECT info FROM enos_products e WHERE e.product_key = p.product_key) FROM products p WHERE product_key = $1`, key)
	})
}

// withMore scans one column more at the end of a row.
type withMore struct {
	scanner
	last any
}

// Scan scans the row and its last column.
func (m withMore) Scan(into ...any) error { return m.scanner.Scan(append(into, m.last)...) }

// Products implements registry.ProductStore.
func (s *Store) Products(ctx context.Context, org registry.ID) ([]registry.Product, error) {
	return selectAll(ctx, s, func(row scanner) (registry.Product, error) {
		p, err := scanProduct(row)
		return p.Product, err
	}, productColumns+` FROM products WHERE org = $1 ORDER BY name, product_key`, org)
}

// CreateOrg implements registry.OrgStore.
func (s *Store) CreateOrg(ctx context.Context, o registry.Org, e audit.Event) error {
	return s.writeAudited(ctx, e, func(tx txn) error {
		res, err := tx.Exec(`INSERT INTO orgs (id, name, created) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING`, o.ID, o.Name, o.Created)
		return exactlyOne(res, err, registry.ErrExists)
	})
}

// Orgs implements registry.OrgStore.
func (s *Store) Orgs(ctx context.Context) ([]registry.Org, error) {
	return selectAll(ctx, s, func(row scanner) (o registry.Org, err error) {
		return o, row.Scan(&o.ID, &o.Name, &o.Created)
	}, `SELECT id, name, created FROM orgs ORDER BY created, id`)
}
