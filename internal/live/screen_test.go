package live

import (
	"testing"

	"github.com/google/go-cmp/cmp"
)

// A frame is written at once and covers the one before; what is no longer drawn is
// wiped, and the cursor comes back.
func TestScreen(t *testing.T) {
	var out frames
	s := NewScreen(&out)
	s.Draw([]string{"a", "b", "c"}, 24)
	s.Draw([]string{"d"}, 24)
	s.Draw([]string{"e", "f", "g"}, 3)
	s.Close()
	const begin, end = "\x1b[?2026h\x1b[?25l", "\x1b[J\x1b[?2026l"
	want := frames{
		begin + "a\x1b[K\r\nb\x1b[K\r\nc\x1b[K\r\n" + end,
		begin + "\x1b[3A\rd\x1b[K\r\n" + end,
		begin + "\x1b[1A\re\x1b[K\r\nf\x1b[K\r\n" + end,
		"\x1b[2A\r\x1b[J\x1b[?25h",
	}
	if diff := cmp.Diff(want, out); diff != "" {
		t.Error(diff)
	}
}

// frames keeps each write apart.
type frames []string

func (f *frames) Write(p []byte) (int, error) {
	*f = append(*f, string(p))
	return len(p), nil
}
