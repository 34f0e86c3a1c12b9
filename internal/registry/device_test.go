package registry_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/hallmark-id/hallmark/id2"
	"github.com/hallmark-id/hallmark/internal/registry"
)

// lifeModel is what a device's life should be: a few rules, no store.
type lifeModel struct {
	kept    registry.State // never Expired
	until   time.Time      // end of the licence, zero without one
	product string
	version int64
	used    map[string]int64
	there   bool
}

const (
	termDays = 10
	quota    = 5
	oneDay   = 24 * time.Hour
)

func (m *lifeModel) standing(now time.Time) registry.State {
	switch {
	case m.kept != registry.Active || now.Before(m.until):
		return m.kept
	case now.Before(m.until.Add(15 * oneDay)):
		return registry.Expired
	}
	return registry.Unactivated
}

// life is a device under test next to its model.
type life struct {
	f        *fixture
	m        lifeModel
	products []registry.Product
	serial   int
	id       string
	failed   func(string, ...any)
}

func newLife(f *fixture) *life {
	l := &life{f: f, m: lifeModel{used: make(map[string]int64)}}
	for range 2 {
		l.products = append(l.products, f.product(id2.AES128, func(s *registry.ProductSpec) { s.TermDays, s.Quota = termDays, quota }))
	}
	return l
}

func (l *life) begin() {
	l.serial++
	l.id = id(l.serial)
	l.f.imports(l.products[0], head+l.id+","+key(l.serial)+"\n")
	l.m.kept, l.m.until, l.m.product, l.m.version, l.m.there = registry.Unactivated, time.Time{}, l.products[0].Key, 1, true
}

// wants compares an outcome with the model's.
func (l *life) wants(what string, err, want error) {
	if !errors.Is(err, want) || (err == nil) != (want == nil) {
		l.failed("%s: %v, want %v", what, err, want)
	}
}

// change checks one operator command: it is allowed or not, and leads to a state.
func (l *life) change(what string, do func(context.Context, registry.ID, string) (registry.Device, error), allowed bool, to registry.State) {
	_, err := do(context.Background(), l.f.org, l.id)
	switch {
	case !l.m.there:
		l.wants(what, err, registry.ErrNotFound)
	case !allowed:
		l.wants(what, err, registry.ErrForbidden)
	default:
		l.wants(what, err, nil)
		l.m.kept = to
		l.m.version++
	}
}

func (l *life) suspend() {
	l.change("suspend", func(ctx context.Context, org registry.ID, name string) (registry.Device, error) {
		return l.f.Suspend(ctx, org, name, by)
	}, l.m.kept != registry.Discarded, registry.Suspended)
}

func (l *life) resume() {
	to := registry.Unactivated
	if !l.m.until.IsZero() {
		to = registry.Active
	}
	l.change("resume", func(ctx context.Context, org registry.ID, name string) (registry.Device, error) {
		return l.f.Resume(ctx, org, name, by)
	}, l.m.kept == registry.Suspended, to)
}

func (l *life) discard() {
	l.change("discard", func(ctx context.Context, org registry.ID, name string) (registry.Device, error) {
		return l.f.Discard(ctx, org, name, by)
	}, true, registry.Discarded)
}

// activate takes a licence of a product as authentication does, with a version
// that may be old.
func (l *life) activate(product registry.Product, stale bool) {
	asset, version := registry.ID(7), l.m.version
	if d, err := l.f.Device(context.Background(), l.f.org, l.id); err == nil {
		asset = d.Asset
	}
	if stale {
		version--
	}
	at := registry.At(l.f.now)
	err := l.f.Activate(context.Background(), registry.Activation{Org: l.f.org, Asset: asset, ID2: l.id, Version: version, Product: product.Key,
		Reason: registry.ReasonActivate, At: at, Until: product.LicenceEnd(at)}, by)
	switch {
	case !l.m.there || stale:
		l.wants("stale activation", err, registry.ErrConflict)
	case l.m.used[product.Key] >= quota:
		l.wants("activation past the quota", err, registry.ErrQuota)
	default:
		l.wants("activation", err, nil)
		l.m.kept, l.m.until, l.m.product = registry.Active, l.f.now.Add(termDays*oneDay), product.Key
		l.m.version++
		l.m.used[product.Key]++
	}
}

func (l *life) delete() {
	err := l.f.Delete(context.Background(), l.f.org, l.id, by)
	if !l.m.there {
		l.wants("delete", err, registry.ErrNotFound)
		return
	}
	l.wants("delete", err, nil)
	l.m.there = false
}

// check compares everything that can be seen, through the store and through
// the cache.
func (l *life) check() {
	ctx := context.Background()
	d, err := l.f.Device(ctx, l.f.org, l.id)
	live, liveErr := l.f.LiveDevice(ctx, l.f.org, l.id)
	if !l.m.there {
		l.wants("device", err, registry.ErrNotFound)
		l.wants("live device", liveErr, registry.ErrNotFound)
		return
	}
	l.wants("device", err, nil)
	l.wants("live device", liveErr, nil)
	now := registry.At(l.f.now)
	want := l.m.standing(l.f.now)
	if d.StateAt(now) != want || live.Standing(now) != want || d.State != l.m.kept {
		l.failed("state %v, %v kept, live %v; want %v, %v kept", d.StateAt(now), d.State, live.Standing(now), want, l.m.kept)
	}
	if d.Version != l.m.version || int64(live.Version) != l.m.version || d.Product != l.m.product {
		l.failed("version %d, live %d, product %s; want %d, %s", d.Version, live.Version, d.Product, l.m.version, l.m.product)
	}
	bound := live.BoundTo(now)
	released := l.m.kept == registry.Active && want == registry.Unactivated
	if (bound == nil) != released || bound != nil && bound.Key != l.m.product {
		l.failed("bound to %v, released %v", bound, released)
	}
	for i := range l.products {
		p, err := l.f.Product(ctx, l.f.org, l.products[i].Key)
		l.wants("product", err, nil)
		if p.Used != l.m.used[p.Key] || p.Remaining() != quota-p.Used {
			l.failed("%d licences used and %d left, want %d used", p.Used, p.Remaining(), l.m.used[p.Key])
		}
	}
}

// Any life of a device against the model: commands, licences and time, in any
// order.
func TestDeviceLife(t *testing.T) {
	f := newFixture(t)
	serial := 0
	rapid.Check(t, func(t *rapid.T) {
		l := newLife(f)
		l.failed = t.Fatalf
		l.serial = serial
		l.begin()
		steps := []string{"suspend", "resume", "discard", "delete", "activate", "activate", "stale", "time", "import again"}
		for range rapid.IntRange(1, 15).Draw(t, "steps") { // each is a transaction with its sync
			l.step(t, rapid.SampledFrom(steps).Draw(t, "step"))
			l.check()
		}
		serial = l.serial
	})
}

func (l *life) step(t *rapid.T, name string) {
	switch name {
	case "suspend":
		l.suspend()
	case "resume":
		l.resume()
	case "discard":
		l.discard()
	case "delete":
		l.delete()
	case "activate", "stale":
		l.activate(rapid.SampledFrom(l.products).Draw(t, "product"), name == "stale")
	case "time":
		l.f.now = l.f.now.Add(time.Duration(rapid.IntRange(1, 30*24).Draw(t, "hours")) * time.Hour)
	default:
		if !l.m.there {
			l.begin()
		}
	}
}

func TestRekey(t *testing.T) {
	f := newFixture(t)
	p := f.product(id2.AES128, nil)
	f.imports(p, head+id(1)+","+key(1)+"\n")
	for _, bad := range []registry.KeyText{{}, {Hex: "00"}, {Hex: key(2) + "00"}, {Hex: "zz" + key(2)[2:]}, {PEM: f.pem(id2.P256)}} {
		var invalid *registry.InvalidError
		if _, err := f.Rekey(t.Context(), f.org, id(1), bad, by); !errors.As(err, &invalid) {
			t.Errorf("%+v: %v", bad, err)
		}
	}
	if d, err := f.Device(t.Context(), f.org, id(1)); err != nil || d.Version != 1 {
		t.Errorf("refused keys changed the device: %+v, %v", d, err)
	}
	f.mustKey(id(1), key(1))
	_, err := f.Rekey(t.Context(), f.org, id(1), registry.KeyText{Hex: key(2)}, by)
	f.must(err)
	f.mustKey(id(1), key(2))
}

func (f *fixture) mustKey(id, want string) {
	f.t.Helper()
	live, err := f.LiveDevice(context.Background(), f.org, id)
	if err != nil || fmt.Sprintf("%x", live.Key.Bytes()) != want {
		f.t.Errorf("device %s does not have the key %s (%v)", id, want, err)
	}
}

// A device is found by either name, and by nobody else.
func TestDeviceNames(t *testing.T) {
	f := newFixture(t)
	p := f.product(id2.AES128, nil)
	f.imports(p, head+id(1)+","+key(1)+"\n")
	other, err := f.CreateOrg(t.Context(), "another", by)
	f.must(err)
	d, err := f.Device(t.Context(), f.org, id(1))
	f.must(err)
	if got, err := f.Device(t.Context(), f.org, d.Asset.String()); err != nil || got.ID2 != id(1) {
		t.Errorf("by asset: %+v, %v", got, err)
	}
	for _, name := range []string{"", "x", id(2), "0000000000000", d.Asset.String() + "0", "000000000000\n"} {
		if _, err := f.Device(t.Context(), f.org, name); !errors.Is(err, registry.ErrNotFound) {
			t.Errorf("%q: %v", name, err)
		}
	}
	for _, name := range []string{id(1), d.Asset.String()} {
		_, err1 := f.Device(t.Context(), other.ID, name)
		_, err2 := f.Suspend(t.Context(), other.ID, name, by)
		_, err3 := f.Rekey(t.Context(), other.ID, name, registry.KeyText{Hex: key(2)}, by)
		err4 := f.Delete(t.Context(), other.ID, name, by)
		for i, err := range []error{err1, err2, err3, err4} {
			if !errors.Is(err, registry.ErrNotFound) {
				t.Errorf("another organisation, %d: %v", i, err)
			}
		}
	}
}
