package itlsd

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/hallmark-id/hallmark/id2/itls"
)

// pipes is a listener whose connections are pipes, for tests in a bubble of
// time.
type pipes struct {
	conns chan net.Conn
	once  sync.Once
}

func (p *pipes) Accept() (net.Conn, error) {
	conn, ok := <-p.conns
	if !ok {
		return nil, net.ErrClosed
	}
	return conn, nil
}

func (p *pipes) Close() error {
	p.once.Do(func() { close(p.conns) })
	return nil
}

func (p *pipes) Addr() net.Addr { return &net.TCPAddr{} }

func (p *pipes) dial() net.Conn {
	near, far := net.Pipe()
	p.conns <- far
	return near
}

// inBubble runs a test on a door whose clock is the bubble's. No store is behind
// it: what these peers send never comes so far.
func inBubble(t *testing.T, test func(t *testing.T, s *Server, p *pipes)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		s := New(Options{Metrics: NewMetrics(prometheus.NewRegistry()), Log: slog.New(slog.DiscardHandler), Now: time.Now, FailureRate: 0.1})
		p := &pipes{conns: make(chan net.Conn)}
		go func() {
			if err := s.Serve(p); err != nil {
				t.Errorf("the listener ended: %v", err)
			}
		}()
		synctest.Wait()
		test(t, s, p)
		if err := s.Shutdown(context.Background()); err != nil {
			t.Error(err)
		}
		// The bubble itself fails when a goroutine is left.
	})
}

// ended waits for the door to hang up without a word, and returns when it did.
func ended(t *testing.T, conn net.Conn) time.Time {
	t.Helper()
	if n, err := conn.Read(make([]byte, 1)); n != 0 || !errors.Is(err, io.EOF) {
		t.Errorf("%d bytes, %v", n, err)
	}
	return time.Now()
}

// One byte after the other does not buy more time than all at once.
func TestSlowPeer(t *testing.T) {
	inBubble(t, func(t *testing.T, s *Server, p *pipes) {
		hello, err := itls.Hello{ProductKey: "a1", AuthCode: make([]byte, 100)}.Bytes()
		if err != nil {
			t.Fatal(err)
		}
		conn, began := p.dial(), time.Now()
		end := make(chan time.Time)
		go func() { end <- ended(t, conn) }()
		sent := 0
		for _, b := range hello {
			if _, err := conn.Write([]byte{b}); err != nil {
				break
			}
			sent++
			time.Sleep(3 * time.Second)
		}
		if took := (<-end).Sub(began); took != DefaultTimeout || sent != 4 {
			t.Errorf("ended after %v and %d bytes", took, sent)
		}
		synctest.Wait()
		if !s.limiter.Blocked(address(conn)) {
			t.Error("it was not counted as a failure")
		}
	})
}

// A peer that says nothing, and one that opens and goes.
func TestSilentPeers(t *testing.T) {
	inBubble(t, func(t *testing.T, s *Server, p *pipes) {
		gone := p.dial()
		if err := gone.Close(); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		if n := s.Connections(); n != 0 || s.limiter.Blocked(address(gone)) {
			t.Errorf("%d connections; a peer that goes has failed", n)
		}
		conn, began := p.dial(), time.Now()
		if took := ended(t, conn).Sub(began); took != DefaultTimeout {
			t.Errorf("ended after %v", took)
		}
		synctest.Wait()
		if n := s.Connections(); n != 0 {
			t.Errorf("%d connections", n)
		}
	})
}

// A peer that does not take its answer.
func TestPeerThatDoesNotRead(t *testing.T) {
	inBubble(t, func(t *testing.T, s *Server, p *pipes) {
		conn := p.dial()
		if _, err := conn.Write([]byte("GET /")); err != nil {
			t.Fatal(err)
		}
		time.Sleep(answerTimeout)
		synctest.Wait()
		if n := s.Connections(); n != 0 {
			t.Errorf("%d connections", n)
		}
		ended(t, conn)
	})
}

// Who fails too often is not heard any more, for a while.
func TestFailuresAreLimited(t *testing.T) {
	inBubble(t, func(t *testing.T, s *Server, p *pipes) {
		conn := p.dial()
		if _, err := conn.Write([]byte("GET /")); err != nil {
			t.Fatal(err)
		}
		if _, err := itls.ReadAnswer(conn); !errors.Is(err, itls.AlertGeneric) {
			t.Error(err)
		}
		began := time.Now()
		if ended(t, p.dial()) != began {
			t.Error("one failure was to be too many")
		}
		time.Sleep(10 * time.Second)
		again := p.dial()
		if _, err := again.Write([]byte("GET /")); err != nil {
			t.Errorf("a failure is never forgotten: %v", err)
		}
		if _, err := itls.ReadAnswer(again); !errors.Is(err, itls.AlertGeneric) {
			t.Error(err)
		}
	})
}

// A door that closes does not wait for those who have not asked.
func TestShutdownEndsThoseWhoWait(t *testing.T) {
	inBubble(t, func(t *testing.T, s *Server, p *pipes) {
		silent, half := p.dial(), p.dial()
		if _, err := half.Write([]byte{22, 3}); err != nil {
			t.Fatal(err)
		}
		began := time.Now()
		if err := s.Shutdown(context.Background()); err != nil {
			t.Error(err)
		}
		if now := time.Now(); now != began || ended(t, silent) != began || ended(t, half) != began {
			t.Errorf("it took %v", now.Sub(began))
		}
	})
}

// Connections past the bound are closed; the place of one that ends is free.
func TestManyConnections(t *testing.T) {
	f := newFixture(t, func(o *Options) { o.Connections, o.PerAddress, o.Timeout = 20, 5, time.Hour })
	p, token := f.product(f.org, nil)
	var held []net.Conn
	for len(held) < 5 {
		held = append(held, f.dial())
	}
	f.until(func() bool { return f.Connections() == 5 })
	refused := f.dial()
	if n, err := refused.Read(make([]byte, 1)); n != 0 || err == nil {
		t.Errorf("a connection too many: %d bytes, %v", n, err)
	}
	if n := f.metric("hallmark_itls_drops_total", dropConnections); n != 1 {
		t.Errorf("%v dropped by the metric", n)
	}
	f.must(held[0].Close())
	f.until(func() bool { return f.Connections() == 4 })
	if _, err := f.device(p, token, "uid").provision(); err != nil {
		t.Errorf("in the place that became free: %v", err)
	}
	f.until(func() bool { return f.Connections() == 4 })
}

// until waits for what is about to happen.
func (f *fixture) until(happened func() bool) {
	f.t.Helper()
	for deadline := time.Now().Add(time.Minute); !happened(); time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			f.t.Fatal("it does not happen")
		}
	}
}

// A device whose hello is there gets its answer although the door closes.
func TestShutdownFinishesExchanges(t *testing.T) {
	f := newFixture(t, nil)
	p, token := f.product(f.org, nil)
	d := f.device(p, token, "uid")
	record, err := d.hello().Bytes()
	f.must(err)
	entered, leave := make(chan struct{}), make(chan struct{})
	f.store.set(nil, func() error {
		close(entered)
		<-leave
		return nil
	})
	conn := f.dial()
	_, err = conn.Write(record)
	f.must(err)
	<-entered
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if err := f.Shutdown(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("a door with an exchange under way has closed: %v", err)
	}
	done := make(chan error)
	go func() { done <- f.Shutdown(context.Background()) }()
	close(leave)
	f.must(<-done)
	data, err := itls.ReadAnswer(conn)
	f.must(err)
	if _, _, err := d.request.OpenProvisionData(data); err != nil {
		t.Error(err)
	}
	if _, err := net.Dial("tcp", f.address); err == nil {
		t.Error("the door is still open")
	}
}

// A panic costs its own connection only.
func TestPanic(t *testing.T) {
	f := newFixture(t, nil)
	p, token := f.product(f.org, nil)
	f.store.set(nil, func() error { panic("nobody expected this") })
	if _, err := f.device(p, token, "uid").provision(); !errors.Is(err, io.EOF) {
		t.Error(err)
	}
	f.store.set(nil, nil)
	if _, err := f.device(p, token, "uid").provision(); err != nil || !strings.Contains(f.log.String(), "panic") {
		t.Errorf("%v\n%s", err, f.log)
	}
}
