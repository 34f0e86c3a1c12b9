package docs

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"
)

// patience is how long the commands of one document may take together.
const patience = 5 * time.Minute

// TestCommandsRun runs the blocks "sh run" of every document, in order, in one
// shell in an empty directory, and compares the blocks "text output".
func TestCommandsRun(t *testing.T) {
	for _, tool := range []string{"curl", "openssl", "gcc"} {
		need(t, tool)
	}
	ran := 0
	for _, d := range documents(t) {
		if d.count("sh run") == 0 {
			continue
		}
		ran++
		t.Run(d.path, func(t *testing.T) { newSession(t, d).run(t) })
	}
	if ran < 2 {
		t.Errorf("%d documents have commands to run; README.md and docs/getting-started.md should", ran)
	}
}

// need makes sure that a command is there, as make test does for others.
func need(t *testing.T, tool string) {
	t.Helper()
	if out, err := exec.Command(filepath.Join(root, "test", "need"), tool, tool).CombinedOutput(); err != nil {
		t.Fatalf("%s: %v\n%s", tool, err, out)
	}
}

func (d *document) count(info string) int {
	n := 0
	for _, b := range d.blocks {
		if b.info == info {
			n++
		}
	}
	return n
}

// session is one shell that runs one document.
type session struct {
	doc  *document
	home string // where the commands run
	out  string // what they print: a file for each block, and more
}

func newSession(t *testing.T, d *document) *session {
	t.Helper()
	s := &session{doc: d, home: t.TempDir(), out: t.TempDir()}
	name := filepath.Join(s.out, "script")
	if err := os.WriteFile(name, []byte(s.script()), 0o600); err != nil {
		t.Fatal(err)
	}
	return s
}

// preamble makes the shell stop at the first failure and take its background
// processes with it. It is one line, and so takes the place of the title.
const preamble = `set -Eeuo pipefail; trap 'echo "$LINENO: $BASH_COMMAND" >>"$DOCS_OUT/failed"' ERR; ` +
	`trap 'kill $(jobs -p) 2>/dev/null || true; wait' EXIT`

// script is the document with everything but its commands taken out, line for
// line, so that the shell's line numbers are the document's.
func (s *session) script() string {
	lines := make([]string, len(s.doc.lines))
	lines[0] = preamble
	for i, b := range s.doc.blocks {
		if b.info == "sh run" {
			lines[b.fence] = fmt.Sprintf(`exec >"$DOCS_OUT/%d"`, i)
			copy(lines[b.fence+1:], b.lines)
		}
	}
	return strings.Join(lines, "\n") + "\n"
}

func (s *session) run(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	cmd := exec.CommandContext(ctx, "bash", filepath.Join(s.out, "script"))
	cmd.Dir, cmd.Env = s.home, s.environment()
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	log, err := os.Create(filepath.Join(s.out, "log"))
	if err != nil {
		t.Fatal(err)
	}
	defer log.Close()
	cmd.Stdout, cmd.Stderr = log, log
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	err = cmd.Wait()
	s.nobodyIsLeft(t, cmd.Process.Pid)
	if err != nil {
		t.Fatalf("%s: %v at line %s\n%s\n%s", s.doc.path, err, s.read("failed"), s.read("log"), s.printed())
	}
	s.compare(t)
}

// nobodyIsLeft ends what the shell left behind, which is an error.
func (s *session) nobodyIsLeft(t *testing.T, group int) {
	t.Helper()
	if err := syscall.Kill(-group, syscall.SIGKILL); err == nil {
		t.Errorf("%s: a process was left running", s.doc.path)
	}
}

// environment is the caller's without what would lead hallmark elsewhere.
func (s *session) environment() []string {
	env := []string{"HOME=" + s.home, "DOCS_OUT=" + s.out, "LIBID2=" + libid2, "LC_ALL=C.UTF-8",
		"PATH=" + filepath.Dir(binary) + string(os.PathListSeparator) + os.Getenv("PATH")}
	for _, v := range os.Environ() {
		name, _, _ := strings.Cut(v, "=")
		if name != "HOME" && name != "PATH" && !strings.HasPrefix(name, "LC_") && !strings.HasPrefix(name, "HALLMARK_") && !strings.HasSuffix(strings.ToLower(name), "_proxy") {
			env = append(env, v)
		}
	}
	return env
}

func (s *session) read(name string) string {
	text, err := os.ReadFile(filepath.Join(s.out, name))
	if err != nil {
		return ""
	}
	return string(text)
}

// printed is all that the commands have printed.
func (s *session) printed() string {
	var all strings.Builder
	for i, b := range s.doc.blocks {
		if text := s.read(fmt.Sprint(i)); text != "" {
			fmt.Fprintf(&all, "line %d printed:\n%s", b.fence+1, text)
		}
	}
	return all.String()
}

// compare holds the blocks "text output" against what the commands before them
// printed.
func (s *session) compare(t *testing.T) {
	t.Helper()
	for i, b := range s.doc.blocks {
		if b.info != "text output" {
			continue
		}
		if i == 0 || s.doc.blocks[i-1].info != "sh run" {
			t.Errorf("%s:%d: an output without commands before it", s.doc.path, b.fence+1)
			continue
		}
		if got := s.read(fmt.Sprint(i - 1)); !pattern(b.lines).MatchString(got) {
			t.Errorf("%s:%d: printed\n%s", s.doc.path, b.fence+1, got)
		}
	}
}

// pattern matches lines in which … stands for anything.
func pattern(lines []string) *regexp.Regexp {
	var p strings.Builder
	p.WriteString(`^`)
	for _, line := range lines {
		if line == "…" {
			p.WriteString(`(?:[^\n]*\n)*`)
			continue
		}
		parts := strings.Split(line, "…")
		for i := range parts {
			parts[i] = regexp.QuoteMeta(parts[i])
		}
		p.WriteString(strings.Join(parts, `[^\n]*`) + ` *\n`)
	}
	return regexp.MustCompile(p.String() + `$`)
}

func TestPattern(t *testing.T) {
	for _, c := range []struct {
		want, got string
		matches   bool
	}{
		{"a … c", "a bbb c\n", true},
		{"a … c", "a bbb d\n", false},
		{"a\n…\nz", "a\nb\nc\nz\n", true},
		{"a\n…\nz", "a\nz\n", true},
		{"a", "a\nb\n", false},
		{"a.b", "axb\n", false},
		{"…", "", true},
	} {
		if pattern(strings.Split(c.want, "\n")).MatchString(c.got) != c.matches {
			t.Errorf("%q against %q: want %v", c.got, c.want, c.matches)
		}
	}
}
