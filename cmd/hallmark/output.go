package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
)

// table is a result as people read it.
type table struct {
	header []string
	rows   [][]string
}

func (t *table) add(cells ...string) { t.rows = append(t.rows, cells) }

// show writes a result: the value as JSON, or what text writes for people.
func (e *Env) show(value any, text func(io.Writer)) error {
	if e.Output == "json" {
		return e.printJSON(value)
	}
	out := bufio.NewWriter(e.Stdout)
	text(out)
	return out.Flush()
}

// print writes a result: the value as JSON, or the table.
func (e *Env) print(value any, t table) error { return e.show(value, t.write) }

func (t table) write(out io.Writer) {
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	if len(t.header) > 0 {
		fmt.Fprintln(w, strings.Join(t.header, "\t"))
	}
	for _, row := range t.rows {
		for i, cell := range row {
			row[i] = plain(cell)
		}
		fmt.Fprintln(w, strings.TrimRight(strings.Join(row, "\t"), "\t"))
	}
	w.Flush() // an error stays with the buffered writer below
}

func (e *Env) printJSON(value any) error {
	enc := json.NewEncoder(e.Stdout)
	enc.SetIndent("", "  ")
	enc.SetEscapeHTML(false)
	return enc.Encode(value)
}

// printFields writes one object: as JSON, or one field a line under the same
// names, those that are empty left out.
func (e *Env) printFields(value any) error {
	t, err := fields(value)
	if err != nil {
		return err
	}
	return e.print(value, t)
}

// fields reads the fields back from the value's JSON, in order.
func fields(value any) (table, error) {
	var t table
	text, err := json.Marshal(value)
	if err != nil {
		return t, err
	}
	dec := json.NewDecoder(bytes.NewReader(text))
	if _, err := dec.Token(); err != nil { // {
		return t, err
	}
	for dec.More() {
		name, err := dec.Token()
		if err != nil {
			return t, err
		}
		var field json.RawMessage
		if err := dec.Decode(&field); err != nil {
			return t, err
		}
		if cell := fieldText(field); cell != "" {
			t.add(fmt.Sprint(name), cell)
		}
	}
	return t, nil
}

// fieldText is a JSON value without the signs of JSON.
func fieldText(field json.RawMessage) string {
	var s string
	var list []string
	switch {
	case json.Unmarshal(field, &s) == nil:
		return s
	case json.Unmarshal(field, &list) == nil:
		return strings.Join(list, ",")
	}
	return string(field)
}

// yes marks a cell.
func yes(b bool) string {
	if b {
		return "yes"
	}
	return ""
}

// orUnlimited shows a count of which none means no limit.
func orUnlimited(n, none int64) string {
	if n == none {
		return "unlimited"
	}
	return fmt.Sprint(n)
}

// copyLines copies a stream of JSON objects, one a line, as the elements of an
// array and returns how many there were.
func copyLines(w io.Writer, from io.Reader) (int64, error) {
	lines := bufio.NewReader(from)
	var n int64
	for {
		line, err := lines.ReadBytes('\n')
		if errors.Is(err, io.EOF) && len(line) == 0 {
			return n, nil
		}
		if err != nil {
			return n, err
		}
		separator := ",\n"
		if n == 0 {
			separator = "\n"
		}
		if _, err := fmt.Fprint(w, separator, string(bytes.TrimSpace(line))); err != nil {
			return n, err
		}
		n++
	}
}
