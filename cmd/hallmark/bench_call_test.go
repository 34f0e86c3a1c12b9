package main

import (
	"bytes"
	"encoding/json"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/hallmark-id/hallmark/internal/calls"
	"github.com/hallmark-id/hallmark/internal/operator"
	"github.com/hallmark-id/hallmark/internal/process"
)

// loaded is the real binary on a real store, for a load.
type loaded struct {
	binary, data string
	op           *operator.Client
}

func newLoaded(t *testing.T, flags ...string) *loaded {
	t.Helper()
	dir := t.TempDir()
	l := &loaded{binary: built(t), data: filepath.Join(dir, "data")}
	server, err := process.Start(t.Context(), l.binary, filepath.Join(dir, "ready"), append([]string{"serve", "--data", l.data, "--listen", "127.0.0.1:0",
		"--log-level", "error"}, flags...)...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(server.Kill)
	token, err := os.ReadFile(filepath.Join(l.data, "operator.token"))
	if err != nil {
		t.Fatal(err)
	}
	l.op = operator.NewClient(operator.ClientOptions{URL: server.URL, Token: strings.TrimSpace(string(token))})
	return l
}

// call runs a short load and returns what it reports and notes.
func (l *loaded) call(t *testing.T, args ...string) (callReport, string) {
	t.Helper()
	cmd := exec.Command(l.binary, append([]string{"bench", "call", "--data", l.data, "--duration", "100ms", "--connections", "4", "--devices", "3", "-o", "json"}, args...)...)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	var r callReport
	if err != nil || json.Unmarshal(out, &r) != nil {
		t.Fatalf("%v: %v\n%s%s", args, err, out, stderr.String())
	}
	return r, stderr.String()
}

// Every call of every door works, and leaves nothing behind that lets anybody in.
func TestBenchCallEvery(t *testing.T) {
	l := newLoaded(t, "--trusted-proxy", "127.0.0.0/8")
	lines := [][]string{{"mutual-auth", "--algorithm", "p256"}, {"cert-apply", "--algorithm", "rsa2048"},
		{"verify-challenge", "--algorithm", "rsa1024"}, {"verify-challenge", "--algorithm", "sm2"}, {"verify-timestamp", "--algorithm", "secp192k1"},
		{"verify-challenge", "--algorithm", "3des112"}, {"verify-challenge", "--algorithm", "sm4"}, {"verify-challenge", "--rate", "500"}}
	for _, k := range calls.Kinds() {
		lines = append(lines, []string{k.Name})
	}
	for _, line := range lines {
		r, notes := l.call(t, line...)
		if r.Call != line[0] || r.Succeeded == 0 || len(r.Refused) != 0 || r.Failed != 0 || r.P50 <= 0 || r.P999 < r.P50 || r.Max < r.P999 || r.CPU <= 0 || r.Interrupted {
			t.Errorf("%v: %+v", line, r)
		}
		if left := strings.Contains(notes, "left on the server: product"); left != (r.Door != "ciss" && r.Call != "token") {
			t.Errorf("%v: %s", line, notes)
		}
		if len(line) == 3 && line[1] == "--rate" && (r.Offered != 500 || r.Succeeded != 50) {
			t.Errorf("%v: %d of 50 that were due, %v offered", line, r.Succeeded, r.Offered)
		}
	}
	clients, err1 := l.op.APIClients(t.Context())
	accounts, err2 := l.op.Accounts(t.Context())
	roots, err3 := l.op.Roots(t.Context())
	if err1 != nil || err2 != nil || err3 != nil || len(clients.Clients)+len(accounts.Accounts)+len(roots.Roots) != 0 {
		t.Errorf("left: %+v %+v %+v, %v %v %v", clients, accounts, roots, err1, err2, err3)
	}
}

// Refusals are counted by code, with the server's words; and the document has the
// fields that programs read.
func TestBenchCallRefused(t *testing.T) {
	l := newLoaded(t, "--client-rate", "300")
	cmd := exec.Command(l.binary, "bench", "call", "get-server-random", "--data", l.data, "--duration", "200ms", "--devices", "3", "-o", "json")
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	var r callReport
	var fields map[string]any
	if err := json.Unmarshal(out, &r); err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(out, &fields); err != nil {
		t.Fatal(err)
	}
	if len(r.Refused) != 1 || r.Refused[0].Code != "Throttling.User" || r.Refused[0].Count == 0 || !strings.Contains(r.Refused[0].Message, "flow control") {
		t.Errorf("%s", out)
	}
	want := []string{"action", "algorithm", "call", "connections", "door", "failed", "interrupted", "max_us", "p50_us", "p999_us", "p99_us", "refused",
		"requests_per_second", "seconds", "server", "server_cores", "server_cpu_us", "succeeded"}
	if diff := cmp.Diff(want, slices.Sorted(maps.Keys(fields))); diff != "" {
		t.Error(diff)
	}
	// Codes to scan are few for one address that is no proxy.
	cmd = exec.Command(l.binary, "bench", "call", "scan", "--data", l.data)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	if err := cmd.Run(); err == nil || !strings.Contains(stderr.String(), "--trusted-proxy") {
		t.Errorf("%v %s", err, stderr.String())
	}
}

// On a server of its own, over TLS, for people; an interrupt prints what was seen.
func TestBenchCallOwn(t *testing.T) {
	temp := t.TempDir()
	cmd := exec.Command(built(t), "bench", "call", "verify-timestamp", "--tls", "--rate", "200", "--duration", "1h", "--devices", "3")
	cmd.Env = append(os.Environ(), "TMPDIR="+temp, "HALLMARK_SERVER=http://127.0.0.1:1", "HALLMARK_STORE=postgres://127.0.0.1:1/none")
	var stdout bytes.Buffer
	cmd.Stdout = &stdout
	log, err := cmd.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	var seen bytes.Buffer
	for part := make([]byte, 4096); !strings.Contains(seen.String(), " answered at "); { // the first line of the log
		n, err := log.Read(part)
		seen.Write(part[:n])
		if err != nil {
			t.Fatalf("%v\n%s", err, seen.String())
		}
	}
	if err := cmd.Process.Signal(syscall.SIGINT); err != nil {
		t.Fatal(err)
	}
	if err := cmd.Wait(); err != nil {
		t.Fatalf("%v\n%s%s", err, seen.String(), stdout.String())
	}
	for _, want := range []string{"verify-timestamp aes128 (Verify)\nanswered ", "\nlatency    p50 ", "\nserver CPU ", "\nInterrupted after "} {
		if !strings.Contains(stdout.String(), want) {
			t.Errorf("no %q in\n%s", want, stdout.String())
		}
	}
	if !strings.Contains(seen.String(), " on https://127.0.0.1:") {
		t.Errorf("%s", seen.String())
	}
	if left, err := os.ReadDir(temp); err != nil || len(left) != 0 {
		t.Errorf("left behind: %v, %v", left, err)
	}
}
