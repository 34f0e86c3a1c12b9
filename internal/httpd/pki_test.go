package httpd

import (
	"context"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/hallmark-id/hallmark/internal/audit"
	"github.com/hallmark-id/hallmark/internal/keyring"
	"github.com/hallmark-id/hallmark/internal/pki"
	"github.com/hallmark-id/hallmark/internal/store"
	"github.com/hallmark-id/hallmark/internal/testclock"
)

// newPKI is a certificate authority over a store of its own.
func newPKI(t *testing.T) (*pki.Service, *testclock.Clock) {
	t.Helper()
	clock := testclock.New(time.Date(2026, 5, 4, 3, 2, 1, 0, time.UTC))
	st, err := store.Open(t.Context(), store.Options{DSN: "sqlite:" + filepath.Join(t.TempDir(), "pki.db"), Now: clock.Now, Random: rand.Reader})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = st.Close() })
	ring, _, err := keyring.Create(keyring.RootKey{1}, rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	s := pki.New(pki.Options{Store: st, Ring: ring, Random: rand.Reader, Now: clock.Now, BaseURL: func() string { return "http://ca.example.com" }})
	if err := s.EnsureAuthorities(t.Context()); err != nil {
		t.Fatal(err)
	}
	return s, clock
}

func getPage(h http.Handler, path string, header ...string) *httptest.ResponseRecorder {
	r := httptest.NewRequest("GET", path, nil)
	for i := 0; i < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w
}

func TestPKIPages(t *testing.T) {
	authorities, clock := newPKI(t)
	h := New(Options{PKI: authorities, Metrics: NewMetrics(prometheus.NewRegistry()), Log: slog.New(slog.DiscardHandler), Now: clock.Now,
		Ready: func(context.Context) error { return nil }})
	a, err := authorities.ActiveAuthority(t.Context(), pki.RSA)
	if err != nil {
		t.Fatal(err)
	}
	waiting, err := authorities.Prepare(t.Context(), pki.NewAuthority{Kind: pki.ECC, By: audit.Actor{Name: "test"}})
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{a.ID.String(), "rsa", "RSA"} {
		crl := getPage(h, "/pki/"+name+".crl")
		list, err := x509.ParseRevocationList(crl.Body.Bytes())
		if err != nil || crl.Header().Get("Content-Type") != "application/pkix-crl" || crl.Header().Get("Last-Modified") == "" {
			t.Fatalf("%s: %v, %v", name, err, crl.Header())
		}
		crt := getPage(h, "/pki/"+name+".crt")
		cert, err := x509.ParseCertificate(crt.Body.Bytes())
		if err != nil || list.CheckSignatureFrom(cert) != nil || crt.Header().Get("Content-Type") != "application/pkix-cert" {
			t.Errorf("%s: %v", name, err)
		}
		if text := getPage(h, "/pki/"+name+".pem"); text.Body.String() != string(a.ChainPEM()) || !strings.HasPrefix(text.Header().Get("Content-Type"), "application/pem") {
			t.Errorf("%s: chain %s", name, text.Body)
		}
		if again := getPage(h, "/pki/"+name+".crl", "If-None-Match", crl.Header().Get("ETag")); again.Code != http.StatusNotModified {
			t.Errorf("%s: who has the newest list: %d", name, again.Code)
		}
	}
	for _, path := range []string{"/pki/sm2.crl", "/pki/0000000000000.crl", "/pki/x.crl", "/pki/rsa", "/pki/rsa.key", "/pki/rsa.crl.pem", "/pki/", "/pki/a/b.crl",
		"/pki/" + waiting.ID.String() + ".crl", "/pki/" + waiting.ID.String() + ".crt"} {
		if w := getPage(h, path); w.Code != http.StatusNotFound {
			t.Errorf("%s: %d %s", path, w.Code, w.Body)
		}
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, httptest.NewRequest("POST", "/pki/rsa.crl", nil))
	if w.Code != http.StatusMethodNotAllowed {
		t.Errorf("POST: %d", w.Code)
	}
}

// A list in PEM, as the EnOS service has it.
func TestListInPEM(t *testing.T) {
	authorities, _ := newPKI(t)
	a, err := authorities.ActiveAuthority(t.Context(), pki.ECC)
	if err != nil {
		t.Fatal(err)
	}
	w := httptest.NewRecorder()
	p := &pkiPages{authorities, slog.New(slog.DiscardHandler)}
	p.serveList(w, httptest.NewRequest("GET", "/", nil), a.ID, "application/x-pem-file")
	block, rest := pem.Decode(w.Body.Bytes())
	if block == nil || block.Type != "X509 CRL" || len(rest) > 0 {
		t.Fatalf("%s", w.Body)
	}
	if _, err := x509.ParseRevocationList(block.Bytes); err != nil {
		t.Error(err)
	}
}

// What went wrong inside is not told.
func TestPKIPageFailure(t *testing.T) {
	p := &pkiPages{log: slog.New(slog.DiscardHandler)}
	w := httptest.NewRecorder()
	p.fail(w, httptest.NewRequest("GET", "/pki/rsa.crl", nil), errors.New("no store"))
	if w.Code != http.StatusServiceUnavailable || strings.Contains(w.Body.String(), "no store") {
		t.Errorf("%d %s", w.Code, w.Body)
	}
}
