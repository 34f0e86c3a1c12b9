package docs

import (
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"unicode"
)

var (
	link         = regexp.MustCompile(`\]\(([^)\s]+)\)`)
	heading      = regexp.MustCompile(`^#+ (.*)$`)
	testFunction = regexp.MustCompile(`(?m)^func ((?:Test|Fuzz|Benchmark)[A-Z]\w*)\(`)
	testName     = regexp.MustCompile(`\b(?:Test|Fuzz|Benchmark)[A-Z]\w*`)
)

// TestLinks follows every link to a file or a heading of this repository.
func TestLinks(t *testing.T) {
	anchors := make(map[string][]string)
	for _, d := range documents(t) {
		for _, line := range d.prose() {
			if m := heading.FindStringSubmatch(line); m != nil {
				anchors[d.path] = append(anchors[d.path], slug(m[1]))
			}
		}
	}
	for _, d := range documents(t) {
		for i, line := range d.prose() {
			for _, m := range link.FindAllStringSubmatch(line, -1) {
				if !resolves(d.path, m[1], anchors) {
					t.Errorf("%s:%d: the link %s leads nowhere", d.path, i+1, m[1])
				}
			}
		}
	}
}

func resolves(from, target string, anchors map[string][]string) bool {
	if strings.Contains(target, "://") {
		return strings.HasPrefix(target, "https://")
	}
	file, anchor, hasAnchor := strings.Cut(target, "#")
	to := from
	if file != "" {
		to = path.Join(path.Dir(from), file)
	}
	if _, err := os.Stat(filepath.Join(root, to)); err != nil {
		return false
	}
	return !hasAnchor || slices.Contains(anchors[to], anchor)
}

// slug is the anchor of a heading: lower case, words joined by -, without signs.
func slug(heading string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case r == ' ':
			return '-'
		case r == '-' || r == '_' || unicode.IsLetter(r) || unicode.IsDigit(r):
			return unicode.ToLower(r)
		}
		return -1
	}, heading)
}

// TestEveryDocumentIsLinked keeps documents from being forgotten.
func TestEveryDocumentIsLinked(t *testing.T) {
	readme := strings.Join(doc(t, "README.md").lines, "\n")
	for _, d := range documents(t) {
		if d.path != "README.md" && !strings.Contains(readme, "]("+d.path+")") {
			t.Errorf("README.md does not link to %s", d.path)
		}
	}
}

// TestNamedTestsExist checks that a test a document names as evidence is there.
func TestNamedTestsExist(t *testing.T) {
	exist := testFunctions(t)
	for _, d := range documents(t) {
		for i, line := range d.prose() {
			for _, name := range testName.FindAllString(line, -1) {
				if !exist[name] {
					t.Errorf("%s:%d: there is no %s", d.path, i+1, name)
				}
			}
		}
	}
}

// testFunctions returns the names of all tests of the repository.
func testFunctions(t *testing.T) map[string]bool {
	t.Helper()
	names := make(map[string]bool)
	err := filepath.WalkDir(root, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() || !strings.HasSuffix(path, "_test.go") {
			return err
		}
		text, err := os.ReadFile(path)
		for _, m := range testFunction.FindAllSubmatch(text, -1) {
			names[string(m[1])] = true
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return names
}

// TestExamples checks that documents print the examples that other tests execute.
func TestExamples(t *testing.T) {
	for _, c := range []struct{ path, info, file string }{
		{"README.md", "go", "test/interop/examples/go/main.go"},
		{"README.md", "js", "test/interop/node/example.mjs"},
		{"docs/device.md", "go", "id2/device/guide_test.go"},
	} {
		d, want := doc(t, c.path), marked(t, c.path, c.file)
		if !slices.ContainsFunc(d.blocks, func(b block) bool {
			return b.info == c.info && strings.Join(b.lines, "\n") == want
		}) {
			t.Errorf("%s has no block %q that equals the marked part of %s", c.path, c.info, c.file)
		}
	}
}

// marked returns what is between the marks of a source file, which have the name
// of the document: README:begin and README:end for README.md.
func marked(t *testing.T, document, file string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(root, file))
	if err != nil {
		t.Fatal(err)
	}
	name := strings.ToUpper(strings.TrimSuffix(path.Base(document), ".md"))
	_, rest, begins := strings.Cut(string(text), "// "+name+":begin\n")
	part, _, ends := strings.Cut(rest, "// "+name+":end\n")
	if !begins || !ends {
		t.Fatalf("%s has no part between %s:begin and %s:end", file, name, name)
	}
	return strings.Trim(part, "\n")
}
