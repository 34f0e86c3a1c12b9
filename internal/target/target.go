// Package target is the server that load is put on: one that runs already, or one
// that is started for it on a temporary directory.
package target

import (
	"context"
	"crypto/tls"
	"net"
	"net/http"
	"net/url"
	"time"

	"github.com/hallmark-id/hallmark/internal/operator"
)

// Target is a server. The zero value of a field that is not said to be optional
// is of no use.
type Target struct {
	Operator *operator.Client
	Door     string // base URL of the doors
	Console  string // base URL of the console, which is the operator API's
	// Transport knows the authorities that the server's certificate may be of.
	Transport *http.Transport
	// CPU returns the processor time the server has used; nil where nobody knows.
	CPU func() (time.Duration, error)
	// Own says that the server was started for this load and goes with it.
	Own bool
}

// HTTPClient returns a client with so many connections to the server and a time
// limit for each request.
func (t *Target) HTTPClient(connections int, timeout time.Duration) *http.Client {
	transport := t.Transport.Clone()
	transport.MaxIdleConnsPerHost, transport.MaxIdleConns = connections, 0
	return &http.Client{Transport: transport, Timeout: timeout}
}

// Dialer returns what opens bare connections to the doors, over TLS where their
// URL says so.
func (t *Target) Dialer() (func(context.Context) (net.Conn, error), error) {
	return Dialer(t.Door, t.Transport.TLSClientConfig)
}

// Dialer returns what opens bare connections to the server of a URL. HTTP/1.1 is
// all that is spoken over them; config may be nil.
func Dialer(base string, config *tls.Config) (func(context.Context) (net.Conn, error), error) {
	u, err := url.Parse(base)
	if err != nil {
		return nil, err
	}
	port := u.Port()
	if u.Scheme != "https" {
		if port == "" {
			port = "80"
		}
		return func(ctx context.Context) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, "tcp", net.JoinHostPort(u.Hostname(), port))
		}, nil
	}
	if port == "" {
		port = "443"
	}
	own := config.Clone()
	if own == nil {
		own = new(tls.Config)
	}
	own.NextProtos, own.ServerName = nil, u.Hostname()
	d := &tls.Dialer{Config: own}
	return func(ctx context.Context) (net.Conn, error) {
		return d.DialContext(ctx, "tcp", net.JoinHostPort(u.Hostname(), port))
	}, nil
}
