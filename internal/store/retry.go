package store

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"io"
	"net"
)

// isNetError reports whether a connection broke.
func isNetError(err error) bool {
	var network net.Error
	return errors.As(err, &network) || errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, driver.ErrBadConn)
}

// selectAll runs a query, again when a passing fault ends it, and returns all
// its rows.
func selectAll[T any](ctx context.Context, s *Store, scan func(scanner) (T, error), query string, args ...any) ([]T, error) {
	for try := 1; ; try++ {
		rows, err := s.read.QueryContext(ctx, query, args...)
		out, err := collect(rows, err, scan)
		if try == maxTries || !retryable(err) {
			return out, err
		}
		if err := pause(ctx, try); err != nil {
			return nil, err
		}
	}
}

// selectOne is selectAll for a query that returns one row or none, which is
// registry.ErrNotFound.
func selectOne[T any](ctx context.Context, scan func(scanner) (T, error), query func() *sql.Row) (T, error) {
	for try := 1; ; try++ {
		out, err := scan(query())
		if try == maxTries || !retryable(err) {
			return out, absent(err)
		}
		if err := pause(ctx, try); err != nil {
			return out, err
		}
	}
}
