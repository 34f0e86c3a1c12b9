package httpd

import (
	"net"
	"net/netip"
	"sync"

	"github.com/hallmark-id/hallmark/internal/limit"
)

// listener bounds how many connections are open at once.
type listener struct {
	*net.TCPListener
	places  *limit.Connections
	refused func()
}

// LimitListener returns a listener that closes connections for which there is no
// place, and says so each time; the others take one until they are closed.
func LimitListener(l *net.TCPListener, places *limit.Connections, refused func()) net.Listener {
	return &listener{l, places, refused}
}

// Accept waits for the next connection that there is a place for.
func (l *listener) Accept() (net.Conn, error) {
	for {
		c, err := l.AcceptTCP()
		if err != nil {
			return nil, err
		}
		addr := peerAddress(c)
		if l.places.Open(addr) {
			return &conn{TCPConn: c, leave: sync.OnceFunc(func() { l.places.Close(addr) })}, nil
		}
		_ = c.Close() // the peer sees the end either way
		l.refused()
	}
}

func peerAddress(c *net.TCPConn) netip.Addr {
	if tcp, ok := c.RemoteAddr().(*net.TCPAddr); ok {
		return tcp.AddrPort().Addr()
	}
	return netip.Addr{}
}

// conn is a connection that has a place. It is a TCP connection still: the
// server ends its own side first when it has refused a request.
type conn struct {
	*net.TCPConn
	leave func()
}

// Close closes the connection and gives back its place.
func (c *conn) Close() error {
	defer c.leave()
	return c.TCPConn.Close()
}
