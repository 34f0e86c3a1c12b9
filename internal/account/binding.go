package account

import (
	"context"
	"crypto/sha256"
	"crypto/x509/pkix"
	"encoding/hex"
	"encoding/pem"
	"strings"
	"unicode"

	"github.com/emmansun/gmsm/smx509"

	"github.com/hallmark-id/hallmark/internal/audit"
	"github.com/hallmark-id/hallmark/internal/registry"
)

// Binding says by which SM2 certificate an account signs in: by one certificate,
// named by its fingerprint, or by whatever certificate an authority has issued
// to a subject.
type Binding struct {
	ID registry.ID
	// Fingerprint is the certificate's, "" for a binding by rule.
	Fingerprint string
	// Authority is the fingerprint of the authority's certificate, and Subject
	// the rule that the subject must keep; both "" for a binding by fingerprint.
	Authority, Subject string
	// Label says what the binding is about, for people.
	Label   string
	Created registry.Instant
}

// Bound is a binding with the account that has it.
type Bound struct {
	Binding
	Account  registry.ID
	Name     string
	Disabled bool
}

// Fingerprint is the SHA-256 of a certificate's DER form in lower-case
// hexadecimal: how bindings name it.
func Fingerprint(c *smx509.Certificate) string {
	sum := sha256.Sum256(c.Raw)
	return hex.EncodeToString(sum[:])
}

// parseFingerprint reads a fingerprint as tools print it, with or without
// colons, in either case.
func parseFingerprint(text string) (string, error) {
	raw, err := hex.DecodeString(strings.ReplaceAll(strings.TrimSpace(text), ":", ""))
	if err != nil || len(raw) != sha256.Size {
		return "", invalid("a fingerprint is the SHA-256 of a certificate's DER form: 64 hexadecimal digits")
	}
	return hex.EncodeToString(raw), nil
}

// ErrNotCertificate says that a text holds no certificate.
var ErrNotCertificate = invalid("a certificate is needed in PEM, or its DER form in hexadecimal")

// fingerprintOf reads a certificate in PEM, or in hexadecimal as the scan
// interface has it (signCert).
func fingerprintOf(text string) (string, error) {
	der, err := hex.DecodeString(strings.TrimSpace(text))
	if block, _ := pem.Decode([]byte(text)); block != nil {
		der, err = block.Bytes, nil
	}
	if err != nil {
		return "", ErrNotCertificate
	}
	c, err := smx509.ParseCertificate(der)
	if err != nil {
		return "", ErrNotCertificate
	}
	return Fingerprint(c), nil
}

// BindingSpec is what makes a binding: a Certificate or its Fingerprint, or an
// Authority with a Subject.
type BindingSpec struct {
	Certificate string // PEM or hexadecimal
	Fingerprint string
	Authority   string // the authority's certificate, or its fingerprint
	Subject     string // such as "CN=Wang Li,O=Example"
	Label       string
}

const maxLabel = 200

// Bind lets a certificate sign in to an account, once its chain, validity, use
// and revocation have been checked at the door.
func (s *Service) Bind(ctx context.Context, name string, spec BindingSpec, by audit.Actor) (Binding, error) {
	row, err := s.find(ctx, name)
	if err != nil {
		return Binding{}, err
	}
	b, err := spec.check()
	if err != nil {
		return Binding{}, err
	}
	if b.ID, err = registry.NewID(s.Random); err != nil {
		return Binding{}, err
	}
	b.Created = registry.At(s.Now())
	event := by.Did("account.bind", "account", row.Name, map[string]any{"binding": b.ID, "fingerprint": b.Fingerprint, "authority": b.Authority, "subject": b.Subject})
	return b, named(row.Name, s.Store.Bind(ctx, row.ID, b, event))
}

func (spec BindingSpec) check() (b Binding, err error) {
	b.Label = strings.ToValidUTF8(spec.Label, "")
	ways := 0
	for _, way := range []string{spec.Certificate, spec.Fingerprint, spec.Authority} {
		if way != "" {
			ways++
		}
	}
	switch {
	case len(b.Label) > maxLabel || strings.ContainsFunc(b.Label, unicode.IsControl):
		return b, invalid("a label has at most %d bytes of text without control characters", maxLabel)
	case ways != 1, (spec.Authority == "") != (spec.Subject == ""):
		return b, invalid("a binding names a certificate or its fingerprint, or an authority together with a subject")
	case spec.Certificate != "":
		b.Fingerprint, err = fingerprintOf(spec.Certificate)
		return b, err
	case spec.Fingerprint != "":
		b.Fingerprint, err = parseFingerprint(spec.Fingerprint)
		return b, err
	}
	rule, err := ParseRule(spec.Subject)
	if err != nil {
		return b, err
	}
	b.Subject = rule.String()
	if b.Authority, err = fingerprintOf(spec.Authority); err != nil {
		b.Authority, err = parseFingerprint(spec.Authority)
	}
	return b, err
}

// Unbind removes a binding; logins that it opened go on until they end.
func (s *Service) Unbind(ctx context.Context, name string, binding registry.ID, by audit.Actor) error {
	row, err := s.find(ctx, name)
	if err != nil {
		return err
	}
	event := by.Did("account.unbind", "account", row.Name, map[string]any{"binding": binding})
	return named(row.Name, s.Store.Unbind(ctx, row.ID, binding, event))
}

// ByCertificate finds the account that a certificate signs in to. issuer is the
// authority that issued it as the verified chain has it, or nil. A fingerprint
// goes before rules; rules of several accounts that fit are ErrAmbiguous.
func (s *Service) ByCertificate(ctx context.Context, certificate, issuer *smx509.Certificate) (Bound, error) {
	authority := ""
	if issuer != nil {
		authority = Fingerprint(issuer)
	}
	all, err := s.Store.Bound(ctx, Fingerprint(certificate), authority)
	if err != nil {
		return Bound{}, err
	}
	found, err := choose(all, certificate.Subject)
	if err == nil && found.Disabled {
		err = ErrDisabled
	}
	return found, err
}

func choose(all []Bound, subject pkix.Name) (found Bound, err error) {
	for _, b := range all {
		if b.Fingerprint != "" {
			return b, nil
		}
	}
	for _, b := range all {
		rule, err := ParseRule(b.Subject)
		if err != nil {
			return Bound{}, named(b.Name, err)
		}
		switch {
		case !rule.Fits(subject) || found.Account == b.Account:
		case found.Account != 0:
			return Bound{}, ErrAmbiguous
		default:
			found = b
		}
	}
	if found.Account == 0 {
		return found, ErrUnbound
	}
	return found, nil
}
