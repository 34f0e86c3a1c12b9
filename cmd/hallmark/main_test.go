package main

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/hallmark-id/hallmark/internal/account"
	"github.com/hallmark-id/hallmark/internal/keyring"
	"github.com/hallmark-id/hallmark/internal/operator"
	"github.com/hallmark-id/hallmark/internal/pki"
	"github.com/hallmark-id/hallmark/internal/registry"
	"github.com/hallmark-id/hallmark/internal/store"
	"github.com/hallmark-id/hallmark/openapi"
)

func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){"hallmark": main})
}

// The scripts run the real command against an operator API on a real store;
// data/ holds what a server leaves there.
func TestScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir:   "testdata/script",
		Setup: startServer,
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"exits":   exits,
			"take":    take,
			"devices": devices,
			"oneline": oneLine,
			"csr":     csr,
			"root":    root,
			"await":   await,
			"rpc":     rpc,
		},
	})
}

const testToken = "operator-token-of-a-script"

func startServer(env *testscript.Env) error {
	data := filepath.Join(env.WorkDir, "data")
	if err := os.MkdirAll(data, 0o700); err != nil {
		return err
	}
	api, err := newAPI(env, filepath.Join(data, "hallmark.db"))
	if err != nil {
		return err
	}
	plain, secure := httptest.NewServer(api), httptest.NewTLSServer(api)
	secure.Config.ErrorLog = slog.NewLogLogger(slog.DiscardHandler, slog.LevelError) // a script refuses its certificate
	env.Defer(plain.Close)
	env.Defer(secure.Close)
	env.Setenv("GORACE", "atexit_sleep_ms=0") // a second at the end of each command otherwise
	env.Setenv("SERVER", plain.URL)
	env.Setenv("TLS_SERVER", secure.URL)
	ca := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: secure.Certificate().Raw})
	return errors.Join(
		os.WriteFile(filepath.Join(data, "server.json"), fmt.Appendf(nil, `{"url":%q,"pid":%d}`, plain.URL, os.Getpid()), 0o600),
		os.WriteFile(filepath.Join(data, "operator.token"), []byte(testToken+"\n"), 0o600),
		os.WriteFile(filepath.Join(env.WorkDir, "ca.pem"), ca, 0o600),
	)
}

func newAPI(env *testscript.Env, path string) (http.Handler, error) {
	ctx := context.Background()
	st, err := store.Open(ctx, store.Options{DSN: "sqlite:" + path, Now: time.Now, Random: rand.Reader})
	if err != nil {
		return nil, err
	}
	env.Defer(func() { st.Close() })
	ring, _, err := keyring.Create(keyring.RootKey{1}, rand.Reader)
	if err != nil {
		return nil, err
	}
	r := registry.New(registry.Options{Store: st, Ring: ring, Now: time.Now, Random: rand.Reader})
	authority := pki.New(pki.Options{Store: st, Ring: ring, Random: rand.Reader, Now: time.Now, BaseURL: func() string { return "http://ca.example.com" }})
	if err := authority.EnsureAuthorities(ctx); err != nil {
		return nil, err
	}
	work, stop := context.WithCancel(ctx)
	done := make(chan struct{})
	go func() { authority.Run(work); close(done) }()
	env.Defer(func() { stop(); <-done })
	return operator.New(operator.Options{
		Registry: r, PKI: authority, Accounts: account.New(account.Options{Store: st, Ring: ring, Now: time.Now, Random: rand.Reader}),
		TokenHash: sha256.Sum256([]byte(testToken)), Log: slog.New(slog.DiscardHandler),
		RequestID: func(*http.Request) string { return "script" },
	}), r.EnsureOrg(ctx)
}

// exits N COMMAND… runs a command that must end with that exit status.
func exits(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: exits STATUS COMMAND…")
	}
	want, err := strconv.Atoi(args[0])
	ts.Check(err)
	got := 0
	var exit *exec.ExitError
	if err := ts.Exec(args[1], args[2:]...); errors.As(err, &exit) {
		got = exit.ExitCode()
	} else {
		ts.Check(err)
	}
	if got != want {
		ts.Fatalf("exit status %d, want %d", got, want)
	}
}

// take VARIABLE FIELD keeps a field of the JSON on standard output, which must
// be one object and nothing after it.
func take(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: take VARIABLE FIELD")
	}
	var object map[string]any
	text := ts.ReadFile("stdout")
	if err := json.Unmarshal([]byte(text), &object); err != nil {
		ts.Fatalf("not one JSON object: %v\n%s", err, text)
	}
	value, ok := object[args[1]]
	if !ok {
		ts.Fatalf("no %s in %s", args[1], text)
	}
	ts.Setenv(args[0], fmt.Sprint(value))
}

// devices FILE FROM TO writes a file to import.
func devices(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 3 {
		ts.Fatalf("usage: devices FILE FROM TO")
	}
	from, err := strconv.Atoi(args[1])
	ts.Check(err)
	to, err := strconv.Atoi(args[2])
	ts.Check(err)
	var b bytes.Buffer
	b.WriteString("id2,key_hex,name\n")
	for n := from; n <= to; n++ {
		fmt.Fprintf(&b, "%024X,%032x,device %d\n", n, n, n)
	}
	ts.Check(os.WriteFile(ts.MkAbs(args[0]), b.Bytes(), 0o600))
}

// oneline checks that standard error holds one line.
func oneLine(ts *testscript.TestScript, neg bool, _ []string) {
	if text := ts.ReadFile("stderr"); neg || strings.Count(text, "\n") != 1 {
		ts.Fatalf("standard error is not one line:\n%s", text)
	}
}

// await FILE waits for a file that a command in the background writes.
func await(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: await FILE")
	}
	for deadline := time.Now().Add(time.Minute); ; time.Sleep(5 * time.Millisecond) {
		if text, err := os.ReadFile(ts.MkAbs(args[0])); err == nil {
			ts.Setenv("RPC", strings.TrimSpace(string(text)))
			return
		}
		if time.Now().After(deadline) {
			ts.Fatalf("%s does not appear", args[0])
		}
	}
}

// rpc CODE ACTION NAME=VALUE… asks the server at $RPC, with the credential in
// client.json, and wants this service code. The texts of its Data become
// variables, DATA or their own names.
func rpc(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: rpc CODE ACTION NAME=VALUE…")
	}
	backEnd, err := (&SimProvisionCmd{RPC: ts.Getenv("RPC"), AccessFile: ts.MkAbs("client.json")}).backEnd(&Env{Globals: new(Globals)})
	ts.Check(err)
	params := []openapi.Param{{Name: "ApiVersion", Value: "1.1.2"}}
	for _, arg := range args[2:] {
		name, value, _ := strings.Cut(arg, "=")
		params = append(params, openapi.Param{Name: name, Value: value})
	}
	answer, err := backEnd.Call(context.Background(), args[1], params)
	ts.Check(err)
	if strconv.Itoa(answer.Code) != args[0] {
		ts.Fatalf("code %d, %s, want %s", answer.Code, answer.Message, args[0])
	}
	var text string
	if json.Unmarshal(answer.Data, &text) == nil {
		ts.Setenv("DATA", text)
	}
	fields := map[string]any{}
	_ = json.Unmarshal(answer.Data, &fields) // of other answers there are none
	for name, value := range fields {
		ts.Setenv(name, fmt.Sprint(value))
	}
}

// Every command is explained in a sentence, and by an example of its own or of
// its group.
func TestEveryCommandTeaches(t *testing.T) {
	var c cli
	parser, err := newParser(&c, &Env{Globals: &c.Globals, Stdout: io.Discard, Stderr: io.Discard})
	if err != nil {
		t.Fatal(err)
	}
	for _, cmd := range parser.Model.Leaves(true) {
		if !strings.HasSuffix(cmd.Help, ".") {
			t.Errorf("%s: help %q is no sentence", cmd.Path(), cmd.Help)
		}
		if examples := cmd.Detail + cmd.Parent.Detail; !strings.Contains(examples, " hallmark ") && len(cmd.Positional)+len(cmd.Flags) > 0 {
			t.Errorf("%s: no example in %q", cmd.Path(), examples)
		}
		for _, f := range cmd.Flags {
			if f.Help == "" && !f.Hidden {
				t.Errorf("%s --%s is not explained", cmd.Path(), f.Name)
			}
		}
	}
}

// An interrupt ends a command that waits for its input.
func TestInterruptEndsAnImport(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
	}))
	defer server.Close()
	token := filepath.Join(t.TempDir(), "token")
	if err := os.WriteFile(token, []byte("x"), 0o600); err != nil {
		t.Fatal(err)
	}
	stdin, silent := io.Pipe()
	defer silent.Close()
	ctx, cancel := context.WithCancel(context.Background())
	var stderr bytes.Buffer
	done := make(chan int)
	go func() {
		done <- run(ctx, []string{"device", "import", "--product", "x", "-", "--server", server.URL, "--token-file", token}, stdin, io.Discard, &stderr)
	}()
	if _, err := silent.Write([]byte("id2,key_hex\n")); err != nil { // the upload has begun
		t.Fatal(err)
	}
	cancel()
	select {
	case status := <-done:
		if status != exitFailed || !strings.Contains(stderr.String(), "broke off: interrupted (run it again") {
			t.Errorf("status %d, %s", status, stderr.String())
		}
	case <-time.After(10 * time.Second):
		t.Fatal("the command goes on after an interrupt")
	}
}

// What comes from files and callers does not reach a terminal as it is.
func TestPlainKeepsControlSequencesOut(t *testing.T) {
	var out bytes.Buffer
	e := &Env{Globals: &Globals{Output: "table"}, Stdout: &out, Stderr: &out}
	tbl := table{header: []string{"NAME"}}
	tbl.add("a\x1b[31m\nb\u009b2J")
	if err := e.print(nil, tbl); err != nil {
		t.Fatal(err)
	}
	e.complain("x\ny", "z\x07")
	if text := out.String(); strings.ContainsAny(text, "\x1b\x07\u009b") || strings.Count(text, "\n") != 3 {
		t.Errorf("%q", text)
	}
}
