package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

// bao is a server that was started.
type bao struct {
	cmd  *exec.Cmd
	done chan struct{} // closed when it has ended
	url  string
	dir  string
	// token is the root's, verifier one that may verify and nothing else.
	token, verifier string
}

// config is what a small installation has: its own storage on disk, replicated to
// nobody.
const config = `ui = false
disable_mlock = true
log_level = "error"
api_addr = "http://%[1]s"
cluster_addr = "https://%[2]s"
storage "raft" {
  path = %[3]q
  node_id = "bench"
}
listener "tcp" {
  address = %[1]q
  cluster_address = %[2]q
  tls_disable = true
}
`

// start starts the program on a directory.
func start(ctx context.Context, program, dir string) (*bao, error) {
	address, err := freeAddress(ctx)
	if err != nil {
		return nil, err
	}
	cluster, err := freeAddress(ctx)
	if err != nil {
		return nil, err
	}
	storage, file := filepath.Join(dir, "raft"), filepath.Join(dir, "bao.hcl")
	if err := errors.Join(os.Mkdir(storage, 0o700), os.WriteFile(file, fmt.Appendf(nil, config, address, cluster, storage), 0o600)); err != nil {
		return nil, err
	}
	log, err := os.Create(filepath.Join(dir, "bao.log"))
	if err != nil {
		return nil, err
	}
	defer log.Close() // the process has its own
	b := &bao{cmd: exec.Command(program, "server", "-config="+file), done: make(chan struct{}), url: "http://" + address, dir: dir}
	b.cmd.Stdout, b.cmd.Stderr = log, log
	if err := b.cmd.Start(); err != nil {
		return nil, err
	}
	go func() { _ = b.cmd.Wait(); close(b.done) }()
	return b, nil
}

// freeAddress is one that nobody listens on.
func freeAddress(ctx context.Context) (string, error) {
	l, err := new(net.ListenConfig).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	return l.Addr().String(), l.Close()
}

func (b *bao) stop() error {
	if err := b.cmd.Process.Signal(syscall.SIGTERM); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return err
	}
	<-b.done
	return nil
}

// log is the end of what it printed.
func (b *bao) log() string {
	text, _ := os.ReadFile(filepath.Join(b.dir, "bao.log")) // there may be none
	return strings.TrimSpace(string(text[max(len(text)-1000, 0):]))
}

// patience is how long it may take to be ready.
const patience = 30 * time.Second

// open initialises and unseals the server, and makes an HMAC key and a token that
// may verify with it. It returns the server's version.
func (b *bao) open(ctx context.Context) (version string, err error) {
	var keys struct {
		Keys  []string `json:"keys_base64"`
		Token string   `json:"root_token"`
	}
	if err := b.patiently(ctx, "POST", "sys/init", map[string]int{"secret_shares": 1, "secret_threshold": 1}, &keys); err != nil {
		return "", err
	}
	if len(keys.Keys) != 1 {
		return "", errors.New("sys/init answered no key")
	}
	b.token = keys.Token
	if err := b.call(ctx, "POST", "sys/unseal", map[string]string{"key": keys.Keys[0]}, nil); err != nil {
		return "", err
	}
	var health struct {
		Version string `json:"version"`
	}
	if err := b.patiently(ctx, "GET", "sys/health", nil, &health); err != nil { // until it is active
		return "", err
	}
	var made struct {
		Auth struct {
			Token string `json:"client_token"`
		} `json:"auth"`
	}
	for _, step := range []struct {
		path       string
		body, into any
	}{
		{"sys/mounts/transit", map[string]string{"type": "transit"}, nil},
		{"transit/keys/bench", map[string]any{"type": "hmac", "key_size": 32}, nil},
		{"sys/policies/acl/bench", map[string]string{"policy": `path "transit/verify/bench" { capabilities = ["update"] }`}, nil},
		{"auth/token/create", map[string]any{"policies": []string{"bench"}, "ttl": "1h", "no_default_policy": true}, &made},
	} {
		if err := b.call(ctx, "POST", step.path, step.body, step.into); err != nil {
			return "", err
		}
	}
	b.verifier = made.Auth.Token
	return health.Version, nil
}

// patiently makes a call until it succeeds, for a while.
func (b *bao) patiently(ctx context.Context, method, path string, body, into any) error {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	ticker := time.NewTicker(100 * time.Millisecond)
	defer ticker.Stop()
	for {
		err := b.call(ctx, method, path, body, into)
		if err == nil {
			return nil
		}
		select {
		case <-ticker.C:
		case <-b.done:
			return fmt.Errorf("bao ended: %w", err)
		case <-ctx.Done():
			return err
		}
	}
}

// call makes a call of the API with the root token.
func (b *bao) call(ctx context.Context, method, path string, body, into any) error {
	var text []byte
	if body != nil {
		var err error
		if text, err = json.Marshal(body); err != nil {
			return err
		}
	}
	req, err := http.NewRequestWithContext(ctx, method, b.url+"/v1/"+path, bytes.NewReader(text))
	if err != nil {
		return err
	}
	req.Header.Set("X-Vault-Token", b.token)
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return err
	}
	defer res.Body.Close()
	answer, err := io.ReadAll(res.Body)
	if err != nil {
		return err
	}
	if res.StatusCode != http.StatusOK && res.StatusCode != http.StatusNoContent {
		return fmt.Errorf("%s: %s: %s", path, res.Status, bytes.TrimSpace(answer))
	}
	if into == nil {
		return nil
	}
	return json.Unmarshal(answer, into)
}
