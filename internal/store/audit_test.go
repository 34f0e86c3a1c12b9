package store

import (
	"testing"

	"github.com/hallmark-id/hallmark/internal/audit"
	"github.com/hallmark-id/hallmark/internal/registry"
)

func auditCount(t *testing.T, s *Store) int {
	t.Helper()
	events, err := s.AuditEvents(t.Context(), registry.AuditFilter{Limit: 1000})
	if err != nil {
		t.Fatal(err)
	}
	return len(events)
}

func TestAuditChain(t *testing.T) {
	onEachFilled(t, func(t *testing.T, s *Store) {
		filled := auditCount(t, s)
		key := [32]byte{9}
		for range 3 {
			if _, err := s.SealAudit(t.Context(), key); err != nil {
				t.Fatal(err)
			}
			if err := s.AppendAudit(t.Context(), []audit.Event{event}); err != nil {
				t.Fatal(err)
			}
		}
		check := func() (n int, ok bool) {
			events, err := s.AuditEvents(t.Context(), registry.AuditFilter{InOrder: true, Limit: 100})
			if err != nil {
				t.Fatal(err)
			}
			chain := audit.NewChain(key, 0, nil)
			for _, e := range events {
				if !chain.Follows(e) {
					return n, false
				}
				n++
			}
			return n, true
		}
		if n, ok := check(); n != filled+2 || !ok { // all but the last event, which no seal followed
			t.Fatalf("%d links of %d, intact %v", n, filled+2, ok)
		}
		for _, tamper := range []string{
			`UPDATE audit SET detail = '{"x":1}' WHERE seq = 3`,
			`UPDATE audit SET seq = 99 WHERE seq = 4`,
			`DELETE FROM audit WHERE seq = 2`,
		} {
			if err := s.write(t.Context(), func(tx txn) error { _, err := tx.Exec(tamper); return err }); err != nil {
				t.Fatal(err)
			}
			if _, ok := check(); ok {
				t.Errorf("not noticed: %s", tamper)
			}
		}
	})
}
