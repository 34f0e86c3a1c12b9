package operator

import (
	"context"
	"net/http"
	"net/url"
)

// Authorities lists certificate authorities.
func (c *Client) Authorities(ctx context.Context) (AuthorityList, error) {
	return fetch[AuthorityList](ctx, c.withoutOrg(), http.MethodGet, "/authorities", nil, nil)
}

// Authority returns an authority by its id, or by its kind the one that issues.
func (c *Client) Authority(ctx context.Context, id string) (Authority, error) {
	return fetch[Authority](ctx, c.withoutOrg(), http.MethodGet, authorityPath(id), nil, nil)
}

// CreateAuthority makes an authority, or prepares one.
func (c *Client) CreateAuthority(ctx context.Context, s AuthoritySpec) (Authority, error) {
	return fetch[Authority](ctx, c.withoutOrg(), http.MethodPost, "/authorities", nil, s)
}

// ImportAuthority brings an authority with its key.
func (c *Client) ImportAuthority(ctx context.Context, i AuthorityImport) (Authority, error) {
	return fetch[Authority](ctx, c.withoutOrg(), http.MethodPost, "/authorities:import", nil, i)
}

// InstallAuthority brings the certificate of a prepared authority.
func (c *Client) InstallAuthority(ctx context.Context, id string, chain AuthorityChain) (Authority, error) {
	return fetch[Authority](ctx, c.withoutOrg(), http.MethodPost, authorityPath(id)+"/install", nil, chain)
}

// ChangeAuthority does one of "retire" and "activate".
func (c *Client) ChangeAuthority(ctx context.Context, id, action string) (Authority, error) {
	return fetch[Authority](ctx, c.withoutOrg(), http.MethodPost, authorityPath(id)+"/"+action, nil, nil)
}

// CRL returns the revocation list of an authority.
func (c *Client) CRL(ctx context.Context, id string) (RevocationList, error) {
	return fetch[RevocationList](ctx, c.withoutOrg(), http.MethodGet, authorityPath(id)+"/crl", nil, nil)
}

func authorityPath(id string) string { return "/authorities/" + url.PathEscape(id) }

// CertificateQuery chooses certificates; "" and 0 choose all.
type CertificateQuery struct {
	Device        string // id2 or asset id
	Kind          string
	Status        string
	CN            string // its beginning
	Subject       string // a part of it
	ExpiresBefore string // RFC 3339
	After         string // the next of the page before
	Limit         int
}

// Certificates lists certificates in the order of their expiry.
func (c *Client) Certificates(ctx context.Context, q CertificateQuery) (CertificateList, error) {
	v := compact(map[string]string{"device": q.Device, "kind": q.Kind, "status": q.Status, "cn": q.CN, "subject": q.Subject,
		"expires_before": q.ExpiresBefore, "after": q.After, "limit": count(q.Limit)})
	return fetch[CertificateList](ctx, c, http.MethodGet, "/certificates", v, nil)
}

// Certificate returns a certificate.
func (c *Client) Certificate(ctx context.Context, serial string) (CertificatePEM, error) {
	return fetch[CertificatePEM](ctx, c, http.MethodGet, certificatePath(serial), nil, nil)
}

// IssueCertificate certifies a device.
func (c *Client) IssueCertificate(ctx context.Context, s CertificateSpec) (CertificatePEM, error) {
	return fetch[CertificatePEM](ctx, c, http.MethodPost, "/certificates", nil, s)
}

// RenewCertificate issues a certificate in place of another.
func (c *Client) RenewCertificate(ctx context.Context, serial string, s RenewalSpec) (CertificatePEM, error) {
	return fetch[CertificatePEM](ctx, c, http.MethodPost, certificatePath(serial)+"/renew", nil, s)
}

// RevokeCertificate revokes a certificate.
func (c *Client) RevokeCertificate(ctx context.Context, serial string, s RevocationSpec) (CertificatePEM, error) {
	return fetch[CertificatePEM](ctx, c, http.MethodPost, certificatePath(serial)+"/revoke", nil, s)
}

// ChangeCertificate does one of "hold" and "unhold".
func (c *Client) ChangeCertificate(ctx context.Context, serial, action string) (CertificatePEM, error) {
	return fetch[CertificatePEM](ctx, c, http.MethodPost, certificatePath(serial)+"/"+action, nil, nil)
}

// RevokeCertificates revokes up to 1000 certificates.
func (c *Client) RevokeCertificates(ctx context.Context, s RevocationsSpec) (Revocations, error) {
	return fetch[Revocations](ctx, c, http.MethodPost, "/certificates:revoke", nil, s)
}

func certificatePath(serial string) string { return "/certificates/" + url.PathEscape(serial) }
