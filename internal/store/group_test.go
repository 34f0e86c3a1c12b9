package store

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"

	"github.com/hallmark-id/hallmark/internal/registry"
)

// A part that fails in a shared commit leaves the others whole.
func TestGroupCommitKeepsPartsApart(t *testing.T) {
	s := open(t, filled["sqlite"](t))
	before := auditCount(t, s)
	hold := make(chan struct{})
	started := make(chan struct{})
	var wg sync.WaitGroup
	wg.Go(func() { // occupies the writer until everybody waits
		_ = s.write(t.Context(), func(txn) error { close(started); <-hold; return nil })
	})
	<-started
	errs := make([]error, 20)
	var asked sync.WaitGroup
	for i := range errs {
		asked.Add(1)
		wg.Go(func() {
			asked.Done()
			if i%2 == 0 {
				errs[i] = s.CreateClient(context.Background(), testClient("AK1"), event) // exists
			} else {
				errs[i] = s.CreateClient(context.Background(), testClient(fmt.Sprint("NEW", i)), event)
			}
		})
	}
	asked.Wait()
	close(hold)
	wg.Wait()
	for i, err := range errs {
		if want := map[bool]error{true: registry.ErrExists, false: nil}[i%2 == 0]; !errors.Is(err, want) {
			t.Errorf("part %d: %v, want %v", i, err, want)
		}
	}
	clients, err := s.Clients(t.Context(), 1)
	if err != nil || len(clients) != 11 {
		t.Errorf("%d clients, %v; want 11", len(clients), err)
	}
	if got := auditCount(t, s) - before; got != 10 {
		t.Errorf("%d audit events; want one for each of the ten clients", got)
	}
}
