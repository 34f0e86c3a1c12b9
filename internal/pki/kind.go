package pki

import (
	"encoding/asn1"
	"fmt"
	"strings"
)

// Kind is the kind of key that an authority and those it certifies have. Its
// numbers are kept in the store.
type Kind uint8

// The kinds of authorities. The vendor's API knows RSA and ECC.
const (
	RSA Kind = iota + 1 // RSA-2048, SHA-256
	ECC                 // P-256 with SHA-256; an authority may have P-384 with SHA-384
	SM2                 // 国密 SM2 with SM3, with serial numbers of 128 bits
)

// Kinds returns all kinds.
func Kinds() []Kind { return []Kind{RSA, ECC, SM2} }

func (k Kind) String() string {
	switch k {
	case RSA:
		return "RSA"
	case ECC:
		return "ECC"
	case SM2:
		return "SM2"
	}
	return fmt.Sprintf("kind %d", uint8(k))
}

// ParseKind reads a kind's name, in capitals or not.
func ParseKind(s string) (Kind, bool) {
	for _, k := range Kinds() {
		if strings.EqualFold(s, k.String()) {
			return k, true
		}
	}
	return 0, false
}

// Curve is the elliptic curve of an ECC authority.
type Curve string

// The curves of ECC authorities.
const (
	P256 Curve = "P-256"
	P384 Curve = "P-384"
)

// Signature algorithms as they stand in certificates.
var (
	oidSHA256WithRSA   = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 1, 11}
	oidECDSAWithSHA256 = asn1.ObjectIdentifier{1, 2, 840, 10045, 4, 3, 2}
	oidECDSAWithSHA384 = asn1.ObjectIdentifier{1, 2, 840, 10045, 4, 3, 3}
	oidSM2WithSM3      = asn1.ObjectIdentifier{1, 2, 156, 10197, 1, 501}
)
