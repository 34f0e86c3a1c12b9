package registry_test

import (
	"testing"
	"time"

	"github.com/hallmark-id/hallmark/id2"
	"github.com/hallmark-id/hallmark/internal/registry"
)

// A released device may be bound to a product where another device has its
// device key: it comes without.
func TestReboundDeviceKey(t *testing.T) {
	f := newFixture(t)
	term := func(s *registry.ProductSpec) { s.TermDays = 1 }
	p, q := f.product(id2.AES128, term), f.product(id2.AES128, term)
	f.imports(p, "id2,key_hex,device_key\n"+id(1)+","+key(1)+",serial-1\n")
	f.imports(q, "id2,key_hex,device_key\n"+id(2)+","+key(2)+",serial-1\n")
	activate := func(p registry.Product) error {
		d, err := f.Device(t.Context(), f.org, id(1))
		f.must(err)
		at := registry.At(f.now)
		return f.Activate(t.Context(), registry.Activation{Org: f.org, Asset: d.Asset, ID2: d.ID2, Version: d.Version,
			Product: p.Key, Reason: registry.ReasonActivate, At: at, Until: p.LicenceEnd(at)}, by)
	}
	f.must(activate(p))
	f.now = f.now.Add(17 * 24 * time.Hour) // expired, then released
	f.must(activate(q))
	if d, err := f.Device(t.Context(), f.org, id(1)); err != nil || d.Product != q.Key || d.DeviceKey != "" {
		t.Errorf("bound to %s with device key %q, %v", d.Product, d.DeviceKey, err)
	}
}
