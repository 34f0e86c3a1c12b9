package server

import (
	"context"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"database/sql"
	"encoding/hex"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"math/big"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/hallmark-id/hallmark/id2"
	"github.com/hallmark-id/hallmark/internal/keyring"
	"github.com/hallmark-id/hallmark/internal/operator"
	"github.com/hallmark-id/hallmark/internal/replay"
	"github.com/hallmark-id/hallmark/internal/store"
	"github.com/hallmark-id/hallmark/internal/testclock"
	"github.com/hallmark-id/hallmark/openapi"
)

// site is a server on a directory, with an operator and a back end.
type site struct {
	*Server
	dir     string
	clock   *testclock.Clock
	op      *operator.Client
	access  operator.CreatedClient
	product string
	key     id2.PrivateKey
	id      string
}

func config(dir string, c *testclock.Clock) Config {
	return Config{DataDir: dir, Listen: "127.0.0.1:0", Now: c.Now}
}

func startSite(t *testing.T, dir string, c *testclock.Clock) *site {
	t.Helper()
	return startWith(t, config(dir, c), c)
}

func startWith(t *testing.T, config Config, c *testclock.Clock) *site {
	t.Helper()
	s, err := Start(t.Context(), config)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Shutdown(context.Background()) })
	st := &site{Server: s, dir: config.DataDir, clock: c}
	st.op = operator.NewClient(operator.ClientOptions{URL: s.AdminURL(), Token: readToken(t, config.DataDir)})
	return st
}

func readToken(t *testing.T, dir string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(dir, TokenFile))
	if err != nil {
		t.Fatal(err)
	}
	return strings.TrimSpace(string(text))
}

// newSite starts a server on a new directory, with one AES device.
func newSite(t *testing.T) *site {
	t.Helper()
	st := startSite(t, t.TempDir(), testclock.New(time.UnixMilli(1_700_000_000_000)))
	st.equip(t)
	return st
}

func (st *site) equip(t *testing.T) {
	t.Helper()
	var err error
	if st.access, err = st.op.CreateAPIClient(t.Context(), operator.ClientSpec{Door: "id2"}); err != nil {
		t.Fatal(err)
	}
	p, err := st.op.CreateProduct(t.Context(), operator.ProductSpec{Name: "pump", Algorithm: "aes128"})
	if err != nil {
		t.Fatal(err)
	}
	if st.key, err = id2.GeneratePrivateKey(rand.Reader, id2.AES128); err != nil {
		t.Fatal(err)
	}
	st.product, st.id = p.ProductKey, strings.Repeat("A", 24)
	public := st.key.Public()
	st.importCSV(t, "id2,key_hex\n"+st.id+","+hex.EncodeToString(public.Bytes())+"\n")
}

func (st *site) importCSV(t *testing.T, csv string) {
	t.Helper()
	res, err := st.op.ImportDevices(t.Context(), st.product, strings.NewReader(csv))
	if err != nil || res.Imported != 1 {
		t.Fatalf("import: %+v, %v", res, err)
	}
}

// moved is the same back end and device in front of another server.
func (st *site) moved(t *testing.T, dir string) *site {
	t.Helper()
	other := startSite(t, dir, st.clock)
	other.access, other.product, other.key, other.id = st.access, st.product, st.key, st.id
	return other
}

func (st *site) stop(t *testing.T) {
	t.Helper()
	if err := st.Shutdown(context.Background()); err != nil {
		t.Fatal(err)
	}
}

func (st *site) timeCode(t *testing.T) string {
	t.Helper()
	c := id2.AuthCode{Kind: id2.Timestamp, Hash: id2.SHA256, DeviceRandom: "0123456789ABCDEF", Value: fmt.Sprint(st.clock.Now().UnixMilli())}
	var err error
	if c.Signature, err = st.key.Sign(nil, c.Hash, id2.AppendMessage(nil, st.id, c.DeviceRandom, c.Value, nil)); err != nil {
		t.Fatal(err)
	}
	return c.String()
}

func (st *site) verify(t *testing.T, code string, extra ...openapi.Param) int {
	t.Helper()
	c, err := openapi.NewClient(openapi.ClientOptions{Endpoint: st.URL(), Now: st.clock.Now,
		Credential: openapi.NewCredential(st.access.AccessKeyID, st.access.AccessKeySecret)})
	if err != nil {
		t.Fatal(err)
	}
	res, err := c.Call(t.Context(), "Verify", append(extra, openapi.Param{Name: "ApiVersion", Value: "1.1.2"}, openapi.Param{Name: "Id2", Value: st.id},
		openapi.Param{Name: "ProductKey", Value: st.product}, openapi.Param{Name: "AuthCode", Value: code}))
	if err != nil {
		t.Fatal(err)
	}
	return res.Code
}

// try verifies a code without a client and returns the answer as it is.
func (st *site) try(t *testing.T, code string) (status int, body string) {
	t.Helper()
	m := openapi.Message{Method: http.MethodGet, Action: "Verify", Version: "2017-07-07", Nonce: rand.Text(), Time: st.clock.Now(),
		Params: []openapi.Param{{Name: "ApiVersion", Value: "1.1.2"}, {Name: "Id2", Value: st.id}, {Name: "ProductKey", Value: st.product}, {Name: "AuthCode", Value: code}}}
	system, api, err := m.SignV1(openapi.NewCredential(st.access.AccessKeyID, st.access.AccessKeySecret), openapi.HMACSHA1)
	if err != nil {
		t.Fatal(err)
	}
	return st.get(t, st.URL(), "/?"+system+"&"+api, "")
}

func (st *site) wants(t *testing.T, what string, got, want int) {
	t.Helper()
	if got != want {
		t.Errorf("%s: code %d, want %d", what, got, want)
	}
}

// The API document's own example of Verify: an RSA-1024 device of 2017 that
// hashes with MD5. The vendor masked the last digits of the id and misprinted
// the signature; the vectors have them right.
func TestTheDocumentsOwnExample(t *testing.T) {
	text, err := os.ReadFile("../../id2/testdata/id2.json")
	if err != nil {
		t.Fatal(err)
	}
	var vectors struct {
		DeviceAuth []struct {
			Origin   string `json:"origin"`
			ID       string `json:"id"`
			Value    string `json:"value"`
			ExtraHex string `json:"extra_hex"`
			AuthCode string `json:"auth_code"`
			N        string `json:"rsa_n"`
			E        any    `json:"rsa_e"`
		} `json:"device_auth"`
	}
	if err := json.Unmarshal(text, &vectors); err != nil {
		t.Fatal(err)
	}
	for _, v := range vectors.DeviceAuth {
		if v.Origin != "seed-doc" {
			continue
		}
		var ms int64
		if _, err := fmt.Sscan(v.Value, &ms); err != nil {
			t.Fatal(err)
		}
		st := startSite(t, t.TempDir(), testclock.New(time.UnixMilli(ms).Add(3*time.Second)))
		st.equip(t)
		p, err := st.op.CreateProduct(t.Context(), operator.ProductSpec{Name: "2017", Algorithm: "rsa1024", Hashes: []string{"md5"}})
		if err != nil {
			t.Fatal(err)
		}
		st.product, st.id = p.ProductKey, v.ID
		st.importCSV(t, "id2,public_key_pem\n"+v.ID+",\""+rsaPEM(t, v.N, v.E)+"\"\n")
		extra, err := hex.DecodeString(v.ExtraHex)
		if err != nil {
			t.Fatal(err)
		}
		st.wants(t, "the document's example", st.verify(t, v.AuthCode, openapi.Param{Name: "Extra", Value: string(extra)}), 200)
		st.wants(t, "the document's example again", st.verify(t, v.AuthCode, openapi.Param{Name: "Extra", Value: string(extra)}), 34)
		return
	}
	t.Fatal("the vectors hold no example of the document")
}

func TestRestartKeepsEverything(t *testing.T) {
	st := newSite(t)
	code := st.timeCode(t)
	st.wants(t, "first", st.verify(t, code), 200)
	st.stop(t)
	again := st.moved(t, st.dir)
	st.wants(t, "replayed after a restart", again.verify(t, code), 34)
	again.clock.Set(again.clock.Now().Add(time.Second))
	st.wants(t, "a new code after a restart", again.verify(t, again.timeCode(t)), 200)
	d, err := again.op.Device(t.Context(), st.id)
	if err != nil || d.State != "active" || d.AuthCount != 1 {
		t.Errorf("device %+v, %v", d, err)
	}
}

// copyDir copies a data directory as cp -a would.
func copyDir(t *testing.T, from, to string, leaveOut string) {
	t.Helper()
	err := filepath.Walk(from, func(path string, info os.FileInfo, err error) error {
		if err != nil {
			return err
		}
		rel, _ := filepath.Rel(from, path)
		if leaveOut != "" && strings.HasPrefix(rel, leaveOut) {
			return nil
		}
		target := filepath.Join(to, rel)
		if info.IsDir() {
			return os.MkdirAll(target, info.Mode())
		}
		if !info.Mode().IsRegular() {
			t.Errorf("%s is not a regular file", rel)
		}
		text, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		return os.WriteFile(target, text, info.Mode())
	})
	if err != nil {
		t.Fatal(err)
	}
}

// Whoever starts a server on a copy or on a restored backup cannot know which
// codes the original has accepted since: all that devices may have sent by then
// are refused, and later ones work.
func TestCopiesAndBackupsReopenNoReplay(t *testing.T) {
	for name, leaveOut := range map[string]string{"copied directory": "", "restored backup without guard": "hallmark.db.guard"} {
		t.Run(name, func(t *testing.T) {
			st := newSite(t)
			st.wants(t, "before the copy", st.verify(t, st.timeCode(t)), 200)
			st.stop(t)
			copied := t.TempDir()
			copyDir(t, st.dir, copied, leaveOut)
			original := st.moved(t, st.dir)
			original.clock.Set(original.clock.Now().Add(time.Minute))
			code := original.timeCode(t)
			st.wants(t, "accepted by the original after the copy", original.verify(t, code), 200)
			original.stop(t)
			other := st.moved(t, copied)
			st.wants(t, "replayed to the copy", other.verify(t, code), 33)
			other.clock.Set(other.clock.Now().Add(11 * time.Minute))
			st.wants(t, "a later code", other.verify(t, other.timeCode(t)), 200)
		})
	}
}

func TestGuardDirectoryDeleted(t *testing.T) {
	st := newSite(t)
	code := st.timeCode(t)
	st.wants(t, "first", st.verify(t, code), 200)
	st.stop(t)
	if err := os.RemoveAll(filepath.Join(st.dir, "hallmark.db.guard")); err != nil {
		t.Fatal(err)
	}
	again := st.moved(t, st.dir)
	st.wants(t, "replayed", again.verify(t, code), 33)
}

func TestStartRefusals(t *testing.T) {
	st := newSite(t)
	other := filepath.Join(t.TempDir(), "other.key")
	if _, err := keyring.ReadOrCreateFile(other, true, rand.Reader); err != nil {
		t.Fatal(err)
	}
	if _, err := Start(t.Context(), config(st.dir, st.clock)); !errors.Is(err, replay.ErrLocked) {
		t.Errorf("second server on one directory: %v", err)
	}
	st.stop(t)
	newer := t.TempDir()
	makeNewer(t, newer)
	for name, c := range map[string]struct {
		change func(*Config)
		want   string
	}{
		"no directory":            {func(c *Config) { c.DataDir = "" }, "--data"},
		"another root key":        {func(c *Config) { c.RootKeyFile = other }, "does not belong"},
		"missing root key":        {func(c *Config) { c.RootKeyFile = filepath.Join(newer, "none.key") }, "put the key file back"},
		"plain HTTP for everyone": {func(c *Config) { c.Listen = "0.0.0.0:0" }, "--insecure-http"},
		"plain admin HTTP":        {func(c *Config) { c.AdminListen = ":0" }, "--insecure-http"},
		"profiles for everyone":   {func(c *Config) { c.PprofListen = "0.0.0.0:0" }, "loopback"},
		"half of TLS":             {func(c *Config) { c.TLSCert = "x.pem" }, "go together"},
		"no such certificate":     {func(c *Config) { c.TLSCert, c.TLSKey = "no.pem", "no.key" }, "TLS certificate"},
		"unknown store":           {func(c *Config) { c.Store = "mysql://x" }, "not understood"},
		"endless challenges":      {func(c *Config) { c.ChallengeLifetime = 1000 * time.Hour }, "challenge lifetime"},
		"newer database":          {func(c *Config) { c.DataDir = newer }, "newer version"},
		"address in use":          {func(c *Config) { c.Listen = "256.0.0.1:1"; c.InsecureHTTP = true }, "listen"},
		"ready file nowhere":      {func(c *Config) { c.ReadyFile = filepath.Join(newer, "no", "ready") }, "no such file"},
	} {
		t.Run(name, func(t *testing.T) {
			cfg := config(st.dir, st.clock)
			c.change(&cfg)
			s, err := Start(t.Context(), cfg)
			if err == nil {
				_ = s.Shutdown(context.Background())
				t.Fatal("it started")
			}
			if !strings.Contains(err.Error(), c.want) {
				t.Errorf("error %q does not say %q", err, c.want)
			}
		})
	}
	again := st.moved(t, st.dir) // nothing was harmed
	st.wants(t, "after all refusals", again.verify(t, again.timeCode(t)), 200)
}

// makeNewer makes a store as a later version would leave it.
func makeNewer(t *testing.T, dir string) {
	t.Helper()
	path := filepath.Join(dir, "hallmark.db")
	s, err := store.Open(t.Context(), store.Options{DSN: "sqlite:" + path, Now: time.Now, Random: rand.Reader})
	if err == nil {
		err = s.Close()
	}
	if err != nil {
		t.Fatal(err)
	}
	db, err := sql.Open("sqlite", path)
	if err != nil {
		t.Fatal(err)
	}
	_, err = db.Exec(`INSERT INTO schema_version (version) VALUES (9999)`)
	if err := errors.Join(err, db.Close()); err != nil {
		t.Fatal(err)
	}
}

func rsaPEM(t *testing.T, n string, e any) string {
	t.Helper()
	der, err := rsaDER(n, fmt.Sprint(e))
	if err != nil {
		t.Fatal(err)
	}
	return string(pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der}))
}

// get asks the public listener for a path with a token, "" for none.
func (st *site) get(t *testing.T, base, path, token string) (int, string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, base+path, nil)
	if err != nil {
		t.Fatal(err)
	}
	if token != "" {
		req.Header.Set("Authorization", "Bearer "+token)
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return res.StatusCode, string(body)
}

func TestHealthMetricsAndToken(t *testing.T) {
	st := newSite(t)
	st.wants(t, "verify", st.verify(t, st.timeCode(t)), 200)
	token := readToken(t, st.dir)
	for _, c := range []struct {
		path, token, contains string
		status                int
	}{
		{"/healthz", "", "ok", 200},
		{"/readyz", "", "ready", 200},
		{"/metrics", "", "token", 401},
		{"/metrics", "wrong", "token", 401},
		{"/metrics", token, `hallmark_id2_results_total{action="Verify",code="200"} 1`, 200},
		{"/metrics", token, "hallmark_replay_live_records 1", 200},
		{"/api/v1/products", "", "error", 401},
		{"/api/v1/products", token, st.product, 200},
		{"/api/openapi.json", token, "openapi", 200},
		{"/nowhere", "", "", 404},
	} {
		status, body := st.get(t, st.URL(), c.path, c.token)
		if status != c.status || !strings.Contains(body, c.contains) {
			t.Errorf("%s: %d, %.200s; want %d with %q", c.path, status, body, c.status, c.contains)
		}
	}
}

func TestAdminListenerTakesOperatorsAway(t *testing.T) {
	c := testclock.New(time.UnixMilli(1_700_000_000_000))
	cfg := config(t.TempDir(), c)
	cfg.AdminListen = "127.0.0.1:0"
	s, err := Start(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	st := &site{Server: s, dir: cfg.DataDir, clock: c}
	defer st.stop(t)
	token := readToken(t, cfg.DataDir)
	for _, path := range []string{"/api/v1/products", "/metrics"} {
		if status, _ := st.get(t, s.URL(), path, token); status != 404 {
			t.Errorf("public %s: %d", path, status)
		}
		if status, _ := st.get(t, s.AdminURL(), path, token); status != 200 {
			t.Errorf("admin %s: %d", path, status)
		}
	}
}

func TestFilesInTheDataDirectory(t *testing.T) {
	dir := t.TempDir()
	cfg := config(dir, testclock.New(time.UnixMilli(1_700_000_000_000)))
	cfg.ReadyFile = filepath.Join(t.TempDir(), "ready")
	s, err := Start(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	ready, err := os.ReadFile(cfg.ReadyFile)
	if err != nil || strings.TrimSpace(string(ready)) != s.URL() {
		t.Errorf("ready file %q, %v; want %s", ready, err, s.URL())
	}
	for _, name := range []string{TokenFile, StateFile, "root.key", "hallmark.db", "hallmark.db-wal"} {
		info, err := os.Stat(filepath.Join(dir, name))
		if err != nil || info.Mode() != 0o600 {
			t.Errorf("%s: %v, %v; want a regular file of mode 0600", name, info, err)
		}
	}
	if err := s.Shutdown(context.Background()); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(filepath.Join(dir, StateFile)); !os.IsNotExist(err) {
		t.Errorf("%s outlives a server that stopped in order: %v", StateFile, err)
	}
}

func rsaDER(n, e string) ([]byte, error) {
	modulus, ok1 := new(big.Int).SetString(n, 16)
	exponent, ok2 := new(big.Int).SetString(e, 0)
	if !ok1 || !ok2 {
		return nil, errors.New("not a number")
	}
	return x509.MarshalPKIXPublicKey(&rsa.PublicKey{N: modulus, E: int(exponent.Int64())})
}
