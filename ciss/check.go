package ciss

import (
	"encoding/base64"
	"time"

	"github.com/emmansun/gmsm/smx509"
)

// CheckLogin checks that a message's signature is one over its authId by a
// certificate that the trust accepts; it returns the chain from the certificate
// to its root. Whose it is, and whether that one may log in, is for the caller to
// say. The error is a [*Rejection].
func (c *Channel) CheckLogin(m *LoginVerify, t *Trust, now time.Time) ([]*smx509.Certificate, error) {
	message, err := c.settings.SignedMessage(m.AuthID)
	if err != nil {
		return nil, &Rejection{WhySignature}
	}
	return c.check(m.SignCert, m.SignData, message, t, now)
}

// CheckVerify checks that a message's signature is one over its source data by a
// certificate that the trust accepts; it returns the chain from the certificate
// to its root. The error is a [*Rejection].
func (c *Channel) CheckVerify(m *Verify, t *Trust, now time.Time) ([]*smx509.Certificate, error) {
	message, err := base64.StdEncoding.Strict().DecodeString(m.SrcData)
	if err != nil {
		return nil, &Rejection{WhySignature}
	}
	return c.check(m.SignCert, m.SignData, message, t, now)
}

func (c *Channel) check(certHex, dataHex string, message []byte, t *Trust, now time.Time) ([]*smx509.Certificate, error) {
	signature, err := parseSignData(dataHex, c.settings.SignForms)
	if err != nil {
		return nil, &Rejection{WhySignData}
	}
	chain, err := t.check(certHex, c.settings.Lenient, c.settings.CertUsage, now)
	if err != nil {
		return nil, err
	}
	if !signature.by(chain.certs[0]) || !signature.verify(&c.settings, chain.key, message) {
		return nil, &Rejection{WhySignature}
	}
	return chain.certs, nil
}

// by reports whether a signature names the certificate as its signer's; only
// PKCS#7 names one.
func (s *Signature) by(cert *smx509.Certificate) bool {
	return s.p7 == nil || string(s.p7.issuer) == string(cert.RawIssuer) && string(s.p7.serial) == string(cert.SerialNumber.Bytes())
}
