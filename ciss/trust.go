package ciss

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/pem"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/emmansun/gmsm/sm2"
	"github.com/emmansun/gmsm/smx509"
)

// TrustOptions say which certificates are trusted.
type TrustOptions struct {
	Roots         []*smx509.Certificate
	Intermediates []*smx509.Certificate
	// CRLs are revocation lists of roots and intermediates. An authority without
	// one is not asked.
	CRLs []*smx509.RevocationList
	// Cache bounds the certificates remembered as verified, 0 for none.
	Cache int
}

// Trust checks signing certificates: a chain to a configured root, validity,
// revocation. It never changes; make another to trust otherwise. It is safe for
// use by several goroutines.
type Trust struct {
	roots, intermediates *smx509.CertPool
	lists                map[string]*revocations // by issuer
	cache                *chainCache
}

// revocations is a revocation list made ready.
type revocations struct {
	from, until time.Time
	serials     map[string]bool
}

// NewTrust checks that each revocation list is signed by one of the authorities.
func NewTrust(o TrustOptions) (*Trust, error) {
	t := &Trust{roots: smx509.NewCertPool(), intermediates: smx509.NewCertPool(),
		lists: make(map[string]*revocations), cache: newChainCache(o.Cache)}
	for _, c := range o.Roots {
		t.roots.AddCert(c)
	}
	for _, c := range o.Intermediates {
		t.intermediates.AddCert(c)
	}
	authorities := slices.Concat(o.Roots, o.Intermediates)
	for _, list := range o.CRLs {
		if err := t.addList(list, authorities); err != nil {
			return nil, err
		}
	}
	return t, nil
}

// addList takes a revocation list; of several by one authority the newest holds.
func (t *Trust) addList(list *smx509.RevocationList, authorities []*smx509.Certificate) error {
	i := slices.IndexFunc(authorities, func(c *smx509.Certificate) bool {
		return string(c.RawSubject) == string(list.RawIssuer) && list.CheckSignatureFrom(c) == nil
	})
	if i < 0 {
		return fmt.Errorf("ciss: the revocation list of %q is not signed by one of the authorities", list.Issuer)
	}
	r := &revocations{from: list.ThisUpdate, until: list.NextUpdate, serials: make(map[string]bool)}
	for _, e := range list.Extensions {
		if e.Critical {
			return fmt.Errorf("ciss: the revocation list of %q is limited by the critical extension %v; only complete lists can be used", list.Issuer, e.Id)
		}
	}
	for _, e := range list.RevokedCertificateEntries {
		for _, x := range e.Extensions {
			if x.Critical {
				return fmt.Errorf("ciss: the revocation list of %q has an entry with the critical extension %v; only complete lists can be used", list.Issuer, x.Id)
			}
		}
		r.serials[string(e.SerialNumber.Bytes())] = true
	}
	name := authority(authorities[i])
	if old := t.lists[name]; old == nil || old.from.Before(r.from) {
		t.lists[name] = r
	}
	return nil
}

// authority names an authority, whatever certificate it goes by.
func authority(c *smx509.Certificate) string {
	return string(c.RawSubject) + string(c.RawSubjectPublicKeyInfo)
}

// Check parses a certificate in DER and checks it at a time. It returns the
// chain from the certificate to its root, which the caller must not change. The
// error is a [*Rejection].
func (t *Trust) Check(der []byte, usage Usage, now time.Time) ([]*smx509.Certificate, error) {
	c, err := t.check(hex.EncodeToString(der), false, usage, now)
	if err != nil {
		return nil, err
	}
	return c.certs, nil
}

// check takes a certificate as signCert has it: in hexadecimal digits, which in
// lenient mode may stand for PEM.
func (t *Trust) check(digits string, lenient bool, usage Usage, now time.Time) (*chain, error) {
	c := t.cache.get(digits)
	if c == nil || !c.validAt(now) {
		var err error
		if c, err = t.decoded(digits, lenient, now); err != nil {
			return nil, err
		}
	}
	if err := t.revoked(c, now); err != nil {
		return nil, err
	}
	if !usage.allows(c.certs[0].KeyUsage) {
		return nil, &Rejection{WhyUsage}
	}
	return c, nil
}

// decoded finds or builds the chain of a certificate whose digits are not in the
// cache. There every certificate has one place, under the lower-case digits of
// its DER, or whoever spells one in many ways would drive out the others.
func (t *Trust) decoded(digits string, lenient bool, now time.Time) (*chain, error) {
	der, err := decodeCert(digits, lenient)
	if err != nil {
		return nil, err
	}
	usual := hex.AppendEncode(make([]byte, 0, 2*MaxCert), der)
	if string(usual) != digits {
		if c := t.cache.get(string(usual)); c != nil && c.validAt(now) {
			return c, nil
		}
	}
	c, err := t.verify(der, now)
	if err == nil {
		t.cache.put(usual, c)
	}
	return c, err
}

// verify builds the chain of a certificate, which it keeps.
func (t *Trust) verify(der []byte, now time.Time) (*chain, error) {
	if len(der) > MaxCert {
		return nil, &Rejection{WhyCertificate}
	}
	cert, err := smx509.ParseCertificate(der)
	if err != nil {
		return nil, &Rejection{WhyCertificate}
	}
	if !sm2.IsSM2PublicKey(cert.PublicKey) {
		return nil, &Rejection{WhyCurve}
	}
	chains, err := cert.Verify(smx509.VerifyOptions{Roots: t.roots, Intermediates: t.intermediates, CurrentTime: now,
		KeyUsages: []smx509.ExtKeyUsage{smx509.ExtKeyUsageAny}})
	if err != nil {
		var invalid smx509.CertificateInvalidError
		if errors.As(err, &invalid) && invalid.Reason == smx509.Expired {
			return nil, &Rejection{WhyTime}
		}
		return nil, &Rejection{WhyUntrusted}
	}
	first := newChain(chains[0])
	if t.revoked(first, now) == nil {
		return first, nil
	}
	for _, certs := range chains[1:] { // a second way up may be free of revocations
		if c := newChain(certs); t.revoked(c, now) == nil {
			return c, nil
		}
	}
	return first, nil
}

// revoked looks for each certificate of a chain in its issuer's list.
func (t *Trust) revoked(c *chain, now time.Time) error {
	for i, cert := range c.certs[:len(c.certs)-1] {
		list := t.lists[c.issuers[i]]
		switch {
		case list == nil:
		case list.serials[string(cert.SerialNumber.Bytes())]:
			return &Rejection{WhyRevoked}
		case !list.until.IsZero() && now.After(list.until):
			return &Rejection{WhyStaleCRL}
		}
	}
	return nil
}

// allows reports whether the key usage of a certificate is one that is asked for.
func (u Usage) allows(k smx509.KeyUsage) bool {
	switch u {
	case UsageSignature:
		return k&smx509.KeyUsageDigitalSignature != 0
	case UsageNonRepudiation:
		return k&(smx509.KeyUsageDigitalSignature|smx509.KeyUsageContentCommitment) != 0
	default:
		return u == UsageAny
	}
}

// Fingerprint names a certificate: the SHA-256 of its DER in 64 lower-case
// hexadecimal digits.
func Fingerprint(cert *smx509.Certificate) string {
	sum := sha256.Sum256(cert.Raw)
	return hex.EncodeToString(sum[:])
}

// decodeCert reads the hexadecimal digits of signCert; in lenient mode they may
// stand for PEM.
func decodeCert(text string, lenient bool) ([]byte, error) {
	der, err := hex.DecodeString(text)
	if err != nil {
		return nil, &Rejection{WhyCertificate}
	}
	if lenient {
		if block, rest := pem.Decode(der); block != nil && block.Type == "CERTIFICATE" && len(rest) == 0 {
			der = block.Bytes
		}
	}
	return der, nil
}
