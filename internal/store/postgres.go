package store

import (
	"cmp"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"math/rand/v2"
	"strconv"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/stdlib"

	"github.com/hallmark-id/hallmark/internal/registry"
)

var postgresEngine = engine{replace: strings.NewReplacer("{id}", "BIGINT PRIMARY KEY", "{bytes}", "BYTEA", "{text}", `TEXT COLLATE "C"`),
	parameter: func(n int) string { return "$" + strconv.Itoa(n) },
	clock:     "CAST(extract(epoch FROM clock_timestamp()) * 1000 AS BIGINT)"}

// Bounds of what a node asks of the database.
const (
	postgresConns     = 24
	postgresWriters   = 12 // transactions under way at once; the other connections are for reads
	postgresConnect   = 5 * time.Second
	postgresStatement = 10 * time.Second // the server ends a statement that takes longer
	postgresWrite     = 30 * time.Second // a transaction with all its tries
	postgresIdle      = 5 * time.Minute
)

func openPostgres(ctx context.Context, o Options) (*Store, error) {
	config, err := pgx.ParseConfig(o.DSN)
	if err != nil {
		return nil, errors.New("the store's address is not understood: postgres://USER@HOST:PORT/DATABASE is needed") // the error may show the password
	}
	if config.ConnectTimeout == 0 {
		config.ConnectTimeout = postgresConnect
	}
	setDefaultParam(config.RuntimeParams, "application_name", "hallmark")
	setDefaultParam(config.RuntimeParams, "statement_timeout", strconv.FormatInt(postgresStatement.Milliseconds(), 10))
	config.RuntimeParams["default_transaction_isolation"] = "read committed" // see Ledger
	setDefaultParam(config.RuntimeParams, "idle_in_transaction_session_timeout", "30000")
	db := stdlib.OpenDB(*config)
	db.SetMaxOpenConns(postgresConns)
	db.SetMaxIdleConns(postgresConns)
	db.SetConnMaxIdleTime(postgresIdle)
	if err := checkPostgres(ctx, db); err != nil {
		return nil, errors.Join(err, db.Close())
	}
	return &Store{read: newReader(db, false), writer: newTransactions(db), engine: postgresEngine, now: o.Now, random: o.Random, close: db.Close}, nil
}

func setDefaultParam(params map[string]string, name, value string) {
	if params[name] == "" {
		params[name] = value
	}
}

// checkPostgres refuses a server that cannot keep what is promised.
func checkPostgres(ctx context.Context, db *sql.DB) error {
	ctx, cancel := context.WithTimeout(ctx, postgresStatement)
	defer cancel()
	var readOnly, synchronous string
	err := db.QueryRowContext(ctx, `SELECT current_setting('transaction_read_only'), current_setting('synchronous_commit')`).Scan(&readOnly, &synchronous)
	switch {
	case err != nil:
		return fmt.Errorf("the database cannot be used, check its address, user and password: %w", plainError(err))
	case readOnly == "on":
		return errors.New("the database is read-only: give the address of the primary, or add target_session_attrs=read-write to the store's address")
	case synchronous == "off":
		return errors.New("synchronous_commit is off: an accepted code could be forgotten in a crash and accepted again; set it to on for this database or user")
	}
	return nil
}

// plainError keeps what pgx says of a failed connection to its cause: the rest
// repeats the whole address.
func plainError(err error) error {
	var connect *pgconn.ConnectError
	if errors.As(err, &connect) && connect.Unwrap() != nil {
		return connect.Unwrap()
	}
	return err
}

// transactions is the writer of PostgreSQL: each caller has a transaction of
// its own. They all may want one row, as when the devices of a product ask for
// licences: only so many wait for it in the database that reads find a connection
// and the statement timeout is not spent in the queue; the others wait here.
type transactions struct {
	db    *sql.DB
	slots chan struct{}
}

func newTransactions(db *sql.DB) *transactions {
	return &transactions{db, make(chan struct{}, postgresWriters)}
}

// ErrUnknown says that the connection was lost while a commit was under way.
var ErrUnknown = registry.ErrUnknown

// maxTries is how often a transaction is run when it meets others in each
// other's way, or the connection is lost before its commit.
const maxTries = 6

func (t *transactions) do(ctx context.Context, f func(txn) error) error {
	ctx, cancel := context.WithTimeout(ctx, postgresWrite)
	defer cancel()
	select {
	case t.slots <- struct{}{}:
		defer func() { <-t.slots }()
	case <-ctx.Done():
		if errors.Is(ctx.Err(), context.DeadlineExceeded) {
			return registry.ErrBusy
		}
		return ctx.Err()
	}
	for try := 1; ; try++ {
		err := t.once(ctx, f)
		if try == maxTries || !retryable(err) {
			return err
		}
		if err := pause(ctx, try); err != nil {
			return err
		}
	}
}

func (t *transactions) once(ctx context.Context, f func(txn) error) error {
	begun, err := t.db.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	if err := f(txn{ctx, begun, nil}); err != nil {
		_ = begun.Rollback() // a connection that cannot roll back is dropped, which rolls back
		return err
	}
	err = begun.Commit()
	if err != nil && !isRefusal(err) {
		return fmt.Errorf("%w: %w", ErrUnknown, err)
	}
	return err
}

// isRefusal reports whether the server itself refused a commit, so that the
// outcome is known: nothing was done. What ends the connection (FATAL, as when
// the server is shut down) may come after the commit, and two SQLSTATEs say
// that the server does not know either.
func isRefusal(err error) bool {
	var server *pgconn.PgError
	return errors.As(err, &server) && cmp.Or(server.SeverityUnlocalized, server.Severity) == "ERROR" && server.Code != "40003" && server.Code != "08007"
}

// retryable reports whether a transaction that failed this way can be run
// again: it lost against another one, or never reached its commit because the
// connection or the server went away.
func retryable(err error) bool {
	var server *pgconn.PgError
	switch {
	case err == nil, errors.Is(err, ErrUnknown), errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded):
		return false
	case errors.As(err, &server):
		return retryableCode(server.Code)
	}
	return isConnectionError(err)
}

// retryableCode knows the SQLSTATEs that pass: serialization failure,
// deadlock, a server that is starting, stopping or failing over.
func retryableCode(code string) bool {
	switch code {
	case "40001", "40P01", "57P01", "57P02", "57P03", "25006":
		return true
	}
	return strings.HasPrefix(code, "08")
}

func isConnectionError(err error) bool {
	var connect *pgconn.ConnectError
	return errors.As(err, &connect) || pgconn.SafeToRetry(err) || errors.Is(err, sql.ErrConnDone) || isNetError(err)
}

// pause waits a little longer after each try, at random so that rivals part.
func pause(ctx context.Context, try int) error {
	timer := time.NewTimer(time.Duration(try*try) * (5*time.Millisecond + rand.N(10*time.Millisecond)))
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
