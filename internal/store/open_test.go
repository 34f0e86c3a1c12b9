package store

import (
	"errors"
	"testing"

	"github.com/hallmark-id/hallmark/internal/replay"
)

func TestSecondProcessIsRefused(t *testing.T) {
	dsn := engines["sqlite"](t)
	open(t, dsn)
	if _, err := Open(t.Context(), options(dsn)); !errors.Is(err, replay.ErrLocked) {
		t.Errorf("opened twice: %v", err)
	}
}

func TestNewerSchemaIsRefused(t *testing.T) {
	onEach(t, func(t *testing.T, dsn string) {
		s := open(t, dsn)
		err := s.write(t.Context(), func(tx txn) error {
			_, err := tx.Exec(`INSERT INTO schema_version (version) VALUES (9999)`)
			return err
		})
		if err := errors.Join(err, s.Close()); err != nil {
			t.Fatal(err)
		}
		if _, err := Open(t.Context(), options(dsn)); !errors.Is(err, ErrNewer) {
			t.Errorf("opened a newer schema: %v", err)
		}
	})
}

func TestDurabilitySettings(t *testing.T) {
	s := open(t, engines["sqlite"](t))
	for pragma, want := range map[string]string{"journal_mode": "wal", "synchronous": "2"} {
		var got string
		err := s.writer.(*groupWriter).conn.QueryRowContext(t.Context(), "PRAGMA "+pragma).Scan(&got)
		if err != nil || got != want {
			t.Errorf("PRAGMA %s is %q, %v; want %q", pragma, got, err, want)
		}
	}
}
