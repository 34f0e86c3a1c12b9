package httpd

import (
	"flag"
	"fmt"
	"os"
	"regexp"
	"strings"
	"sync"
	"testing"
)

// produced are the codes of the answers that the tests of this package have read.
var produced sync.Map

// TestMain runs the tests and then, when all of them ran, holds the codes that
// the id2 door answered them against the tables of docs/id2.md.
func TestMain(m *testing.M) {
	status := m.Run()
	if run := flag.Lookup("test.run"); status == 0 && run.Value.String() == "" {
		missing, err := unproduced()
		if err != nil || len(missing) > 0 {
			fmt.Println("codes of docs/id2.md that no test of the door produces:", missing, err)
			status = 1
		}
	}
	os.Exit(status)
}

var codeRow = regexp.MustCompile("^\\| `?([A-Za-z0-9.<>]+)`? \\|")

// unproduced returns the documented codes that no answer had.
func unproduced() (missing []string, err error) {
	text, err := os.ReadFile("../../docs/id2.md")
	if err != nil {
		return nil, err
	}
	for _, section := range []string{"\n## Service codes\n", "\n## Gateway errors\n"} {
		_, rest, _ := strings.Cut(string(text), section)
		rest, _, _ = strings.Cut(rest, "\n#")
		rows := 0
		for line := range strings.Lines(rest) {
			row := codeRow.FindStringSubmatch(line)
			if row == nil || row[1] == "code" || strings.Contains(line, "not given by this version") {
				continue
			}
			if rows++; !wasProduced(row[1]) {
				missing = append(missing, row[1])
			}
		}
		if rows < 20 {
			return nil, fmt.Errorf("the table of %q has %d rows", strings.TrimSpace(section), rows)
		}
	}
	return missing, nil
}

// wasProduced reports whether an answer had a code; a name in angle brackets
// stands for any.
func wasProduced(code string) bool {
	prefix, _, open := strings.Cut(code, "<")
	if !open {
		_, ok := produced.Load(code)
		return ok
	}
	found := false
	produced.Range(func(k, _ any) bool {
		name, ok := strings.CutPrefix(k.(string), prefix)
		found = ok && name != "" && !strings.Contains(name, ".")
		return !found
	})
	return found
}
