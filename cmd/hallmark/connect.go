package main

import (
	"cmp"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"strings"

	"github.com/hallmark-id/hallmark/internal/operator"
)

// client returns the client of the server that the flags name. Flags come
// before --data, and --data before the environment.
func (e *Env) client() (*operator.Client, error) {
	address, tokenFile, err := e.locate()
	if err != nil {
		return nil, err
	}
	token, err := os.ReadFile(tokenFile)
	if err != nil {
		return nil, withHint(fmt.Errorf("operator token: %w", err), "the server writes it to operator.token in its data directory")
	}
	transport, err := e.transport()
	if err != nil {
		return nil, err
	}
	return operator.NewClient(operator.ClientOptions{URL: address, Token: strings.TrimSpace(string(token)), Org: e.Org, Transport: transport}), nil
}

// locate finds the server's address and the file with its token.
func (e *Env) locate() (address, tokenFile string, err error) {
	address, tokenFile = e.Server, e.TokenFile
	if e.Data != "" {
		if address == "" {
			running, err := findRunning(e.Data)
			if err != nil {
				return "", "", err
			}
			address = cmp.Or(running.AdminURL, running.URL)
		}
		if tokenFile == "" {
			tokenFile = filepath.Join(e.Data, "operator.token")
		}
	}
	address = cmp.Or(address, os.Getenv("HALLMARK_SERVER"))
	tokenFile = cmp.Or(tokenFile, os.Getenv("HALLMARK_TOKEN_FILE"))
	switch {
	case address == "":
		return "", "", usage("which server? give --data DIR on its own machine, else --server URL and --token-file FILE (or HALLMARK_SERVER and HALLMARK_TOKEN_FILE)")
	case tokenFile == "":
		return "", "", usage("--server needs --token-file FILE (or HALLMARK_TOKEN_FILE): the server wrote it to operator.token in its data directory")
	}
	return address, tokenFile, nil
}

// runningServer is what a server leaves in its data directory: where it was
// last started. It may be gone since.
type runningServer struct {
	URL      string `json:"url"`
	AdminURL string `json:"admin_url"` // of the operator API, where it has an address of its own
	PID      int    `json:"pid"`
}

func findRunning(dir string) (s runningServer, err error) {
	path := filepath.Join(dir, "server.json")
	text, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return s, withHint(fmt.Errorf("no server has been started on %s", dir), "start one with hallmark serve --data %s", dir)
	}
	if err != nil {
		return s, err
	}
	if err := json.Unmarshal(text, &s); err != nil || s.URL == "" {
		return s, withHint(fmt.Errorf("%s does not name a server", path), "start it anew with hallmark serve --data %s", dir)
	}
	return s, nil
}

// transport trusts the system's authorities, or the one that --ca-cert names.
func (e *Env) transport() (http.RoundTripper, error) {
	if e.CACert == "" {
		return http.DefaultTransport, nil
	}
	pem, err := os.ReadFile(e.CACert)
	if err != nil {
		return nil, fmt.Errorf("--ca-cert: %w", err)
	}
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM(pem) {
		return nil, fmt.Errorf("--ca-cert: %s holds no certificate in PEM", e.CACert)
	}
	return &http.Transport{
		Proxy:             http.ProxyFromEnvironment,
		ForceAttemptHTTP2: true,
		TLSClientConfig:   &tls.Config{RootCAs: roots},
	}, nil
}
