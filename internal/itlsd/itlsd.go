// Package itlsd is the door by which devices of SDK 3.1.0 provision themselves,
// without a back end (id2 §4.6): a listener on plain TCP that takes one record
// of a connection, lets package provision judge it, answers with one, and closes.
package itlsd

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"net/netip"
	"runtime/debug"
	"sync"
	"syscall"
	"time"

	"github.com/hallmark-id/hallmark/internal/limit"
	"github.com/hallmark-id/hallmark/internal/provision"
)

// Limits of the door. Records have theirs in package itls.
const (
	DefaultConnections = 1000 // at once
	DefaultPerAddress  = 100  // at once; an IPv6 /64 counts as one
	DefaultTimeout     = 10 * time.Second
	answerTimeout      = 5 * time.Second // for a device to take its answer
)

// Options configures New. Connections, PerAddress and Timeout are the defaults
// above when zero.
type Options struct {
	Provision *provision.Service
	Metrics   *Metrics
	Log       *slog.Logger
	Now       func() time.Time
	// FailureRate bounds failed exchanges per address and second, 0 for no bound.
	FailureRate float64
	// AccessLog writes a line for every exchange.
	AccessLog bool
	// Connections bounds all connections at once, PerAddress those of an address.
	Connections, PerAddress int
	// Timeout is how long a hello may take to be there.
	Timeout time.Duration
}

// Server is the door. It is made by New.
type Server struct {
	options Options
	limiter *limit.Limiter
	places  *limit.Connections
	ctx     context.Context // of all exchanges
	cancel  context.CancelFunc
	running sync.WaitGroup // exchanges; added to under mu while not stopping

	mu       sync.Mutex
	stopping bool
	listener net.Listener
	conns    map[net.Conn]struct{}
}

// New returns a door that is not yet open.
func New(o Options) *Server {
	setDefault(&o.Connections, DefaultConnections)
	setDefault(&o.PerAddress, DefaultPerAddress)
	setDefault(&o.Timeout, DefaultTimeout)
	s := &Server{options: o, limiter: limit.New(o.FailureRate, 0, o.Now), places: limit.NewConnections(o.Connections, o.PerAddress),
		conns: make(map[net.Conn]struct{})}
	s.ctx, s.cancel = context.WithCancel(context.Background())
	return s
}

func setDefault[T int | time.Duration](field *T, value T) {
	if *field == 0 {
		*field = value
	}
}

// pause is how long a machine that has run out of something is left alone.
const pause = 100 * time.Millisecond

// Serve takes connections until Shutdown or Close, and then returns nil. Any
// other end of the listener is its error.
func (s *Server) Serve(l net.Listener) error {
	s.mu.Lock()
	s.listener = l
	stopped := s.stopping
	s.mu.Unlock()
	if stopped {
		return l.Close()
	}
	for {
		conn, err := l.Accept()
		switch {
		case err == nil:
			s.admit(conn)
		case s.isStopping():
			return nil
		case scarce(err):
			s.options.Log.Warn("a connection of the itls door could not be taken", "error", err)
			time.Sleep(pause)
		default:
			return err
		}
	}
}

// scarce reports whether an error of Accept will pass.
func scarce(err error) bool {
	for _, passing := range []error{syscall.ECONNABORTED, syscall.EMFILE, syscall.ENFILE, syscall.ENOBUFS, syscall.ENOMEM} {
		if errors.Is(err, passing) {
			return true
		}
	}
	return false
}

func (s *Server) isStopping() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.stopping
}

// admit serves a connection, or closes it when its address or all addresses
// have used up what they may.
func (s *Server) admit(conn net.Conn) {
	addr := address(conn)
	switch {
	case s.limiter.Blocked(addr):
		s.options.Metrics.dropped(dropFailures)
	case !s.places.Open(addr):
		s.options.Metrics.dropped(dropConnections)
	case !s.begin(conn):
		s.places.Close(addr)
	default:
		go s.serve(conn, addr)
		return
	}
	_ = conn.Close() // the peer sees the end either way
}

// begin starts the clock of a connection, unless the door is closing.
func (s *Server) begin(conn net.Conn) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.stopping || conn.SetDeadline(time.Now().Add(s.options.Timeout)) != nil {
		return false
	}
	s.conns[conn] = struct{}{}
	s.running.Add(1)
	return true
}

func (s *Server) end(conn net.Conn, addr netip.Addr) {
	_ = conn.Close()
	s.places.Close(addr)
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.conns, conn)
	s.running.Done()
}

func (s *Server) serve(conn net.Conn, addr netip.Addr) {
	defer s.end(conn, addr)
	defer func() {
		if p := recover(); p != nil {
			s.options.Log.Error("an exchange made the server panic", "panic", p, "stack", string(debug.Stack()))
		}
	}()
	s.exchange(conn, addr)
}

// Connections returns how many connections are open.
func (s *Server) Connections() int { return s.places.Count() }

// Shutdown takes no more connections, ends those that have not yet asked, and
// waits until the others have their answer, or until ctx ends.
func (s *Server) Shutdown(ctx context.Context) error {
	s.stop(func(conn net.Conn) { _ = conn.SetReadDeadline(time.Unix(1, 0)) })
	done := make(chan struct{})
	go func() {
		s.running.Wait()
		close(done)
	}()
	select {
	case <-done:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// Close ends everything at once.
func (s *Server) Close() {
	s.cancel()
	s.stop(func(conn net.Conn) { _ = conn.Close() })
}

// stop closes the listener and does something to every connection.
func (s *Server) stop(each func(net.Conn)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.stopping = true
	if s.listener != nil {
		_ = s.listener.Close() // a second time is no harm
	}
	for conn := range s.conns {
		each(conn)
	}
}

// address is the peer's, the zero Addr when it cannot be told.
func address(conn net.Conn) netip.Addr {
	ap, err := netip.ParseAddrPort(conn.RemoteAddr().String())
	if err != nil {
		return netip.Addr{}
	}
	return ap.Addr().Unmap()
}
