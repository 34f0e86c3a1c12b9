package ciss

import (
	"bytes"
	"encoding/asn1"
	"errors"
	"slices"

	"github.com/emmansun/gmsm/sm3"
	"golang.org/x/crypto/cryptobyte"
	casn1 "golang.org/x/crypto/cryptobyte/asn1"
)

// Object identifiers of GM/T 0010 and PKCS#7 (ciss §9).
var (
	oidsSignedData = []asn1.ObjectIdentifier{{1, 2, 156, 10197, 6, 1, 4, 2, 2}, {1, 2, 840, 113549, 1, 7, 2}}
	oidsData       = []asn1.ObjectIdentifier{{1, 2, 156, 10197, 6, 1, 4, 2, 1}, {1, 2, 840, 113549, 1, 7, 1}}
	oidSM3         = asn1.ObjectIdentifier{1, 2, 156, 10197, 1, 401}
	oidsSM2        = []asn1.ObjectIdentifier{{1, 2, 156, 10197, 1, 301, 1}, {1, 2, 156, 10197, 1, 301}, {1, 2, 156, 10197, 1, 501}}

	oidContentType   = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 9, 3}
	oidMessageDigest = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 9, 4}
)

// signedData is what this package needs of a PKCS#7 signedData with one signer.
type signedData struct {
	content    []byte // nil when detached
	issuer     []byte // of the signer's certificate, in DER
	serial     []byte // of the signer's certificate
	attributes []byte // the authenticated attributes as they are signed; nil without
	digest     []byte // the attribute messageDigest
	signature  []byte // SEQUENCE of two INTEGERs
}

var errSignedData = errors.New("ciss: not a signedData with one SM2 signer")

// implicit returns the context-specific tag of a constructed element.
func implicit(n uint8) casn1.Tag { return casn1.Tag(n).ContextSpecific().Constructed() }

// parseSignedData reads a ContentInfo with a signedData, in DER. Certificates
// and revocation lists inside it are passed over: signCert says who signed.
func parseSignedData(data []byte) (*signedData, error) {
	input := cryptobyte.String(data)
	var info, explicit, body cryptobyte.String
	if !input.ReadASN1(&info, casn1.SEQUENCE) || !input.Empty() || !readOID(&info, oidsSignedData) ||
		!info.ReadASN1(&explicit, implicit(0)) || !info.Empty() ||
		!explicit.ReadASN1(&body, casn1.SEQUENCE) || !explicit.Empty() {
		return nil, errSignedData
	}
	var p signedData
	var version int
	var signers, signer cryptobyte.String
	if !body.ReadASN1Integer(&version) || !body.SkipASN1(casn1.SET) || !p.readContent(&body) ||
		!body.SkipOptionalASN1(implicit(0)) || !body.SkipOptionalASN1(implicit(1)) ||
		!body.ReadASN1(&signers, casn1.SET) || !body.Empty() ||
		!signers.ReadASN1(&signer, casn1.SEQUENCE) || !signers.Empty() || !p.readSigner(&signer) {
		return nil, errSignedData
	}
	return &p, nil
}

// readContent reads what was signed, if it is there.
func (p *signedData) readContent(body *cryptobyte.String) bool {
	var info, explicit, content cryptobyte.String
	var present bool
	if !body.ReadASN1(&info, casn1.SEQUENCE) || !readOID(&info, oidsData) ||
		!info.ReadOptionalASN1(&explicit, &present, implicit(0)) || !info.Empty() {
		return false
	}
	if !present {
		return true
	}
	if !explicit.ReadASN1(&content, casn1.OCTET_STRING) || !explicit.Empty() {
		return false
	}
	p.content = append([]byte{}, content...)
	return true
}

// readSigner reads a SignerInfo.
func (p *signedData) readSigner(signer *cryptobyte.String) bool {
	var version int
	var name, issuer, attributes, signature cryptobyte.String
	var present bool
	if !signer.ReadASN1Integer(&version) || !signer.ReadASN1(&name, casn1.SEQUENCE) ||
		!name.ReadASN1Element(&issuer, casn1.SEQUENCE) || !name.ReadASN1Integer(&p.serial) || !name.Empty() ||
		!readAlgorithm(signer, oidSM3) || !signer.ReadOptionalASN1(&attributes, &present, implicit(0)) ||
		!readAlgorithm(signer, oidsSM2...) || !signer.ReadASN1(&signature, casn1.OCTET_STRING) ||
		!signer.SkipOptionalASN1(implicit(1)) || !signer.Empty() {
		return false
	}
	p.issuer, p.signature = issuer, signature
	if !isDER(signature) {
		return false
	}
	return !present || p.readAttributes(attributes)
}

// readAttributes reads the authenticated attributes. They are signed as a SET,
// whose tag the message replaces by another.
func (p *signedData) readAttributes(attributes cryptobyte.String) bool {
	var b cryptobyte.Builder
	b.AddASN1(casn1.SET, func(b *cryptobyte.Builder) { b.AddBytes(attributes) })
	var err error
	if p.attributes, err = b.Bytes(); err != nil {
		return false
	}
	typed := false
	for !attributes.Empty() {
		var attribute, values cryptobyte.String
		var oid asn1.ObjectIdentifier
		if !attributes.ReadASN1(&attribute, casn1.SEQUENCE) || !attribute.ReadASN1ObjectIdentifier(&oid) ||
			!attribute.ReadASN1(&values, casn1.SET) || !attribute.Empty() {
			return false
		}
		switch {
		case oid.Equal(oidContentType):
			if typed || !readOID(&values, oidsData) || !values.Empty() {
				return false
			}
			typed = true
		case oid.Equal(oidMessageDigest):
			var digest cryptobyte.String
			if p.digest != nil || !values.ReadASN1(&digest, casn1.OCTET_STRING) || !values.Empty() {
				return false
			}
			p.digest = append([]byte{}, digest...)
		}
	}
	return typed && p.digest != nil
}

// signedBytes returns what the signature covers if the message is what was
// signed.
func (p *signedData) signedBytes(message []byte) ([]byte, bool) {
	if p.content != nil && !bytes.Equal(p.content, message) {
		return nil, false
	}
	if p.attributes == nil {
		return message, true
	}
	digest := sm3.Sum(message)
	return p.attributes, bytes.Equal(p.digest, digest[:])
}

// readOID reads an object identifier that must be one of those given.
func readOID(s *cryptobyte.String, of []asn1.ObjectIdentifier) bool {
	var oid asn1.ObjectIdentifier
	return s.ReadASN1ObjectIdentifier(&oid) && slices.ContainsFunc(of, oid.Equal)
}

// readAlgorithm reads an AlgorithmIdentifier; its parameters, if any, say
// nothing.
func readAlgorithm(s *cryptobyte.String, of ...asn1.ObjectIdentifier) bool {
	var algorithm cryptobyte.String
	return s.ReadASN1(&algorithm, casn1.SEQUENCE) && readOID(&algorithm, of)
}
