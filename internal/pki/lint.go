package pki

import (
	"bytes"
	"crypto/x509/pkix"
	"encoding/asn1"
	"errors"
	"fmt"

	"github.com/emmansun/gmsm/smx509"
	"golang.org/x/crypto/cryptobyte"
	cbasn1 "golang.org/x/crypto/cryptobyte/asn1"
)

// lint reads a certificate back before it is signed for real, with a signature
// of zeros, and holds it against the profile. What fails here would be a fault
// of this program, and a certificate cannot be unsigned.
func lint(tbs []byte, t *template, a *authority, kind Kind) error {
	unsigned, err := assemble(tbs, a.scheme, make([]byte, 8))
	if err != nil {
		return err
	}
	c, err := smx509.ParseCertificate(unsigned)
	if err != nil {
		return fmt.Errorf("%w: %w", ErrLint, err)
	}
	if !bytes.Equal(c.RawTBSCertificate, tbs) {
		return fmt.Errorf("%w: it reads back otherwise", ErrLint)
	}
	if err := errors.Join(lintFields(c, t, a, kind), lintExtensions(c, t, a)); err != nil {
		return fmt.Errorf("%w: %w", ErrLint, err)
	}
	return nil
}

// must returns an error that names what does not hold.
func must(holds bool, what string) error {
	if holds {
		return nil
	}
	return errors.New(what)
}

func lintFields(c *smx509.Certificate, t *template, a *authority, kind Kind) error {
	longest := 31
	if kind == SM2 {
		longest = 127
	}
	return errors.Join(
		must(c.Version == 3, "version"),
		must(c.SerialNumber.Sign() > 0 && c.SerialNumber.BitLen() <= longest && c.SerialNumber.Cmp(t.serial) == 0, "serial number"),
		must(bytes.Equal(c.RawIssuer, a.cert.RawSubject), "issuer"),
		must(bytes.Equal(c.RawSubject, t.subject), "subject"),
		must(bytes.Equal(c.RawSubjectPublicKeyInfo, t.spki), "public key"),
		checkKey(c.PublicKey), a.takesKey(c.PublicKey),
		must(c.NotBefore.Equal(t.notBefore) && c.NotAfter.Equal(t.notAfter), "validity"),
		must(c.NotAfter.After(c.NotBefore) && !c.NotAfter.After(a.ends()), "end"),
		must(!c.NotBefore.Before(a.cert.NotBefore), "begin"),
	)
}

func lintExtensions(c *smx509.Certificate, t *template, a *authority) error {
	ownID, err := keyIdentifier(t.spki)
	errs := []error{
		err,
		must(c.BasicConstraintsValid && !c.IsCA, "basic constraints"),
		must(c.KeyUsage == smx509.KeyUsageDigitalSignature, "key usage"),
		must(len(c.ExtKeyUsage) == 1 && c.ExtKeyUsage[0] == smx509.ExtKeyUsageClientAuth && len(c.UnknownExtKeyUsage) == 0, "extended key usage"),
		must(len(c.CRLDistributionPoints) == 1 && c.CRLDistributionPoints[0] == t.crlURL, "CRL distribution point"),
		must(len(c.IssuingCertificateURL) == 1 && c.IssuingCertificateURL[0] == t.caURL, "issuer's address"),
		must(bytes.Equal(c.SubjectKeyId, ownID) && bytes.Equal(c.AuthorityKeyId, a.cert.SubjectKeyId), "key identifiers"),
		must(len(c.Extensions) == len(deviceExtensions), "number of extensions"),
	}
	for i, e := range c.Extensions[:min(len(c.Extensions), len(deviceExtensions))] {
		errs = append(errs, lintExtension(e, deviceExtensions[i], t))
	}
	return errors.Join(errs...)
}

// ia5 is a text as the value of an extension.
func ia5(text string) []byte {
	var b cryptobyte.Builder
	addText(cbasn1.IA5String, text)(&b)
	return b.BytesOrPanic() // only for texts of gigabytes
}

// deviceExtensions are those of a device's certificate, in order.
var deviceExtensions = []asn1.ObjectIdentifier{oidBasicConstraints, oidNetscapeComment, oidSubjectKeyID, oidAuthorityKeyID,
	oidNetscapeCARevoke, oidKeyUsage, oidExtKeyUsage, oidCRLDistribution, oidAuthorityInfo}

// lintExtension wants an extension at its place; only the key usage is critical.
func lintExtension(e pkix.Extension, oid asn1.ObjectIdentifier, t *template) error {
	holds := e.Id.Equal(oid) && e.Critical == oid.Equal(oidKeyUsage)
	switch {
	case oid.Equal(oidNetscapeComment):
		holds = holds && bytes.Equal(e.Value, ia5(netscapeComment))
	case oid.Equal(oidNetscapeCARevoke):
		holds = holds && bytes.Equal(e.Value, ia5(t.netscapeURL))
	}
	if holds {
		return nil
	}
	return fmt.Errorf("extension %s", oid)
}
