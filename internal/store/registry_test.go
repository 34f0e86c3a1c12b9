package store

import (
	"errors"
	"reflect"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/hallmark-id/hallmark/internal/registry"
)

func TestRoundTrips(t *testing.T) {
	onEachFilled(t, func(t *testing.T, s *Store) {
		ctx := t.Context()
		product, err := s.Product(ctx, "P1")
		if diff := cmp.Diff(testProduct("P1"), product); err != nil || diff != "" {
			t.Errorf("product: %v\n%s", err, diff)
		}
		device, err := s.DeviceByID2(ctx, 1, testDevice(1).ID2)
		if diff := cmp.Diff(testDevice(1), device); err != nil || diff != "" {
			t.Errorf("device: %v\n%s", err, diff)
		}
		managed, err := s.Product(ctx, "M1")
		if diff := cmp.Diff(managedProduct("M1"), managed); err != nil || diff != "" {
			t.Errorf("managed product: %v\n%s", err, diff)
		}
		device, err = s.DeviceByKey(ctx, 3, "M1", managedDevice(2000).DeviceKey)
		if diff := cmp.Diff(managedDevice(2000), device, cmpopts.EquateEmpty()); err != nil || diff != "" {
			t.Errorf("managed device: %v\n%s", err, diff)
		}
		more, err := s.ManagedRow(ctx, device.Asset)
		if diff := cmp.Diff(testManagedRow, more); err != nil || diff != "" {
			t.Errorf("managed row: %v\n%s", err, diff)
		}
		if n, err := s.CountDevices(ctx, 1, registry.DeviceFilter{}, 1, testTime); err != nil || n != 1 {
			t.Errorf("counted %d of two up to one: %v", n, err)
		}
		client, err := s.Client(ctx, "AK1")
		if diff := cmp.Diff(testClient("AK1"), client, cmp.Comparer(func(a, b registry.ClientRow) bool { return reflect.DeepEqual(a, b) })); err != nil || diff != "" {
			t.Errorf("client: %v\n%s", err, diff)
		}
		authorities, err := s.Roots(ctx, 1)
		if diff := cmp.Diff([]registry.Root{testRoot("A")}, authorities); err != nil || diff != "" {
			t.Errorf("authorities: %v\n%s", err, diff)
		}
		if foreign, err := s.Roots(ctx, 2); err != nil || len(foreign) != 0 {
			t.Errorf("authorities of another organisation: %v, %v", foreign, err)
		}
		for name, get := range map[string]func() error{
			"product":                            func() error { _, err := s.Product(ctx, "none"); return err },
			"device":                             func() error { _, err := s.DeviceByID2(ctx, 1, "none"); return err },
			"device of another organisation":     func() error { _, err := s.DeviceByID2(ctx, 2, testDevice(1).ID2); return err },
			"asset of another organisation":      func() error { _, err := s.DeviceByAsset(ctx, 2, testDevice(1).Asset); return err },
			"device key of another organisation": func() error { _, err := s.DeviceByKey(ctx, 2, "M1", managedDevice(2000).DeviceKey); return err },
			"managed row":                        func() error { _, err := s.ManagedRow(ctx, 999); return err },
			"client":                             func() error { _, err := s.Client(ctx, "none"); return err },
		} {
			if err := get(); !errors.Is(err, registry.ErrNotFound) {
				t.Errorf("absent %s: %v", name, err)
			}
		}
	})
}

func TestRefusedWritesChangeNothing(t *testing.T) {
	onEachFilled(t, func(t *testing.T, s *Store) {
		ctx := t.Context()
		if err := s.Activate(ctx, testActivation(1), event); err != nil {
			t.Fatal(err)
		}
		before := dump(t, s)
		stale, foreign, again := testDevice(1), testDevice(2), testDevice(1)
		again.Asset = 900
		foreign.Org = 2
		for name, c := range map[string]struct {
			do   func() error
			want error
		}{
			"product again":      {func() error { return s.CreateProduct(ctx, testProduct("P1"), event) }, registry.ErrExists},
			"organisation again": {func() error { return s.CreateOrg(ctx, registry.Org{ID: 9, Name: "one"}, event) }, registry.ErrExists},
			"client again":       {func() error { return s.CreateClient(ctx, testClient("AK1"), event) }, registry.ErrExists},
			"stale activation":   {func() error { return s.Activate(ctx, testActivation(1), event) }, registry.ErrConflict},
			"stale update":       {func() error { return s.UpdateDevice(ctx, stale, 1, event) }, registry.ErrConflict},
			"foreign update":     {func() error { return s.UpdateDevice(ctx, foreign, 1, event) }, registry.ErrConflict},
			"foreign delete":     {func() error { return s.DeleteDevice(ctx, 2, foreign.Asset, event) }, registry.ErrNotFound},
			"unknown client":     {func() error { return s.SetClientDisabled(ctx, 1, "AK9", true, event) }, registry.ErrNotFound},
			"stale settings":     {func() error { return s.SetClientSettings(ctx, 1, "AK1", "{}", `{"iv":"key"}`, event) }, registry.ErrConflict},
			"foreign settings":   {func() error { return s.SetClientSettings(ctx, 2, "AK1", "", `{"iv":"key"}`, event) }, registry.ErrConflict},
			"root again":         {func() error { return s.AddRoot(ctx, testRoot("A"), event) }, registry.ErrExists},
			"foreign root":       {func() error { return s.RemoveRoot(ctx, 2, "A", event) }, registry.ErrNotFound},
			"stale list":         {func() error { return s.SetRootCRL(ctx, 1, "A", []byte("old"), []byte("new"), event) }, registry.ErrConflict},
			"foreign client":     {func() error { return s.DeleteClient(ctx, 2, "AK1", event) }, registry.ErrNotFound},
			"unknown product": {func() error {
				return s.UpdateProduct(ctx, registry.Product{Key: "P9", Org: 1}, registry.Product{Key: "P9", Org: 1}, event)
			}, registry.ErrConflict},
			"managed device again": {func() error {
				d := managedDevice(2000)
				d.Asset = 901
				return s.InsertManagedDevice(ctx, d, testManagedRow, event)
			}, registry.ErrExists},
			"managed device of an unknown product": {func() error {
				d := managedDevice(2001)
				d.Product = "M9"
				return s.InsertManagedDevice(ctx, d, testManagedRow, event)
			}, registry.ErrNotFound},
			"product with devices": {func() error { return s.DeleteProduct(ctx, 3, "M1", event) }, registry.ErrForbidden},
			"foreign product":      {func() error { return s.DeleteProduct(ctx, 2, "M2", event) }, registry.ErrNotFound},
			"stale managed product": {func() error {
				return s.UpdateManagedProduct(ctx, testProduct("P1").Product, managedProduct("M1").Product, []byte("{}"), event)
			}, registry.ErrConflict},
			"stale managed device": {func() error { return s.UpdateManagedDevice(ctx, managedDevice(2000), 9, []byte("{}"), event) }, registry.ErrConflict},
			"devices again":        {func() error { _, err := s.InsertDevices(ctx, []registry.DeviceRow{again}, event); return err }, nil},
			"usage of an unknown":  {func() error { return s.AddUsage(ctx, []registry.Usage{{Asset: 999, Count: 1}}) }, nil},
		} {
			if err := c.do(); !errors.Is(err, c.want) {
				t.Errorf("%s: got %v, want %v", name, err, c.want)
			}
			if diff := cmp.Diff(before, dump(t, s)); diff != "" {
				t.Errorf("%s changed the store:\n%s", name, diff)
			}
		}
	})
}

func TestDeviceFilters(t *testing.T) {
	onEachFilled(t, func(t *testing.T, s *Store) {
		ctx := t.Context()
		if err := s.Activate(ctx, testActivation(1), event); err != nil {
			t.Fatal(err)
		}
		until := testActivation(1).Until
		state := func(st registry.State) *registry.State { return &st }
		for _, c := range []struct {
			name string
			f    registry.DeviceFilter
			now  registry.Instant
			want int
		}{
			{"all", registry.DeviceFilter{}, testTime, 2},
			{"product", registry.DeviceFilter{Product: "P1"}, testTime, 2},
			{"other product", registry.DeviceFilter{Product: "P9"}, testTime, 0},
			{"active", registry.DeviceFilter{State: state(registry.Active)}, testTime, 1},
			{"unactivated", registry.DeviceFilter{State: state(registry.Unactivated)}, testTime, 1},
			{"expired", registry.DeviceFilter{State: state(registry.Expired)}, until, 1},
			{"expired one moment early", registry.DeviceFilter{State: state(registry.Expired)}, until - 1, 0},
			{"released", registry.DeviceFilter{State: state(registry.Unactivated)}, until + registry.ReleaseAfter, 2},
			{"suspended", registry.DeviceFilter{State: state(registry.Suspended)}, testTime, 0},
			{"prefix", registry.DeviceFilter{Prefix: testDevice(1).ID2[:23]}, testTime, 2},
			{"whole id", registry.DeviceFilter{Prefix: testDevice(2).ID2}, testTime, 1},
			{"second page", registry.DeviceFilter{After: testDevice(1).Asset}, testTime, 1},
		} {
			c.f.Limit = 100
			got, err := s.Devices(ctx, 1, c.f, c.now)
			if err != nil || len(got) != c.want {
				t.Errorf("%s: %d devices, %v; want %d", c.name, len(got), err, c.want)
			}
			if c.f.State != nil {
				for _, d := range got {
					if d.StateAt(c.now) != *c.f.State {
						t.Errorf("%s: the query and the rule disagree on %v", c.name, d)
					}
				}
			}
		}
	})
}
