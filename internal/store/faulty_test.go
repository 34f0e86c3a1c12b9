package store

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"sync"
)

// The driver "sqlite-faulty" is the real one with a saboteur before it: it
// fails one chosen write, either instead of doing it or after it was done.

var errSabotage = errors.New("sabotage")

// saboteur chooses the write that fails. It is shared by all connections.
type saboteur struct {
	mu      sync.Mutex
	failAt  int  // counts down; 0 is off
	after   bool // fail after the write took effect
	struck  bool
	onWrite bool // armed: only then are writes counted
}

var theSaboteur saboteur

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
	return faultyConn{c}, err
}

type faultyConn struct{ driver.Conn }

func (c faultyConn) BeginTx(ctx context.Context, o driver.TxOptions) (driver.Tx, error) {
	var tx driver.Tx
	err := theSaboteur.do(func() (err error) {
		tx, err = c.Conn.(driver.ConnBeginTx).BeginTx(ctx, o)
		return err
	})
	return faultyTx{tx}, err
}

func (c faultyConn) ExecContext(ctx context.Context, q string, args []driver.NamedValue) (res driver.Result, err error) {
	if q == "ROLLBACK" { // the remedy itself is not sabotaged
		return c.Conn.(driver.ExecerContext).ExecContext(ctx, q, args)
	}
	err = theSaboteur.do(func() (err error) {
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
	return faultyStmt{s}, err
}

type faultyStmt struct{ driver.Stmt }

func (s faultyStmt) ExecContext(ctx context.Context, args []driver.NamedValue) (res driver.Result, err error) {
	err = theSaboteur.do(func() (err error) {
		res, err = s.Stmt.(driver.StmtExecContext).ExecContext(ctx, args)
		return err
	})
	return res, err
}

func (s faultyStmt) QueryContext(ctx context.Context, args []driver.NamedValue) (driver.Rows, error) {
	return s.Stmt.(driver.StmtQueryContext).QueryContext(ctx, args)
}

type faultyTx struct{ driver.Tx }

func (t faultyTx) Commit() error { return theSaboteur.do(t.Tx.Commit) }
