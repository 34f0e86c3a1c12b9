package target

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"net"
	"net/http"
	"net/http/httptest"
	"testing"
)

// A certificate of our own is trusted by who has its configuration, and by nobody
// else.
func TestCertificate(t *testing.T) {
	c, err := NewCertificate(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	pair, err := tls.LoadX509KeyPair(c.CertFile, c.KeyFile)
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewUnstartedServer(http.NotFoundHandler())
	server.TLS = &tls.Config{Certificates: []tls.Certificate{pair}}
	server.StartTLS()
	defer server.Close()
	dial, err := Dialer(server.URL, c.Trust)
	if err != nil {
		t.Fatal(err)
	}
	conn, err := dial(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if state := conn.(*tls.Conn).ConnectionState(); state.NegotiatedProtocol != "" {
		t.Errorf("speaks %s", state.NegotiatedProtocol)
	}
	_ = conn.Close()
	if dial, err = Dialer(server.URL, nil); err != nil {
		t.Fatal(err)
	}
	var unknown x509.UnknownAuthorityError
	if _, err := dial(t.Context()); !errors.As(err, &unknown) {
		t.Errorf("trusted by anybody: %v", err)
	}
}

// Without a port it is that of the scheme. The error tells where it went.
func TestDialerPorts(t *testing.T) {
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	for base, want := range map[string]string{"http://127.0.0.1:8080/x": "8080", "http://127.0.0.1": "80", "https://127.0.0.1": "443", "https://[::1]:8443": "8443"} {
		dial, err := Dialer(base, nil)
		if err != nil {
			t.Fatal(err)
		}
		_, err = dial(ended)
		var failed *net.OpError
		if !errors.As(err, &failed) || failed.Addr == nil {
			t.Fatalf("%s: %v", base, err)
		}
		if _, port, _ := net.SplitHostPort(failed.Addr.String()); port != want {
			t.Errorf("%s: port %s, want %s", base, port, want)
		}
	}
	if _, err := Dialer("http://%", nil); err == nil {
		t.Error("no URL was taken")
	}
}
