package load

import (
	"bufio"
	"bytes"
	"context"
	"io"
	"net"
	"net/http"
	"time"
)

// worker is one connection, with one request under way at a time.
type worker struct {
	*Options
	conn    net.Conn // nil while there is none
	answers *bufio.Reader
	body    bytes.Buffer
}

// noAnswerPause is how long a connection rests that could not be opened, or that
// broke.
const noAnswerPause = 100 * time.Millisecond

// answerTimeout is when a connection is given up.
const answerTimeout = 30 * time.Second

// work sends what is its turn until there is no more.
func (w *worker) work(ctx context.Context, turns func() (turn, bool), t *Tally) {
	for ctx.Err() == nil {
		next, ok := turns()
		if !ok {
			return
		}
		from := next.due
		if from.IsZero() {
			from = time.Now()
		}
		code, message, err := w.send(ctx, next.request)
		switch {
		case err == nil:
			t.answered(code, message, time.Since(from))
		default:
			w.close()
			if w.rest(ctx) {
				t.lost(err)
			}
		}
	}
}

// rest returns false when the end came meanwhile: what that cut off counts for
// nothing. An interrupt at a terminal ends a server of our own too, and its end
// may be seen before the interrupt is.
func (w *worker) rest(ctx context.Context) bool {
	pause := time.NewTimer(noAnswerPause)
	defer pause.Stop()
	select {
	case <-pause.C:
		return true
	case <-ctx.Done():
		return false
	}
}

// send sends one request and reads its answer.
func (w *worker) send(ctx context.Context, r Request) (code, message string, err error) {
	if w.conn == nil {
		if w.conn, err = w.Dial(ctx); err != nil {
			w.conn = nil
			return "", "", err
		}
		w.answers = bufio.NewReader(w.conn)
	}
	conn := w.conn
	if err := conn.SetDeadline(time.Now().Add(answerTimeout)); err != nil {
		return "", "", err
	}
	stop := context.AfterFunc(ctx, func() { _ = conn.SetDeadline(time.Unix(1, 0)) })
	defer stop()
	if _, err := conn.Write(r); err != nil {
		return "", "", err
	}
	return w.read()
}

// maxAnswer bounds the body that is read of an answer.
const maxAnswer = 4 << 20

func (w *worker) read() (code, message string, err error) {
	res, err := http.ReadResponse(w.answers, nil)
	if err != nil {
		return "", "", err
	}
	w.body.Reset()
	if _, err := io.Copy(&w.body, io.LimitReader(res.Body, maxAnswer)); err != nil {
		return "", "", err
	}
	if res.Close { // the server will take no more
		w.close()
	}
	code, message = w.Judge(res.StatusCode, w.body.Bytes())
	return code, message, nil
}

func (w *worker) close() {
	if w.conn != nil {
		_ = w.conn.Close()
		w.conn = nil
	}
}
