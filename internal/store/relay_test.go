package store

import (
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/hallmark-id/hallmark/internal/audit"
	"github.com/hallmark-id/hallmark/internal/registry"
)

func testUpstream(org registry.ID) registry.UpstreamRow {
	return registry.UpstreamRow{Org: org, Sealed: []byte("sealed"), Changed: testTime, Upstream: registry.Upstream{
		Endpoint: "https://id2.example", AccessKeyID: "LTAI", CA: "pem", Timeout: 1500 * time.Millisecond, InsecureHTTP: true}}
}

func TestUpstream(t *testing.T) {
	onEach(t, func(t *testing.T, dsn string) {
		s := open(t, dsn)
		if _, err := s.Upstream(t.Context(), 1); !errors.Is(err, registry.ErrNotFound) {
			t.Errorf("none: %v", err)
		}
		if err := s.RemoveUpstream(t.Context(), 1, event); !errors.Is(err, registry.ErrNotFound) {
			t.Errorf("remove none: %v", err)
		}
		u := testUpstream(1)
		for _, endpoint := range []string{"https://first.example", "https://second.example"} {
			u.Endpoint = endpoint
			if err := s.SetUpstream(t.Context(), u, event); err != nil {
				t.Fatal(err)
			}
			got, err := s.Upstream(t.Context(), 1)
			if diff := cmp.Diff(u, got); err != nil || diff != "" {
				t.Errorf("%v\n%s", err, diff)
			}
		}
		if _, err := s.Upstream(t.Context(), 2); !errors.Is(err, registry.ErrNotFound) {
			t.Errorf("another organisation sees it: %v", err)
		}
		if err := s.RemoveUpstream(t.Context(), 1, event); err != nil {
			t.Error(err)
		}
		if _, err := s.Upstream(t.Context(), 1); !errors.Is(err, registry.ErrNotFound) {
			t.Errorf("after removal: %v", err)
		}
	})
}

func relayed(org registry.ID, n int, at registry.Instant, product string, count int64) registry.Relayed {
	return registry.Relayed{Org: org, ID2: fmt.Sprintf("%024d", n), Product: product, First: at, Last: at, Count: count,
		Event: audit.Event{Org: int64(org), Action: "device.relayed", Detail: "{}", At: int64(at)}}
}

func TestRelayed(t *testing.T) {
	const day = 24 * 60 * 60 * 1000
	onEach(t, func(t *testing.T, dsn string) {
		s := open(t, dsn)
		add := func(batch ...registry.Relayed) {
			t.Helper()
			if err := s.AddRelayed(t.Context(), batch); err != nil {
				t.Fatal(err)
			}
		}
		add()
		add(relayed(1, 2, testTime-3*day, "P2", 1), relayed(1, 1, testTime-40*day, "", 0), relayed(2, 1, testTime, "P9", 5))
		add(relayed(1, 1, testTime-10, "P1", 2)) // again, and it names its product
		add(relayed(1, 1, testTime-20, "", 0))   // late, and it does not
		add(relayed(1, 3, testTime-60*day, "P1", 1), relayed(1, 4, testTime-20*day, "P1", 1))
		rows := []registry.DeviceRow{testDevice(4), testDevice(7)}
		if _, err := s.InsertDevices(t.Context(), rows, event); err != nil {
			t.Fatal(err)
		}

		list := func(f registry.RelayedFilter) (ids []string) {
			t.Helper()
			f.Limit = 10
			all, err := s.RelayedDevices(t.Context(), 1, f)
			if err != nil {
				t.Fatal(err)
			}
			for _, r := range all {
				ids = append(ids, fmt.Sprint(r.ID2[23:], " ", r.Product, " ", r.Count, " ", int64(testTime-r.First)/day, " ", int64(testTime-r.Last)/day, " ", r.Held))
			}
			return ids
		}
		one, two, three := "1 P1 2 40 0 false", "2 P2 1 3 3 false", "3 P1 1 60 60 false"
		for name, c := range map[string]struct {
			filter registry.RelayedFilter
			want   []string
		}{
			"not held":  {registry.RelayedFilter{}, []string{one, two, three}},
			"all":       {registry.RelayedFilter{Held: true}, []string{one, two, three, "4 P1 1 20 20 true"}},
			"a product": {registry.RelayedFilter{Product: "P1"}, []string{one, three}},
			"a page":    {registry.RelayedFilter{After: relayed(1, 1, 0, "", 0).ID2}, []string{two, three}},
		} {
			if diff := cmp.Diff(c.want, list(c.filter)); diff != "" {
				t.Errorf("%s: %s", name, diff)
			}
		}
		for org, want := range map[registry.ID]registry.RelayedCount{
			0: {Day: 2, Week: 3, Month: 3, All: 4, Held: 1}, 1: {Day: 1, Week: 2, Month: 2, All: 3, Held: 1},
			2: {Day: 1, Week: 1, Month: 1, All: 1}, 3: {},
		} {
			if got, err := s.CountRelayed(t.Context(), org, testTime); err != nil || got != want {
				t.Errorf("organisation %d: %+v, %v; want %+v", org, got, err, want)
			}
		}
		events, err := s.AuditEvents(t.Context(), registry.AuditFilter{Action: "device.relayed", Limit: 100})
		if err != nil || len(events) != 5 {
			t.Errorf("%d events, %v; want one for each device", len(events), err)
		}
	})
}

// Nodes that see the same new devices at once count them all, once each.
func TestRelayedAtOnce(t *testing.T) {
	onEach(t, func(t *testing.T, dsn string) {
		s := open(t, dsn)
		var wg sync.WaitGroup
		for range 8 {
			wg.Go(func() {
				var batch []registry.Relayed
				for n := range 20 {
					batch = append(batch, relayed(1, n, testTime, "P1", 1))
				}
				if err := s.AddRelayed(t.Context(), batch); err != nil {
					t.Error(err)
				}
			})
		}
		wg.Wait()
		all, err := s.RelayedDevices(t.Context(), 1, registry.RelayedFilter{Limit: 100})
		if err != nil {
			t.Fatal(err)
		}
		want := make([]registry.Relayed, 20)
		for n := range want {
			want[n] = relayed(1, n, testTime, "P1", 8)
		}
		if diff := cmp.Diff(want, all, cmpopts.IgnoreFields(registry.Relayed{}, "Event")); diff != "" {
			t.Error(diff)
		}
	})
}
