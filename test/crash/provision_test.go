package crash

import (
	"context"
	"database/sql"
	"errors"
	"net/http"
	"path/filepath"
	"testing"

	_ "modernc.org/sqlite" // the driver "sqlite"

	"github.com/hallmark-id/hallmark/test/promise"
)

// database opens the server's database beside it, to read.
func (s *site) database(t *testing.T) *sql.DB {
	t.Helper()
	db, err := sql.Open("sqlite", "file:"+filepath.Join(s.dir, "data", "hallmark.db")+"?_pragma=query_only(1)&_pragma=busy_timeout(10000)")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Close() })
	return db
}

func unforgiving(error) bool { return false }

// Ten thousand devices ask at once for nine thousand licences.
func TestProvisioningToTheQuota(t *testing.T) {
	const newcomers, quota, connections = 10_000, 9_000, 256
	s := newSite(t)
	n, err := promise.NewNewcomers(t.Context(), s.operator(t), newcomers, quota)
	if err != nil {
		t.Fatal(err)
	}
	if err := n.Connect(&http.Transport{MaxConnsPerHost: connections, MaxIdleConnsPerHost: connections}, s.server.URL); err != nil {
		t.Fatal(err)
	}
	if err := n.Provision(t.Context(), newcomers, func(int64) {}, unforgiving); err != nil {
		t.Fatalf("%v\n%s", err, s.server.Output())
	}
	db := s.database(t)
	err = errors.Join(n.CheckSpentQuota(), n.CheckRemaining(), n.CheckIdentities(), n.CheckLedger(t.Context(), db),
		n.Authenticate(t.Context(), connections), n.CheckLedger(t.Context(), db))
	if err != nil {
		t.Fatal(err)
	}
	t.Log(n.Summary())
}

// The server is killed while devices are being provisioned. What it handed out
// is still good afterwards, and who got no answer asks again; in the end no
// licence is lost and none taken twice.
func TestKillWhileProvisioning(t *testing.T) {
	const rounds, newcomers, quota = 8, 900, 800
	s := newSite(t)
	n, err := promise.NewNewcomers(t.Context(), s.operator(t), newcomers, quota)
	if err != nil {
		t.Fatal(err)
	}
	check := func(round int) {
		t.Helper()
		if err := n.Connect(&http.Transport{MaxIdleConnsPerHost: workers}, s.server.URL); err != nil {
			t.Fatal(err)
		}
		db := s.database(t)
		err := errors.Join(n.CheckIdentities(), n.CheckLedger(t.Context(), db))
		if err == nil && round%2 == 1 { // these have a new key before they first use one
			err = n.AskAgain(t.Context(), workers)
		}
		err = errors.Join(err, n.Authenticate(t.Context(), workers), n.AskAgain(t.Context(), workers), n.CheckLedger(t.Context(), db))
		if err != nil {
			t.Fatalf("round %d: %v\n%s", round, err, s.server.Output())
		}
	}
	check(0)
	for round := range rounds {
		provisionUntilKilled(t, n, s, int64(30+round*17))
		s.start(t)
		check(round)
	}
	if err := n.Provision(t.Context(), workers, func(int64) {}, unforgiving); err != nil {
		t.Fatal(err)
	}
	check(rounds)
	if err := n.CheckSpentQuota(); err != nil {
		t.Fatal(err)
	}
	t.Logf("%d rounds: %s", rounds, n.Summary())
}

// provisionUntilKilled kills the server after a number of answers.
func provisionUntilKilled(t *testing.T, n *promise.Newcomers, s *site, after int64) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	killed := false
	err := n.Provision(ctx, workers, func(answers int64) {
		if answers == after {
			s.server.Kill()
			killed = true
			cancel()
		}
	}, unforgiving)
	if !killed || errors.Is(err, promise.ErrRefused) {
		t.Fatalf("killed %v: %v\n%s", killed, err, s.server.Output())
	}
}
