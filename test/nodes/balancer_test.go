package nodes

import (
	"errors"
	"io"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// balancer is a plain TCP balancer: it spreads connections over the nodes that
// say they are ready, and knows nothing of what goes over them.
type balancer struct {
	listener net.Listener
	nodes    []string // addresses
	ready    []atomic.Bool
	next     atomic.Uint64
	stop     chan struct{}
	wg       sync.WaitGroup
}

func newBalancer(t *testing.T, nodes []string) *balancer {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	b := &balancer{listener: l, nodes: nodes, ready: make([]atomic.Bool, len(nodes)), stop: make(chan struct{})}
	for i := range nodes {
		b.ready[i].Store(true)
		b.wg.Go(func() { b.probe(i) })
	}
	b.wg.Go(b.accept)
	t.Cleanup(func() {
		close(b.stop)
		_ = l.Close()
		b.wg.Wait()
	})
	return b
}

func (b *balancer) url() string { return "http://" + b.listener.Addr().String() }

const probeEvery = 50 * time.Millisecond

// probe asks a node again and again whether it is ready.
func (b *balancer) probe(i int) {
	client := &http.Client{Timeout: time.Second, Transport: &http.Transport{DisableKeepAlives: true}}
	ticker := time.NewTicker(probeEvery)
	defer ticker.Stop()
	for {
		select {
		case <-ticker.C:
			res, err := client.Get("http://" + b.nodes[i] + "/readyz")
			if err == nil {
				_ = res.Body.Close()
			}
			b.ready[i].Store(err == nil && res.StatusCode == http.StatusOK)
		case <-b.stop:
			return
		}
	}
}

func (b *balancer) accept() {
	for {
		conn, err := b.listener.Accept()
		if err != nil {
			return
		}
		b.wg.Go(func() { b.pipe(conn) })
	}
}

// pipe connects a client with a node; one that cannot be reached is passed over.
func (b *balancer) pipe(client net.Conn) {
	defer client.Close()
	node, err := b.dial()
	if err != nil {
		return
	}
	defer node.Close()
	done := make(chan struct{}, 2)
	relay := func(to, from net.Conn) {
		_, _ = io.Copy(to, from)
		_ = to.(*net.TCPConn).CloseWrite()
		done <- struct{}{}
	}
	go relay(node, client)
	go relay(client, node)
	for range 2 {
		select {
		case <-done:
		case <-b.stop:
			return
		}
	}
}

func (b *balancer) dial() (net.Conn, error) {
	start := int(b.next.Add(1))
	for _, wantReady := range []bool{true, false} { // rather one that is not ready than none
		for i := range b.nodes {
			n := (start + i) % len(b.nodes)
			if b.ready[n].Load() != wantReady {
				continue
			}
			if conn, err := net.DialTimeout("tcp", b.nodes[n], time.Second); err == nil {
				return conn, nil
			}
			b.ready[n].Store(false)
		}
	}
	return nil, errors.New("no node answers")
}
