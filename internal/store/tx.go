package store

import (
	"context"
	"database/sql"
)

// txn is a transaction under way. Its statements run under the context that its
// engine wants for them: an embedded database must not be interrupted in the
// middle of a group, a remote one must not be waited for without end.
type txn struct {
	ctx  context.Context
	sql  *sql.Tx
	kept *kept // nil where the driver keeps statements by itself
}

// Exec runs a statement.
func (t txn) Exec(query string, args ...any) (sql.Result, error) {
	if s := t.kept.statement(t.ctx, query); s != nil {
		return s.ExecContext(t.ctx, args...)
	}
	return t.sql.ExecContext(t.ctx, query, args...)
}

// Query runs a query.
func (t txn) Query(query string, args ...any) (*sql.Rows, error) {
	if s := t.kept.statement(t.ctx, query); s != nil {
		return s.QueryContext(t.ctx, args...)
	}
	return t.sql.QueryContext(t.ctx, query, args...)
}

// QueryRow runs a query for one row.
func (t txn) QueryRow(query string, args ...any) *sql.Row {
	if s := t.kept.statement(t.ctx, query); s != nil {
		return s.QueryRowContext(t.ctx, args...)
	}
	return t.sql.QueryRowContext(t.ctx, query, args...)
}

// Prepare prepares a statement that is run many times.
func (t txn) Prepare(query string) (stmt, error) {
	s, err := t.sql.PrepareContext(t.ctx, query)
	return stmt{t.ctx, s}, err
}

// stmt is a prepared statement of a txn.
type stmt struct {
	ctx context.Context
	sql *sql.Stmt
}

// Exec runs the statement.
func (s stmt) Exec(args ...any) (sql.Result, error) { return s.sql.ExecContext(s.ctx, args...) }

// Close releases the statement.
func (s stmt) Close() error { return s.sql.Close() }
