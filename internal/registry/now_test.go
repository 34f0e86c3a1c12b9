package registry_test

import (
	"testing"
	"time"

	"github.com/hallmark-id/hallmark/internal/registry"
)

func TestNowFollowsTheClock(t *testing.T) {
	f := newFixture(t)
	before := f.Now()
	f.now = f.now.Add(time.Hour)
	if got := f.Now(); got-before != registry.Instant(time.Hour/time.Millisecond) || got != registry.At(f.now) {
		t.Errorf("an hour after %v: %v", before, got)
	}
}
