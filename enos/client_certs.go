package enos

import (
	"context"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"net/http"
)

// CertificatesPath is where the certificates lie below the base URL (enos §1).
const CertificatesPath = "/connect-service/v2.0/certificates"

// Device names a device by its asset, or by product key and device key.
type Device struct{ AssetID, ProductKey, DeviceKey string }

func (d Device) query() Query {
	if d.AssetID != "" {
		return Query{{Name: "assetId", Value: d.AssetID}}
	}
	return Query{{Name: "productKey", Value: d.ProductKey}, {Name: "deviceKey", Value: d.DeviceKey}}
}

// Apply has a certificate issued for a device.
func (c *Client) Apply(ctx context.Context, d Device, r ApplyRequest) (Certificate, error) {
	var cert Certificate
	return cert, c.Call(ctx, CertificatesPath, "apply", d.query(), r, &cert)
}

// Renew replaces a valid certificate of a device; the old one is revoked.
func (c *Client) Renew(ctx context.Context, d Device, r RenewRequest) (Certificate, error) {
	var cert Certificate
	return cert, c.Call(ctx, CertificatesPath, "renew", d.query(), r, &cert)
}

// Revoke revokes a certificate of a device.
func (c *Client) Revoke(ctx context.Context, d Device, serial int64, reason Reason) error {
	return c.Call(ctx, CertificatesPath, "revoke", d.query(), RevokeRequest{SN: NewInt(serial), Reason: NewInt(int64(reason))}, nil)
}

// List returns the certificates of a device, in ascending order of issue on most
// servers.
func (c *Client) List(ctx context.Context, d Device) ([]CertificateDetail, error) {
	var list []CertificateDetail
	return list, c.Call(ctx, CertificatesPath, "list", d.query(), nil, &list)
}

// CACertificate returns the certificate of an authority, which needs no
// credential (enos §1.6).
func (c *Client) CACertificate(ctx context.Context, a Authority) (*x509.Certificate, error) {
	der, err := c.public(ctx, "/enos/CA/cacert/"+string(a), "CERTIFICATE")
	if err != nil {
		return nil, err
	}
	return x509.ParseCertificate(der)
}

// CRL returns the list of revoked certificates of an authority. The caller checks
// its signature: (*x509.RevocationList).CheckSignatureFrom.
func (c *Client) CRL(ctx context.Context, a Authority) (*x509.RevocationList, error) {
	der, err := c.public(ctx, "/enos/CA/crl/"+string(a), "X509 CRL")
	if err != nil {
		return nil, err
	}
	return x509.ParseRevocationList(der)
}

var errNoPEM = errors.New("the answer is not PEM")

func (c *Client) public(ctx context.Context, path, kind string) ([]byte, error) {
	raw, err := send(ctx, c.o.HTTP, c.base+path, http.Header{}, nil)
	if err != nil {
		return nil, err
	}
	block, _ := pem.Decode(raw)
	if block == nil || block.Type != kind {
		return nil, fmt.Errorf("enos: %s: %w of type %s", path, errNoPEM, kind)
	}
	return block.Bytes, nil
}
