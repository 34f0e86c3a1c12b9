package operator

import (
	"context"

	"github.com/hallmark-id/hallmark/internal/audit"
	"github.com/hallmark-id/hallmark/internal/registry"
)

// Device is a device as operators see it, without its key. Times are RFC 3339,
// "" for never; LicenceUntil may be "unlimited".
type Device struct {
	AssetID      string `json:"asset_id"`
	OrgID        string `json:"org_id"`
	ID2          string `json:"id2"`
	ProductKey   string `json:"product_key"`
	Name         string `json:"name"`
	DeviceKey    string `json:"device_key"`
	Algorithm    string `json:"algorithm"`
	State        string `json:"state"`
	Licensed     string `json:"licensed"`
	LicenceUntil string `json:"licence_until"`
	Activated    string `json:"activated"`
	LastSeen     string `json:"last_seen"`
	AuthCount    int64  `json:"auth_count"`
	Created      string `json:"created"`
}

// DeviceList is one page of devices. Next, when it is not "", is the after
// parameter of the page that follows.
type DeviceList struct {
	Devices []Device `json:"devices"`
	Next    string   `json:"next"`
}

// DeletedDevice is what deleting a device answers.
type DeletedDevice struct {
	AssetID string `json:"asset_id"`
	ID2     string `json:"id2"`
	Deleted bool   `json:"deleted"`
}

// KeySpec is the body of rekey: one of the two, as the device's algorithm asks.
type KeySpec struct {
	KeyHex       string `json:"key_hex,omitempty"`
	PublicKeyPEM string `json:"public_key_pem,omitempty"`
}

// deviceViewer returns the conversion of devices as they stand now.
func (c *call) deviceViewer() func(registry.Device) Device {
	now := c.Registry.Now()
	return func(d registry.Device) Device {
		return Device{
			AssetID: d.Asset.String(), OrgID: d.Org.String(), ID2: d.ID2, ProductKey: d.Product, Name: d.Name,
			DeviceKey: d.DeviceKey, Algorithm: algorithmName(d.Algorithm), State: d.StateAt(now).String(),
			Licensed: d.Licensed.String(), LicenceUntil: d.LicenceUntil.String(), Activated: d.Activated.String(),
			LastSeen: d.LastSeen.String(), AuthCount: d.AuthCount, Created: d.Created.String(),
		}
	}
}

// deviceFilter reads the parameters that choose devices.
func (c *call) deviceFilter() (registry.ID, registry.DeviceFilter, error) {
	f := registry.DeviceFilter{Product: c.query.get("product"), Prefix: c.query.get("prefix")}
	if name, ok := c.query["state"]; ok {
		state, known := registry.ParseState(name)
		if !known {
			return 0, f, invalid("query: state must be unactivated, active, suspended, expired or discarded")
		}
		f.State = &state
	}
	org, err := c.org()
	if err == nil && f.Product != "" { // a misspelt product is not a product without devices
		_, err = c.Registry.Product(c.r.Context(), org, f.Product)
	}
	return org, f, err
}

func listDevices(c *call) (any, error) {
	org, f, err := c.deviceFilter()
	if err != nil {
		return nil, err
	}
	if f.Limit, err = c.query.limit(); err != nil {
		return nil, err
	}
	if after, ok := c.query["after"]; ok {
		if f.After, ok = registry.ParseID(after); !ok {
			return nil, invalid("query: after must be the next of the page before")
		}
	}
	devices, err := c.Registry.Devices(c.r.Context(), org, f)
	list := DeviceList{Devices: views(devices, c.deviceViewer())}
	if len(devices) == f.Limit {
		list.Next = devices[len(devices)-1].Asset.String()
	}
	return list, err
}

func getDevice(c *call) (any, error) {
	org, err := c.org()
	if err != nil {
		return nil, err
	}
	d, err := c.Registry.Device(c.r.Context(), org, c.r.PathValue("device"))
	if err != nil {
		return nil, err
	}
	return c.deviceViewer()(d), nil
}

func deleteDevice(c *call) (any, error) {
	org, err := c.org()
	if err != nil {
		return nil, err
	}
	name := c.r.PathValue("device")
	d, err := c.Registry.Device(c.r.Context(), org, name)
	if err != nil {
		return nil, err
	}
	err = c.Registry.Delete(c.r.Context(), org, name, c.by)
	return DeletedDevice{AssetID: d.Asset.String(), ID2: d.ID2, Deleted: true}, err
}

func suspendDevice(c *call) (any, error) { return c.changeDevice(c.Registry.Suspend) }

func resumeDevice(c *call) (any, error) { return c.changeDevice(c.Registry.Resume) }

func discardDevice(c *call) (any, error) { return c.changeDevice(c.Registry.Discard) }

func allowReprovision(c *call) (any, error) { return c.changeDevice(c.Registry.AllowReprovision) }

type deviceChange func(ctx context.Context, org registry.ID, name string, by audit.Actor) (registry.Device, error)

func (c *call) changeDevice(change deviceChange) (any, error) {
	org, err := c.org()
	if err != nil {
		return nil, err
	}
	d, err := change(c.r.Context(), org, c.r.PathValue("device"), c.by)
	if err != nil {
		return nil, err
	}
	return c.deviceViewer()(d), nil
}

func rekeyDevice(c *call) (any, error) {
	var body KeySpec
	if err := c.decode(&body); err != nil {
		return nil, err
	}
	if (body.KeyHex == "") == (body.PublicKeyPEM == "") {
		return nil, invalid("body: one of key_hex and public_key_pem is needed")
	}
	key := registry.KeyText{Hex: body.KeyHex, PEM: body.PublicKeyPEM}
	return c.changeDevice(func(ctx context.Context, org registry.ID, name string, by audit.Actor) (registry.Device, error) {
		return c.Registry.Rekey(ctx, org, name, key, by)
	})
}
