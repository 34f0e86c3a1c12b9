package replay

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"
	"time"
)

// TestKillNine has another process accept codes under load on the real file
// system, kills it again and again, and replays all that it answered.
func TestKillNine(t *testing.T) {
	const mark = "HALLMARK_REPLAY_KILL"
	if dir := os.Getenv(mark); dir != "" {
		acceptForEver(t, dir)
	}
	o := JournalOptions{Dir: filepath.Join(t.TempDir(), "guard"), Fresh: true}
	answered := make(map[int64]bool)
	for round := range 5 {
		cmd := exec.Command(os.Args[0], "-test.run=^TestKillNine$")
		cmd.Env = append(os.Environ(), mark+"="+o.Dir)
		out, err := cmd.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		want := len(answered) + 200*(round+1)
		for lines := bufio.NewScanner(out); lines.Scan(); {
			var at int64
			if _, err := fmt.Sscanf(lines.Text(), "accepted %d.", &at); err != nil {
				t.Fatalf("the other process said %q", lines.Text())
			}
			answered[at] = true
			if len(answered) == want {
				if err := cmd.Process.Kill(); err != nil {
					t.Fatal(err)
				}
			}
		}
		// It ends by the signal; there is nothing to learn from its status.
		_ = cmd.Wait()
		if len(answered) < want {
			t.Fatalf("the other process ended by itself after %d answers", len(answered))
		}

		o.Fresh = false
		j := mustOpen(t, o)
		if got := j.Opening(); got.Reset != "" || got.Records < len(answered) {
			t.Errorf("%d codes were answered, Opening = %+v", len(answered), got)
		}
		for ms := range answered {
			at := time.UnixMilli(ms)
			if err := j.Spend(context.Background(), keyOf(int(ms)), at); !errors.Is(err, ErrSpent) {
				t.Fatalf("code of %v again: %v", at, err)
			}
		}
		if err := j.Close(); err != nil {
			t.Fatal(err)
		}
	}
}

// acceptForEver is the other process: it spends codes that are named by their
// timestamps, on several goroutines, and says which were accepted.
func acceptForEver(t *testing.T, dir string) {
	j, err := OpenJournal(JournalOptions{Dir: dir, Fresh: true, SegmentRecords: 50})
	if err != nil {
		t.Fatal(err)
	}
	// Timestamps of one process are later than those of the one before it
	// by less than the skew, as they must be anyway.
	next := time.Now().UnixMilli()
	var mu sync.Mutex
	var all sync.WaitGroup
	for range 16 {
		all.Go(func() {
			for {
				mu.Lock()
				next++
				ms := next
				mu.Unlock()
				if j.Spend(context.Background(), keyOf(int(ms)), time.UnixMilli(ms)) == nil {
					fmt.Printf("accepted %d.\n", ms)
				}
			}
		})
	}
	all.Wait()
}
