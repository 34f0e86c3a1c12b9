package fleet

import (
	"cmp"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/hallmark-id/hallmark/internal/live"
)

// View draws a snapshot for a terminal of so many columns; no line is longer.
func View(s Snapshot, width int) []string {
	room := min(max(width-besideBar, 0), widestBar)
	lines := []string{
		fmt.Sprintf("%s devices at %s, %s", live.Grouped(int64(s.Devices)), s.Server, s.Elapsed.Round(time.Second)),
		fmt.Sprintf("%-13s %9s  %s  %s", "provisioned", live.Grouped(s.Provisioning.Succeeded), bar(s.Provisioning.Succeeded, int64(s.Devices), room), speed(&s.Provisioning)),
		fmt.Sprintf("%-13s %9s  %s  %s", "authenticated", live.Grouped(s.Authentication.Succeeded), strings.Repeat(" ", room), speed(&s.Authentication)),
	}
	for _, part := range []struct {
		action string
		of     *Figures
	}{{"OtpGetId2", &s.Provisioning}, {"Verify", &s.Authentication}} {
		for _, r := range part.of.Refused {
			lines = append(lines, fmt.Sprintf("%-13s %9s  %s %d, %s", "refused", live.Grouped(r.Count), part.action, r.Code, r.Meaning))
		}
	}
	if failed := s.Provisioning.Failed + s.Authentication.Failed; failed > 0 {
		why := cmp.Or(s.Authentication.LastFailure, s.Provisioning.LastFailure)
		lines = append(lines, fmt.Sprintf("%-13s %9s  %s", "failed", live.Grouped(failed), live.Printable(why)))
	}
	for i := range lines {
		lines[i] = live.Cut(strings.TrimRight(lines[i], " "), width)
	}
	return lines
}

// speed tells how fast one kind of request is answered.
func speed(f *Figures) string {
	if f.answers() == 0 {
		return ""
	}
	return fmt.Sprintf("%7.0f/s  p50 %s  p99 %s  p99.9 %s", f.Rate, live.Short(f.P50), live.Short(f.P99), live.Short(f.P999))
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

// Line tells a snapshot in one line, for a log.
func Line(s Snapshot) string {
	p, a := &s.Provisioning, &s.Authentication
	return fmt.Sprintf("%s: provisioned %d of %d, authenticated %d at %.0f/s, p99 %s; refused %d and %d, failed %d",
		s.Elapsed.Round(time.Second), p.Succeeded, s.Devices, a.Succeeded, a.Rate, live.Short(a.P99), p.refusals(), a.refusals(), p.Failed+a.Failed)
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
	fmt.Fprintf(w, "%d devices over %d connections; the latest came %s after its time. Product %s.\n", s.Devices, s.Connections, live.Short(s.Late*1000), s.ProductKey)
}
