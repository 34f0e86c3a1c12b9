// Package faultproxy stands between a PostgreSQL client and its server in tests
// and breaks what they say to each other at a chosen word: before a request
// reaches the server, in the middle of it, after the server did it, in the
// middle of the answer.
//
// A test arms faults with [Proxy.On]; each strikes the first request that it
// matches, so nothing depends on time. Requests are whole: what a client sends
// until it waits for an answer (a simple query, or everything up to a Sync).
package faultproxy

import (
	"errors"
	"net"
	"net/url"
	"sync"
	"testing"
)

// Proxy is a listening proxy.
type Proxy struct {
	target   string
	listener net.Listener
	running  sync.WaitGroup

	mu       sync.Mutex // guards what follows
	faults   []*Fault
	conns    map[*conn]struct{}
	refuse   int // sessions to refuse, all when below zero
	accepted int
	refused  int
	closed   bool
}

// Start returns a proxy to the server of a DSN, which ends with the test.
func Start(tb testing.TB, dsn string) *Proxy {
	tb.Helper()
	u, err := url.Parse(dsn)
	if err != nil {
		tb.Fatal(err)
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		tb.Fatal(err)
	}
	p := &Proxy{target: u.Host, listener: listener, conns: make(map[*conn]struct{})}
	p.running.Go(p.accept)
	tb.Cleanup(p.close)
	return p
}

// DSN returns a DSN with the server's address replaced by the proxy's.
func (p *Proxy) DSN(dsn string) string {
	u, err := url.Parse(dsn)
	if err != nil {
		return dsn
	}
	u.Host = p.listener.Addr().String()
	return u.String()
}

// On arms a fault: the next request that matches meets the action. Of several
// armed faults that match the oldest strikes.
func (p *Proxy) On(match func(Request) bool, action Action) *Fault {
	f := &Fault{match: match, action: action, struck: make(chan struct{}), done: make(chan struct{})}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.faults = append(p.faults, f)
	return f
}

// Refuse closes the next n connections when they ask for a session, all of them
// when n is negative, and none when it is 0.
func (p *Proxy) Refuse(n int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.refuse = n
}

// CutAll breaks every connection there is.
func (p *Proxy) CutAll() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for c := range p.conns {
		c.cut()
	}
}

// Counts returns how many sessions were accepted and how many refused.
func (p *Proxy) Counts() (accepted, refused int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.accepted, p.refused
}

// strike returns the fault that meets a request, if any, and disarms it.
func (p *Proxy) strike(r Request) *Fault {
	p.mu.Lock()
	defer p.mu.Unlock()
	for i, f := range p.faults {
		if f.match(r) {
			p.faults = append(p.faults[:i:i], p.faults[i+1:]...)
			close(f.struck)
			return f
		}
	}
	return nil
}

func (p *Proxy) accept() {
	for {
		client, err := p.listener.Accept()
		if err != nil {
			if !errors.Is(err, net.ErrClosed) {
				panic(err)
			}
			return
		}
		p.admit(client)
	}
}

// admit starts a connection's two directions.
func (p *Proxy) admit(client net.Conn) {
	p.mu.Lock()
	defer p.mu.Unlock()
	server, err := net.Dial("tcp", p.target)
	if err != nil || p.closed {
		_ = client.Close()
		return
	}
	c := newConn(p, client, server)
	p.conns[c] = struct{}{}
	p.running.Go(c.up)
	p.running.Go(c.down)
}

// welcome tells whether a session may begin.
func (p *Proxy) welcome() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.refuse == 0 {
		p.accepted++
		return true
	}
	if p.refuse > 0 {
		p.refuse--
	}
	p.refused++
	return false
}

// forget removes a connection that has ended.
func (p *Proxy) forget(c *conn) {
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.conns, c)
}

func (p *Proxy) close() {
	p.mu.Lock()
	p.closed = true
	p.mu.Unlock()
	_ = p.listener.Close()
	p.CutAll()
	p.running.Wait()
}
