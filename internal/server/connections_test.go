package server

import "testing"

func TestBoundConnections(t *testing.T) {
	for _, c := range []struct {
		wanted int
		files  uint64
		want   int
	}{
		{10_000, 1 << 20, 10_000},
		{10_000, 10_256, 10_000},
		{10_000, 10_255, 9999},
		{10_000, 1024, 768},
		{10_000, 300, 150},
		{10_000, 256, 128},
		{10_000, 1, 1},
		{10_000, ^uint64(0), 10_000}, // no limit
		{5, 1024, 5},
	} {
		if got := boundConnections(c.wanted, c.files); got != c.want {
			t.Errorf("%d wanted with %d files: %d, want %d", c.wanted, c.files, got, c.want)
		}
	}
}
