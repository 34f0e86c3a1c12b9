package bench

import (
	"fmt"
	"io"
	"slices"
	"strings"
	"text/tabwriter"

	"github.com/hallmark-id/hallmark/internal/live"
)

var columns = []string{"what", "server CPU per request", "× hello", "goal", "limit", "requests/s", "p50", "p99", "p99.9"}

// cells are a row as people read it.
func (r *Row) cells() []string {
	bound := func(v float64) string {
		if v == 0 {
			return "–"
		}
		return fmt.Sprintf("%.1f", v)
	}
	return []string{r.Name, fmt.Sprintf("%.1f µs", r.CPU), fmt.Sprintf("%.2f", r.TimesHello), bound(r.Goal), bound(r.Limit),
		live.Grouped(int64(r.Rate)), live.Short(r.P50), live.Short(r.P99), live.Short(r.P999)}
}

// sections are the rows, section by section.
func (r *Report) sections() [][]Row {
	var all [][]Row
	for i := range r.Rows {
		if i == 0 || r.Rows[i].Section != r.Rows[i-1].Section {
			all = append(all, nil)
		}
		all[len(all)-1] = append(all[len(all)-1], r.Rows[i])
	}
	return all
}

// needed are the columns of a section: only the first has goals and limits.
func needed(rows []Row, cells []string) []string {
	if slices.ContainsFunc(rows, func(r Row) bool { return r.Goal > 0 }) {
		return cells
	}
	return slices.Concat(cells[:3], cells[5:])
}

func (r *Report) note() string {
	return fmt.Sprintf("The first table: the middle of %d rounds of %d requests each over %d connections, %d devices, closed loop. Client and server share this machine.",
		r.Rounds, r.Requests, r.Connections, r.Devices)
}

// Print writes the report as tables for people.
func (r *Report) Print(w io.Writer) {
	for _, rows := range r.sections() {
		fmt.Fprintf(w, "%s:\n", rows[0].Section)
		t := tabwriter.NewWriter(w, 0, 0, 2, ' ', tabwriter.AlignRight)
		fmt.Fprintln(t, strings.Join(needed(rows, columns), "\t")+"\t")
		for _, row := range rows {
			fmt.Fprintln(t, strings.Join(needed(rows, row.cells()), "\t")+"\t")
		}
		_ = t.Flush() // an error stays with w
		fmt.Fprintln(w)
	}
	fmt.Fprintln(w, r.note())
}

// PrintMarkdown writes the report as tables of a document.
func (r *Report) PrintMarkdown(w io.Writer) {
	for _, rows := range r.sections() {
		head := needed(rows, columns)
		fmt.Fprintf(w, "**%s**\n\n| %s |\n|%s\n", rows[0].Section, strings.Join(head, " | "), strings.Repeat("---|", len(head)))
		for _, row := range rows {
			fmt.Fprintf(w, "| %s |\n", strings.Join(needed(rows, row.cells()), " | "))
		}
		fmt.Fprintln(w)
	}
	fmt.Fprintln(w, r.note())
}
