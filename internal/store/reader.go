package store

import (
	"context"
	"database/sql"
	"sync"
)

// reader is where queries outside transactions go. On SQLite it keeps their parsed
// statements, for parsing takes longer than a short query; the driver of
// PostgreSQL does so by itself.
type reader struct {
	*sql.DB
	keeps bool

	mu     sync.RWMutex
	byText map[string]*sql.Stmt
}

func newReader(db *sql.DB, keeps bool) *reader {
	return &reader{DB: db, keeps: keeps, byText: make(map[string]*sql.Stmt)}
}

// QueryContext is that of sql.DB.
func (r *reader) QueryContext(ctx context.Context, text string, args ...any) (*sql.Rows, error) {
	if s := r.statement(ctx, text); s != nil {
		return s.QueryContext(ctx, args...)
	}
	return r.DB.QueryContext(ctx, text, args...)
}

// QueryRowContext is that of sql.DB.
func (r *reader) QueryRowContext(ctx context.Context, text string, args ...any) *sql.Row {
	if s := r.statement(ctx, text); s != nil {
		return s.QueryRowContext(ctx, args...)
	}
	return r.DB.QueryRowContext(ctx, text, args...)
}

// statement returns the parsed statement, or nil if it is not to be kept or
// cannot be parsed, which running it will tell again.
func (r *reader) statement(ctx context.Context, text string) *sql.Stmt {
	if !r.keeps || len(text) > maxKeptText {
		return nil
	}
	r.mu.RLock()
	s, n := r.byText[text], len(r.byText)
	r.mu.RUnlock()
	if s != nil || n >= maxKept {
		return s
	}
	s, err := r.PrepareContext(ctx, text)
	if err != nil {
		return nil
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if earlier := r.byText[text]; earlier != nil || len(r.byText) >= maxKept {
		_ = s.Close() // nobody has used it
		return earlier
	}
	r.byText[text] = s
	return s
}

// Close releases the statements and closes the pool.
func (r *reader) Close() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, s := range r.byText {
		_ = s.Close() // of connections that are about to be closed
	}
	r.byText, r.keeps = nil, false
	return r.DB.Close()
}
