// Package store keeps the registry in a SQL database. The engine for one
// process is an embedded SQLite file; the SQL is written in what SQLite and
// PostgreSQL share, so that one text serves both.
package store

import (
	"context"
	"database/sql"
	"errors"
	"io"
	"strings"
	"time"

	"github.com/hallmark-id/hallmark/internal/audit"
	"github.com/hallmark-id/hallmark/internal/registry"
)

// Store implements registry.Store. It is safe for concurrent use.
type Store struct {
	read   *reader
	writer writer // of the engine
	engine engine
	now    func() time.Time
	random io.Reader
	events eventIDs
	close  func() error // made to run once

	lookups *lookups // of a store that is a round trip away
}

var _ registry.Store = (*Store)(nil)

// Options configures Open.
type Options struct {
	// DSN is "sqlite:FILE", or a PostgreSQL address such as
	// "postgres://user:password@host/database".
	DSN    string
	Now    func() time.Time
	Random io.Reader
	// driver is the database/sql driver, replaced by tests that inject failures.
	driver string
}

// writer runs transactions the way its engine wants it.
type writer interface {
	// do runs f in a transaction. Without an error the change is durable; an
	// error of f itself means that it is not done; any other, that the outcome is
	// unknown. f may run more than once, and only its last run counts.
	do(ctx context.Context, f func(txn) error) error
}

// ErrNewer says that the database was written by a newer Hallmark.
var ErrNewer = errors.New("the database was made by a newer version of hallmark: start that version, or restore the backup made before the upgrade")

// Embedded returns the file of a DSN that names an embedded database.
func Embedded(dsn string) (file string, ok bool) {
	file, ok = strings.CutPrefix(dsn, "sqlite:")
	return file, ok && file != ""
}

// Open opens the database, bringing its schema up to date. A second process on
// the same embedded database is refused with an error that wraps
// replay.ErrLocked.
func Open(ctx context.Context, o Options) (*Store, error) {
	var s *Store
	var err error
	if file, ok := Embedded(o.DSN); ok {
		s, err = openSQLite(ctx, file, o)
	} else if strings.HasPrefix(o.DSN, "postgres://") || strings.HasPrefix(o.DSN, "postgresql://") {
		s, err = openPostgres(ctx, o)
	} else {
		err = errors.New("the store's address is not understood: sqlite:FILE or postgres://USER@HOST:PORT/DATABASE is needed")
	}
	if err != nil {
		return nil, err
	}
	if err := errors.Join(s.events.start(o.Random), s.migrate(ctx)); err != nil {
		return nil, errors.Join(err, s.Close())
	}
	if s.Shared() {
		s.lookups = s.newLookups()
	}
	return s, nil
}

// Close waits for writes under way and releases the file.
func (s *Store) Close() error {
	if s.lookups != nil {
		s.lookups.Close()
	}
	return s.close()
}

// Ping reports whether the store can be read.
func (s *Store) Ping(ctx context.Context) error {
	_, err := s.read.ExecContext(ctx, `SELECT 1`)
	return err
}

// Meta returns a named value, or registry.ErrNotFound.
func (s *Store) Meta(ctx context.Context, name string) ([]byte, error) {
	return selectOne(ctx, func(row scanner) (value []byte, err error) { return value, row.Scan(&value) }, func() *sql.Row {
		return s.read.QueryRowContext(ctx, `SELECT value FROM meta WHERE name = $1`, name)
	})
}

// ClaimMeta writes named values unless the first of a kind is there already:
// claimed is false then and nothing has changed. Of several nodes that start
// at once on an empty store one wins.
func (s *Store) ClaimMeta(ctx context.Context, claim string, values map[string][]byte) (claimed bool, err error) {
	err = s.write(ctx, func(tx txn) error {
		n, err := affected(tx.Exec(`INSERT INTO meta (name, value) VALUES ($1, $2) ON CONFLICT DO NOTHING`, claim, values[claim]))
		if claimed = n == 1; err != nil || !claimed {
			return err
		}
		for name, value := range values {
			if name == claim {
				continue
			}
			if _, err := tx.Exec(`INSERT INTO meta (name, value) VALUES ($1, $2)`, name, value); err != nil {
				return err
			}
		}
		return nil
	})
	return claimed, err
}

// write runs f in a transaction, with those of others. What f returns is
// returned; a rollback undoes f alone.
func (s *Store) write(ctx context.Context, f func(txn) error) error {
	return explain(s.writer.do(ctx, f))
}

// writeAudited runs f and writes its audit event in the same transaction.
func (s *Store) writeAudited(ctx context.Context, e audit.Event, f func(txn) error) error {
	return s.write(ctx, func(tx txn) error {
		if err := f(tx); err != nil {
			return err
		}
		return s.appendAudit(tx, e)
	})
}

func absent(err error) error {
	if errors.Is(err, sql.ErrNoRows) {
		return registry.ErrNotFound
	}
	return err
}

func affected(res sql.Result, err error) (int64, error) {
	if err != nil {
		return 0, err
	}
	return res.RowsAffected()
}

// exactlyOne turns "no row" into the given error.
func exactlyOne(res sql.Result, err error, none error) error {
	n, err := affected(res, err)
	if err == nil && n == 0 {
		return none
	}
	return err
}

// collect reads all rows of a query.
func collect[T any](rows *sql.Rows, err error, scan func(scanner) (T, error)) ([]T, error) {
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var out []T
	for rows.Next() {
		v, err := scan(rows)
		if err != nil {
			return nil, err
		}
		out = append(out, v)
	}
	return out, rows.Err()
}

// scanner is a row: *sql.Row or *sql.Rows.
type scanner interface{ Scan(...any) error }

func flag(b bool) int64 {
	if b {
		return 1
	}
	return 0
}
