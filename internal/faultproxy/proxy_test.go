package faultproxy

import (
	"context"
	"errors"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/hallmark-id/hallmark/internal/pgtest"
)

func TestMain(m *testing.M) { os.Exit(pgtest.Main(m)) }

// harness is a table behind a proxy, and a way to it past the proxy.
type harness struct {
	*testing.T
	proxy  *Proxy
	dsn    string
	direct *pgx.Conn
}

func newHarness(t *testing.T) *harness {
	t.Helper()
	dsn := pgtest.Database(t)
	h := &harness{T: t, proxy: Start(t, dsn), dsn: dsn, direct: connect(t, dsn)}
	if _, err := h.direct.Exec(t.Context(), "CREATE TABLE t (n BIGINT PRIMARY KEY)"); err != nil {
		t.Fatal(err)
	}
	return h
}

func connect(t *testing.T, dsn string) *pgx.Conn {
	t.Helper()
	c, err := pgx.Connect(t.Context(), dsn)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close(context.Background()) })
	return c
}

func (h *harness) rows() (n int) {
	h.Helper()
	if err := h.direct.QueryRow(h.Context(), "SELECT count(*) FROM t").Scan(&n); err != nil {
		h.Fatal(err)
	}
	return n
}

const insert = "INSERT INTO t (n) VALUES ($1)"

func TestFaults(t *testing.T) {
	open := make(chan struct{})
	close(open)
	for name, c := range map[string]struct {
		action Action
		fails  bool
		rows   int
	}{
		"cut before":            {CutBefore(), true, 0},
		"first bytes only":      {CutMidway(10), true, 0},
		"all but the Sync":      {CutMidway(-5), true, 0},
		"cut after":             {CutAfter(), true, 1},
		"cut before completion": {CutAnswer('C'), true, 1},
		"cut before ready":      {CutAnswer('Z'), true, 1},
		"refused":               {Fail("40001"), true, 0},
		"killed":                {Kill("57P01"), true, 1},
		"held":                  {Hold(open), false, 1},
	} {
		t.Run(name, func(t *testing.T) {
			h := newHarness(t)
			conn := connect(t, h.proxy.DSN(h.dsn))
			f := h.proxy.On(Running("insert into t"), c.action)
			_, err := conn.Exec(t.Context(), insert, 1)
			if (err != nil) != c.fails || !f.Hit() {
				t.Errorf("insert: %v, hit %v", err, f.Hit())
			}
			if c.fails && c.rows == 1 {
				<-f.Done()
			}
			if got := h.rows(); got != c.rows {
				t.Errorf("%d rows, want %d", got, c.rows)
			}
			if c.action.what != fail && c.fails != conn.IsClosed() {
				t.Errorf("closed: %v", conn.IsClosed())
			}
		})
	}
}

func TestInjectedErrorLeavesTheConnection(t *testing.T) {
	h := newHarness(t)
	conn := connect(t, h.proxy.DSN(h.dsn))
	h.proxy.On(Running("insert into t"), Fail("40P01"))
	var server *pgconn.PgError
	if _, err := conn.Exec(t.Context(), insert, 1); !errors.As(err, &server) || server.Code != "40P01" {
		t.Errorf("insert: %v", err)
	}
	if _, err := conn.Exec(t.Context(), insert, 1); err != nil || h.rows() != 1 {
		t.Errorf("insert again: %v, %d rows", err, h.rows())
	}
}

func TestInjectedErrorFailsTheTransaction(t *testing.T) {
	h := newHarness(t)
	conn := connect(t, h.proxy.DSN(h.dsn))
	tx, err := conn.Begin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	h.proxy.On(Running("commit"), Fail("40001"))
	if _, err := tx.Exec(t.Context(), insert, 1); err != nil {
		t.Fatal(err)
	}
	if err := tx.Commit(t.Context()); err == nil || h.rows() != 0 {
		t.Errorf("commit: %v, %d rows", err, h.rows())
	}
}

// A request that the network still holds when its client has given up.
func TestOrphan(t *testing.T) {
	h := newHarness(t)
	conn := connect(t, h.proxy.DSN(h.dsn))
	gate := make(chan struct{})
	f := h.proxy.On(Running("insert into t"), Orphan(gate))
	if _, err := conn.Exec(t.Context(), insert, 1); err == nil || h.rows() != 0 {
		t.Errorf("insert: %v, %d rows", err, h.rows())
	}
	close(gate)
	<-f.Done()
	if h.rows() != 1 {
		t.Error("the orphan did not arrive")
	}
}

func TestSilence(t *testing.T) {
	h := newHarness(t)
	conn := connect(t, h.proxy.DSN(h.dsn))
	f := h.proxy.On(Running("insert into t"), Silence())
	ctx, cancel := context.WithCancel(t.Context())
	go func() { <-f.Struck(); cancel() }()
	if _, err := conn.Exec(ctx, insert, 1); !errors.Is(err, context.Canceled) || h.rows() != 0 {
		t.Errorf("insert: %v, %d rows", err, h.rows())
	}
}

func TestRefuseAndCutAll(t *testing.T) {
	h := newHarness(t)
	conn := connect(t, h.proxy.DSN(h.dsn))
	h.proxy.Refuse(2)
	h.proxy.CutAll()
	if err := conn.Ping(t.Context()); err == nil {
		t.Error("the connection outlived the cut")
	}
	for range 2 {
		if _, err := pgx.Connect(t.Context(), h.proxy.DSN(h.dsn)); err == nil {
			t.Error("not refused")
		}
	}
	connect(t, h.proxy.DSN(h.dsn))
	if accepted, refused := h.proxy.Counts(); accepted != 2 || refused != 2 {
		t.Errorf("%d accepted, %d refused", accepted, refused)
	}
	h.proxy.Refuse(-1)
	for range 3 {
		if _, err := pgx.Connect(t.Context(), h.proxy.DSN(h.dsn)); err == nil {
			t.Error("not refused")
		}
	}
}

// Encryption is declined, as a server without certificates does.
func TestOfferOfEncryption(t *testing.T) {
	h := newHarness(t)
	prefer := strings.Replace(h.proxy.DSN(h.dsn), "sslmode=disable", "sslmode=prefer", 1)
	conn := connect(t, prefer)
	if err := conn.Ping(t.Context()); err != nil {
		t.Error(err)
	}
}

func TestStartupFault(t *testing.T) {
	h := newHarness(t)
	h.proxy.On(func(r Request) bool { return r.Kind == Startup }, CutAfter())
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	if _, err := pgx.Connect(ctx, h.proxy.DSN(h.dsn)); err == nil {
		t.Error("the session began")
	}
}
