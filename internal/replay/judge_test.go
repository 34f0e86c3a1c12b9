package replay

import (
	"errors"
	"testing"
	"time"

	"pgregory.net/rapid"
)

// Judge says what Spend then does, on both memories of a local guard, and
// leaves both as they were.
func TestJudgeAgreesWithSpend(t *testing.T) {
	clock := time.UnixMilli(1_700_000_000_000)
	j, err := OpenJournal(JournalOptions{Dir: t.TempDir() + "/guard", Fresh: true, Now: func() time.Time { return clock }})
	if err != nil {
		t.Fatal(err)
	}
	defer j.Close()
	l := NewLocal(j, 3000)
	var tick uint32
	rapid.Check(t, func(t *rapid.T) {
		for range 50 {
			clock = clock.Add(time.Duration(rapid.IntRange(-1000, 60_000).Draw(t, "ms")) * time.Millisecond)
			tick += uint32(rapid.IntRange(0, 600).Draw(t, "ticks"))
			c := Code{Timestamp: rapid.Bool().Draw(t, "timestamp"), Now: tick}
			n := rapid.IntRange(0, 30).Draw(t, "code")
			// What is spent always comes with the same time.
			c.Key, c.At = Key{byte(n)}, time.UnixMilli(1_700_000_000_000).Add(time.Duration(n)*time.Minute)
			c.Counter, c.Tick = uint32(n)*1000, uint32(n)*300
			first, second := l.Judge(t.Context(), c), l.Judge(t.Context(), c)
			spent := l.Spend(t.Context(), c)
			if !errors.Is(first, spent) || !errors.Is(second, spent) || (spent == nil) != (first == nil) {
				t.Fatalf("judged %v and %v, then %v", first, second, spent)
			}
			if spent == nil && l.Judge(t.Context(), c) == nil {
				t.Fatal("a spent code is judged good")
			}
		}
	})
}
