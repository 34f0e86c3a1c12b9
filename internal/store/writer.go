package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"runtime"
)

// groupWriter is the writer of the embedded engine. It commits in groups: everybody who waits for the one write transaction
// of an embedded database shares its fsync. Each caller's part runs in a
// savepoint of its own, so that one failing part does not touch the others.
type groupWriter struct {
	conn     *sql.Conn
	kept     *kept // of conn
	requests chan *writeRequest
	closing  chan struct{} // closed by close: nobody may ask any more
	stopped  chan struct{} // closed by loop when it is done
}

type writeRequest struct {
	ctx  context.Context
	run  func(txn) error
	err  error
	done chan struct{}
}

// maxGroup bounds how many share a commit, and so how long the first one waits.
const maxGroup = 256

var errClosed = errors.New("the store is closed")

func newGroupWriter(conn *sql.Conn) *groupWriter {
	w := &groupWriter{conn: conn, kept: newKept(conn), requests: make(chan *writeRequest),
		closing: make(chan struct{}), stopped: make(chan struct{})}
	go w.loop()
	return w
}

// do runs f in the next group and returns once it is durable, or not done. A
// context that ends while f waits its turn leaves f undone; once its turn has
// come the outcome is awaited, because it would otherwise be unknown. For the
// same reason its statements do not run under the context: an interrupted one
// would roll back the whole group.
func (w *groupWriter) do(ctx context.Context, f func(txn) error) error {
	req := &writeRequest{ctx: ctx, run: f, done: make(chan struct{})}
	select {
	case w.requests <- req:
	case <-ctx.Done():
		return ctx.Err()
	case <-w.closing:
		return errClosed
	}
	<-req.done
	return req.err
}

// close finishes the group under way and stops. It must be called once.
func (w *groupWriter) close() {
	close(w.closing)
	<-w.stopped
}

func (w *groupWriter) loop() {
	defer close(w.stopped)
	defer w.kept.close()
	group := make([]*writeRequest, 0, maxGroup)
	for {
		select {
		case first := <-w.requests:
			group = w.gather(append(group[:0], first))
		case <-w.closing:
			return
		}
		w.commit(group)
		for _, req := range group {
			close(req.done)
		}
	}
}

// gather adds everybody who waits already. Those who are about to ask go first:
// where more want to run than there are processors, the first one to ask would
// otherwise be served alone, and nearly everybody pay for a commit. On an idle
// machine it costs nothing.
func (w *groupWriter) gather(group []*writeRequest) []*writeRequest {
	runtime.Gosched()
	for len(group) < maxGroup {
		select {
		case req := <-w.requests:
			group = append(group, req)
		default:
			return group
		}
	}
	return group
}

// commit runs a group and sets each request's error.
func (w *groupWriter) commit(group []*writeRequest) {
	begun, err := w.conn.BeginTx(context.Background(), nil)
	if err != nil {
		w.abandon(group, fmt.Errorf("begin: %w", err))
		return
	}
	tx := txn{context.Background(), begun, w.kept}
	for _, req := range group {
		if req.err = req.ctx.Err(); req.err != nil {
			continue
		}
		if err := runPart(tx, req, len(group) == 1); err != nil {
			w.abandon(group, errors.Join(err, begun.Rollback()))
			return
		}
	}
	if len(group) == 1 && group[0].err != nil {
		if err := begun.Rollback(); err != nil {
			w.abandon(group, err)
		}
		return
	}
	if err := begun.Commit(); err != nil {
		w.abandon(group, fmt.Errorf("commit: %w", err))
	}
}

// abandon tells everybody of a group that nothing of it is known to be done; a
// part that had failed by itself keeps its own error. A commit or rollback that
// failed may have left the transaction open, in which the next one could not
// begin: it is ended here.
func (w *groupWriter) abandon(group []*writeRequest, err error) {
	_, _ = w.conn.ExecContext(context.Background(), `ROLLBACK`) // fails when there is nothing to end
	for _, req := range group {
		if req.err == nil {
			req.err = err
		}
	}
}

// runPart runs one request in a savepoint; alone it needs none, the
// transaction is its own. An error means that the transaction cannot go on.
func runPart(tx txn, req *writeRequest, alone bool) error {
	if alone {
		req.err = req.run(tx)
		return nil
	}
	if _, err := tx.Exec(`SAVEPOINT part`); err != nil {
		return err
	}
	req.err = req.run(tx)
	if req.err != nil {
		if _, err := tx.Exec(`ROLLBACK TO SAVEPOINT part`); err != nil {
			return err
		}
	}
	_, err := tx.Exec(`RELEASE SAVEPOINT part`)
	return err
}
