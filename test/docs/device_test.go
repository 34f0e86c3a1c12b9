package docs

import (
	"os"
	"path/filepath"
	"regexp"
	"testing"
)

// TestDeviceErrors checks the table of errors against the C header.
func TestDeviceErrors(t *testing.T) {
	var documented []string
	for _, row := range doc(t, "docs/device.md").table(t, "Errors") {
		documented = append(documented, code(row[0])+" "+row[1])
	}
	same(t, "errors of libid2", documented, found(t, "cmd/libid2/id2_client.h", `(?m)^#define (IROT_\w+ -?\d+)`))
}

// TestDeviceEnvironment checks the table of variables against what libid2 reads.
func TestDeviceEnvironment(t *testing.T) {
	rows := doc(t, "docs/device.md").section(t, "Store")
	var documented []string
	for _, row := range rows {
		if m := regexp.MustCompile("^\\| `([A-Z0-9_]+)` \\|").FindStringSubmatch(row); m != nil {
			documented = append(documented, m[1])
		}
	}
	same(t, "variables of libid2", documented, found(t, "cmd/libid2/id2_client.c", `secure_getenv\("(\w+)"\)`))
}

// TestDeviceFiles checks the table of files against what the build makes.
func TestDeviceFiles(t *testing.T) {
	entries, err := os.ReadDir(libid2)
	if err != nil {
		t.Fatal(err)
	}
	var real []string
	for _, e := range entries {
		real = append(real, e.Name())
	}
	var documented []string
	for _, row := range doc(t, "docs/device.md").table(t, "Build") {
		for _, m := range regexp.MustCompile("`([^`]+)`").FindAllStringSubmatch(row[0], -1) {
			documented = append(documented, m[1])
		}
	}
	same(t, "files of libid2", documented, real)
}

// found returns the first group of every match in a file.
func found(t *testing.T, file, pattern string) []string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(root, file))
	if err != nil {
		t.Fatal(err)
	}
	var all []string
	for _, m := range regexp.MustCompile(pattern).FindAllStringSubmatch(string(text), -1) {
		all = append(all, m[1])
	}
	return all
}
