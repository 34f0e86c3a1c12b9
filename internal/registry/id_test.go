package registry_test

import (
	"bytes"
	"errors"
	"io"
	"math"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	"pgregory.net/rapid"

	"github.com/hallmark-id/hallmark/internal/registry"
)

func TestIDRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		id := registry.ID(rapid.Int64Range(0, math.MaxInt64).Draw(t, "id"))
		text := id.String()
		if len(text) != 13 || text != strings.ToLower(text) {
			t.Fatalf("text %q", text)
		}
		for _, s := range []string{text, strings.ToUpper(text)} {
			if got, ok := registry.ParseID(s); !ok || got != id {
				t.Fatalf("%q reads as %d, %v; want %d", s, got, ok, id)
			}
		}
		if m, err := id.MarshalText(); err != nil || string(m) != text {
			t.Fatalf("marshalled %q, %v", m, err)
		}
	})
}

// One identifier has one text, letter case aside, and no text makes the parser
// stumble.
func TestParseIDOfAnything(t *testing.T) {
	alphabet := []rune("0123456789abcdefghjkmnpqrstvwxyzABCZilou\n\r =-\x00é")
	rapid.Check(t, func(t *rapid.T) {
		s := rapid.StringOfN(rapid.SampledFrom(alphabet), 0, 15, -1).Draw(t, "text")
		if id, ok := registry.ParseID(s); ok && id.String() != strings.ToLower(s) {
			t.Fatalf("%q reads as %v", s, id)
		}
	})
	for _, s := range []string{"", "0", strings.Repeat("0", 12), strings.Repeat("0", 12) + "\n", strings.Repeat("\n", 13), strings.Repeat("0", 8) + "\r\n\r\n\n",
		strings.Repeat("0", 14), strings.Repeat("z", 13), "g" + strings.Repeat("0", 12), strings.Repeat("0", 12) + "1", "000000000000é"} {
		if id, ok := registry.ParseID(s); ok && s != strings.Repeat("0", 13) {
			t.Errorf("%q reads as %v", s, id)
		}
	}
}

func TestNewID(t *testing.T) {
	for _, c := range []struct {
		random string
		want   registry.ID
	}{{strings.Repeat("\xff", 8), math.MaxInt64}, {strings.Repeat("\x00", 8), 0}, {"\x80\x00\x00\x00\x00\x00\x00\x01", 1}} {
		if got, err := registry.NewID(strings.NewReader(c.random)); err != nil || got != c.want {
			t.Errorf("%x gives %d, %v", c.random, got, err)
		}
	}
	for _, r := range []io.Reader{strings.NewReader("seven b"), iotest.ErrReader(io.ErrClosedPipe), bytes.NewReader(nil)} {
		if _, err := registry.NewID(r); err == nil {
			t.Error("an identifier without randomness")
		}
	}
	if _, err := registry.NewID(iotest.ErrReader(io.ErrClosedPipe)); !errors.Is(err, io.ErrClosedPipe) {
		t.Errorf("the cause is lost: %v", err)
	}
}

func TestInstant(t *testing.T) {
	for i, want := range map[registry.Instant]string{0: "", registry.Forever: "unlimited", 1_700_000_000_123: "2023-11-14T22:13:20.123Z", -1: "1969-12-31T23:59:59.999Z"} {
		if got := i.String(); got != want {
			t.Errorf("%d is %q, want %q", int64(i), got, want)
		}
	}
	moment := time.Date(2026, 2, 28, 23, 59, 59, 999_999_999, time.FixedZone("east", 8*3600))
	if at := registry.At(moment); !at.Time().Equal(moment.Truncate(time.Millisecond)) || at.Time().Location() != time.UTC {
		t.Errorf("%v became %v", moment, at.Time())
	}
}

func TestStateNames(t *testing.T) {
	for s := registry.Unactivated; s <= registry.Expired; s++ {
		if got, ok := registry.ParseState(s.String()); !ok || got != s {
			t.Errorf("%v reads as %v", s, got)
		}
	}
	if _, ok := registry.ParseState("Active"); ok {
		t.Error("state names are lower case")
	}
	if got := registry.State(9).String(); got != "state 9" {
		t.Errorf("an unknown state is %q", got)
	}
}

// What cannot be a name of ours is absent without asking the store, which is
// closed here.
func TestImpossibleNamesAreNotLookedUp(t *testing.T) {
	f := newFixture(t)
	f.must(f.store.Close())
	for _, name := range []string{"", " ", "\x00", "a\x00b", "\xff", "é", strings.Repeat("A", 65), strings.Repeat("A", 60_000), "a b"} {
		_, err1 := f.LiveClient(t.Context(), name)
		_, err2 := f.LiveProduct(t.Context(), f.org, name)
		_, err3 := f.LiveDevice(t.Context(), f.org, name)
		for i, err := range []error{err1, err2, err3} {
			if !errors.Is(err, registry.ErrNotFound) {
				t.Errorf("%.10q, %d: %v", name, i, err)
			}
		}
	}
	if _, err := f.LiveDevice(t.Context(), f.org, id(1)); err == nil || errors.Is(err, registry.ErrNotFound) {
		t.Errorf("a possible name was not looked up: %v", err)
	}
}
