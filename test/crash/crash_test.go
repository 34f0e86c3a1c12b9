// Package crash kills the real server while it works, again and again, and
// looks whether it kept its promises.
package crash

import (
	"context"
	"errors"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/hallmark-id/hallmark/internal/operator"
	"github.com/hallmark-id/hallmark/internal/process"
	"github.com/hallmark-id/hallmark/test/promise"
)

const (
	rounds  = 8
	workers = 16
	devices = 400
)

// site is the real binary on a data directory. It uses one address across
// restarts, as back ends know only one.
type site struct {
	binary, dir, address string
	server               *process.Process
}

func (s *site) start(t *testing.T) {
	t.Helper()
	var err error
	s.server, err = process.Start(t.Context(), s.binary, filepath.Join(s.dir, "ready"), "serve", "--data", filepath.Join(s.dir, "data"),
		"--listen", s.address, "--log-level", "warn", "--failure-rate", "0")
	if err != nil {
		t.Fatal(err)
	}
	s.address = s.server.Address()
}

// operator returns a client whose connections belong to this life of the server.
func (s *site) operator(t *testing.T) *operator.Client {
	t.Helper()
	token, err := os.ReadFile(filepath.Join(s.dir, "data", "operator.token"))
	if err != nil {
		t.Fatal(err)
	}
	return operator.NewClient(operator.ClientOptions{URL: s.server.URL, Token: strings.TrimSpace(string(token)), Transport: &http.Transport{}})
}

func newSite(t *testing.T) *site {
	t.Helper()
	s := &site{dir: t.TempDir(), address: "127.0.0.1:0"}
	s.binary = filepath.Join(s.dir, "hallmark")
	if out, err := exec.Command("go", "build", "-o", s.binary, "../../cmd/hallmark").CombinedOutput(); err != nil {
		t.Fatalf("build: %v\n%s", err, out)
	}
	s.start(t)
	t.Cleanup(func() { s.server.Kill() })
	return s
}

// A second process on the same store exits 1 and says why; the first goes on,
// and ends with 0 when it is asked to.
func TestSecondProcessExits(t *testing.T) {
	s := newSite(t)
	second := exec.Command(s.binary, "serve", "--data", filepath.Join(s.dir, "data"), "--listen", "127.0.0.1:0")
	out, err := second.CombinedOutput()
	if second.ProcessState.ExitCode() != 1 || !strings.Contains(string(out), "locked by another process") {
		t.Errorf("second process: %v\n%s", err, out)
	}
	if _, err := promise.New(t.Context(), s.operator(t), 1); err != nil {
		t.Errorf("the first process: %v", err)
	}
	if err := s.server.Stop(); err != nil {
		t.Errorf("asked to end: %v", err)
	}
}

func TestKillUnderLoad(t *testing.T) {
	s := newSite(t)
	fleet, err := promise.New(t.Context(), s.operator(t), devices)
	if err != nil {
		t.Fatal(err)
	}
	for round := range rounds {
		connect(t, fleet, s.server.URL)
		// The kill comes after another number of answers in every round.
		loadUntilKilled(t, fleet, s.server, int64(40+round*97))
		s.start(t)
		connect(t, fleet, s.server.URL)
		if err := errors.Join(fleet.Replay(t.Context(), workers), fleet.CheckLicences(t.Context(), s.operator(t))); err != nil {
			t.Fatalf("round %d: %v", round, err)
		}
	}
	t.Logf("%d rounds: %s", rounds, fleet.Summary())
}

func connect(t *testing.T, fleet *promise.Fleet, url string) {
	t.Helper()
	if err := fleet.Connect(url, &http.Transport{MaxIdleConnsPerHost: workers}); err != nil {
		t.Fatal(err)
	}
}

// loadUntilKilled verifies devices and kills the server after a number of
// accepted codes.
func loadUntilKilled(t *testing.T, fleet *promise.Fleet, server *process.Process, after int64) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	killed := false
	err := fleet.Load(ctx, workers, func(n int64) {
		if n == after {
			server.Kill()
			killed = true
			cancel()
		}
	}, func(error) bool { return false })
	if !killed || errors.Is(err, promise.ErrRefused) {
		t.Fatalf("killed %v: %v\n%s", killed, err, server.Output())
	}
}
