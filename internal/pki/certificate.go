package pki

import (
	"encoding/pem"
	"fmt"
	"io"
	"math/big"
	"strings"

	"golang.org/x/crypto/cryptobyte"
	cbasn1 "golang.org/x/crypto/cryptobyte/asn1"

	"github.com/hallmark-id/hallmark/internal/registry"
)

// Serial is a certificate's serial number in decimal, which is how the wire and
// people write it (enos §0 fact 5).
type Serial string

// ParseSerial reads a positive decimal number of at most 20 octets (RFC 5280
// §4.1.2.2).
func ParseSerial(s string) (Serial, bool) {
	if s == "" || len(s) > maxSerialDigits || s[0] == '0' || strings.Trim(s, "0123456789") != "" {
		return "", false
	}
	return Serial(s), true
}

const maxSerialDigits = 48 // of 2¹⁵⁹−1

// Int returns the number.
func (s Serial) Int() *big.Int {
	n, _ := new(big.Int).SetString(string(s), 10)
	return n
}

// newSerial draws a serial number: 1 to 2³¹−1, because fielded clients read 32
// bits, and 128 bits for SM2, which they do not speak.
func newSerial(random io.Reader, kind Kind) (*big.Int, error) {
	b := make([]byte, 4)
	if kind == SM2 {
		b = make([]byte, 16)
	}
	for {
		if _, err := io.ReadFull(random, b); err != nil {
			return nil, fmt.Errorf("draw a serial number: %w", err)
		}
		b[0] &= 0x7F
		if n := new(big.Int).SetBytes(b); n.Sign() > 0 {
			return n, nil
		}
	}
}

// Certificate is a device certificate as the store keeps it.
type Certificate struct {
	Serial    Serial
	Org       registry.ID
	Device    registry.ID // asset id
	Authority registry.ID
	Kind      Kind
	CN        string
	Subject   []byte // DER
	Issuer    []byte // DER
	NotBefore registry.Instant
	NotAfter  registry.Instant
	DER       []byte

	Revoked registry.Instant // 0 while it is not
	Reason  Reason
	Revoker string // who revoked it

	Created   registry.Instant
	CreatedBy string
	Updated   registry.Instant
	UpdatedBy string
}

// readNames takes subject and issuer out of the DER.
func (c *Certificate) readNames() error {
	tbs, _, _, ok := splitSigned(c.DER)
	in := cryptobyte.String(tbs)
	var body, issuer, subject cryptobyte.String
	ok = ok && in.ReadASN1(&body, cbasn1.SEQUENCE) &&
		body.SkipASN1(tagExplicitVersion) && body.SkipASN1(cbasn1.INTEGER) && body.SkipASN1(cbasn1.SEQUENCE) &&
		body.ReadASN1Element(&issuer, cbasn1.SEQUENCE) && body.SkipASN1(cbasn1.SEQUENCE) &&
		body.ReadASN1Element(&subject, cbasn1.SEQUENCE)
	if !ok {
		return fmt.Errorf("certificate %s: what is stored of it is damaged", c.Serial)
	}
	c.Issuer, c.Subject = issuer, subject
	return nil
}

// Status is what a certificate is worth. Its numbers are those of the wire
// (enos §1.4).
type Status uint8

// The states of a certificate. Expired is computed; revoked wins over it.
const (
	Valid Status = iota
	Revoked
	Expired
)

var statusNames = [...]string{"valid", "revoked", "expired"}

func (s Status) String() string { return statusNames[s] }

// ParseStatus reads a status's name.
func ParseStatus(s string) (Status, bool) {
	for i, name := range statusNames {
		if name == s {
			return Status(i), true
		}
	}
	return 0, false
}

// StatusAt is the status at a moment.
func (c *Certificate) StatusAt(now registry.Instant) Status {
	switch {
	case c.Revoked != 0:
		return Revoked
	case now > c.NotAfter:
		return Expired
	}
	return Valid
}

// PEM returns the certificate in PEM, which ends in a line feed.
func (c *Certificate) PEM() []byte {
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: c.DER})
}

// Reason is why a certificate was revoked: a CRLReason of RFC 5280 §5.3.1.
type Reason uint8

// The reasons that can be given (enos §1.3).
const (
	Unspecified          Reason = 0
	KeyCompromise        Reason = 1
	AffiliationChanged   Reason = 3
	Superseded           Reason = 4
	CessationOfOperation Reason = 5
	CertificateHold      Reason = 6
	PrivilegeWithdrawn   Reason = 9
)

var reasonNames = map[Reason]string{
	Unspecified: "UNSPECIFIED", KeyCompromise: "KEY_COMPROMISE", AffiliationChanged: "AFFILIATION_CHANGED", Superseded: "SUPERSEDED",
	CessationOfOperation: "CESSATION_OF_OPERATION", CertificateHold: "CERTIFICATE_HOLD", PrivilegeWithdrawn: "PRIVILEGE_WITHDRAWN",
}

// String returns the name with underscores, such as KEY_COMPROMISE.
func (r Reason) String() string { return reasonNames[r] }

// Known reports whether the reason can be given.
func (r Reason) Known() bool { return reasonNames[r] != "" }

// ParseReason reads a reason's name, in capitals or not, with _, - or spaces.
func ParseReason(s string) (Reason, bool) {
	s = strings.NewReplacer("-", "_", " ", "_").Replace(strings.ToUpper(s))
	for r, name := range reasonNames {
		if name == s {
			return r, true
		}
	}
	return 0, false
}

// Filter chooses certificates; zero fields choose all.
type Filter struct {
	Device registry.ID
	Kind   Kind
	Status *Status
	CN     string // beginning of the common name
	// Subject is a part of the subject as text, in capitals or not; it looks at
	// every certificate of the organisation.
	Subject string
	// ExpiresBefore chooses those that end before a moment.
	ExpiresBefore registry.Instant
	// After is the last certificate of the page before.
	After Cursor
	Limit int
}

// Cursor is a place in a list of certificates.
type Cursor struct {
	NotAfter registry.Instant
	Serial   Serial
}
