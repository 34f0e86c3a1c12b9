package store

import (
	"context"
	"database/sql"
	"strings"

	"github.com/hallmark-id/hallmark/internal/pki"
	"github.com/hallmark-id/hallmark/internal/registry"
)

// Lists implements pki.ListStore.
func (s *Store) Lists(ctx context.Context) ([]pki.List, error) {
	return selectAll(ctx, s, func(row scanner) (l pki.List, err error) {
		return l, row.Scan(&l.Authority, &l.Number, &l.ThisUpdate, &l.NextUpdate, &l.Entries)
	}, `SELECT authority, number, this_update, next_update, entries FROM crls`)
}

// ListDER implements pki.ListStore.
func (s *Store) ListDER(ctx context.Context, authority registry.ID, number int64) ([]byte, error) {
	return selectOne(ctx, func(row scanner) (der []byte, err error) { return der, row.Scan(&der) }, func() *sql.Row {
		return s.read.QueryRowContext(ctx, `SELECT der FROM crls WHERE authority = $1 AND number = $2`, authority, number)
	})
}

// PendingLists implements pki.ListStore.
func (s *Store) PendingLists(ctx context.Context) ([]pki.Mark, error) {
	return selectAll(ctx, s, func(row scanner) (m pki.Mark, err error) {
		return m, row.Scan(&m.ID, &m.Authority)
	}, `SELECT id, authority FROM crl_marks`)
}

const revokedCertificates = `SELECT serial, revoked, reason FROM certificates WHERE authority = $1 AND revoked <> 0 AND not_after > $2`

// RevokedCertificates implements pki.ListStore.
func (s *Store) RevokedCertificates(ctx context.Context, authority registry.ID, endsAfter registry.Instant, f func(pki.Entry) error) error {
	rows, err := s.read.QueryContext(ctx, revokedCertificates, authority, endsAfter)
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		var e pki.Entry
		if err := rows.Scan(&e.Serial, &e.Revoked, &e.Reason); err != nil {
			return err
		}
		if err := f(e); err != nil {
			return err
		}
	}
	return rows.Err()
}

// SaveList implements pki.ListStore.
func (s *Store) SaveList(ctx context.Context, l pki.List, replaces int64, marks []pki.Mark) (saved bool, err error) {
	err = s.write(ctx, func(tx txn) error {
		n, err := affected(tx.Exec(`INSERT INTO crls (authority, number, this_update, next_update, entries, der) VALUES ($1, $2, $3, $4, $5, $6)
			ON CONFLICT (authority) DO UPDATE SET number = excluded.number, this_update = excluded.this_update,
			next_update = excluded.next_update, entries = excluded.entries, der = excluded.der WHERE crls.number = $7`,
			l.Authority, l.Number, l.ThisUpdate, l.NextUpdate, int64(l.Entries), l.DER, replaces))
		if saved = n == 1; err != nil || !saved {
			return err
		}
		return s.removeMarks(tx, marks)
	})
	return saved && err == nil, err
}

func (s *Store) removeMarks(tx txn, marks []pki.Mark) error {
	for len(marks) > 0 {
		chunk := marks[:min(len(marks), lookupChunk)]
		marks = marks[len(chunk):]
		var q strings.Builder
		args := make([]any, len(chunk))
		for i, m := range chunk {
			q.WriteString(map[bool]string{true: "(", false: ", "}[i == 0] + s.engine.parameter(i+1))
			args[i] = m.ID
		}
		if _, err := tx.Exec(`DELETE FROM crl_marks WHERE id IN `+q.String()+`)`, args...); err != nil {
			return err
		}
	}
	return nil
}
