package registry

import (
	"context"
	"encoding/pem"
	"fmt"

	"github.com/emmansun/gmsm/smx509"

	"github.com/hallmark-id/hallmark/ciss"
	"github.com/hallmark-id/hallmark/internal/audit"
)

// Root is a certificate that an organisation trusts to vouch for the SM2
// certificates its apps sign in with: a root, or an intermediate that completes
// chains. A root that is no authority vouches for itself alone.
type Root struct {
	Org          ID
	Fingerprint  string // SHA-256 of the certificate in hexadecimal digits
	Intermediate bool
	Certificate  []byte // DER
	CRL          []byte // the revocation list in DER, empty for none
	Created      Instant
}

// RootStore keeps roots.
type RootStore interface {
	Roots(ctx context.Context, org ID) ([]Root, error)
	// AddRoot returns ErrExists for one that is there.
	AddRoot(ctx context.Context, a Root, e audit.Event) error
	// SetRootCRL writes a revocation list in place of the one that was read, else
	// ErrConflict.
	SetRootCRL(ctx context.Context, org ID, fingerprint string, was, list []byte, e audit.Event) error
	RemoveRoot(ctx context.Context, org ID, fingerprint string, e audit.Event) error
}

const (
	maxRoots = 100
	// MaxCRL bounds a revocation list, in bytes.
	MaxCRL = 4 << 20
	// chainsKept bounds the verified chains remembered for an organisation.
	chainsKept = 10_000
)

// Trust returns what checks the certificates of an organisation's apps, through
// the cache.
func (r *Registry) Trust(ctx context.Context, org ID) (*ciss.Trust, error) {
	return r.trusts.get(ctx, org)
}

func (r *Registry) loadTrust(ctx context.Context, org ID) (*ciss.Trust, error) {
	all, err := r.store.Roots(ctx, org)
	if err != nil {
		return nil, err
	}
	return newTrust(all)
}

func newTrust(all []Root) (*ciss.Trust, error) {
	o := ciss.TrustOptions{Cache: chainsKept}
	for _, a := range all {
		cert, err := smx509.ParseCertificate(a.Certificate)
		if err != nil {
			return nil, fmt.Errorf("root %s: %w", a.Fingerprint, err)
		}
		if a.Intermediate {
			o.Intermediates = append(o.Intermediates, cert)
		} else {
			o.Roots = append(o.Roots, cert)
		}
		if len(a.CRL) > 0 {
			list, err := smx509.ParseRevocationList(a.CRL)
			if err != nil {
				return nil, fmt.Errorf("revocation list of root %s: %w", a.Fingerprint, err)
			}
			o.CRLs = append(o.CRLs, list)
		}
	}
	return ciss.NewTrust(o)
}

// Roots lists the roots and intermediates of an organisation.
func (r *Registry) Roots(ctx context.Context, org ID) ([]Root, error) {
	return r.store.Roots(ctx, org)
}

// AddRoot trusts a certificate, in PEM or DER, as a root or an intermediate.
func (r *Registry) AddRoot(ctx context.Context, org ID, certificate []byte, intermediate bool, by audit.Actor) (Root, error) {
	cert, err := smx509.ParseCertificate(unarmour(certificate, "CERTIFICATE"))
	if err != nil {
		return Root{}, invalid("the certificate is neither PEM nor DER of one X.509 certificate")
	}
	if intermediate && !cert.IsCA {
		return Root{}, invalid("the certificate is not an authority's, so no chain can lead through it")
	}
	all, err := r.store.Roots(ctx, org)
	if err != nil {
		return Root{}, err
	}
	if len(all) >= maxRoots {
		return Root{}, invalid("an organisation has at most %d roots and intermediates", maxRoots)
	}
	a := Root{Org: org, Fingerprint: ciss.Fingerprint(cert), Intermediate: intermediate, Certificate: cert.Raw, Created: At(r.now())}
	event := by.Did("root.trust", "root", a.Fingerprint, map[string]any{"subject": cert.Subject.String(), "intermediate": intermediate})
	err = r.store.AddRoot(ctx, a, event.In(int64(org)))
	r.trusts.invalidate(org)
	return a, err
}

// RemoveRoot ends the trust in a root, and with it in all its
// certificates.
func (r *Registry) RemoveRoot(ctx context.Context, org ID, fingerprint string, by audit.Actor) error {
	err := r.store.RemoveRoot(ctx, org, fingerprint, by.Did("root.remove", "root", fingerprint, nil).In(int64(org)))
	r.trusts.invalidate(org)
	return err
}

// SetRootCRL takes a revocation list, in PEM or DER, for the root or
// intermediate that signed it, and returns that with its list.
func (r *Registry) SetRootCRL(ctx context.Context, org ID, crl []byte, by audit.Actor) (Root, error) {
	list, err := smx509.ParseRevocationList(unarmour(crl, "X509 CRL"))
	if err != nil {
		return Root{}, invalid("the revocation list is neither PEM nor DER of one X.509 revocation list")
	}
	a, err := r.signerOf(ctx, org, list)
	if err != nil {
		return Root{}, err
	}
	was := a.CRL
	if len(was) > 0 {
		old, err := smx509.ParseRevocationList(was)
		if err != nil {
			return Root{}, err
		}
		if list.ThisUpdate.Before(old.ThisUpdate) {
			return Root{}, invalid("the revocation list is older than the one in place, which is of %s", At(old.ThisUpdate))
		}
	}
	a.CRL = list.Raw
	if _, err := newTrust([]Root{a}); err != nil { // limited by critical extensions
		return Root{}, invalid("%s", err.Error())
	}
	event := by.Did("root.crl", "root", a.Fingerprint, map[string]any{"entries": len(list.RevokedCertificateEntries), "next_update": At(list.NextUpdate).String()})
	err = r.store.SetRootCRL(ctx, org, a.Fingerprint, was, a.CRL, event.In(int64(org)))
	r.trusts.invalidate(org)
	return a, err
}

// signerOf returns the root or intermediate that signed a revocation list.
func (r *Registry) signerOf(ctx context.Context, org ID, list *smx509.RevocationList) (Root, error) {
	all, err := r.store.Roots(ctx, org)
	if err != nil {
		return Root{}, err
	}
	for _, a := range all {
		cert, err := smx509.ParseCertificate(a.Certificate)
		if err != nil {
			return Root{}, err
		}
		if string(cert.RawSubject) == string(list.RawIssuer) && list.CheckSignatureFrom(cert) == nil {
			return a, nil
		}
	}
	return Root{}, invalid("the revocation list is not signed by a root or intermediate that is trusted here; add that first")
}

// unarmour returns the DER of a PEM block of a type, and anything else as it is.
func unarmour(data []byte, kind string) []byte {
	if block, _ := pem.Decode(data); block != nil && block.Type == kind {
		return block.Bytes
	}
	return data
}
