package httpd

import (
	"context"
	"math"
	"strconv"
	"strings"

	"github.com/hallmark-id/hallmark/enos"
	"github.com/hallmark-id/hallmark/internal/pki"
	"github.com/hallmark-id/hallmark/internal/registry"
)

// device finds the device that a call names: by its asset, or by product key and
// device key together, in the query or in ids from the body (enos §1).
func (d *enosDoor) device(ctx context.Context, c *enosCall, ids enos.Device) (registry.Device, error) {
	asset, product, key := c.get("assetId"), c.get("productKey"), c.get("deviceKey")
	if asset == "" && product == "" && key == "" {
		asset, product, key = ids.AssetID, ids.ProductKey, ids.DeviceKey
	}
	if (product == "") != (key == "") || asset == "" && product == "" {
		return registry.Device{}, enos.ErrDeviceIdentifier
	}
	if asset == "" {
		device, err := d.registry.DeviceByKey(ctx, c.client.Org, product, key)
		return device, deviceError(err)
	}
	id, ok := registry.ParseID(asset)
	if !ok {
		return registry.Device{}, enos.ErrDeviceNotFound
	}
	device, err := d.registry.DeviceByAsset(ctx, c.client.Org, id)
	if err == nil && product != "" && (device.Product != product || device.DeviceKey != key) {
		return registry.Device{}, enos.ErrDeviceIdentifier
	}
	return device, deviceError(err)
}

// certifiable returns the limits of a device that may have a certificate.
func (d *enosDoor) certifiable(ctx context.Context, device *registry.Device) (pki.Limits, error) {
	switch device.State {
	case registry.Suspended, registry.Discarded:
		return pki.Limits{}, enos.InvalidRequest.With("the device is "+device.State.String(), "hallmark device resume ends a suspension")
	}
	if device.Product == "" {
		return pki.Limits{}, errEnOSOneWay
	}
	p, err := d.registry.LiveProduct(ctx, device.Org, device.Product)
	if err != nil {
		return pki.Limits{}, productError(err)
	}
	if !p.TwoWayAuth {
		return pki.Limits{}, errEnOSOneWay
	}
	return pki.Limits{DefaultDays: p.DefaultValidDays, MaxDays: p.MaxValidDays}, nil
}

// validDays reads an optional number of days, 0 for none.
func validDays(n *enos.Int) (int, error) {
	if n == nil {
		return 0, nil
	}
	if *n < 1 || *n > math.MaxInt32 {
		return 0, enos.InvalidParameters.With("validDay is out of range", "it must be at least 1")
	}
	return int(*n), nil
}

// authorityKind reads an optional authority, 0 for none.
func authorityKind(a enos.Authority) (pki.Kind, error) {
	if a == "" {
		return 0, nil
	}
	if _, ok := enos.ParseAuthority(string(a)); !ok {
		return 0, enos.InvalidArgument("issueAuthority", "RSA or ECC is needed")
	}
	kind, _ := pki.ParseKind(string(a))
	return kind, nil
}

// applyCertificate has a device certified (enos §1.1).
func (d *enosDoor) applyCertificate(ctx context.Context, c *enosCall) (any, error) {
	device, err := d.device(ctx, c, enos.Device{})
	if err != nil {
		return nil, err
	}
	var req enos.ApplyRequest
	if err := enos.Decode(c.body, &req); err != nil {
		return nil, err
	}
	if req.CSR == "" {
		return nil, enos.Missing("csr")
	}
	kind, err := authorityKind(req.Authority)
	if err != nil {
		return nil, err
	}
	days, err := validDays(req.ValidDays)
	if err != nil {
		return nil, err
	}
	cert, err := d.apply(ctx, c, &device, pki.Request{CSR: []byte(req.CSR), ValidDays: days, Kind: kind})
	if err != nil {
		return nil, err
	}
	return d.issued(ctx, cert)
}

// apply issues a certificate for a device.
func (d *enosDoor) apply(ctx context.Context, c *enosCall, device *registry.Device, r pki.Request) (pki.Certificate, error) {
	limits, err := d.certifiable(ctx, device)
	if err != nil {
		return pki.Certificate{}, err
	}
	r.Org, r.Device, r.Limits, r.By = device.Org, device.Asset, limits, c.actor()
	cert, err := d.pki.Issue(ctx, r)
	return cert, pkiError(err, enos.InvalidRequest)
}

// issued is the answer of apply and renew (enos §1.1).
func (d *enosDoor) issued(ctx context.Context, cert pki.Certificate) (any, error) {
	a, err := d.pki.Authority(ctx, cert.Authority)
	if err != nil {
		return nil, pkiError(err, enos.InvalidRequest)
	}
	return enos.Certificate{ChainURL: d.chainURL(cert.Kind), CA: strings.TrimSuffix(string(a.ChainPEM()), "\n"),
		PEM: string(cert.PEM()), SN: string(cert.Serial), Authority: enos.Authority(cert.Kind.String())}, nil
}

func (d *enosDoor) chainURL(kind pki.Kind) string {
	return d.pki.BaseURL() + "/enos/CA/cacert/" + kind.String()
}

// serial reads the number of a certificate.
func serial(n *enos.Int) (pki.Serial, error) {
	switch {
	case n == nil:
		return "", enos.Missing("certSn")
	case *n < 1:
		return "", enos.InvalidParameters.With("certSn is out of range", "it must be above 0")
	}
	return pki.Serial(strconv.FormatInt(int64(*n), 10)), nil
}

// renewCertificate replaces a valid certificate (enos §1.2).
func (d *enosDoor) renewCertificate(ctx context.Context, c *enosCall) (any, error) {
	device, err := d.device(ctx, c, enos.Device{})
	if err != nil {
		return nil, err
	}
	var req enos.RenewRequest
	if err := enos.Decode(c.body, &req); err != nil {
		return nil, err
	}
	r := pki.Renewal{}
	if r.Serial, err = serial(req.SN); err != nil {
		return nil, err
	}
	if r.Kind, err = authorityKind(req.Authority); err != nil {
		return nil, err
	}
	if r.ValidDays, err = validDays(req.ValidDays); err != nil {
		return nil, err
	}
	if req.CSR != "" {
		r.CSR = []byte(req.CSR)
	}
	cert, err := d.renew(ctx, c, &device, r)
	if err != nil {
		return nil, err
	}
	return d.issued(ctx, cert)
}

func (d *enosDoor) renew(ctx context.Context, c *enosCall, device *registry.Device, r pki.Renewal) (pki.Certificate, error) {
	limits, err := d.certifiable(ctx, device)
	if err != nil {
		return pki.Certificate{}, err
	}
	r.Org, r.Device, r.Limits, r.By = device.Org, device.Asset, limits, c.actor()
	cert, err := d.pki.Renew(ctx, r)
	return cert, pkiError(err, enos.RenewFailed)
}

// revokeCertificate revokes a certificate of the device (enos §1.3). An early
// document has both members in the query.
func (d *enosDoor) revokeCertificate(ctx context.Context, c *enosCall) (any, error) {
	device, err := d.device(ctx, c, enos.Device{})
	if err != nil {
		return nil, err
	}
	var req enos.RevokeRequest
	if len(c.body) > 0 {
		if err := enos.Decode(c.body, &req); err != nil {
			return nil, err
		}
	}
	if req.SN == nil {
		if req.SN, err = queryInt(c, "certSn"); err != nil {
			return nil, err
		}
	}
	if req.Reason == nil {
		if req.Reason, err = queryInt(c, "reason"); err != nil {
			return nil, err
		}
	}
	number, err := serial(req.SN)
	if err != nil {
		return nil, err
	}
	reason := enos.Unspecified
	if req.Reason != nil {
		reason = enos.Reason(*req.Reason)
	}
	if !reason.Valid() {
		return nil, enos.InvalidParameters.With("the reason is not known", "it must be 0, 1, 3, 4, 5, 6 or 9")
	}
	_, err = d.pki.Revoke(ctx, pki.Revocation{Org: device.Org, Device: device.Asset, Serial: number, Reason: pki.Reason(reason), By: c.actor()})
	return nil, pkiError(err, enos.RevokeFailed)
}

// queryInt reads an optional number of the query.
func queryInt(c *enosCall, name string) (*enos.Int, error) {
	text := c.get(name)
	if text == "" {
		return nil, nil
	}
	n, err := strconv.ParseInt(text, 10, 64)
	if err != nil {
		return nil, enos.InvalidArgument(name, "a whole number is needed")
	}
	return enos.NewInt(n), nil
}

// listCertificates lists what a device ever had, the oldest first (enos §1.4).
func (d *enosDoor) listCertificates(ctx context.Context, c *enosCall) (any, error) {
	device, err := d.device(ctx, c, enos.Device{})
	if err != nil {
		return nil, err
	}
	certs, err := d.pki.ListByDevice(ctx, device.Org, device.Asset)
	if err != nil {
		return nil, pkiError(err, enos.QueryFailed)
	}
	now := registry.At(d.now())
	list := make([]enos.CertificateDetail, len(certs))
	for i := range certs {
		if list[i], err = certificateDetail(&certs[i], now); err != nil {
			return nil, enos.QueryFailed.With("a certificate cannot be read", "serial "+string(certs[i].Serial))
		}
	}
	return list, nil
}

func certificateDetail(cert *pki.Certificate, now registry.Instant) (enos.CertificateDetail, error) {
	issuer, err := enos.NameText(cert.Issuer)
	if err != nil {
		return enos.CertificateDetail{}, err
	}
	subject, err := enos.NameText(cert.Subject)
	if err != nil {
		return enos.CertificateDetail{}, err
	}
	org, begin := cert.Org.String(), int64(cert.NotBefore)
	detail := enos.CertificateDetail{SN: string(cert.Serial), PEM: string(cert.PEM()), Status: enos.Status(cert.StatusAt(now)),
		Issuer: issuer, Subject: subject, Signed: begin, Effetive: begin, Effective: begin, Expires: int64(cert.NotAfter),
		Audit: &enos.Audit{CreateBy: org, CreateTime: int64(cert.Created), UpdateBy: org, UpdateTime: int64(cert.Updated), NS: org},
		EnOS:  true, Authority: enos.Authority(cert.Kind.String())}
	if cert.Revoked != 0 {
		detail.Revoker, detail.Reason = cert.Revoker, enos.Reason(cert.Reason).Text()
	}
	return detail, nil
}
