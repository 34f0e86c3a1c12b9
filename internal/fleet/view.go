package fleet

import (
	"cmp"
	"fmt"
	"io"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"
)

// View draws a snapshot for a terminal of so many columns; no line is longer.
func View(s Snapshot, width int) []string {
	room := min(max(width-besideBar, 0), widestBar)
	lines := []string{
		fmt.Sprintf("%s devices at %s, %s", grouped(int64(s.Devices)), s.Server, s.Elapsed.Round(time.Second)),
		fmt.Sprintf("%-13s %9s  %s  %s", "provisioned", grouped(s.Provisioning.Succeeded), bar(s.Provisioning.Succeeded, int64(s.Devices), room), speed(&s.Provisioning)),
		fmt.Sprintf("%-13s %9s  %s  %s", "authenticated", grouped(s.Authentication.Succeeded), strings.Repeat(" ", room), speed(&s.Authentication)),
	}
	for _, part := range []struct {
		action string
		of     *Figures
	}{{"OtpGetId2", &s.Provisioning}, {"Verify", &s.Authentication}} {
		for _, r := range part.of.Refused {
			lines = append(lines, fmt.Sprintf("%-13s %9s  %s %d, %s", "refused", grouped(r.Count), part.action, r.Code, r.Meaning))
		}
	}
	if failed := s.Provisioning.Failed + s.Authentication.Failed; failed > 0 {
		why := cmp.Or(s.Authentication.LastFailure, s.Provisioning.LastFailure)
		lines = append(lines, fmt.Sprintf("%-13s %9s  %s", "failed", grouped(failed), printable(why)))
	}
	for i := range lines {
		lines[i] = cut(strings.TrimRight(lines[i], " "), width)
	}
	return lines
}

// speed tells how fast one kind of request is answered.
func speed(f *Figures) string {
	if f.answers() == 0 {
		return ""
	}
	return fmt.Sprintf("%7.0f/s  p50 %s  p99 %s  p99.9 %s", f.Rate, short(f.P50), short(f.P99), short(f.P999))
}

// The columns beside the bar, and of the bar where there is room.
const besideBar, widestBar = 75, 30

// bar has so many columns and is as full as part is of whole.
func bar(part, whole int64, columns int) string {
	full := 0
	if whole > 0 {
		full = int(min(part, whole) * int64(columns) / whole)
	}
	return strings.Repeat("█", full) + strings.Repeat("░", columns-full)
}

// short writes microseconds with two or three digits.
func short(us float64) string {
	switch {
	case us < 1000:
		return fmt.Sprintf("%.0f µs", us)
	case us < 10_000:
		return fmt.Sprintf("%.1f ms", us/1000)
	case us < 1_000_000:
		return fmt.Sprintf("%.0f ms", us/1000)
	}
	return fmt.Sprintf("%.1f s", us/1e6)
}

// grouped writes a number with a space before every three digits.
func grouped(n int64) string {
	text := fmt.Sprint(n)
	for i := len(text) - 3; i > 0; i -= 3 {
		text = text[:i] + " " + text[i:]
	}
	return text
}

// printable keeps what a server said on one line and away from the terminal's
// controls.
func printable(text string) string {
	return strings.Map(func(r rune) rune {
		if !unicode.IsPrint(r) {
			return ' '
		}
		return r
	}, text)
}

// cut shortens a line to a number of columns.
func cut(line string, width int) string {
	if utf8.RuneCountInString(line) <= width {
		return line
	}
	return string([]rune(line)[:max(width, 0)])
}

// Line tells a snapshot in one line, for a log.
func Line(s Snapshot) string {
	p, a := &s.Provisioning, &s.Authentication
	return fmt.Sprintf("%s: provisioned %d of %d, authenticated %d at %.0f/s, p99 %s; refused %d and %d, failed %d",
		s.Elapsed.Round(time.Second), p.Succeeded, s.Devices, a.Succeeded, a.Rate, short(a.P99), p.refusals(), a.refusals(), p.Failed+a.Failed)
}

// Print writes the end of a run as a table for people.
func Print(w io.Writer, s Snapshot) {
	for _, line := range View(s, 1<<10)[1:] {
		fmt.Fprintln(w, line)
	}
	if s.Provisioning.CPU > 0 {
		fmt.Fprintf(w, "The server spent %.0f µs of CPU on a provisioning", s.Provisioning.CPU)
		if s.Authentication.CPU > 0 {
			fmt.Fprintf(w, ", %.0f µs on an authentication", s.Authentication.CPU)
		}
		fmt.Fprintln(w, ".")
	}
	if s.Interrupted {
		fmt.Fprintf(w, "Interrupted after %s.\n", s.Elapsed.Round(time.Second))
	}
	fmt.Fprintf(w, "%d devices over %d connections; the latest came %s after its time. Product %s.\n", s.Devices, s.Connections, short(s.Late*1000), s.ProductKey)
}

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
