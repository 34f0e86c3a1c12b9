// Package docs keeps the documentation true. It runs the commands that
// README.md and docs/*.md tell a reader to run and compares what they print;
// it follows every link; and it holds the tables of codes, errors, metrics,
// commands and flags against the program.
//
// Fenced blocks are told apart by what follows the three backquotes:
//
//	sh run       commands that are run, all of one document in one shell
//	text output  what the commands right before print; … stands for anything
//	             in a line, and alone in a line for any number of lines
//
// Every other block is for reading only.
package docs

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// root is the top of the repository.
const root = "../.."

// document is one Markdown file.
type document struct {
	path   string // from root, such as docs/cli.md
	lines  []string
	blocks []block
}

// block is a fenced block. fence is the index of the line that opens it.
type block struct {
	info  string
	fence int
	lines []string
}

// documents reads README.md and docs/*.md.
func documents(t *testing.T) []*document {
	t.Helper()
	paths, err := filepath.Glob(filepath.Join(root, "docs", "*.md"))
	if err != nil || len(paths) == 0 {
		t.Fatalf("docs/*.md: %d files, %v", len(paths), err)
	}
	var all []*document
	for _, path := range append([]string{filepath.Join(root, "README.md")}, paths...) {
		all = append(all, read(t, path))
	}
	return all
}

// doc reads one document, named from the top of the repository.
func doc(t *testing.T, path string) *document {
	t.Helper()
	return read(t, filepath.Join(root, path))
}

func read(t *testing.T, path string) *document {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	name, err := filepath.Rel(root, path)
	if err != nil {
		t.Fatal(err)
	}
	d := &document{path: filepath.ToSlash(name), lines: strings.Split(string(text), "\n")}
	d.findBlocks(t)
	return d
}

func (d *document) findBlocks(t *testing.T) {
	t.Helper()
	open := -1
	for i, line := range d.lines {
		fence, isFence := strings.CutPrefix(line, "```")
		switch {
		case isFence && open < 0:
			open = i
			d.blocks = append(d.blocks, block{info: strings.TrimSpace(fence), fence: i})
		case isFence:
			d.blocks[len(d.blocks)-1].lines = d.lines[open+1 : i]
			open = -1
		}
	}
	if open >= 0 {
		t.Fatalf("%s:%d: the block is not closed", d.path, open+1)
	}
}

// prose returns the lines outside blocks, the others empty.
func (d *document) prose() []string {
	lines := append([]string(nil), d.lines...)
	for _, b := range d.blocks {
		clear(lines[b.fence : b.fence+len(b.lines)+2])
	}
	return lines
}

// section returns the lines under a heading, up to the next one of its level
// or above.
func (d *document) section(t *testing.T, heading string) []string {
	t.Helper()
	lines := d.prose()
	for i, line := range lines {
		if strings.TrimLeft(line, "#") != " "+heading {
			continue
		}
		level := strings.Index(line, " ")
		for j := i + 1; j < len(lines); j++ {
			if n := strings.Index(lines[j]+" ", " "); n > 0 && n <= level && strings.Trim(lines[j][:n], "#") == "" {
				return d.lines[i+1 : j]
			}
		}
		return d.lines[i+1:]
	}
	t.Fatalf("%s: there is no section %q", d.path, heading)
	return nil
}

// table returns the cells of the first table of a section, without its header.
func (d *document) table(t *testing.T, heading string) [][]string {
	t.Helper()
	var rows [][]string
	for _, line := range d.section(t, heading) {
		if !strings.HasPrefix(line, "|") {
			if len(rows) > 0 {
				break
			}
			continue
		}
		cells := strings.Split(strings.Trim(strings.TrimSpace(line), "|"), "|")
		for i := range cells {
			cells[i] = strings.TrimSpace(cells[i])
		}
		rows = append(rows, cells)
	}
	if len(rows) < 3 {
		t.Fatalf("%s: section %q has no table", d.path, heading)
	}
	return rows[2:]
}

// code takes the backquotes off a cell.
func code(cell string) string { return strings.Trim(cell, "`") }

// binary is hallmark and libid2 the folder of the C library, built once for all
// tests of this package.
var binary, libid2 string

func TestMain(m *testing.M) {
	os.Exit(buildAndRun(m))
}

func buildAndRun(m *testing.M) int {
	dir, err := os.MkdirTemp("", "hallmark-docs")
	if err != nil {
		panic(err)
	}
	defer os.RemoveAll(dir)
	binary = filepath.Join(dir, "hallmark")
	build := exec.Command("go", "build", "-trimpath", "-o", binary, "./cmd/hallmark")
	build.Dir = root
	build.Stdout, build.Stderr = os.Stdout, os.Stderr
	if err := build.Run(); err != nil {
		panic("hallmark does not build: " + err.Error())
	}
	libid2 = filepath.Join(dir, "libid2")
	if out, err := exec.Command(filepath.Join(root, "cmd", "libid2", "build"), libid2).CombinedOutput(); err != nil {
		panic(fmt.Sprintf("libid2 does not build: %v\n%s", err, out))
	}
	return m.Run()
}
