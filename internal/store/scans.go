package store

import (
	"context"
	"database/sql"
	"fmt"
	"strings"

	"github.com/hallmark-id/hallmark/internal/audit"
	"github.com/hallmark-id/hallmark/internal/registry"
	"github.com/hallmark-id/hallmark/internal/scanlogin"
)

var _ scanlogin.Store = (*Store)(nil)

// CreateScan implements scanlogin.Store.
func (s *Store) CreateScan(ctx context.Context, r scanlogin.Row) error {
	return s.write(ctx, func(tx txn) error {
		res, err := tx.Exec(`INSERT INTO scans (auth_id, org, poll, state, address, agent, created, expires)
			VALUES ($1, $2, $3, $4, $5, $6, $7, $8) ON CONFLICT DO NOTHING`,
			r.AuthID, r.Org, r.Poll[:], int64(r.State), r.Address, r.Agent, r.Created, r.Expires)
		return exactlyOne(res, err, registry.ErrExists)
	})
}

// Scan implements scanlogin.Store.
func (s *Store) Scan(ctx context.Context, authID string) (scanlogin.Row, error) {
	return selectOne(ctx, scanScan, func() *sql.Row {
		return s.read.QueryRowContext(ctx, `SELECT auth_id, org, poll, state, app, account, certificate, refusal, address, agent, created, expires
			FROM scans WHERE auth_id = $1`, authID)
	})
}

func scanScan(row scanner) (r scanlogin.Row, err error) {
	var poll []byte
	err = row.Scan(&r.AuthID, &r.Org, &poll, &r.State, &r.App, &r.Account, &r.Certificate, &r.Refusal, &r.Address, &r.Agent, &r.Created, &r.Expires)
	if err == nil && copy(r.Poll[:], poll) != len(r.Poll) {
		err = fmt.Errorf("scan session %s: the hash of its secret is cut off", r.AuthID)
	}
	return r, err
}

// AdvanceScan implements scanlogin.Store.
func (s *Store) AdvanceScan(ctx context.Context, step scanlogin.Step, e *audit.Event) error {
	q := newQuery(`UPDATE scans SET state = $1, app = coalesce(nullif($2, ''), app), account = CASE WHEN CAST($3 AS BIGINT) = 0 THEN account ELSE $3 END,
		certificate = coalesce(nullif($4, ''), certificate), refusal = $5,
		expires = CASE WHEN CAST($6 AS BIGINT) = 0 THEN expires + CAST($7 AS BIGINT) ELSE $6 END WHERE auth_id = $8 AND expires > $9`,
		int64(step.To), step.SetApp, step.Account, step.Certificate, string(step.Refusal), step.ExpiresAt, step.Extend, step.AuthID, step.Now)
	states := make([]string, len(step.From))
	for i, from := range step.From {
		states[i] = itoa(int(from))
	}
	q.b.WriteString(" AND state IN (" + strings.Join(states, ", ") + ")")
	if step.Org != 0 {
		q.and("org = ?", step.Org)
	}
	if step.App != "" {
		q.and("(state = "+itoa(int(scanlogin.Created))+" OR app = ?)", step.App)
	}
	return s.write(ctx, func(tx txn) error {
		res, err := tx.Exec(q.text(), q.args...)
		if err := exactlyOne(res, err, registry.ErrNotFound); err != nil {
			return err
		}
		if err := s.noteChange(tx, registry.ScanChanged, 0, step.AuthID); err != nil || e == nil {
			return err
		}
		return s.appendAudit(tx, *e)
	})
}

// SweepScans implements scanlogin.Store.
func (s *Store) SweepScans(ctx context.Context, before registry.Instant) error {
	return s.sweep(ctx, "scans", "expires", before)
}

// sweep removes the rows of a table whose column is before a moment. Most of
// the time there is nothing to do, which must not cost a commit.
func (s *Store) sweep(ctx context.Context, table, column string, before registry.Instant) error {
	old, err := selectOne(ctx, scanInt, func() *sql.Row {
		return s.read.QueryRowContext(ctx, `SELECT count(*) FROM (SELECT 1 FROM `+table+` WHERE `+column+` < $1 LIMIT 1) AS old`, before)
	})
	if err != nil || old == 0 {
		return err
	}
	return s.write(ctx, func(tx txn) error {
		_, err := tx.Exec(`DELETE FROM `+table+` WHERE `+column+` < $1`, before)
		return err
	})
}
