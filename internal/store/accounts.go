package store

import (
	"context"
	"database/sql"

	"github.com/hallmark-id/hallmark/internal/account"
	"github.com/hallmark-id/hallmark/internal/audit"
	"github.com/hallmark-id/hallmark/internal/registry"
)

var _ account.Store = (*Store)(nil)

const accountColumns = `id, name, role, password, disabled, locked_until, created, changed, last_login, last_address, version`

// accountFields are where accountColumns go.
func accountFields(r *account.Row, disabled *int64) []any {
	return []any{&r.ID, &r.Name, &r.Role, &r.Password, disabled, &r.LockedUntil, &r.Created, &r.Changed, &r.LastLogin, &r.LastAddress, &r.Version}
}

func scanAccount(row scanner) (r account.Row, err error) {
	var disabled int64
	err = row.Scan(accountFields(&r, &disabled)...)
	r.Disabled, r.HasPassword = disabled != 0, len(r.Password) > 0
	return r, err
}

// CreateAccount implements account.Store.
func (s *Store) CreateAccount(ctx context.Context, r account.Row, e audit.Event) error {
	return s.writeAudited(ctx, e, func(tx txn) error {
		res, err := tx.Exec(`INSERT INTO accounts (id, name, role, password, created, changed, version) VALUES ($1, $2, $3, $4, $5, $6, $7)
			ON CONFLICT DO NOTHING`, r.ID, r.Name, string(r.Role), notNull(r.Password), r.Created, r.Changed, r.Version)
		return exactlyOne(res, err, registry.ErrExists)
	})
}

// notNull keeps an empty value from being none at all.
func notNull(b []byte) []byte {
	if b == nil {
		return []byte{}
	}
	return b
}

// Account implements account.Store.
func (s *Store) Account(ctx context.Context, name string) (account.Row, error) {
	return s.account(ctx, "name", name)
}

// AccountByID implements account.Store.
func (s *Store) AccountByID(ctx context.Context, id registry.ID) (account.Row, error) {
	return s.account(ctx, "id", id)
}

func (s *Store) account(ctx context.Context, column string, value any) (account.Row, error) {
	r, err := selectOne(ctx, scanAccount, func() *sql.Row {
		return s.read.QueryRowContext(ctx, `SELECT `+accountColumns+` FROM accounts WHERE `+column+` = $1`, value)
	})
	if err != nil {
		return r, err
	}
	bound, err := selectAll(ctx, s, scanBound, boundColumns+` WHERE b.account = $1 ORDER BY b.created, b.id`, r.ID)
	for _, b := range bound {
		r.Bindings = append(r.Bindings, b.Binding)
	}
	return r, err
}

// Accounts implements account.Store.
func (s *Store) Accounts(ctx context.Context) ([]account.Account, error) {
	all, err := selectAll(ctx, s, func(row scanner) (account.Account, error) {
		r, err := scanAccount(row)
		return r.Account, err
	}, `SELECT `+accountColumns+` FROM accounts ORDER BY name`)
	if err != nil {
		return nil, err
	}
	bound, err := selectAll(ctx, s, scanBound, boundColumns+` ORDER BY b.created, b.id`)
	place := make(map[registry.ID]int, len(all))
	for i, a := range all {
		place[a.ID] = i
	}
	for _, b := range bound {
		if i, ok := place[b.Account]; ok {
			all[i].Bindings = append(all[i].Bindings, b.Binding)
		}
	}
	return all, err
}

// AnyAccount implements account.Store.
func (s *Store) AnyAccount(ctx context.Context) (bool, error) {
	n, err := selectOne(ctx, scanInt, func() *sql.Row {
		return s.read.QueryRowContext(ctx, `SELECT count(*) FROM (SELECT id FROM accounts LIMIT 1) AS first`)
	})
	return n > 0, err
}

// UpdateAccount implements account.Store.
func (s *Store) UpdateAccount(ctx context.Context, r account.Row, version int64, end bool, kept registry.ID, e audit.Event) error {
	return s.writeAudited(ctx, e, func(tx txn) error {
		res, err := tx.Exec(`UPDATE accounts SET role = $1, password = $2, disabled = $3, changed = $4, version = $5,
			locked_until = CASE WHEN CAST($6 AS BIGINT) = 0 THEN 0 ELSE locked_until END, attempts = CASE WHEN CAST($6 AS BIGINT) = 0 THEN 0 ELSE attempts END
			WHERE id = $7 AND version = $8`,
			string(r.Role), notNull(r.Password), flag(r.Disabled), r.Changed, r.Version, r.LockedUntil, r.ID, version)
		if err := exactlyOne(res, err, registry.ErrConflict); err != nil || !end {
			return err
		}
		_, err = tx.Exec(`DELETE FROM logins WHERE account = $1 AND id <> $2`, r.ID, kept)
		return err
	})
}

// DeleteAccount implements account.Store.
func (s *Store) DeleteAccount(ctx context.Context, id registry.ID, e audit.Event) error {
	return s.writeAudited(ctx, e, func(tx txn) error {
		res, err := tx.Exec(`DELETE FROM accounts WHERE id = $1`, id)
		if err := exactlyOne(res, err, registry.ErrNotFound); err != nil {
			return err
		}
		if _, err := tx.Exec(`DELETE FROM bindings WHERE account = $1`, id); err != nil {
			return err
		}
		_, err = tx.Exec(`DELETE FROM logins WHERE account = $1`, id)
		return err
	})
}

const boundColumns = `SELECT b.id, b.fingerprint, b.authority, b.subject, b.label, b.created, a.id, a.name, a.disabled
	FROM bindings AS b JOIN accounts AS a ON a.id = b.account`

func scanBound(row scanner) (b account.Bound, err error) {
	var disabled int64
	err = row.Scan(&b.ID, &b.Fingerprint, &b.Authority, &b.Subject, &b.Label, &b.Created, &b.Account, &b.Name, &disabled)
	b.Disabled = disabled != 0
	return b, err
}

// Bind implements account.Store.
func (s *Store) Bind(ctx context.Context, id registry.ID, b account.Binding, e audit.Event) error {
	return s.writeAudited(ctx, e, func(tx txn) error {
		// The account's row keeps a deletion at the same time from leaving the binding behind.
		res, err := tx.Exec(`UPDATE accounts SET changed = $1 WHERE id = $2`, b.Created, id)
		if err := exactlyOne(res, err, registry.ErrNotFound); err != nil {
			return err
		}
		res, err = tx.Exec(`INSERT INTO bindings (id, account, fingerprint, authority, subject, label, created)
			VALUES ($1, $2, $3, $4, $5, $6, $7) ON CONFLICT DO NOTHING`, b.ID, id, b.Fingerprint, b.Authority, b.Subject, b.Label, b.Created)
		return exactlyOne(res, err, registry.ErrExists)
	})
}

// Unbind implements account.Store.
func (s *Store) Unbind(ctx context.Context, id, binding registry.ID, e audit.Event) error {
	return s.writeAudited(ctx, e, func(tx txn) error {
		res, err := tx.Exec(`DELETE FROM bindings WHERE id = $1 AND account = $2`, binding, id)
		return exactlyOne(res, err, registry.ErrNotFound)
	})
}

// Bound implements account.Store.
func (s *Store) Bound(ctx context.Context, certificate, authority string) ([]account.Bound, error) {
	return selectAll(ctx, s, scanBound, boundColumns+` WHERE b.fingerprint = $1 OR b.authority = $2 AND b.authority <> '' ORDER BY b.id`,
		certificate, authority)
}
