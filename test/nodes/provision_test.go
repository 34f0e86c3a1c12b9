package nodes

import (
	"context"
	"database/sql"
	"errors"
	"net/http"
	"testing"

	"github.com/hallmark-id/hallmark/test/promise"
)

// newNewcomers makes devices that ask for an identity at these addresses.
func (c *cluster) newNewcomers(t *testing.T, devices int, quota int64, transport *http.Transport, urls ...string) *promise.Newcomers {
	t.Helper()
	n, err := promise.NewNewcomers(t.Context(), c.operator(t), devices, quota)
	if err == nil {
		err = n.Connect(transport, urls...)
	}
	if err != nil {
		t.Fatal(err)
	}
	return n
}

func (c *cluster) database(t *testing.T) *sql.DB {
	t.Helper()
	db, err := sql.Open("pgx", c.dsn)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Close() })
	return db
}

// Ten thousand devices ask all nodes at once for nine thousand licences.
func TestProvisioningToTheQuota(t *testing.T) {
	const newcomers, quota, connections = 10_000, 9_000, 48
	c := newCluster(t)
	n := c.newNewcomers(t, newcomers, quota, &http.Transport{MaxConnsPerHost: connections, MaxIdleConnsPerHost: connections},
		c.nodes[0].URL, c.nodes[1].URL, c.nodes[2].URL)
	err := n.Provision(t.Context(), newcomers, func(int64) {}, func(error) bool { return false })
	if err != nil {
		t.Fatal(err, c.output())
	}
	db := c.database(t)
	err = errors.Join(n.CheckSpentQuota(), n.CheckRemaining(), n.CheckIdentities(), n.CheckLedger(t.Context(), db),
		n.Authenticate(t.Context(), connections), n.CheckLedger(t.Context(), db))
	if err != nil {
		t.Fatal(err, c.output())
	}
	t.Log(n.Summary())
}

// Nodes are killed one after the other while devices are being provisioned: who
// got no answer asks another node.
func TestKillNodesWhileProvisioning(t *testing.T) {
	const newcomers, quota, kills = 3000, 2800, 6
	c := newCluster(t)
	n := c.newNewcomers(t, newcomers, quota, &http.Transport{DisableKeepAlives: true}, c.balancer.url())
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	turn, finished := make(chan int, kills), make(chan error, 1)
	go func() {
		finished <- n.Provision(ctx, workers, func(answers int64) {
			if every := int64(newcomers / (kills + 2)); answers%every == 0 && answers/every <= kills {
				turn <- int(answers / every)
			}
		}, func(err error) bool { return !errors.Is(err, promise.ErrRefused) })
	}()
	for range kills {
		select {
		case i := <-turn:
			c.nodes[i%nodeCount].Kill()
			c.start(t, i%nodeCount)
		case err := <-finished:
			t.Fatalf("the load ended: %v%s", err, c.output())
		}
	}
	if err := <-finished; err != nil {
		t.Fatal(err, c.output())
	}
	db := c.database(t)
	err := errors.Join(n.CheckSpentQuota(), n.CheckIdentities(), n.CheckLedger(t.Context(), db), n.Authenticate(t.Context(), workers))
	if err != nil {
		t.Fatal(err, c.output())
	}
	t.Log(n.Summary())
}
