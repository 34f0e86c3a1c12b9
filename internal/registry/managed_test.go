package registry_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"os"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/hallmark-id/hallmark/id2"
	"github.com/hallmark-id/hallmark/internal/registry"
)

// managed makes a product and a device of the EnOS door.
func (f *fixture) managed() (registry.Product, registry.ManagedDevice) {
	f.t.Helper()
	var spec registry.ManagedProduct
	spec.Name, spec.TwoWayAuth, spec.Info.ModelID = "gateway", true, "model"
	p, err := f.CreateManagedProduct(f.t.Context(), f.org, spec, by)
	f.must(err)
	var d registry.ManagedDevice
	d.Product, d.DeviceKey, d.Name, d.Info.Timezone = p.Key, "gw-1", "first", "+08:00"
	made, err := f.CreateManagedDevice(f.t.Context(), f.org, d, by)
	f.must(err)
	return p, made
}

func TestManagedDevice(t *testing.T) {
	f := newFixture(t)
	p, made := f.managed()
	ctx := t.Context()
	if len(p.Key) != 8 || !p.Managed() || p.DefaultValidDays != 730 || p.MaxValidDays != 1095 || len(made.Secret) != 20 {
		t.Errorf("%+v %+v", p, made)
	}
	d, err := f.DeviceByKey(ctx, f.org, p.Key, "gw-1")
	f.must(err)
	got, err := f.ManagedDevice(ctx, d)
	f.must(err)
	if got.Secret != made.Secret || got.Info.Timezone != "+08:00" || got.Info.CreatedBy != by.Name || got.Name != "first" {
		t.Errorf("%+v", got)
	}
	// What operators do with any device.
	_, err = f.Suspend(ctx, f.org, d.Asset.String(), by)
	f.must(err)
	_, err = f.Resume(ctx, f.org, d.Asset.String(), by)
	f.must(err)
	var invalid *registry.InvalidError
	if _, err := f.Rekey(ctx, f.org, d.Asset.String(), registry.KeyText{Hex: strings.Repeat("0", 32)}, by); !errors.As(err, &invalid) {
		t.Errorf("rekey: %v", err)
	}
	f.must(f.Delete(ctx, f.org, d.Asset.String(), by))
	if _, err := f.DeviceByKey(ctx, f.org, p.Key, "gw-1"); !errors.Is(err, registry.ErrNotFound) {
		t.Errorf("after its deletion: %v", err)
	}
	f.must(f.DeleteProduct(ctx, f.org, p.Key, by))
}

// A device secret moved to another device's row does not open, and none of the
// secrets is in the database as it is.
func TestManagedSecretsAreSealed(t *testing.T) {
	f := newFixture(t)
	p, one := f.managed()
	two, err := f.CreateManagedDevice(t.Context(), f.org, registry.ManagedDevice{Device: registry.Device{Product: p.Key, DeviceKey: "gw-2"}}, by)
	f.must(err)
	f.exec(`UPDATE enos_devices SET secret = (SELECT secret FROM enos_devices e WHERE e.asset = ` + strconv.FormatInt(int64(one.Asset), 10) + `) WHERE asset = ` + strconv.FormatInt(int64(two.Asset), 10))
	if _, err := f.ManagedDevice(t.Context(), two.Device); err == nil {
		t.Error("a secret of another device opens")
	}
	product, err := f.ManagedProduct(t.Context(), f.org, p.Key)
	f.must(err)
	for _, name := range []string{f.path, f.path + "-wal"} {
		text, err := os.ReadFile(name)
		if errors.Is(err, os.ErrNotExist) {
			continue
		}
		f.must(err)
		for _, secret := range []string{one.Secret, two.Secret, product.Secret} {
			if bytes.Contains(text, []byte(secret)) {
				t.Errorf("%s holds a secret", name)
			}
		}
	}
}

// Of two changes of a product at once both hold.
func TestManagedProductChangesTogether(t *testing.T) {
	f := newFixture(t)
	p, _ := f.managed()
	var wg sync.WaitGroup
	for i, change := range []func(*registry.ManagedProduct){
		func(p *registry.ManagedProduct) { p.MaxValidDays = 2000 },
		func(p *registry.ManagedProduct) { p.Name = "renamed" },
		func(p *registry.ManagedProduct) { p.TwoWayAuth = false },
	} {
		wg.Go(func() {
			err := f.UpdateManagedProduct(t.Context(), f.org, p.Key, func(p *registry.ManagedProduct) error { change(p); return nil }, by)
			if err != nil {
				t.Errorf("change %d: %v", i, err)
			}
		})
	}
	wg.Wait()
	got, err := f.ManagedProduct(t.Context(), f.org, p.Key)
	if err != nil || got.MaxValidDays != 2000 || got.Name != "renamed" || got.TwoWayAuth || got.Info.ModelID != "model" {
		t.Errorf("%+v %v", got, err)
	}
}

func TestManagedRules(t *testing.T) {
	f := newFixture(t)
	p, _ := f.managed()
	ctx := t.Context()
	product := func(change func(*registry.ManagedProduct)) error {
		var s registry.ManagedProduct
		s.Name = "x"
		change(&s)
		_, err := f.CreateManagedProduct(ctx, f.org, s, by)
		return err
	}
	device := func(change func(*registry.ManagedDevice)) error {
		d := registry.ManagedDevice{Device: registry.Device{Product: p.Key}}
		change(&d)
		_, err := f.CreateManagedDevice(ctx, f.org, d, by)
		return err
	}
	for name, err := range map[string]error{
		"no name":               product(func(s *registry.ManagedProduct) { s.Name = "" }),
		"3651 days":             product(func(s *registry.ManagedProduct) { s.MaxValidDays = 3651 }),
		"days below 1":          product(func(s *registry.ManagedProduct) { s.DefaultValidDays = -1 }),
		"more than the most":    product(func(s *registry.ManagedProduct) { s.DefaultValidDays, s.MaxValidDays = 10, 9 }),
		"tags that are broken":  product(func(s *registry.ManagedProduct) { s.Info.Tags = json.RawMessage("{") }),
		"tags without end":      product(func(s *registry.ManagedProduct) { s.Info.Description = strings.Repeat("x", 33<<10) }),
		"a long device key":     device(func(d *registry.ManagedDevice) { d.DeviceKey = strings.Repeat("x", 129) }),
		"a key that is no text": device(func(d *registry.ManagedDevice) { d.DeviceKey = "\xff" }),
		"attributes broken":     device(func(d *registry.ManagedDevice) { d.Info.Attributes = json.RawMessage("x") }),
	} {
		var invalid *registry.InvalidError
		if !errors.As(err, &invalid) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if err := device(func(d *registry.ManagedDevice) { d.DeviceKey = "gw-1" }); !errors.Is(err, registry.ErrExists) {
		t.Errorf("the same key again: %v", err)
	}
	if err := device(func(d *registry.ManagedDevice) { d.Product = "nobody00" }); !errors.Is(err, registry.ErrNotFound) {
		t.Errorf("without a product: %v", err)
	}
	if err := f.DeleteProduct(ctx, f.org, p.Key, by); !errors.Is(err, registry.ErrForbidden) {
		t.Errorf("delete with a device: %v", err)
	}
	own := f.product(id2.AES128, nil)
	if err := f.DeleteProduct(ctx, f.org, own.Key, by); !errors.Is(err, registry.ErrForbidden) {
		t.Errorf("delete an ID² product: %v", err)
	}
	if _, err := f.ImportDevices(ctx, f.org, p.Key, strings.NewReader("id2,key_hex\n"+id(1)+","+key(1)+"\n"), by); err != nil {
		t.Errorf("import: %v", err)
	} else if devices, err := f.Devices(ctx, f.org, registry.DeviceFilter{Product: p.Key}); err != nil || len(devices) != 1 {
		t.Errorf("a device with a key under a product without an algorithm: %+v %v", devices, err)
	}
}

// Limits of validity that are not given go with those that are.
func TestValidDaysAgree(t *testing.T) {
	f := newFixture(t)
	for _, tt := range [][4]int{{0, 0, 730, 1095}, {0, 90, 90, 90}, {0, 2000, 730, 2000}, {2000, 0, 2000, 2000}, {30, 0, 30, 1095}, {5, 6, 5, 6}} {
		p := f.product(id2.AES128, func(s *registry.ProductSpec) { s.DefaultValidDays, s.MaxValidDays = tt[0], tt[1] })
		if p.DefaultValidDays != tt[2] || p.MaxValidDays != tt[3] {
			t.Errorf("%d and %d became %d and %d", tt[0], tt[1], p.DefaultValidDays, p.MaxValidDays)
		}
	}
	p := f.product(id2.AES128, nil)
	low := 10
	var invalid *registry.InvalidError
	if _, err := f.UpdateProduct(t.Context(), f.org, p.Key, registry.ProductChange{MaxValidDays: &low}, by); !errors.As(err, &invalid) {
		t.Errorf("the most below the usual: %v", err)
	}
}
