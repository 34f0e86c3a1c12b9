package store

import (
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5/pgconn"
	"modernc.org/sqlite"
	sqlite3 "modernc.org/sqlite/lib"

	"github.com/hallmark-id/hallmark/internal/registry"
)

// explain puts in words what an operator can do something about.
func explain(err error) error {
	var embedded *sqlite.Error
	var server *pgconn.PgError
	switch {
	case err == nil:
		return nil
	case errors.As(err, &embedded):
		// The low byte is the result code; the rest says more about it.
		return withCause(err, map[int]error{sqlite3.SQLITE_FULL: registry.ErrDiskFull, sqlite3.SQLITE_READONLY: registry.ErrReadOnly}[embedded.Code()&0xff])
	case errors.As(err, &server):
		return withCause(err, map[string]error{"53100": registry.ErrDiskFull, "25006": registry.ErrReadOnly}[server.Code])
	}
	return err
}

func withCause(err, cause error) error {
	if cause == nil {
		return err
	}
	return fmt.Errorf("%w: %w", cause, err)
}
