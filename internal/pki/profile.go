package pki

import (
	"crypto/sha1" // an identifier of keys, as RFC 5280 §4.2.1.2 has it
	"encoding/asn1"
	"fmt"
	"math/big"
	"time"

	"golang.org/x/crypto/cryptobyte"
	cbasn1 "golang.org/x/crypto/cryptobyte/asn1"
)

// Extensions of the profile (enos §4.1).
var (
	oidBasicConstraints  = asn1.ObjectIdentifier{2, 5, 29, 19}
	oidNetscapeComment   = asn1.ObjectIdentifier{2, 16, 840, 1, 113730, 1, 13}
	oidNetscapeCARevoke  = asn1.ObjectIdentifier{2, 16, 840, 1, 113730, 1, 4}
	oidSubjectKeyID      = asn1.ObjectIdentifier{2, 5, 29, 14}
	oidAuthorityKeyID    = asn1.ObjectIdentifier{2, 5, 29, 35}
	oidKeyUsage          = asn1.ObjectIdentifier{2, 5, 29, 15}
	oidExtKeyUsage       = asn1.ObjectIdentifier{2, 5, 29, 37}
	oidCRLDistribution   = asn1.ObjectIdentifier{2, 5, 29, 31}
	oidAuthorityInfo     = asn1.ObjectIdentifier{1, 3, 6, 1, 5, 5, 7, 1, 1}
	oidCAIssuers         = asn1.ObjectIdentifier{1, 3, 6, 1, 5, 5, 7, 48, 2}
	oidClientAuth        = asn1.ObjectIdentifier{1, 3, 6, 1, 5, 5, 7, 3, 2}
	oidCRLNumber         = asn1.ObjectIdentifier{2, 5, 29, 20}
	oidCRLReason         = asn1.ObjectIdentifier{2, 5, 29, 21}
	tagExplicitVersion   = cbasn1.Tag(0).ContextSpecific().Constructed()
	tagExplicitExtension = cbasn1.Tag(3).ContextSpecific().Constructed()
)

// netscapeComment is the text of the vendor's certificates.
const netscapeComment = "Enos Generated Certificate"

// Bits of the key usage extension, the first byte of its bit string.
const (
	usageDigitalSignature = 0x80
	usageCertSign         = 0x04
	usageCRLSign          = 0x02
)

// template is a certificate that is about to be signed.
type template struct {
	serial              *big.Int
	issuer, subject     []byte // DER
	spki                []byte // DER
	notBefore, notAfter time.Time
	ca                  bool
	authorityKeyID      []byte
	crlURL, caURL       string // where the issuer's list and certificate are
	netscapeURL         string
}

// tbs returns the TBSCertificate (RFC 5280 §4.1.2).
func (t *template) tbs(s scheme) ([]byte, error) {
	keyID, err := keyIdentifier(t.spki)
	if err != nil {
		return nil, err
	}
	b := cryptobyte.NewBuilder(make([]byte, 0, 1024))
	b.AddASN1(cbasn1.SEQUENCE, func(b *cryptobyte.Builder) {
		b.AddASN1(tagExplicitVersion, func(b *cryptobyte.Builder) { b.AddASN1Int64(2) })
		b.AddASN1BigInt(t.serial)
		s.addTo(b)
		b.AddBytes(t.issuer)
		b.AddASN1(cbasn1.SEQUENCE, func(b *cryptobyte.Builder) {
			addTime(b, t.notBefore)
			addTime(b, t.notAfter)
		})
		b.AddBytes(t.subject)
		b.AddBytes(t.spki)
		b.AddASN1(tagExplicitExtension, func(b *cryptobyte.Builder) {
			b.AddASN1(cbasn1.SEQUENCE, func(b *cryptobyte.Builder) {
				if t.ca {
					t.addAuthorityExtensions(b, keyID)
				} else {
					t.addDeviceExtensions(b, keyID)
				}
			})
		})
	})
	return b.Bytes()
}

// addDeviceExtensions writes what the vendor's certificates have, in their
// order, and then what makes them good for TLS today.
func (t *template) addDeviceExtensions(b *cryptobyte.Builder, keyID []byte) {
	addExtension(b, oidBasicConstraints, false, func(b *cryptobyte.Builder) { b.AddASN1(cbasn1.SEQUENCE, func(*cryptobyte.Builder) {}) })
	addExtension(b, oidNetscapeComment, false, addText(cbasn1.IA5String, netscapeComment))
	addExtension(b, oidSubjectKeyID, false, func(b *cryptobyte.Builder) { b.AddASN1OctetString(keyID) })
	addAuthorityKeyID(b, t.authorityKeyID)
	addExtension(b, oidNetscapeCARevoke, false, addText(cbasn1.IA5String, t.netscapeURL))
	addKeyUsage(b, usageDigitalSignature)
	addExtension(b, oidExtKeyUsage, false, func(b *cryptobyte.Builder) {
		b.AddASN1(cbasn1.SEQUENCE, func(b *cryptobyte.Builder) { b.AddASN1ObjectIdentifier(oidClientAuth) })
	})
	addExtension(b, oidCRLDistribution, false, t.addCRLDistribution)
	addExtension(b, oidAuthorityInfo, false, func(b *cryptobyte.Builder) {
		b.AddASN1(cbasn1.SEQUENCE, func(b *cryptobyte.Builder) {
			b.AddASN1(cbasn1.SEQUENCE, func(b *cryptobyte.Builder) {
				b.AddASN1ObjectIdentifier(oidCAIssuers)
				addURL(b, t.caURL)
			})
		})
	})
}

// addAuthorityExtensions writes those of a self-signed authority.
func (t *template) addAuthorityExtensions(b *cryptobyte.Builder, keyID []byte) {
	addExtension(b, oidBasicConstraints, true, func(b *cryptobyte.Builder) {
		b.AddASN1(cbasn1.SEQUENCE, func(b *cryptobyte.Builder) { b.AddASN1Boolean(true) })
	})
	addKeyUsage(b, usageCertSign|usageCRLSign)
	addExtension(b, oidSubjectKeyID, false, func(b *cryptobyte.Builder) { b.AddASN1OctetString(keyID) })
	addAuthorityKeyID(b, t.authorityKeyID)
}

func addExtension(b *cryptobyte.Builder, oid asn1.ObjectIdentifier, critical bool, value cryptobyte.BuilderContinuation) {
	b.AddASN1(cbasn1.SEQUENCE, func(b *cryptobyte.Builder) {
		b.AddASN1ObjectIdentifier(oid)
		if critical {
			b.AddASN1Boolean(true)
		}
		b.AddASN1(cbasn1.OCTET_STRING, value)
	})
}

func addText(kind cbasn1.Tag, text string) cryptobyte.BuilderContinuation {
	return func(b *cryptobyte.Builder) {
		b.AddASN1(kind, func(b *cryptobyte.Builder) { b.AddBytes([]byte(text)) })
	}
}

func addAuthorityKeyID(b *cryptobyte.Builder, id []byte) {
	if len(id) == 0 {
		return // of a self-signed certificate
	}
	addExtension(b, oidAuthorityKeyID, false, func(b *cryptobyte.Builder) {
		b.AddASN1(cbasn1.SEQUENCE, func(b *cryptobyte.Builder) {
			b.AddASN1(cbasn1.Tag(0).ContextSpecific(), func(b *cryptobyte.Builder) { b.AddBytes(id) })
		})
	})
}

// addKeyUsage writes usages that fit in the first byte.
func addKeyUsage(b *cryptobyte.Builder, bits byte) {
	unused := byte(0)
	for bits>>unused&1 == 0 {
		unused++
	}
	addExtension(b, oidKeyUsage, true, func(b *cryptobyte.Builder) {
		b.AddASN1(cbasn1.BIT_STRING, func(b *cryptobyte.Builder) { b.AddBytes([]byte{unused, bits}) })
	})
}

func (t *template) addCRLDistribution(b *cryptobyte.Builder) {
	context0 := cbasn1.Tag(0).ContextSpecific().Constructed()
	b.AddASN1(cbasn1.SEQUENCE, func(b *cryptobyte.Builder) { // CRLDistributionPoints
		b.AddASN1(cbasn1.SEQUENCE, func(b *cryptobyte.Builder) { // DistributionPoint
			b.AddASN1(context0, func(b *cryptobyte.Builder) { // distributionPoint
				b.AddASN1(context0, func(b *cryptobyte.Builder) { addURL(b, t.crlURL) }) // fullName
			})
		})
	})
}

// addURL writes a GeneralName.
func addURL(b *cryptobyte.Builder, url string) {
	b.AddASN1(cbasn1.Tag(6).ContextSpecific(), func(b *cryptobyte.Builder) { b.AddBytes([]byte(url)) })
}

// addTime writes UTCTime, and GeneralizedTime from 2050 on (RFC 5280 §4.1.2.5).
func addTime(b *cryptobyte.Builder, t time.Time) {
	if t.Year() < 2050 {
		b.AddASN1UTCTime(t)
		return
	}
	b.AddASN1GeneralizedTime(t)
}

// keyIdentifier is the SHA-1 of a public key's bits (RFC 5280 §4.2.1.2 (1)).
func keyIdentifier(spki []byte) ([]byte, error) {
	in := cryptobyte.String(spki)
	var inner cryptobyte.String
	var bits asn1.BitString
	if !in.ReadASN1(&inner, cbasn1.SEQUENCE) || !inner.SkipASN1(cbasn1.SEQUENCE) || !inner.ReadASN1BitString(&bits) {
		return nil, fmt.Errorf("key identifier: malformed public key")
	}
	sum := sha1.Sum(bits.RightAlign())
	return sum[:], nil
}
