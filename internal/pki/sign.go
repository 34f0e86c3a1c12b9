package pki

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rsa"
	"encoding/asn1"
	"errors"
	"fmt"
	"io"

	"github.com/emmansun/gmsm/sm2"
	"golang.org/x/crypto/cryptobyte"
	cbasn1 "golang.org/x/crypto/cryptobyte/asn1"
)

// scheme is how keys of one kind sign. There is one for each, so that nobody
// can choose a weaker one.
type scheme struct {
	oid  asn1.ObjectIdentifier
	null bool        // the algorithm has NULL parameters
	hash crypto.Hash // 0 for SM2, which hashes by itself
}

// schemeOf returns the scheme of a public key.
func schemeOf(key crypto.PublicKey) (scheme, error) {
	switch key := key.(type) {
	case *rsa.PublicKey:
		return scheme{oidSHA256WithRSA, true, crypto.SHA256}, nil
	case *ecdsa.PublicKey:
		switch {
		case key.Curve == elliptic.P256():
			return scheme{oidECDSAWithSHA256, false, crypto.SHA256}, nil
		case key.Curve == elliptic.P384():
			return scheme{oidECDSAWithSHA384, false, crypto.SHA384}, nil
		case sm2.IsSM2PublicKey(key):
			return scheme{oidSM2WithSM3, false, 0}, nil
		}
	}
	return scheme{}, errors.New("no signature scheme for this kind of key")
}

// addTo writes the AlgorithmIdentifier.
func (s scheme) addTo(b *cryptobyte.Builder) {
	b.AddASN1(cbasn1.SEQUENCE, func(b *cryptobyte.Builder) {
		b.AddASN1ObjectIdentifier(s.oid)
		if s.null {
			b.AddASN1NULL()
		}
	})
}

// is reports whether an AlgorithmIdentifier in DER is the scheme's. RSA's
// parameters may be absent (RFC 4055 §5), and SM2's may be NULL: both are in use.
func (s scheme) is(algorithm []byte) bool {
	in := cryptobyte.String(algorithm)
	var inner cryptobyte.String
	var oid asn1.ObjectIdentifier
	if !in.ReadASN1(&inner, cbasn1.SEQUENCE) || !inner.ReadASN1ObjectIdentifier(&oid) || !oid.Equal(s.oid) {
		return false
	}
	var null cryptobyte.String
	return inner.Empty() || (s.null || s.hash == 0) && inner.ReadASN1(&null, cbasn1.NULL) && null.Empty() && inner.Empty()
}

// digest is what a signer of the scheme is given.
func (s scheme) digest(tbs []byte) ([]byte, crypto.SignerOpts) {
	if s.hash == 0 {
		return tbs, sm2.NewSM2SignerOption(true, nil)
	}
	h := s.hash.New()
	h.Write(tbs)
	return h.Sum(nil), s.hash
}

// checkSignature verifies a request's signature by its own key.
func checkSignature(key crypto.PublicKey, algorithm, tbs, signature []byte) error {
	s, err := schemeOf(key)
	if err != nil {
		return weakKey("%v", err)
	}
	if !s.is(algorithm) {
		return weakKey("it must be signed with SHA-256 (SHA-384 by a P-384 key, SM3 by an SM2 key)")
	}
	if !verify(key, s, tbs, signature) {
		return badCSR("its signature is not by its key")
	}
	return nil
}

func verify(key crypto.PublicKey, s scheme, tbs, signature []byte) bool {
	switch key := key.(type) {
	case *rsa.PublicKey:
		digest, _ := s.digest(tbs)
		return rsa.VerifyPKCS1v15(key, s.hash, digest, signature) == nil
	case *ecdsa.PublicKey:
		if s.hash == 0 {
			return sm2.VerifyASN1WithSM2(key, nil, tbs, signature)
		}
		digest, _ := s.digest(tbs)
		return ecdsa.VerifyASN1(key, digest, signature)
	}
	return false
}

// sign signs and returns the whole in DER. The signature is verified before
// anybody sees it: one made by failing hardware could give the key away.
func sign(random io.Reader, signer crypto.Signer, tbs []byte) ([]byte, error) {
	s, err := schemeOf(signer.Public())
	if err != nil {
		return nil, err
	}
	digest, opts := s.digest(tbs)
	signature, err := signer.Sign(random, digest, opts)
	if err != nil {
		return nil, fmt.Errorf("sign: %w", err)
	}
	if !verify(signer.Public(), s, tbs, signature) {
		return nil, errors.New("sign: the signature does not verify")
	}
	return assemble(tbs, s, signature)
}

// assemble puts the three parts of a signed object together.
func assemble(tbs []byte, s scheme, signature []byte) ([]byte, error) {
	b := cryptobyte.NewBuilder(make([]byte, 0, len(tbs)+len(signature)+64))
	b.AddASN1(cbasn1.SEQUENCE, func(b *cryptobyte.Builder) {
		b.AddBytes(tbs)
		s.addTo(b)
		b.AddASN1BitString(signature)
	})
	return b.Bytes()
}
