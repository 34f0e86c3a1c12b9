package store

import (
	"context"
	"errors"
	"reflect"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// Every statement of every write fails once before and once after it took
// effect. What is then in the store is all of the change or nothing of it, all
// only when the commit itself reported a failure it had survived; and the store
// goes on working.
func TestEveryWriteFailingBeforeAndAfter(t *testing.T) {
	for name, write := range writes {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			before, after := outcomes(t, write)
			for _, late := range []bool{false, true} {
				s := newSabotaged(t, write, before, after)
				for at := 1; s.failsAt(at, late); at++ {
					if s.done { // which the next failure needs undone
						s.reopen()
						s = newSabotaged(t, write, before, after)
					}
				}
				s.reopen()
			}
		})
	}
}

// outcomes returns the store without and with the change.
func outcomes(t *testing.T, write func(context.Context, *Store) error) (before, after contents) {
	t.Helper()
	s := open(t, filled["sqlite"](t))
	before = dump(t, s)
	if err := write(t.Context(), s); err != nil {
		t.Fatal(err)
	}
	return before, dump(t, s)
}

// sabotaged is a store in which a write fails at one statement after the other.
type sabotaged struct {
	*testing.T
	dsn           string
	store         *Store
	write         func(context.Context, *Store) error
	before, after contents
	done          bool // the change is in the store
}

func newSabotaged(t *testing.T, write func(context.Context, *Store) error, before, after contents) *sabotaged {
	t.Helper()
	dsn := filled["sqlite"](t)
	return &sabotaged{T: t, dsn: dsn, store: open(t, dsn), write: write, before: before, after: after}
}

// failsAt runs the write with one statement failing. It returns false when
// there is no such statement any more: the write has then done its work, for
// all that failed before.
func (s *sabotaged) failsAt(at int, late bool) (struck bool) {
	s.Helper()
	s.store.random = drawing(7) // as it was for the outcomes
	if err := s.store.events.start(s.store.random); err != nil {
		s.Fatal(err)
	}
	saboteur := saboteurOf(s.dsn)
	saboteur.arm(at, late)
	err := s.write(s.Context(), s.store)
	struck = saboteur.disarm()
	if errors.Is(err, errSabotage) != struck || !struck && err != nil {
		s.Errorf("statement %d (late %v), failed %v, and the caller was told %v", at, late, struck, err)
	}
	now := dump(s.T, s.store)
	s.done = !struck || late && reflect.DeepEqual(now, s.after)
	if want := map[bool]contents{false: s.before, true: s.after}[s.done]; !reflect.DeepEqual(now, want) {
		s.Fatalf("statement %d (late %v), failed %v, left something else:\n%s", at, late, struck, cmp.Diff(want, now))
	}
	err = s.store.write(s.Context(), func(tx txn) error { _, err := tx.Exec(`UPDATE meta SET value = value`); return err })
	if err != nil {
		s.Errorf("statement %d (late %v): the store is stuck: %v", at, late, err)
	}
	return struck
}

// reopen closes the store: what it showed is what is on disk.
func (s *sabotaged) reopen() {
	s.Helper()
	shown := dump(s.T, s.store)
	if err := s.store.Close(); err != nil {
		s.Errorf("close: %v", err)
	}
	if diff := cmp.Diff(shown, dump(s.T, open(s.T, s.dsn))); diff != "" {
		s.Errorf("after reopening:\n%s", diff)
	}
}
