package store

import (
	"context"
	"database/sql"
)

// kept keeps the parsed statements of one connection: SQLite takes longer to
// parse the statements of a small transaction than to run them. A statement of
// the connection runs in whatever transaction is open on it. Only one goroutine
// may use it, and no query may be run again while its rows are being read.
type kept struct {
	conn   *sql.Conn
	byText map[string]*sql.Stmt
}

const (
	maxKept     = 256  // statements; the texts in this package are fewer
	maxKeptText = 2048 // bytes; longer ones are made for one occasion
)

func newKept(conn *sql.Conn) *kept {
	return &kept{conn: conn, byText: make(map[string]*sql.Stmt)}
}

// statement returns the parsed statement, or nil if it is not to be kept or
// cannot be parsed, which running it will tell again.
func (k *kept) statement(ctx context.Context, text string) *sql.Stmt {
	if k == nil {
		return nil
	}
	if s, ok := k.byText[text]; ok {
		return s
	}
	if len(k.byText) >= maxKept || len(text) > maxKeptText {
		return nil
	}
	s, err := k.conn.PrepareContext(ctx, text)
	if err != nil {
		return nil
	}
	k.byText[text] = s
	return s
}

// close releases all statements.
func (k *kept) close() {
	for _, s := range k.byText {
		_ = s.Close() // of a connection that is about to be closed
	}
}
