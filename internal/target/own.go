package target

import (
	"context"
	"errors"
	"net/http"
	"os"
	"path/filepath"
	"strings"

	"github.com/hallmark-id/hallmark/internal/operator"
	"github.com/hallmark-id/hallmark/internal/process"
)

// Options say how a server of our own is started.
type Options struct {
	// Store is the address of an empty PostgreSQL database, "" for the embedded
	// store.
	Store string
	TLS   bool
	// Behind has the server take this machine for a proxy, whose X-Forwarded-For
	// tells who asks: the console gives one address few codes to scan.
	Behind bool
	// PprofListen is where it shows its profile, "" for nowhere.
	PprofListen string
}

// StartOwn starts a server, which is this program in a process of its own, on a
// temporary directory. Stop ends it and removes the directory.
func StartOwn(ctx context.Context, o Options) (t Target, stop func() error, err error) {
	dir, err := os.MkdirTemp("", "hallmark-bench-")
	if err != nil {
		return t, nil, err
	}
	stop = func() error { return os.RemoveAll(dir) }
	defer func() {
		if err != nil {
			err = errors.Join(err, stop())
		}
	}()
	flags, transport, err := o.flags(dir)
	if err != nil {
		return t, stop, err
	}
	self, err := os.Executable()
	if err != nil {
		return t, stop, err
	}
	server, err := process.Start(ctx, self, filepath.Join(dir, "ready"), append([]string{"serve"}, flags...)...)
	if err != nil {
		return t, stop, err
	}
	stop = func() error { return errors.Join(server.Stop(), os.RemoveAll(dir)) }
	token, err := os.ReadFile(filepath.Join(dir, "data", "operator.token"))
	op := operator.NewClient(operator.ClientOptions{URL: server.URL, Token: strings.TrimSpace(string(token)), Transport: transport})
	return Target{Operator: op, Door: server.URL, Console: server.URL, Transport: transport, CPU: server.CPU, Own: true}, stop, err
}

// flags are those of the server; the transport trusts its certificate.
func (o *Options) flags(dir string) ([]string, *http.Transport, error) {
	store := o.Store
	if store == "" { // embedded, whatever the environment says
		store = "sqlite:" + filepath.Join(dir, "bench.db")
	}
	flags := []string{"--data", filepath.Join(dir, "data"), "--listen", "127.0.0.1:0", "--log-level", "error", "--failure-rate", "0", "--store", store}
	if o.PprofListen != "" {
		flags = append(flags, "--pprof-listen", o.PprofListen)
	}
	if o.Behind {
		flags = append(flags, "--trusted-proxy", "127.0.0.0/8")
	}
	more, transport, err := Listener(dir, o.TLS)
	return append(flags, more...), transport, err
}

// Listener returns the flags of a server that listens over TLS, or none, and a
// transport that trusts its certificate, whose files lie in dir.
func Listener(dir string, overTLS bool) ([]string, *http.Transport, error) {
	transport := http.DefaultTransport.(*http.Transport).Clone()
	if !overTLS {
		return nil, transport, nil
	}
	c, err := NewCertificate(dir)
	transport.TLSClientConfig = c.Trust
	return []string{"--tls-cert", c.CertFile, "--tls-key", c.KeyFile}, transport, err
}
