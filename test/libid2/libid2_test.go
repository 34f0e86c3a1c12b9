// Package libid2 tests the C library as C programs see it: the programs in the
// folder c, compiled with every warning and linked with the shared and the static
// library, run plainly and, with all of C and Go instrumented, under the address
// sanitizer, which also looks for leaks.
package libid2

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/hex"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/hallmark-id/hallmark/id2"
	"github.com/hallmark-id/hallmark/id2/device"
)

// patience is how long a program may take.
const patience = 2 * time.Minute

// The identity that test vectors know.
const (
	vectorID  = "2122232425262728292A2B2C"
	vectorKey = "2122232425262728292a2b2c2d2e2f30"
)

// build is the library in one of its builds.
type build struct {
	name      string
	dir       string // where it and the headers are
	sanitized bool
}

// builds are made once for all tests of this package.
var builds []build

func TestMain(m *testing.M) {
	os.Exit(buildAndRun(m))
}

func buildAndRun(m *testing.M) int {
	dir, err := os.MkdirTemp("", "libid2")
	if err != nil {
		panic(err)
	}
	defer os.RemoveAll(dir)
	for _, tool := range []string{"gcc", "g++"} {
		if out, err := exec.Command("../need", tool, tool, "libc6-dev").CombinedOutput(); err != nil {
			panic(string(out))
		}
	}
	builds = []build{{"plain", filepath.Join(dir, "plain"), false}, {"sanitized", filepath.Join(dir, "sanitized"), true}}
	for _, b := range builds {
		cmd := exec.Command("../../cmd/libid2/build", b.dir)
		cmd.Env = os.Environ()
		if b.sanitized {
			cmd.Env = append(cmd.Env, "ASAN=1")
		}
		if out, err := cmd.CombinedOutput(); err != nil {
			panic(fmt.Sprintf("libid2 (%s) does not build: %v\n%s", b.name, err, out))
		}
	}
	return m.Run()
}

// warnings are the flags that every C source compiles with.
var warnings = []string{"-Wall", "-Wextra", "-Werror", "-pedantic", "-g"}

// compile makes a program of sources in c.
func (b build) compile(t *testing.T, static bool, sources ...string) string {
	t.Helper()
	program := filepath.Join(t.TempDir(), "program")
	args := append([]string{"-std=gnu99", "-I", b.dir, "-o", program}, warnings...)
	if b.sanitized {
		args = append(args, "-fsanitize=address")
	}
	for _, source := range sources {
		args = append(args, filepath.Join("c", source))
	}
	if static {
		args = append(args, filepath.Join(b.dir, "libid2.a"))
	} else {
		args = append(args, "-L", b.dir, "-lid2", "-Wl,-rpath,"+b.dir)
	}
	gcc(t, "gcc", append(args, "-pthread", "-ldl")...)
	return program
}

func gcc(t *testing.T, compiler string, args ...string) {
	t.Helper()
	if out, err := exec.Command(compiler, args...).CombinedOutput(); err != nil {
		t.Fatalf("%s %s: %v\n%s", compiler, strings.Join(args, " "), err, out)
	}
}

// command prepares a program in a directory of its own, which is its home.
func command(t *testing.T, program string, args ...string) *exec.Cmd {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	t.Cleanup(cancel)
	cmd := exec.CommandContext(ctx, program, args...)
	cmd.Dir = t.TempDir()
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
	for _, v := range os.Environ() {
		if !strings.HasPrefix(v, "HALLMARK_") && !strings.HasPrefix(v, "HOME=") {
			cmd.Env = append(cmd.Env, v)
		}
	}
	cmd.Env = append(cmd.Env, "HOME="+cmd.Dir)
	return cmd
}

// run runs a program to its end, which must be good.
func run(t *testing.T, cmd *exec.Cmd) {
	t.Helper()
	out, err := cmd.CombinedOutput()
	if err != nil || !bytes.Contains(out, []byte(" 0 failures")) {
		t.Errorf("%v\n%s", err, out)
	}
}

// everyBuild runs a test with each build, shared and static.
func everyBuild(t *testing.T, test func(t *testing.T, b build, static bool)) {
	for _, b := range builds {
		for _, static := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s/static=%v", b.name, static), func(t *testing.T) { test(t, b, static) })
		}
	}
}

// prepareStore makes a store as the library would have it, with the vectors'
// identity.
func prepareStore(t *testing.T, dir string) {
	t.Helper()
	sealKey := make([]byte, 32)
	raw, err := hex.DecodeString(vectorKey)
	if err != nil {
		t.Fatal(err)
	}
	key, err := id2.NewPrivateKey(id2.AES128, raw)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "seal.key"), fmt.Appendf(nil, "%x\n", sealKey), 0o600); err != nil {
		t.Fatal(err)
	}
	file, err := device.OpenFile(rand.Reader, filepath.Join(dir, "identity"), sealKey)
	if err != nil {
		t.Fatal(err)
	}
	if err := file.Set(device.Identity{ID: vectorID, Hash: id2.SHA256, Key: key}); err != nil {
		t.Fatal(err)
	}
}

// TestOperations and TestProvisioning: every function, every error.
func TestOperations(t *testing.T) {
	everyBuild(t, func(t *testing.T, b build, static bool) {
		run(t, command(t, b.compile(t, static, "operations.c")))
	})
}

func TestProvisioning(t *testing.T) {
	everyBuild(t, func(t *testing.T, b build, static bool) {
		cmd := command(t, b.compile(t, static, "provisioning.c"))
		if err := os.WriteFile(filepath.Join(cmd.Dir, "other.key"), []byte(strings.Repeat("0", 64)), 0o600); err != nil {
			t.Fatal(err)
		}
		run(t, cmd)
	})
}

// TestThreads: many threads, and init and cleanup in between.
func TestThreads(t *testing.T) { onStore(t, "threads.c") }

// TestFork: children of a process that has not initialised may; others are
// refused, and nothing hangs.
func TestFork(t *testing.T) { onStore(t, "fork.c") }

// TestSignals: the program's handlers are called as before.
func TestSignals(t *testing.T) { onStore(t, "signals.c") }

func onStore(t *testing.T, source string) {
	everyBuild(t, func(t *testing.T, b build, static bool) {
		cmd := command(t, b.compile(t, static, source))
		prepareStore(t, filepath.Join(cmd.Dir, "prepared"))
		run(t, cmd)
	})
}

// TestPartialDriver: some functions of a driver are not enough.
func TestPartialDriver(t *testing.T) {
	everyBuild(t, func(t *testing.T, b build, static bool) {
		run(t, command(t, b.compile(t, static, "partial.c")))
	})
}

// TestOpened: a program that opens the library while it runs, as other languages
// do, and forks before and after.
func TestOpened(t *testing.T) {
	for _, b := range builds[:1] { // the sanitizer cannot be opened late
		program := filepath.Join(t.TempDir(), "program")
		gcc(t, "gcc", append([]string{"-std=gnu99", "-I", b.dir, "-o", program, "c/opened.c", "-ldl"}, warnings...)...)
		run(t, command(t, program, filepath.Join(b.dir, "libid2.so.1")))
	}
}

// TestHeaders: they suit C99 and C++, and their prototypes are the API document's.
func TestHeaders(t *testing.T) {
	for _, args := range [][]string{
		{"gcc", "-std=c99", "-x", "c"}, {"gcc", "-std=c17", "-x", "c"},
		{"g++", "-std=c++98", "-Wno-long-long", "-Wno-variadic-macros", "-x", "c++"}, {"g++", "-std=c++17", "-x", "c++"},
	} {
		args = append(args, "-I", builds[0].dir, "-c", "c/headers.c", "-o", filepath.Join(t.TempDir(), "o"))
		gcc(t, args[0], append(args[1:], warnings...)...)
	}
}

// TestSources: the library's own C gives no warnings either.
func TestSources(t *testing.T) {
	for _, source := range []string{"guard.c", "driver.c"} { // id2_client.c includes what cgo writes
		gcc(t, "gcc", append([]string{"-std=gnu11", "-Wconversion", "-c", "../../cmd/libid2/" + source, "-o", filepath.Join(t.TempDir(), "o")}, warnings...)...)
	}
}

// TestSharedObject: what the linker and the loader want to know.
func TestSharedObject(t *testing.T) {
	dir := builds[0].dir
	dynamic := output(t, "readelf", "-d", filepath.Join(dir, "libid2.so"))
	if !strings.Contains(dynamic, "Library soname: [libid2.so.1]") {
		t.Errorf("no SONAME:\n%s", dynamic)
	}
	for line := range strings.Lines(output(t, "nm", "-D", "--defined-only", filepath.Join(dir, "libid2.so.1"))) {
		if fields := strings.Fields(line); !strings.HasPrefix(fields[2], "id2_client_") {
			t.Errorf("a symbol of the inside: %s", line)
		}
	}
	for _, symbol := range []string{"se_open_session", "se_transmit", "se_close_session"} {
		if undefined := output(t, "nm", "-D", filepath.Join(dir, "libid2.so.1")); !strings.Contains(undefined, " w "+symbol) {
			t.Errorf("%s is no weak reference", symbol)
		}
	}
}

func output(t *testing.T, name string, args ...string) string {
	t.Helper()
	out, err := exec.Command(name, args...).Output()
	if err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	return string(out)
}
