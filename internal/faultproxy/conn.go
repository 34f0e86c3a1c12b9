package faultproxy

import (
	"bufio"
	"net"
	"sync"
)

// conn is one client's connection and the one to the server for it.
type conn struct {
	proxy          *Proxy
	client, server net.Conn
	requests       *requestReader
	gone           chan struct{} // closed when the connection was cut
	once           sync.Once

	mu     sync.Mutex // guards what follows
	answer answer
	status byte // of the transaction, as the server last told
}

// answer is what becomes of the server's answer to the request under way.
type answer struct {
	fault  *Fault
	drop   bool   // nothing of it passes
	before byte   // the type of message that does not pass any more, or 0
	last   []byte // what the client gets at the end of it
}

func newConn(p *Proxy, client, server net.Conn) *conn {
	return &conn{proxy: p, client: client, server: server, requests: newRequestReader(client), gone: make(chan struct{}), status: 'I'}
}

// cut breaks both connections.
func (c *conn) cut() {
	c.once.Do(func() {
		close(c.gone)
		_ = c.client.Close()
		_ = c.server.Close()
	})
}

// up passes requests to the server.
func (c *conn) up() {
	defer c.proxy.forget(c)
	defer c.cut()
	for {
		r, raw, err := c.requests.next()
		if err != nil || r.Kind == cancel || r.Kind == Startup && !c.proxy.welcome() {
			return
		}
		f := c.proxy.strike(r)
		if f == nil {
			_, err = c.server.Write(raw)
		} else {
			err = c.meet(f, raw)
		}
		if err != nil {
			return
		}
	}
}

// meet does to a request what its fault says. An error ends the connection.
func (c *conn) meet(f *Fault, raw []byte) error {
	a := f.action
	switch a.what {
	case cutMidway:
		n := a.bytes
		if n < 0 {
			n += len(raw)
		}
		_, _ = c.server.Write(raw[:min(max(n, 0), len(raw))])
		return net.ErrClosed
	case cutAfter:
		return c.ask(raw, answer{fault: f, drop: true})
	case cutAnswer:
		return c.ask(raw, answer{fault: f, before: a.before})
	case orphan:
		_ = c.client.Close()
		c.await(a.gate)
		if err := c.ask(raw, answer{fault: f, drop: true}); err != nil {
			return err
		}
		<-c.gone
	case fail:
		_, err := c.client.Write(append(errorMessage("ERROR", a.code), 'Z', 0, 0, 0, 5, c.failed()))
		return err
	case kill:
		return c.ask(raw, answer{fault: f, drop: true, last: errorMessage("FATAL", a.code)})
	case hold:
		c.await(a.gate)
		_, err := c.server.Write(raw)
		return err
	case silence:
		<-c.gone
	}
	return net.ErrClosed
}

// await waits for a gate, or for the end of the connection.
func (c *conn) await(gate <-chan struct{}) {
	select {
	case <-gate:
	case <-c.gone:
	}
}

// ask passes a request whose answer is not to pass whole.
func (c *conn) ask(raw []byte, a answer) error {
	c.mu.Lock()
	c.answer = a
	c.mu.Unlock()
	_, err := c.server.Write(raw)
	return err
}

// failed is the status of the transaction after an error.
func (c *conn) failed() byte {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.status == 'I' {
		return 'I'
	}
	return 'E'
}

// down passes answers to the client.
func (c *conn) down() {
	defer c.cut()
	in, out := bufio.NewReader(c.server), bufio.NewWriter(c.client)
	for {
		m, err := readMessage(in)
		if err != nil {
			_ = out.Flush()
			return
		}
		pass, end := c.judge(m)
		_, _ = out.Write(pass) // a client that has gone shows at the next request
		if end || in.Buffered() == 0 {
			_ = out.Flush()
		}
		if end {
			return
		}
	}
}

// judge tells what the client gets for a message, and whether the connection
// ends with it.
func (c *conn) judge(m []byte) (pass []byte, end bool) {
	const ready = 'Z'
	c.mu.Lock()
	defer c.mu.Unlock()
	if m[0] == ready {
		c.status = m[5]
	}
	a := &c.answer
	if a.fault == nil {
		return m, false
	}
	if a.before == m[0] {
		a.drop = true // and the server may finish
	}
	switch {
	case m[0] == ready:
		close(a.fault.done)
		return a.last, true
	case a.drop:
		return nil, false
	}
	return m, false
}
