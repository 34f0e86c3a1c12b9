package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net/url"
	"os"
	"strings"
	"sync"

	_ "modernc.org/sqlite" // the embedded engine

	"github.com/hallmark-id/hallmark/internal/replay"
)

// engine holds the few words in which the engines differ.
type engine struct {
	replace *strings.Replacer // placeholders of the migrations
	// parameter is the nth parameter of a statement that has very many of them;
	// all others write $1, $2, which every engine reads.
	parameter func(n int) string
	// clock is the store's time in milliseconds as SQL; "" where one process is
	// alone and has its own.
	clock string
}

// SQLite looks up the name of each numbered parameter in a list, which takes
// long in a statement of hundreds; a plain ? has no name.
var sqliteEngine = engine{replace: strings.NewReplacer("{id}", "INTEGER PRIMARY KEY", "{bytes}", "BLOB", "{text}", "TEXT"),
	parameter: func(int) string { return "?" }}

// readers is how many connections read at once.
const readers = 8

func openSQLite(ctx context.Context, path string, o Options) (*Store, error) {
	lock, err := replay.Lock(path + ".lock")
	if err != nil {
		return nil, fmt.Errorf("database %s: %w", path, err)
	}
	if err := createPrivate(path); err != nil {
		return nil, errors.Join(fmt.Errorf("database: %w", err), lock.Close())
	}
	driver := o.driver
	if driver == "" {
		driver = "sqlite"
	}
	write, err := openPool(ctx, driver, path, 1)
	if err != nil {
		return nil, errors.Join(err, lock.Close())
	}
	pool, err := openPool(ctx, driver, path, readers)
	if err != nil {
		return nil, errors.Join(err, write.Close(), lock.Close())
	}
	read := newReader(pool, true)
	conn, err := write.Conn(ctx)
	if err != nil {
		return nil, errors.Join(err, read.Close(), write.Close(), lock.Close())
	}
	w := newGroupWriter(conn)
	return &Store{
		read: read, writer: w, engine: sqliteEngine, now: o.Now, random: o.Random,
		close: sync.OnceValue(func() error {
			w.close()
			return errors.Join(conn.Close(), read.Close(), write.Close(), lock.Close())
		}),
	}, nil
}

// createPrivate makes the database file, readable by its owner only; SQLite
// gives the files beside it the same mode.
func createPrivate(path string) error {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return err
	}
	return f.Close()
}

// openPool opens connections with everything durable: WAL, an fsync at every
// commit. Transactions take the write lock at once, so that none fails half way
// on finding that another was first. A checkpoint waits for 16 MB of log rather
// than 4: most pages of the indexes are changed again before that, and written
// once then. No more, because the index of the log has 4096 pages in one table.
func openPool(ctx context.Context, driver, path string, conns int) (*sql.DB, error) {
	q := url.Values{"_txlock": {"immediate"}, "_pragma": {
		"journal_mode(WAL)", "synchronous(FULL)", "busy_timeout(10000)", "foreign_keys(1)",
		"cache_size(-65536)", "temp_store(MEMORY)", "wal_autocheckpoint(4000)", "journal_size_limit(67108864)"}}
	db, err := sql.Open(driver, "file:"+(&url.URL{Path: path}).EscapedPath()+"?"+q.Encode())
	if err != nil {
		return nil, err
	}
	db.SetMaxOpenConns(conns)
	db.SetMaxIdleConns(conns)
	if err := db.PingContext(ctx); err != nil {
		return nil, errors.Join(fmt.Errorf("open database %s: %w", path, err), db.Close())
	}
	return db, nil
}
