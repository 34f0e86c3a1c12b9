package pki

import (
	"cmp"
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rsa"
	"errors"
	"fmt"
	"math/big"
	"slices"
	"time"

	"github.com/emmansun/gmsm/sm2"
	"github.com/emmansun/gmsm/smx509"
	"golang.org/x/crypto/cryptobyte"
	cbasn1 "golang.org/x/crypto/cryptobyte/asn1"

	"github.com/hallmark-id/hallmark/internal/audit"
	"github.com/hallmark-id/hallmark/internal/registry"
)

// NewAuthority describes an authority that is to be made.
type NewAuthority struct {
	Kind    Kind
	Curve   Curve // of ECC; "" for P-256
	Subject Name  // empty parts take those of the service, the common name one that tells the kind
	Years   int   // 1 to 30; 0 for 10
	By      audit.Actor
}

const (
	defaultYears = 10
	maxYears     = 30
	// rootHead is how long before its making a root begins, so that a node or a
	// verifier whose clock is behind takes it.
	rootHead = time.Hour
)

// EnsureAuthorities makes the RSA and the ECC root of a new store. Of several
// nodes that start at once one makes each.
func (s *Service) EnsureAuthorities(ctx context.Context) error {
	all, err := s.open(ctx)
	if err != nil {
		return err
	}
	have := map[Kind]bool{}
	for _, a := range all {
		have[a.row.Kind] = true
	}
	for _, kind := range []Kind{RSA, ECC} {
		if have[kind] {
			continue
		}
		err := s.create(ctx, NewAuthority{Kind: kind, By: audit.Actor{Name: "server"}}, true, nil)
		if err != nil && !errors.Is(err, ErrAuthorityState) { // another node was faster
			return fmt.Errorf("make the %s authority: %w", kind, err)
		}
	}
	return nil
}

// Create makes a root, which issues from now on. The one that issued before is
// retired: its certificates stay good and its list goes on.
func (s *Service) Create(ctx context.Context, n NewAuthority) (Authority, error) {
	var made Authority
	return made, s.create(ctx, n, false, &made)
}

func (s *Service) create(ctx context.Context, n NewAuthority, only bool, made *Authority) error {
	a, err := s.newAuthority(ctx, n, Active)
	if err != nil {
		return err
	}
	if n.Years == 0 {
		n.Years = defaultYears
	}
	if n.Years < 1 || n.Years > maxYears {
		return fmt.Errorf("%w: its years must be 1 to %d", ErrBadAuthority, maxYears)
	}
	if a.row.Chain, err = s.selfSign(a.signer, a.subjectDER, n.Years); err != nil {
		return err
	}
	return s.add(ctx, a.row, only, n.By.Did("authority.create", "authority", a.row.ID.String(),
		map[string]any{"kind": n.Kind.String(), "subject": a.row.Subject}), made)
}

// add stores a new authority and returns what people see of it.
func (s *Service) add(ctx context.Context, row AuthorityRow, only bool, e audit.Event, made *Authority) error {
	a, err := s.openAuthority(row)
	if err != nil {
		return err
	}
	err = s.Store.CreateAuthority(ctx, row, only, e)
	s.authorities.forget()
	s.wake() // it needs a list
	if made != nil {
		*made = a.view()
	}
	return err
}

// unsigned is an authority that has a key and no certificate yet.
type unsigned struct {
	row        AuthorityRow
	signer     crypto.Signer
	subjectDER []byte
}

func (s *Service) newAuthority(ctx context.Context, n NewAuthority, state State) (*unsigned, error) {
	der, err := s.newSubject(ctx, n)
	if err != nil {
		return nil, err
	}
	signer, err := s.generate(n.Kind, n.Curve)
	if err != nil {
		return nil, err
	}
	row, err := s.newRow(n.Kind, state, signer)
	row.Subject = DNText(der)
	return &unsigned{row, signer, der}, err
}

// newSubject completes the subject of a new authority. No two have the same:
// verifiers look issuers up by it.
func (s *Service) newSubject(ctx context.Context, n NewAuthority) ([]byte, error) {
	all, err := s.open(ctx)
	if err != nil {
		return nil, err
	}
	given := n.Subject.CommonName
	for nth := 1; ; nth++ {
		n.Subject.CommonName = cmp.Or(given, s.commonName(n, nth))
		subject := n.Subject.or(s.Subject)
		if err := subject.check(); err != nil {
			return nil, err
		}
		der, err := subject.der()
		if err != nil {
			return nil, err
		}
		taken := slices.ContainsFunc(all, func(a *authority) bool { return a.row.Subject == DNText(der) })
		if !taken {
			return der, nil
		}
		if given != "" {
			return nil, fmt.Errorf("%w: there is one with this subject already; choose another CN", ErrBadAuthority)
		}
	}
}

// commonName tells the kind and the year, and the number when it is not the first.
func (s *Service) commonName(n NewAuthority, nth int) string {
	name := s.Subject.CommonName
	if name == "" {
		name = n.Subject.or(s.Subject).Organisation
	}
	name = fmt.Sprintf("%s %s CA %d", name, n.Kind, s.now().Year())
	if nth > 1 {
		name += fmt.Sprintf(" %d", nth)
	}
	return name
}

// newRow seals a key into a row.
func (s *Service) newRow(kind Kind, state State, signer crypto.Signer) (AuthorityRow, error) {
	id, err := registry.NewID(s.Random)
	if err != nil {
		return AuthorityRow{}, err
	}
	der, err := smx509.MarshalPKCS8PrivateKey(signer)
	if err != nil {
		return AuthorityRow{}, err
	}
	defer clear(der)
	sealed, err := s.Ring.Seal(der, keyBinding(id))
	return AuthorityRow{ID: id, Kind: kind, State: state, Key: sealed, Created: registry.At(s.Now())}, err
}

// generate makes a key.
func (s *Service) generate(kind Kind, curve Curve) (crypto.Signer, error) {
	switch {
	case kind == RSA && curve == "":
		return rsa.GenerateKey(s.Random, rsaBits)
	case kind == ECC && (curve == "" || curve == P256):
		return ecdsa.GenerateKey(elliptic.P256(), s.Random)
	case kind == ECC && curve == P384:
		return ecdsa.GenerateKey(elliptic.P384(), s.Random)
	case kind == SM2 && curve == "":
		return sm2.GenerateKey(s.Random)
	}
	return nil, fmt.Errorf("%w: only ECC has a curve, P-256 or P-384", ErrBadAuthority)
}

// selfSign makes the certificate of a root.
func (s *Service) selfSign(signer crypto.Signer, subject []byte, years int) ([]byte, error) {
	spki, err := smx509.MarshalPKIXPublicKey(signer.Public())
	if err != nil {
		return nil, err
	}
	serial, err := newSerial(s.Random, SM2) // 128 bits: roots are not revoked by number
	if err != nil {
		return nil, err
	}
	begin := s.now().Add(-rootHead)
	t := template{serial: serial, issuer: subject, subject: subject, spki: spki, notBefore: begin, notAfter: s.now().AddDate(years, 0, 0), ca: true}
	return t.signedBy(s, signer)
}

// signedBy signs a certificate as it is.
func (t *template) signedBy(s *Service, signer crypto.Signer) ([]byte, error) {
	with, err := schemeOf(signer.Public())
	if err != nil {
		return nil, err
	}
	tbs, err := t.tbs(with)
	if err != nil {
		return nil, err
	}
	return sign(s.Random, signer, tbs)
}

// Prepare makes a key and a request for its certificate, for an intermediate
// that a root elsewhere certifies. Install brings the certificate.
func (s *Service) Prepare(ctx context.Context, n NewAuthority) (Authority, error) {
	a, err := s.newAuthority(ctx, n, Pending)
	if err != nil {
		return Authority{}, err
	}
	if a.row.Request, err = s.certificationRequest(a.signer, a.subjectDER); err != nil {
		return Authority{}, err
	}
	var made Authority
	return made, s.add(ctx, a.row, false, n.By.Did("authority.prepare", "authority", a.row.ID.String(),
		map[string]any{"kind": n.Kind.String(), "subject": a.row.Subject}), &made)
}

// certificationRequest is a PKCS#10 request without attributes.
func (s *Service) certificationRequest(signer crypto.Signer, subject []byte) ([]byte, error) {
	spki, err := smx509.MarshalPKIXPublicKey(signer.Public())
	if err != nil {
		return nil, err
	}
	var b cryptobyte.Builder
	b.AddASN1(cbasn1.SEQUENCE, func(b *cryptobyte.Builder) {
		b.AddASN1BigInt(new(big.Int))
		b.AddBytes(subject)
		b.AddBytes(spki)
		b.AddASN1(tagExplicitVersion, func(*cryptobyte.Builder) {})
	})
	info, err := b.Bytes()
	if err != nil {
		return nil, err
	}
	return sign(s.Random, signer, info)
}
