package openapi

import (
	"sync"
	"testing"
)

// TestCredentialIsShared verifies with one credential from many goroutines; it
// is for the race detector.
func TestCredentialIsShared(t *testing.T) {
	c := NewCredential(captureID, captureSecret)
	all := captures(t)
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			var q Request
			for _, name := range []string{"go-commonrequest_v1_get", "go-darabonba_v3_post_query", "go-darabonba_v3_sm3_form"} {
				r, body, err := readRaw(all[name])
				if err != nil {
					t.Error(err)
					continue
				}
				for range 50 {
					if err := check(&q, r, body, c, captureTime); err != nil {
						t.Errorf("%s: %v", name, err)
					}
				}
			}
		})
	}
	wg.Wait()
}

// TestAllocations keeps the hot path within its budget: on a good day it
// allocates once, but a garbage collection may empty the pools.
func TestAllocations(t *testing.T) {
	c := NewCredential(captureID, captureSecret)
	for _, name := range []string{"go-commonrequest_v1_get_nasty", "node-popcore_v1_post_form_nasty", "go-darabonba_v3_post_form_nasty"} {
		r, body := mustReadRaw(t, captures(t)[name])
		var q Request
		n := testing.AllocsPerRun(200, func() {
			if err := check(&q, r, body, c, captureTime); err != nil {
				t.Fatal(err)
			}
		})
		if n > 10 {
			t.Errorf("%s: %v allocations", name, n)
		}
	}
}
