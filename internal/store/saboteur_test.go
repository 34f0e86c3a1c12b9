package store

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"net/url"
	"sync"
)

// The driver "sqlite-faulty" is the real one with a saboteur before it: it
// fails one chosen write, either instead of doing it or after it was done.

var errSabotage = errors.New("sabotage")

// saboteur chooses the write that fails. It is shared by all connections to a
// database.
type saboteur struct {
	mu      sync.Mutex
	failAt  int  // counts down; 0 is off
	after   bool // fail after the write took effect
	struck  bool
	onWrite bool // armed: only then are writes counted
}

// saboteurs are those of all databases, by file.
var saboteurs sync.Map

// saboteurOf returns that of a database by its DSN.
func saboteurOf(dsn string) *saboteur {
	file, _ := Embedded(dsn)
	s, _ := saboteurs.LoadOrStore(file, new(saboteur))
	return s.(*saboteur)
}

func (s *saboteur) arm(failAt int, after bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.failAt, s.after, s.struck, s.onWrite = failAt, after, false, true
}

func (s *saboteur) disarm() (struck bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.onWrite = false
	return s.struck
}

// do runs one write.
func (s *saboteur) do(write func() error) error {
	s.mu.Lock()
	hit := false
	if s.onWrite && s.failAt > 0 {
		s.failAt--
		hit = s.failAt == 0
		s.struck = s.struck || hit
	}
	after := s.after
	s.mu.Unlock()
	if hit && !after {
		return errSabotage
	}
	err := write()
	if hit {
		return errSabotage
	}
	return err
}

func init() {
	db, err := sql.Open("sqlite", ":memory:")
	if err != nil {
		panic(err)
	}
	sql.Register("sqlite-faulty", faultyDriver{db.Driver()})
}

type faultyDriver struct{ driver.Driver }

func (d faultyDriver) Open(name string) (driver.Conn, error) {
	c, err := d.Driver.Open(name)
	address, err2 := url.Parse(name)
	if err = errors.Join(err, err2); err != nil {
		return nil, err
	}
	return faultyConn{c, saboteurOf("sqlite:" + address.Path)}, nil
}

type faultyConn struct {
	driver.Conn
	saboteur *saboteur
}

func (c faultyConn) BeginTx(ctx context.Context, o driver.TxOptions) (driver.Tx, error) {
	var tx driver.Tx
	err := c.saboteur.do(func() (err error) {
		tx, err = c.Conn.(driver.ConnBeginTx).BeginTx(ctx, o)
		return err
	})
	return faultyTx{tx, c.saboteur}, err
}

func (c faultyConn) ExecContext(ctx context.Context, q string, args []driver.NamedValue) (res driver.Result, err error) {
	if q == "ROLLBACK" { // the remedy itself is not sabotaged
		return c.Conn.(driver.ExecerContext).ExecContext(ctx, q, args)
	}
	err = c.saboteur.do(func() (err error) {
		res, err = c.Conn.(driver.ExecerContext).ExecContext(ctx, q, args)
		return err
	})
	return res, err
}

func (c faultyConn) QueryContext(ctx context.Context, q string, args []driver.NamedValue) (driver.Rows, error) {
	return c.Conn.(driver.QueryerContext).QueryContext(ctx, q, args)
}

func (c faultyConn) PrepareContext(ctx context.Context, q string) (driver.Stmt, error) {
	s, err := c.Conn.(driver.ConnPrepareContext).PrepareContext(ctx, q)
	return faultyStmt{s, c.saboteur}, err
}

type faultyStmt struct {
	driver.Stmt
	saboteur *saboteur
}

func (s faultyStmt) ExecContext(ctx context.Context, args []driver.NamedValue) (res driver.Result, err error) {
	err = s.saboteur.do(func() (err error) {
		res, err = s.Stmt.(driver.StmtExecContext).ExecContext(ctx, args)
		return err
	})
	return res, err
}

func (s faultyStmt) QueryContext(ctx context.Context, args []driver.NamedValue) (driver.Rows, error) {
	return s.Stmt.(driver.StmtQueryContext).QueryContext(ctx, args)
}

type faultyTx struct {
	driver.Tx
	saboteur *saboteur
}

func (t faultyTx) Commit() error { return t.saboteur.do(t.Tx.Commit) }
