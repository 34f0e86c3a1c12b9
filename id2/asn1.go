package id2

import (
	"encoding/asn1"
	"fmt"

	"github.com/hallmark-id/hallmark/id2/internal/koblitz"
)

// The standard library's x509 refuses the PUF curves and SM2, so all elliptic
// keys are read and written here, in the structures of RFC 5480, RFC 5915 and
// RFC 5208.

var (
	oidECPublicKey = asn1.ObjectIdentifier{1, 2, 840, 10045, 2, 1}
	oidP256        = asn1.ObjectIdentifier{1, 2, 840, 10045, 3, 1, 7}
	oidSM2         = asn1.ObjectIdentifier{1, 2, 156, 10197, 1, 301}
)

// curveOID returns the identifier of the curve of an elliptic algorithm.
func curveOID(a Algorithm) asn1.ObjectIdentifier {
	switch a {
	case P256:
		return oidP256
	case SM2:
		return oidSM2
	}
	return pufCurve(a).OID()
}

// pufCurve returns the curve of one of the three secp…k1 algorithms.
func pufCurve(a Algorithm) *koblitz.Curve {
	switch a {
	case Secp192k1:
		return koblitz.Secp192k1
	case Secp224k1:
		return koblitz.Secp224k1
	}
	return koblitz.Secp256k1
}

// ecAlgorithm is the AlgorithmIdentifier of a key on a named curve.
type ecAlgorithm struct {
	Algorithm asn1.ObjectIdentifier
	Curve     asn1.ObjectIdentifier
}

// ecSPKI is a SubjectPublicKeyInfo.
type ecSPKI struct {
	Algorithm ecAlgorithm
	Point     asn1.BitString
}

// ecSEC1 is an ECPrivateKey.
type ecSEC1 struct {
	Version int
	Scalar  []byte
	Curve   asn1.ObjectIdentifier `asn1:"optional,explicit,tag:0"`
	Point   asn1.BitString        `asn1:"optional,explicit,tag:1"`
}

// ecPKCS8 is a PrivateKeyInfo; attributes after the key are ignored.
type ecPKCS8 struct {
	Version    int
	Algorithm  ecAlgorithm
	PrivateKey []byte
	Attributes asn1.RawValue `asn1:"optional,tag:0"`
}

// unmarshalAll reads one DER value that must fill der.
func unmarshalAll(der []byte, into any) error {
	rest, err := asn1.Unmarshal(der, into)
	if err != nil {
		return fmt.Errorf("%w: %w", ErrKey, err)
	}
	if len(rest) > 0 {
		return fmt.Errorf("%w: bytes after the key", ErrKey)
	}
	return nil
}

// parseSPKI returns the encoded point of a key on the algorithm's curve.
func parseSPKI(a Algorithm, der []byte) ([]byte, error) {
	var info ecSPKI
	if err := unmarshalAll(der, &info); err != nil {
		return nil, err
	}
	if err := checkCurve(a, info.Algorithm); err != nil {
		return nil, err
	}
	if info.Point.BitLength != len(info.Point.Bytes)*8 {
		return nil, fmt.Errorf("%w: odd bits in the point", ErrKey)
	}
	return info.Point.Bytes, nil
}

// marshalSPKI is the inverse of parseSPKI.
func marshalSPKI(a Algorithm, point []byte) []byte {
	// Marshalling these fixed structures cannot fail.
	der, _ := asn1.Marshal(ecSPKI{
		Algorithm: ecAlgorithm{oidECPublicKey, curveOID(a)},
		Point:     asn1.BitString{Bytes: point, BitLength: len(point) * 8},
	})
	return der
}

// parseECPrivate returns the scalar of a PKCS#8 or SEC 1 private key. A point
// that comes with it is ignored, the public key is always calculated.
func parseECScalar(a Algorithm, der []byte) ([]byte, error) {
	var wrapped ecPKCS8
	if err := unmarshalAll(der, &wrapped); err == nil {
		if err := checkCurve(a, wrapped.Algorithm); err != nil {
			return nil, err
		}
		der = wrapped.PrivateKey
	}
	var key ecSEC1
	if err := unmarshalAll(der, &key); err != nil {
		return nil, err
	}
	if key.Version != 1 {
		return nil, fmt.Errorf("%w: version %d", ErrKey, key.Version)
	}
	if len(key.Curve) == 0 && len(wrapped.Algorithm.Curve) == 0 {
		return nil, fmt.Errorf("%w: names no curve", ErrKey)
	}
	if len(key.Curve) > 0 && !key.Curve.Equal(curveOID(a)) {
		return nil, fmt.Errorf("%w: key is on curve %v", ErrKey, key.Curve)
	}
	return key.Scalar, nil
}

// marshalECPrivate is the inverse of parseECScalar, in PKCS#8.
func marshalECPrivate(a Algorithm, scalar, point []byte) []byte {
	// Marshalling these fixed structures cannot fail.
	inner, _ := asn1.Marshal(ecSEC1{
		Version: 1,
		Scalar:  scalar,
		Point:   asn1.BitString{Bytes: point, BitLength: len(point) * 8},
	})
	der, _ := asn1.Marshal(ecPKCS8{
		Algorithm:  ecAlgorithm{oidECPublicKey, curveOID(a)},
		PrivateKey: inner,
	})
	return der
}

// checkCurve reports a key of another kind or on another curve.
func checkCurve(a Algorithm, id ecAlgorithm) error {
	if !id.Algorithm.Equal(oidECPublicKey) || !id.Curve.Equal(curveOID(a)) {
		return fmt.Errorf("%w: not a key on the curve of %v", ErrKey, a)
	}
	return nil
}
