package store

import (
	"context"
	"reflect"
	"testing"

	"github.com/hallmark-id/hallmark/internal/audit"
	"github.com/hallmark-id/hallmark/internal/registry"
)

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
