package bench

import (
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/hallmark-id/hallmark/internal/live"
)

// View draws a result for a terminal of so many columns; no line is longer.
func View(title string, r Result, duration time.Duration, width int) []string {
	loop := "closed loop"
	if r.Offered > 0 {
		loop = fmt.Sprintf("%.0f/s due", r.Offered)
	}
	lines := []string{
		fmt.Sprintf("%s, %s, %.1f of %s, %s", title, loop, r.Seconds, duration, r.Phase),
		fmt.Sprintf("%-10s %11s  %8.0f/s", "answered", live.Grouped(r.Succeeded), r.Rate),
		fmt.Sprintf("%-10s p50 %s  p99 %s  p99.9 %s  longest %s", "latency", live.Short(r.P50), live.Short(r.P99), live.Short(r.P999), live.Short(r.Max)),
	}
	if r.CPU > 0 {
		lines = append(lines, fmt.Sprintf("%-10s %.1f µs a request, %.2f processors busy", "server CPU", r.CPU, r.Cores))
	}
	lines = append(lines, troubles(r)...)
	for i := range lines {
		lines[i] = live.Cut(strings.TrimRight(lines[i], " "), width)
	}
	return lines
}

// troubles are what was no success.
func troubles(r Result) []string {
	var lines []string
	for _, t := range r.Refused {
		lines = append(lines, strings.TrimRight(fmt.Sprintf("%-10s %11s  %s %s", "refused", live.Grouped(t.Count), live.Printable(t.Code), live.Printable(t.Message)), " "))
	}
	if r.Failed > 0 {
		lines = append(lines, fmt.Sprintf("%-10s %11s  %s", "no answer", live.Grouped(r.Failed), live.Printable(r.LastFailure)))
	}
	return lines
}

// Line tells a result in one line, for a log.
func Line(r Result) string {
	text := fmt.Sprintf("%.1fs, %s: %d answered at %.0f/s, p50 %s, p99 %s, p99.9 %s", r.Seconds, r.Phase, r.Succeeded, r.Rate,
		live.Short(r.P50), live.Short(r.P99), live.Short(r.P999))
	if r.CPU > 0 {
		text += fmt.Sprintf(", server CPU %.1f µs", r.CPU)
	}
	for _, t := range r.Refused {
		text += fmt.Sprintf("; refused %d with %s", t.Count, live.Printable(t.Code))
	}
	if r.Failed > 0 {
		text += fmt.Sprintf("; %d without an answer", r.Failed)
	}
	return text
}

// keptUp is the share of the offered rate below which a server did not keep up.
const keptUp = 0.98

// PrintResult writes the end of a measurement for people.
func PrintResult(w io.Writer, title string, r Result, interrupted bool) {
	fmt.Fprintln(w, title)
	for _, line := range View("", r, 0, 1<<10)[1:] {
		fmt.Fprintln(w, line)
	}
	if r.Offered > 0 && r.Rate < keptUp*r.Offered {
		fmt.Fprintf(w, "%.0f a second were due: the server, or this machine, did not keep up, and the latencies say for how long.\n", r.Offered)
	}
	if interrupted {
		fmt.Fprintf(w, "Interrupted after %.1f s.\n", r.Seconds)
	}
}
