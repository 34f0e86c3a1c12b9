package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/hallmark-id/hallmark/internal/registry"
)

// However many devices wait for one product's licences, the store can be read;
// and none of them is forgotten.
func TestWritersLeaveConnectionsForReads(t *testing.T) {
	dsn := filled["postgres"](t)
	s := open(t, dsn)
	product := testProduct("P2")
	product.Quota = 100
	if err := s.CreateProduct(t.Context(), product, event); err != nil {
		t.Fatal(err)
	}
	other, err := sql.Open("pgx", dsn)
	if err != nil {
		t.Fatal(err)
	}
	defer other.Close()
	holder, err := other.BeginTx(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = holder.Rollback() }()
	if _, err := holder.ExecContext(t.Context(), `UPDATE products SET used = used WHERE product_key = 'P2'`); err != nil {
		t.Fatal(err)
	}
	const askers = 2 * postgresConns
	results := make(chan error, askers)
	for i := range askers {
		p := testProvisioning(100 + i)
		p.Device.Product = "P2"
		go func() {
			_, err := s.Provision(t.Context(), p, event)
			results <- err
		}()
	}
	awaitWaiting(t, other, postgresWriters)
	ctx, cancel := context.WithTimeout(t.Context(), postgresStatement/2)
	defer cancel()
	if _, err := s.Product(ctx, "P2"); err != nil {
		t.Errorf("read while %d wait to write: %v", askers, err)
	}
	impatient, cancelImpatient := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancelImpatient()
	if err := s.CreateOrg(impatient, registry.Org{ID: 9, Name: "nine", Created: testTime}, event); !errors.Is(err, registry.ErrBusy) {
		t.Errorf("a writer who cannot wait: %v", err)
	}
	if err := holder.Rollback(); err != nil {
		t.Fatal(err)
	}
	for range askers {
		err = errors.Join(err, <-results)
	}
	if got, readErr := s.Product(t.Context(), "P2"); err != nil || readErr != nil || got.Used != askers {
		t.Errorf("%d licences used, %v, %v; want %d", got.Used, err, readErr, askers)
	}
}

// awaitWaiting returns when so many sessions wait for a lock.
func awaitWaiting(t *testing.T, db *sql.DB, want int) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	for {
		var waiting int
		err := db.QueryRowContext(ctx, `SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()`).Scan(&waiting)
		if err != nil {
			t.Fatal(fmt.Errorf("%d of %d sessions wait: %w", waiting, want, err))
		}
		if waiting >= want {
			return
		}
	}
}
