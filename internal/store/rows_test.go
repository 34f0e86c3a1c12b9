package store

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"testing"

	"github.com/hallmark-id/hallmark/id2"
	"github.com/hallmark-id/hallmark/internal/audit"
	"github.com/hallmark-id/hallmark/internal/registry"
)

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
func fill(tb testing.TB, s *Store) {
	tb.Helper()
	ctx := tb.Context()
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
		tb.Fatal(err)
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
