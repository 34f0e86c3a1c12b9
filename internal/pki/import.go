package pki

import (
	"bytes"
	"context"
	"crypto"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"time"

	"github.com/emmansun/gmsm/smx509"

	"github.com/hallmark-id/hallmark/internal/audit"
	"github.com/hallmark-id/hallmark/internal/registry"
)

func badAuthority(format string, args ...any) error {
	return fmt.Errorf("%w: %s", ErrBadAuthority, fmt.Sprintf(format, args...))
}

// Import brings an authority that its owner has: its key in PEM, and its
// certificate with those above it, the self-signed root last. It issues from
// now on.
func (s *Service) Import(ctx context.Context, keyPEM, chainPEM []byte, by audit.Actor) (Authority, error) {
	signer, err := parseKeyPEM(keyPEM)
	if err != nil {
		return Authority{}, err
	}
	kind, _ := kindOf(signer.Public())
	chain, err := s.checkChain(chainPEM, signer.Public())
	if err != nil {
		return Authority{}, err
	}
	row, err := s.newRow(kind, Active, signer)
	if err != nil {
		return Authority{}, err
	}
	row.Chain, row.Subject = join(chain), DNText(chain[0].RawSubject)
	var made Authority
	return made, s.add(ctx, row, false, by.Did("authority.import", "authority", row.ID.String(),
		map[string]any{"kind": kind.String(), "subject": row.Subject}), &made)
}

// Install brings the certificate of a prepared authority, with those above it,
// the self-signed root last. It issues from now on.
func (s *Service) Install(ctx context.Context, id registry.ID, chainPEM []byte, by audit.Actor) (Authority, error) {
	a, err := s.find(ctx, id)
	if err != nil {
		return Authority{}, err
	}
	if a.row.State != Pending {
		return Authority{}, fmt.Errorf("%w: it has its certificate, and is %s", ErrAuthorityState, a.row.State)
	}
	chain, err := s.checkChain(chainPEM, a.signer.Public())
	if err != nil {
		return Authority{}, err
	}
	row := a.row
	row.State, row.Chain, row.Request, row.Subject = Active, join(chain), nil, DNText(chain[0].RawSubject)
	return s.set(ctx, row, Pending, by.Did("authority.install", "authority", id.String(), map[string]any{"subject": row.Subject}))
}

// Retire lets an authority issue no more; its list goes on. Its kind has no
// authority then until one is made or activated.
func (s *Service) Retire(ctx context.Context, id registry.ID, by audit.Actor) (Authority, error) {
	return s.move(ctx, id, Active, Retired, by.Did("authority.retire", "authority", id.String(), nil))
}

// Activate lets a retired authority issue again; the one that issues is retired.
func (s *Service) Activate(ctx context.Context, id registry.ID, by audit.Actor) (Authority, error) {
	return s.move(ctx, id, Retired, Active, by.Did("authority.activate", "authority", id.String(), nil))
}

func (s *Service) move(ctx context.Context, id registry.ID, from, to State, e audit.Event) (Authority, error) {
	a, err := s.find(ctx, id)
	if err != nil {
		return Authority{}, err
	}
	if a.row.State != from {
		return Authority{}, fmt.Errorf("%w: it is %s, not %s", ErrAuthorityState, a.row.State, from)
	}
	row := a.row
	row.State = to
	return s.set(ctx, row, from, e)
}

func (s *Service) set(ctx context.Context, row AuthorityRow, was State, e audit.Event) (Authority, error) {
	a, err := s.openAuthority(row)
	if err != nil {
		return Authority{}, err
	}
	err = s.Store.SetAuthority(ctx, row, was, e)
	s.authorities.forget()
	s.wake()
	return a.view(), err
}

// parseKeyPEM reads a private key in PKCS#8, PKCS#1 or SEC 1.
func parseKeyPEM(text []byte) (crypto.Signer, error) {
	for block, rest := pem.Decode(text); block != nil; block, rest = pem.Decode(rest) {
		var key any
		var err error
		switch block.Type {
		case "PRIVATE KEY":
			key, err = smx509.ParsePKCS8PrivateKey(block.Bytes)
		case "RSA PRIVATE KEY":
			if block.Headers["DEK-Info"] != "" {
				return nil, badAuthority("its key is encrypted: decrypt it with openssl pkey")
			}
			key, err = x509.ParsePKCS1PrivateKey(block.Bytes)
		case "EC PRIVATE KEY":
			key, err = smx509.ParseTypedECPrivateKey(block.Bytes)
		case "ENCRYPTED PRIVATE KEY":
			return nil, badAuthority("its key is encrypted: decrypt it with openssl pkey")
		default: // such as EC PARAMETERS
			continue
		}
		if err != nil {
			return nil, badAuthority("its key is malformed")
		}
		return usableKey(key)
	}
	return nil, badAuthority("there is no private key in PEM")
}

// maxRSABits keeps one signature of an authority below some milliseconds.
const maxRSABits = 8192

func usableKey(key any) (crypto.Signer, error) {
	signer, ok := key.(crypto.Signer)
	if !ok {
		return nil, badAuthority("this kind of key does not sign")
	}
	if kind, _ := kindOf(signer.Public()); kind == 0 {
		return nil, badAuthority("its key must be RSA, on P-256 or P-384, or SM2")
	}
	if public, ok := signer.Public().(*rsa.PublicKey); ok && (public.N.BitLen() < rsaBits || public.N.BitLen() > maxRSABits) {
		return nil, badAuthority("its RSA key must have %d to %d bits", rsaBits, maxRSABits)
	}
	return signer, nil
}

// checkChain reads the certificates of an authority and checks that it can be one.
func (s *Service) checkChain(text []byte, key crypto.PublicKey) ([]*smx509.Certificate, error) {
	var chain []*smx509.Certificate
	for block, rest := pem.Decode(text); block != nil; block, rest = pem.Decode(rest) {
		if block.Type != "CERTIFICATE" {
			return nil, badAuthority("its chain holds a PEM block that is no CERTIFICATE")
		}
		c, err := smx509.ParseCertificate(block.Bytes)
		if err != nil {
			return nil, badAuthority("certificate %d of its chain is malformed", len(chain)+1)
		}
		if chain = append(chain, c); len(chain) > maxChain {
			return nil, badAuthority("its chain is longer than %d certificates", maxChain)
		}
	}
	if len(chain) == 0 {
		return nil, badAuthority("there is no certificate in PEM")
	}
	type comparable interface{ Equal(x crypto.PublicKey) bool }
	if own, ok := chain[0].PublicKey.(comparable); !ok || !own.Equal(key) {
		return nil, badAuthority("the first certificate is of another key")
	}
	for i, c := range chain {
		if err := checkLink(chain, i, c, s.now()); err != nil {
			return nil, err
		}
	}
	return chain, verifyChain(chain, s.now())
}

const maxChain = 8

// checkLink checks a certificate of a chain on its own.
func checkLink(chain []*smx509.Certificate, i int, c *smx509.Certificate, now time.Time) error {
	name := DNText(c.RawSubject)
	const usages = smx509.KeyUsageCertSign | smx509.KeyUsageCRLSign
	switch {
	case !c.BasicConstraintsValid || !c.IsCA:
		return badAuthority("%s is no authority (CA:TRUE is missing)", name)
	case c.KeyUsage != 0 && c.KeyUsage&smx509.KeyUsageCertSign == 0 || i == 0 && c.KeyUsage&usages != usages:
		return badAuthority("the key usage of %s does not allow signing certificates and lists (keyCertSign, cRLSign)", name)
	case (c.MaxPathLen > 0 || c.MaxPathLenZero) && c.MaxPathLen < i:
		return badAuthority("the path length of %s allows no authority that deep", name)
	case now.After(c.NotAfter) || now.Before(c.NotBefore):
		return badAuthority("%s is not valid now, but from %s to %s", name, c.NotBefore.Format(time.RFC3339), c.NotAfter.Format(time.RFC3339))
	case i == 0 && (len(c.SubjectKeyId) == 0 || len(c.SubjectKeyId) > 64):
		return badAuthority("%s has no subject key identifier", name)
	case len(c.RawSubject) <= 2:
		return badAuthority("a certificate of its chain has no subject")
	case i == len(chain)-1 && !bytes.Equal(c.RawSubject, c.RawIssuer):
		return badAuthority("the chain ends at %s, which is not self-signed: add its issuers up to the root", name)
	}
	return nil
}

// verifyChain checks that each certificate is signed by the next.
func verifyChain(chain []*smx509.Certificate, now time.Time) error {
	root := chain[len(chain)-1]
	if err := root.CheckSignatureFrom(root); err != nil {
		return badAuthority("the root's own signature: %v", err)
	}
	for i, c := range chain[:len(chain)-1] {
		if !bytes.Equal(c.RawIssuer, chain[i+1].RawSubject) || c.CheckSignatureFrom(chain[i+1]) != nil {
			return badAuthority("certificate %d of its chain is not signed by the next one", i+1)
		}
	}
	o := smx509.VerifyOptions{Roots: smx509.NewCertPool(), Intermediates: smx509.NewCertPool(), CurrentTime: now,
		KeyUsages: []smx509.ExtKeyUsage{smx509.ExtKeyUsageClientAuth}}
	o.Roots.AddCert(root)
	for _, c := range chain[1:] {
		o.Intermediates.AddCert(c)
	}
	if _, err := chain[0].Verify(o); err != nil {
		return badAuthority("its chain does not verify: %v", err)
	}
	return nil
}

// join writes certificates one after the other.
func join(chain []*smx509.Certificate) []byte {
	var der []byte
	for _, c := range chain {
		der = append(der, c.Raw...)
	}
	return der
}
