package httpd

import (
	"context"
	"encoding/json"
	"errors"

	"github.com/hallmark-id/hallmark/enos"
	"github.com/hallmark-id/hallmark/internal/pki"
	"github.com/hallmark-id/hallmark/internal/registry"
)

// pathDevice finds the device that the path names.
func (d *enosDoor) pathDevice(ctx context.Context, c *enosCall) (registry.Device, error) {
	if c.named.AssetID == "" {
		device, err := d.registry.DeviceByKey(ctx, c.client.Org, c.named.ProductKey, c.named.DeviceKey)
		return device, deviceError(err)
	}
	asset, ok := registry.ParseID(c.named.AssetID)
	if !ok {
		return registry.Device{}, enos.ErrDeviceNotFound
	}
	device, err := d.registry.DeviceByAsset(ctx, c.client.Org, asset)
	return device, deviceError(err)
}

func (d *enosDoor) legacyApply(ctx context.Context, c *enosCall) (any, error) {
	device, err := d.pathDevice(ctx, c)
	if err != nil {
		return nil, err
	}
	var csr string
	if json.Unmarshal(c.body, &csr) != nil || csr == "" {
		return nil, enos.InvalidArgument("csr", "the body must be the certificate request as a JSON string")
	}
	cert, err := d.apply(ctx, c, &device, pki.Request{CSR: []byte(csr)})
	if err != nil {
		return nil, err
	}
	return enos.LegacyCertificate{ChainURL: d.chainURL(cert.Kind), PEM: string(cert.PEM()), SN: string(cert.Serial)}, nil
}

// legacyList tells valid certificates from those that are not: the older calls
// know no word for expired.
func (d *enosDoor) legacyList(ctx context.Context, c *enosCall) (any, error) {
	device, err := d.pathDevice(ctx, c)
	if err != nil {
		return nil, err
	}
	certs, err := d.pki.ListByDevice(ctx, device.Org, device.Asset)
	if err != nil {
		return nil, pkiError(err, enos.QueryFailed)
	}
	list := make([]enos.LegacyStatus, len(certs))
	for i := range certs {
		list[i] = enos.LegacyStatus{SN: string(certs[i].Serial)}
		if certs[i].StatusAt(registry.At(d.now())) != pki.Valid {
			list[i].Status = enos.Revoked
		}
	}
	return list, nil
}

func (d *enosDoor) legacyRevoke(ctx context.Context, c *enosCall) (any, error) {
	device, err := d.pathDevice(ctx, c)
	if err != nil {
		return nil, err
	}
	cert, err := d.legacySerial(ctx, c, "certSN")
	if err != nil {
		return nil, err
	}
	_, err = d.pki.Revoke(ctx, pki.Revocation{Org: device.Org, Device: device.Asset, Serial: cert.Serial, By: c.actor()})
	return "OK", pkiError(err, enos.RevokeFailed)
}

// legacySerial finds the certificate that a parameter names.
func (d *enosDoor) legacySerial(ctx context.Context, c *enosCall, name string) (pki.Certificate, error) {
	n, err := queryInt(c, name)
	if err != nil {
		return pki.Certificate{}, err
	}
	if n == nil {
		return pki.Certificate{}, enos.Missing(name)
	}
	number, err := serial(n)
	if err != nil {
		return pki.Certificate{}, err
	}
	cert, err := d.pki.Get(ctx, c.client.Org, number)
	return cert, pkiError(err, enos.QueryFailed)
}

func (d *enosDoor) legacyDevice(ctx context.Context, c *enosCall) (any, error) {
	device, err := d.pathDevice(ctx, c)
	if err != nil {
		return nil, err
	}
	m, err := d.registry.ManagedDevice(ctx, device)
	if err != nil {
		return nil, deviceError(err)
	}
	v := enos.LegacyDevice{ProductKey: m.Product, DeviceKey: m.DeviceKey, Name: m.Name, Description: m.Info.Description,
		Timezone: m.Info.Timezone, AssetID: m.Asset.String(), OrgID: m.Org.String(), CreateBy: m.Org.String(), Created: int64(m.Created),
		Modified: moment(m.Info.Updated), Active: moment(int64(m.Activated)), Online: moment(int64(m.LastSeen)),
		Status: deviceStatus(&m.Device, registry.At(d.now())), Attributes: attributes(m.Info.Attributes)}
	if c.client.Allows("Manage") {
		v.Secret = m.Secret
	}
	if p, err := d.registry.LiveProduct(ctx, c.client.Org, m.Product); err == nil {
		v.ProductName = p.Name
	}
	return v, nil
}

// moment is a time that may not have come.
func moment(ms int64) *int64 {
	if ms == 0 {
		return nil
	}
	return &ms
}

func (d *enosDoor) legacyProduct(ctx context.Context, c *enosCall) (any, error) {
	p, err := d.registry.ManagedProduct(ctx, c.client.Org, c.named.ProductKey)
	if err != nil {
		return nil, productError(err)
	}
	v := viewEnOSProduct(c, &p)
	return enos.LegacyProduct{ProductKey: p.Key, Name: p.Name, Secret: v.Secret, Description: v.Description, ModelID: v.ModelID}, nil
}

// approved is the approveStatus of what was done; the vendor's numbers are not
// documented.
const approved = 1

func legacyIssued(cert pki.Certificate, err error) (any, error) {
	if err != nil {
		return nil, err
	}
	return enos.LegacyIssued{ApproveStatus: approved, PEM: string(cert.PEM()), SN: cert.Serial.Int().Int64()}, nil
}

// legacyRequest certifies the device that the request's common name names: by
// its asset id, or by a device key that only one product of the organisation has.
func (d *enosDoor) legacyRequest(ctx context.Context, c *enosCall) (any, error) {
	csr := c.get("reqData")
	if csr == "" {
		return nil, enos.Missing("reqData")
	}
	name, err := pki.CommonName([]byte(csr))
	if err != nil {
		return nil, pkiError(err, enos.InvalidRequest)
	}
	device, err := d.deviceNamed(ctx, c, name)
	if err != nil {
		return nil, err
	}
	return legacyIssued(d.apply(ctx, c, &device, pki.Request{CSR: []byte(csr)}))
}

func (d *enosDoor) deviceNamed(ctx context.Context, c *enosCall, name string) (found registry.Device, err error) {
	if asset, ok := registry.ParseID(name); ok {
		device, err := d.registry.DeviceByAsset(ctx, c.client.Org, asset)
		if !errors.Is(err, registry.ErrNotFound) {
			return device, deviceError(err)
		}
	}
	products, err := d.registry.Products(ctx, c.client.Org)
	if err != nil {
		return found, productError(err)
	}
	for _, p := range products {
		device, err := d.registry.DeviceByKey(ctx, c.client.Org, p.Key, name)
		switch {
		case errors.Is(err, registry.ErrNotFound):
		case err != nil:
			return found, deviceError(err)
		case found.Asset != 0:
			return found, enos.InvalidArgument("reqData", "several devices have the common name as their device key: use the asset id")
		default:
			found = device
		}
	}
	if found.Asset == 0 {
		return found, enos.ErrDeviceNotFound
	}
	return found, nil
}

func (d *enosDoor) legacyRenew(ctx context.Context, c *enosCall) (any, error) {
	cert, err := d.legacySerial(ctx, c, "oldCertSn")
	if err != nil {
		return nil, err
	}
	device, err := d.registry.DeviceByAsset(ctx, c.client.Org, cert.Device)
	if err != nil {
		return nil, deviceError(err)
	}
	r := pki.Renewal{Serial: cert.Serial}
	if csr := c.get("reqData"); csr != "" {
		r.CSR = []byte(csr)
	}
	return legacyIssued(d.renew(ctx, c, &device, r))
}

func (d *enosDoor) legacyRevokeIssued(ctx context.Context, c *enosCall) (any, error) {
	cert, err := d.legacySerial(ctx, c, "issuedCertSN")
	if err != nil {
		return nil, err
	}
	cert, err = d.pki.Revoke(ctx, pki.Revocation{Org: c.client.Org, Serial: cert.Serial, By: c.actor()})
	return legacyIssued(cert, pkiError(err, enos.RevokeFailed))
}
