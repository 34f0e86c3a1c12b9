package store

import (
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/hallmark-id/hallmark/internal/registry"
)

func TestProvision(t *testing.T) {
	onEachFilled(t, func(t *testing.T, s *Store) {
		ctx := t.Context()
		p := testProvisioning(5)
		known, err := s.Fingerprint(ctx, 1, p.Fingerprint, p.Code)
		if diff := cmp.Diff(registry.Known{}, known); err != nil || diff != "" {
			t.Errorf("before: %v\n%s", err, diff)
		}
		if remaining, err := s.Provision(ctx, p, event); err != nil || remaining != 1 {
			t.Fatalf("%d left, %v; want 1", remaining, err)
		}
		known, err = s.Fingerprint(ctx, 1, p.Fingerprint, p.Code)
		if diff := cmp.Diff(registry.Known{Device: p.Device, Spent: true}, known); err != nil || diff != "" {
			t.Errorf("after: %v\n%s", err, diff)
		}
		if known, err := s.Fingerprint(ctx, 2, p.Fingerprint, nil); err != nil || known.Device.Asset != 0 || known.Spent {
			t.Errorf("another organisation knows %+v, %v", known, err)
		}
		licences, err := s.Licences(ctx, 1, registry.LicenceFilter{Limit: 9})
		want := []registry.Licence{{Product: "P1", Asset: p.Device.Asset, ID2: p.Device.ID2, Reason: registry.ReasonProvision, Taken: testTime, Until: testTime + 1000}}
		if diff := cmp.Diff(want, licences); err != nil || diff != "" {
			t.Errorf("licences: %v\n%s", err, diff)
		}
		again := p
		again.Code, again.Version = []byte("another code"), 1
		again.Device.Version, again.Device.Key = 2, []byte("another key")
		if err := s.AllowReprovision(ctx, p.Device.Asset, event); err != nil {
			t.Fatal(err)
		}
		if known, err := s.Fingerprint(ctx, 1, p.Fingerprint, again.Code); err != nil || !known.Allowed || known.Spent {
			t.Errorf("allowed: %+v, %v", known, err)
		}
		if remaining, err := s.Provision(ctx, again, event); err != nil || remaining != 1 {
			t.Fatalf("again: %d left, %v; want 1", remaining, err)
		}
		known, err = s.Fingerprint(ctx, 1, p.Fingerprint, again.Code)
		if diff := cmp.Diff(registry.Known{Device: again.Device, Spent: true}, known); err != nil || diff != "" {
			t.Errorf("the permission serves once: %v\n%s", err, diff)
		}
		if err := s.DeleteDevice(ctx, 1, p.Device.Asset, event); err != nil {
			t.Fatal(err)
		}
		if known, err := s.Fingerprint(ctx, 1, p.Fingerprint, []byte("new")); err != nil || known.Device.Asset != 0 {
			t.Errorf("after the device was deleted: %+v, %v", known, err)
		}
	})
}

func TestRefusedProvisioningsChangeNothing(t *testing.T) {
	onEachFilled(t, func(t *testing.T, s *Store) {
		ctx := t.Context()
		for n := 5; n <= 6; n++ { // the whole quota
			if _, err := s.Provision(ctx, testProvisioning(n), event); err != nil {
				t.Fatal(err)
			}
		}
		before := dump(t, s)
		change := func(f func(*registry.Provisioning)) registry.Provisioning {
			p := testProvisioning(7)
			f(&p)
			return p
		}
		for name, c := range map[string]struct {
			p    registry.Provisioning
			want error
		}{
			"without quota":      {testProvisioning(7), registry.ErrQuota},
			"of another's":       {change(func(p *registry.Provisioning) { p.Device.Org = 2 }), registry.ErrQuota},
			"known fingerprint":  {change(func(p *registry.Provisioning) { p.Fingerprint = testProvisioning(5).Fingerprint }), registry.ErrConflict},
			"known id":           {change(func(p *registry.Provisioning) { p.Device.ID2 = testDevice(1).ID2 }), registry.ErrConflict},
			"used code":          {change(func(p *registry.Provisioning) { p.Code = testProvisioning(5).Code }), registry.ErrSpent},
			"changed device":     {change(func(p *registry.Provisioning) { p.Device = testDevice(5); p.Version = 9 }), registry.ErrConflict},
			"vanished device":    {change(func(p *registry.Provisioning) { p.Version = 1 }), registry.ErrConflict},
			"used code, again":   {change(func(p *registry.Provisioning) { *p = testReprovisioning(); p.Code = testProvisioning(5).Code }), registry.ErrSpent},
			"foreign device":     {change(func(p *registry.Provisioning) { *p = testReprovisioning(); p.Device.Org = 2 }), registry.ErrConflict},
			"no such permission": {registry.Provisioning{}, registry.ErrNotFound},
		} {
			var err error
			if name == "no such permission" {
				err = s.AllowReprovision(ctx, testDevice(1).Asset, event)
			} else {
				_, err = s.Provision(ctx, c.p, event)
			}
			if !errors.Is(err, c.want) {
				t.Errorf("%s: got %v, want %v", name, err, c.want)
			}
			if diff := cmp.Diff(before, dump(t, s)); diff != "" {
				t.Errorf("%s changed the store:\n%s", name, diff)
			}
		}
	})
}

// However many devices ask at once, as many as the quota says are provisioned,
// and each is told another number of licences left.
func TestConcurrentProvisioning(t *testing.T) {
	const quota, askers = 20, 50
	onEachFilled(t, func(t *testing.T, s *Store) {
		product := testProduct("P2")
		product.Quota = quota
		if err := s.CreateProduct(t.Context(), product, event); err != nil {
			t.Fatal(err)
		}
		left, errs := make([]int64, askers), make([]error, askers)
		var wg sync.WaitGroup
		for i := range askers {
			p := testProvisioning(10 + i)
			p.Device.Product = "P2"
			wg.Go(func() { left[i], errs[i] = s.Provision(t.Context(), p, event) })
		}
		wg.Wait()
		var got, want []int64
		for i, err := range errs {
			if err == nil {
				got = append(got, left[i])
			} else if !errors.Is(err, registry.ErrQuota) {
				t.Errorf("asker %d: %v", i, err)
			}
		}
		for i := range quota {
			want = append(want, int64(i))
		}
		slices.Sort(got)
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("licences left: %s", diff)
		}
		counts := make([]int, 3)
		for i, table := range []string{"licences", "fingerprints", "otp_codes"} {
			if err := s.read.QueryRow(`SELECT count(*) FROM ` + table).Scan(&counts[i]); err != nil {
				t.Fatal(err)
			}
		}
		if fmt.Sprint(counts) != fmt.Sprint([]int{quota, quota + 1, quota}) { // one fingerprint is of fill
			t.Errorf("licences, fingerprints, codes: %v", counts)
		}
	})
}

// Of many who give one known device a key, or ask for one fingerprint, one wins.
func TestOneProvisioningWins(t *testing.T) {
	onEachFilled(t, func(t *testing.T, s *Store) {
		for name, make := range map[string]func(i int) registry.Provisioning{
			"known": func(int) registry.Provisioning { return testReprovisioning() },
			"new": func(i int) registry.Provisioning {
				p := testProvisioning(20 + i)
				p.Fingerprint = []byte("the same")
				return p
			},
		} {
			var wins, conflicts int
			var mu sync.Mutex
			var wg sync.WaitGroup
			for i := range 8 {
				p := make(i)
				p.Code = fmt.Append(nil, name, i)
				wg.Go(func() {
					_, err := s.Provision(t.Context(), p, event)
					mu.Lock()
					defer mu.Unlock()
					switch {
					case err == nil:
						wins++
					case errors.Is(err, registry.ErrConflict):
						conflicts++
					default:
						t.Errorf("%s: %v", name, err)
					}
				})
			}
			wg.Wait()
			if wins != 1 || conflicts != 7 {
				t.Errorf("%s: %d won, %d met a conflict", name, wins, conflicts)
			}
		}
	})
}
