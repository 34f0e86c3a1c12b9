package crash

import (
	"bytes"
	"context"
	"errors"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/hallmark-id/hallmark/id2"
	"github.com/hallmark-id/hallmark/internal/operator"
	"github.com/hallmark-id/hallmark/openapi"
)

// world is the real binary on a data directory, and the devices and the back
// end around it. It uses one address across restarts, as a back end would.
type world struct {
	binary, dir string
	url         string
	cmd         *exec.Cmd
	done        chan error
	log         *lockedBuffer
	credential  *openapi.Credential
	client      *openapi.Client
	operator    *operator.Client
	product     string
	keys        []id2.PrivateKey
	serial      atomic.Uint64
}

func newWorld(t *testing.T) *world {
	t.Helper()
	w := &world{dir: t.TempDir(), log: &lockedBuffer{}}
	w.binary = filepath.Join(w.dir, "hallmark")
	build := exec.Command("go", "build", "-o", w.binary, "../../cmd/hallmark")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("build: %v\n%s", err, out)
	}
	w.start(t)
	t.Cleanup(func() { w.kill(t) })
	w.fill(t)
	return w
}

// start runs the server and returns once it answers.
func (w *world) start(t *testing.T) {
	t.Helper()
	ready := filepath.Join(w.dir, "ready")
	address := "127.0.0.1:0"
	if w.url != "" {
		address = strings.TrimPrefix(w.url, "http://")
	}
	w.cmd = exec.Command(w.binary, "serve", "--data", filepath.Join(w.dir, "data"), "--listen", address, "--ready-file", ready,
		"--log-level", "warn", "--failure-rate", "0")
	w.cmd.Stdout, w.cmd.Stderr = w.log, w.log
	if err := w.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	done := make(chan error, 1)
	w.done = done
	go func() { done <- w.cmd.Wait() }()
	url, err := awaitFile(t.Context(), ready, done)
	if err != nil {
		t.Fatalf("the server did not start: %v\n%s", err, w.output())
	}
	w.url = url
	w.connect(t)
}

// awaitFile waits for the ready file, or for the server's end.
func awaitFile(ctx context.Context, path string, done chan error) (string, error) {
	ticker := time.NewTicker(5 * time.Millisecond)
	defer ticker.Stop()
	for {
		if text, err := os.ReadFile(path); err == nil {
			return strings.TrimSpace(string(text)), os.Remove(path)
		}
		select {
		case err := <-done:
			done <- err
			return "", errors.Join(errors.New("it ended"), err)
		case <-ctx.Done():
			return "", ctx.Err()
		case <-ticker.C:
		}
	}
}

// kill ends the server as a power cut would end it, and waits until it is gone.
func (w *world) kill(t *testing.T) {
	if err := w.cmd.Process.Kill(); err != nil && !errors.Is(err, os.ErrProcessDone) {
		t.Error(err)
	}
	err := <-w.done
	w.done <- err
}

func (w *world) output() string { return w.log.String() }

// connect makes new clients, whose connections belong to this life of the server.
func (w *world) connect(t *testing.T) {
	t.Helper()
	token, err := os.ReadFile(filepath.Join(w.dir, "data", "operator.token"))
	if err != nil {
		t.Fatal(err)
	}
	w.operator = operator.NewClient(operator.ClientOptions{URL: w.url, Token: strings.TrimSpace(string(token)), Transport: &http.Transport{}})
	if w.client != nil {
		w.client = w.backEnd(t, w.credential)
	}
}

func (w *world) backEnd(t *testing.T, c *openapi.Credential) *openapi.Client {
	t.Helper()
	client, err := openapi.NewClient(openapi.ClientOptions{Endpoint: w.url, Credential: c,
		HTTP: &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: workers}}})
	if err != nil {
		t.Fatal(err)
	}
	return client
}

// fill makes a product, its devices and a client.
func (w *world) fill(t *testing.T) {
	t.Helper()
	p, err := w.operator.CreateProduct(t.Context(), operator.ProductSpec{Name: "pumps", Algorithm: "aes128"})
	if err != nil {
		t.Fatal(err)
	}
	w.product = p.ProductKey
	csv, err := w.makeDevices()
	if err != nil {
		t.Fatal(err)
	}
	res, err := w.operator.ImportDevices(t.Context(), w.product, strings.NewReader(csv))
	if err != nil || res.Imported != deviceCount {
		t.Fatalf("import: %+v, %v", res, err)
	}
	access, err := w.operator.CreateAPIClient(t.Context(), operator.ClientSpec{Door: "id2"})
	if err != nil {
		t.Fatal(err)
	}
	w.credential = openapi.NewCredential(access.AccessKeyID, access.AccessKeySecret)
	w.client = w.backEnd(t, w.credential)
}

// lockedBuffer collects the server's output while it runs.
type lockedBuffer struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (b *lockedBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.Write(p)
}

func (b *lockedBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.String()
}
