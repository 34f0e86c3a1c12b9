package fleet

import (
	"context"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/hallmark-id/hallmark/id2"
	"github.com/hallmark-id/hallmark/internal/operator"
	"github.com/hallmark-id/hallmark/internal/server"
	"github.com/hallmark-id/hallmark/internal/target"
)

// realServer starts a whole server on a temporary store.
func realServer(t *testing.T) target.Target {
	t.Helper()
	dir := t.TempDir()
	s, err := server.Start(t.Context(), server.Config{DataDir: dir, Listen: "127.0.0.1:0"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Shutdown(context.Background()) })
	token, err := os.ReadFile(filepath.Join(dir, server.TokenFile))
	if err != nil {
		t.Fatal(err)
	}
	transport := &http.Transport{}
	t.Cleanup(transport.CloseIdleConnections)
	return target.Target{Operator: operator.NewClient(operator.ClientOptions{URL: s.AdminURL(), Token: strings.TrimSpace(string(token)), Transport: transport}),
		Door: s.URL(), Transport: transport}
}

// A small fleet in front of a real server: as many are provisioned as there are
// licences, the others refused; those authenticate again and again.
func TestFleet(t *testing.T) {
	for _, byChallenge := range []bool{false, true} {
		on := realServer(t)
		ctx, cancel := context.WithCancel(t.Context())
		var seen atomic.Int64
		last, err := Run(ctx, on, Config{Devices: 30, Connections: 8, Algorithm: "sm4", Quota: 20, Interval: 50 * time.Millisecond,
			Duration: time.Hour, Challenge: byChallenge, Every: 5 * time.Millisecond, Watch: func(s Snapshot) {
				if seen.Store(s.Authentication.Succeeded); s.Authentication.Succeeded >= 100 {
					cancel()
				}
			}})
		cancel()
		if err != nil {
			t.Fatal(err)
		}
		p, a := last.Provisioning, last.Authentication
		wantRefused := []Refusal{{id2.CodeQuota, id2.CodeQuota.Message(), 10}}
		if diff := cmp.Diff(wantRefused, p.Refused); p.Succeeded != 20 || diff != "" || p.Failed != 0 {
			t.Errorf("provisioning %+v\n%s", p, diff)
		}
		if a.Succeeded < 100 || a.Succeeded < seen.Load() || len(a.Refused) != 0 || a.Failed != 0 || !last.Interrupted || a.P50 == 0 || a.P50 > a.Max {
			t.Errorf("authentication %+v, interrupted %v", a, last.Interrupted)
		}
		made, err := on.Operator.Product(t.Context(), last.ProductKey)
		if err != nil || made.Used != 20 {
			t.Errorf("%d licences used, %v; want 20", made.Used, err)
		}
		devices, err := on.Operator.Devices(t.Context(), operator.DeviceQuery{Product: last.ProductKey, State: "active"})
		if err != nil || len(devices.Devices) == 0 || len(devices.Devices) > 20 {
			t.Errorf("%d devices are active, %v", len(devices.Devices), err)
		}
		clients, err := on.Operator.APIClients(t.Context())
		if err != nil || len(clients.Clients) != 0 {
			t.Errorf("the credential was left: %+v, %v", clients, err)
		}
	}
}

// It ends by itself when its time is over, and then is not interrupted.
func TestFleetEnds(t *testing.T) {
	last, err := Run(t.Context(), realServer(t), Config{Devices: 3, Connections: 2, Algorithm: "aes128", Quota: -1, Interval: time.Millisecond,
		Duration: 50 * time.Millisecond, Every: time.Hour, Watch: func(Snapshot) {}})
	if err != nil || last.Interrupted || last.Provisioning.Succeeded != 3 || last.Authentication.Succeeded == 0 {
		t.Errorf("%+v, %v", last, err)
	}
}

// A door that does not answer is counted as such, and no identity comes of it.
func TestFleetWithoutADoor(t *testing.T) {
	on := realServer(t)
	on.Door = "http://127.0.0.1:1"
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	last, err := Run(ctx, on, Config{Devices: 2, Connections: 2, Algorithm: "aes128", Quota: -1, Interval: 10 * time.Millisecond, Duration: time.Hour,
		Every: 5 * time.Millisecond, Watch: func(s Snapshot) {
			if s.Provisioning.Failed >= 4 { // all tried, and at their turns tried again
				cancel()
			}
		}})
	if err != nil || last.Provisioning.Succeeded != 0 || last.Provisioning.Failed < 4 || !strings.Contains(last.Provisioning.LastFailure, "refused") ||
		strings.Contains(last.Provisioning.LastFailure, "Signature") || last.Authentication.answers() != 0 {
		t.Errorf("%+v, %v", last, err)
	}
}
