package operator

import (
	"context"
	"strconv"
	"strings"

	"github.com/hallmark-id/hallmark/internal/pki"
	"github.com/hallmark-id/hallmark/internal/registry"
)

// Certificate is a device's certificate (设备证书). Times are RFC 3339, "" for
// never.
type Certificate struct {
	Serial      string `json:"serial"`
	OrgID       string `json:"org_id"`
	AssetID     string `json:"asset_id"`
	AuthorityID string `json:"authority_id"`
	Kind        string `json:"kind"`
	Status      string `json:"status"`
	CommonName  string `json:"common_name"`
	Subject     string `json:"subject"`
	Issuer      string `json:"issuer"`
	NotBefore   string `json:"not_before"`
	NotAfter    string `json:"not_after"`
	Revoked     string `json:"revoked"`
	Reason      string `json:"reason"`
	Revoker     string `json:"revoker"`
	Created     string `json:"created"`
	CreatedBy   string `json:"created_by"`
	Updated     string `json:"updated"`
	UpdatedBy   string `json:"updated_by"`
}

// CertificatePEM is a certificate with its text, and the texts of the
// authority's certificate and of those above it.
type CertificatePEM struct {
	Certificate
	PEM      string `json:"pem"`
	ChainPEM string `json:"chain_pem"`
}

// CertificateList is one page of certificates. Next, when it is not "", is the
// after parameter of the page that follows.
type CertificateList struct {
	Certificates []Certificate `json:"certificates"`
	Next         string        `json:"next"`
}

// CertificateSpec is the body that issues a certificate.
type CertificateSpec struct {
	Device string `json:"device"` // id2 or asset id
	CSRPEM string `json:"csr_pem"`
	Days   int    `json:"days,omitempty"` // 0 for the product's default
	Kind   string `json:"kind,omitempty"` // RSA if not given
}

// RenewalSpec is the body that renews a certificate. Without a request key and
// subject stay.
type RenewalSpec struct {
	CSRPEM string `json:"csr_pem,omitempty"`
	Days   int    `json:"days,omitempty"`
	Kind   string `json:"kind,omitempty"` // the old one's if not given
}

// RevocationSpec is the body that revokes one certificate.
type RevocationSpec struct {
	Reason string `json:"reason,omitempty"` // UNSPECIFIED if not given
}

// RevocationsSpec is the body that revokes many.
type RevocationsSpec struct {
	Serials []string `json:"serials"`
	Reason  string   `json:"reason,omitempty"`
}

// Revocations is what revoking many answers.
type Revocations struct {
	Revoked int               `json:"revoked"`
	Refused []RefusedRevoking `json:"refused"`
}

// RefusedRevoking is a certificate that was not revoked.
type RefusedRevoking struct {
	Serial string `json:"serial"`
	Reason string `json:"reason"`
}

// certificateViewer returns the conversion of certificates as they stand now.
func (c *call) certificateViewer() func(pki.Certificate) Certificate {
	now := c.Registry.Now()
	return func(k pki.Certificate) Certificate {
		v := Certificate{Serial: string(k.Serial), OrgID: k.Org.String(), AssetID: k.Device.String(), AuthorityID: k.Authority.String(),
			Kind: k.Kind.String(), Status: k.StatusAt(now).String(), CommonName: k.CN, Subject: pki.DNText(k.Subject), Issuer: pki.DNText(k.Issuer),
			NotBefore: k.NotBefore.String(), NotAfter: k.NotAfter.String(), Revoked: k.Revoked.String(), Revoker: k.Revoker,
			Created: k.Created.String(), CreatedBy: k.CreatedBy, Updated: k.Updated.String(), UpdatedBy: k.UpdatedBy}
		if k.Revoked != 0 {
			v.Reason = k.Reason.String()
		}
		return v
	}
}

func (c *call) answerCertificate(k pki.Certificate, err error) (any, error) {
	if err != nil {
		return nil, err
	}
	a, err := c.PKI.Authority(c.r.Context(), k.Authority)
	return CertificatePEM{Certificate: c.certificateViewer()(k), PEM: string(k.PEM()), ChainPEM: string(a.ChainPEM())}, err
}

// certificateQuery are the parameters that choose certificates.
var certificateQuery = []string{"org", "device", "kind", "status", "cn", "subject", "expires_before", "after", "limit"}

func listCertificates(c *call) (any, error) {
	org, f, err := c.certificateFilter()
	if err != nil {
		return nil, err
	}
	all, err := c.PKI.Search(c.r.Context(), org, f)
	list := CertificateList{Certificates: views(all, c.certificateViewer())}
	if len(all) == f.Limit {
		last := all[len(all)-1]
		list.Next = strconv.FormatInt(int64(last.NotAfter), 10) + "-" + string(last.Serial)
	}
	return list, err
}

func (c *call) certificateFilter() (registry.ID, pki.Filter, error) {
	f := pki.Filter{CN: c.query.get("cn"), Subject: c.query.get("subject")}
	org, err := c.org()
	if err != nil {
		return 0, f, err
	}
	if f.Kind, err = kindOr(c.query.get("kind")); err != nil {
		return 0, f, err
	}
	if name, ok := c.query["status"]; ok {
		status, known := pki.ParseStatus(name)
		if !known {
			return 0, f, invalid("query: status must be valid, revoked or expired")
		}
		f.Status = &status
	}
	if f.ExpiresBefore, err = c.query.instant("expires_before"); err != nil {
		return 0, f, err
	}
	if f.Limit, err = c.query.limit(); err != nil {
		return 0, f, err
	}
	if f.After, err = parseCursor(c.query.get("after")); err != nil {
		return 0, f, err
	}
	if name, ok := c.query["device"]; ok { // a misspelt device is not one without certificates
		device, err := c.Registry.Device(c.r.Context(), org, name)
		if err != nil {
			return 0, f, err
		}
		f.Device = device.Asset
	}
	return org, f, nil
}

func parseCursor(text string) (pki.Cursor, error) {
	if text == "" {
		return pki.Cursor{}, nil
	}
	at, serial, _ := strings.Cut(text, "-")
	ms, err := strconv.ParseInt(at, 10, 64)
	s, ok := pki.ParseSerial(serial)
	if err != nil || !ok {
		return pki.Cursor{}, invalid("query: after must be the next of the page before")
	}
	return pki.Cursor{NotAfter: registry.Instant(ms), Serial: s}, nil
}

// serial reads the path.
func (c *call) serial() (pki.Serial, error) {
	s, ok := pki.ParseSerial(c.r.PathValue("serial"))
	if !ok {
		return "", pki.ErrNotFound
	}
	return s, nil
}

// certificate finds the certificate that the path names.
func (c *call) certificate() (registry.ID, pki.Certificate, error) {
	org, err := c.org()
	if err != nil {
		return 0, pki.Certificate{}, err
	}
	serial, err := c.serial()
	if err != nil {
		return 0, pki.Certificate{}, err
	}
	k, err := c.PKI.Get(c.r.Context(), org, serial)
	return org, k, err
}

func getCertificate(c *call) (any, error) {
	_, k, err := c.certificate()
	return c.answerCertificate(k, err)
}

func issueCertificate(c *call) (any, error) {
	org, err := c.org()
	if err != nil {
		return nil, err
	}
	var body CertificateSpec
	if err := c.decode(&body); err != nil {
		return nil, err
	}
	kind, err := kindOr(body.Kind)
	if err != nil {
		return nil, err
	}
	device, err := c.Registry.Device(c.r.Context(), org, body.Device)
	if err != nil {
		return nil, err
	}
	limits, err := c.limits(org, device.Product)
	if err != nil {
		return nil, err
	}
	return c.answerCertificate(c.PKI.Issue(c.r.Context(), pki.Request{Org: org, Device: device.Asset, CSR: []byte(body.CSRPEM),
		ValidDays: body.Days, Kind: kind, Limits: limits, By: c.by}))
}

// limits are the product's limits of validity, the default ones of a device that
// belongs to none.
func (c *call) limits(org registry.ID, product string) (pki.Limits, error) {
	if product == "" {
		return pki.Limits{}, nil
	}
	p, err := c.Registry.LiveProduct(c.r.Context(), org, product)
	if err != nil {
		return pki.Limits{}, err
	}
	return pki.Limits{DefaultDays: p.DefaultValidDays, MaxDays: p.MaxValidDays}, nil
}

func renewCertificate(c *call) (any, error) {
	org, old, err := c.certificate()
	if err != nil {
		return nil, err
	}
	var body RenewalSpec
	if err := c.decode(&body); err != nil {
		return nil, err
	}
	kind, err := kindOr(body.Kind)
	if err != nil {
		return nil, err
	}
	device, err := c.Registry.DeviceByAsset(c.r.Context(), org, old.Device)
	if err != nil {
		return nil, err
	}
	limits, err := c.limits(org, device.Product)
	if err != nil {
		return nil, err
	}
	r := pki.Renewal{Org: org, Device: old.Device, Serial: old.Serial, ValidDays: body.Days, Kind: kind, Limits: limits, By: c.by}
	if body.CSRPEM != "" {
		r.CSR = []byte(body.CSRPEM)
	}
	return c.answerCertificate(c.PKI.Renew(c.r.Context(), r))
}

func revokeCertificate(c *call) (any, error) {
	var body RevocationSpec
	if err := c.decode(&body); err != nil {
		return nil, err
	}
	reason, err := parseReason(body.Reason)
	if err != nil {
		return nil, err
	}
	return c.changeCertificate(c.PKI.Revoke, reason)
}

func parseReason(name string) (pki.Reason, error) {
	reason, ok := pki.ParseReason(name)
	if name != "" && !ok {
		return 0, pki.ErrReason
	}
	return reason, nil
}

func holdCertificate(c *call) (any, error) { return c.changeCertificate(c.PKI.Hold, 0) }

func unholdCertificate(c *call) (any, error) { return c.changeCertificate(c.PKI.Unhold, 0) }

type certificateChange func(ctx context.Context, r pki.Revocation) (pki.Certificate, error)

func (c *call) changeCertificate(change certificateChange, reason pki.Reason) (any, error) {
	org, err := c.org()
	if err != nil {
		return nil, err
	}
	serial, err := c.serial()
	if err != nil {
		return nil, err
	}
	return c.answerCertificate(change(c.r.Context(), pki.Revocation{Org: org, Serial: serial, Reason: reason, By: c.by}))
}

func revokeCertificates(c *call) (any, error) {
	org, err := c.org()
	if err != nil {
		return nil, err
	}
	var body RevocationsSpec
	if err := c.decode(&body); err != nil {
		return nil, err
	}
	reason, err := parseReason(body.Reason)
	if err != nil {
		return nil, err
	}
	if len(body.Serials) > pki.MaxBulk {
		return nil, invalid("body: at most %d serials at once", pki.MaxBulk)
	}
	out := Revocations{Refused: []RefusedRevoking{}}
	serials := make([]pki.Serial, 0, len(body.Serials))
	for _, text := range body.Serials {
		serial, ok := pki.ParseSerial(text)
		if !ok {
			out.Refused = append(out.Refused, RefusedRevoking{clip(text), "not a serial number"})
			continue
		}
		serials = append(serials, serial)
	}
	changed, err := c.PKI.RevokeAll(c.r.Context(), org, serials, reason, c.by)
	if err != nil {
		return nil, err
	}
	for i, k := range changed {
		if k.Err != nil {
			out.Refused = append(out.Refused, RefusedRevoking{string(serials[i]), k.Err.Error()})
			continue
		}
		out.Revoked++
	}
	return out, nil
}
