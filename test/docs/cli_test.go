package docs

import (
	"os/exec"
	"regexp"
	"slices"
	"strings"
	"testing"
)

var (
	commandLine = regexp.MustCompile(`(?m)^  ([a-z][a-z0-9-]*(?: [a-z][a-z0-9-]*)*)   *[A-Z]`)
	flagLine    = regexp.MustCompile(`(?m)^ +(?:-\w, )?(--[a-z\[\]0-9-]+)`)
)

// help returns what a command says of itself.
func help(t *testing.T, command ...string) string {
	t.Helper()
	out, err := exec.Command(binary, append(command, "--help")...).Output()
	if err != nil {
		t.Fatalf("hallmark %v --help: %v", command, err)
	}
	return string(out)
}

// TestEveryCommandIsDocumented holds the headings of docs/cli.md against the
// command tree.
func TestEveryCommandIsDocumented(t *testing.T) {
	text, _, _ := strings.Cut(help(t), "\nFlags:")
	var real, documented []string
	for _, m := range commandLine.FindAllStringSubmatch(text, -1) {
		real = append(real, m[1])
	}
	if len(real) < 30 {
		t.Fatalf("hallmark --help names only %d commands: %v", len(real), real)
	}
	for _, line := range doc(t, "docs/cli.md").prose() {
		if name, ok := strings.CutPrefix(line, "### "); ok {
			documented = append(documented, name)
		}
	}
	same(t, "commands", documented, real)
}

// TestEveryFlagIsDocumented looks for each command's flags in its section.
func TestEveryFlagIsDocumented(t *testing.T) {
	d := doc(t, "docs/cli.md")
	global := flags(t)
	same(t, "flags of every command", documentedFlags(d.section(t, "Flags of every command")), global)
	for _, line := range d.prose() {
		name, ok := strings.CutPrefix(line, "### ")
		if !ok {
			continue
		}
		own := slices.DeleteFunc(flags(t, strings.Fields(name)...), func(f string) bool { return slices.Contains(global, f) })
		said := slices.DeleteFunc(documentedFlags(d.section(t, name)), func(f string) bool { return slices.Contains(global, f) })
		same(t, "flags of "+name, said, own)
	}
}

// flags returns the flags of a command, --help left out.
func flags(t *testing.T, command ...string) []string {
	t.Helper()
	_, text, _ := strings.Cut(help(t, command...), "\nFlags:")
	var all []string
	for _, m := range flagLine.FindAllStringSubmatch(text, -1) {
		if m[1] != "--help" {
			all = append(all, strings.ReplaceAll(m[1], "[no-]", ""))
		}
	}
	return all
}

// documentedFlags are the flags that begin an item of a list.
func documentedFlags(section []string) []string {
	var all []string
	for _, line := range section {
		if item, ok := strings.CutPrefix(line, "* `--"); ok {
			name, _, _ := strings.Cut(item, "`")
			name, _, _ = strings.Cut(name, " ")
			all = append(all, "--"+name)
		}
	}
	return all
}
