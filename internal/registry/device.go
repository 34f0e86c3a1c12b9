package registry

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/hallmark-id/hallmark/id2"
	"github.com/hallmark-id/hallmark/internal/audit"
)

// State is where a device is in its life. Expired is not kept: it follows from
// the end of the licence.
type State uint8

// The states of a device.
const (
	Unactivated State = iota // 未激活: has a key, has not yet authenticated
	Active                   // 已激活
	Suspended                // 已停用: refused until resumed
	Discarded                // 已废弃: refused for good
	Expired                  // 已过期: active, but its licence has ended
)

var stateNames = [...]string{"unactivated", "active", "suspended", "discarded", "expired"}

func (s State) String() string {
	if int(s) < len(stateNames) {
		return stateNames[s]
	}
	return fmt.Sprintf("state %d", uint8(s))
}

// ParseState reads a state's name.
func ParseState(s string) (State, bool) {
	for i, name := range stateNames {
		if name == s {
			return State(i), true
		}
	}
	return 0, false
}

// ReleaseAfter is how long after its licence ended a device is released: it
// loses its product and its state, keeps its key, and the next success binds
// and licenses it anew.
const ReleaseAfter = 15 * day

// Device is a device as operators see it.
type Device struct {
	Asset        ID
	Org          ID
	ID2          string
	Product      string // product key, "" while bound to none
	Name         string
	DeviceKey    string
	Algorithm    id2.Algorithm
	State        State // as kept: never Expired; see StateAt
	Licensed     Instant
	LicenceUntil Instant // 0 while it holds no licence
	Activated    Instant
	LastSeen     Instant
	AuthCount    int64
	Version      int64
	Created      Instant
}

// StateAt is the state that people see at a moment.
func (d *Device) StateAt(now Instant) State { return standing(d.State, d.LicenceUntil, now) }

// standing adds the passing of time to a kept state.
func standing(kept State, until, now Instant) State {
	switch {
	case kept != Active || now < until:
		return kept
	case now < until+ReleaseAfter:
		return Expired
	}
	return Unactivated
}

// DeviceRow is a device as a store keeps it: Key is sealed when it is symmetric
// and the public key's DER when it is not.
type DeviceRow struct {
	Device
	Key []byte
	// Day and DayCount are the last UTC day it authenticated on and how often.
	Day, DayCount int64
}

// LiveDevice is what authentication needs of a device, its key open. It is
// kept small: a server caches millions.
type LiveDevice struct {
	Key          id2.Key
	Product      *LiveProduct // nil while bound to none
	Asset        ID
	LicenceUntil Instant
	Version      int32
	Day          int32
	DayCount     int32
	kept         State
}

// Standing is the device's state at a moment.
func (d *LiveDevice) Standing(now Instant) State { return standing(d.kept, d.LicenceUntil, now) }

// BoundTo returns the product the device belongs to at a moment, or nil: a
// released device belongs to none.
func (d *LiveDevice) BoundTo(now Instant) *LiveProduct {
	if d.kept == Active && now >= d.LicenceUntil && now-d.LicenceUntil >= ReleaseAfter {
		return nil
	}
	return d.Product
}

// deviceKey finds a device in the cache.
type deviceKey struct {
	org ID
	id2 string
}

func (k deviceKey) own() deviceKey { return deviceKey{k.org, strings.Clone(k.id2)} }

// LiveDevice returns a device by its id2 through the cache, or ErrNotFound.
func (r *Registry) LiveDevice(ctx context.Context, org ID, id string) (LiveDevice, error) {
	if !id2.ValidID(id) {
		return LiveDevice{}, ErrNotFound
	}
	return r.devices.get(ctx, deviceKey{org, id})
}

// Forget drops what is remembered of a device that has changed elsewhere.
func (r *Registry) Forget(org ID, id string) { r.devices.invalidate(deviceKey{org, id}) }

func (r *Registry) loadDevice(ctx context.Context, k deviceKey) (LiveDevice, error) {
	row, err := r.store.DeviceByID2(ctx, k.org, strings.Clone(k.id2))
	if err != nil {
		return LiveDevice{}, err
	}
	key, err := r.openKey(&row)
	if err != nil {
		return LiveDevice{}, err
	}
	live := LiveDevice{Key: key, Asset: row.Asset, LicenceUntil: row.LicenceUntil, Version: int32(row.Version),
		Day: int32(row.Day), DayCount: int32(row.DayCount), kept: row.State}
	if row.Product != "" {
		live.Product, err = r.products.get(ctx, row.Product)
	}
	return live, err
}

func (r *Registry) openKey(row *DeviceRow) (id2.Key, error) {
	if !row.Algorithm.Symmetric() {
		return id2.NewPublicKey(row.Algorithm, row.Key)
	}
	raw, err := r.ring.Open(row.Key, keyBinding(row.Asset))
	if err != nil {
		return id2.Key{}, fmt.Errorf("key of device %s: %w", row.Asset, err)
	}
	defer clear(raw)
	return id2.NewSymmetricKey(row.Algorithm, raw)
}

// sealKey returns what the store keeps of a key.
func (r *Registry) sealKey(asset ID, key *id2.Key) ([]byte, error) {
	raw := key.Bytes()
	if !key.Algorithm().Symmetric() {
		return raw, nil
	}
	defer clear(raw)
	return r.ring.Seal(raw, keyBinding(asset))
}

func keyBinding(asset ID) string { return "devices/key/" + asset.String() }

// Device finds a device of an organisation by its id2, its asset id, or its
// product key and device key with a slash between them.
func (r *Registry) Device(ctx context.Context, org ID, name string) (Device, error) {
	row, err := r.deviceRow(ctx, org, name)
	return row.Device, err
}

func (r *Registry) deviceRow(ctx context.Context, org ID, name string) (DeviceRow, error) {
	row, err := r.store.DeviceByID2(ctx, org, name)
	if asset, ok := ParseID(name); ok && errors.Is(err, ErrNotFound) {
		row, err = r.store.DeviceByAsset(ctx, org, asset)
	}
	if product, key, ok := strings.Cut(name, "/"); ok && errors.Is(err, ErrNotFound) && isName(product) && isText(key) {
		row, err = r.store.DeviceByKey(ctx, org, product, key)
	}
	if err != nil {
		return DeviceRow{}, fmt.Errorf("device %s: %w", name, err)
	}
	return row, nil
}

// DeviceFilter chooses devices; zero fields choose all.
type DeviceFilter struct {
	Product string
	State   *State // Expired and released devices are told apart by now
	Prefix  string // of the id2
	// DeviceKey is exact, and goes with Product.
	DeviceKey string
	After     ID // the last asset of the page before
	Offset    int
	Limit     int
}

// MaxPage is the most rows a list answers at once.
const MaxPage = 1000

// Devices lists devices in the order of their asset ids.
func (r *Registry) Devices(ctx context.Context, org ID, f DeviceFilter) ([]Device, error) {
	if f.Limit <= 0 || f.Limit > MaxPage {
		f.Limit = MaxPage
	}
	return r.store.Devices(ctx, org, f, At(r.now()))
}

// change applies a state change to a device and its audit line, and lets
// every reader see it.
func (r *Registry) change(ctx context.Context, org ID, name, action string, by audit.Actor, set func(*DeviceRow) error) (Device, error) {
	row, err := r.deviceRow(ctx, org, name)
	if err != nil {
		return Device{}, err
	}
	version := row.Version
	if err := set(&row); err != nil {
		return Device{}, fmt.Errorf("device %s: %w", name, err)
	}
	row.Version++
	event := by.Did(action, "device", row.Asset.String(), map[string]any{"id2": row.ID2, "state": row.State.String()})
	err = r.store.UpdateDevice(ctx, row, version, event.In(int64(org)))
	r.devices.invalidate(deviceKey{org, row.ID2})
	if err != nil {
		return Device{}, fmt.Errorf("device %s: %w", name, err)
	}
	return row.Device, nil
}

// Suspend refuses a device until Resume.
func (r *Registry) Suspend(ctx context.Context, org ID, name string, by audit.Actor) (Device, error) {
	return r.change(ctx, org, name, "device.suspend", by, func(d *DeviceRow) error {
		if d.State == Discarded {
			return fmt.Errorf("a discarded device cannot be suspended: %w", ErrForbidden)
		}
		d.State = Suspended
		return nil
	})
}

// Resume ends a suspension: the device is active again if it was before.
func (r *Registry) Resume(ctx context.Context, org ID, name string, by audit.Actor) (Device, error) {
	return r.change(ctx, org, name, "device.resume", by, func(d *DeviceRow) error {
		if d.State != Suspended {
			return fmt.Errorf("only a suspended device can be resumed, this one is %s: %w", d.State, ErrForbidden)
		}
		d.State = Unactivated
		if d.Activated != 0 { // a provisioned device holds a licence before that
			d.State = Active
		}
		return nil
	})
}

// Discard refuses a device for good.
func (r *Registry) Discard(ctx context.Context, org ID, name string, by audit.Actor) (Device, error) {
	return r.change(ctx, org, name, "device.discard", by, func(d *DeviceRow) error {
		d.State = Discarded
		return nil
	})
}

// Rekey gives a device another key of its algorithm.
func (r *Registry) Rekey(ctx context.Context, org ID, name string, key KeyText, by audit.Actor) (Device, error) {
	return r.change(ctx, org, name, "device.rekey", by, func(d *DeviceRow) error {
		if d.State == Discarded {
			return fmt.Errorf("a discarded device gets no new key: %w", ErrForbidden)
		}
		parsed, err := key.parse(d.Algorithm)
		if err != nil {
			return err
		}
		d.Key, err = r.sealKey(d.Asset, &parsed)
		return err
	})
}

// Delete removes a device. Its licence is used up, not returned.
func (r *Registry) Delete(ctx context.Context, org ID, name string, by audit.Actor) error {
	row, err := r.deviceRow(ctx, org, name)
	if err != nil {
		return err
	}
	event := by.Did("device.delete", "device", row.Asset.String(), map[string]any{"id2": row.ID2})
	err = r.store.DeleteDevice(ctx, org, row.Asset, event.In(int64(org)))
	r.devices.invalidate(deviceKey{org, row.ID2})
	return err
}
