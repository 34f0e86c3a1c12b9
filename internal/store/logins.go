package store

import (
	"context"
	"database/sql"

	"github.com/hallmark-id/hallmark/internal/account"
	"github.com/hallmark-id/hallmark/internal/audit"
	"github.com/hallmark-id/hallmark/internal/registry"
)

// Attempt implements account.Store.
func (s *Store) Attempt(ctx context.Context, id registry.ID, now registry.Instant, evenLocked bool, until func(int64) registry.Instant) error {
	return s.write(ctx, func(tx txn) error {
		attempts, err := scanInt(tx.QueryRow(`UPDATE accounts SET attempts = attempts + 1
			WHERE id = $1 AND (locked_until <= $2 OR CAST($3 AS BIGINT) = 1) RETURNING attempts`, id, now, flag(evenLocked)))
		if err != nil {
			return absent(err)
		}
		_, err = tx.Exec(`UPDATE accounts SET locked_until = $1 WHERE id = $2`, until(attempts), id)
		return err
	})
}

// OpenLogin implements account.Store.
func (s *Store) OpenLogin(ctx context.Context, l account.Login, hash, replaced []byte, version int64, e audit.Event) error {
	return s.writeAudited(ctx, e, func(tx txn) error {
		res, err := tx.Exec(`UPDATE accounts SET attempts = 0, locked_until = 0, last_login = $1, last_address = $2
			WHERE id = $3 AND version = $4 AND disabled = 0`, l.Opened, l.Address, l.Account, version)
		if err := exactlyOne(res, err, registry.ErrConflict); err != nil {
			return err
		}
		if replaced != nil {
			if _, err := tx.Exec(`DELETE FROM logins WHERE token = $1`, replaced); err != nil {
				return err
			}
		}
		_, err = tx.Exec(`INSERT INTO logins (id, token, account, method, address, agent, opened, seen)
			VALUES ($1, $2, $3, $4, $5, $6, $7, $8)`, l.ID, hash, l.Account, l.Method, l.Address, l.Agent, l.Opened, l.Seen)
		return err
	})
}

const loginColumns = `l.id, l.account, l.method, l.address, l.agent, l.opened, l.seen`

func loginFields(l *account.Login) []any {
	return []any{&l.ID, &l.Account, &l.Method, &l.Address, &l.Agent, &l.Opened, &l.Seen}
}

// Login implements account.Store.
func (s *Store) Login(ctx context.Context, hash []byte) (account.Login, account.Account, error) {
	var r account.Row
	l, err := selectOne(ctx, func(row scanner) (l account.Login, err error) {
		var disabled int64
		err = row.Scan(append(loginFields(&l), accountFields(&r, &disabled)...)...)
		r.Disabled, r.HasPassword, l.Name = disabled != 0, len(r.Password) > 0, r.Name
		return l, err
	}, func() *sql.Row {
		return s.read.QueryRowContext(ctx, `SELECT `+loginColumns+`, a.id, a.name, a.role, a.password, a.disabled, a.locked_until, a.created, a.changed,
			a.last_login, a.last_address, a.version FROM logins AS l JOIN accounts AS a ON a.id = l.account WHERE l.token = $1`, hash)
	})
	return l, r.Account, err
}

// Logins implements account.Store.
func (s *Store) Logins(ctx context.Context, id registry.ID) ([]account.Login, error) {
	q := newQuery(`SELECT `+loginColumns+`, a.name FROM logins AS l JOIN accounts AS a ON a.id = l.account WHERE l.opened > $1`, int64(0))
	if id != 0 {
		q.and("l.account = ?", id)
	}
	return selectAll(ctx, s, func(row scanner) (l account.Login, err error) {
		return l, row.Scan(append(loginFields(&l), &l.Name)...)
	}, q.text()+` ORDER BY l.opened DESC, l.id LIMIT 1000`, q.args...)
}

// TouchLogin implements account.Store.
func (s *Store) TouchLogin(ctx context.Context, id registry.ID, seen registry.Instant) error {
	return s.write(ctx, func(tx txn) error {
		_, err := tx.Exec(`UPDATE logins SET seen = $1 WHERE id = $2 AND seen < $1`, seen, id)
		return err
	})
}

// EndLogin implements account.Store.
func (s *Store) EndLogin(ctx context.Context, id, of registry.ID, e audit.Event) error {
	q := newQuery(`DELETE FROM logins WHERE id = $1`, id)
	if of != 0 {
		q.and("account = ?", of)
	}
	return s.writeAudited(ctx, e, func(tx txn) error {
		res, err := tx.Exec(q.text(), q.args...)
		return exactlyOne(res, err, registry.ErrNotFound)
	})
}

// SweepLogins implements account.Store.
func (s *Store) SweepLogins(ctx context.Context, opened, seen registry.Instant) error {
	if err := s.sweep(ctx, "logins", "opened", opened); err != nil {
		return err
	}
	return s.sweep(ctx, "logins", "seen", seen)
}
