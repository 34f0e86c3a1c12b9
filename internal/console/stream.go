package console

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"strings"
	"time"

	"github.com/hallmark-id/hallmark/internal/scanlogin"
)

// Timing of the live status.
const (
	pingEvery  = 25 * time.Second // so that nothing in between takes the connection for dead
	writeLimit = 10 * time.Second // for one event
	readLimit  = 10 * time.Second // of the store
)

// stream tells a page by server-sent events what becomes of its session, until
// that has ended. Ten thousand of them are open at once, each with a goroutine
// that mostly waits: it keeps nothing of the request by which it began, and has
// the store read by others, because its stack would stay as large as that needs.
type stream struct {
	console        *console
	conn           net.Conn
	lang           lang
	authID, secret string
	watcher        *scanlogin.Watcher
}

// events begins the stream of the page's session.
func (v *visit) events() error {
	session, err := v.scanSession()
	if err != nil {
		return err
	}
	v.w.Header().Set("Content-Type", "text/event-stream")
	v.w.Header().Set("X-Accel-Buffering", "no") // nginx passes it on at once
	v.w.Header().Set("Connection", "close")     // by which the answer ends
	conn, _, err := http.NewResponseController(v.w).Hijack()
	if err != nil {
		return err
	}
	var head strings.Builder
	head.WriteString("HTTP/1.1 200 OK\r\n")
	_ = v.w.Header().Write(&head) // a Builder takes all
	head.WriteString("\r\n")
	authID, secret, _ := strings.Cut(v.cookie(cookieScan), ".")
	s := &stream{console: v.console, conn: conn, lang: v.Lang, authID: strings.Clone(authID), secret: strings.Clone(secret),
		watcher: v.Scans.Watch(session.AuthID)}
	go s.run(head.String())
	return nil
}

// run writes what happens, and ends with the session, the page or the server.
func (s *stream) run(head string) {
	defer s.conn.Close()
	defer s.watcher.Close()
	if err := s.conn.SetReadDeadline(time.Time{}); err != nil {
		return
	}
	if err := s.write(head); err != nil {
		return
	}
	for told := (scanWord{}); ; {
		session, err := s.load()
		if err != nil {
			return // the page asks again
		}
		if word := s.lang.word(session); word != told {
			if err := s.send(word); err != nil {
				return
			}
			told = word
		}
		if isOver(session.State) || !s.await(session) {
			return
		}
	}
}

func isOver(s scanlogin.State) bool { return s != scanlogin.Created && s != scanlogin.Scanned }

// load reads the session, on another stack.
func (s *stream) load() (scanlogin.Session, error) {
	type answer struct {
		session scanlogin.Session
		err     error
	}
	answered := make(chan answer, 1)
	go func() {
		ctx, cancel := context.WithTimeout(context.Background(), readLimit)
		defer cancel()
		session, err := s.console.Scans.Session(ctx, s.authID, s.secret)
		if err != nil && !errors.Is(err, scanlogin.ErrUnknown) {
			s.console.Log.Error("a page's scan session could not be read", "error", err)
		}
		answered <- answer{session, err}
	}()
	a := <-answered
	return a.session, a.err
}

func (s *stream) send(word scanWord) error {
	text, err := json.Marshal(word)
	if err != nil {
		return err
	}
	return s.write(fmt.Sprintf("data: %s\n\n", text))
}

func (s *stream) write(text string) error {
	if err := s.conn.SetWriteDeadline(time.Now().Add(writeLimit)); err != nil {
		return err
	}
	_, err := s.conn.Write([]byte(text))
	return err
}

// await returns true when there may be something new to tell, and false when the
// page or the server is gone.
func (s *stream) await(session scanlogin.Session) bool {
	for {
		wait := min(max(session.Expires.Time().Sub(s.console.Now()), 0)+time.Millisecond, pingEvery)
		timer := time.NewTimer(wait)
		select {
		case _, open := <-s.watcher.C:
			timer.Stop()
			return open
		case <-timer.C:
		}
		if wait < pingEvery {
			return true // its time is over
		}
		if err := s.write(":\n\n"); err != nil {
			return false
		}
	}
}
