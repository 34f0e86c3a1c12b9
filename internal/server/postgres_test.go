package server

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/hallmark-id/hallmark/internal/operator"
	"github.com/hallmark-id/hallmark/internal/pgtest"
	"github.com/hallmark-id/hallmark/internal/testclock"
)

func TestMain(m *testing.M) { os.Exit(pgtest.Main(m)) }

// onPostgres is the configuration of a node with a directory of its own.
func onPostgres(t *testing.T, dsn string) Config {
	t.Helper()
	return Config{DataDir: t.TempDir(), Listen: "127.0.0.1:0", Store: dsn}
}

func databaseName(dsn string) string {
	name, _, _ := strings.Cut(dsn[strings.LastIndexByte(dsn, '/')+1:], "?")
	return name
}

func TestPostgresStartRefusals(t *testing.T) {
	used := pgtest.Database(t)
	s, err := Start(t.Context(), onPostgres(t, used))
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Shutdown(context.Background()); err != nil {
		t.Fatal(err)
	}
	readOnly, careless := pgtest.Database(t), pgtest.Database(t)
	pgtest.Exec(t, "ALTER DATABASE "+databaseName(readOnly)+" SET default_transaction_read_only = on")
	pgtest.Exec(t, "ALTER DATABASE "+databaseName(careless)+" SET synchronous_commit = off")
	for name, c := range map[string]struct{ dsn, want string }{
		"unreachable":            {"postgres://user:hunter2@127.0.0.1:1/db?sslmode=disable", "cannot be used"},
		"malformed":              {"postgres://user:hunter2@%zz/", "not understood"},
		"no such database":       {strings.Replace(used, databaseName(used), "nowhere", 1), `"nowhere" does not exist`},
		"another root key":       {used, "does not belong to this store"},
		"read-only":              {readOnly, "give the address of the primary"},
		"synchronous_commit off": {careless, "synchronous_commit is off"},
	} {
		t.Run(name, func(t *testing.T) {
			cfg := onPostgres(t, c.dsn)
			writeRootKey(t, cfg.DataDir, "a5")
			s, err := Start(t.Context(), cfg)
			if err == nil {
				_ = s.Shutdown(context.Background())
				t.Fatal("it started")
			}
			if !strings.Contains(err.Error(), c.want) || strings.Contains(err.Error(), "hunter2") {
				t.Errorf("error %q; want %q and no password", err, c.want)
			}
		})
	}
}

func writeRootKey(t *testing.T, dir, octet string) {
	t.Helper()
	if err := os.WriteFile(filepath.Join(dir, "root.key"), []byte(strings.Repeat(octet, 32)+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
}

// Nodes that start at once on an empty database make one schema, one keyring
// and one organisation between them.
func TestNodesStartAtOnce(t *testing.T) {
	dsn, first := pgtest.Database(t), onPostgres(t, "")
	first.Store = dsn
	writeRootKey(t, first.DataDir, "5a")
	const nodes = 5
	servers, errs := make([]*Server, nodes), make([]error, nodes)
	var wg sync.WaitGroup
	for i := range nodes {
		c := onPostgres(t, dsn)
		c.RootKeyFile = filepath.Join(first.DataDir, "root.key")
		wg.Go(func() { servers[i], errs[i] = Start(t.Context(), c) })
	}
	wg.Wait()
	for i, s := range servers {
		if errs[i] != nil {
			t.Fatalf("node %d: %v", i, errs[i])
		}
		defer func() { _ = s.Shutdown(context.Background()) }()
	}
	op := operator.NewClient(operator.ClientOptions{URL: servers[0].URL(), Token: readToken(t, servers[0].config.DataDir)})
	orgs, err := op.Orgs(t.Context())
	if err != nil || len(orgs.Orgs) != 1 {
		t.Errorf("%d organisations, %v", len(orgs.Orgs), err)
	}
	list, err := op.Nodes(t.Context())
	if err != nil || len(list.Nodes) != nodes {
		t.Errorf("%d nodes in the list, %v", len(list.Nodes), err)
	}
}

// What one node changes the others see: at once where a code is spent, and
// soon everywhere.
func TestChangesReachOtherNodes(t *testing.T) {
	dsn := pgtest.Database(t)
	cfg := onPostgres(t, dsn)
	a, err := Start(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = a.Shutdown(context.Background()) }()
	other := cfg
	other.DataDir = t.TempDir()
	copyDir(t, cfg.DataDir, other.DataDir, "")
	b, err := Start(t.Context(), other)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = b.Shutdown(context.Background()) }()

	here := &site{Server: a, dir: cfg.DataDir, clock: testclock.New(time.Now())}
	here.op = operator.NewClient(operator.ClientOptions{URL: a.URL(), Token: readToken(t, cfg.DataDir)})
	here.equip(t)
	there := &site{Server: b, dir: other.DataDir, clock: here.clock, access: here.access, product: here.product, key: here.key, id: here.id}
	tick := func() { here.clock.Set(here.clock.Now().Add(time.Millisecond)) } // another timestamp for each code
	there.wants(t, "verified by the other node", there.verify(t, there.timeCode(t)), 200)
	tick()
	if _, err := here.op.ChangeDevice(t.Context(), here.id, "suspend"); err != nil {
		t.Fatal(err)
	}
	there.wants(t, "suspended behind the other node's cache", there.verify(t, there.timeCode(t)), 45)
	if _, err := here.op.ChangeDevice(t.Context(), here.id, "resume"); err != nil {
		t.Fatal(err)
	}
	awaitCode(t, there, tick, 200)
	if _, err := here.op.SetAPIClientDisabled(t.Context(), here.access.AccessKeyID, true); err != nil {
		t.Fatal(err)
	}
	for { // until it is refused; the test's own time limit is the bound
		if status, body := there.try(t, there.timeCode(t)); status != 200 {
			if !strings.Contains(body, "InvalidAccessKeyId.Inactive") {
				t.Errorf("a disabled client: %s", body)
			}
			return
		}
		tick()
	}
}

// awaitCode verifies until the answer is the wanted one.
func awaitCode(t *testing.T, s *site, tick func(), want int) {
	t.Helper()
	for s.verify(t, s.timeCode(t)) != want {
		tick()
	}
	tick()
}
