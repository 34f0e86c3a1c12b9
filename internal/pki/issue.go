package pki

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/hallmark-id/hallmark/internal/audit"
	"github.com/hallmark-id/hallmark/internal/registry"
)

// Limits are a product's limits of validity in days; 0 takes the default.
type Limits struct {
	DefaultDays, MaxDays int
}

// The vendor's limits of products that set none (enos §2).
const (
	DefaultDays = 730
	MaxDays     = 1095
)

// Request asks for a device's certificate.
type Request struct {
	Org       registry.ID
	Device    registry.ID // asset id
	CSR       []byte      // PKCS#10, PEM or DER
	ValidDays int         // 0 for the product's default
	Kind      Kind        // 0 for RSA
	Limits    Limits
	By        audit.Actor
}

// Issue certifies a device. Valid certificates that the device has already are
// revoked as SUPERSEDED in the same transaction, so that one is valid at most.
// A certificate that is returned is in the store.
func (s *Service) Issue(ctx context.Context, r Request) (Certificate, error) {
	if r.Kind == 0 {
		r.Kind = RSA
	}
	c, err := parseCSR(r.CSR)
	if err != nil {
		return Certificate{}, err
	}
	return s.issue(ctx, &issuing{csr: c, kind: r.Kind, days: r.ValidDays, limits: r.Limits, action: "certificate.issue",
		to: Issuance{Certificate: Certificate{Org: r.Org, Device: r.Device}, By: r.By}})
}

// Renewal asks for a certificate in place of another.
type Renewal struct {
	Org       registry.ID
	Device    registry.ID // asset id
	Serial    Serial      // of the old one
	CSR       []byte      // nil keeps key and subject
	ValidDays int         // 0 for the product's default
	Kind      Kind        // 0 for the old one's
	Limits    Limits
	By        audit.Actor
}

// Renew issues a certificate and revokes the old one as SUPERSEDED in the same
// transaction. The old one must be valid: ErrNotFound, ErrOtherDevice,
// ErrAlreadyRevoked, ErrExpired.
func (s *Service) Renew(ctx context.Context, r Renewal) (Certificate, error) {
	old, err := s.Get(ctx, r.Org, r.Serial)
	if err != nil {
		return Certificate{}, err
	}
	if err := renewable(&old, r.Device, registry.At(s.Now())); err != nil {
		return Certificate{}, fmt.Errorf("certificate %s: %w", r.Serial, err)
	}
	if r.Kind == 0 {
		r.Kind = old.Kind
	}
	var c *csr
	if r.CSR != nil {
		c, err = parseCSR(r.CSR)
	} else {
		c, err = csrOf(old.DER)
	}
	if err != nil {
		return Certificate{}, err
	}
	return s.issue(ctx, &issuing{csr: c, kind: r.Kind, days: r.ValidDays, limits: r.Limits, action: "certificate.renew",
		to: Issuance{Certificate: Certificate{Org: r.Org, Device: r.Device}, Renews: r.Serial, By: r.By}})
}

// renewable says why a certificate cannot be renewed for a device.
func renewable(old *Certificate, device registry.ID, now registry.Instant) error {
	switch {
	case old.Device != device:
		return ErrOtherDevice
	case old.StatusAt(now) == Revoked:
		return ErrAlreadyRevoked
	case old.StatusAt(now) == Expired:
		return ErrExpired
	}
	return nil
}

// issuing is a certificate on its way.
type issuing struct {
	csr    *csr
	kind   Kind
	days   int
	limits Limits
	action string
	to     Issuance
}

// maxSerials bounds how often a serial number may be taken. Nearly all of them
// would have to be in use for it to be reached by chance.
const maxSerials = 64

func (s *Service) issue(ctx context.Context, i *issuing) (Certificate, error) {
	a, err := s.active(ctx, i.kind)
	if err != nil {
		return Certificate{}, err
	}
	if err := i.csr.fits(a); err != nil {
		return Certificate{}, err
	}
	t, err := s.template(a, i)
	if err != nil {
		return Certificate{}, err
	}
	// A caller who goes away from here on must not leave the outcome unknown.
	ctx = context.WithoutCancel(ctx)
	for range maxSerials {
		if err = s.signAndStore(ctx, a, t, i); !errors.Is(err, ErrSerialTaken) {
			break
		}
	}
	if err != nil {
		return Certificate{}, err
	}
	s.wake() // what it takes the place of is revoked
	return i.to.Certificate, nil
}

// template lays out the certificate, all but its serial number.
func (s *Service) template(a *authority, i *issuing) (*template, error) {
	days, err := i.limits.days(i.days)
	if err != nil {
		return nil, err
	}
	begin := s.now()
	end := begin.Add(time.Duration(days) * 24 * time.Hour)
	if last := a.ends(); end.After(last) {
		end = last
	}
	if !end.After(begin) {
		return nil, fmt.Errorf("the authority's own certificate has ended: %w", ErrNoAuthority)
	}
	base := s.BaseURL()
	return &template{issuer: a.cert.RawSubject, subject: i.csr.subject, spki: i.csr.spki, notBefore: begin, notAfter: end,
		authorityKeyID: a.cert.SubjectKeyId, crlURL: base + CRLPath(a.row.ID), caURL: base + CertificatePath(a.row.ID),
		netscapeURL: base + "/enos/CA/crl/" + a.row.Kind.String()}, nil
}

// days applies the limits (enos §4.4).
func (l Limits) days(asked int) (int, error) {
	if l.MaxDays == 0 {
		l.MaxDays = MaxDays
	}
	if l.DefaultDays == 0 {
		l.DefaultDays = DefaultDays
	}
	switch {
	case asked == 0:
		return min(l.DefaultDays, l.MaxDays), nil
	case asked < 0 || asked > l.MaxDays:
		return 0, fmt.Errorf("%w: %d days are asked for, 1 to %d are allowed", ErrValidity, asked, l.MaxDays)
	}
	return asked, nil
}

// signAndStore makes the certificate under a new serial number.
func (s *Service) signAndStore(ctx context.Context, a *authority, t *template, i *issuing) error {
	var err error
	if t.serial, err = newSerial(s.Random, i.kind); err != nil {
		return err
	}
	tbs, err := t.tbs(a.scheme)
	if err != nil {
		return err
	}
	if err := lint(tbs, t, a, i.kind); err != nil {
		return err
	}
	der, err := sign(s.Random, a.signer, tbs)
	if err != nil {
		return err
	}
	s.fill(&i.to, a, t, i)
	i.to.DER = der
	err = s.Store.IssueCertificate(ctx, i.to)
	if errors.Is(err, registry.ErrUnknown) {
		// The connection was lost during the commit: the store knows what became of it.
		if have, e := s.Store.Certificate(ctx, i.to.Org, i.to.Serial); e == nil && bytes.Equal(have.DER, der) {
			return nil
		}
	}
	return err
}

// fill writes what the store keeps beside the certificate.
func (s *Service) fill(to *Issuance, a *authority, t *template, i *issuing) {
	c := &to.Certificate
	c.Serial, c.Authority, c.Kind, c.CN = Serial(t.serial.String()), a.row.ID, i.kind, i.csr.cn
	c.Subject, c.Issuer = t.subject, t.issuer
	c.NotBefore, c.NotAfter = registry.At(t.notBefore), registry.At(t.notAfter)
	c.Created, c.CreatedBy = registry.At(s.Now()), to.By.Name
	c.Updated, c.UpdatedBy = c.Created, c.CreatedBy
	to.SubjectText, to.KeyHash = i.csr.text, keyHash(t.spki)
	detail := map[string]any{"device": c.Device.String(), "authority": a.row.ID.String(), "subject": to.SubjectText, "expires": c.NotAfter.String()}
	if to.Renews != "" {
		detail["renews"] = string(to.Renews)
	}
	to.Event = to.By.Did(i.action, "certificate", string(c.Serial), detail).In(int64(c.Org))
}

// CRLPath is where the list of an authority is served, in DER.
func CRLPath(id registry.ID) string { return "/pki/" + id.String() + ".crl" }

// CertificatePath is where an authority's certificate is served, in DER.
func CertificatePath(id registry.ID) string { return "/pki/" + id.String() + ".crt" }
