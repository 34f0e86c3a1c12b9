package operator_test

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/getkin/kin-openapi/openapi3filter"
	"github.com/getkin/kin-openapi/routers"
	"github.com/getkin/kin-openapi/routers/legacy"

	"github.com/hallmark-id/hallmark/internal/account"
	"github.com/hallmark-id/hallmark/internal/keyring"
	"github.com/hallmark-id/hallmark/internal/operator"
	"github.com/hallmark-id/hallmark/internal/pki"
	"github.com/hallmark-id/hallmark/internal/registry"
	"github.com/hallmark-id/hallmark/internal/store"
	"github.com/hallmark-id/hallmark/internal/testlog"
)

const token = "operator-token-for-tests"

// server is an operator API over a real store, and all that it has logged.
type server struct {
	t        *testing.T
	dir      string
	clock    *clock
	url      string
	handler  http.Handler
	registry *registry.Registry
	store    *store.Store
	ring     *keyring.Ring
	log      *testlog.Buffer
	answers  *testlog.Buffer // every body it answered, but for those that show secrets
	router   routers.Router
}

// clock is the time, moved forward by tests.
type clock struct{ ahead atomic.Int64 }

func (c *clock) now() time.Time { return time.Now().Add(time.Duration(c.ahead.Load())) }

func newServer(t *testing.T) *server {
	t.Helper()
	ctx := context.Background()
	dir, clock := t.TempDir(), &clock{}
	st, err := store.Open(ctx, store.Options{DSN: "sqlite:" + filepath.Join(dir, "hallmark.db"), Now: clock.now, Random: rand.Reader})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { st.Close() })
	ring, _, err := keyring.Create(keyring.RootKey{1}, rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	s := &server{t: t, dir: dir, clock: clock, store: st, ring: ring, log: &testlog.Buffer{}, answers: &testlog.Buffer{}, router: documentRouter(t)}
	s.registry = registry.New(registry.Options{Store: st, Ring: ring, Now: clock.now, Random: rand.Reader})
	if err := s.registry.EnsureOrg(ctx); err != nil {
		t.Fatal(err)
	}
	s.handler = operator.New(operator.Options{
		Registry: s.registry, PKI: s.newPKI(ctx), TokenHash: sha256.Sum256([]byte(token)),
		Accounts:  account.New(account.Options{Store: st, Ring: ring, Now: clock.now, Random: rand.Reader}),
		Log:       slog.New(slog.NewJSONHandler(s.log, &slog.HandlerOptions{Level: slog.LevelDebug})),
		RequestID: func(*http.Request) string { return "request-1" },
	})
	h := httptest.NewServer(s.handler)
	t.Cleanup(h.Close)
	s.url = h.URL
	return s
}

// newPKI makes the certificate authority behind the API.
func (s *server) newPKI(ctx context.Context) *pki.Service {
	s.t.Helper()
	authority := pki.New(pki.Options{Store: s.store, Ring: s.ring, Random: rand.Reader, Now: s.clock.now, BaseURL: func() string { return "http://ca.example.com" }})
	if err := authority.EnsureAuthorities(ctx); err != nil {
		s.t.Fatal(err)
	}
	return authority
}

func (s *server) client() *operator.Client {
	return operator.NewClient(operator.ClientOptions{URL: s.url, Token: token})
}

// The library knows these types, or would parse them; to the document they are text.
func init() {
	text := openapi3filter.RegisteredBodyDecoder("text/plain")
	openapi3filter.RegisterBodyDecoder("text/csv", text)
	openapi3filter.RegisterBodyDecoder("application/x-ndjson", text)
}

func document(t *testing.T) *openapi3.T {
	t.Helper()
	doc, err := openapi3.NewLoader().LoadFromData(operator.Document)
	if err != nil {
		t.Fatal(err)
	}
	return doc
}

func documentRouter(t *testing.T) routers.Router {
	t.Helper()
	doc := document(t)
	doc.Servers = nil                    // "/" is wherever the document comes from
	router, err := legacy.NewRouter(doc) // validates the document
	if err != nil {
		t.Fatal(err)
	}
	return router
}

// answer is a response with its body read.
type answer struct {
	status int
	header http.Header
	body   []byte
}

// send makes a request with the operator token and holds it and its answer
// against the OpenAPI document: what is taken must be described, and every
// answer must.
func (s *server) send(method, path, contentType, body string) answer {
	s.t.Helper()
	req, err := http.NewRequest(method, s.url+path, strings.NewReader(body))
	if err != nil {
		s.t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+token)
	if contentType != "" {
		req.Header.Set("Content-Type", contentType)
	}
	return s.do(req, body)
}

func (s *server) do(req *http.Request, body string) answer {
	s.t.Helper()
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		s.t.Fatal(err)
	}
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	if err != nil {
		s.t.Fatal(err)
	}
	a := answer{res.StatusCode, res.Header, text}
	if !strings.Contains(string(text), "_secret\"") && !strings.Contains(string(text), "app_sm4_key") {
		s.answers.Write(text)
	}
	s.conform(req, body, a)
	return a
}

func (s *server) conform(req *http.Request, body string, a answer) {
	s.t.Helper()
	where := fmt.Sprintf("%s %s → %d %.300s", req.Method, req.URL.RequestURI(), a.status, a.body)
	req = req.Clone(context.Background())
	req.Body = io.NopCloser(strings.NewReader(body))
	route, params, err := s.router.FindRoute(req)
	if err != nil {
		if a.status != http.StatusNotFound && a.status != http.StatusMethodNotAllowed && a.status != http.StatusUnauthorized {
			s.t.Errorf("%s: not in the document: %v", where, err)
		}
		return
	}
	options := &openapi3filter.Options{AuthenticationFunc: openapi3filter.NoopAuthenticationFunc, IncludeResponseStatus: true}
	in := &openapi3filter.RequestValidationInput{Request: req, PathParams: params, Route: route, Options: options}
	if err := openapi3filter.ValidateRequest(context.Background(), in); err != nil && a.status < 300 {
		s.t.Errorf("%s: the document refuses this request: %v", where, err)
	}
	out := &openapi3filter.ResponseValidationInput{RequestValidationInput: in, Status: a.status, Header: a.header, Options: options}
	if err := openapi3filter.ValidateResponse(context.Background(), out.SetBodyBytes(a.body)); err != nil {
		s.t.Errorf("%s: the document does not describe this answer: %v", where, err)
	}
}

// into reads a JSON answer that must have the given status.
func (s *server) into(a answer, status int, v any) {
	s.t.Helper()
	if a.status != status {
		s.t.Fatalf("status %d, want %d: %s", a.status, status, a.body)
	}
	if err := json.Unmarshal(a.body, v); err != nil {
		s.t.Fatal(err)
	}
}

// refused checks an error answer.
func (s *server) refused(a answer, status int, code, part string) {
	s.t.Helper()
	var body operator.ErrorBody
	s.into(a, status, &body)
	if body.Error.Code != code || !strings.Contains(body.Error.Message, part) {
		s.t.Errorf("error %+v, want code %s and a message with %q", body.Error, code, part)
	}
}

func (s *server) get(path string) answer { s.t.Helper(); return s.send("GET", path, "", "") }

func (s *server) post(path, body string) answer {
	s.t.Helper()
	return s.send("POST", path, "application/json", body)
}

func (s *server) importCSV(product, csv string) answer {
	s.t.Helper()
	return s.send("POST", "/api/v1/products/"+product+"/devices:import", "text/csv", csv)
}

// product makes a product and returns its key.
func (s *server) product(name, algorithm string) string {
	s.t.Helper()
	var p operator.CreatedProduct
	s.into(s.post("/api/v1/products", fmt.Sprintf(`{"name":%q,"algorithm":%q}`, name, algorithm)), http.StatusCreated, &p)
	return p.ProductKey
}

// id makes the n-th id2 of these tests.
func id(n int) string { return fmt.Sprintf("%032X", n) }

// key makes the AES-128 key of the n-th device, easy to find in a text.
func key(n int) string { return fmt.Sprintf("5ec2e7%026x", n) }

// rows makes a file with devices from to to-1.
func rows(from, to int) string {
	var b strings.Builder
	b.WriteString("id2,key_hex,name\n")
	for n := from; n < to; n++ {
		fmt.Fprintf(&b, "%s,%s,device %d\n", id(n), key(n), n)
	}
	return b.String()
}
