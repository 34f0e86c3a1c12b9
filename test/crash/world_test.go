package crash

import (
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/hallmark-id/hallmark/id2"
	"github.com/hallmark-id/hallmark/internal/operator"
	"github.com/hallmark-id/hallmark/internal/process"
	"github.com/hallmark-id/hallmark/openapi"
)

// world is the real binary on a data directory, and the devices and the back
// end around it. It uses one address across restarts, as a back end would.
type world struct {
	binary, dir string
	address     string
	server      *process.Process
	credential  *openapi.Credential
	client      *openapi.Client
	operator    *operator.Client
	product     string
	keys        []id2.PrivateKey
	serial      atomic.Uint64
}

func newWorld(t *testing.T) *world {
	t.Helper()
	w := &world{dir: t.TempDir(), address: "127.0.0.1:0"}
	w.binary = filepath.Join(w.dir, "hallmark")
	build := exec.Command("go", "build", "-o", w.binary, "../../cmd/hallmark")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("build: %v\n%s", err, out)
	}
	w.start(t)
	t.Cleanup(func() { w.server.Kill() })
	w.fill(t)
	return w
}

// start runs the server and returns once it answers.
func (w *world) start(t *testing.T) {
	t.Helper()
	var err error
	w.server, err = process.Start(t.Context(), w.binary, filepath.Join(w.dir, "ready"), "serve", "--data", filepath.Join(w.dir, "data"),
		"--listen", w.address, "--log-level", "warn", "--failure-rate", "0")
	if err != nil {
		t.Fatal(err)
	}
	w.address = w.server.Address()
	w.connect(t)
}

// connect makes new clients, whose connections belong to this life of the server.
func (w *world) connect(t *testing.T) {
	t.Helper()
	token, err := os.ReadFile(filepath.Join(w.dir, "data", "operator.token"))
	if err != nil {
		t.Fatal(err)
	}
	w.operator = operator.NewClient(operator.ClientOptions{URL: w.server.URL, Token: strings.TrimSpace(string(token)), Transport: &http.Transport{}})
	if w.client != nil {
		w.client = w.backEnd(t, w.credential)
	}
}

func (w *world) backEnd(t *testing.T, c *openapi.Credential) *openapi.Client {
	t.Helper()
	client, err := openapi.NewClient(openapi.ClientOptions{Endpoint: w.server.URL, Credential: c,
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
