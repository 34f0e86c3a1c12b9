package store

import (
	"fmt"
	"regexp"
	"sort"
	"strings"
	"testing"
)

// created finds the tables that a migration makes.
var created = regexp.MustCompile(`CREATE TABLE (\w+)`)

// tables are all of the schema, in the order in which they are made; not those
// of the ledger, which are its own.
func tables(t *testing.T) (names []string) {
	t.Helper()
	steps, err := migrations()
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range steps {
		for _, found := range created.FindAllStringSubmatch(m.text, -1) {
			if !strings.HasPrefix(found[1], "spent_") {
				names = append(names, found[1])
			}
		}
	}
	return names
}

// contents are the rows of every table as text.
type contents map[string][]string

// dump returns what is in a store.
func dump(t *testing.T, s *Store) contents {
	t.Helper()
	out := make(contents)
	for _, table := range tables(t) {
		rows, err := s.read.Query("SELECT * FROM " + table)
		if err != nil {
			t.Fatal(err)
		}
		columns, _ := rows.Columns()
		for rows.Next() {
			values := make([]any, len(columns))
			for i := range values {
				values[i] = new(any)
			}
			if err := rows.Scan(values...); err != nil {
				t.Fatal(err)
			}
			var line strings.Builder
			for i, v := range values {
				fmt.Fprintf(&line, "%s=%v ", columns[i], *v.(*any))
			}
			out[table] = append(out[table], line.String())
		}
		if err := rows.Close(); err != nil {
			t.Fatal(err)
		}
		sort.Strings(out[table])
	}
	return out
}
