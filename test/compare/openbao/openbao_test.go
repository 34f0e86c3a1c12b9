package main

import (
	"bytes"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
)

// The test plays bao: it checks what the program asks of it, and signs and
// verifies for real. That the real one takes the same requests it cannot show.
func TestMain(m *testing.M) {
	if os.Getenv("PLAY_BAO") != "" && len(os.Args) > 1 && os.Args[1] == "server" {
		playBao(strings.TrimPrefix(os.Args[2], "-config="))
		return
	}
	os.Exit(m.Run())
}

// vault is the played server. It is initialised, unsealed and readied in this
// order only.
type vault struct {
	key    []byte
	steps  []string
	policy string
}

func playBao(config string) {
	text, err := os.ReadFile(config)
	if err != nil {
		panic(err)
	}
	address := regexp.MustCompile(`(?m)^  address = "(.*)"$`).FindSubmatch(text)
	if address == nil || !bytes.Contains(text, []byte(`storage "raft"`)) {
		panic("not the configuration of a server with storage of its own")
	}
	v := &vault{key: make([]byte, 32)}
	_, _ = rand.Read(v.key)
	go func() { panic(http.ListenAndServe(string(address[1]), v)) }()
	end := make(chan os.Signal, 1)
	signal.Notify(end, syscall.SIGTERM)
	<-end
}

func (v *vault) sum(input string) string {
	raw, err := base64.StdEncoding.DecodeString(input)
	if err != nil {
		panic(err)
	}
	mac := hmac.New(sha256.New, v.key)
	mac.Write(raw)
	return "vault:v1:" + base64.StdEncoding.EncodeToString(mac.Sum(nil))
}

func (v *vault) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	var body struct {
		Key    string
		Policy string
		Type   string
		Input  string
		HMAC   string
		Batch  []struct {
			Input string `json:"input"`
		} `json:"batch_input"`
	}
	_ = json.NewDecoder(r.Body).Decode(&body)
	call, token := r.Method+" "+strings.TrimPrefix(r.URL.Path, "/v1/"), r.Header.Get("X-Vault-Token")
	if call != "POST transit/verify/bench" && call != "GET sys/health" && call != "POST transit/hmac/bench" {
		v.steps = append(v.steps, call+" "+body.Type)
	}
	root := token == "root"
	switch {
	case call == "POST sys/init" && len(v.steps) == 1:
		fmt.Fprint(w, `{"keys_base64":["a2V5"],"root_token":"root"}`)
	case call == "POST sys/unseal" && len(v.steps) == 2 && body.Key == "a2V5":
		fmt.Fprint(w, `{"sealed":false}`)
	case call == "GET sys/health" && len(v.steps) >= 2:
		fmt.Fprint(w, `{"version":"played"}`)
	case root && (strings.HasPrefix(call, "POST sys/mounts/") || strings.HasPrefix(call, "POST transit/keys/")):
		w.WriteHeader(http.StatusNoContent)
	case root && call == "POST sys/policies/acl/bench":
		v.policy = body.Policy
		w.WriteHeader(http.StatusNoContent)
	case root && call == "POST auth/token/create" && strings.Contains(v.policy, `"transit/verify/bench"`):
		fmt.Fprint(w, `{"auth":{"client_token":"verifier"}}`)
	case root && call == "POST transit/hmac/bench" && strings.Join(v.steps[2:], ",") == "POST sys/mounts/transit transit,POST transit/keys/bench hmac,POST sys/policies/acl/bench ,POST auth/token/create ":
		var results []string
		for _, b := range body.Batch {
			results = append(results, fmt.Sprintf(`{"hmac":%q}`, v.sum(b.Input)))
		}
		fmt.Fprintf(w, `{"data":{"batch_results":[%s]}}`, strings.Join(results, ","))
	case token == "verifier" && call == "POST transit/verify/bench":
		fmt.Fprintf(w, `{"data":{"valid":%v}}`, hmac.Equal([]byte(v.sum(body.Input)), []byte(body.HMAC)))
	default:
		http.Error(w, fmt.Sprintf("%s with token %q after %q", call, token, v.steps), http.StatusBadRequest)
	}
}

func TestCompare(t *testing.T) {
	binary := filepath.Join(t.TempDir(), "hallmark")
	if out, err := exec.Command("go", "build", "-o", binary, "../../../cmd/hallmark").CombinedOutput(); err != nil {
		t.Fatalf("build: %v\n%s", err, out)
	}
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	temp := t.TempDir()
	t.Setenv("TMPDIR", temp)
	t.Setenv("HALLMARK_BAO", self)
	t.Setenv("PLAY_BAO", "1")
	var stdout, stderr bytes.Buffer
	if err := compare(t.Context(), binary, []string{"--rounds", "1", "--requests", "200", "--devices", "3", "--connections", "2", "--only", "erify"}, &stdout, &stderr); err != nil {
		t.Fatalf("%v\n%s", err, stderr.String())
	}
	for _, row := range []string{"net/http hello", "Verify by challenge", "Verify by timestamp", "OpenBao transit, verify HMAC"} {
		if !regexp.MustCompile(row + ` +\d+\.\d µs`).MatchString(stdout.String()) {
			t.Errorf("no row %q in\n%s", row, stdout.String())
		}
	}
	if !strings.Contains(stderr.String(), "OpenBao played, raft storage in ") {
		t.Errorf("%s", stderr.String())
	}
	if left, err := os.ReadDir(temp); err != nil || len(left) != 0 {
		t.Errorf("left behind: %v, %v", left, err)
	}
}

func TestWithoutBao(t *testing.T) {
	t.Setenv("HALLMARK_BAO", "")
	t.Setenv("PATH", t.TempDir())
	if err := compare(t.Context(), "hallmark", nil, os.Stdout, os.Stderr); err == nil || !strings.Contains(err.Error(), "HALLMARK_BAO") {
		t.Error(err)
	}
	t.Setenv("HALLMARK_BAO", "/bin/false")
	if err := compare(t.Context(), "hallmark", nil, os.Stdout, os.Stderr); err == nil || !strings.Contains(err.Error(), "bao ended") {
		t.Error(err)
	}
}
