// Package testtable holds what the tests of a door have seen answered against the
// tables of its document, so that no documented code goes untested.
package testtable

import (
	"errors"
	"flag"
	"fmt"
	"os"
	"regexp"
	"strings"
	"sync"
	"testing"
)

// Seen are codes that tests have seen. The zero value is ready, and safe for
// concurrent use.
type Seen struct{ codes sync.Map }

// Add notes a code.
func (s *Seen) Add(code string) { s.codes.Store(code, true) }

// Table is the first table behind a text of a document.
type Table struct {
	File  string // from the directory of the tests
	After string // text in front of it, or its own first row
	Seen  *Seen
}

// Main runs a package's tests and then, when all of them ran and passed, holds
// what they saw against the tables. It returns the status to exit with.
func Main(m *testing.M, tables ...Table) int {
	status := m.Run()
	if status != 0 || flag.Lookup("test.run").Value.String() != "" {
		return status
	}
	for _, t := range tables {
		missing, err := t.missing()
		if err != nil || len(missing) > 0 {
			fmt.Printf("%s, the table after %q: no test has seen %q; %v\n", t.File, t.After, missing, err)
			status = 1
		}
	}
	return status
}

// row is a row whose first column is a code.
var row = regexp.MustCompile("^\\| `?([^|` ]+)`? \\|")

// missing returns the codes of a table that no test has seen. A row that says
// "not given" is passed over.
func (t *Table) missing() (missing []string, err error) {
	text, err := os.ReadFile(t.File)
	if err != nil {
		return nil, err
	}
	_, rest, _ := strings.Cut(string(text), t.After)
	_, rest, _ = strings.Cut(rest, "\n|---")
	rows := 0
	rest, _, _ = strings.Cut(rest, "\n\n")
	for line := range strings.Lines(rest) {
		code := row.FindStringSubmatch(line)
		switch {
		case code == nil || strings.Contains(line, "not given"):
			continue
		}
		if rows++; !t.Seen.has(code[1]) {
			missing = append(missing, code[1])
		}
	}
	if rows == 0 {
		err = errors.New("it has no rows")
	}
	return missing, err
}

// has reports whether a code was seen; a name in angle brackets stands for any.
func (s *Seen) has(code string) bool {
	prefix, _, open := strings.Cut(code, "<")
	if !open {
		_, ok := s.codes.Load(code)
		return ok
	}
	found := false
	s.codes.Range(func(k, _ any) bool {
		name, ok := strings.CutPrefix(k.(string), prefix)
		found = ok && name != "" && !strings.Contains(name, ".")
		return !found
	})
	return found
}
