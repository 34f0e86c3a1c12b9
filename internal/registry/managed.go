package registry

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/hallmark-id/hallmark/internal/audit"
)

// Limits of validity of a product's certificates, in days (enos §2).
const (
	DefaultValidDays = 730
	DefaultMaxDays   = 1095
	maxValidDays     = 3650
)

// ProductInfo is what clients of the EnOS door say of a product and read back;
// nothing here follows from it.
type ProductInfo struct {
	ModelID     string            `json:"model_id,omitempty"`
	Type        string            `json:"type,omitempty"`
	DataFormat  string            `json:"data_format,omitempty"`
	Description string            `json:"description,omitempty"`
	Names       map[string]string `json:"names,omitempty"` // by locale
	Tags        json.RawMessage   `json:"tags,omitempty"`
	Dynamic     bool              `json:"dynamic,omitempty"`
	CreatedBy   string            `json:"created_by,omitempty"`
	UpdatedBy   string            `json:"updated_by,omitempty"`
	Updated     int64             `json:"updated,omitempty"` // milliseconds since 1970
}

// DeviceInfo is what clients of the EnOS door say of a device and read back.
type DeviceInfo struct {
	Timezone    string            `json:"timezone,omitempty"`
	Description string            `json:"description,omitempty"`
	Names       map[string]string `json:"names,omitempty"` // by locale
	Attributes  json.RawMessage   `json:"attributes,omitempty"`
	Tags        json.RawMessage   `json:"tags,omitempty"`
	CreatedBy   string            `json:"created_by,omitempty"`
	UpdatedBy   string            `json:"updated_by,omitempty"`
	Updated     int64             `json:"updated,omitempty"`
}

// maxInfo bounds the information of a product or a device as it is kept.
const maxInfo = 32 << 10

func encodeInfo(info any) ([]byte, error) {
	raw, err := json.Marshal(info)
	if err != nil {
		return nil, invalid("tags and attributes must be JSON")
	}
	if len(raw) > maxInfo {
		return nil, invalid("names, description, tags and attributes have at most %d bytes together", maxInfo)
	}
	return raw, nil
}

func decodeInfo(raw []byte, into any) error {
	if len(raw) == 0 {
		return nil
	}
	return json.Unmarshal(raw, into)
}

// ManagedProduct is a product as the EnOS door shows it.
type ManagedProduct struct {
	Product
	Info ProductInfo
	// Secret is the product secret of a product made through that door; the one
	// of an ID² product is a provisioning token, and stays closed.
	Secret string
}

// Managed reports whether a product was made through the EnOS door: its devices
// need no ID² key.
func (p *Product) Managed() bool { return !p.Algorithm.Valid() }

// managedKeyLen is the length of the product keys of the EnOS door.
const managedKeyLen = 8

// CreateManagedProduct makes a product without an ID² algorithm. Of p it takes
// name, two-way authentication, limits of validity and information.
func (r *Registry) CreateManagedProduct(ctx context.Context, org ID, p ManagedProduct, by audit.Actor) (Product, error) {
	if err := checkName(p.Name); err != nil {
		return Product{}, err
	}
	key, err := randomText(r.random, alphanumeric, managedKeyLen)
	if err != nil {
		return Product{}, err
	}
	row, _, err := r.newProductRow(org, ProductSpec{Key: key, Name: p.Name, Quota: Unlimited, TwoWayAuth: p.TwoWayAuth,
		DefaultValidDays: p.DefaultValidDays, MaxValidDays: p.MaxValidDays})
	if err != nil {
		return Product{}, err
	}
	p.Info.CreatedBy, p.Info.UpdatedBy, p.Info.Updated = by.Name, by.Name, int64(row.Created)
	if row.Info, err = encodeInfo(p.Info); err != nil {
		return Product{}, err
	}
	event := by.Did("product.create", "product", row.Key, map[string]any{"name": p.Name, "two_way_auth": p.TwoWayAuth, "model_id": p.Info.ModelID})
	return row.Product, r.store.CreateProduct(ctx, row, event.In(int64(org)))
}

// validDays fills in limits of validity that were not given, so that they agree.
func validDays(usual, longest int) (int, int) {
	switch {
	case usual == 0 && longest == 0:
		return DefaultValidDays, DefaultMaxDays
	case usual == 0:
		return min(DefaultValidDays, longest), longest
	case longest == 0:
		return usual, max(DefaultMaxDays, usual)
	}
	return usual, longest
}

func checkValidDays(usual, longest int) error {
	switch {
	case usual < 1 || usual > maxValidDays || longest < 1 || longest > maxValidDays:
		return invalid("the limits of validity are 1 to %d days", maxValidDays)
	case usual > longest:
		return invalid("the default validity of %d days is over the maximum of %d", usual, longest)
	}
	return nil
}

// ManagedProduct returns a product with its information.
func (r *Registry) ManagedProduct(ctx context.Context, org ID, key string) (ManagedProduct, error) {
	if !isName(key) {
		return ManagedProduct{}, ErrNotFound
	}
	row, err := r.productRow(ctx, org, key)
	if err != nil {
		return ManagedProduct{}, err
	}
	p := ManagedProduct{Product: row.Product}
	if err := decodeInfo(row.Info, &p.Info); err != nil {
		return ManagedProduct{}, fmt.Errorf("product %s: %w", key, err)
	}
	if p.Managed() {
		secret, err := r.ring.Open(row.Secret, productBinding("secret", key))
		if err != nil {
			return ManagedProduct{}, fmt.Errorf("product %s: %w", key, err)
		}
		p.Secret = string(secret)
		clear(secret)
	}
	return p, nil
}

// UpdateManagedProduct changes name, two-way authentication, limits of validity
// and information of a product.
func (r *Registry) UpdateManagedProduct(ctx context.Context, org ID, key string, change func(*ManagedProduct) error, by audit.Actor) (err error) {
	for range updateTries {
		if err = r.updateManagedProduct(ctx, org, key, change, by); !errors.Is(err, ErrConflict) {
			break
		}
	}
	return err
}

func (r *Registry) updateManagedProduct(ctx context.Context, org ID, key string, change func(*ManagedProduct) error, by audit.Actor) error {
	p, err := r.ManagedProduct(ctx, org, key)
	if err != nil {
		return err
	}
	was := p.Product
	if err := change(&p); err != nil {
		return err
	}
	if !was.Managed() && p.TwoWayAuth != was.TwoWayAuth {
		return invalid("two-way authentication of an ID² product is decided when it is made")
	}
	if err := errors.Join(checkName(p.Name), checkValidDays(p.DefaultValidDays, p.MaxValidDays)); err != nil {
		return err
	}
	p.Info.UpdatedBy, p.Info.Updated = by.Name, int64(At(r.now()))
	info, err := encodeInfo(p.Info)
	if err != nil {
		return err
	}
	event := by.Did("product.update", "product", key, map[string]any{"name": p.Name, "two_way_auth": p.TwoWayAuth,
		"default_valid_days": p.DefaultValidDays, "max_valid_days": p.MaxValidDays})
	err = r.store.UpdateManagedProduct(ctx, was, p.Product, info, event.In(int64(org)))
	r.products.invalidate(key)
	r.devices.invalidateAll() // their entries point to the product as it was
	return err
}

// DeleteProduct removes a product that was made through the EnOS door;
// ErrForbidden while it has devices.
func (r *Registry) DeleteProduct(ctx context.Context, org ID, key string, by audit.Actor) error {
	p, err := r.Product(ctx, org, key)
	if err != nil {
		return err
	}
	if !p.Managed() {
		return fmt.Errorf("an ID² product stays, for its licences' sake: %w", ErrForbidden)
	}
	err = r.store.DeleteProduct(ctx, org, key, by.Did("product.delete", "product", key, nil).In(int64(org)))
	r.products.invalidate(key)
	return err
}

// ManagedRow is what a store keeps of a device for the EnOS door.
type ManagedRow struct {
	Secret []byte // sealed; empty for a device that was made elsewhere
	Info   []byte // JSON
}

// ManagedDevice is a device as the EnOS door shows it. Secret is "" for one that
// was made elsewhere.
type ManagedDevice struct {
	Device
	Info   DeviceInfo
	Secret string
}

// Lengths of device secrets and of device keys that nobody chose.
const (
	deviceSecretLen = 20
	deviceKeyLen    = 10
)

// CreateManagedDevice makes a device without an ID² key. Of d it takes product,
// device key, name and information; without a device key it makes one. ErrExists
// if the product has a device of that key.
func (r *Registry) CreateManagedDevice(ctx context.Context, org ID, d ManagedDevice, by audit.Actor) (ManagedDevice, error) {
	if len(d.Name) > maxName || len(d.DeviceKey) > maxName || !isText(d.Name) || !isText(d.DeviceKey) {
		return ManagedDevice{}, invalid("name and device key have at most %d bytes of text without control characters", maxName)
	}
	var err error
	if d.DeviceKey == "" {
		if d.DeviceKey, err = randomText(r.random, alphanumeric, deviceKeyLen); err != nil {
			return ManagedDevice{}, err
		}
	}
	if d.Asset, err = NewID(r.random); err != nil {
		return ManagedDevice{}, err
	}
	if d.Secret, err = randomText(r.random, alphanumeric, deviceSecretLen); err != nil {
		return ManagedDevice{}, err
	}
	d.Org, d.Version, d.Created = org, 1, At(r.now())
	d.Info.CreatedBy, d.Info.UpdatedBy, d.Info.Updated = by.Name, by.Name, int64(d.Created)
	var more ManagedRow
	if more.Info, err = encodeInfo(d.Info); err != nil {
		return ManagedDevice{}, err
	}
	if more.Secret, err = r.ring.Seal([]byte(d.Secret), deviceSecretBinding(d.Asset)); err != nil {
		return ManagedDevice{}, err
	}
	event := by.Did("device.create", "device", d.Asset.String(), map[string]any{"product": d.Product, "device_key": d.DeviceKey})
	return d, r.store.InsertManagedDevice(ctx, DeviceRow{Device: d.Device, Key: []byte{}}, more, event.In(int64(org)))
}

func deviceSecretBinding(asset ID) string { return "enos_devices/secret/" + asset.String() }

// DeviceByKey finds a device by its product and device key.
func (r *Registry) DeviceByKey(ctx context.Context, org ID, product, deviceKey string) (Device, error) {
	if !isName(product) || !isText(deviceKey) || deviceKey == "" || len(deviceKey) > maxName {
		return Device{}, ErrNotFound
	}
	row, err := r.store.DeviceByKey(ctx, org, product, deviceKey)
	return row.Device, err
}

// DeviceByAsset finds a device by its asset id.
func (r *Registry) DeviceByAsset(ctx context.Context, org, asset ID) (Device, error) {
	row, err := r.store.DeviceByAsset(ctx, org, asset)
	return row.Device, err
}

// ManagedDevice adds to a device what the EnOS door keeps of it.
func (r *Registry) ManagedDevice(ctx context.Context, d Device) (ManagedDevice, error) {
	m := ManagedDevice{Device: d}
	more, err := r.store.ManagedRow(ctx, d.Asset)
	if errors.Is(err, ErrNotFound) {
		return m, nil
	}
	if err == nil {
		err = decodeInfo(more.Info, &m.Info)
	}
	if err == nil && len(more.Secret) > 0 {
		var secret []byte
		secret, err = r.ring.Open(more.Secret, deviceSecretBinding(d.Asset))
		m.Secret = string(secret)
		clear(secret)
	}
	if err != nil {
		return ManagedDevice{}, fmt.Errorf("device %s: %w", d.Asset, err)
	}
	return m, nil
}

// UpdateManagedDevice changes name and information of a device.
func (r *Registry) UpdateManagedDevice(ctx context.Context, org, asset ID, change func(*ManagedDevice) error, by audit.Actor) error {
	row, err := r.store.DeviceByAsset(ctx, org, asset)
	if err != nil {
		return err
	}
	d, err := r.ManagedDevice(ctx, row.Device)
	if err != nil {
		return err
	}
	if err := change(&d); err != nil {
		return err
	}
	if len(d.Name) > maxName || !isText(d.Name) {
		return invalid("a name has at most %d bytes of text without control characters", maxName)
	}
	d.Info.UpdatedBy, d.Info.Updated = by.Name, int64(At(r.now()))
	info, err := encodeInfo(d.Info)
	if err != nil {
		return err
	}
	version := row.Version
	row.Name, row.Version = d.Name, version+1
	event := by.Did("device.update", "device", asset.String(), map[string]any{"name": d.Name})
	err = r.store.UpdateManagedDevice(ctx, row, version, info, event.In(int64(org)))
	r.devices.invalidate(deviceKey{org, row.ID2})
	return err
}

// CountDevices counts the devices that a filter chooses, up to a bound.
func (r *Registry) CountDevices(ctx context.Context, org ID, f DeviceFilter, bound int) (int, error) {
	return r.store.CountDevices(ctx, org, f, bound, At(r.now()))
}
