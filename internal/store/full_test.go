package store

import (
	"errors"
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/hallmark-id/hallmark/internal/registry"
)

// A store without room refuses with a word that helps, changes nothing, goes on
// reading, and takes writes again once there is room.
func TestDiskFull(t *testing.T) {
	s := open(t, filled["sqlite"](t))
	limit := func(pages int) {
		t.Helper()
		var now int
		if err := s.writer.(*groupWriter).conn.QueryRowContext(t.Context(), fmt.Sprintf("PRAGMA max_page_count = %d", pages)).Scan(&now); err != nil {
			t.Fatal(err)
		}
	}
	limit(1) // which SQLite takes for as many as there are
	before := dump(t, s)
	large := map[string][]byte{"large": make([]byte, 1<<20)}
	if _, err := s.ClaimMeta(t.Context(), "large", large); !errors.Is(err, registry.ErrDiskFull) {
		t.Fatalf("a full store says %v", err)
	}
	if diff := cmp.Diff(before, dump(t, s)); diff != "" {
		t.Errorf("a write without room changed:\n%s", diff)
	}
	if _, err := s.Client(t.Context(), "AK1"); err != nil {
		t.Errorf("reading from a full store: %v", err)
	}
	limit(1 << 20)
	if _, err := s.ClaimMeta(t.Context(), "large", large); err != nil {
		t.Errorf("with room again: %v", err)
	}
}

// A database that turns read-only under a server says so.
func TestReadOnly(t *testing.T) {
	onEachFilled(t, func(t *testing.T, s *Store) {
		makeReadOnly(t, s)
		before := dump(t, s)
		if err := s.CreateClient(t.Context(), testClient("NEW"), event); !errors.Is(err, registry.ErrReadOnly) {
			t.Errorf("writing to a read-only database: %v", err)
		}
		if diff := cmp.Diff(before, dump(t, s)); diff != "" {
			t.Error(diff)
		}
	})
}

func makeReadOnly(t *testing.T, s *Store) {
	t.Helper()
	w, embedded := s.writer.(*groupWriter)
	if embedded {
		if _, err := w.conn.ExecContext(t.Context(), "PRAGMA query_only = on"); err != nil {
			t.Fatal(err)
		}
		return
	}
	// New connections come up read-only, as those to a demoted primary do.
	if _, err := s.read.ExecContext(t.Context(), `DO $$ BEGIN EXECUTE format('ALTER DATABASE %I SET default_transaction_read_only = on', current_database()); END $$`); err != nil {
		t.Fatal(err)
	}
	s.read.SetMaxIdleConns(0)
	s.read.SetMaxIdleConns(postgresConns)
}
