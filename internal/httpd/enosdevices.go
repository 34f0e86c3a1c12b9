package httpd

import (
	"context"
	"encoding/json"

	"github.com/hallmark-id/hallmark/enos"
	"github.com/hallmark-id/hallmark/internal/audit"
	"github.com/hallmark-id/hallmark/internal/registry"
)

// createDevice makes a device without an ID² key (enos §2).
func (d *enosDoor) createDevice(ctx context.Context, c *enosCall) (any, error) {
	var spec enos.DeviceSpec
	if err := enos.Decode(c.body, &spec); err != nil {
		return nil, err
	}
	switch {
	case spec.ProductKey == "":
		return nil, enos.Missing("productKey")
	case spec.Timezone == nil:
		return nil, enos.Missing("timezone")
	case spec.Name == nil || spec.Name.Default == "":
		return nil, enos.Missing("deviceName")
	}
	if _, err := d.registry.LiveProduct(ctx, c.client.Org, spec.ProductKey); err != nil {
		return nil, productError(err)
	}
	var m registry.ManagedDevice
	m.Product, m.DeviceKey = spec.ProductKey, spec.DeviceKey
	changeDevice(&m, &spec)
	made, err := d.registry.CreateManagedDevice(ctx, c.client.Org, m, c.actor())
	if err != nil {
		return nil, deviceError(err)
	}
	return enos.CreatedDevice{AssetID: made.Asset.String(), ProductKey: made.Product, DeviceKey: made.DeviceKey, Secret: made.Secret}, nil
}

// changeDevice writes the members of a specification that are there.
func changeDevice(m *registry.ManagedDevice, s *enos.DeviceSpec) {
	if s.Timezone != nil {
		m.Info.Timezone = *s.Timezone
	}
	if s.Name != nil {
		m.Name, m.Info.Names = s.Name.Default, s.Name.Locales
	}
	if s.Description != nil {
		m.Info.Description = *s.Description
	}
	if s.Attributes != nil {
		m.Info.Attributes = s.Attributes
	}
	if s.Tags != nil {
		m.Info.Tags = s.Tags
	}
}

func (d *enosDoor) getDevice(ctx context.Context, c *enosCall) (any, error) {
	device, err := d.device(ctx, c, enos.Device{})
	if err != nil {
		return nil, err
	}
	return d.deviceDetail(ctx, c, device)
}

func (d *enosDoor) deviceDetail(ctx context.Context, c *enosCall, device registry.Device) (any, error) {
	m, err := d.registry.ManagedDevice(ctx, device)
	if err != nil {
		return nil, deviceError(err)
	}
	v := enos.DeviceDetail{OrgID: m.Org.String(), AssetID: m.Asset.String(), ProductKey: m.Product, DeviceKey: m.DeviceKey,
		Name: enos.Text{Default: m.Name, Locales: m.Info.Names}, Description: m.Info.Description, Timezone: m.Info.Timezone,
		Attributes: object(m.Info.Attributes), Tags: object(m.Info.Tags), CreateTime: int64(m.Created),
		Status: deviceStatus(&m.Device, registry.At(d.now())), ActiveTime: int64(m.Activated), LastOnline: int64(m.LastSeen)}
	if c.client.Allows("Manage") {
		v.Secret = m.Secret
	}
	if m.Product == "" {
		return v, nil
	}
	p, err := d.registry.ManagedProduct(ctx, c.client.Org, m.Product)
	if err != nil {
		return nil, productError(err)
	}
	product := viewEnOSProduct(c, &p)
	v.ModelID, v.ModelIDPath = product.ModelID, "/"+product.ModelID
	v.ProductName, v.ProductType, v.DataFormat = product.Name, product.Type, product.DataFormat
	return v, nil
}

// deviceStatus tells a state in three words; the vendor's own are not documented.
func deviceStatus(d *registry.Device, now registry.Instant) string {
	switch d.StateAt(now) {
	case registry.Suspended, registry.Discarded:
		return "disabled"
	case registry.Active:
		return "active"
	}
	return "inactive"
}

// named reads the body of a call that may name its device there.
func (d *enosDoor) named(ctx context.Context, c *enosCall) (registry.Device, enos.DeviceSpec, error) {
	var spec enos.DeviceSpec
	if len(c.body) > 0 {
		if err := enos.Decode(c.body, &spec); err != nil {
			return registry.Device{}, spec, err
		}
	}
	device, err := d.device(ctx, c, enos.Device{AssetID: spec.AssetID, ProductKey: spec.ProductKey, DeviceKey: spec.DeviceKey})
	return device, spec, err
}

func (d *enosDoor) updateDevice(ctx context.Context, c *enosCall) (any, error) {
	device, spec, err := d.named(ctx, c)
	if err != nil {
		return nil, err
	}
	err = d.registry.UpdateManagedDevice(ctx, c.client.Org, device.Asset, func(m *registry.ManagedDevice) error {
		changeDevice(m, &spec)
		return nil
	}, c.actor())
	return nil, deviceError(err)
}

// deleteDevice removes a device; its certificates are revoked with it.
func (d *enosDoor) deleteDevice(ctx context.Context, c *enosCall) (any, error) {
	device, _, err := d.named(ctx, c)
	if err != nil {
		return nil, err
	}
	return nil, deviceError(d.registry.Delete(ctx, c.client.Org, device.Asset.String(), c.actor()))
}

func (d *enosDoor) enableDevice(ctx context.Context, c *enosCall) (any, error) {
	return d.changeState(ctx, c, d.registry.Resume)
}

func (d *enosDoor) disableDevice(ctx context.Context, c *enosCall) (any, error) {
	return d.changeState(ctx, c, d.registry.Suspend)
}

type stateChange func(context.Context, registry.ID, string, audit.Actor) (registry.Device, error)

func (d *enosDoor) changeState(ctx context.Context, c *enosCall, change stateChange) (any, error) {
	device, _, err := d.named(ctx, c)
	if err != nil {
		return nil, err
	}
	_, err = change(ctx, c.client.Org, device.Asset.String(), c.actor())
	return nil, deviceError(err)
}

// searchDevices answers a page of the devices in the order of their assets.
func (d *enosDoor) searchDevices(ctx context.Context, c *enosCall) (any, error) {
	search, err := readSearch(c, "productKey", "deviceKey")
	if err != nil {
		return nil, err
	}
	f := registry.DeviceFilter{Product: search.equal["productKey"], DeviceKey: search.equal["deviceKey"],
		Offset: search.offset(), Limit: int(search.page.PageSize)}
	if f.DeviceKey != "" && f.Product == "" {
		return nil, enos.InvalidArgument("expression", "deviceKey goes with productKey")
	}
	devices, err := d.registry.Devices(ctx, c.client.Org, f)
	if err != nil {
		return nil, deviceError(err)
	}
	total, err := d.registry.CountDevices(ctx, c.client.Org, f, maxFound)
	if err != nil {
		return nil, deviceError(err)
	}
	views := make([]any, len(devices))
	for i := range devices {
		if views[i], err = d.deviceDetail(ctx, c, devices[i]); err != nil {
			return nil, err
		}
	}
	search.page.TotalSize = int64(total)
	return enosPage{views, search.page}, nil
}

// attributes are a device's attributes as the older calls show them.
func attributes(raw json.RawMessage) map[string]any {
	var m map[string]any
	if json.Unmarshal(object(raw), &m) != nil { // no object
		return nil
	}
	return m
}
