package live

import (
	"fmt"
	"io"
	"strings"
)

// Screen keeps some lines of a terminal up to date.
type Screen struct {
	out   io.Writer
	lines int // drawn the last time
}

// The control sequences of a Screen. A terminal shows what lies between begin and
// end at once, if it can, so that nothing flickers.
const (
	beginFrame, endFrame   = "\x1b[?2026h", "\x1b[?2026l"
	hideCursor, showCursor = "\x1b[?25l", "\x1b[?25h"
	clearLine, clearBelow  = "\x1b[K", "\x1b[J"
)

// NewScreen returns a screen that has drawn nothing.
func NewScreen(out io.Writer) *Screen { return &Screen{out: out} }

// Draw replaces what was drawn. More lines than the terminal has rows cannot be
// replaced, so rows bounds them.
func (s *Screen) Draw(lines []string, rows int) {
	lines = lines[:min(len(lines), max(rows-1, 1))]
	var frame strings.Builder
	frame.WriteString(beginFrame + hideCursor)
	s.up(&frame)
	for _, line := range lines {
		frame.WriteString(line + clearLine + "\r\n")
	}
	frame.WriteString(clearBelow + endFrame)
	s.lines = len(lines)
	_, _ = io.WriteString(s.out, frame.String()) // a terminal that is gone needs no picture
}

// Close wipes what was drawn and gives the cursor back.
func (s *Screen) Close() {
	var frame strings.Builder
	s.up(&frame)
	_, _ = io.WriteString(s.out, frame.String()+clearBelow+showCursor)
	s.lines = 0
}

// up goes back to the first line.
func (s *Screen) up(frame *strings.Builder) {
	if s.lines > 0 {
		fmt.Fprintf(frame, "\x1b[%dA\r", s.lines)
	}
}
