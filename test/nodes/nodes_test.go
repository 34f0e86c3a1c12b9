// Package nodes runs several real servers over one PostgreSQL behind a plain
// TCP balancer, kills and restarts them under load, and looks whether together
// they kept the promises of one.
package nodes

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/hallmark-id/hallmark/internal/operator"
	"github.com/hallmark-id/hallmark/internal/pgtest"
	"github.com/hallmark-id/hallmark/internal/process"
	"github.com/hallmark-id/hallmark/openapi"
	"github.com/hallmark-id/hallmark/test/promise"
)

func TestMain(m *testing.M) { os.Exit(pgtest.Main(m)) }

const (
	nodeCount = 3
	workers   = 12
	devices   = 300
)

// cluster is several nodes over one database.
type cluster struct {
	binary, dir, dsn string
	nodes            [nodeCount]*process.Process
	addresses        []string
	balancer         *balancer
	fleet            *promise.Fleet
}

func newCluster(t *testing.T) *cluster {
	t.Helper()
	c := &cluster{dir: t.TempDir(), dsn: pgtest.Database(t)}
	c.binary = filepath.Join(c.dir, "hallmark")
	if out, err := exec.Command("go", "build", "-o", c.binary, "../../cmd/hallmark").CombinedOutput(); err != nil {
		t.Fatalf("build: %v\n%s", err, out)
	}
	c.start(t, 0)
	for i := 1; i < nodeCount; i++ { // a second node is a copy of the first one's directory
		if out, err := exec.Command("cp", "-a", c.data(0), c.data(i)).CombinedOutput(); err != nil {
			t.Fatalf("copy: %v\n%s", err, out)
		}
		c.start(t, i)
	}
	for _, n := range c.nodes {
		c.addresses = append(c.addresses, n.Address())
	}
	t.Cleanup(func() {
		for _, n := range c.nodes {
			n.Kill()
		}
	})
	c.balancer = newBalancer(t, c.addresses)
	var err error
	if c.fleet, err = promise.New(t.Context(), c.operator(t), devices); err != nil {
		t.Fatal(err)
	}
	// Every request has a connection of its own, so that a challenge is mostly
	// answered by another node than the one that issued it.
	if err := c.fleet.Connect(c.balancer.url(), &http.Transport{DisableKeepAlives: true}); err != nil {
		t.Fatal(err)
	}
	return c
}

func (c *cluster) data(i int) string { return filepath.Join(c.dir, fmt.Sprint("data", i)) }

func (c *cluster) start(t *testing.T, i int) {
	t.Helper()
	address := "127.0.0.1:0"
	if c.nodes[i] != nil {
		address = c.nodes[i].Address()
	}
	var err error
	c.nodes[i], err = process.Start(t.Context(), c.binary, filepath.Join(c.dir, fmt.Sprint("ready", i)), "serve", "--data", c.data(i),
		"--store", c.dsn, "--listen", address, "--log-level", "warn", "--failure-rate", "0", "--drain-delay", "500ms")
	if err != nil {
		t.Fatal(err)
	}
}

// operator asks through the balancer, as people would.
func (c *cluster) operator(t *testing.T) *operator.Client {
	t.Helper()
	token, err := os.ReadFile(filepath.Join(c.data(0), "operator.token"))
	if err != nil {
		t.Fatal(err)
	}
	return operator.NewClient(operator.ClientOptions{URL: c.balancer.url(), Token: strings.TrimSpace(string(token)),
		Transport: &http.Transport{DisableKeepAlives: true}})
}

func (c *cluster) check(t *testing.T) {
	t.Helper()
	if err := errors.Join(c.fleet.Replay(t.Context(), workers), c.fleet.CheckLicences(t.Context(), c.operator(t))); err != nil {
		t.Fatal(err, c.output())
	}
}

func (c *cluster) output() string {
	var b strings.Builder
	for i, n := range c.nodes {
		fmt.Fprintf(&b, "\nnode %d:\n%s", i, n.Output())
	}
	return b.String()
}

// Nodes are killed one after the other while all are asked.
func TestKillNodesUnderLoad(t *testing.T) {
	c := newCluster(t)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	turn := make(chan int, 16)
	finished := make(chan error, 1)
	go func() {
		finished <- c.fleet.Load(ctx, workers, func(n int64) {
			if n%150 == 0 {
				select {
				case turn <- int(n / 150):
				default:
				}
			}
		}, func(err error) bool { return !errors.Is(err, promise.ErrRefused) }) // a lost connection is an open outcome
	}()
	for range 6 {
		var n int
		select {
		case n = <-turn:
		case err := <-finished:
			t.Fatalf("the load ended: %v%s", err, c.output())
		}
		i := n % nodeCount
		c.nodes[i].Kill()
		c.start(t, i)
	}
	cancel()
	if err := <-finished; err != nil {
		t.Fatal(err, c.output())
	}
	c.check(t)
	t.Log(c.fleet.Summary())
}

// A rolling restart is not noticed: no 5xx, no refused code, and no connection
// lost that a client could not open again.
func TestRollingRestartUnderLoad(t *testing.T) {
	c := newCluster(t)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	var served atomic.Int64
	finished := make(chan error, 1)
	reached := make(chan struct{}, 1)
	go func() {
		finished <- c.fleet.Load(ctx, workers, func(n int64) {
			served.Store(n)
			select {
			case reached <- struct{}{}:
			default:
			}
		}, isTransport)
	}()
	for i := range nodeCount {
		awaitMore(t, &served, reached, finished, 200)
		if err := c.nodes[i].Stop(); err != nil {
			t.Fatalf("node %d did not stop in order: %v\n%s", i, err, c.nodes[i].Output())
		}
		c.start(t, i)
	}
	awaitMore(t, &served, reached, finished, 200)
	cancel()
	if err := <-finished; err != nil {
		t.Fatal(err, c.output())
	}
	c.check(t)
	for i, n := range c.nodes { // which writes the counters that wait
		if err := n.Stop(); err != nil {
			t.Fatal(err)
		}
		c.start(t, i)
	}
	if err := c.fleet.CheckCounters(t.Context(), c.operator(t)); err != nil {
		t.Error(err)
	}
	t.Log(c.fleet.Summary())
}

// awaitMore waits until so many more codes have been accepted.
func awaitMore(t *testing.T, served *atomic.Int64, reached chan struct{}, finished chan error, more int64) {
	t.Helper()
	for until := served.Load() + more; served.Load() < until; {
		select {
		case <-reached:
		case err := <-finished:
			t.Fatalf("the load ended: %v", err)
		}
	}
}

// isTransport reports whether no answer came; an answer, such as a 5xx, is
// another thing.
func isTransport(err error) bool {
	var refusal *openapi.Error
	return !errors.As(err, &refusal) && !errors.Is(err, promise.ErrRefused)
}
