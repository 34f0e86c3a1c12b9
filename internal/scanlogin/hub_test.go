package scanlogin_test

import (
	"testing"

	"github.com/hallmark-id/hallmark/internal/scanlogin"
)

func woken(w *scanlogin.Watcher) bool {
	select {
	case _, open := <-w.C:
		return open
	default:
		return false
	}
}

func TestWatchersAreWoken(t *testing.T) {
	f := newFixture(t, sqlite(t))
	one, _ := f.session()
	two, secret := f.session()
	w1, w2 := f.Watch(one), f.Watch(two)
	_, err := f.Scan(t.Context(), phone, two, scanlogin.StatusScanned)
	if f.must(err); woken(w1) || !woken(w2) || woken(w2) {
		t.Error("a change wakes those who watch its session, once")
	}
	f.must(f.Confirm(t.Context(), phone, two, f.proof))
	if !woken(w2) {
		t.Error("a confirmation wakes nobody")
	}
	if _, err := f.Collect(t.Context(), two, secret); err != nil || !woken(w2) {
		t.Errorf("a collection wakes nobody: %v", err)
	}
	f.Changed(one)
	if !woken(w1) || woken(w2) {
		t.Error("the word of another node wakes those who watch its session")
	}
	f.ChangedAll()
	if !woken(w1) || !woken(w2) || f.Watching() != 2 {
		t.Error("not everybody was woken")
	}
	w1.Close()
	w1.Close()
	w2.Close()
	if f.Changed(one); woken(w1) || f.Watching() != 0 {
		t.Errorf("%d watch on", f.Watching())
	}
}

// A fifth page of one session pushes out the first; one that begins after the
// end is told so.
func TestWatchersAreBounded(t *testing.T) {
	f := newFixture(t, sqlite(t))
	id, _ := f.session()
	var all []*scanlogin.Watcher
	for range 5 {
		all = append(all, f.Watch(id))
	}
	if _, open := <-all[0].C; open || f.Watching() != 4 {
		t.Errorf("%d watch, the first is open: %v", f.Watching(), open)
	}
	f.Close()
	for _, w := range append(all[1:], f.Watch(id)) {
		if _, open := <-w.C; open {
			t.Error("a watcher outlives the service")
		}
		w.Close()
	}
}
