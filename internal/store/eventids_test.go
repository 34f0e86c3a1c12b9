package store

import (
	"bytes"
	"testing"
)

// Events that follow each other have numbers that do, none of which is negative.
func TestEventIDs(t *testing.T) {
	var ids eventIDs
	if err := ids.start(bytes.NewReader(bytes.Repeat([]byte{0xFF}, 8))); err != nil { // the last number there is
		t.Fatal(err)
	}
	for want := range int64(3) {
		if got := ids.next(); int64(got) != want {
			t.Errorf("number %d after the last one is %d", want, int64(got))
		}
	}
	if err := ids.start(bytes.NewReader([]byte{0, 0, 0, 0, 0, 0, 1, 0})); err != nil || ids.next() != 257 || ids.next() != 258 {
		t.Error("numbers do not follow the one they begin with", err)
	}
	if err := ids.start(bytes.NewReader(nil)); err == nil {
		t.Error("numbers without a beginning")
	}
}
