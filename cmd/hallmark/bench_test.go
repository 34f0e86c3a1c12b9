package main

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/hallmark-id/hallmark/internal/fleet"
	"github.com/hallmark-id/hallmark/internal/operator"
	"github.com/hallmark-id/hallmark/internal/process"
)

// The benchmark keeps its short form beside the fleet.
func TestBenchCommandLines(t *testing.T) {
	for line, want := range map[string]string{
		"bench":                              "bench run",
		"bench --rounds 15 --check":          "bench run",
		"bench --devices 5 --store x -ojson": "bench run",
		"bench run --only Verify":            "bench run",
		"bench call scan --rate 5":           "bench call <call>",
		"bench --all --markdown":             "bench run",
		"bench hello-server --ready-file x":  "bench hello-server",
		"bench fleet":                        "bench fleet",
		"bench fleet --devices 5":            "bench fleet",
		"bench --data d fleet --quota 7":     "bench fleet",
	} {
		var c cli
		parser, err := newParser(&c, &Env{Globals: &c.Globals, Stdout: io.Discard, Stderr: io.Discard})
		if err != nil {
			t.Fatal(err)
		}
		selected, err := parser.Parse(strings.Fields(line))
		if err != nil || selected.Command() != want {
			t.Errorf("%s: %v, %v; want %s", line, selected, err, want)
		}
	}
}

// built is the real binary.
func built(t *testing.T) string {
	t.Helper()
	binary := filepath.Join(t.TempDir(), "hallmark")
	if out, err := exec.Command("go", "build", "-o", binary, ".").CombinedOutput(); err != nil {
		t.Fatalf("build: %v\n%s", err, out)
	}
	return binary
}

// On a server of its own the fleet prints one document, and leaves nothing behind.
func TestBenchFleet(t *testing.T) {
	temp := t.TempDir()
	cmd := exec.Command(built(t), "bench", "fleet", "--devices", "40", "--quota", "30", "--connections", "4", "--interval", "100ms",
		"--duration", "500ms", "-o", "json")
	cmd.Env = append(os.Environ(), "TMPDIR="+temp, "HALLMARK_SERVER=http://127.0.0.1:1", "HALLMARK_STORE=postgres://127.0.0.1:1/none")
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	var last fleet.Snapshot
	if err != nil || json.Unmarshal(out, &last) != nil {
		t.Fatalf("%v\n%s%s", err, out, stderr.String())
	}
	if last.Provisioning.Succeeded != 30 || len(last.Provisioning.Refused) != 1 || last.Authentication.Succeeded == 0 || last.Provisioning.CPU == 0 || last.Interrupted {
		t.Errorf("%s", out)
	}
	if left, err := os.ReadDir(temp); err != nil || len(left) != 0 {
		t.Errorf("left behind: %v, %v", left, err)
	}
}

// On a running server an interrupt ends the fleet in order: the figures are
// printed, its credential is gone and its devices are there.
func TestBenchFleetInterrupted(t *testing.T) {
	binary, dir := built(t), t.TempDir()
	data := filepath.Join(dir, "data")
	server, err := process.Start(t.Context(), binary, filepath.Join(dir, "ready"), "serve", "--data", data, "--listen", "127.0.0.1:0", "--log-level", "error")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(server.Kill)
	token, err := os.ReadFile(filepath.Join(data, "operator.token"))
	if err != nil {
		t.Fatal(err)
	}
	op := operator.NewClient(operator.ClientOptions{URL: server.URL, Token: strings.TrimSpace(string(token))})
	cmd := exec.Command(binary, "bench", "fleet", "--data", data, "--devices", "20", "--interval", "20ms", "--duration", "1h")
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	awaitActive(t, op)
	if err := cmd.Process.Signal(syscall.SIGINT); err != nil {
		t.Fatal(err)
	}
	if err := cmd.Wait(); err != nil || !strings.Contains(stdout.String(), "\nInterrupted after ") || !strings.Contains(stderr.String(), "left on the server: product a1") {
		t.Errorf("%v\n%s%s", err, stdout.String(), stderr.String())
	}
	clients, err := op.APIClients(t.Context())
	if err != nil || len(clients.Clients) != 0 {
		t.Errorf("the credential was left: %+v, %v", clients, err)
	}
	products, err := op.Products(t.Context())
	if err != nil || len(products.Products) != 1 || products.Products[0].Used != 20 {
		t.Errorf("%+v, %v", products, err)
	}
}

// awaitActive returns once the devices of the fleet have authenticated.
func awaitActive(t *testing.T, op *operator.Client) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	for {
		list, err := op.Devices(ctx, operator.DeviceQuery{State: "active"})
		if err != nil {
			t.Fatal(err)
		}
		if len(list.Devices) == 20 {
			return
		}
	}
}
