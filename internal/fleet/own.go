package fleet

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

// StartOwn starts a server in a process of its own, on a temporary directory and
// the embedded store, or on an empty PostgreSQL database if one is named. Stop
// ends it and removes the directory.
func StartOwn(ctx context.Context, store string) (t Target, stop func() error, err error) {
	dir, err := os.MkdirTemp("", "hallmark-fleet-")
	if err != nil {
		return t, nil, err
	}
	stop = func() error { return os.RemoveAll(dir) }
	defer func() {
		if err != nil {
			err = errors.Join(err, stop())
		}
	}()
	data := filepath.Join(dir, "data")
	if store == "" { // embedded, whatever the environment says
		store = "sqlite:" + filepath.Join(dir, "fleet.db")
	}
	self, err := os.Executable()
	if err != nil {
		return t, nil, err
	}
	server, err := process.Start(ctx, self, filepath.Join(dir, "ready"), "serve", "--data", data, "--listen", "127.0.0.1:0",
		"--log-level", "error", "--failure-rate", "0", "--store", store)
	if err != nil {
		return t, nil, err
	}
	stop = func() error { return errors.Join(server.Stop(), os.RemoveAll(dir)) }
	token, err := os.ReadFile(filepath.Join(data, "operator.token"))
	transport := http.DefaultTransport.(*http.Transport)
	op := operator.NewClient(operator.ClientOptions{URL: server.URL, Token: strings.TrimSpace(string(token)), Transport: transport})
	return Target{Operator: op, Door: server.URL, Transport: transport, CPU: server.CPU}, stop, err
}
