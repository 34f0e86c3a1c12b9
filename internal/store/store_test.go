package store

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"reflect"
	"sort"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/hallmark-id/hallmark/id2"
	"github.com/hallmark-id/hallmark/internal/audit"
	"github.com/hallmark-id/hallmark/internal/pgtest"
	"github.com/hallmark-id/hallmark/internal/registry"
	"github.com/hallmark-id/hallmark/internal/replay"
)

const testTime = 1_700_000_000_000

func TestMain(m *testing.M) { os.Exit(pgtest.Main(m)) }

// engines are the addresses of a new store on every engine.
var engines = map[string]func(*testing.T) string{
	"sqlite":   func(t *testing.T) string { return "sqlite:" + filepath.Join(t.TempDir(), "test.db") },
	"postgres": func(t *testing.T) string { return pgtest.Database(t) },
}

// onEach runs a test against a new store on every engine.
func onEach(t *testing.T, test func(t *testing.T, dsn string)) {
	t.Helper()
	for name, dsn := range engines {
		t.Run(name, func(t *testing.T) { test(t, dsn(t)) })
	}
}

func options(dsn string) Options {
	return Options{DSN: dsn, driver: "sqlite-faulty", Random: &lockedRandom{r: rand.NewChaCha8([32]byte{7})},
		Now: func() time.Time { return time.UnixMilli(testTime) }}
}

// lockedRandom is the same sequence in every test.
type lockedRandom struct {
	mu sync.Mutex
	r  io.Reader
}

func (l *lockedRandom) Read(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.r.Read(p)
}

func open(t *testing.T, dsn string) *Store {
	t.Helper()
	s, err := Open(t.Context(), options(dsn))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	return s
}

var event = audit.Event{Actor: "test", Action: "test.done", Detail: "{}"}

func testProduct(key string) registry.ProductRow {
	hash := sha256.Sum256([]byte(key))
	return registry.ProductRow{Product: registry.Product{Key: key, Org: 1, Name: "pumps", Algorithm: id2.AES128, Hashes: 4, Quota: 2,
		TermDays: 30, AutoRenew: true, OTP: true, DailyLimit: 9, HexData: true, TwoWayAuth: true, DefaultValidDays: 30, MaxValidDays: 60, Created: testTime},
		Secret: []byte("sealed"), SecretHash: hash[:], ServerKey: []byte("server"), ServerPublic: []byte("public")}
}

func testDevice(n int) registry.DeviceRow {
	return registry.DeviceRow{Device: registry.Device{Asset: registry.ID(100 + n), Org: 1, ID2: fmt.Sprintf("%024d", n), Product: "P1",
		Name: "pump", DeviceKey: fmt.Sprintf("dk%d", n), Algorithm: id2.AES128, Version: 1, Created: testTime}, Key: []byte("sealed key")}
}

func testActivation(n int) registry.Activation {
	d := testDevice(n)
	return registry.Activation{Org: 1, Asset: d.Asset, ID2: d.ID2, Version: 1, Product: "P1", Reason: registry.ReasonActivate, At: testTime, Until: testTime + 1000}
}

// fill makes one organisation, one product and two devices.
func fill(t *testing.T, s *Store) {
	t.Helper()
	ctx := t.Context()
	_, err := s.InsertDevices(ctx, []registry.DeviceRow{testDevice(1), testDevice(2)}, event)
	err = errors.Join(err, s.CreateOrg(ctx, registry.Org{ID: 1, Name: "one", Created: testTime}, event),
		s.CreateProduct(ctx, testProduct("P1"), event), s.CreateClient(ctx, testClient("AK1"), event),
		s.AddRoot(ctx, testRoot("A"), event),
		s.CreateOrg(ctx, registry.Org{ID: 3, Name: "three", Created: testTime}, event), s.CreateProduct(ctx, managedProduct("M1"), event), s.CreateProduct(ctx, managedProduct("M2"), event),
		s.InsertManagedDevice(ctx, managedDevice(2000), testManagedRow, event))
	err = errors.Join(err, fillAccounts(ctx, s), s.SetUpstream(ctx, testUpstream(3), event), s.AddRelayed(ctx, []registry.Relayed{relayed(3, 1, testTime, "", 0)}))
	_, beat := s.Beat(ctx, registry.Node{ID: 7, URL: "http://127.0.0.1:1", Version: "1", Started: 1, Seen: 1})
	err = errors.Join(err, beat, s.AddChallengeKey(ctx, ChallengeKey{ID: 4, Secret: []byte("old"), Published: 1}, 0, 0))
	if err == nil {
		err = fillPKI(ctx, s)
	}
	if err == nil { // the second device was provisioned
		err = s.write(ctx, func(tx txn) error {
			_, err := tx.Exec(`INSERT INTO fingerprints (fingerprint, asset) VALUES ($1, $2)`, testReprovisioning().Fingerprint, testDevice(2).Asset)
			return err
		})
	}
	if err != nil {
		t.Fatal(err)
	}
}

// managedProduct is a product of the EnOS door.
func managedProduct(key string) registry.ProductRow {
	p := testProduct(key)
	p.Org, p.Algorithm, p.Hashes, p.ServerKey, p.ServerPublic, p.Info = 3, 0, 0, nil, nil, []byte(`{"model_id":"m"}`)
	return p
}

// managedDevice is a device of the EnOS door, without an id2 and a key.
func managedDevice(n int) registry.DeviceRow {
	d := testDevice(n)
	d.Org, d.ID2, d.Algorithm, d.Product, d.Key = 3, "", 0, "M1", []byte{}
	return d
}

var testManagedRow = registry.ManagedRow{Secret: []byte("sealed secret"), Info: []byte(`{"timezone":"+08:00"}`)}

// testProvisioning provisions a new device.
func testProvisioning(n int) registry.Provisioning {
	d := testDevice(n)
	d.DeviceKey, d.Licensed, d.LicenceUntil = "", testTime, testTime+1000
	return registry.Provisioning{Device: d, Fingerprint: fmt.Append(nil, "fingerprint", n), Code: fmt.Append(nil, "code", n)}
}

// testReprovisioning gives the second device of fill a new key.
func testReprovisioning() registry.Provisioning {
	p := testProvisioning(2)
	p.Device, p.Version = testDevice(2), 1
	p.Device.Key, p.Device.Version = []byte("another key"), 2
	return p
}

func testClient(id string) registry.ClientRow {
	return registry.ClientRow{Client: registry.Client{ID: id, Org: 1, Door: registry.DoorID2, Name: "back end",
		Scopes: []string{"Verify", "GetServerRandom"}, Created: testTime}, Secret: []byte("sealed")}
}

func testRoot(fingerprint string) registry.Root {
	return registry.Root{Org: 1, Fingerprint: fingerprint, Intermediate: true, Certificate: []byte("certificate"), Created: testTime}
}

func TestRoundTrips(t *testing.T) {
	onEach(t, func(t *testing.T, dsn string) {
		s := open(t, dsn)
		fill(t, s)
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
	onEach(t, func(t *testing.T, dsn string) {
		s := open(t, dsn)
		fill(t, s)
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

// dump returns every row of every table as text.
func dump(t *testing.T, s *Store) map[string][]string {
	t.Helper()
	out := make(map[string][]string)
	for _, table := range []string{"meta", "epochs", "orgs", "products", "devices", "licences", "clients", "audit", "challenge_keys", "nodes", "fingerprints", "otp_codes", "enos_products", "enos_devices",
		"authorities", "certificates", "crls", "crl_marks", "accounts", "bindings", "logins", "scans", "relay_upstreams", "relayed_devices"} {
		rows, err := s.read.Query("SELECT * FROM " + table)
		if err != nil {
			t.Fatal(err)
		}
		columns, _ := rows.Columns()
		for rows.Next() {
			values := make([]any, len(columns))
			for i := range values {
				values[i] = new(any)
			}
			if err := rows.Scan(values...); err != nil {
				t.Fatal(err)
			}
			var line strings.Builder
			for i, v := range values {
				fmt.Fprintf(&line, "%s=%v ", columns[i], *v.(*any))
			}
			out[table] = append(out[table], line.String())
		}
		if err := rows.Close(); err != nil {
			t.Fatal(err)
		}
		sort.Strings(out[table])
	}
	return out
}

// writes are all operations that change the store.
var writes = map[string]func(context.Context, *Store) error{
	"ClaimMeta": func(ctx context.Context, s *Store) error {
		_, err := s.ClaimMeta(ctx, "a", map[string][]byte{"a": {1}, "b": {2}})
		return err
	},
	"NewEpoch": func(ctx context.Context, s *Store) error { _, _, err := s.NewEpoch(ctx); return err },
	"AddChallengeKey": func(ctx context.Context, s *Store) error {
		return s.AddChallengeKey(ctx, ChallengeKey{ID: 5, Secret: []byte("x"), Published: testTime}, 0, testTime-1)
	},
	"Prune": func(ctx context.Context, s *Store) error { return s.Prune(ctx, testTime, testTime) },
	"Beat": func(ctx context.Context, s *Store) error {
		_, err := s.Beat(ctx, registry.Node{ID: 9, URL: "u", Started: 1, Seen: 2})
		return err
	},
	"RemoveNode":      func(ctx context.Context, s *Store) error { return s.RemoveNode(ctx, 7) },
	"SetNodeDraining": func(ctx context.Context, s *Store) error { return s.SetNodeDraining(ctx, 7, true, event) },
	"CreateOrg": func(ctx context.Context, s *Store) error {
		return s.CreateOrg(ctx, registry.Org{ID: 2, Name: "two"}, event)
	},
	"CreateProduct": func(ctx context.Context, s *Store) error { return s.CreateProduct(ctx, testProduct("P2"), event) },
	"UpdateProduct": func(ctx context.Context, s *Store) error {
		was := testProduct("P1").Product
		p := was
		p.Name = "changed"
		return s.UpdateProduct(ctx, was, p, event)
	},
	"InsertDevices": func(ctx context.Context, s *Store) error {
		_, err := s.InsertDevices(ctx, []registry.DeviceRow{testDevice(1), testDevice(3), testDevice(4)}, event)
		return err
	},
	"UpdateDevice": func(ctx context.Context, s *Store) error {
		d := testDevice(1)
		d.State, d.Version = registry.Suspended, 2
		return s.UpdateDevice(ctx, d, 1, event)
	},
	"DeleteDevice": func(ctx context.Context, s *Store) error { return s.DeleteDevice(ctx, 1, testDevice(1).Asset, event) },
	"Provision": func(ctx context.Context, s *Store) error {
		_, err := s.Provision(ctx, testProvisioning(5), event)
		return err
	},
	"Provision again": func(ctx context.Context, s *Store) error {
		_, err := s.Provision(ctx, testReprovisioning(), event)
		return err
	},
	"AllowReprovision": func(ctx context.Context, s *Store) error { return s.AllowReprovision(ctx, testDevice(2).Asset, event) },
	"Activate first use": func(ctx context.Context, s *Store) error {
		a := testActivation(1)
		a.Reason = registry.ReasonFirstUse
		return s.Activate(ctx, a, event)
	},
	"Activate": func(ctx context.Context, s *Store) error { return s.Activate(ctx, testActivation(1), event) },
	"AddUsage": func(ctx context.Context, s *Store) error {
		return s.AddUsage(ctx, []registry.Usage{{Asset: testDevice(1).Asset, Count: 2, LastSeen: 5, Day: 1, DayCount: 2}, {Asset: testDevice(2).Asset, Count: 1}})
	},
	"CreateProduct managed": func(ctx context.Context, s *Store) error { return s.CreateProduct(ctx, managedProduct("M3"), event) },
	"UpdateManagedProduct": func(ctx context.Context, s *Store) error {
		was := managedProduct("M1").Product
		p := was
		p.MaxValidDays = 90
		return s.UpdateManagedProduct(ctx, was, p, []byte(`{"model_id":"n"}`), event)
	},
	"DeleteProduct": func(ctx context.Context, s *Store) error { return s.DeleteProduct(ctx, 3, "M2", event) },
	"InsertManagedDevice": func(ctx context.Context, s *Store) error {
		return s.InsertManagedDevice(ctx, managedDevice(2001), testManagedRow, event)
	},
	"UpdateManagedDevice": func(ctx context.Context, s *Store) error {
		d := managedDevice(2000)
		d.Name, d.Version = "changed", 2
		return s.UpdateManagedDevice(ctx, d, 1, []byte(`{"timezone":"+01:00"}`), event)
	},
	"UpdateManagedDevice of the other door": func(ctx context.Context, s *Store) error {
		d := testDevice(1)
		d.Version = 2
		return s.UpdateManagedDevice(ctx, d, 1, []byte(`{}`), event)
	},
	"DeleteDevice managed": func(ctx context.Context, s *Store) error {
		return s.DeleteDevice(ctx, 3, managedDevice(2000).Asset, event)
	},
	"CreateClient":      func(ctx context.Context, s *Store) error { return s.CreateClient(ctx, testClient("AK2"), event) },
	"SetClientDisabled": func(ctx context.Context, s *Store) error { return s.SetClientDisabled(ctx, 1, "AK1", true, event) },
	"SetClientSettings": func(ctx context.Context, s *Store) error {
		return s.SetClientSettings(ctx, 1, "AK1", "", `{"iv":"key"}`, event)
	},
	"SetUpstream":    func(ctx context.Context, s *Store) error { return s.SetUpstream(ctx, testUpstream(1), event) },
	"RemoveUpstream": func(ctx context.Context, s *Store) error { return s.RemoveUpstream(ctx, 3, event) },
	"AddRelayed": func(ctx context.Context, s *Store) error {
		return s.AddRelayed(ctx, []registry.Relayed{relayed(3, 1, testTime+5, "P1", 2), relayed(3, 2, testTime+5, "", 0)})
	},
	"AddRoot":    func(ctx context.Context, s *Store) error { return s.AddRoot(ctx, testRoot("B"), event) },
	"SetRootCRL": func(ctx context.Context, s *Store) error { return s.SetRootCRL(ctx, 1, "A", nil, []byte("crl"), event) },
	"RemoveRoot": func(ctx context.Context, s *Store) error {
		return s.RemoveRoot(ctx, 1, "A", event)
	},
	"DeleteClient":   func(ctx context.Context, s *Store) error { return s.DeleteClient(ctx, 1, "AK1", event) },
	"MarkClientUsed": func(ctx context.Context, s *Store) error { return s.MarkClientUsed(ctx, "AK1", 77) },
	"AppendAudit":    func(ctx context.Context, s *Store) error { return s.AppendAudit(ctx, []audit.Event{event, event}) },
	"SealAudit":      func(ctx context.Context, s *Store) error { _, err := s.SealAudit(ctx, [32]byte{1}); return err },
}

func TestWritesCoverTheStoreInterface(t *testing.T) {
	readers := map[string]bool{"Orgs": true, "Product": true, "Products": true, "DeviceByID2": true, "DeviceByAsset": true, "Devices": true,
		"DevicesByID2": true, "Licences": true, "ProductByToken": true, "Fingerprint": true, "Client": true, "DeviceByKey": true, "ManagedRow": true, "CountDevices": true, "Clients": true, "AuditEvents": true, "Nodes": true, "Roots": true,
		"Upstream": true, "RelayedDevices": true, "CountRelayed": true}
	iface := reflect.TypeFor[registry.Store]()
	for i := range iface.NumMethod() {
		if name := iface.Method(i).Name; writes[name] == nil && !readers[name] {
			t.Errorf("%s is neither in the table of writes nor a reader", name)
		}
	}
}

// Every statement of every write fails once before and once after it took
// effect. What is then in the store is all of the change or nothing of it, all
// only when the commit itself reported a failure it had survived; and the store
// goes on working.
func TestEveryWriteFailingBeforeAndAfter(t *testing.T) {
	for name, write := range writes {
		t.Run(name, func(t *testing.T) {
			before, after := outcomes(t, write)
			for _, late := range []bool{false, true} {
				for at := 1; ; at++ {
					if !failOnce(t, write, at, late, before, after) {
						break
					}
				}
			}
		})
	}
}

// outcomes returns the store without and with the change.
func outcomes(t *testing.T, write func(context.Context, *Store) error) (before, after map[string][]string) {
	t.Helper()
	s := open(t, engines["sqlite"](t))
	fill(t, s)
	before = dump(t, s)
	if err := write(t.Context(), s); err != nil {
		t.Fatal(err)
	}
	return before, dump(t, s)
}

func failOnce(t *testing.T, write func(context.Context, *Store) error, at int, late bool, before, after map[string][]string) (struck bool) {
	t.Helper()
	dsn := engines["sqlite"](t)
	s := open(t, dsn)
	fill(t, s)
	theSaboteur.arm(at, late)
	err := write(t.Context(), s)
	if !theSaboteur.disarm() {
		if err != nil {
			t.Errorf("undisturbed: %v", err)
		}
		return false
	}
	if !errors.Is(err, errSabotage) {
		t.Errorf("statement %d (late %v) failed, and the caller was told %v", at, late, err)
	}
	now := dump(t, s)
	if !reflect.DeepEqual(now, before) && !(late && reflect.DeepEqual(now, after)) {
		t.Errorf("statement %d (late %v) left part of the change:\n%s", at, late, cmp.Diff(before, now))
	}
	if _, err := s.ClaimMeta(t.Context(), "alive", map[string][]byte{"alive": {1}}); err != nil {
		t.Errorf("statement %d (late %v): the store is stuck: %v", at, late, err)
	}
	if err := s.Close(); err != nil {
		t.Errorf("close: %v", err)
	}
	again := open(t, dsn) // and what it shows is what is on disk
	delete(now, "meta")
	onDisk := dump(t, again)
	delete(onDisk, "meta")
	if diff := cmp.Diff(now, onDisk); diff != "" {
		t.Errorf("statement %d (late %v): after reopening:\n%s", at, late, diff)
	}
	return true
}

// A part that fails in a shared commit leaves the others whole.
func TestGroupCommitKeepsPartsApart(t *testing.T) {
	s := open(t, engines["sqlite"](t))
	fill(t, s)
	before := auditCount(t, s)
	hold := make(chan struct{})
	started := make(chan struct{})
	var wg sync.WaitGroup
	wg.Go(func() { // occupies the writer until everybody waits
		_ = s.write(t.Context(), func(txn) error { close(started); <-hold; return nil })
	})
	<-started
	errs := make([]error, 20)
	var asked sync.WaitGroup
	for i := range errs {
		asked.Add(1)
		wg.Go(func() {
			asked.Done()
			if i%2 == 0 {
				errs[i] = s.CreateClient(context.Background(), testClient("AK1"), event) // exists
			} else {
				errs[i] = s.CreateClient(context.Background(), testClient(fmt.Sprint("NEW", i)), event)
			}
		})
	}
	asked.Wait()
	close(hold)
	wg.Wait()
	for i, err := range errs {
		if want := map[bool]error{true: registry.ErrExists, false: nil}[i%2 == 0]; !errors.Is(err, want) {
			t.Errorf("part %d: %v, want %v", i, err, want)
		}
	}
	clients, err := s.Clients(t.Context(), 1)
	if err != nil || len(clients) != 11 {
		t.Errorf("%d clients, %v; want 11", len(clients), err)
	}
	if got := auditCount(t, s) - before; got != 10 {
		t.Errorf("%d audit events; want one for each of the ten clients", got)
	}
}

func auditCount(t *testing.T, s *Store) int {
	t.Helper()
	events, err := s.AuditEvents(t.Context(), registry.AuditFilter{Limit: 1000})
	if err != nil {
		t.Fatal(err)
	}
	return len(events)
}

func TestSecondProcessIsRefused(t *testing.T) {
	dsn := engines["sqlite"](t)
	open(t, dsn)
	if _, err := Open(t.Context(), options(dsn)); !errors.Is(err, replay.ErrLocked) {
		t.Errorf("opened twice: %v", err)
	}
}

func TestNewerSchemaIsRefused(t *testing.T) {
	onEach(t, func(t *testing.T, dsn string) {
		s := open(t, dsn)
		err := s.write(t.Context(), func(tx txn) error {
			_, err := tx.Exec(`INSERT INTO schema_version (version) VALUES (9999)`)
			return err
		})
		if err := errors.Join(err, s.Close()); err != nil {
			t.Fatal(err)
		}
		if _, err := Open(t.Context(), options(dsn)); !errors.Is(err, ErrNewer) {
			t.Errorf("opened a newer schema: %v", err)
		}
	})
}

func TestDurabilitySettings(t *testing.T) {
	s := open(t, engines["sqlite"](t))
	for pragma, want := range map[string]string{"journal_mode": "wal", "synchronous": "2"} {
		var got string
		err := s.writer.(*groupWriter).conn.QueryRowContext(t.Context(), "PRAGMA "+pragma).Scan(&got)
		if err != nil || got != want {
			t.Errorf("PRAGMA %s is %q, %v; want %q", pragma, got, err, want)
		}
	}
}

func TestAuditChain(t *testing.T) {
	onEach(t, func(t *testing.T, dsn string) {
		s := open(t, dsn)
		fill(t, s)
		filled := auditCount(t, s)
		key := [32]byte{9}
		for range 3 {
			if _, err := s.SealAudit(t.Context(), key); err != nil {
				t.Fatal(err)
			}
			if err := s.AppendAudit(t.Context(), []audit.Event{event}); err != nil {
				t.Fatal(err)
			}
		}
		check := func() (n int, ok bool) {
			events, err := s.AuditEvents(t.Context(), registry.AuditFilter{InOrder: true, Limit: 100})
			if err != nil {
				t.Fatal(err)
			}
			chain := audit.NewChain(key, 0, nil)
			for _, e := range events {
				if !chain.Follows(e) {
					return n, false
				}
				n++
			}
			return n, true
		}
		if n, ok := check(); n != filled+2 || !ok { // all but the last event, which no seal followed
			t.Fatalf("%d links of %d, intact %v", n, filled+2, ok)
		}
		for _, tamper := range []string{
			`UPDATE audit SET detail = '{"x":1}' WHERE seq = 3`,
			`UPDATE audit SET seq = 99 WHERE seq = 4`,
			`DELETE FROM audit WHERE seq = 2`,
		} {
			if err := s.write(t.Context(), func(tx txn) error { _, err := tx.Exec(tamper); return err }); err != nil {
				t.Fatal(err)
			}
			if _, ok := check(); ok {
				t.Errorf("not noticed: %s", tamper)
			}
		}
	})
}

func TestDeviceFilters(t *testing.T) {
	onEach(t, func(t *testing.T, dsn string) {
		s := open(t, dsn)
		fill(t, s)
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
