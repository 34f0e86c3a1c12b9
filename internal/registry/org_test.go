package registry_test

import (
	"errors"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/hallmark-id/hallmark/id2"
	"github.com/hallmark-id/hallmark/internal/audit"
	"github.com/hallmark-id/hallmark/internal/registry"
)

func TestOrgs(t *testing.T) {
	f := newFixture(t)
	f.must(f.EnsureOrg(t.Context())) // there is one already
	f.now = f.now.Add(time.Second)
	second, err := f.CreateOrg(t.Context(), "second", by)
	f.must(err)
	orgs, err := f.Orgs(t.Context())
	if err != nil || len(orgs) != 2 || orgs[0].ID != f.org || orgs[1] != second {
		t.Fatalf("%+v, %v", orgs, err)
	}
	for name, want := range map[string]registry.ID{"": f.org, "factory": f.org, "second": second.ID, second.ID.String(): second.ID} {
		if got, err := f.Org(t.Context(), name); err != nil || got.ID != want {
			t.Errorf("%q: %+v, %v", name, got, err)
		}
	}
	if _, err := f.Org(t.Context(), "third"); !errors.Is(err, registry.ErrNotFound) {
		t.Errorf("unknown: %v", err)
	}
	if _, err := f.CreateOrg(t.Context(), "second", by); !errors.Is(err, registry.ErrExists) {
		t.Errorf("twice: %v", err)
	}
	var invalid *registry.InvalidError
	for _, name := range []string{"", " ", strings.Repeat("n", 129), "a\nb", "\xff"} {
		if _, err := f.CreateOrg(t.Context(), name, by); !errors.As(err, &invalid) {
			t.Errorf("%q: %v", name, err)
		}
	}
}

// Clients are changed and removed by their own organisation only, and requests
// see it at once.
func TestClients(t *testing.T) {
	f := newFixture(t)
	other, err := f.CreateOrg(t.Context(), "another", by)
	f.must(err)
	c, secret, err := f.CreateClient(t.Context(), f.org, registry.ClientSpec{Door: registry.DoorID2, Name: "back end", Scopes: []string{"Verify"}}, by)
	f.must(err)
	live := func() *registry.LiveClient {
		t.Helper()
		l, err := f.LiveClient(t.Context(), c.ID)
		f.must(err)
		return l
	}
	if l := live(); l.Org != f.org || l.Disabled || l.ActorName != "id2:"+c.ID || l.Credential.AccessKeyID() != c.ID || !l.Allows("Verify") || l.Allows("GetServerRandom") {
		t.Errorf("%+v", l)
	}
	for _, err := range []error{
		f.SetClientDisabled(t.Context(), other.ID, c.ID, true, by), f.DeleteClient(t.Context(), other.ID, c.ID, by),
		f.SetClientDisabled(t.Context(), f.org, "LTAInobody", true, by), f.DeleteClient(t.Context(), f.org, "LTAInobody", by),
	} {
		if !errors.Is(err, registry.ErrNotFound) {
			t.Errorf("not its own: %v", err)
		}
	}
	if clients, err := f.Clients(t.Context(), other.ID); err != nil || len(clients) != 0 {
		t.Errorf("another organisation sees %v, %v", clients, err)
	}
	f.must(f.SetClientDisabled(t.Context(), f.org, c.ID, true, by))
	if !live().Disabled {
		t.Error("disabling does not show")
	}
	f.must(f.SetClientDisabled(t.Context(), f.org, c.ID, false, by))
	if live().Disabled {
		t.Error("enabling does not show")
	}
	f.must(f.DeleteClient(t.Context(), f.org, c.ID, by))
	if _, err := f.LiveClient(t.Context(), c.ID); !errors.Is(err, registry.ErrNotFound) {
		t.Errorf("deleted: %v", err)
	}
	events, err := f.AuditEvents(t.Context(), registry.AuditFilter{Action: "client."})
	f.must(err)
	if len(events) != 4 || slices.ContainsFunc(events, func(e audit.Sealed) bool { return strings.Contains(e.Detail, secret) }) {
		t.Errorf("events %+v", events)
	}
}

// The last use is written at most once a minute.
func TestTouch(t *testing.T) {
	f := newFixture(t)
	c, _, err := f.CreateClient(t.Context(), f.org, registry.ClientSpec{Door: registry.DoorID2}, by)
	f.must(err)
	used := func() registry.Instant {
		t.Helper()
		clients, err := f.Clients(t.Context(), f.org)
		f.must(err)
		return clients[0].LastUsed
	}
	live, err := f.LiveClient(t.Context(), c.ID)
	f.must(err)
	first := registry.At(f.now)
	for range 100 {
		f.Touch(live, f.clock())
	}
	for used() != first {
		runtime.Gosched()
	}
	f.now = f.now.Add(59 * time.Second)
	f.Touch(live, f.clock())
	f.now = f.now.Add(time.Second)
	f.Touch(live, f.clock())
	for used() == first {
		runtime.Gosched()
	}
	if got := used(); got != registry.At(f.now) {
		t.Errorf("last use %v, want %v: an earlier one was written within the minute", got, f.now)
	}
}

func TestLicences(t *testing.T) {
	f := newFixture(t)
	p := f.product(id2.AES128, func(s *registry.ProductSpec) { s.TermDays = 30 })
	f.imports(p, head+id(1)+","+key(1)+"\n"+id(2)+","+key(2)+"\n")
	for n := 1; n <= 2; n++ {
		d, err := f.Device(t.Context(), f.org, id(n))
		f.must(err)
		at := registry.At(f.now)
		f.must(f.Activate(t.Context(), registry.Activation{Org: f.org, Asset: d.Asset, ID2: d.ID2, Version: d.Version, Product: p.Key,
			Reason: registry.ReasonActivate, At: at, Until: p.LicenceEnd(at)}, by))
		f.must(f.AddUsage(t.Context(), []registry.Usage{{Asset: d.Asset, LastSeen: at, Count: 3, Day: 1, DayCount: 3}}))
		f.now = f.now.Add(24 * time.Hour)
	}
	d, err := f.Device(t.Context(), f.org, id(1))
	if err != nil || d.AuthCount != 3 || d.LicenceUntil != d.Licensed+30*24*3600*1000 {
		t.Errorf("%+v, %v", d, err)
	}
	for _, c := range []struct {
		f    registry.LicenceFilter
		want []string
	}{
		{registry.LicenceFilter{}, []string{id(2), id(1)}},
		{registry.LicenceFilter{Product: p.Key, Limit: 1}, []string{id(2)}},
		{registry.LicenceFilter{Asset: d.Asset}, []string{id(1)}},
		{registry.LicenceFilter{EndsBefore: d.LicenceUntil + 1}, []string{id(1)}},
		{registry.LicenceFilter{Product: "a1another00"}, nil},
	} {
		licences, err := f.Licences(t.Context(), f.org, c.f)
		var got []string
		for _, l := range licences {
			got = append(got, l.ID2)
		}
		if err != nil || !slices.Equal(got, c.want) {
			t.Errorf("%+v: %v, %v; want %v", c.f, got, err, c.want)
		}
	}
	if p := f.product(id2.AES128, nil); p.LicenceEnd(1) != registry.Forever {
		t.Error("a licence without a term ends")
	}
}

func TestVerifyAudit(t *testing.T) {
	f := newFixture(t)
	for range 5 {
		f.product(id2.AES128, nil)
	}
	f.must(f.NoteRefusals(t.Context(), []audit.Event{by.Did("device.refused", "device", "x", nil)}))
	if count, broken, err := f.VerifyAudit(t.Context()); count != 0 || broken != 0 || err != nil {
		t.Errorf("before sealing: %d, %d, %v", count, broken, err)
	}
	key := f.ring.Derive(registry.AuditKeyPurpose)
	for n := 1; n > 0; {
		var err error
		n, err = f.store.SealAudit(t.Context(), key)
		f.must(err)
	}
	if count, broken, err := f.VerifyAudit(t.Context()); count != 7 || broken != 0 || err != nil {
		t.Errorf("sealed: %d, %d, %v", count, broken, err)
	}
	f.exec(`UPDATE audit SET subject = 'y' WHERE seq = 4`)
	if count, broken, err := f.VerifyAudit(t.Context()); count != 3 || broken != 4 || err != nil {
		t.Errorf("changed: %d, %d, %v", count, broken, err)
	}
}

// A sealed value that was moved to another row, or damaged, does not open and
// is not taken for an absence.
func TestSealedValuesAreBoundToTheirRow(t *testing.T) {
	f := newFixture(t)
	p := f.product(id2.AES128, nil)
	f.imports(p, head+id(1)+","+key(1)+"\n"+id(2)+","+key(2)+"\n")
	server := f.product(id2.P256, func(s *registry.ProductSpec) { s.TwoWayAuth = true })
	a, _, err := f.CreateClient(t.Context(), f.org, registry.ClientSpec{Door: registry.DoorID2}, by)
	f.must(err)
	b, _, err := f.CreateClient(t.Context(), f.org, registry.ClientSpec{Door: registry.DoorID2}, by)
	f.must(err)
	f.exec(`UPDATE devices SET key = (SELECT key FROM devices WHERE id2 = '` + id(2) + `') WHERE id2 = '` + id(1) + `'`)
	f.exec(`UPDATE clients SET secret = (SELECT secret FROM clients WHERE id = '` + b.ID + `') WHERE id = '` + a.ID + `'`)
	f.exec(`UPDATE products SET server_key = secret WHERE product_key = '` + server.Key + `'`)
	_, err1 := f.LiveDevice(t.Context(), f.org, id(1))
	_, err2 := f.LiveClient(t.Context(), a.ID)
	_, err3 := f.LiveProduct(t.Context(), f.org, server.Key)
	for i, err := range []error{err1, err2, err3} {
		if err == nil || errors.Is(err, registry.ErrNotFound) {
			t.Errorf("%d: %v", i, err)
		}
	}
	f.mustKey(id(2), key(2))
}

// Other nodes' changes reach the caches, and while they may go unheard nothing
// cached is used.
func TestChangesOfOtherNodes(t *testing.T) {
	f := newFixture(t)
	p := f.product(id2.AES128, nil)
	f.imports(p, head+id(1)+","+key(1)+"\n")
	state := func() registry.State {
		t.Helper()
		d, err := f.LiveDevice(t.Context(), f.org, id(1))
		f.must(err)
		return d.Standing(registry.At(f.now))
	}
	set := func(s string) { f.exec(`UPDATE devices SET state = ` + s) }
	if state(); state() != registry.Unactivated {
		t.Fatal("new")
	}
	set("2")
	if state() != registry.Unactivated {
		t.Error("the cache is not used")
	}
	f.Apply(registry.Change{Kind: registry.DeviceChanged, Org: f.org, Name: id(1)})
	if state() != registry.Suspended {
		t.Error("a change that was heard of does not show")
	}
	set("3")
	f.SetBlind(true)
	if state() != registry.Discarded {
		t.Error("the cache is used while it is blind")
	}
	set("2")
	f.ApplyAll()
	f.SetBlind(false)
	if state() != registry.Suspended {
		t.Error("what was cached before is used after")
	}
	set("3")
	f.Apply(registry.Change{Kind: registry.ProductChanged, Org: f.org, Name: p.Key})
	if state() != registry.Discarded {
		t.Error("devices outlive a change of their product")
	}
}
